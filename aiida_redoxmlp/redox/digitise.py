"""From occupation eigenvalues to oxidation states that close the charge of the cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from aiida_redoxmlp.errors import ClosureError, InputError
from aiida_redoxmlp.redox.digitise_likelihood import best_closed_assignments, state_log_likelihoods
from aiida_redoxmlp.redox.elements import RedoxElement, RedoxTable
from aiida_redoxmlp.redox.occupations import SiteOccupations
from aiida_redoxmlp.redox.pattern import Pattern
from aiida_redoxmlp.redox.spins import SMALLEST_MOMENT

__all__ = ("CLEAR_MARGIN", "LOWEST_CONFIDENCE", "Assignment", "digitise", "redox_occupations")

CLEAR_MARGIN = 3.0
"""Margin in nats, about 20 : 1, below which an assignment is ambiguous."""

LOWEST_CONFIDENCE = 0.75
"""Confidence of a site, 3 : 1, below which its assignment is ambiguous."""


@dataclass(frozen=True, eq=False)
class Assignment:
    """Oxidation states of the redox sites of one electronic state.

    Attributes:
        sites: indices of the redox sites, ascending.
        states: the most likely oxidation states among those that close the charge.
        naive_states: states by counting full levels site by site, whether they close or not.
        d_counts: electrons of each site's shell in the assigned state.
        spins: 2S of each site: full levels of spin up minus those of spin down, without sign.
        moment_signs: sign of each site's spin moment, 0 where it is below half an electron.
        confidences: probability of each assigned state from the site's own eigenvalues alone, among the
            allowed states, shape (n_sites,).
        closed: whether the naive states close the charge.
        margin: log-likelihood in nats by which the assignment beats the next one that closes; infinite where
            there is no other.
        ambiguous: whether the naive states are not the assigned ones, the margin is small, or a site is not
            sure of its state.
        table: the table the states were read with.
    """

    sites: tuple[int, ...]
    states: tuple[int, ...]
    naive_states: tuple[int, ...]
    d_counts: tuple[int, ...]
    spins: tuple[int, ...]
    moment_signs: tuple[int, ...]
    confidences: NDArray[np.float64]
    closed: bool
    margin: float
    ambiguous: bool
    table: RedoxTable = field(repr=False)

    @property
    def pattern(self) -> Pattern:
        """The redox pattern."""
        return Pattern(self.sites, self.states)

    def oxidation_states(self, symbols: Sequence[str]) -> NDArray[np.int64]:
        """Return the oxidation state of every atom, shape (n_atoms,).

        Args:
            symbols: chemical symbol of every atom.
        """
        states = [0 if site in self.sites else self.table.fixed_state(s) for site, s in enumerate(symbols)]
        return self.pattern.written_on(states)


def digitise(
    occupations: Sequence[SiteOccupations],
    symbols: Sequence[str],
    total_charge: int,
    table: RedoxTable,
    *,
    clear_margin: float = CLEAR_MARGIN,
) -> Assignment:
    """Assign the most likely oxidation states among those that close the charge.

    Args:
        occupations: Hubbard sites of the cell; those that are no redox sites are not used.
        symbols: chemical symbol of every atom.
        total_charge: charge of the cell in units of e.
        table: redox elements and the charges of the spectators.
        clear_margin: margin in nats below which the assignment is ambiguous.

    Raises:
        InputError: if there are no redox sites, one has no occupations, or a spectator has no fixed charge.
        ClosureError: if no assignment of the allowed states closes the charge.
    """
    chosen = redox_occupations(occupations, symbols, table)
    sites = [occupation.site for occupation in chosen]
    elements = [table.elements[symbols[site]] for site in sites]
    spectators = sum(table.fixed_state(symbol) for symbol in symbols if not table.is_redox(symbol))
    log_likelihoods = [state_log_likelihoods(o.eigenvalues, e) for o, e in zip(chosen, elements, strict=True)]
    closed = best_closed_assignments([e.states for e in elements], log_likelihoods, total_charge - spectators)
    if not closed:
        raise ClosureError(_why_not_closed(elements, spectators, total_charge))
    states = closed[0][0]
    margin = closed[0][1] - closed[1][1] if len(closed) > 1 else inf
    full = [_full_levels(o, e) for o, e in zip(chosen, elements, strict=True)]
    naive = tuple(e.valence_electrons - sum(levels) for e, levels in zip(elements, full, strict=True))
    confidences = np.array(
        [softmax(log)[e.states.index(s)] for log, e, s in zip(log_likelihoods, elements, states, strict=True)]
    )
    unlikely = bool((confidences < LOWEST_CONFIDENCE).any())
    return Assignment(
        sites=tuple(sites),
        states=states,
        naive_states=naive,
        d_counts=tuple(e.valence_electrons - state for e, state in zip(elements, states, strict=True)),
        spins=tuple(abs(up - down) for up, down in full),
        moment_signs=tuple(_moment_sign(occupation) for occupation in chosen),
        confidences=confidences,
        closed=sum(naive) + spectators == total_charge,
        margin=margin,
        ambiguous=naive != states or margin < clear_margin or unlikely,
        table=table,
    )


def redox_occupations(
    occupations: Sequence[SiteOccupations], symbols: Sequence[str], table: RedoxTable
) -> tuple[SiteOccupations, ...]:
    """Return the occupations of the redox sites, in the order of the atoms.

    Raises:
        InputError: if there are no redox sites or one has no occupations of its element's shell.
    """
    sites = table.redox_sites(symbols)
    if not sites:
        raise InputError(
            f"The structure of {', '.join(sorted(set(symbols)))} has no redox site; allow several states for "
            "one of its d or f metals."
        )
    chosen = []
    for site in sites:
        element = table.elements[symbols[site]]
        found = [o for o in occupations if o.site == site and o.orbital_l == element.orbital_l]
        if not found:
            raise InputError(
                f"Atom {site + 1} ({element.symbol}) is a redox site but has no occupations of its "
                f"{element.shell} shell; put a Hubbard U on it or give {element.symbol} a fixed charge."
            )
        chosen.append(found[0])
    return tuple(chosen)


def _full_levels(occupation: SiteOccupations, element: RedoxElement) -> tuple[int, int]:
    up, down = (occupation.eigenvalues > element.threshold).sum(axis=1)
    return int(up), int(down)


def _moment_sign(occupation: SiteOccupations) -> int:
    return 0 if abs(occupation.moment) < SMALLEST_MOMENT else int(np.sign(occupation.moment))


def _why_not_closed(elements: Sequence[RedoxElement], spectators: int, total_charge: int) -> str:
    lowest = spectators + sum(min(element.states) for element in elements)
    highest = spectators + sum(max(element.states) for element in elements)
    allowed = {e.symbol: f"{e.symbol}={'/'.join(str(state) for state in e.states)}" for e in elements}
    return (
        f"No assignment closes the total charge {total_charge:+d}: with {', '.join(allowed.values())} and "
        f"{spectators:+d} on the other atoms the cell reaches charges from {lowest:+d} to {highest:+d}; "
        "change the charge, the allowed states or the fixed charges."
    )
