"""The campaign: from a structure and its charge to the ground-state redox pattern, with everything in between."""

from __future__ import annotations

from typing import Any, cast

from aiida import orm
from aiida.common import AttributeDict
from aiida.engine import ProcessBuilder, ToContext, append_, if_, while_
from aiida.engine.processes.workchains.workchain import WorkChainSpec
from aiida_quantumespresso.data.hubbard_structure import HubbardStructureData

from aiida_redoxmlp.calculations.datasets import merge_datasets, split_dataset
from aiida_redoxmlp.calculations.hubbard_transforms import same_hubbard_for_all
from aiida_redoxmlp.calculations.structures import list_patterns, with_positions
from aiida_redoxmlp.data.dataset import DatasetData
from aiida_redoxmlp.data.model import ModelData
from aiida_redoxmlp.redox.chemistry import RedoxChemistry
from aiida_redoxmlp.workchains.campaign_inputs import set_runners
from aiida_redoxmlp.workchains.campaign_ports import declare_inputs
from aiida_redoxmlp.workchains.evaluate_base import EvaluateBaseWorkChain
from aiida_redoxmlp.workchains.hubbard import HubbardWorkChain
from aiida_redoxmlp.workchains.label import LabelWorkChain
from aiida_redoxmlp.workchains.part_inputs import inputs_of
from aiida_redoxmlp.workchains.protocols import default_protocol, describe_protocol, load_protocol, merged
from aiida_redoxmlp.workchains.search import SearchWorkChain
from aiida_redoxmlp.workchains.submitting_once import SubmittingOnceWorkChain
from aiida_redoxmlp.workchains.train import TrainWorkChain
from aiida_redoxmlp.workchains.trajectory import TrajectoryWorkChain

__all__ = ("CampaignWorkChain",)


