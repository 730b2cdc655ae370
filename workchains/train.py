"""Training a committee: its members in parallel jobs, or some sharing one."""

from __future__ import annotations

from typing import Any, cast

from aiida import orm
from aiida.common import AttributeDict
from aiida.engine import ExitCode, ProcessBuilder, ToContext
from aiida.engine.processes.workchains.workchain import WorkChainSpec

from aiida_redoxmlp.calculations.committees import join_histories, join_trainings
from aiida_redoxmlp.calculations.monitors import TRAINING_MONITOR
from aiida_redoxmlp.calculations.train import TrainCalculation
from aiida_redoxmlp.data.dataset import DatasetData
from aiida_redoxmlp.data.model import ModelData
from aiida_redoxmlp.dataset.label_checks import warn_of_labels
from aiida_redoxmlp.engines.settings import TrainingSettings
from aiida_redoxmlp.workchains.job_options import job_options
from aiida_redoxmlp.workchains.protocols import default_protocol, describe_protocol, load_protocol
from aiida_redoxmlp.workchains.submitting_once import SubmittingOnceWorkChain
from aiida_redoxmlp.workchains.train_base import TrainBaseWorkChain

__all__ = ("TrainWorkChain",)


def _validate_members_per_job(node: orm.Int | None, _: Any) -> str | None:
    if node is not None and node.value < 1:
        return f"members_per_job is {node.value}; give a number of members from 1, or nothing for all in one job."
    return None


