"""Whether a committee can rank the configurations of a space."""

from __future__ import annotations

from collections.abc import Iterable

from ase.data import chemical_symbols

from aiida_redoxmlp.engines.encoding import Encoding
from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.redox.species import Species
from aiida_redoxmlp.search.space import VACANCY, ConfigurationSpace
from aiida_redoxmlp.search.sum_rules import ways

__all__ = ("require_comparable", "warnings_of_space")


def require_comparable(space: ConfigurationSpace, encoding: Encoding) -> None:
    """Check that the committee knows every species and that all configurations have the same atoms.

    Raises:
        InputError: one sentence on the first thing that is wrong.
    """
    known = {_name(species, encoding) for species, _ in encoding.stand_ins}
    for name in sorted(_name(species, encoding) for species in _species_of(space)):
        if name not in known:
            raise InputError(
                f"The model does not know {name}; it knows {', '.join(sorted(known))}: leave {name} out, or take a "
                "model that was trained on frames with it."
            )
    elements = {species.element for some in space.allowed for species in some}
    for element in sorted(elements - {VACANCY.element} - set(space.composition)):
        numbers = _numbers_of(element, space)
        if len(numbers) > 1:
            raise InputError(
                f"The configurations have {numbers[0]} to {numbers[-1]} {element} on their active sites, and total "
                f"energies of different compositions cannot be compared; fix the number of {element} and search each "
                "composition by itself."
            )


def warnings_of_space(space: ConfigurationSpace, encoding: Encoding) -> list[str]:
    """Return sentences on what limits what energies at fixed ions can say."""
    warnings = []
    several = any(len({one.element for one in some}) < len(some) for some in space.allowed)
    if several and not encoding.resolves_states:
        warnings.append(
            "The model does not see oxidation states, so that configurations that differ in nothing else have the same "
            "energy; take a model that was trained with them."
        )
    if space.lattice is not None:
        warnings.append(
            "The symmetry is that of an undistorted lattice, and energies at fixed ions are those of one configuration "
            "of each class at the positions of the structure; relaxed energies do not depend on that choice."
        )
    return warnings


def _name(species: Species, encoding: Encoding) -> str:
    """Return what the model tells apart: species, or elements."""
    return species.label if encoding.resolves_states else species.element


def _species_of(space: ConfigurationSpace) -> set[Species]:
    """Return everything that stands anywhere, without vacancies."""
    pairs: Iterable[tuple[int, int]] = zip(
        space.parent.numbers.tolist(), space.parent.oxidation_states.tolist(), strict=True
    )
    fixed = {Species(chemical_symbols[n], s) for atom, (n, s) in enumerate(pairs) if atom not in space.sites}
    return fixed.union(*space.allowed) - {VACANCY}


def _numbers_of(element: str, space: ConfigurationSpace) -> list[int]:
    """Return how many active sites may hold an element, ascending, among configurations that the rules allow."""
    terms = [
        tuple((*term, int(species.element == element)) for term, species in zip(some, allowed, strict=True))
        for some, allowed in zip(space.rules.terms, space.allowed, strict=True)
    ]
    return sorted(sums[-1] for sums in ways(terms, (*space.rules.target, None)))
