"""Write the parent crystals of the searches in large cells: every site that may hold lithium has lithium.

    python examples/structures/supercell_examples.py

Wyckoff positions and where the numbers come from are in README.md beside this file.
"""

from __future__ import annotations

from pathlib import Path

from ase import Atoms
from ase.io import write
from ase.spacegroup import crystal

FOLDER = Path(__file__).resolve().parent


def olivine() -> Atoms:
    """Return LiMnPO4, conventional cell of Pnma with four formula units, Mn first."""
    return crystal(
        ["Mn", "P", "O", "O", "O", "Li"],
        [
            (0.2817, 0.25, 0.9719),
            (0.0923, 0.25, 0.4081),
            (0.0968, 0.25, 0.7339),
            (0.4561, 0.25, 0.2093),
            (0.1609, 0.0495, 0.2780),
            (0, 0, 0),
        ],
        spacegroup=62,
        cellpar=[10.4447, 6.1018, 4.7431, 90, 90, 90],
    )


def layered() -> Atoms:
    """Return LiNiO2, hexagonal cell of R-3m with three formula units, Ni first."""
    return crystal(
        ["Ni", "Li", "O"],
        [(0, 0, 0), (0, 0, 0.5), (0, 0, 0.2580)],
        spacegroup=166,
        cellpar=[2.88, 2.88, 14.20, 90, 90, 120],
    )


def nmc811() -> Atoms:
    """Return Li30Ni24Mn3Co3O60: layered LiNiO2 5x2x1 with one Mn and one Co in each layer of ten metals."""
    atoms = layered().repeat((5, 2, 1))
    heights = atoms.get_scaled_positions()[:, 2].round(3)
    nickel = [index for index, symbol in enumerate(atoms.get_chemical_symbols()) if symbol == "Ni"]
    for height in sorted(set(heights[nickel])):
        layer = [index for index in nickel if heights[index] == height]
        atoms.symbols[layer[0]], atoms.symbols[layer[len(layer) // 2]] = "Mn", "Co"
    return atoms


STRUCTURES = {"LiMnPO4.cif": olivine, "LiNiO2.cif": layered, "NMC811.cif": nmc811}
"""What makes each file."""


if __name__ == "__main__":
    for name, build in STRUCTURES.items():
        write(FOLDER / name, build())
