"""The tables of molecular dynamics."""

from __future__ import annotations

from collections.abc import Sequence

from aiida_redoxmlp.report.dynamics_schema import ChunkSummary, DynamicsSummary, PartSummary, TrajectorySummary
from aiida_redoxmlp.report.dynamics_wording import atom_label, part_name
from aiida_redoxmlp.report.tables import NONE, Column, Row, Table, node_table, number, tree_table, version_table
from aiida_redoxmlp.report.timings import ProcessSpan
from aiida_redoxmlp.report.wording import charge, duration, pattern_label

__all__ = ("dynamics_tables",)

_NODES = {
    "work_chain": "the work chain",
    "structure": "structure with its Hubbard parameters",
    "frames": "every labelled step",
    "dataset": "the labelled steps that are independent of each other",
    "subsampling_summary": "how they were chosen",
}


def dynamics_tables(summary: DynamicsSummary, spans: Sequence[ProcessSpan]) -> list[Table]:
    """Return the tables that have rows."""
    made = [_trajectories(summary), _events(summary), _hops(summary), _ambiguous(summary)]
    made += [_chunks(summary), _subsampling(summary), tree_table(spans)]
    made += [node_table(_NODES, summary.uuids.model_dump()), version_table(summary.versions)]
    return [table for table in made if table.rows]


def _trajectories(summary: DynamicsSummary) -> Table:
    rows = []
    for trajectory in summary.trajectories:
        mark = "failed" if trajectory.phase == "failed" else ""
        rows += [Row(_part_cells(trajectory, part), mark) for part in trajectory.parts]
        if not trajectory.parts:
            jobs = str(len(trajectory.chunks))
            cells = (trajectory.name, NONE, str(trajectory.random_seed), f"0 of {trajectory.n_steps_wanted}", jobs)
            rows.append(Row((*cells, *[NONE] * 4, trajectory.uuid), mark))
    return Table(
        "trajectories",
        "Trajectories",
        "“At the start” is the pattern of the first sure step. The drift is the slope of the conserved quantity by "
        "least squares, in eV per atom and ps; switches where electrons were seeded anew are not counted.",
        (
            Column("trajectory"),
            Column("at the start"),
            Column("seed", numeric=True),
            Column("steps", numeric=True),
            Column("jobs", numeric=True),
            Column("mean T / K", numeric=True),
            Column("drift", numeric=True),
            Column("switches", numeric=True),
            Column("ambiguous", numeric=True),
            Column("work chain and trajectory", code=True),
        ),
        tuple(rows),
    )


def _part_cells(trajectory: TrajectorySummary, part: PartSummary) -> tuple[str, ...]:
    found = NONE if part.pattern_at_start is None else pattern_label(part.pattern_at_start)
    elsewhere = part.wanted and part.pattern_at_start and part.wanted != part.pattern_at_start
    wanted = "" if len(trajectory.parts) > 1 else f" of {trajectory.n_steps_wanted}"
    return (
        part_name(trajectory, part.number),
        f"{found}, not {pattern_label(part.wanted or [])}" if elsewhere else found,
        str(trajectory.random_seed),
        f"{part.n_steps}{wanted}",
        str(sum(chunk.part == part.number for chunk in trajectory.chunks)),
        number(part.mean_temperature_k, ".0f"),
        number(part.drift_ev_per_atom_and_ps, "+.3g"),
        str(sum(not one.imposed for one in part.switches)),
        f"{part.n_ambiguous} of {part.n_labelled}",
        " ".join(uuid for uuid in (trajectory.uuid, part.trajectory_uuid) if uuid),
    )


def _events(summary: DynamicsSummary) -> Table:
    return Table(
        "events",
        "Switches of oxidation states",
        "Between the last sure step with the state before and the first sure one with the state after.",
        (
            Column("trajectory"),
            Column("atom"),
            Column("from"),
            Column("to"),
            Column("last step before", numeric=True),
            Column("first step after", numeric=True),
            Column("time / fs", numeric=True),
            Column("mean T / K", numeric=True),
            Column("remarks"),
        ),
        tuple(
            Row(
                (
                    part_name(trajectory, part.number),
                    atom_label(one.symbol, one.site),
                    charge(one.before),
                    charge(one.after),
                    str(one.last_step_before),
                    str(one.first_step_after),
                    number(one.time_fs, ".1f"),
                    number(one.temperature_k, ".0f"),
                    "seeded anew" if one.imposed else NONE,
                )
            )
            for trajectory in summary.trajectories
            for part in trajectory.parts
            for one in part.switches
        ),
    )


