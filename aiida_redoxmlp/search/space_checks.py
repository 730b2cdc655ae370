"""What can be wrong with a space of configurations, as sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ase.data import chemical_symbols

from aiida_redoxmlp.errors import ClosureError, InputError
from aiida_redoxmlp.redox.configuration import Configuration
from aiida_redoxmlp.redox.species import Species
from aiida_redoxmlp.search.lattice_sites import coinciding_atoms
from aiida_redoxmlp.search.sum_rules import SumRules, ways

__all__ = ("check_reachable", "check_sites", "check_species")

_MOST_SPECIES = 127


def check_sites(parent: Configuration, sites: Sequence[int]) -> None:
    """Check that the active sites are atoms of the parent, each named once, with none on top of another.

    Raises:
        InputError: one sentence on what is wrong.
    """
    if not sites:
        raise InputError("No site is active; give the allowed species of at least one element or atom.")
    if list(sites) != sorted(set(sites)):
        raise InputError(f"The active sites {list(sites)} must be ascending, each named once.")
    if sites[0] < 0 or sites[-1] >= len(parent):
        wrong = sites[0] if sites[0] < 0 else sites[-1]
        raise InputError(f"Active site {wrong} does not exist; the structure's atoms are 0 to {len(parent) - 1}.")
    if found := coinciding_atoms(parent, sites):
        site, atom, distance = found
        raise InputError(
            f"Active site {site} ({_symbol(parent, site)}) and atom {atom} ({_symbol(parent, atom)}) coincide, "
            f"{distance:.2f} Å apart; give one atom a site, and what else may stand there as its allowed species."
        )


def check_species(sites: Sequence[int], allowed: Sequence[Sequence[Species]]) -> None:
    """Check that every active site has species to choose from, told apart by element and charge.

    Raises:
        InputError: one sentence on what is wrong.
    """
    if len(allowed) != len(sites):
        raise InputError(
            f"Allowed species are given for {len(allowed)} sites, but {len(sites)} are active; give a list for each."
        )
    for site, some in zip(sites, allowed, strict=True):
        if not 1 <= len(some) <= _MOST_SPECIES:
            raise InputError(
                f"Site {site} has {len(some)} allowed species; give it at least one and at most {_MOST_SPECIES}, "
                "such as Mn2+ and Mn3+."
            )
        for species in some:
            if species.spin:
                raise InputError(
                    f"{species.label} on site {site} has a sign of its moment; write element and charge only, and "
                    "give directions as the parent's spins."
                )
            if species.element == "X" and species.state:
                raise InputError(
                    f"{species.label} on site {site} is a vacancy with a charge; write X, since charges count atoms."
                )


def check_reachable(
    rules: SumRules, allowed: Sequence[Sequence[Species]], composition: Mapping[str, int], total_charge: int | None
) -> None:
    """Check that some configuration has the composition and the total charge.

    Args:
        rules: the charge first, where it is not None, then the composition.
        allowed: allowed species of each site.
        composition: how many sites hold what.
        total_charge: charge of the cell in units of e, or None where it may be any.

    Raises:
        InputError: if the composition cannot be reached, with what can.
        ClosureError: if the charge cannot be reached with it, with the nearest that can.
    """
    known = {name for some in allowed for species in some for name in (species.element, species.label)}
    for key, number in composition.items():
        if key not in known:
            raise InputError(
                f"The composition names {key}, which no active site may hold; name one of {', '.join(sorted(known))}."
            )
        able = sum(any(key in (s.element, s.label) for s in some) for some in allowed)
        bound = sum(all(key in (s.element, s.label) for s in some) for some in allowed)
        if not bound <= number <= able:
            raise InputError(
                f"The composition has {number} {key}, but the active sites can hold {bound} to {able}; "
                "change that number or the allowed species."
            )
    free = () if total_charge is None else (None,)
    reached = ways(rules.terms, (*free, *composition.values()))
    if not reached:
        told = ", ".join(f"{number} {key}" for key, number in composition.items())
        raise InputError(
            f"No configuration of the {rules.n_sites} active sites has {told} together; leave one of the numbers out."
        )
    if total_charge is not None:
        missing = int(rules.targets[0])
        nearest = min((sums[0] for sums in reached), key=lambda charge: (abs(charge - missing), charge))
        if nearest != missing:
            fixed = total_charge - missing
            raise ClosureError(
                f"No configuration of the {rules.n_sites} active sites gives the cell the total charge "
                f"{total_charge:+d}; the nearest they reach is {nearest + fixed:+d}: change the charge, the "
                "composition or the allowed species."
            )


def _symbol(structure: Configuration, atom: int) -> str:
    return chemical_symbols[int(structure.numbers[atom])]
