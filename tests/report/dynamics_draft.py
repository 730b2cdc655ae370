"""Molecular dynamics as provenance graphs, made by hand around the steps of a real run."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from aiida import orm
from ase.io import read

from aiida_redoxmlp.calculations.datasets import merge_datasets, subsample_dataset
from aiida_redoxmlp.calculations.hubbard import with_interactions
from aiida_redoxmlp.calculations.trajectories import describe_trajectory, join_chunks
from aiida_redoxmlp.data.dataset import DatasetData
from aiida_redoxmlp.data.oxidation_states import OxidationStatesData
from aiida_redoxmlp.data.trajectory import trajectory_from_steps
from aiida_redoxmlp.dataset.labelling import frames_from_steps
from aiida_redoxmlp.dynamics.settings import DynamicsSettings
from aiida_redoxmlp.hubbard.interactions import Interaction
from aiida_redoxmlp.redox.chemistry import RedoxChemistry
from aiida_redoxmlp.redox.occupations import IonicStep
from aiida_redoxmlp.redox.pw_output import read_pw_output
from tests.report.process_draft import ProcessDraft, end

ROOT = Path(__file__).parents[2]
CHEMISTRY = {"total_charge": 0, "allowed_states": {"Mn": [2, 3]}, "fixed_states": {"Li": 1, "P": 5, "O": -2}}
SURE, DOUBTFUL = range(6), range(6, 8)
"""Steps of the real run whose charges close by counting, and those whose do not."""


def moving(
    n_steps: int,
    *,
    swapped: range = range(0),
    ambiguous: Sequence[int] = (),
    slope: float = 0.0,
    starts: Sequence[int] = (0,),
) -> list[IonicStep]:
    """The real run's steps, back and forth, with made-up energies.

    Args:
        n_steps: how many.
        swapped: steps at which the two Mn have each other's occupations.
        ambiguous: steps with occupations that close only with doubt.
        slope: of the conserved quantity, in eV a step.
        starts: steps before which the conserved quantity jumps by 1 eV, as new velocities make it.
    """
    real = _real_steps()
    course = [*SURE, *reversed(SURE)]
    made = []
    for number in range(n_steps):
        step = real[DOUBTFUL[0] if number in ambiguous else course[number % len(course)]]
        first, second = step.occupations[:2]
        if number in swapped:
            first, second = replace(second, site=first.site), replace(first, site=second.site)
        conserved = real[0].energy + 1.0 + slope * number + sum(number > start > 0 for start in starts)
        made.append(
            replace(
                step,
                index=number,
                positions=step.positions + 1e-4 * number,
                occupations=(first, second, *step.occupations[2:]),
                conserved_quantity=conserved,
                temperature=600.0 + 100.0 * np.sin(0.7 * number),
            )
        )
    return made


@cache
def _real_steps() -> tuple[IonicStep, ...]:
    return tuple(read_pw_output(ROOT / "tests" / "fixtures" / "pw" / "md" / "pw.out").steps)


class TrajectoryDraft(ProcessDraft):
    """A TrajectoryWorkChain's node to which jobs are added as the real one would add them."""

    def __init__(
        self, *segments: dict[str, Any], caller: orm.ProcessNode | None = None, name: str = "run_0", **settings: Any
    ) -> None:
        super().__init__()
        asked = {"segments": [{"temperature": 600.0, "n_steps": 10}, *segments], "timestep": 2.4, **settings}
        self.pattern = asked.pop("pattern", [2, 3])
        self.settings = DynamicsSettings.model_validate(asked)
        self.inputs = {
            "redox": orm.Dict(CHEMISTRY),
            "structure": demo_structure(),
            "pattern": orm.List(self.pattern),
            "dynamics": orm.Dict(self.settings.model_dump(mode="json")),
            "pw__parameters": orm.Dict({"SYSTEM": {"ecutwfc": 60.0}}),
        }
        self.node = self.process(orm.WorkChainNode, "TrajectoryWorkChain", caller, name, self.inputs)
        self.parts: list[list[dict[str, Any]]] = [[]]
        self.n_jobs = 0

    def job(
        self, steps: Sequence[IonicStep], first: int, last: int, status: int = 0, message: str | None = None
    ) -> orm.CalcJobNode:
        """Add a job that went from one step to another, both included; it got nowhere if it only repeats one."""
        node = self.start_job(again=status not in (0, 400) and last == first)
        own = [replace(step, index=number) for number, step in enumerate(steps[first : last + 1])]
        table = RedoxChemistry.model_validate(CHEMISTRY).table()
        labelled = frames_from_steps(own, total_charge=0, table=table, group=node.uuid, source=node.uuid)
        outputs = {
            "output_trajectory": trajectory_from_steps(own),
            "output_parameters": orm.Dict({"creator_version": "7.2"}),
        }
        if labelled.frames:
            numbers = [frame.step for frame in labelled.frames]
            outputs["frames"] = DatasetData.from_frames(labelled.frames)
            outputs["oxidation_states"] = OxidationStatesData.from_assignments(
                labelled.assignments, numbers, own[0].symbols
            )
        self.create(node, **outputs)
        end(node, status, message)
        part = self.parts[-1]
        if last - first + (0 if part else 1) > 0:
            label = f"chunk_{len(part):04d}"
            part.append({"name": label, "first_step": first, "repeats": bool(part), "outputs": outputs})
            given = {"trajectory": outputs["output_trajectory"]}
            end(self.process(orm.CalcFunctionNode, "go_on", self.node, "go_on", given))
        return node

    def start_job(self, *, again: bool = False) -> orm.CalcJobNode:
        """Add a job that runs."""
        self.n_jobs += 0 if again else 1
        name = f"chunk_{self.n_jobs}"
        return self.process(orm.CalcJobNode, "RedoxPwCalculation", self.node, name, {}, "redoxmlp.pw")

    def change_composition(self) -> None:
        """Let atoms leave or come in."""
        end(self.process(orm.CalcFunctionNode, "change_composition", self.node, "change_composition", {}))
        self.parts.append([])

    def finish(self, status: int = 0, message: str | None = None) -> None:
        """Join the jobs and hand over what they came to."""
        frames = []
        for number, part in enumerate(self.parts):
            joined = self._join(part)
            self.hand_over(self.node, **{f"trajectories__part_{number}": joined["trajectory"]})
            if "frames" not in joined:
                continue
            given = [joined[key] for key in ("oxidation_states", "frames", "trajectory")]
            step = self.process(orm.CalcFunctionNode, "describe_trajectory", self.node, "describe_trajectory", {})
            described = inspect.unwrap(describe_trajectory)(*given)
            self.create(step, result=described)
            names = {f"oxidation_states__part_{number}": given[0], f"events__part_{number}": described}
            self.hand_over(self.node, **names)
            frames.append(joined["frames"])
        if len(frames) > 1:
            merged = inspect.unwrap(merge_datasets)(**{f"part_{n}": one for n, one in enumerate(frames)})
            frames = [merged.store()]
        if frames:
            self.hand_over(self.node, frames=frames[0])
            self.frames = frames[0]
        end(self.node, status, message)

    def _join(self, part: list[dict[str, Any]]) -> dict[str, Any]:
        step = self.process(orm.CalcFunctionNode, "join_chunks", self.node, "join_chunks", {})
        short = {"output_trajectory": "trajectory", "frames": "frames", "oxidation_states": "states"}
        nodes = {
            f"{one['name']}_{short[name]}": data
            for one in part
            for name, data in one["outputs"].items()
            if name in short
        }
        chunks = [{key: one[key] for key in ("name", "first_step", "repeats")} for one in part]
        plan = {"timestep": self.settings.timestep, "chunks": chunks}
        joined: dict[str, Any] = inspect.unwrap(join_chunks)(orm.Dict(plan), **nodes)
        self.create(step, **joined)
        return joined


