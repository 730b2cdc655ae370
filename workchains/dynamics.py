"""Several trajectories of DFT+U+V molecular dynamics, and the dataset that comes out of them."""

from __future__ import annotations

from typing import Any, cast

from aiida import orm
from aiida.common import AttributeDict
from aiida.engine import ExitCode, ProcessBuilder, ToContext, WorkChain, append_, while_
from aiida.engine.processes.workchains.workchain import WorkChainSpec
from aiida_quantumespresso.data.hubbard_structure import HubbardStructureData

from aiida_redoxmlp.calculations.datasets import merge_datasets, subsample_dataset
from aiida_redoxmlp.calculations.pw import validate_redox
from aiida_redoxmlp.data.dataset import DatasetData
from aiida_redoxmlp.data.oxidation_states import OxidationStatesData
from aiida_redoxmlp.dynamics.settings import DynamicsSettings
from aiida_redoxmlp.redox.chemistry import RedoxChemistry
from aiida_redoxmlp.workchains.protocols import load_protocol
from aiida_redoxmlp.workchains.trajectory import TrajectoryWorkChain
from aiida_redoxmlp.workchains.trajectory_ports import PROVIDED_BY_CALLER

__all__ = ("DynamicsWorkChain",)


def _validate_inputs(inputs: Any, _: Any) -> str | None:
    """Check the patterns and the numbers of seeds and jobs before anything is submitted."""
    if any(key not in inputs for key in ("structure", "redox", "patterns", "random_seeds")):
        return None  # the ports report what is missing
    symbols = inputs["structure"].get_ase().get_chemical_symbols()
    chemistry = RedoxChemistry.model_validate(inputs["redox"].get_dict())
    for pattern in inputs["patterns"].get_list():
        if sentence := chemistry.why_not(symbols, pattern):
            return sentence
    seeds = inputs["random_seeds"].get_list()
    if not seeds or len(set(seeds)) != len(seeds):
        return f"random_seeds is {seeds}; give at least one, and each once."
    if inputs["max_concurrent"].value < 1:
        return f"max_concurrent is {inputs['max_concurrent'].value}; give a number of trajectories from 1."
    return None


class DynamicsWorkChain(WorkChain):
    """Run one trajectory for each pattern and each seed of the velocities, as many at a time as allowed."""

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
        spec.expose_inputs(TrajectoryWorkChain, namespace="trajectory", exclude=PROVIDED_BY_CALLER)
        spec.inputs.validator = _validate_inputs
        spec.outline(cls.setup, while_(cls.trajectories_left)(cls.run_trajectories), cls.results)
        spec.output("frames", valid_type=DatasetData, help="Every labelled ionic step of every trajectory.")
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
        trajectory = TrajectoryWorkChain.get_builder_from_protocol(
            code,
            structure,
            redox=redox,
            pseudo_family=pseudo_family,
            protocol=protocol,
            overrides=settings["trajectory"],
            magnetic_order=magnetic_order,
            options=options,
        )
        inputs = trajectory._inputs(prune=True)  # noqa: SLF001 - there is no public way
        builder: Any = cls.get_builder()
        builder.structure = structure
        builder.redox = orm.Dict(redox)
        builder.patterns = orm.List(patterns)
        builder.random_seeds = orm.List(settings["random_seeds"])
        builder.max_concurrent = orm.Int(settings["max_concurrent"])
        builder.subsampling = orm.Dict(settings["subsampling"])
        builder.trajectory = {key: value for key, value in inputs.items() if key not in PROVIDED_BY_CALLER}
        return cast("ProcessBuilder", builder)

    def setup(self) -> None:
        """List what is to be run: every pattern with the first seed, then with the second, and so on."""
        patterns, seeds = self.inputs.patterns.get_list(), self.inputs.random_seeds.get_list()
        self.ctx.waiting = [[pattern, seed] for seed in seeds for pattern in patterns]
        self.ctx.trajectories = []

    def trajectories_left(self) -> bool:
        """Whether trajectories wait."""
        return bool(self.ctx.waiting)

    def run_trajectories(self) -> dict[str, Any]:
        """Run the next trajectories."""
        count = self.inputs.max_concurrent.value
        batch, self.ctx.waiting = self.ctx.waiting[:count], self.ctx.waiting[count:]
        running = []
        for number, (pattern, seed) in enumerate(batch, start=len(self.ctx.trajectories)):
            inputs = AttributeDict(self.exposed_inputs(TrajectoryWorkChain, namespace="trajectory"))
            dynamics = DynamicsSettings.model_validate(inputs.dynamics.get_dict())
            inputs.dynamics = orm.Dict(dynamics.model_copy(update={"random_seed": seed}).model_dump(mode="json"))
            inputs.structure = self.inputs.structure
            inputs.redox = self.inputs.redox
            inputs.pattern = orm.List(pattern)
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
        merged = merge_datasets(**frames)
        chosen: Any = subsample_dataset(merged, self.inputs.subsampling)
        self.out("frames", merged)
        self.out("dataset", chosen["dataset"])
        self.out("subsampling_summary", chosen["summary"])
        self.report(f"{merged.n_frames} labelled steps, {chosen['dataset'].n_frames} of them independent")
        return None
