"""Provenance-tracked steps on finished trajectories: joining the chunks of a run, and what happened along it."""

from __future__ import annotations

from dataclasses import asdict, replace
from itertools import pairwise
from typing import Any

import numpy as np
from aiida import orm
from aiida.engine import calcfunction
from numpy.typing import NDArray

from aiida_redoxmlp.data.dataset import DatasetData
from aiida_redoxmlp.data.oxidation_states import OxidationStatesData
from aiida_redoxmlp.data.states_along import states_along_nodes
from aiida_redoxmlp.data.trajectory import SERIES
from aiida_redoxmlp.dataset.frame import Frame
from aiida_redoxmlp.redox.switch_events import ambiguous_intervals, electron_hops, switch_events

__all__ = ("describe_trajectory", "join_chunks")

_STATES = ("states", "naive_states", "moment_signs", "confidences", "margins", "closed", "ambiguous")


@calcfunction
def join_chunks(plan: orm.Dict, **chunks: orm.Data) -> dict[str, orm.Data]:
    """Join the chunks of a run that went on from each other's last step.

    The step that a chunk repeats, from which it went on, is taken from the chunk before. All frames are of the group of
    the first one, which is the same where the chunks come from AiiDA's cache.

    Args:
        plan: ``timestep`` in fs and ``chunks``, in order: of each its ``name``, ``first_step`` (number of its first
            step in the run) and ``repeats`` (whether that step is the last one of the chunk before).
        chunks: of each chunk ``<name>_trajectory`` and, if any step has a label, ``<name>_frames`` and
            ``<name>_states``; all of the same atoms.

    Returns:
        ``trajectory``, and, if any step has a label, ``frames`` and ``oxidation_states``.
    """
    content = plan.get_dict()
    joined: dict[str, orm.Data] = {"trajectory": _join_trajectories(content, chunks)}
    labelled = [one for one in content["chunks"] if f"{one['name']}_frames" in chunks]
    if not labelled:
        return joined
    frames: list[Frame] = []
    rows = []
    for one in labelled:
        states: Any = chunks[f"{one['name']}_states"]
        steps = states.get_array("step_indices")
        made: Any = chunks[f"{one['name']}_trajectory"]
        kept = (steps >= (1 if one["repeats"] else 0)) & (steps <= made.get_array("steps")[-1])
        rows.append((states, kept, steps[kept] + one["first_step"]))
        of_chunk: Any = chunks[f"{one['name']}_frames"]
        frames += [
            replace(frame, step=int(step) + one["first_step"])
            for frame, step, keep in zip(of_chunk.frames, steps, kept, strict=True)
            if keep
        ]
    if frames:
        joined["frames"] = DatasetData.from_frames([replace(frame, group=frames[0].group) for frame in frames])
        joined["oxidation_states"] = _join_states(rows)
    return joined


def _join_trajectories(plan: dict[str, Any], chunks: dict[str, orm.Data]) -> orm.TrajectoryData:
    parts = []
    for one in plan["chunks"]:
        part: Any = chunks[f"{one['name']}_trajectory"]
        parts.append((part, part.get_array("steps") >= (1 if one["repeats"] else 0), one["first_step"]))
    steps = _joined(part.get_array("steps")[kept] + first_step for part, kept, first_step in parts)
    whole = orm.TrajectoryData()
    whole.set_trajectory(
        parts[0][0].symbols,
        _joined(part.get_array("positions")[kept] for part, kept, _ in parts),
        cells=_joined(part.get_array("cells")[kept] for part, kept, _ in parts),
        pbc=[True, True, True],
        stepids=steps,
        times=steps * plan["timestep"] / 1000,
    )
    for name in SERIES:
        whole.set_array(name, _joined(part.get_array(name)[kept] for part, kept, _ in parts))
    return whole


def _join_states(rows: list[tuple[OxidationStatesData, NDArray[np.bool_], NDArray[np.int64]]]) -> OxidationStatesData:
    whole = OxidationStatesData()
    for name in _STATES:
        whole.set_array(name, _joined(states.get_array(name)[kept] for states, kept, _ in rows))
    whole.set_array("step_indices", _joined(steps for _, _, steps in rows))
    first = rows[0][0].base.attributes
    whole.base.attributes.set_many({"sites": first.get("sites"), "elements": first.get("elements")})
    return whole


def _joined(parts: Any) -> NDArray[Any]:
    return np.concatenate(list(parts))


@calcfunction
def describe_trajectory(
    oxidation_states: OxidationStatesData, frames: DatasetData, trajectory: orm.TrajectoryData
) -> orm.Dict:
    """Say what happened along a run.

    Returns:
        ``events`` (switches of oxidation states: fields of :class:`~aiida_redoxmlp.redox.switch_events.SwitchEvent`),
        ``hops`` (of electrons, fields of :class:`~aiida_redoxmlp.redox.switch_events.ElectronHop`),
        ``ambiguous_intervals`` (first and last step), ``n_steps``, ``n_labelled``, ``n_ambiguous``, the ``patterns``
        with the number of sure steps each, ``mean_temperature`` in K, ``drift`` of the conserved quantity in eV per
        atom and ps, and ``largest_jump`` of it between two steps in eV.
    """
    along = states_along_nodes(oxidation_states, frames.frames, trajectory)
    events = switch_events(along)
    sure, counts = np.unique(along.states[along.sure], axis=0, return_counts=True)
    conserved = trajectory.get_array("conserved_quantities")
    times = trajectory.get_array("times")
    temperatures = trajectory.get_array("temperatures")
    return orm.Dict(
        {
            "n_steps": len(times),
            "n_labelled": len(along),
            "n_ambiguous": int(along.ambiguous.sum()),
            "patterns": [
                {"states": states.tolist(), "steps": int(count)} for states, count in zip(sure, counts, strict=True)
            ],
            "events": [asdict(event) for event in events],
            "hops": [asdict(hop) for hop in electron_hops(events)],
            "ambiguous_intervals": [list(interval) for interval in ambiguous_intervals(along)],
            "mean_temperature": _finite(np.mean(temperatures)),
            "drift": _finite(_slope(times, conserved) / len(trajectory.symbols)),
            "largest_jump": _finite(max((abs(b - a) for a, b in pairwise(conserved)), default=0.0)),
        }
    )


def _slope(times: NDArray[np.float64], values: NDArray[np.float64]) -> float:
    """Return the slope of a straight line through the values, 0 for a single one."""
    if len(times) < 2:
        return 0.0
    centred = times - times.mean()
    return float(centred @ values / (centred @ centred))


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
