"""The space of configurations: which site may hold which species, and what has to add up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers
from numpy.typing import NDArray

from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.redox.chemistry import RedoxChemistry
from aiida_redoxmlp.redox.configuration import Configuration
from aiida_redoxmlp.redox.pattern import Pattern
from aiida_redoxmlp.redox.species import Species
from aiida_redoxmlp.search.lattice_sites import active_site_permutations, sites_of_atoms
from aiida_redoxmlp.search.space_checks import check_reachable, check_sites, check_species
from aiida_redoxmlp.search.sum_rules import SumRules

__all__ = ("VACANCY", "ConfigurationSpace")

VACANCY = Species("X", 0)
"""The species of a site without an atom."""


@dataclass(frozen=True, eq=False)
class ConfigurationSpace:
    """Which species may stand on the active sites of a structure, and what has to add up.

    A configuration is a row of small integers, one an active site: the index into that site's allowed species. Rows
    are int8 arrays of shape (n_configurations, n_sites).

    Attributes:
        parent: structure with an atom on every active site; the elements and oxidation states of atoms that are not
            active are kept. Spins are kept as directions.
        sites: indices of the active atoms, ascending.
        allowed: the species that may stand on each of them, ascending; :data:`VACANCY` for none.
        total_charge: charge of the cell in units of e, or None where it may be any.
        composition: how many active sites hold an element (``Li``), a species (``Mn3+``) or nothing (``X``); what is
            not named is free.
        lattice: undistorted structure in the same setting to take the symmetry from; the parent by default.
        symmetry_tolerance: spglib's symprec in Å.
    """

    parent: Configuration
    sites: tuple[int, ...]
    allowed: tuple[tuple[Species, ...], ...]
    total_charge: int | None = 0
    composition: Mapping[str, int] = field(default_factory=dict)
    lattice: Configuration | None = None
    symmetry_tolerance: float = 0.01

    def __post_init__(self) -> None:
        """Check everything.

        Raises:
            InputError: for sites that do not exist or coincide, empty lists of species, or a composition that
                cannot be reached.
            ClosureError: if no configuration of the composition has the total charge.
        """
        object.__setattr__(self, "composition", MappingProxyType(dict(self.composition)))
        object.__setattr__(self, "allowed", tuple(tuple(sorted(set(species))) for species in self.allowed))
        check_sites(self.parent, self.sites)
        check_species(self.sites, self.allowed)
        check_reachable(self.rules, self.allowed, self.composition, self.total_charge)

    @classmethod
    def of(
        cls,
        parent: Atoms | Configuration,
        allowed: Mapping[str | int, Sequence[Species | str]],
        *,
        fixed_states: Mapping[str, int] | None = None,
        total_charge: int | None = 0,
        composition: Mapping[str, int] | None = None,
        lattice: Atoms | Configuration | None = None,
        symmetry_tolerance: float = 0.01,
    ) -> ConfigurationSpace:
        """Build a space from what may stand where.

        Args:
            parent: structure with an atom on every active site.
            allowed: allowed species, as labels or objects, by element of the parent or by atom; an atom's goes before
                its element's. ``{"Mn": ["Mn2+", "Mn3+"], "Li": ["Li+", "X"]}``.
            fixed_states: oxidation states of the elements on other sites; the parent's by default.
            total_charge: charge of the cell in units of e, or None where it may be any.
            composition: how many active sites hold what.
            lattice: undistorted structure in the same setting.
            symmetry_tolerance: spglib's symprec in Å.

        Raises:
            InputError: as the class itself, and for an element that the parent does not have.
        """
        structure = parent if isinstance(parent, Configuration) else Configuration.from_ase(parent)
        symbols = structure.to_ase().get_chemical_symbols()
        for key in allowed:
            if isinstance(key, str) and key not in symbols:
                raise InputError(
                    f"Species are given for {key}, but the structure has none; its elements are "
                    f"{', '.join(sorted(set(symbols)))}."
                )
        by_site = {site: allowed[symbol] for site, symbol in enumerate(symbols) if symbol in allowed}
        by_site.update({key: species for key, species in allowed.items() if isinstance(key, int)})
        sites = tuple(sorted(by_site))
        if fixed_states is not None:
            structure = _with_fixed_states(structure, symbols, sites, fixed_states)
        return cls(
            parent=structure,
            sites=sites,
            allowed=tuple(tuple(map(_species, by_site[site])) for site in sites),
            total_charge=total_charge,
            composition=composition or {},
            lattice=Configuration.from_ase(lattice) if isinstance(lattice, Atoms) else lattice,
            symmetry_tolerance=symmetry_tolerance,
        )

    @classmethod
    def of_redox_states(cls, parent: Atoms, chemistry: RedoxChemistry) -> ConfigurationSpace:
        """Build the space of the oxidation states that a material's redox sites may have.

        Args:
            parent: the structure.
            chemistry: its charges.

        Raises:
            InputError: if the structure has no redox site, or an atom is neither one nor of a fixed state.
            ClosureError: if no allowed states close the charge.
        """
        symbols = parent.get_chemical_symbols()
        _, background = chemistry.sites_and_background(symbols)
        structure = Configuration.from_ase(parent)
        return cls.of(
            replace(structure, oxidation_states=np.array(background, dtype=np.int64)),
            {
                symbol: [Species(symbol, state) for state in states]
                for symbol, states in chemistry.allowed_on(symbols).items()
            },
            total_charge=chemistry.total_charge,
        )

    @property
    def n_sites(self) -> int:
        """Number of active sites."""
        return len(self.sites)

    @property
    def fixed_charge(self) -> int:
        """Charge of the atoms that are not active, in units of e."""
        return int(np.delete(self.parent.oxidation_states, self.sites).sum())

    @cached_property
    def rules(self) -> SumRules:
        """Total charge and composition as sums over the active sites."""
        sizes = np.array([len(species) for species in self.allowed], dtype=np.int64)
        charge = () if self.total_charge is None else (self.total_charge - self.fixed_charge,)
        weights = np.zeros((len(charge) + len(self.composition), self.n_sites, max(sizes, default=0)), dtype=np.int64)
        for site, some in enumerate(self.allowed):
            for choice, species in enumerate(some):
                counted = [key in (species.element, species.label) for key in self.composition]
                weights[:, site, choice] = [*([species.state] if charge else []), *counted]
        return SumRules(sizes, weights, np.array([*charge, *self.composition.values()], dtype=np.int64))

    @cached_property
    def permutations(self) -> NDArray[np.int64]:
        """Permutations of the active sites by the lattice's space group, shape (n_operations, n_sites).

        Those that map a site onto one with other allowed species are left out. An operation takes what is on active
        site k to active site ``permutation[k]``; the first is the identity.
        """
        return active_site_permutations(
            self.parent, self.sites, self.allowed, lattice=self.lattice, tolerance=self.symmetry_tolerance
        )

    def atomic_numbers(self, rows: NDArray[np.int8]) -> NDArray[np.int64]:
        """Return the atomic number on every atom of the parent, shape (n_configurations, n_atoms), 0 for vacancies."""
        return self._filled(
            self.parent.numbers, [[atomic_numbers[s.element] for s in one] for one in self.allowed], rows
        )

    def oxidation_states(self, rows: NDArray[np.int8]) -> NDArray[np.int64]:
        """Return the oxidation state on every atom of the parent, shape (n_configurations, n_atoms)."""
        return self._filled(self.parent.oxidation_states, [[s.state for s in one] for one in self.allowed], rows)

    def configuration(self, row: NDArray[np.int8]) -> Configuration:
        """Return the structure of one configuration, shape (n_sites,), at the parent's positions without vacancies."""
        numbers, states = self.atomic_numbers(row[None])[0], self.oxidation_states(row[None])[0]
        occupied = numbers > 0
        return Configuration(
            numbers=numbers[occupied],
            positions=self.parent.positions[occupied],
            cell=self.parent.cell,
            oxidation_states=states[occupied],
            spins=None if self.parent.spins is None else self.parent.spins[occupied],
        )

    def row_of(self, configuration: Configuration) -> NDArray[np.int8]:
        """Return the row of a structure, shape (n_sites,); its atoms may be displaced by less than 1 Å.

        Raises:
            InputError: if an atom stands on no site, or a site holds what it may not.
        """
        numbers, states = np.zeros((2, len(self.parent)), dtype=np.int64)
        places = sites_of_atoms(configuration, self.parent)
        numbers[places], states[places] = configuration.numbers, configuration.oxidation_states
        symbols = Atoms(numbers=numbers).get_chemical_symbols()
        return self._row([Species(symbols[site], int(states[site])) for site in self.sites])

    def pattern(self, row: NDArray[np.int8]) -> Pattern:
        """Return the oxidation states on the active sites of the parent; a vacancy has 0."""
        states = tuple(some[choice].state for some, choice in zip(self.allowed, row.tolist(), strict=True))
        return Pattern(self.sites, states)

    def row_of_pattern(self, pattern: Pattern) -> NDArray[np.int8]:
        """Return the row of a pattern of the active sites, shape (n_sites,).

        Raises:
            InputError: if the pattern is one of other sites, or a state belongs to no or several allowed species.
        """
        if pattern.sites != self.sites:
            raise InputError(
                f"The pattern is one of the sites {list(pattern.sites)}, but the active sites are {list(self.sites)}; "
                "give the state of each active site."
            )
        found = []
        for site, state, some in zip(self.sites, pattern.states, self.allowed, strict=True):
            fitting = [species for species in some if species.state == state]
            if len(fitting) != 1:
                raise InputError(
                    f"The state {state:+d} of site {site} belongs to {len(fitting)} of its allowed species "
                    f"{', '.join(species.label for species in some)}; a pattern has to belong to one."
                )
            found.append(fitting[0])
        return self._row(found)

    def _row(self, species: Sequence[Species]) -> NDArray[np.int8]:
        """Return the row of the species on the active sites."""
        for site, one, some in zip(self.sites, species, self.allowed, strict=True):
            if one not in some:
                raise InputError(
                    f"Site {site} holds {one.label}, but may hold {', '.join(other.label for other in some)} only."
                )
        return np.array([some.index(one) for one, some in zip(species, self.allowed, strict=True)], dtype=np.int8)

    def _filled(
        self, background: NDArray[np.int64], choices: Sequence[Sequence[int]], rows: NDArray[np.int8]
    ) -> NDArray[np.int64]:
        """Return what stands on every atom, shape (n_configurations, n_atoms)."""
        filled: NDArray[np.int64] = np.tile(background, (len(rows), 1))
        for column, (site, values) in enumerate(zip(self.sites, choices, strict=True)):
            filled[:, site] = np.array(values, dtype=np.int64)[rows[:, column]]
        return filled


def _species(given: Species | str) -> Species:
    return Species.parse(given) if isinstance(given, str) else given


def _with_fixed_states(
    structure: Configuration, symbols: Sequence[str], sites: Sequence[int], fixed_states: Mapping[str, int]
) -> Configuration:
    """Return the structure with the given states on the atoms that are not active."""
    states = structure.oxidation_states.copy()
    for atom in sorted(set(range(len(symbols))) - set(sites)):
        if symbols[atom] not in fixed_states:
            raise InputError(
                f"{symbols[atom]} (atom {atom}) has neither allowed species nor a fixed charge; give it one of them."
            )
        states[atom] = fixed_states[symbols[atom]]
    return replace(structure, oxidation_states=states)
