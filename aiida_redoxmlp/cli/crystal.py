"""A crystal structure from a file."""

from __future__ import annotations

from pathlib import Path

from ase import Atoms
from ase.io import read

from aiida_redoxmlp.errors import InputError

__all__ = ("read_crystal",)


def read_crystal(path: Path) -> Atoms:
    """Read a periodic structure with ASE.

    Raises:
        InputError: if the file cannot be read as one.
    """
    try:
        atoms = read(path)
    except Exception as error:
        raise InputError(
            f"The structure {path} cannot be read ({error}); give a file that ASE reads, such as a CIF."
        ) from error
    if not isinstance(atoms, Atoms) or atoms.cell.rank != 3:
        raise InputError(f"The structure {path} has no periodic cell; give a crystal structure.")
    atoms.pbc = True
    return atoms
