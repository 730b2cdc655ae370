"""What augmentation charges in real space (pw.x's ``tqr``) save and cost in the demonstration.

Run it in a checkout after ``make setup``: ``.venv/bin/python benchmarks/real_space_augmentation.py``. It runs the
demonstration's SCF with and without ``tqr`` and writes ``benchmarks/results/real_space_augmentation.json``: CPU times,
their ratio, by how much energy and forces move, and how much forces change when all atoms are shifted together: that is
noise to a potential, which cannot know where the atoms are on pw.x's grid.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from ase.io import read

from aiida_redoxmlp.redox.elements import RedoxTable
from aiida_redoxmlp.redox.occupations import IonicStep
from aiida_redoxmlp.redox.pattern import Pattern
from aiida_redoxmlp.redox.pw_output import read_pw_output
from aiida_redoxmlp.redox.seeds import build_seed

CHECKOUT = Path(__file__).resolve().parents[1]
RESULTS = CHECKOUT / "benchmarks" / "results" / "real_space_augmentation.json"
SHIFT = (0.05, 0.06, 0.04)
MASSES = {"Mn1": 54.94, "Mn2": 54.94, "P": 30.97, "O": 16.0, "Li": 6.94}


def pw_input(folder: Path, *, real_space: bool, shifted: bool) -> str:
    """Return pw.x's input for the seeded pattern (2,3) with the demonstration's settings."""
    atoms = read(CHECKOUT / "examples" / "structures" / "beta-Li0.5MnPO4.cif")
    electrons = {symbol: one.valence_electrons for symbol, one in RedoxTable.default().elements.items()}
    seed = build_seed(atoms, Pattern((0, 1), (2, 3)), signs=(1, -1), valence_electrons=electrons)
    number = {kind: index for index, kind in enumerate(MASSES, start=1)}
    magnetic = [
        f"starting_magnetization({number[kind]})={value}" for kind, value in seed.starting_magnetization.items()
    ]
    levels = [
        f"starting_ns_eigenvalue({m},{spin},{number[kind]})={value}"
        for m, spin, kind, value in seed.starting_ns_eigenvalue
    ]
    cards = [f"{kind} {mass} {kind.rstrip('12')}.UPF" for kind, mass in MASSES.items()]
    positions = seed.positions + (SHIFT if shifted else (0.0, 0.0, 0.0))
    sites = [f"{kind} {x} {y} {z}" for kind, (x, y, z) in zip(seed.kinds, positions.tolist(), strict=True)]
    cell = [" ".join(str(value) for value in row) for row in atoms.cell.tolist()]
    return "\n".join(
        [
            f"&CONTROL\n calculation='scf'\n tprnfor=.true.\n pseudo_dir='{folder}'\n outdir='{folder}/out'\n/",
            f"&SYSTEM\n ibrav=0, nat={len(atoms)}, ntyp={len(MASSES)}, ecutwfc=25, ecutrho=150, nspin=2, nosym=.true.",
            " occupations='smearing', smearing='gauss', degauss=0.005",
            *magnetic,
            *levels,
            f"/\n&ELECTRONS\n conv_thr=6.5e-6, mixing_beta=0.4, tqr=.{str(real_space).lower()}.\n/",
            "ATOMIC_SPECIES",
            *cards,
            "CELL_PARAMETERS angstrom",
            *cell,
            "ATOMIC_POSITIONS angstrom",
            *sites,
            "K_POINTS automatic\n1 1 1 0 0 0",
            "HUBBARD ortho-atomic\nU Mn1-3d 4.5\nU Mn2-3d 4.5\n",
        ]
    )


def run(*, real_space: bool, shifted: bool = False) -> tuple[float, IonicStep]:
    """Run pw.x; returns CPU time in s and the step."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for path in (CHECKOUT / ".cache" / "pseudopotentials").glob("*.UPF"):
            (folder / f"{path.name.partition('.')[0]}.UPF").symlink_to(path)
        (folder / "pw.in").write_text(pw_input(folder, real_space=real_space, shifted=shifted), encoding="utf-8")
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        with (folder / "pw.out").open("w") as output:
            subprocess.run(
                [str(CHECKOUT / ".qe" / "bin" / "pw.x"), "-in", "pw.in"], cwd=folder, stdout=output, check=True
            )
        elapsed = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
        (step,) = read_pw_output(folder / "pw.out").steps
        return elapsed, step


def change(first: IonicStep, second: IonicStep) -> np.ndarray:
    """Return absolute differences of force components in eV/Å, shape (n_atoms, 3)."""
    if first.forces is None or second.forces is None:
        sys.exit("pw.x printed no forces.")
    return np.abs(first.forces - second.forces)


def main() -> None:
    """Measure and write the result."""
    reciprocal, exact = run(real_space=False)
    real, approximate = run(real_space=True)
    translated = {
        name: run(real_space=name == "real_space", shifted=True)[1] for name in ("reciprocal_space", "real_space")
    }
    result = {
        "cpu_s_reciprocal_space": round(reciprocal, 1),
        "cpu_s_real_space": round(real, 1),
        "ratio": round(reciprocal / real, 2),
        "energy_difference_ev": round(approximate.energy - exact.energy, 4),
        "largest_force_difference_ev_per_angstrom": round(float(change(approximate, exact).max()), 4),
        "mean_force_change_by_a_shift_ev_per_angstrom": {
            name: round(float(change(first, translated[name]).mean()), 4)
            for name, first in (("reciprocal_space", exact), ("real_space", approximate))
        },
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    sys.stdout.write(f"{RESULTS.read_text(encoding='utf-8')}")


if __name__ == "__main__":
    main()
