"""DFT+U+V molecular dynamics of several patterns, and the dataset that comes out of it."""

from __future__ import annotations

from typing import Any, cast

from aiida import orm
from aiida.common import AttributeDict
from aiida.engine import ExitCode, ProcessBuilder, ToContext, append_, if_, while_
from aiida.engine.processes.workchains.workchain import WorkChainSpec
from aiida_quantumespresso.data.hubbard_structure import HubbardStructureData

from aiida_redoxmlp.calculations.datasets import merge_datasets, subsample_dataset
from aiida_redoxmlp.calculations.pw import validate_redox
from aiida_redoxmlp.calculations.structures import with_positions
from aiida_redoxmlp.data.dataset import DatasetData
from aiida_redoxmlp.data.oxidation_states import OxidationStatesData
from aiida_redoxmlp.dynamics.settings import DynamicsSettings
from aiida_redoxmlp.redox.chemistry import RedoxChemistry
from aiida_redoxmlp.workchains.label import LabelWorkChain
from aiida_redoxmlp.workchains.part_inputs import PROVIDED_BY_CALLER, inputs_of
from aiida_redoxmlp.workchains.protocols import load_protocol, merged
from aiida_redoxmlp.workchains.submitting_once import SubmittingOnceWorkChain
from aiida_redoxmlp.workchains.trajectory import TrajectoryWorkChain
from aiida_redoxmlp.workchains.trajectory_ports import why_not_followed

__all__ = ("DynamicsWorkChain",)


def _validate_inputs(inputs: Any, _: Any) -> str | None:
    """Follow the atoms of every pattern, and check the numbers of seeds and jobs, before anything is submitted."""
    if any(key not in inputs for key in ("structure", "redox", "patterns", "random_seeds")):
        return None  # the ports report what is missing
    moves = inputs.get("trajectory", {})
    if "dynamics" not in moves:
        return None
    for pattern in inputs["patterns"].get_list():
        sentence = why_not_followed(
            inputs["structure"].get_ase().get_chemical_symbols(),
            RedoxChemistry.model_validate(inputs["redox"].get_dict()),
            DynamicsSettings.model_validate(moves["dynamics"].get_dict()),
            pattern,
            moves.get("pseudos", {}),
        )
        if sentence is not None:
            return sentence
    seeds = inputs["random_seeds"].get_list()
    if not seeds or len(set(seeds)) != len(seeds):
        return f"random_seeds is {seeds}; give at least one, and each once."
    if inputs["max_concurrent"].value < 1:
        return f"max_concurrent is {inputs['max_concurrent'].value}; give a number of trajectories from 1."
    return None