class TrainWorkChain(SubmittingOnceWorkChain):
    """Train the members of a committee in parallel jobs that survive their wall time, and join them.

    What a member becomes depends on its seed alone, not on the job that it is trained in or how often it was stopped.
    """

    @classmethod
    def define(cls, spec: WorkChainSpec) -> None:  # type: ignore[override]
        """Define inputs, outline, outputs and exit codes."""
        super().define(spec)
        spec.expose_inputs(TrainBaseWorkChain)
        spec.input(
            "members_per_job",
            valid_type=orm.Int,
            serializer=orm.to_aiida_type,
            required=False,
            validator=_validate_members_per_job,
            help="Members that are trained one after the other in a job; all in one job if not given.",
        )
        spec.outline(cls.run_jobs, cls.join, cls.results)
        spec.output("model", valid_type=ModelData, help="The committee.")
        spec.output(
            "report",
            valid_type=orm.Dict,
            help="Fields of `aiida_redoxmlp.runners.jobs.TrainOutput`, of the whole committee; the time is that of all "
            "jobs that were not stopped.",
        )
        spec.output(
            "history",
            valid_type=orm.ArrayData,
            required=False,
            help="Learning curves of all members and jobs: one array a quantity, one row an epoch.",
        )
        spec.exit_code(310, "ERROR_MEMBERS_FAILED", message="{count} of {total} jobs failed: {message}")
        spec.exit_code(320, "ERROR_NOT_JOINED", message="The members cannot be joined: {message}")

    @classmethod
    def get_builder_from_protocol(
        cls,
        code: orm.AbstractCode,
        dataset: DatasetData | None = None,
        *,
        foundation: ModelData | orm.SinglefileData | None = None,
        replay: DatasetData | None = None,
        protocol: str | None = None,
        overrides: dict[str, Any] | None = None,
        options: dict[str, Any] | None = None,
    ) -> ProcessBuilder:
        """Return a builder with the settings of a protocol.

        Args:
            code: a code whose executable is ``redoxmlp-run``.
            dataset: labelled frames; to be set later if not given.
            foundation: model to start from, with ``fine_tuning`` in the settings.
            replay: frames for the mode ``replay``.
            protocol: ``demo``, ``fast``, ``balanced`` or ``stringent``.
            overrides: settings laid over the protocol's, with the keys of ``protocols/train.yaml``; ``settings`` holds
                the fields of :class:`~aiida_redoxmlp.engines.settings.TrainingSettings`.
            options: scheduler options of a job.

        Raises:
            InputError: for an unknown protocol or setting.
            pydantic.ValidationError: for training settings that are not allowed.
        """
        protocol = protocol or default_protocol("train")
        content = load_protocol("train", protocol, overrides)
        training = TrainingSettings.model_validate(content["settings"])
        builder: Any = cls.get_builder()
        builder.metadata.description = describe_protocol(protocol)
        builder.max_iterations = orm.Int(content["max_restarts"] + 1)
        builder.clean_workdir = orm.Bool(content["clean_workdir"])
        if content["members_per_job"] is not None:
            builder.members_per_job = orm.Int(content["members_per_job"])
        builder.job.code = code
        for name, node in {"dataset": dataset, "foundation": foundation, "replay": replay}.items():
            if node is not None:
                builder.job[name] = node
        builder.job.settings = orm.Dict(training.model_dump(mode="json"))
        builder.job.validation_fraction = orm.Float(content["validation_fraction"])
        builder.job.include_ambiguous = orm.Bool(content["include_ambiguous"])
        builder.job.metadata.options = job_options(options)
        if (watch := content["divergence"]) is not None:
            limits = {key: watch[key] for key in ("maximum_growth", "patience")}
            monitor = {
                "entry_point": TRAINING_MONITOR,
                "minimum_poll_interval": watch["interval_s"],
                "kwargs": limits,
            }
            builder.job.monitors = {"divergence": orm.Dict(monitor)}
        return cast("ProcessBuilder", builder)

    def run_jobs(self) -> dict[str, Any]:
        """Submit all jobs, each with its share of the seeds."""
        settings = self.inputs.job.settings.get_dict()
        seeds = list(TrainingSettings.model_validate(settings).seeds)
        size = self.inputs.members_per_job.value if "members_per_job" in self.inputs else len(seeds)
        self.ctx.seeds = [seeds[first : first + size] for first in range(0, len(seeds), size)]
        for warning in warn_of_labels(self.inputs.job.dataset.frames):
            self.report(warning)
        running = {}
        for number, share in enumerate(self.ctx.seeds):
            inputs = AttributeDict(self.exposed_inputs(TrainBaseWorkChain))
            inputs.metadata = {"call_link_label": f"job_{number}"}
            inputs.job = AttributeDict(inputs.job)
            if share != seeds:
                inputs.job.settings = orm.Dict({**settings, "seeds": share})
            running[f"job_{number}"] = self.submit(TrainBaseWorkChain, **inputs)
            self.report(
                f"{TrainBaseWorkChain.__name__}<{running[f'job_{number}'].pk}> trains the members of the seeds "
                f"{', '.join(map(str, share))}"
            )
        return ToContext(**running)

    @property
    def _jobs(self) -> list[orm.WorkChainNode]:
        return [self.ctx[f"job_{number}"] for number in range(len(self.ctx.seeds))]

    def join(self) -> ExitCode | None:
        """Join the members, and the learning curves also where some failed."""
        self._join_histories()
        failed = [job for job in self._jobs if not job.is_finished_ok]
        if failed:
            seeds = [share for share, job in zip(self.ctx.seeds, self._jobs, strict=True) if job in failed]
            named = ", ".join(str(seed) for share in seeds for seed in share)
            message = f"seeds {named}: {failed[0].exit_message}"
            return self._exit("ERROR_MEMBERS_FAILED", count=len(failed), total=len(self._jobs), message=message)
        if len(self._jobs) == 1:
            self.ctx.joined = {name: self._jobs[0].outputs[name] for name in ("model", "report")}
            return None
        parts = {}
        for number, job in enumerate(self._jobs):
            last = _calculations(job)[-1]
            for name in ("model", "report", "retrieved"):
                parts[f"job_{number}_{name}"] = last.outputs[name]
        joined, node = join_trainings.run_get_node(**parts)
        if not node.is_finished_ok:
            return self._exit("ERROR_NOT_JOINED", message=node.exit_message)
        self.ctx.joined = joined
        return None

    def _join_histories(self) -> None:
        histories = {
            f"job_{number}_run_{run}": calculation.outputs.history
            for number, job in enumerate(self._jobs)
            for run, calculation in enumerate(_calculations(job))
            if "history" in calculation.outputs
        }
        if len(histories) == 1 and len(self._jobs) == 1:
            self.out("history", *histories.values())
        elif histories:
            n_members = orm.List([len(share) for share in self.ctx.seeds])
            self.out("history", join_histories(n_members, **histories))

    def _exit(self, label: str, **fields: Any) -> ExitCode:
        code: ExitCode = self.exit_codes[label].format(**fields)
        return code

    def results(self) -> None:
        """Hand over the committee and its report."""
        for name in ("model", "report"):
            self.out(name, self.ctx.joined[name])


def _calculations(job: orm.WorkChainNode) -> list[orm.CalcJobNode]:
    """The trainings of a job in the order in which they ran."""
    found = [node for node in job.called if node.process_type == TrainCalculation.build_process_type()]
    return sorted(found, key=lambda node: int(node.pk))
