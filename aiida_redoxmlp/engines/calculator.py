"""A committee as an ASE calculator, so that ASE's optimisers and dynamics run on any engine."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.stress import full_3x3_to_voigt_6_stress

from aiida_redoxmlp.engines.contract import CommitteePotential
from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.redox.configuration import OXIDATION_STATES_ARRAY, SPINS_ARRAY, Configuration

__all__ = ("CommitteeCalculator",)


class CommitteeCalculator(Calculator):
    """Energy, forces and stress of a committee's mean, for atoms with the array ``oxidation_states``.

    Potentials that resolve spins need the array ``spins`` as well: unpaired electrons, negative where they point down.
    Besides ASE's own properties (eV, eV/Å, eV/Å³) the results hold ``energies``, shape (n_members,), ``energy_std``
    and ``forces_std``, shape (n_atoms, 3): the committee's spread.
    """

    implemented_properties = [  # noqa: RUF012 - ASE declares it an attribute of the instance
        "energy",
        "free_energy",
        "forces",
        "stress",
    ]

    def __init__(self, potential: CommitteePotential) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.potential = potential

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = tuple(all_changes),
    ) -> None:
        """Evaluate the committee.

        Raises:
            InputError: without atoms, or if they are not periodic or carry no oxidation states or spins.
        """
        super().calculate(atoms, properties, system_changes)  # type: ignore[no-untyped-call]
        evaluated = self.atoms
        if evaluated is None:
            raise InputError("There are no atoms to evaluate; set atoms.calc to this calculator and ask the atoms.")
        if OXIDATION_STATES_ARRAY not in evaluated.arrays and self.potential.encoding.resolves_states:
            raise InputError(
                f"The atoms have no array {OXIDATION_STATES_ARRAY!r}, and this potential tells states apart; "
                f"set it with atoms.set_array({OXIDATION_STATES_ARRAY!r}, states)."
            )
        if SPINS_ARRAY not in evaluated.arrays and self.potential.encoding.resolves_spins:
            raise InputError(
                f"The atoms have no array {SPINS_ARRAY!r}, and this potential resolves spins; set it with "
                f"atoms.set_array({SPINS_ARRAY!r}, unpaired electrons, negative where they point down)."
            )
        if not evaluated.pbc.all():
            raise InputError("The atoms are not periodic in all directions; set atoms.pbc = True and a cell.")
        wants_stress = "stress" in properties
        (result,) = self.potential.evaluate([Configuration.from_ase(evaluated)], stress=wants_stress)
        self.results = {
            "energy": result.energy,
            "free_energy": result.energy,
            "forces": result.mean_forces,
            "energies": result.energies,
            "energy_std": result.energy_std,
            "forces_std": result.forces.std(axis=0),
        }
        if result.stresses is not None:
            self.results["stress"] = full_3x3_to_voigt_6_stress(result.stresses.mean(axis=0))

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
