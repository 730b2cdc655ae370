"""One trajectory of DFT+U+V molecular dynamics, in chunks that go on from each other's last step."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, cast

from aiida import orm
from aiida.common import AttributeDict
from aiida.engine import ExitCode, ProcessBuilder, ToContext, append_, while_
from aiida.engine.processes.workchains.workchain import WorkChainSpec
from aiida_quantumespresso.data.hubbard_structure import HubbardStructureData

from aiida_redoxmlp.calculations.datasets import merge_datasets
from aiida_redoxmlp.calculations.dynamics import change_composition, go_on, start_moving
from aiida_redoxmlp.calculations.pw import RedoxPwCalculation
from aiida_redoxmlp.calculations.structures import list_patterns, seed_structure
from aiida_redoxmlp.calculations.trajectories import describe_trajectory, join_chunks
from aiida_redoxmlp.dynamics.settings import DynamicsSettings
from aiida_redoxmlp.workchains.label import LabelWorkChain
from aiida_redoxmlp.workchains.protocols import load_protocol
from aiida_redoxmlp.workchains.pw_base import SLOSHING_REMEDIES
from aiida_redoxmlp.workchains.submitting_once import SubmittingOnceWorkChain
from aiida_redoxmlp.workchains.trajectory_inputs import chunk_parameters, monitors_of
from aiida_redoxmlp.workchains.trajectory_ports import declare_inputs, declare_outputs

__all__ = ("TrajectoryWorkChain",)

_STOPPED_BY_MONITOR = RedoxPwCalculation.exit_codes.STOPPED_BY_MONITOR.status


class TrajectoryWorkChain(SubmittingOnceWorkChain):
    """Run pw.x molecular dynamics and read the oxidation states of every step.

    Each job begins with the last whole step of the one before, with the velocities there, its density and its
    occupations, whatever ended that job: its number of steps, pw.x's own time limit, or the scheduler in the middle of
    a step. The step that is computed twice is kept once. A job that gets nowhere is repeated from scratch with the
    seeds of the pattern found last, and then with the remedies for an SCF cycle that does not settle.
    """

    @classmethod
    def define(cls, spec: WorkChainSpec) -> None:  # type: ignore[override]
        """Define inputs, outline, outputs and exit codes."""
        super().define(spec)
        declare_inputs(spec)
        spec.outline(
            cls.setup,
            while_(cls.segments_left)(
                cls.begin_segment,
                while_(cls.steps_left)(cls.run_chunk, cls.inspect_chunk),
            ),
            cls.results,
        )
        declare_outputs(spec)

    @classmethod
    def get_builder_from_protocol(
        cls,
        code: orm.AbstractCode,
        structure: HubbardStructureData,
        *,
        redox: dict[str, Any],
        pseudo_family: str,
        pattern: list[int] | None = None,
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
            pattern: states to start from; may be set on the builder later.
            protocol: ``demo``, ``fast``, ``balanced`` or ``stringent``.
            overrides: settings laid over the protocol's, with the keys of ``protocols/trajectory.yaml``.
            magnetic_order: order of the moments on the redox sites.
            options: scheduler options of every job.

        Raises:
            InputError: for an unknown protocol, or a family without an element's pseudopotential or cutoff.
        """
        settings = load_protocol("trajectory", protocol, overrides)
        label: Any = LabelWorkChain.get_builder_from_protocol(
            code,
            structure,
            redox=redox,
            pseudo_family=pseudo_family,
            protocol=protocol,
            overrides=settings["label"],
            magnetic_order=magnetic_order,
            options=options,
        )
        builder: Any = cls.get_builder()
        builder.structure = structure
        builder.redox = orm.Dict(redox)
        builder.pseudos = label.pseudos
        pw_inputs = label.pw.pw._inputs(prune=True)  # noqa: SLF001 - there is no public way
        builder.pw = {**pw_inputs, "kpoints": label.pw.kpoints}
        builder.dynamics = orm.Dict(settings["dynamics"])
        builder.seed = orm.Dict({**label.seed.get_dict(), "pre_distortion": settings["pre_distortion"]})
        builder.clean_workdir = orm.Bool(settings["clean_workdir"])
        if pattern is not None:
            builder.pattern = orm.List(pattern)
        return cast("ProcessBuilder", builder)

    @property
    def _dynamics(self) -> DynamicsSettings:
        return DynamicsSettings.model_validate(self.inputs.dynamics.get_dict())

    def setup(self) -> None:
        """Start with no step made."""
        self.ctx.segment = -1
        self.ctx.structure_pk = self.inputs.structure.pk
        self.ctx.settings_pk = None
        self.ctx.parent_pk = None
        self.ctx.pattern = self.inputs.pattern.get_list()
        self.ctx.parts = [[]]  # of each part its chunks: pk, first step, whether that repeats one
        self.ctx.steps_done = 0
        self.ctx.stalled = 0
        self.ctx.remedies = {}
        self.ctx.failure = None

    def segments_left(self) -> bool:
        """Go on until the last segment is done or the run is given up."""
        return self.ctx.failure is None and self.ctx.segment + 1 < len(self._dynamics.segments)

    def begin_segment(self) -> None:
        """Change composition and velocities as the segment asks, and seed its pattern."""
        self.ctx.segment += 1
        number = orm.Int(self.ctx.segment)
        segment = self._dynamics.segments[self.ctx.segment]
        self.ctx.left = segment.n_steps
        if self.ctx.segment == 0:
            given = self.inputs.pw.settings if "settings" in self.inputs.pw else orm.Dict({})
            self.ctx.settings_pk = given.store().pk
        if segment.changes_composition:
            changed = change_composition(self._structure, self.inputs.dynamics, number, self._settings)
            self._take_over(changed)
            self.ctx.parts.append([])
        if segment.pattern is not None:
            self.ctx.pattern = list(segment.pattern)
        elif segment.changes_composition:
            self.ctx.pattern = list_patterns(self._structure, self.inputs.redox, orm.Int(1))["patterns"][0]["states"]
        if self.ctx.segment == 0 or segment.changes_composition or segment.pattern is not None:
            self._seed(pre_distortion=self.inputs.seed["pre_distortion"] if self.ctx.segment == 0 else 0.0)
        if segment.temperature is not None:
            moving = start_moving(self._structure, self.inputs.dynamics, number, self._settings)
            self.ctx.settings_pk = moving.pk

    def steps_left(self) -> bool:
        """Go on until the segment is done or the run is given up."""
        return self.ctx.failure is None and self.ctx.left > 0

    def run_chunk(self) -> dict[str, Any]:
        """Run the next steps, one more where the first repeats the last one there is."""
        dynamics = self._dynamics
        repeats = bool(self.ctx.parts[-1])
        steps = min(self.ctx.left, dynamics.steps_per_chunk or self.ctx.left) + repeats
        inputs = AttributeDict(self.exposed_inputs(RedoxPwCalculation, namespace="pw"))
        structure = self._structure
        inputs.parameters = orm.Dict(
            chunk_parameters(
                inputs.parameters.get_dict(),
                dynamics,
                n_steps=steps,
                seeds=orm.load_node(self.ctx.seed_pk).get_dict(),
                remedies=self.ctx.remedies,
                goes_on=self.ctx.parent_pk is not None,
                walltime=inputs.metadata.options.get("max_wallclock_seconds"),
                temperature=next(
                    one.temperature for one in dynamics.segments[self.ctx.segment :: -1] if one.temperature is not None
                ),
            )
        )
        inputs.structure = structure
        inputs.settings = self._settings
        inputs.redox = self.inputs.redox
        inputs.pseudos = {kind.name: self.inputs.pseudos[kind.symbol] for kind in structure.kinds}
        if self.ctx.parent_pk is not None:
            inputs.parent_folder = orm.load_node(self.ctx.parent_pk)
        if watches := monitors_of(dynamics):
            inputs.monitors = watches
        count = sum(map(len, self.ctx.parts)) + 1
        inputs.metadata.call_link_label = f"chunk_{count}" + (f"_again_{self.ctx.stalled}" if self.ctx.stalled else "")
        return ToContext(chunks=append_(self.submit(RedoxPwCalculation, **inputs)))

    def inspect_chunk(self) -> None:
        """Count the steps that came, and take the state they ended in."""
        node = self.ctx.chunks[-1]
        part = self.ctx.parts[-1]
        trajectory = node.outputs.output_trajectory if "output_trajectory" in node.outputs else None
        last = -1 if trajectory is None else int(trajectory.get_array("steps")[-1])
        progress = last if part else last + 1
        if progress > 0:
            part.append({"pk": node.pk, "first_step": self._next_step - (1 if part else 0), "repeats": bool(part)})
            self.ctx.left -= progress
            self.ctx.steps_done += progress
            self._go_on_from(node, trajectory)
        if node.exit_status == _STOPPED_BY_MONITOR:
            self.ctx.failure = ("ERROR_GONE_WRONG", node.exit_message)
        elif node.is_killed:
            self.ctx.failure = ("ERROR_KILLED", f"{node.process_label}<{node.pk}>")
        elif progress <= 0:
            self._try_otherwise(node)
        if progress > 0 and self.ctx.left > 0:
            self.report(f"{progress} steps by {node.process_label}<{node.pk}>, {self.ctx.left} left in this segment")

    @property
    def _structure(self) -> HubbardStructureData:
        """Where the next chunk starts."""
        return orm.load_node(self.ctx.structure_pk)

    @property
    def _settings(self) -> orm.Dict:
        """Settings of pw.x, with the velocities the next chunk starts with."""
        return cast("orm.Dict", orm.load_node(self.ctx.settings_pk))

    @property
    def _next_step(self) -> int:
        """Number of the next new step in the current part."""
        part = self.ctx.parts[-1]
        if not part:
            return 0
        steps = orm.load_node(part[-1]["pk"]).outputs.output_trajectory.get_array("steps")
        return int(part[-1]["first_step"] + steps[-1] + 1)

    def _take_over(self, prepared: dict[str, Any]) -> None:
        self.ctx.structure_pk = prepared["structure"].pk
        self.ctx.settings_pk = prepared["settings"].pk

    def _seed(self, *, pre_distortion: float, strength: float = 1.0) -> None:
        """Give pw.x the occupations of the pattern to begin with, instead of a density from before."""
        seed = {
            **self.inputs.seed.get_dict(),
            "pre_distortion": pre_distortion,
            "strength": strength,
            "pseudo_electrons": {element: pseudo.z_valence for element, pseudo in self.inputs.pseudos.items()},
        }
        seeded: Any = seed_structure(self._structure, orm.List(self.ctx.pattern), self.inputs.redox, orm.Dict(seed))
        self.ctx.structure_pk = seeded["structure"].pk
        self.ctx.seed_pk = seeded["parameters"].pk
        self.ctx.parent_pk = None

    def _go_on_from(self, node: orm.CalcJobNode, trajectory: orm.TrajectoryData) -> None:
        """Take positions, velocities, density and pattern of a chunk's last step."""
        self._take_over(cast("Any", go_on(self._structure, trajectory, self._settings, self.inputs.dynamics)))
        before, self.ctx.parent_pk = self.ctx.parent_pk, node.outputs.remote_folder.pk
        if before is not None and self.inputs.clean_workdir.value:
            with suppress(OSError, KeyError):
                orm.load_node(before)._clean()  # noqa: SLF001 - how aiida-quantumespresso does it
        if "oxidation_states" in node.outputs:
            self.ctx.pattern = list(node.outputs.oxidation_states.pattern().states)
        self.ctx.stalled = 0

    def _try_otherwise(self, node: orm.CalcJobNode) -> None:
        """Repeat a chunk that got nowhere: from scratch at first, then with another mixing, then not at all."""
        tried, self.ctx.stalled = self.ctx.stalled, self.ctx.stalled + 1
        message = node.exit_message or "it ended before its first step"
        self.report(f"{node.process_label}<{node.pk}> got nowhere: {message}")
        if tried > len(SLOSHING_REMEDIES):
            self.ctx.failure = ("ERROR_NO_PROGRESS", message)
            return
        if tried:
            self.ctx.remedies = SLOSHING_REMEDIES[tried - 1]
        self._seed(pre_distortion=0.0)

    def results(self) -> ExitCode | None:
        """Join the chunks of every part, and say what happened."""
        frames = {}
        for number, part in enumerate(self.ctx.parts):
            if not part:
                continue
            name = f"part_{number}"
            joined = self._join(part)
            self.out(f"trajectories.{name}", joined["trajectory"])
            if "frames" not in joined:
                continue
            frames[name] = joined["frames"]
            self.out(f"oxidation_states.{name}", joined["oxidation_states"])
            described = describe_trajectory(joined["oxidation_states"], joined["frames"], joined["trajectory"])
            self.out(f"events.{name}", described)
            self.report(f"{name}: {len(described['events'])} switches in {described['n_steps']} steps")
        if frames:
            self.out("frames", merge_datasets(**frames) if len(frames) > 1 else next(iter(frames.values())))
        if self.ctx.failure is not None:
            code, message = self.ctx.failure
            failed: ExitCode = self.exit_codes[code]
            return failed.format(steps=self.ctx.steps_done, wanted=self._dynamics.n_steps, message=message)
        return None if frames else cast("ExitCode", self.exit_codes.ERROR_NO_OCCUPATIONS)

    def _join(self, part: list[dict[str, Any]]) -> Any:
        """Join the chunks of one part; they are joined even if there is one, for the steps get their numbers there."""
        chunks: list[dict[str, Any]] = []
        nodes: dict[str, orm.Data] = {}
        for number, chunk in enumerate(part):
            label = f"chunk_{number:04d}"
            outputs = orm.load_node(chunk["pk"]).outputs
            chunks.append({"name": label, "first_step": chunk["first_step"], "repeats": chunk["repeats"]})
            nodes[f"{label}_trajectory"] = outputs.output_trajectory
            if "frames" in outputs:
                nodes[f"{label}_frames"] = outputs.frames
                nodes[f"{label}_states"] = outputs.oxidation_states
        plan = {"timestep": self._dynamics.timestep, "chunks": chunks}
        return join_chunks(orm.Dict(plan), **nodes)

    def on_terminated(self) -> None:
        """Empty the last remote folder if that was asked for."""
        super().on_terminated()
        if self.inputs.clean_workdir.value and self.ctx.get("parent_pk") is not None:
            with suppress(OSError, KeyError):
                orm.load_node(self.ctx.parent_pk)._clean()  # noqa: SLF001 - how aiida-quantumespresso does it
