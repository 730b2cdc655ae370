"""What a reader of molecular dynamics has to be warned of."""

from __future__ import annotations

from collections.abc import Iterator

from aiida_redoxmlp.report.dynamics_schema import DynamicsSummary, PartSummary, TrajectorySummary
from aiida_redoxmlp.report.dynamics_wording import counted, part_name
from aiida_redoxmlp.report.wording import pattern_label
from aiida_redoxmlp.report.work_chain import about_the_end

__all__ = ("dynamics_caveats",)


def dynamics_caveats(summary: DynamicsSummary) -> list[str]:
    """Return one sentence a caveat, the gravest first."""
    found = list(
        about_the_end(
            summary,
            running="The dynamics still run; the report shows the jobs that have ended.",
            subject="The dynamics",
        )
    )
    several = len(summary.trajectories) > 1 or summary.n_trajectories_wanted > 1
    stopped = [one for one in summary.trajectories if one.phase == "failed"]
    if several or summary.phase != "failed":
        found.extend(_stopped(trajectory) for trajectory in stopped)
    for trajectory in summary.trajectories:
        for part in trajectory.parts:
            found.extend(_about_part(part, part_name(trajectory, part.number)))
    return [*found, *_about_ambiguity(summary), *_about_the_dataset(summary)]


def _stopped(trajectory: TrajectorySummary) -> str:
    reason = (trajectory.exit_message or "it gave no reason").strip().rstrip(".")
    status = "" if trajectory.exit_status is None else f" with exit status {trajectory.exit_status}"
    return f"{_capital(trajectory.name)} ended early{status}: {reason}."


def _about_part(part: PartSummary, name: str) -> Iterator[str]:
    if part.wanted and part.pattern_at_start and part.wanted != part.pattern_at_start:
        yield (
            f"{_capital(name)} was asked to begin with {pattern_label(part.wanted)} and began with "
            f"{pattern_label(part.pattern_at_start)}."
        )
    if part.n_labelled < part.n_steps:
        missing = part.n_steps - part.n_labelled
        yield f"{counted(missing, 'step')} of {name} {_have(missing)} no whole occupations and no label."
    if part.n_unconverged:
        yield (
            f"The SCF cycle of {counted(part.n_unconverged, 'step')} of {name} did not converge; "
            "no switch is concluded from such steps."
        )
    imposed = sum(one.imposed for one in part.switches)
    if imposed:
        yield (
            f"{counted(imposed, 'switch', 'switches')} of {name} {_lie(imposed)} where the electrons were seeded anew, "
            "and are not counted."
        )
    unsure = sum(not one.unique for one in part.hops)
    if unsure:
        yield f"{counted(unsure, 'electron hop')} of {name} can be paired in another way, too."


def _about_ambiguity(summary: DynamicsSummary) -> Iterator[str]:
    if summary.n_ambiguous:
        verb, kept = ("is", "it was") if summary.n_ambiguous == 1 else ("are", "they were")
        yield (
            f"{summary.n_ambiguous} of {summary.n_labelled} steps {verb} ambiguous, the charges close only with doubt; "
            f"{kept} kept and marked, and no switch is concluded from them."
        )


def _about_the_dataset(summary: DynamicsSummary) -> Iterator[str]:
    if summary.subsampling:
        notes = {group["note"] for group in summary.subsampling["groups"].values() if group["note"]}
        yield from (f"Sub-sampling: {note}" for note in sorted(notes))


def _have(number: int) -> str:
    return "has" if number == 1 else "have"


def _lie(number: int) -> str:
    return "lies" if number == 1 else "lie"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
