"""What a reader of self-consistent Hubbard parameters has to be warned of."""

from __future__ import annotations

from collections.abc import Iterator

from aiida_redoxmlp.report.hubbard_schema import HubbardCycle, HubbardSummary
from aiida_redoxmlp.report.wording import pattern_label
from aiida_redoxmlp.report.work_chain import about_the_end

__all__ = ("hubbard_caveats",)


def hubbard_caveats(summary: HubbardSummary) -> list[str]:
    """Return one sentence a caveat, the gravest first."""
    return [*_about_the_end(summary), *_about_convergence(summary), *_about_patterns(summary.cycles)]


def _about_the_end(summary: HubbardSummary) -> Iterator[str]:
    if summary.converged is None or summary.phase != "failed":
        yield from about_the_end(
            summary,
            running="U and V are still being computed; the report shows what there is so far.",
            subject="The calculation of U and V",
        )


def _about_convergence(summary: HubbardSummary) -> Iterator[str]:
    if summary.converged is not False or not summary.cycles:
        return
    last = summary.cycles[-1]
    parts = [f"U by {last.change_u_ev:.3g} eV (tolerance {summary.tolerance_u_ev:g} eV)"]
    if last.pairs:
        parts.append(f"V by {last.change_v_ev:.3g} eV (tolerance {summary.tolerance_v_ev:g} eV)")
    circle = f"; the values come back every {summary.limit_cycle} cycles" if summary.limit_cycle else ""
    subject = "U and V are" if last.pairs else "U is"
    yield f"{subject} not self-consistent: cycle {last.number} still changed {' and '.join(parts)}{circle}."


def _about_patterns(cycles: list[HubbardCycle]) -> Iterator[str]:
    before: list[int] | None = None
    for cycle in cycles:
        if cycle.pattern_changed:
            instead = "the wanted one" if before is None else pattern_label(before)
            yield (
                f"In cycle {cycle.number} DFT landed on the pattern {pattern_label(cycle.pattern)} instead of "
                f"{instead}; U and V are those of the pattern found."
            )
        if cycle.ambiguous:
            yield (
                f"The pattern of cycle {cycle.number}, {pattern_label(cycle.pattern)}, is ambiguous: its charges close "
                "only with doubt."
            )
        before = cycle.pattern
