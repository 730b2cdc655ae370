"""The last ionic step of a run from pw.x's ``data-file-schema.xml``."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
from ase.data import atomic_numbers
from numpy.typing import NDArray

from aiida_redoxmlp.errors import OutputFormatError
from aiida_redoxmlp.redox.occupations import IonicStep, SiteOccupations
from aiida_redoxmlp.redox.pw_output.numbers import BOHR, HARTREE

__all__ = ("read_pw_xml",)

_ORBITAL_L = {"s": 0, "p": 1, "d": 2, "f": 3}
_SYMBOL = re.compile(r"[A-Z][a-z]?")


def read_pw_xml(path: Path) -> IonicStep:
    """Read the last ionic step.

    The occupation matrices are diagonalised here, since the file has no eigenvalues. 6.x writes no matrices
    for DFT+U+V; ``occupations`` is empty then.

    Args:
        path: the XML file of pw.x 6.x or 7.x.

    Raises:
        OutputFormatError: if the file is not such XML, or is cut off or garbled.
    """
    try:
        root = ET.parse(path).getroot()  # noqa: S314 - no entities are resolved and the numbers are checked
    except (OSError, ET.ParseError) as error:
        raise OutputFormatError(f"{path} is not a whole XML file of pw.x ({error}).") from error
    output = root.find("output")
    if output is None or root.find("general_info/creator[@NAME='PWSCF']") is None:
        raise OutputFormatError(f"{path} has no results of pw.x; give the data-file-schema.xml of a finished run.")
    try:
        return _read_last_step(root, output)
    except (ValueError, KeyError) as error:
        raise OutputFormatError(f"{path} is garbled: {error}.") from error


def _read_last_step(root: ET.Element, output: ET.Element) -> IonicStep:
    index, structure = _last_structure(root, output)
    atoms = sorted(_all(structure, "atomic_positions/atom"), key=lambda atom: int(atom.attrib["index"]))
    kinds = [atom.attrib["name"] for atom in atoms]
    symbols = _read_symbols(root)
    positions = np.array([_numbers(atom, 3) for atom in atoms])
    cell = np.array([_numbers(_one(structure, f"cell/a{i}"), 3) for i in (1, 2, 3)])
    forces, stress = output.find("forces"), output.find("stress")
    return IonicStep(
        index=index,
        symbols=tuple(symbols[kind] for kind in kinds),
        positions=BOHR * positions,
        cell=BOHR * cell,
        energy=HARTREE * _numbers(_one(output, "total_energy/etot"), 1)[0],
        forces=None if forces is None else _numbers(forces, 3 * len(kinds)).reshape(-1, 3) * (HARTREE / BOHR),
        # pw.x has the stress positive under compression, ASE the other way.
        stress=None if stress is None else -_numbers(stress, 9).reshape(3, 3) * (HARTREE / BOHR**3),
        occupations=_read_occupations(output, kinds),
        scf_converged=_scf_converged(root, output),
        scf_iterations=int(_numbers(_one(output, "convergence_info/scf_conv/n_scf_steps"), 1)[0]),
    )


def _last_structure(root: ET.Element, output: ET.Element) -> tuple[int, ET.Element]:
    """Return the number of the last ionic step and its structure.

    After molecular dynamics ``output`` has the results of the last ``step`` but already the positions of the
    next one; after a final SCF cycle, as in variable-cell relaxation, ``output`` is a step of its own.
    """
    energy = _numbers(_one(output, "total_energy/etot"), 1)[0]
    steps = root.findall("step")
    if steps and _numbers(_one(steps[-1], "total_energy/etot"), 1)[0] == energy:
        return len(steps) - 1, _one(steps[-1], "atomic_structure")
    return len(steps), _one(output, "atomic_structure")


def _one(element: ET.Element, path: str) -> ET.Element:
    found = element.find(path)
    if found is None:
        raise ValueError(f"the element {path} is missing")
    return found


def _all(element: ET.Element, path: str) -> list[ET.Element]:
    found = element.findall(path)
    if not found:
        raise ValueError(f"the element {path} is missing")
    return found


def _numbers(element: ET.Element, count: int) -> NDArray[np.float64]:
    numbers = np.array((element.text or "").split(), dtype=np.float64)
    if numbers.size != count or not np.isfinite(numbers).all():
        raise ValueError(f"the element {element.tag} does not hold {count} numbers")
    return numbers


def _read_symbols(root: ET.Element) -> dict[str, str]:
    """Map species names to chemical symbols.

    The file has no symbols, only species names; those of pw.x begin with the symbol (``Mn1``, ``Fe_up``).
    """
    symbols = {}
    for species in _all(root, "output/atomic_species/species"):
        name = species.attrib["name"]
        match = _SYMBOL.match(name)
        if match is None or match[0] not in atomic_numbers:
            raise ValueError(f"the species {name!r} does not begin with a chemical symbol")
        symbols[name] = match[0]
    return symbols


def _scf_converged(root: ET.Element, output: ET.Element) -> bool:
    """Whether self-consistency was really reached, see the same question for the text output."""
    if _one(output, "convergence_info/scf_conv/convergence_achieved").text != "true":
        return False
    error = _numbers(_one(output, "convergence_info/scf_conv/scf_error"), 1)[0]
    return bool(error <= _numbers(_one(root, "input/electron_control/conv_thr"), 1)[0])


def _read_occupations(output: ET.Element, kinds: list[str]) -> tuple[SiteOccupations, ...]:
    """Read and diagonalise the occupation matrices, atom by atom.

    What the attribute ``index`` counts differs between versions, so the matrices of one species and spin are
    taken in the order of its atoms, in which all versions write them.
    """
    by_species: dict[tuple[str, int], list[NDArray[np.float64]]] = {}
    for element in output.findall("dft/dftU/Hubbard_ns"):
        key = element.attrib["specie"], int(element.attrib.get("spin", "1"))
        by_species.setdefault(key, []).append(_read_matrix(element))
    sites = []
    for species in {specie for specie, _ in by_species}:
        atoms = [index for index, kind in enumerate(kinds) if kind == species]
        up = by_species.get((species, 1), [])
        down = by_species.get((species, 2), up)
        if not len(atoms) == len(up) == len(down):
            raise ValueError(f"the occupation matrices of {species} are not one a spin channel and atom")
        for atom, *matrices in zip(atoms, up, down, strict=True):
            eigenvalues = np.linalg.eigvalsh(np.array(matrices))
            sites.append(SiteOccupations(atom, species, eigenvalues, np.array(matrices)))
    return tuple(sorted(sites, key=lambda site: site.site))


def _read_matrix(element: ET.Element) -> NDArray[np.float64]:
    """Read one matrix; pw.x pads those of small shells with zeros to the size of the largest."""
    label = element.attrib["label"]
    size = 2 * _ORBITAL_L[label[-1]] + 1 if label[-1:] in _ORBITAL_L else 0
    rows = int(element.attrib["dims"].split()[0])
    if not 0 < size <= rows:
        raise ValueError(f"an occupation matrix of the manifold {label!r} has {rows} rows")
    return _numbers(element, rows * rows).reshape(rows, rows)[:size, :size]
