"""In what time and memory the 2.7 million half-filled patterns of a 24-site supercell are reduced by symmetry.

Run it with the package installed: `python benchmarks/enumeration.py [--shry PYTHON]`. The cell is 3×2×2 of β-Li½MnPO4,
half of whose 24 Mn are 3+; 4×2×2, with 600 million patterns of 32 Mn, follows for its size. The number of distinct
patterns is counted by Burnside's lemma and by enumeration. With `--shry` the Python of an environment that has SHRY
(`pip install shry`, of its own because it wants an older pymatgen) counts by Pólya's theorem and enumerates the first
cell. Each enumeration is a process of its own for its memory.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[1]
RESULT = CHECKOUT / "benchmarks" / "results" / "enumeration.json"
STRUCTURE = CHECKOUT / "examples" / "structures" / "beta-Li0.5MnPO4.cif"
SUPERCELL = (3, 2, 2)
LARGER = (4, 2, 2)
N_PATTERNS = 2_704_156

OURS = """
import json, resource, sys, time
from ase.io import read
from aiida_redoxmlp.search.counting import count_configurations, count_distinct
from aiida_redoxmlp.search.enumeration import distinct_configurations
from aiida_redoxmlp.search.space import ConfigurationSpace

atoms = read(sys.argv[1]).repeat(json.loads(sys.argv[2]))
start = time.perf_counter()
space = ConfigurationSpace.of(atoms, {"Mn": ["Mn2+", "Mn3+"]}, fixed_states={"Li": 1, "P": 5, "O": -2})
operations = len(space.permutations)
symmetry = time.perf_counter()
counted, burnside = count_configurations(space), count_distinct(space)
counting = time.perf_counter()
distinct = total = 0
for block in distinct_configurations(space):
    distinct += len(block)
    total += int(block.multiplicities.sum())
print(json.dumps({
    "sites": space.n_sites,
    "symmetry_operations": operations,
    "patterns": counted,
    "patterns_in_orbits": total,
    "distinct_by_burnside": burnside,
    "distinct_by_enumeration": distinct,
    "symmetry_seconds": round(symmetry - start, 3),
    "counting_seconds": round(counting - symmetry, 3),
    "enumeration_seconds": round(time.perf_counter() - counting, 3),
    "peak_megabytes": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000, 1),
}))
"""

SHRY = """
import json, resource, sys, time
from importlib.metadata import version
from ase.io import read
from pymatgen.io.ase import AseAtomsAdaptor
from shry import Substitutor

atoms = read(sys.argv[1]).repeat(json.loads(sys.argv[2]))
structure = AseAtomsAdaptor.get_structure(atoms)
structure.replace_species({"Mn": {"Mn2+": 0.5, "Mn3+": 0.5}})
start = time.perf_counter()
substitutor = Substitutor(structure)
polya, total = substitutor.count(), substitutor.total_count()
counting = time.perf_counter()
weights = list(substitutor.weights())
print(json.dumps({
    "version": version("shry"),
    "patterns": int(total),
    "distinct_by_polya": int(polya),
    "distinct_by_enumeration": len(weights),
    "patterns_in_orbits": int(sum(weights)),
    "counting_seconds": round(counting - start, 3),
    "enumeration_seconds": round(time.perf_counter() - counting, 3),
    "peak_megabytes": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000, 1),
}))
"""


def measured(python: str, script: str, supercell: tuple[int, int, int] = SUPERCELL) -> dict[str, Any]:
    """Return what a script finds for a supercell."""
    command = [python, "-W", "ignore", "-c", script, str(STRUCTURE), json.dumps(supercell)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found: dict[str, Any] = json.loads(printed.splitlines()[-1])
    return found


def main() -> None:
    """Measure, compare and write the figures."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--shry", metavar="PYTHON", help="Python of an environment that has SHRY")
    asked = arguments.parse_args()
    ours, larger = (measured(sys.executable, OURS, supercell) for supercell in (SUPERCELL, LARGER))
    numbers = {"patterns": {N_PATTERNS, ours["patterns"], ours["patterns_in_orbits"]}}
    numbers["distinct"] = {ours["distinct_by_burnside"], ours["distinct_by_enumeration"]}
    shry = None if asked.shry is None else measured(asked.shry, SHRY)
    if shry is not None:
        numbers["patterns"] |= {shry["patterns"], shry["patterns_in_orbits"]}
        numbers["distinct"] |= {shry["distinct_by_polya"], shry["distinct_by_enumeration"]}
    numbers["distinct in the larger cell"] = {larger["distinct_by_burnside"], larger["distinct_by_enumeration"]}
    if any(len(found) > 1 for found in numbers.values()):
        raise SystemExit(f"the numbers do not agree: {numbers}")
    result = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "structure": STRUCTURE.name,
        "supercell": "x".join(map(str, SUPERCELL)),
        **ours,
        "shry": shry,
        "larger": {"supercell": "x".join(map(str, LARGER)), **larger},
    }
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
