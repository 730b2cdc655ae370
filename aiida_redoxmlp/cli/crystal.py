"""A crystal structure from a file."""

from __future__ import annotations

import re
from pathlib import Path

from ase import Atoms
from ase.io import read

from aiida_redoxmlp.errors import InputError

__all__ = ("read_crystal", "repetitions")


def repetitions(text: object, source: str) -> tuple[int, int, int]:
    """Return how often a supercell repeats a cell along each of its vectors.

    Args:
        text: such as ``2x2x1``.
        source: the option or key that says so.

    Raises:
        InputError: if it is something else.
    """
    match = re.fullmatch(r"\s*([1-9]\d*)\s*[x×]\s*([1-9]\d*)\s*[x×]\s*([1-9]\d*)\s*", str(text))
    if match is None:
        raise InputError(f"{source} {text!r} is not understood; write three numbers from 1 on, such as 2x2x1.")
    a, b, c = map(int, match.groups())
    return a, b, c


def read_crystal(path: Path, repeat: tuple[int, int, int] = (1, 1, 1)) -> Atoms:
    """Read a periodic structure with ASE.

    Args:
        path: structure file.
        repeat: how often its cell is repeated along each of its vectors.

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
    repeated: Atoms = atoms.repeat(repeat)
    return repeated