class CampaignWorkChain(SubmittingOnceWorkChain):
    """Compute U and V, label patterns with DFT+U, train a redox-aware committee and a baseline, search, check with DFT.

    A potential learns one energy surface, so the labels take one U an element: the mean over its self-consistent
    sites. A failed label never reaches the dataset; the campaign goes on with the rest and says so in its conclusion.
    """

    @classmethod
    def define(cls, spec: WorkChainSpec) -> None:  # type: ignore[override]
        """Define inputs, outline, outputs and exit codes."""
        super().define(spec)
        declare_inputs(spec)
        spec.outline(
            cls.start,
            if_(cls.wants_hubbard)(cls.run_hubbard, cls.inspect_hubbard),
            cls.setup,
            while_(cls.relaxations_left)(cls.run_relaxations),
            if_(cls.wants_md)(cls.prepare_md, while_(cls.md_left)(cls.run_md)),
            cls.gather,
            cls.run_training,
            cls.run_judgement,
            cls.inspect_judgement,
            cls.results,
        )
        spec.output(
            "hubbard_structure",
            valid_type=HubbardStructureData,
            required=False,
            help="The structure with its self-consistent U and V, site by site.",
        )
        spec.output("dataset", valid_type=DatasetData, help="Every frame of every label.")
        spec.output("test_dataset", valid_type=DatasetData, help="The frames held out.")
        spec.output(
            "split",
            valid_type=orm.Dict,
            help="How they were chosen, and warnings: the summary of `split_by_trajectory`.",
        )
        spec.output("model", valid_type=ModelData, help="The redox-aware committee.")
        spec.output("baseline", valid_type=ModelData, help="The redox-unaware baseline.")
        spec.output("conclusion", valid_type=orm.Dict, help="Ranking of the patterns, by potential and by DFT.")
        spec.exit_code(300, "ERROR_NO_LABELS", message="Not one of the {count} labels succeeded.")
        spec.exit_code(
            301,
            "ERROR_NOTHING_TO_TEST",
            message="None of the {count} frames can be held out from training; label more trajectories or longer ones.",
        )
        spec.exit_code(305, "ERROR_HUBBARD_FAILED", message="U and V were not found: {message}")
        spec.exit_code(310, "ERROR_TRAINING_FAILED", message="Training failed: {message}")
        spec.exit_code(320, "ERROR_SEARCH_FAILED", message="The search or the evaluation failed: {message}")

    @classmethod
    def get_builder_from_protocol(  # noqa: PLR0913 - keywords only, one a thing the campaign needs
        cls,
        *,
        pw_code: orm.AbstractCode,
        runner_code: orm.AbstractCode,
        hp_code: orm.AbstractCode | None = None,
        structure: HubbardStructureData,
        redox: dict[str, Any],
        pseudo_family: str,
        foundation: ModelData | orm.SinglefileData | None = None,
        replay: DatasetData | None = None,
        protocol: str | None = None,
        overrides: dict[str, Any] | None = None,
        magnetic_order: str | list[int] = "antiferromagnetic",
        dft_options: dict[str, Any] | None = None,
        hp_options: dict[str, Any] | None = None,
        training_options: dict[str, Any] | None = None,
    ) -> ProcessBuilder:
        """Return a builder with the settings of a protocol.

        Args:
            pw_code: a pw.x code.
            runner_code: a code whose executable is ``redoxmlp-run``; on a cluster with GPUs where there is one.
            hp_code: an hp.x code on the computer of ``pw_code``; without it U and V are used as they are given.
            structure: structure with Hubbard parameters.
            redox: fields of :class:`~aiida_redoxmlp.redox.chemistry.RedoxChemistry`.
            pseudo_family: label of an installed aiida-pseudo family.
            foundation: model that the trainings start from, with ``fine_tuning`` in their settings.
            replay: frames for the mode ``replay``.
            protocol: ``demo``, ``fast``, ``balanced`` or ``stringent``.
            overrides: settings laid over the protocol's, with the keys of ``protocols/campaign.yaml``; ``label`` holds
                those of ``protocols/label.yaml``, ``hubbard`` those of ``protocols/hubbard.yaml``, ``committee`` those
                of ``protocols/train.yaml``.
            magnetic_order: order of the moments on the redox sites.
            dft_options: scheduler options of the pw.x jobs.
            hp_options: scheduler options of the hp.x jobs.
            training_options: scheduler options of training, evaluation and search.

        Raises:
            InputError: for an unknown protocol or setting, or a family without an element's pseudopotential or cutoff.
        """
        protocol = protocol or default_protocol("campaign")
        settings = load_protocol("campaign", protocol, overrides)
        builder: Any = cls.get_builder()
        builder.metadata.description = describe_protocol(protocol)
        builder.structure = structure
        builder.redox = orm.Dict(redox)
        builder.max_concurrent = orm.Int(settings["max_concurrent"])
        builder.max_patterns = orm.Int(settings["max_patterns"])
        builder.test_fraction = orm.Float(settings["test_fraction"])
        shared = {
            "redox": redox,
            "pseudo_family": pseudo_family,
            "protocol": protocol,
            "magnetic_order": magnetic_order,
        }
        builder.relax = inputs_of(
            LabelWorkChain,
            pw_code,
            structure,
            task="relax",
            overrides=settings["label"],
            options=dft_options,
            **shared,
        )
        if settings["molecular_dynamics"]:
            builder.md = inputs_of(
                TrajectoryWorkChain,
                pw_code,
                structure,
                overrides=merged({"label": settings["label"]}, settings["trajectory"]),
                options=dft_options,
                **shared,
            )
        if hp_code is not None:
            builder.hubbard = inputs_of(
                HubbardWorkChain,
                pw_code=pw_code,
                hp_code=hp_code,
                structure=structure,
                overrides=settings["hubbard"],
                dft_options=dft_options,
                hp_options=hp_options,
                **shared,
            )
        start = {"foundation": foundation, "replay": replay}
        set_runners(builder, settings, protocol, runner_code, training_options, start)
        builder.search = inputs_of(
            SearchWorkChain,
            runner_code,
            structure,
            pw_code=pw_code,
            overrides={
                "n_check": settings["n_check"],
                "max_concurrent": settings["max_concurrent"],
                "label": settings["label"],
                "settings": settings["search"],
            },
            options=training_options,
            dft_options=dft_options,
            **shared,
        )
        return cast("ProcessBuilder", builder)

    def start(self) -> None:
        """Begin with the structure as it is given."""
        self.ctx.structure_pk = self.inputs.structure.pk

    def wants_hubbard(self) -> bool:
        """Whether U and V are to be computed."""
        return "hubbard" in self.inputs

    def run_hubbard(self) -> dict[str, Any]:
        """Compute U and V of the first pattern."""
        inputs = AttributeDict(self.exposed_inputs(HubbardWorkChain, namespace="hubbard"))
        inputs.structure = self.inputs.structure
        inputs.redox = self.inputs.redox
        inputs.metadata.call_link_label = "hubbard"
        return ToContext(hubbard=self.submit(HubbardWorkChain, **inputs))

    def inspect_hubbard(self) -> Any:
        """Give every site of an element the same U; values that have not settled within the tolerance are used too."""
        node = self.ctx.hubbard
        unsettled = HubbardWorkChain.exit_codes.ERROR_NOT_CONVERGED.status
        if not node.is_finished_ok and node.exit_status != unsettled:
            return self.exit_codes.ERROR_HUBBARD_FAILED.format(message=node.exit_message)
        if not node.is_finished_ok:
            self.report(f"{node.exit_message} The campaign goes on with the values of the last cycle.")
        found = node.outputs.hubbard_structure
        self.out("hubbard_structure", found)
        self.ctx.structure_pk = same_hubbard_for_all(self.inputs.structure, found).pk
        return None

    @property
    def _structure(self) -> HubbardStructureData:
        """The parent structure with the Hubbard parameters of the labels."""
        return orm.load_node(self.ctx.structure_pk)

    def setup(self) -> None:
        """List the charge-balanced patterns that are labelled, one of every symmetry orbit before a second of any."""
        content = list_patterns(self._structure, self.inputs.redox, self.inputs.max_patterns).get_dict()
        self.ctx.relaxations = [pattern["states"] for pattern in content["patterns"]]
        self.ctx.md_starts = []
        self.ctx.labels_relax = []
        self.ctx.labels_md = []
        self.report(
            f"{content['n_patterns']} patterns close the charge, {content['n_distinct']} of them not equivalent by "
            f"symmetry; {len(content['patterns'])} are labelled"
        )

    def relaxations_left(self) -> bool:
        """Whether patterns wait for their relaxation."""
        return bool(self.ctx.relaxations)

    def run_relaxations(self) -> dict[str, Any]:
        """Relax the next patterns, as many at a time as allowed."""
        batch = [(states, self._structure) for states in self._take("relaxations")]
        return self._submit_labels("relax", batch)

    def wants_md(self) -> bool:
        """Whether molecular dynamics was asked for."""
        return "md" in self.inputs

    def prepare_md(self) -> None:
        """MD starts from every relaxation that ended on a sure pattern, with the pattern DFT found."""
        for label in self._succeeded("relax"):
            verdict = label.outputs.verdict.get_dict()
            if verdict["ambiguous"] or "structure" not in label.outputs:
                self.report(f"no MD from <{label.pk}>: its final pattern is ambiguous")
                continue
            start = with_positions(self._structure, label.outputs.structure)
            self.ctx.md_starts.append([verdict["found"], start.pk])

    def md_left(self) -> bool:
        """Whether relaxed patterns wait for their MD."""
        return bool(self.ctx.md_starts)

    def run_md(self) -> dict[str, Any]:
        """Run MD from the next relaxed patterns."""
        return self._submit_labels("md", [(states, orm.load_node(pk)) for states, pk in self._take("md_starts")])

    def gather(self) -> Any:
        """Join the frames of every label that succeeded and hold out some of every pattern."""
        trajectories = [one for one in self.ctx.labels_md if "frames" in one.outputs]  # also those that ended early
        labels = self._succeeded("relax") + trajectories
        count = len(self.ctx.labels_relax) + len(self.ctx.labels_md)
        if not labels:
            return self.exit_codes.ERROR_NO_LABELS.format(count=count)
        if len(labels) < count:
            self.report(f"{count - len(labels)} of {count} labels failed; the campaign goes on without them")
        dataset = merge_datasets(**{f"label_{index:04d}": one.outputs.frames for index, one in enumerate(labels)})
        parts = split_dataset(dataset, self.inputs.test_fraction)
        self.ctx.training_pk = parts["training"].pk
        self.ctx.test_pk = parts["test"].pk
        self.out("dataset", dataset)
        self.out("test_dataset", parts["test"])
        self.out("split", parts["summary"])
        self.report(f"{dataset.n_frames} frames, {dataset.n_ambiguous} of them ambiguous")
        for warning in parts["summary"]["warnings"]:
            self.report(warning)
        if not parts["test"].n_frames:
            return self.exit_codes.ERROR_NOTHING_TO_TEST.format(count=dataset.n_frames)
        return None

    def run_training(self) -> dict[str, Any]:
        """Train the redox-aware committee and the baseline side by side."""
        dataset = orm.load_node(self.ctx.training_pk)
        running = {}
        for namespace in ("train", "baseline"):
            inputs = AttributeDict(self.exposed_inputs(TrainWorkChain, namespace=namespace))
            inputs.job = {**inputs.job, "dataset": dataset}
            inputs.metadata.call_link_label = namespace
            running[namespace] = self.submit(TrainWorkChain, **inputs)
        return ToContext(**running)

    def run_judgement(self) -> Any:
        """Evaluate both committees on the held-out frames in the same way, and search with the redox-aware one.

        The search checks its lowest patterns with DFT.
        """
        for training in (self.ctx.train, self.ctx.baseline):
            if not training.is_finished_ok:
                return self.exit_codes.ERROR_TRAINING_FAILED.format(message=training.exit_message)
        self.out("model", self.ctx.train.outputs.model)
        self.out("baseline", self.ctx.baseline.outputs.model)
        chemistry = RedoxChemistry.model_validate(self.inputs.redox.get_dict())
        symbols = self._structure.get_ase().get_chemical_symbols()
        allowed = {element: list(states) for element, states in chemistry.allowed_on(symbols).items()}
        states, running = orm.Dict(allowed), {}
        for name, training in {
            "evaluate_aware": self.ctx.train,
            "evaluate_baseline": self.ctx.baseline,
        }.items():
            inputs = AttributeDict(self.exposed_inputs(EvaluateBaseWorkChain, namespace="evaluate"))
            given = {"dataset": orm.load_node(self.ctx.test_pk), "model": training.outputs.model}
            inputs.job = {**inputs.job, **given, "allowed_states": states}
            inputs.metadata.call_link_label = name
            running[name] = self.submit(EvaluateBaseWorkChain, **inputs)
        search = AttributeDict(self.exposed_inputs(SearchWorkChain, namespace="search"))
        search.structure = self._structure
        search.redox = self.inputs.redox
        search.model = self.ctx.train.outputs.model
        search.metadata.call_link_label = "search"
        running["search"] = self.submit(SearchWorkChain, **search)
        return ToContext(**running)

    def inspect_judgement(self) -> Any:
        """End where the search or an evaluation failed."""
        for node in (self.ctx.evaluate_aware, self.ctx.evaluate_baseline, self.ctx.search):
            if not node.is_finished_ok:
                return self.exit_codes.ERROR_SEARCH_FAILED.format(message=node.exit_message)
        return None

    def results(self) -> None:
        """Hand over the potential's ranking beside DFT's answers."""
        self.out("conclusion", self.ctx.search.outputs.conclusion)

    def _take(self, name: str) -> list[Any]:
        """Take the next entries of a waiting list, as many as may run at a time."""
        count = self.inputs.max_concurrent.value
        batch, self.ctx[name] = self.ctx[name][:count], self.ctx[name][count:]
        return list(batch)

    def _submit_labels(self, stage: str, batch: list[tuple[list[int], HubbardStructureData]]) -> dict[str, Any]:
        """Submit one label (of stage md: one trajectory) a pattern and collect them under ``labels_<stage>``."""
        work_chain = TrajectoryWorkChain if stage == "md" else LabelWorkChain
        submitted = {}
        for index, (states, structure) in enumerate(batch):
            inputs = AttributeDict(self.exposed_inputs(work_chain, namespace=stage))
            inputs.structure = structure
            inputs.pattern = orm.List(states)
            inputs.redox = self.inputs.redox
            number = len(self.ctx[f"labels_{stage}"]) + index
            inputs.metadata.call_link_label = f"{stage}_{number}"
            submitted[number] = self.submit(work_chain, **inputs)
        for node in submitted.values():
            self.to_context(**{f"labels_{stage}": append_(node)})
        return ToContext()

    def _succeeded(self, stage: str) -> list[orm.WorkChainNode]:
        """The labels of a stage that ended well."""
        return [label for label in self.ctx[f"labels_{stage}"] if label.is_finished_ok]