class DynamicsWorkChain(SubmittingOnceWorkChain):
    """Relax every pattern and run a trajectory from it with each seed of the velocities, as many as allowed at once."""

    @classmethod
    def define(cls, spec: WorkChainSpec) -> None:  # type: ignore[override]
        """Define inputs, outline, outputs and exit codes."""
        super().define(spec)
        spec.input("structure", valid_type=HubbardStructureData, help="Structure with its Hubbard parameters.")
        spec.input("redox", valid_type=orm.Dict, validator=validate_redox, help="Fields of `RedoxChemistry`.")
        spec.input("patterns", valid_type=orm.List, help="Patterns to start from, each the states of the redox sites.")
        spec.input(
            "random_seeds",
            valid_type=orm.List,
            default=lambda: orm.List([1]),
            help="Seeds of the velocities; every pattern is run with each.",
        )
        spec.input(
            "max_concurrent", valid_type=orm.Int, default=lambda: orm.Int(4), help="Trajectories that run at a time."
        )
        spec.input(
            "subsampling",
            valid_type=orm.Dict,
            default=lambda: orm.Dict({}),
            help="`minimum_per_pattern`, `include_ambiguous` and `fallback_stride` of "
            "`aiida_redoxmlp.dataset.subsampling.decorrelated`.",
        )
        spec.expose_inputs(
            LabelWorkChain,
            namespace="relax",
            exclude=PROVIDED_BY_CALLER,
            namespace_options={
                "required": False,
                "populate_defaults": False,
                "help": "Relaxation of every pattern, from which its trajectories start; without it they start from "
                "the structure.",
            },
        )
        spec.expose_inputs(TrajectoryWorkChain, namespace="trajectory", exclude=PROVIDED_BY_CALLER)
        spec.inputs.validator = _validate_inputs
        spec.outline(
            cls.setup,
            if_(cls.should_relax)(while_(cls.relaxations_left)(cls.run_relaxations), cls.start_from_relaxed),
            while_(cls.trajectories_left)(cls.run_trajectories),
            cls.results,
        )
        spec.output(
            "frames", valid_type=DatasetData, help="Every labelled ionic step of every relaxation and trajectory."
        )
        spec.output("dataset", valid_type=DatasetData, help="Frames of them that are independent of each other.")
        spec.output("subsampling_summary", valid_type=orm.Dict, help="How these frames were chosen.")
        for name, kind in {
            "trajectories": orm.TrajectoryData,
            "oxidation_states": OxidationStatesData,
            "events": orm.Dict,
        }.items():
            spec.output_namespace(
                name, valid_type=kind, dynamic=True, help=f"`run_0_part_0`, …: the {name} of each trajectory."
            )
        spec.exit_code(300, "ERROR_NO_TRAJECTORY", message="None of the {count} trajectories gave a labelled step.")
        spec.exit_code(301, "ERROR_NO_RELAXATION", message="None of the {count} relaxations ended on a sure pattern.")

    @classmethod
    def get_builder_from_protocol(
        cls,
        code: orm.AbstractCode,
        structure: HubbardStructureData,
        *,
        redox: dict[str, Any],
        pseudo_family: str,
        patterns: list[list[int]],
        protocol: str | None = None,
        overrides: dict[str, Any] | None = None,
        magnetic_order: str | list[int] = "antiferromagnetic",
        options: dict[str, Any] | None = None,
    ) -> ProcessBuilder:
        """Return a builder with the settings of a protocol.

        Args:
            code: a pw.x code.
            structure: structure with Hubbard parameters.
            redox: fields of :class:`~aiida_redoxmlp.redox.chemistry.RedoxChemistry`.
            pseudo_family: label of an installed aiida-pseudo family.
            patterns: patterns to start from.
            protocol: ``demo``, ``fast``, ``balanced`` or ``stringent``.
            overrides: settings laid over the protocol's, with the keys of ``protocols/dynamics.yaml``.
            magnetic_order: order of the moments on the redox sites.
            options: scheduler options of every job.

        Raises:
            InputError: for an unknown protocol, or a family without an element's pseudopotential or cutoff.
        """
        settings = load_protocol("dynamics", protocol, overrides)
        shared: dict[str, Any] = {
            "redox": redox,
            "pseudo_family": pseudo_family,
            "protocol": protocol,
            "magnetic_order": magnetic_order,
            "options": options,
        }
        moves = merged({"label": settings["label"]}, settings["trajectory"])
        builder: Any = cls.get_builder()
        builder.structure = structure
        builder.redox = orm.Dict(redox)
        builder.patterns = orm.List(patterns)
        builder.random_seeds = orm.List(settings["random_seeds"])
        builder.max_concurrent = orm.Int(settings["max_concurrent"])
        builder.subsampling = orm.Dict(settings["subsampling"])
        builder.trajectory = inputs_of(TrajectoryWorkChain, code, structure, overrides=moves, **shared)
        if settings["relax"] is not None:
            relaxation = merged(settings["label"], settings["relax"])
            builder.relax = inputs_of(LabelWorkChain, code, structure, task="relax", overrides=relaxation, **shared)
        return cast("ProcessBuilder", builder)

    def setup(self) -> None:
        """Start with every pattern at the structure that is given."""
        patterns = self.inputs.patterns.get_list()
        self.ctx.relaxations = []
        self.ctx.patterns = list(patterns)
        self.ctx.trajectories = []
        self._wait_for([[pattern, self.inputs.structure.pk] for pattern in patterns])

    def _wait_for(self, starts: list[Any]) -> None:
        """List the trajectories: every start with the first seed, then with the second, and so on."""
        self.ctx.waiting = [[*start, seed] for seed in self.inputs.random_seeds.get_list() for start in starts]

    def should_relax(self) -> bool:
        """Whether every pattern is relaxed first."""
        return "relax" in self.inputs

    def relaxations_left(self) -> bool:
        """Whether patterns wait for their relaxation."""
        return bool(self.ctx.patterns)

    def run_relaxations(self) -> dict[str, Any]:
        """Relax the next patterns."""
        count = self.inputs.max_concurrent.value
        batch, self.ctx.patterns = self.ctx.patterns[:count], self.ctx.patterns[count:]
        running = []
        for number, pattern in enumerate(batch, start=len(self.ctx.relaxations)):
            inputs = AttributeDict(self.exposed_inputs(LabelWorkChain, namespace="relax"))
            inputs.update(structure=self.inputs.structure, redox=self.inputs.redox, pattern=orm.List(pattern))
            inputs.metadata.call_link_label = f"relax_{number}"
            running.append(self.submit(LabelWorkChain, **inputs))
        for node in running:
            self.to_context(relaxations=append_(node))
        return ToContext()

    def start_from_relaxed(self) -> ExitCode | None:
        """Trajectories start from every relaxation that ended on a sure pattern, with the pattern DFT found."""
        starts = []
        for number, node in enumerate(self.ctx.relaxations):
            if not node.is_finished_ok or "structure" not in node.outputs or node.outputs.verdict["ambiguous"]:
                why = node.exit_message or "its final pattern is ambiguous"
                self.report(f"no trajectory from relax_{number}, {node.process_label}<{node.pk}>: {why}")
                continue
            relaxed = with_positions(self.inputs.structure, node.outputs.structure)
            starts.append([node.outputs.verdict["found"], relaxed.pk])
        if not starts:
            failed: ExitCode = self.exit_codes.ERROR_NO_RELAXATION
            return failed.format(count=len(self.ctx.relaxations))
        self._wait_for(starts)
        return None

    def trajectories_left(self) -> bool:
        """Whether trajectories wait."""
        return bool(self.ctx.waiting)

    def run_trajectories(self) -> dict[str, Any]:
        """Run the next trajectories."""
        count = self.inputs.max_concurrent.value
        batch, self.ctx.waiting = self.ctx.waiting[:count], self.ctx.waiting[count:]
        running = []
        for number, (pattern, start_pk, seed) in enumerate(batch, start=len(self.ctx.trajectories)):
            inputs = AttributeDict(self.exposed_inputs(TrajectoryWorkChain, namespace="trajectory"))
            dynamics = DynamicsSettings.model_validate(inputs.dynamics.get_dict())
            inputs.dynamics = orm.Dict(dynamics.model_copy(update={"random_seed": seed}).model_dump(mode="json"))
            inputs.update(structure=orm.load_node(start_pk), redox=self.inputs.redox, pattern=orm.List(pattern))
            inputs.metadata.call_link_label = f"run_{number}"
            running.append(self.submit(TrajectoryWorkChain, **inputs))
        for node in running:
            self.to_context(trajectories=append_(node))
        return ToContext()

    def results(self) -> ExitCode | None:
        """Gather what came, also from trajectories that stopped early, and choose independent frames."""
        frames = {}
        for number, node in enumerate(self.ctx.trajectories):
            if not node.is_finished_ok:
                self.report(f"run_{number}, {node.process_label}<{node.pk}>: {node.exit_message}")
            for name in ("trajectories", "oxidation_states", "events"):
                for part, data in node.outputs[name].items() if name in node.outputs else ():
                    self.out(f"{name}.run_{number}_{part}", data)
            if "frames" in node.outputs:
                frames[f"run_{number:04d}"] = node.outputs.frames
        if not frames:
            failed: ExitCode = self.exit_codes.ERROR_NO_TRAJECTORY
            return failed.format(count=len(self.ctx.trajectories))
        relaxations = {
            f"relax_{number:04d}": node.outputs.frames
            for number, node in enumerate(self.ctx.relaxations)
            if "frames" in node.outputs
        }
        runs = {**relaxations, **frames}
        whole = merge_datasets(**runs) if len(runs) > 1 else next(iter(runs.values()))
        chosen: Any = subsample_dataset(whole, self.inputs.subsampling, **relaxations)
        self.out("frames", whole)
        self.out("dataset", chosen["dataset"])
        self.out("subsampling_summary", chosen["summary"])
        self.report(f"{whole.n_frames} labelled steps, {chosen['dataset'].n_frames} of them independent")
        return None
