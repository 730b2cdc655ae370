"""A program in pw.x's place that knows the answers: it finds a geometry in a pool of frames and prints its label.

``replayed_pw.py POOL SECONDS -in FILE`` reads the geometry from an input of pw.x, takes its time, and prints what pw.x
prints about a single point: energy, forces and Hubbard occupations.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from ase.data import atomic_masses, atomic_numbers
from numpy.typing import NDArray

from aiida_redoxmlp.dataset.file import read_dataset
from aiida_redoxmlp.dataset.frame import Frame
from aiida_redoxmlp.redox.pw_output.numbers import BOHR, RYDBERG

_VALENCE = {"Li": 3.0, "O": 6.0, "P": 5.0, "Mn": 7.0}
_CLOSE = 1e-6


def read_positions(text: str) -> tuple[list[str], NDArray[np.float64]]:
    """Return the species and the positions in Å, shape (n_atoms, 3), of an input."""
    lines = text.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("ATOMIC_POSITIONS"))
    rows = []
    for line in lines[start + 1 :]:
        words = line.split()
        if len(words) != 4:
            break
        rows.append((words[0], [float(word) for word in words[1:]]))
    return [kind for kind, _ in rows], np.array([position for _, position in rows])


def answer(pool: Sequence[Frame], positions: NDArray[np.float64]) -> Frame | None:
    """Return the frame with these positions, None if there is none."""
    for frame in pool:
        here = frame.configuration.positions
        if here.shape == positions.shape and np.abs(here - positions).max() < _CLOSE:
            return frame
    return None


def header(kinds: Sequence[str], frame: Frame) -> Iterator[str]:
    """Yield what is printed before the SCF cycle."""
    species = sorted(set(kinds))
    symbols = {kind: kind.rstrip("0123456789") for kind in species}
    cell = frame.configuration.cell / BOHR
    alat = float(np.linalg.norm(cell[0]))
    electrons = sum(_VALENCE[symbols[kind]] for kind in kinds)
    yield "\n     Program PWSCF v.7.2 starts on 21Nov2026 at 10:00:00 \n"
    yield "     bravais-lattice index     =            0"
    yield f"     lattice parameter (alat)  = {alat:13.4f}  a.u."
    yield f"     unit-cell volume          = {abs(np.linalg.det(cell)):13.4f} (a.u.)^3"
    yield f"     number of atoms/cell      = {len(kinds):12d}"
    yield f"     number of atomic types    = {len(species):12d}"
    yield f"     number of electrons       = {electrons:12.2f}"
    yield f"     number of Kohn-Sham states= {round(0.6 * electrons):12d}"
    yield "     kinetic-energy cutoff     =      30.0000  Ry"
    yield "     charge density cutoff     =     180.0000  Ry"
    yield "     scf convergence threshold =      1.0E-06"
    yield "     mixing beta               =       0.4000\n"
    yield f"     celldm(1)= {alat:10.6f}  celldm(2)=   0.000000  celldm(3)=   0.000000"
    yield "     celldm(4)=   0.000000  celldm(5)=   0.000000  celldm(6)=   0.000000\n"
    yield "     crystal axes: (cart. coord. in units of alat)"
    yield from _vectors("a", cell / alat)
    yield "\n     reciprocal axes: (cart. coord. in units 2 pi/alat)"
    yield from _vectors("b", np.linalg.inv(cell / alat).T)
    yield "\n     atomic species   valence    mass     pseudopotential"
    for kind in species:
        mass = atomic_masses[atomic_numbers[symbols[kind]]]
        yield f"        {kind:<6}{_VALENCE[symbols[kind]]:13.2f}{mass:12.5f}     {symbols[kind]:<2}( 1.00)"
    yield "\n   Cartesian axes\n\n     site n.     atom                  positions (alat units)"
    for number, (kind, position) in enumerate(zip(kinds, frame.configuration.positions / BOHR / alat, strict=True), 1):
        yield f"     {number:5d}           {kind:<4}tau({number:4d}) = ({_fixed(position, 12, 7)}  )"
    yield "\n     number of k points=     1  Gaussian smearing, width (Ry)=  0.0050\n"


def results(kinds: Sequence[str], frame: Frame) -> Iterator[str]:
    """Yield the SCF cycle, in one iteration, and what comes of it."""
    moments = [float(levels[0].sum() - levels[1].sum()) for levels in frame.eigenvalues]
    yield "     Self-consistent Calculation\n\n     iteration #  1     ecut=    30.00 Ry     beta= 0.40"
    yield "\n     End of self-consistent calculation\n"
    yield from _occupations(frame)
    yield f"\n!    total energy              = {frame.energy / RYDBERG:16.8f} Ry"
    yield "     estimated scf accuracy    <       0.00000010 Ry\n"
    yield f"     total magnetization       = {sum(moments):8.2f} Bohr mag/cell"
    yield f"     absolute magnetization    = {sum(map(abs, moments)):8.2f} Bohr mag/cell\n"
    yield "     convergence has been achieved in   1 iterations\n"
    yield "     Forces acting on atoms (cartesian axes, Ry/au):\n"
    forces = frame.forces / RYDBERG * BOHR
    types = {kind: number for number, kind in enumerate(sorted(set(kinds)), 1)}
    for number, (kind, force) in enumerate(zip(kinds, forces, strict=True), 1):
        yield f"     atom {number:4d} type {types[kind]:2d}   force = {_fixed(force, 14, 8)}"
    total = float(np.sqrt((np.round(forces, 8) ** 2).sum()))
    yield f"\n     Total force = {total:12.6f}     Total SCF correction =     0.000000\n"
    for name in ("init_run", "electrons", "forces"):
        yield f"     {name:<13}:      0.10s CPU      0.10s WALL (       1 calls)"
    yield "\n     PWSCF        :      1.00s CPU      1.00s WALL\n"
    yield "=------------------------------------------------------------------------------="
    yield "   JOB DONE.\n=------------------------------------------------------------------------------="


def _vectors(name: str, vectors: NDArray[np.float64]) -> Iterator[str]:
    for number, vector in enumerate(vectors, 1):
        yield f"               {name}({number}) = ({_fixed(vector, 11, 6)} )"


def _fixed(numbers: NDArray[np.float64], width: int, decimals: int) -> str:
    return "".join(f"{number:{width}.{decimals}f}" for number in numbers)


def _occupations(frame: Frame) -> Iterator[str]:
    """Yield the block of occupations: matrices that are diagonal already."""
    yield "     =================== HUBBARD OCCUPATIONS ==================="
    total = 0.0
    for site, levels in zip(frame.redox_sites, frame.eigenvalues, strict=True):
        number, (up, down) = site + 1, levels.sum(axis=1)
        total += float(up + down)
        yield f"     ------------------------ ATOM {number:4d} ------------------------"
        yield f"     Tr[ns({number:3d})] (up, down, total) = {up:9.5f}{down:9.5f}{up + down:9.5f}"
        yield f"     Atomic magnetic moment for atom {number:3d} = {up - down:9.5f}"
        for spin, channel in enumerate(levels, 1):
            yield f"     SPIN  {spin}\n     eigenvalues:\n     {_fixed(channel, 7, 3)}\n     eigenvectors (columns):"
            yield from (f"     {_fixed(row, 7, 3)}" for row in np.eye(len(channel)))
            yield "     occupation matrix ns (before diag.):"
            yield from (f"     {_fixed(row, 7, 3)}" for row in np.diag(channel))
    yield f"\n     Number of occupied Hubbard levels = {total:9.4f}"


def main(arguments: Sequence[str]) -> int:
    """Answer one input; the return code is 1 where the pool does not know its geometry."""
    pool, seconds, _, name = arguments
    kinds, positions = read_positions(Path(name).read_text(encoding="utf-8"))
    frame = answer(read_dataset(pool), positions)
    if frame is None:
        sys.stderr.write(f"{pool} has no frame with the geometry of {name}\n")
        return 1
    sys.stdout.write("\n".join(header(kinds, frame)) + "\n")
    sys.stdout.flush()
    time.sleep(float(seconds))
    sys.stdout.write("\n".join(results(kinds, frame)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
