"""Which patterns are labelled at which state of charge."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from ase.symbols import Symbols, symbols2numbers

from aiida_redoxmlp.active_learning.candidates import formula_of
from aiida_redoxmlp.active_learning.label_book import LabelRecord
from aiida_redoxmlp.dataset.frame import Frame
from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.redox.chemistry import RedoxChemistry
from aiida_redoxmlp.report.loop_schema import CoveredPattern, StateOfChargeCoverage
from aiida_redoxmlp.search.sum_rules import ways

__all__ = ("coverage_of", "formula_in", "n_possible_patterns")


@dataclass(frozen=True)
class _Stratum:
    """A composition and a pattern."""

    formula: str
    states: tuple[int, ...]


def formula_in(name: str) -> str:
    """Return the formula in the name of a label, such as ``LiMn2O8P2 (2,3) 1f0c5b2a9e``."""
    return name.partition(" ")[0]


def coverage_of(
    labels: Iterable[LabelRecord],
    before: Iterable[Frame],
    formulas: Iterable[str],
    chemistry: RedoxChemistry | None,
) -> list[StateOfChargeCoverage]:
    """Return the labels of every state of charge and pattern, by ascending mean oxidation state.

    Ambiguous and failed labels are of no pattern.

    Args:
        labels: those the loop asked for.
        before: the dataset it began with.
        formulas: states of charge that are wanted, also without a label.
        chemistry: charges of the material; without it nothing is known of patterns that are possible.
    """
    columns: dict[str, Counter[_Stratum]] = defaultdict(Counter)
    for frame in before:
        if not frame.ambiguous:
            columns["n_before"][_Stratum(formula_of(frame.configuration), frame.pattern.states)] += 1
    for label in labels:
        formula = formula_in(label.name)
        columns["n_believed"][_Stratum(formula, tuple(label.wanted))] += 1
        if label.found is not None:
            found = _Stratum(formula, tuple(label.found))
            columns["n_added"][found] += 1
            columns["n_redox_errors"][found] += label.outcome == "redox_error"
    strata = {stratum for counts in columns.values() for stratum in counts}
    everything = {stratum.formula for stratum in strata} | set(formulas)
    covered = [
        _state_of_charge(formula, [one for one in strata if one.formula == formula], columns, chemistry)
        for formula in everything
    ]
    return sorted(covered, key=lambda one: (one.mean_state is None, one.mean_state or 0.0, one.formula))


def n_possible_patterns(formula: str, chemistry: RedoxChemistry) -> int | None:
    """Return how many patterns close the charge of a cell, or None where its charges are not known."""
    symbols = list(Symbols(symbols2numbers(formula)))
    try:
        sites, background = chemistry.sites_and_background(symbols)
    except InputError:
        return None  # without redox sites, or with an element of unknown charge
    allowed = chemistry.allowed_on(symbols)
    target = (chemistry.total_charge - sum(background),)
    return ways([[(state,) for state in allowed[symbols[site]]] for site in sites], target).get(target, 0)


def _state_of_charge(
    formula: str, strata: list[_Stratum], columns: dict[str, Counter[_Stratum]], chemistry: RedoxChemistry | None
) -> StateOfChargeCoverage:
    names = ("n_before", "n_added", "n_believed", "n_redox_errors")
    patterns = [
        CoveredPattern(states=list(one.states), **{name: columns[name][one] for name in names}) for one in strata
    ]
    return StateOfChargeCoverage(
        formula=formula,
        mean_state=_mean_state(formula, strata, chemistry),
        n_possible=None if chemistry is None else n_possible_patterns(formula, chemistry),
        patterns=sorted(patterns, key=lambda one: (-one.n_labels, -one.n_believed, one.states)),
    )


def _mean_state(formula: str, strata: list[_Stratum], chemistry: RedoxChemistry | None) -> float | None:
    """Return the mean oxidation state of the redox sites: from a pattern, else from what closes the charge."""
    for one in strata:
        if one.states:
            return sum(one.states) / len(one.states)
    if chemistry is None:
        return None
    try:
        sites, background = chemistry.sites_and_background(list(Symbols(symbols2numbers(formula))))
    except InputError:
        return None  # the same as above: nothing to place it by
    return (chemistry.total_charge - sum(background)) / len(sites)
