"""What a reader of a campaign's numbers has to be warned of."""

from __future__ import annotations

from collections.abc import Iterator

from aiida_redoxmlp.report.summary_schema import CampaignSummary, LabelSummary
from aiida_redoxmlp.report.wording import lowered, pattern_label
from aiida_redoxmlp.report.work_chain import about_the_end

__all__ = ("OVERCONFIDENT", "caveats_of")

OVERCONFIDENT = 2.0
"""Errors over spread above which the reader is warned; 1.4 is what three honest members give."""


def caveats_of(summary: CampaignSummary) -> list[str]:
    """Return one sentence a caveat, the gravest first."""
    return [
        *about_the_end(
            summary,
            running="The campaign still runs; this report shows what there is so far.",
            subject="The campaign",
        ),
        *([] if summary.hubbard is None else summary.hubbard.warnings),
        *_about_labels(summary),
        *_about_frames(summary),
        *_about_judgement(summary),
        *(f"In the search: {lowered(warning)}" for warning in summary.search_warnings),
        *_about_checks(summary),
    ]


def _about_labels(summary: CampaignSummary) -> Iterator[str]:
    for label in summary.labels:
        if label.phase == "failed":
            reason = (label.exit_message or "it gave no reason").strip().rstrip(".")
            consequence = "none of its frames is in the dataset"
            if label.stage == "check":
                consequence = "its pattern stays without a DFT check"
            elif label.stage == "md" and label.n_frames:
                consequence = f"the {label.n_frames} frames it reached are in the dataset"
            yield f"The label {label.name} of {pattern_label(label.wanted)} failed, {consequence}: {reason}."
        elif label.landed is False and label.stage != "check":
            yield (
                f"The label {label.name} asked for {pattern_label(label.wanted)} and DFT found "
                f"{pattern_label(label.found or [])}; its frames carry the states that DFT found."
            )


def _about_frames(summary: CampaignSummary) -> Iterator[str]:
    n_ambiguous, n_frames = summary.counts.n_ambiguous_frames, summary.counts.n_frames
    if n_ambiguous:
        verb, kept = ("is", "it was") if n_ambiguous == 1 else ("are", "they were")
        yield (
            f"{n_ambiguous} of {n_frames} frames {verb} ambiguous (the charges close only with doubt); "
            f"{kept} kept and marked, and training leaves such frames out unless asked otherwise."
        )


def _about_judgement(summary: CampaignSummary) -> Iterator[str]:
    yield from summary.split_warnings
    aware = summary.test_errors.redox_aware
    if aware is None:
        return
    yield from (f"On held-out frames: {lowered(warning)}" for warning in aware.warnings)
    calibration = aware.force_calibration
    if calibration is not None and calibration.factor > OVERCONFIDENT:
        yield (
            f"The committee is too sure of itself: its errors of forces on held-out frames are "
            f"{calibration.factor:.1f} times its spread, so multiply every spread in this report by that."
        )


def _about_checks(summary: CampaignSummary) -> Iterator[str]:
    for pattern in summary.patterns:
        if pattern.pattern_found_by_dft not in (None, pattern.states):
            yield (
                f"DFT did not confirm the pattern {pattern_label(pattern.states)}: "
                f"at the potential's geometry it found {pattern_label(pattern.pattern_found_by_dft or [])}."
            )
    for label in summary.labels:
        if label.stage == "check" and label.ambiguous:
            yield _doubtful_check(label)


def _doubtful_check(label: LabelSummary) -> str:
    return (
        f"The DFT check of {pattern_label(label.wanted)} is ambiguous: its charges close only with doubt, "
        "so its pattern may be another one."
    )
