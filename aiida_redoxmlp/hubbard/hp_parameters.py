"""Reading the files in which hp.x leaves Hubbard parameters and response matrices."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path

import numpy as np
from ase.units import Bohr
from numpy.typing import NDArray

from aiida_redoxmlp.errors import OutputFormatError
from aiida_redoxmlp.hubbard.results import HubbardPair, HubbardParameters, HubbardSite

__all__ = ("atom_and_translation", "read_hubbard_parameters", "supercell_index")

_TRANSLATIONS: list[tuple[int, int, int]] = [
    (0, 0, 0),
    *((a, b, c) for a, b, c in product((-1, 0, 1), repeat=3) if (a, b, c) != (0, 0, 0)),
]
"""Order of the cells of the 3×3×3 supercell in pw.x (``PW/src/intersite.f90``)."""

_MATRICES = {
    "chi0 matrix": "chi0",
    "chi matrix": "chi",
    "chi0^{-1} matrix": "chi0_inverse",
    "chi^{-1} matrix": "chi_inverse",
    "Hubbard matrix": "hubbard",
}
_TITLE = re.compile(r"^\s*(" + "|".join(map(re.escape, _MATRICES)) + r")\s*:\s*$")
_SITE = re.compile(r"^\s+(\d+)\s+\d+\s+(\S+)\s+(-?[01])\s+\d+\s+\S+\s+(?:(\d[spdf](?:-\d[spdf])?)\s+)?(-?\d+\.\d+)\s*$")
_PAIR = re.compile(r"^\s+(\d+)\s+\S+\s+(\d+)\s+\S+\s+(\d+\.\d+)\s+(-?\d+\.\d+)\s*$")
_NUMBER = re.compile(r"^-?\d+\.\d+$")
_ROUNDING = 0.5e-6  # the files have six decimals
_U_ROUNDING = 0.5e-4  # the tables have four


def atom_and_translation(index: int, n_atoms: int) -> tuple[int, tuple[int, int, int]]:
    """Return atom (from 0) and lattice translation of an atom of pw.x's 3×3×3 supercell, numbered from 1.

    Raises:
        OutputFormatError: if the supercell has no such atom.
    """
    if not 1 <= index <= 27 * n_atoms:
        raise OutputFormatError(f"Atom {index} is not in the 3×3×3 supercell of {n_atoms} atoms.")
    cell, atom = divmod(index - 1, n_atoms)
    return atom, _TRANSLATIONS[cell]


def supercell_index(atom: int, translation: tuple[int, int, int], n_atoms: int) -> int:
    """Return the number, from 1, of an atom's image in pw.x's 3×3×3 supercell.

    Raises:
        ValueError: if the translation leaves the supercell.
    """
    return _TRANSLATIONS.index(translation) * n_atoms + atom + 1


def read_hubbard_parameters(path: Path, n_atoms: int) -> HubbardParameters:
    """Read ``PREFIX.Hubbard_parameters.dat`` of hp.x 6 or 7.

    Args:
        path: the file.
        n_atoms: number of atoms of the unit cell.

    Raises:
        OutputFormatError: if the file is cut or garbled, or if its Hubbard matrix is not the difference of the inverse
            response matrices beside it.
    """
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    titles = [(number, _MATRICES[found.group(1)]) for number, line in enumerate(lines) if (found := _TITLE.match(line))]
    if sorted(name for _, name in titles) != sorted(_MATRICES.values()):
        raise OutputFormatError(f"{path.name} does not hold each of the {len(_MATRICES)} matrices once; it may be cut.")
    ends = [number for number, _ in titles[1:]] + [len(lines)]
    matrices = {
        name: _matrix(lines[start + 1 : end], name, path) for (start, name), end in zip(titles, ends, strict=True)
    }
    _check(matrices, path)
    tables = lines[: titles[0][0]]
    sites = tuple(_sites(tables, n_atoms, path))
    on_site = np.diag(matrices["hubbard"])
    for site, value in zip(sites, on_site, strict=False):
        if abs(site.u - value) > _U_ROUNDING + _ROUNDING:
            raise OutputFormatError(f"{path.name}: U of atom {site.site + 1} is {site.u}, its matrix says {value}.")
    return HubbardParameters(
        sites=sites,
        pairs=tuple(_pairs(tables, n_atoms)),
        chi0=matrices["chi0"],
        chi=matrices["chi"],
        hubbard=matrices["hubbard"],
    )


def _sites(lines: list[str], n_atoms: int, path: Path) -> list[HubbardSite]:
    """Read the on-site table."""
    found = [match for line in lines if (match := _SITE.match(line))]
    sites = [
        HubbardSite(int(one.group(1)) - 1, one.group(2), int(one.group(3)), one.group(4) or "", float(one.group(5)))
        for one in found
    ]
    if not sites or [one.site for one in sites] != list(range(len(sites))) or len(sites) > n_atoms:
        raise OutputFormatError(f"{path.name} has no whole table of U for the first of {n_atoms} atoms; it may be cut.")
    return sites


def _pairs(lines: list[str], n_atoms: int) -> list[HubbardPair]:
    """Read the intersite table, without its on-site lines."""
    pairs = []
    for line in lines:
        match = _PAIR.match(line)
        if match is None:
            continue
        site = int(match.group(1)) - 1
        neighbour, translation = atom_and_translation(int(match.group(2)), n_atoms)
        distance, value = float(match.group(3)), float(match.group(4))
        if distance > 0:
            pairs.append(HubbardPair(site, neighbour, translation, distance * Bohr, value))
    return pairs


def _matrix(lines: list[str], name: str, path: Path) -> NDArray[np.float64]:
    """Read a square matrix whose rows are blocks of lines with blank lines between them."""
    words = [word for line in lines for word in line.split()]
    size = round(len(words) ** 0.5)
    if not words or size * size != len(words) or not all(_NUMBER.match(word) for word in words):
        raise OutputFormatError(f"{path.name}: the matrix {name} is not a square of numbers.")
    return np.array([float(word) for word in words]).reshape(size, size)


def _check(matrices: dict[str, NDArray[np.float64]], path: Path) -> None:
    """Check sizes and that hubbard = chi0⁻¹ - chi⁻¹ within what six decimals allow.

    An inverse moves by at most |X⁻¹| |dX| |X⁻¹| element by element when X moves by dX.
    """
    if len({matrix.shape for matrix in matrices.values()}) != 1:
        raise OutputFormatError(f"{path.name}: its matrices differ in size.")
    difference = matrices["chi0_inverse"] - matrices["chi_inverse"]
    if np.abs(difference - matrices["hubbard"]).max() > 4 * _ROUNDING:
        raise OutputFormatError(f"{path.name}: the Hubbard matrix is not chi0^-1 - chi^-1 of the inverses beside it.")
    for name in ("chi0", "chi"):
        inverse = matrices[f"{name}_inverse"]
        # X·X⁻¹ = 1 within the rounding of either factor
        bound = _ROUNDING * (np.abs(matrices[name]).sum(1)[:, None] + np.abs(inverse).sum(0)[None, :]) + 1e-9
        if (np.abs(matrices[name] @ inverse - np.eye(len(inverse))) > 2 * bound).any():
            raise OutputFormatError(f"{path.name}: what it calls the inverse of {name} is not.")
