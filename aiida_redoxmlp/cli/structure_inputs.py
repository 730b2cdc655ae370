"""From a validated configuration to the structure with its Hubbard parameters."""

from __future__ import annotations

from aiida import orm
from aiida_quantumespresso.data.hubbard_structure import HubbardStructureData
from ase import Atoms

from aiida_redoxmlp.calculations.hubbard import with_interactions
from aiida_redoxmlp.cli.crystal import read_crystal, repetitions
from aiida_redoxmlp.cli.material_config import HubbardConfig, MaterialConfig
from aiida_redoxmlp.hubbard.interactions import Interaction
from aiida_redoxmlp.hubbard.neighbours import neighbour_interactions, split_manifold

__all__ = ("hubbard_structure", "read_structure")


def read_structure(config: MaterialConfig) -> Atoms:
    """Read the structure file and make the supercell of it.

    Raises:
        InputError: if the file cannot be read as a periodic structure.
    """
    return read_crystal(config.structure, repetitions(config.supercell, "supercell"))


def hubbard_structure(atoms: Atoms, hubbard: HubbardConfig) -> HubbardStructureData:
    """Return the structure with U on every site of the named manifolds and V between the pairs that the rules find.

    Raises:
        InputError: for a V rule without any pair, or with one that pw.x cannot number.
    """
    interactions = [
        Interaction(site, manifold, site, manifold, (0, 0, 0), value)
        for (element, manifold), value in ((split_manifold(name), value) for name, value in hubbard.u.items())
        for site, symbol in enumerate(atoms.get_chemical_symbols())
        if symbol == element
    ]
    interactions += neighbour_interactions(atoms, hubbard.v)
    return with_interactions(orm.StructureData(ase=atoms), interactions, projectors=hubbard.projectors)
