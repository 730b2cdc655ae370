"""U and V in sentences: what was found, for which states, how sure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from aiida_redoxmlp.redox.species import Species
from aiida_redoxmlp.report.hubbard_schema import HubbardCycle, HubbardMean, HubbardSiteValue, HubbardSummary
from aiida_redoxmlp.report.wording import listing, pattern_label

__all__ = (
    "hubbard_certainty",
    "hubbard_headline",
    "hubbard_outcome",
    "label_sentence",
    "species_of",
    "value_with_range",
)


def species_of(site: HubbardSiteValue) -> str:
    """Return ``Mn3+``, or the bare element where no state is known."""
    return site.element if site.oxidation_state is None else Species(site.element, site.oxidation_state).label


def hubbard_outcome(summary: HubbardSummary) -> str:
    """Return ``converged``, ``not converged``, ``stopped before the end`` or ``still running``."""
    if summary.converged is not None:
        return "converged" if summary.converged else "not converged"
    return "still running" if summary.phase == "running" else "stopped before the end"


def hubbard_headline(summary: HubbardSummary) -> str:
    """Return the outcome in a sentence."""
    what = "U and V" if any(cycle.pairs for cycle in summary.cycles) else "U"
    n_cycles = len(summary.cycles)
    cycles = f"{n_cycles} cycle{'' if n_cycles == 1 else 's'}"
    if not n_cycles:
        return "There is no U yet: no cycle has ended."
    if summary.converged is None:
        return f"{what} of {summary.material} after {cycles}, {hubbard_outcome(summary)}."
    verb = "converged" if summary.converged else "did not converge"
    return f"{what} of {summary.material} {verb} in {cycles}."


def hubbard_certainty(summary: HubbardSummary) -> list[str]:
    """Return sentences on the values by oxidation state and on the pattern; empty before the first cycle ended."""
    if not summary.cycles:
        return []
    last = summary.cycles[-1]
    return [*_u_by_species(last), *_v_by_species(last), _about_the_pattern(summary.cycles)]


def label_sentence(means: Sequence[HubbardMean]) -> str:
    """Return which U and V the labels of a campaign use."""
    values = [_mean_in_words(mean) for mean in means]
    return (
        "A potential learns one energy surface, so all labels use one Hamiltonian, with the mean over the sites of "
        f"each element: {listing(values)}."
        if values
        else ""
    )


def value_with_range(values: Sequence[float], digits: int = 2) -> str:
    """Return the mean, with the range where the values differ in the digits shown."""
    low, mean, high = min(values), sum(values) / len(values), max(values)
    if f"{low:.{digits}f}" == f"{high:.{digits}f}":
        return f"{mean:.{digits}f} eV"
    return f"{mean:.{digits}f} eV ({low:.{digits}f} to {high:.{digits}f} eV)"


def _u_by_species(cycle: HubbardCycle) -> list[str]:
    """A sentence a manifold: U by oxidation state."""
    groups: dict[str, dict[str, list[HubbardSiteValue]]] = defaultdict(lambda: defaultdict(list))
    for site in cycle.sites:
        groups[f"{site.element} {site.manifold}"][species_of(site)].append(site)
    sentences = []
    for manifold, by_species in groups.items():
        parts = [
            f"{value_with_range([site.u_out_ev for site in sites])} on {_members(species, sites)}"
            for species, sites in sorted(by_species.items())
        ]
        sentences.append(f"U of {manifold} is {listing(parts)}.")
    return sentences


def _members(species: str, sites: Sequence[HubbardSiteValue]) -> str:
    labels = [site.label for site in sites]
    shown = listing(labels) if len(labels) <= 4 else f"{len(labels)} sites"
    return f"{species} ({shown})"


def _v_by_species(cycle: HubbardCycle) -> list[str]:
    """A sentence a pair of manifolds: V by oxidation state of the first site."""
    species = {site.site: species_of(site) for site in cycle.sites}
    groups: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for pair in cycle.pairs:
        element = pair.label.rstrip("0123456789")
        manifolds = f"{element} {pair.manifold}–{pair.neighbour_element} {pair.neighbour_manifold}"
        groups[manifolds][species.get(pair.site, element)].append(pair.v_out_ev)
    sentences = []
    for manifolds, by_species in groups.items():
        parts = [
            f"{value_with_range(values)} around {name}, {len(values)} pair{'' if len(values) == 1 else 's'}"
            for name, values in sorted(by_species.items())
        ]
        sentences.append(f"V of {manifolds} is {listing(parts)}.")
    return sentences


def _about_the_pattern(cycles: Sequence[HubbardCycle]) -> str:
    label = pattern_label(cycles[-1].pattern)
    if any(cycle.pattern != cycles[-1].pattern for cycle in cycles):
        return f"The redox pattern changed on the way; these values belong to {label}."
    if len(cycles) == 1:
        return f"They belong to the redox pattern {label}."
    return f"The redox pattern is {label} in all cycles."


def _mean_in_words(mean: HubbardMean) -> str:
    first = f"{mean.element} {mean.manifold}"
    if mean.neighbour_element is None:
        return f"U({first}) = {mean.value_ev:.2f} eV"
    return f"V({first}–{mean.neighbour_element} {mean.neighbour_manifold}) = {mean.value_ev:.2f} eV"