def _hops(summary: DynamicsSummary) -> Table:
    return Table(
        "hops",
        "Electron hops",
        "Of the switches between the same two steps, one that loses an electron paired with one that gains one.",
        (
            Column("trajectory"),
            Column("electron leaves"),
            Column("electron comes to"),
            Column("last step before", numeric=True),
            Column("first step after", numeric=True),
            Column("time / fs", numeric=True),
            Column("mean T / K", numeric=True),
            Column("remarks"),
        ),
        tuple(
            Row(
                (
                    part_name(trajectory, part.number),
                    atom_label(one.from_symbol, one.from_site),
                    atom_label(one.to_symbol, one.to_site),
                    str(one.last_step_before),
                    str(one.first_step_after),
                    number(one.time_fs, ".1f"),
                    number(one.temperature_k, ".0f"),
                    ", ".join(["not the only pairing"] * (not one.unique) + ["seeded anew"] * one.imposed) or NONE,
                )
            )
            for trajectory in summary.trajectories
            for part in trajectory.parts
            for one in part.hops
        ),
    )


def _ambiguous(summary: DynamicsSummary) -> Table:
    return Table(
        "ambiguous-intervals",
        "Ambiguous intervals",
        "Steps one after another whose charges close only with doubt, whose SCF cycle did not converge, or that "
        "flicker: another pattern that is gone again within two steps.",
        (
            Column("trajectory"),
            Column("first step", numeric=True),
            Column("last step", numeric=True),
            Column("steps", numeric=True),
        ),
        tuple(
            Row((part_name(trajectory, part.number), str(one.first_step), str(one.last_step), str(one.n_steps)))
            for trajectory in summary.trajectories
            for part in trajectory.parts
            for one in part.ambiguous_intervals
        ),
    )


def _chunks(summary: DynamicsSummary) -> Table:
    return Table(
        "chunks",
        "Chunks",
        "Each pw.x job begins with the last whole step of the one before, which is kept once. The jump is the "
        "conserved quantity of that step in this job less that in the job before, where neither velocities nor seeds "
        "are new.",
        (
            Column("trajectory"),
            Column("job"),
            Column("steps"),
            Column("new steps", numeric=True),
            Column("what ended it"),
            Column("jump / meV", numeric=True),
            Column("took", numeric=True),
            Column("calculation", code=True),
        ),
        tuple(
            Row(_chunk_cells(part_name(trajectory, one.part), one), "failed" if not one.n_new_steps else "")
            for trajectory in summary.trajectories
            for one in trajectory.chunks
        ),
    )


def _chunk_cells(name: str, chunk: ChunkSummary) -> tuple[str, ...]:
    steps = NONE if chunk.last_step is None else f"{chunk.first_step} to {chunk.last_step}"
    ending = chunk.ending if not chunk.exit_status else f"{chunk.ending} ({chunk.exit_status})"
    return (
        name,
        chunk.name.replace("_", " "),
        steps,
        str(chunk.n_new_steps),
        f"{ending}, from the cache" if chunk.from_cache else ending,
        number(chunk.jump_mev, "+.3f"),
        duration(chunk.duration_s),
        chunk.uuid,
    )


def _subsampling(summary: DynamicsSummary) -> Table:
    groups = (summary.subsampling or {}).get("groups", {})
    names = {
        f"{trajectory.uuid}-part_{part.number}": part_name(trajectory, part.number)
        for trajectory in summary.trajectories
        for part in trajectory.parts
    }
    return Table(
        "subsampling",
        "Independent steps",
        "Kept are labelled steps at least one statistical inefficiency apart, that of the energy or of the largest "
        "force, and a few of every pattern; ambiguous ones are left out unless asked for.",
        (
            Column("trajectory"),
            Column("labelled steps", numeric=True),
            Column("ambiguous", numeric=True),
            Column("inefficiency / steps", numeric=True),
            Column("stride / steps", numeric=True),
            Column("kept", numeric=True),
            Column("by pattern"),
        ),
        tuple(
            Row(
                (
                    names.get(group, group),
                    str(one["n_frames"]),
                    str(one["n_ambiguous"]),
                    number(one["inefficiency"], ".1f"),
                    str(one["stride"]),
                    str(sum(one["kept"].values())),
                    ", ".join(f"{pattern}: {count}" for pattern, count in one["kept"].items()) or NONE,
                )
            )
            for group, one in groups.items()
        ),
    )