class DynamicsDraft(ProcessDraft):
    """A DynamicsWorkChain's node with its trajectories."""

    def __init__(
        self, patterns: Sequence[Sequence[int]] = ((2, 3),), seeds: Sequence[int] = (1,), **settings: Any
    ) -> None:
        super().__init__()
        self.settings = settings
        asked = {"segments": [{"temperature": 600.0, "n_steps": 10}], **settings}
        inputs = {
            "structure": demo_structure(),
            "redox": orm.Dict(CHEMISTRY),
            "patterns": orm.List([list(one) for one in patterns]),
            "random_seeds": orm.List(list(seeds)),
            "trajectory__dynamics": orm.Dict(DynamicsSettings.model_validate(asked).model_dump(mode="json")),
            "trajectory__pw__parameters": orm.Dict({"SYSTEM": {"ecutwfc": 60.0}}),
        }
        self.node = self.process(orm.WorkChainNode, "DynamicsWorkChain", None, "", inputs)
        self.node.label = "β-Li½MnPO4"
        self.runs: list[TrajectoryDraft] = []

    def trajectory(self, *segments: dict[str, Any], **settings: Any) -> TrajectoryDraft:
        """Add a trajectory."""
        name = f"run_{len(self.runs)}"
        self.runs.append(TrajectoryDraft(*segments, caller=self.node, name=name, **{**self.settings, **settings}))
        return self.runs[-1]

    def finish(self) -> None:
        """Gather the frames of the trajectories and choose independent ones."""
        given = {f"run_{number:04d}": run.frames for number, run in enumerate(self.runs)}
        frames = inspect.unwrap(merge_datasets)(**given).store()
        chosen = inspect.unwrap(subsample_dataset)(frames, orm.Dict({}))
        self.hand_over(
            self.node, frames=frames, dataset=chosen["dataset"].store(), subsampling_summary=chosen["summary"].store()
        )
        end(self.node)


def demo_structure() -> Any:
    """β-Li½MnPO4 with a U on both Mn."""
    atoms = read(ROOT / "examples" / "structures" / "beta-Li0.5MnPO4.cif")
    values = [Interaction(site, "3d", site, "3d", (0, 0, 0), 4.5) for site in (0, 1)]
    return with_interactions(orm.StructureData(ase=atoms), values)
