"""Active learning: explore, select, label, train and judge until the stopping rules hold or the budget is spent."""

from __future__ import annotations

from typing import Any, cast

from aiida import orm
from aiida.engine import ExitCode, ProcessBuilder, ToContext, if_, while_
from aiida.engine.processes.workchains.workchain import WorkChainSpec
from aiida_quantumespresso.data.hubbard_structure import HubbardStructureData

from aiida_redoxmlp.data.dataset import DatasetData
from aiida_redoxmlp.data.model import ModelData
from aiida_redoxmlp.workchains.active_learning_inputs import (
    outputs_of_previous,
    set_labels,
    set_loop,
    set_runners,
    widest_structure,
)
from aiida_redoxmlp.workchains.active_learning_labels import LabellingSteps
from aiida_redoxmlp.workchains.active_learning_parts import part_inputs
from aiida_redoxmlp.workchains.active_learning_ports import declare_loop_inputs, declare_loop_outputs
from aiida_redoxmlp.workchains.explore_base import ExploreBaseWorkChain
from aiida_redoxmlp.workchains.protocols import default_protocol, describe_protocol, load_protocol
from aiida_redoxmlp.workchains.train import TrainWorkChain

__all__ = ("ActiveLearningWorkChain",)


class ActiveLearningWorkChain(LabellingSteps):
    """Turn a few labels, or none, into a potential: ask DFT only about what the committee does not know.

    Without a committee one is trained on the dataset; without a dataset neighbours of the structures are labelled
    first. Every iteration leaves one record. However it ends, `loop`, `dataset` and `model` are there, and another loop
    goes on from them with other settings or a larger budget.
    """

    @classmethod
    def define(cls, spec: WorkChainSpec) -> None:  # type: ignore[override]
        """Define inputs, outline, outputs and exit codes."""
        super().define(spec)
        declare_loop_inputs(spec)
        declare_loop_outputs(spec)
        spec.outline(
            cls.setup,
            if_(cls.needs_first_model)(cls.run_training, cls.inspect_training),
            while_(cls.goes_on)(
                cls.begin_iteration,
                if_(cls.can_explore)(cls.run_exploration, cls.inspect_exploration),
                cls.prepare_labels,
                while_(cls.labels_left)(cls.run_labels),
                cls.judge_answers,
                if_(cls.has_fresh_labels)(cls.run_training, cls.inspect_training),
                cls.end_iteration,
            ),
            cls.results,
        )

    @classmethod
    def get_builder_from_protocol(  # noqa: PLR0913 - keywords only, one a thing the loop needs
        cls,
        *,
        pw_code: orm.AbstractCode,
        runner_code: orm.AbstractCode,
        structures: dict[str, HubbardStructureData],
        redox: dict[str, Any],
        pseudo_family: str,
        dataset: DatasetData | None = None,
        model: ModelData | None = None,
        previous: orm.WorkChainNode | None = None,
        foundation: ModelData | orm.SinglefileData | None = None,
        replay: DatasetData | None = None,
        protocol: str | None = None,
        overrides: dict[str, Any] | None = None,
        magnetic_order: str | list[int] = "antiferromagnetic",
        options: dict[str, dict[str, Any] | None] | None = None,
    ) -> ProcessBuilder:
        """Return a builder with the settings of a protocol.

        Args:
            pw_code: a pw.x code.
            runner_code: a code whose executable is ``redoxmlp-run``; on a cluster with GPUs where there is one.
            structures: structures with Hubbard parameters, by name; one of them has all elements.
            redox: fields of :class:`~aiida_redoxmlp.redox.chemistry.RedoxChemistry`.
            pseudo_family: label of an installed aiida-pseudo family.
            dataset: what is labelled already.
            model: the committee to begin with.
            previous: a loop that ended, whose dataset, model and record are taken where none are given.
            foundation: model that trainings start from, with ``fine_tuning`` in their settings.
            replay: frames for the mode ``replay``.
            protocol: ``demo``, ``fast``, ``balanced`` or ``stringent``.
            overrides: settings laid over the protocol's, with the keys of ``protocols/active_learning.yaml``.
            magnetic_order: order of the moments on the redox sites.
            options: scheduler options by kind of job: ``dft``, ``exploration`` (with selection) and ``training``
                (evaluation too).

        Raises:
            InputError: for an unknown protocol or setting, or a family without an element's pseudopotential or cutoff.
            pydantic.ValidationError: for settings that are not allowed.
        """
        protocol = protocol or default_protocol("active_learning")
        settings = load_protocol("active_learning", protocol, overrides)
        asked = options or {}
        builder: Any = cls.get_builder()
        builder.metadata.description = describe_protocol(protocol)
        builder.structures = structures
        builder.redox = orm.Dict(redox)
        set_loop(builder, settings)
        earlier = {} if previous is None else outputs_of_previous(previous, structures)
        for name, node in {**earlier, "dataset": dataset, "model": model}.items():
            if (chosen := node if node is not None else earlier.get(name)) is not None:
                builder[name] = chosen
        set_labels(
            builder,
            settings,
            code=pw_code,
            structure=widest_structure(structures),
            redox=redox,
            pseudo_family=pseudo_family,
            protocol=protocol,
            magnetic_order=magnetic_order,
            options=asked.get("dft"),
        )
        set_runners(builder, settings, protocol, runner_code, asked, {"foundation": foundation, "replay": replay})
        return cast("ProcessBuilder", builder)

    def can_explore(self) -> bool:
        """Whether there is a committee, and it knows every state that the structures may have."""
        return self.ctx.model_pk is not None and self.unknown_state is None

    def run_exploration(self) -> dict[str, Any]:
        """Explore from all structures, with another seed than in the iterations before, and select at the end of it."""
        inputs = part_inputs(self, ExploreBaseWorkChain, "explore")
        settings = inputs.job.settings.get_dict()
        limits = {**settings.get("limits", {}), "force_factor": self.loop_state.factors.forces}
        changed = {**settings, "seed": settings.get("seed", 0) + self.ctx.number, "limits": limits}
        inputs.job.settings = orm.Dict(changed)
        inputs.job.structures = dict(self.inputs.structures)
        inputs.job.model = orm.load_node(self.ctx.model_pk)
        inputs.job.chemistry = self.inputs.redox
        inputs.job.selection = self.selection_inputs()
        return ToContext(explore=self.begin(ExploreBaseWorkChain, inputs, "explore"))

    def inspect_exploration(self) -> ExitCode | None:
        """Take what was selected; where the exploration went nowhere, neighbours are labelled instead."""
        node = self.ctx.explore
        if not node.is_finished_ok:
            return self.give_up("ERROR_EXPLORATION_FAILED", message=node.exit_message)
        report = node.outputs.report.get_dict()
        for warning in report["warnings"]:
            self.note(warning)
        if "selection" not in node.outputs:
            self.note(
                "The exploration is unstable: no walker went beyond its start; neighbours of the structures are "
                "labelled instead."
            )
            return None
        self.take_selection(node.outputs.selection, dict(node.outputs.selected) if "selected" in node.outputs else {})
        return None

    def needs_first_model(self) -> bool:
        """Whether a committee can be trained before the first iteration."""
        return self.ctx.model_pk is None and self.can_train

    def has_fresh_labels(self) -> bool:
        """Whether the dataset grew and is large enough to train on."""
        return self.ctx.judged_pk is not None and self.can_train

    def run_training(self) -> dict[str, Any]:
        """Train on all labels, and judge the potential that asked for the fresh ones by them."""
        inputs = part_inputs(self, TrainWorkChain, "train")
        inputs.job.dataset = orm.load_node(self.ctx.dataset_pk)
        last = self.ctx.model_pk
        if last is not None and "warm_start" in self.inputs:
            settings = {**inputs.job.settings.get_dict(), "fine_tuning": self.inputs.warm_start.get_dict()}
            inputs.job.settings = orm.Dict(settings)
            inputs.job.foundation = orm.load_node(last)
        name = "train" if self.ctx.verdicts_pk is not None else "first_train"
        running = {"train": self.begin(TrainWorkChain, inputs, name)}
        if last is not None and self.ctx.judged_pk is not None:
            running["evaluate"] = self.begin_evaluation()
        return ToContext(**running)

    def inspect_training(self) -> ExitCode | None:
        """Take the new committee; a judgement that failed is told and left out."""
        evaluation = self.ctx.get("evaluate")
        if evaluation is not None and evaluation.is_finished_ok:
            self.ctx.evaluation_pk = evaluation.outputs.report.pk
        elif evaluation is not None:
            self.note(f"The potential could not be judged by the fresh labels: {evaluation.exit_message}")
        self.ctx.evaluate = None
        node = self.ctx.train
        if not node.is_finished_ok:
            return self.give_up("ERROR_TRAINING_FAILED", message=node.exit_message)
        self.ctx.model_pk = node.outputs.model.pk
        self.ctx.training_pk = node.outputs.report.pk
        return None
