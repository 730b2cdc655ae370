"""A committee as an ASE calculator, so that ASE's optimisers and dynamics run on any engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.stress import full_3x3_to_voigt_6_stress
from numpy.typing import NDArray

from aiida_redoxmlp.engines.contract import CommitteePotential
from aiida_redoxmlp.engines.given_states import Given, spins_of_atoms, states_of_atoms
from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.redox.configuration import OXIDATION_STATES_ARRAY, SPINS_ARRAY, Configuration

__all__ = ("CommitteeCalculator",)


class CommitteeCalculator(Calculator):
    """Energy, forces and stress of a committee's mean, for atoms with oxidation states.

    The states are those of the atoms' array ``oxidation_states``, or those given here. Potentials that resolve spins
    need the array ``spins``, or spins given here, as well: unpaired electrons, negative where they point down.

    Besides ASE's own properties (eV, eV/Å, eV/Å³) the results hold the members' answers and their spread, under the
    names that mace-torch's calculator uses: ``energy_comm``, shape (n_members,), ``energy_var``, ``forces_comm``, shape
    (n_members, n_atoms, 3), ``stress_var``, shape (6,); and the standard deviations ``energy_std`` and
    ``forces_std``, shape (n_atoms, 3).
    """

    implemented_properties = [  # noqa: RUF012 - ASE declares it an attribute of the instance
        "energy",
        "free_energy",
        "forces",
        "stress",
    ]

    def __init__(
        self, potential: CommitteePotential, oxidation_states: Given | None = None, spins: Given | None = None
    ) -> None:
        """Take the committee.

        Args:
            potential: the committee.
            oxidation_states: see :func:`~aiida_redoxmlp.engines.given_states.states_of_atoms`; None to take those of
                the atoms.
            spins: see :func:`~aiida_redoxmlp.engines.given_states.spins_of_atoms`; None to take those of the atoms.
        """
        super().__init__()  # type: ignore[no-untyped-call]
        self.potential = potential
        self._oxidation_states = oxidation_states
        self._spins = spins

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = tuple(all_changes),
    ) -> None:
        """Evaluate the committee.

        Raises:
            InputError: without atoms, or if they are not periodic or have no oxidation states or spins.
        """
        super().calculate(atoms, properties, system_changes)  # type: ignore[no-untyped-call]
        evaluated = self.atoms
        if evaluated is None:
            raise InputError("There are no atoms to evaluate; set atoms.calc to this calculator and ask the atoms.")
        if not evaluated.pbc.all():
            raise InputError("The atoms are not periodic in all directions; set atoms.pbc = True and a cell.")
        configuration = self._configuration(evaluated)
        (result,) = self.potential.evaluate([configuration], stress="stress" in properties)
        self.results = {
            "energy": result.energy,
            "free_energy": result.energy,
            "forces": result.mean_forces,
            "energy_comm": result.energies,
            "energy_var": float(result.energies.var()),
            "energy_std": result.energy_std,
            "forces_comm": result.forces,
            "forces_std": result.forces.std(axis=0),
        }
        if result.stresses is not None:
            self.results["stress"] = full_3x3_to_voigt_6_stress(result.stresses.mean(axis=0))
            self.results["stress_var"] = full_3x3_to_voigt_6_stress(result.stresses.var(axis=0))

    def _configuration(self, atoms: Atoms) -> Configuration:
        """Return the atoms with the states and spins of their arrays, or those given to the calculator."""
        encoding = self.potential.encoding
        configuration = Configuration.from_ase(atoms)
        symbols = atoms.get_chemical_symbols()
        if encoding.resolves_states and (
            self._oxidation_states is not None or OXIDATION_STATES_ARRAY not in atoms.arrays
        ):
            states = states_of_atoms(symbols, self._oxidation_states, encoding)
            _require_agreement(atoms, OXIDATION_STATES_ARRAY, states)
            configuration = replace(configuration, oxidation_states=states)
        if self._spins is not None or (encoding.resolves_spins and SPINS_ARRAY not in atoms.arrays):
            spins = spins_of_atoms(symbols, configuration.oxidation_states, self._spins, encoding)
            _require_agreement(atoms, SPINS_ARRAY, spins)
            configuration = replace(configuration, spins=spins)
        return configuration

    def check_state(self, atoms: Atoms, tol: float = 1e-15) -> list[str]:
        """Name what changed since the last calculation; ASE itself does not look at states and spins."""
        changes = list(super().check_state(atoms, tol=tol))  # type: ignore[no-untyped-call]
        arrays = {} if self.atoms is None else self.atoms.arrays
        for name in (OXIDATION_STATES_ARRAY, SPINS_ARRAY) if self.atoms is not None else ():
            before, now = arrays.get(name), atoms.arrays.get(name)
            same = before is now or (before is not None and now is not None and np.array_equal(before, now))
            if not same:
                changes.append(name)
        return changes


def _require_agreement(atoms: Atoms, name: str, given: NDArray[np.int64] | None) -> None:
    """Refuse to choose between two answers to one question."""
    there = atoms.arrays.get(name)
    if there is not None and given is not None and not np.array_equal(there, given):
        raise InputError(
            f"The atoms have an array {name!r} that differs from what was given to the calculator; "
            f"delete it (del atoms.arrays[{name!r}]) or give the calculator none."
        )
