"""The answer of a campaign in sentences: the ground state, who decided, how sure."""

from __future__ import annotations

from collections.abc import Sequence

from aiida_redoxmlp.report.summary_schema import CampaignSummary, PatternSummary
from aiida_redoxmlp.report.wording import energy, listing, lowered, pattern_in_words, pattern_label, share

__all__ = ("certainty", "headline", "ranked_by_judge")


def headline(summary: CampaignSummary) -> str:
    """Return the ground state in a sentence, or why there is none."""
    if summary.ground_state is None:
        if summary.phase == "running":
            return "The campaign still runs; there is no ground state yet."
        reason = (summary.exit_message or "it gave no reason").strip().rstrip(".")
        return f"The campaign ended without a ground state: {reason}."
    words = pattern_in_words(summary.ground_state, summary.site_labels)
    return f"The ground state of {summary.material} is {pattern_label(summary.ground_state)}: {words}."


def certainty(summary: CampaignSummary) -> list[str]:
    """Return sentences on who decided the ground state and how sure the answer is; empty without one."""
    if summary.ground_state is None:
        return []
    ranked = ranked_by_judge(summary)
    ground = next((one for one in summary.patterns if one.states == summary.ground_state), None)
    if ground is None:
        return []
    sentences = [_who_decided(ground, summary)]
    twins = [one for one in summary.patterns if one.orbit == ground.orbit and one.states != ground.states]
    n_twins = ground.multiplicity - 1
    if n_twins:
        subject = f"{n_twins} other patterns are"
        if len(twins) == n_twins <= 3:
            subject = f"{listing([pattern_label(one.states) for one in twins])} {'is' if n_twins == 1 else 'are'}"
        elif n_twins == 1:
            subject = "One other pattern is"
        sentences.append(
            f"By symmetry {subject} equivalent to it and just as good a ground state: "
            "the difference between their energies only measures how well the numbers are converged."
        )
    sentences.extend(_gap(ground, ranked, summary))
    if summary.search_certainty is not None:
        sentences.append(f"In the search with the potential, {lowered(summary.search_certainty)}")
    return sentences


def ranked_by_judge(summary: CampaignSummary) -> list[PatternSummary]:
    """Return the patterns the judge of the ground state could rank, in ascending energy by that judge."""
    if summary.decided_by == "dft":
        confirmed = [
            one for one in summary.patterns if one.energy_dft_ev is not None and one.pattern_found_by_dft == one.states
        ]
        return sorted(confirmed, key=lambda one: one.energy_dft_ev or 0.0)
    searched = [one for one in summary.patterns if one.energy_mlp_ev is not None]
    return sorted(searched, key=lambda one: one.energy_mlp_ev or 0.0)


def _who_decided(ground: PatternSummary, summary: CampaignSummary) -> str:
    if summary.decided_by == "dft":
        sure = "" if ground.dft_confidence is None else f" (confidence {share(ground.dft_confidence)})"
        return (
            "DFT decided: started at the potential's geometry it lands on this pattern"
            f"{sure}, the lowest of those it checked."
        )
    return "The potential decided alone, DFT confirmed none of the patterns: take this as a proposal."


def _gap(ground: PatternSummary, ranked: Sequence[PatternSummary], summary: CampaignSummary) -> list[str]:
    """Say how far the next pattern that symmetry does not make equivalent lies above."""
    rival = next((one for one in ranked if one.orbit != ground.orbit), None)
    if rival is None:
        if len({one.orbit for one in summary.patterns}) > 1:
            return ["No other kind of pattern was ranked by the same judge, so there is no gap to tell."]
        return []
    label = pattern_label(rival.states)
    if summary.decided_by == "dft":
        gap = (rival.energy_dft_ev or 0.0) - (ground.energy_dft_ev or 0.0)
        return [f"DFT puts the next kind of pattern, {label}, {energy(gap)} above it."]
    gap = (rival.energy_mlp_ev or 0.0) - (ground.energy_mlp_ev or 0.0)
    spread = max(ground.energy_mlp_std_ev or 0.0, rival.energy_mlp_std_ev or 0.0)
    within = "less than" if gap < spread else "more than"
    above = f"The potential puts the next kind of pattern, {label}, {energy(gap)} above it"
    return [f"{above}, {within} the committee's spread of {energy(spread)}."]
