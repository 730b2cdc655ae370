"""The example and the README beside exported files."""

from __future__ import annotations

from collections.abc import Sequence

from aiida_redoxmlp.engines.number_table import NumberRow

__all__ = ("lammps_example", "mace_example", "readme", "torch_sim_example")

_STRUCTURE = '''"""{purpose}

Every atom needs the name of its species, as species.json lists them, in the order of the structure file.
"""

import json
from pathlib import Path
{imports}
here = Path(__file__).parent
table = {{row["name"]: row for row in json.loads((here / "species.json").read_text())["species"]}}

atoms = read("structure.cif")
names = json.loads(Path("names.json").read_text())  # such as {names}
atoms.numbers = [table[name]["atomic_number"] for name in names]
atoms.set_masses([table[name]["mass"] for name in names])  # the real elements', not those of the numbers
'''
_MACE_IMPORTS = """
from ase.io import read
from mace.calculators import MACECalculator
"""
_TORCH_SIM_IMPORTS = """
import torch
import torch_sim
from ase.io import read
from torch_sim.models.mace import MaceModel
"""
_USES = {
    "mace": "mace-torch reads each file: `mace.calculators.MACECalculator`, with the whole list as a committee. "
    "The files are pickles, so loading them runs code in them; keep species.json, which has their hashes, beside them.",
    "torch-sim": "torch-sim's `MaceModel` takes the network that `torch.load` gives. "
    "The files are pickles, so loading them runs code in them; keep species.json, which has their hashes, beside them.",
    "lammps": "Each file is TorchScript for the pair style `mace` (package ML-MACE); LAMMPS runs one member at a time.",
}


def mace_example(rows: Sequence[NumberRow], files: Sequence[str]) -> str:
    """Return a script that evaluates a structure with mace-torch's own ASE calculator."""
    start = _STRUCTURE.format(
        purpose="Energy of a structure with mace-torch.", imports=_MACE_IMPORTS, names=_some_names(rows)
    )
    return (
        f"{start}\nfiles = [str(here / name) for name in {_quoted(files)}]\n"
        'atoms.calc = MACECalculator(files, device="cpu", default_dtype="float64")\n'
        "print(atoms.get_potential_energy())\n"
    )


def torch_sim_example(rows: Sequence[NumberRow], files: Sequence[str]) -> str:
    """Return a script that evaluates a structure with torch-sim."""
    start = _STRUCTURE.format(
        purpose="Energy of a structure with torch-sim.", imports=_TORCH_SIM_IMPORTS, names=_some_names(rows)
    )
    return (
        f'{start}\ndevice = torch.device("cpu")\n'
        f'network = torch.load(here / "{files[0]}", map_location=device, weights_only=False)\n'
        "model = MaceModel(network, device=device, dtype=torch.float64)\n"
        "state = torch_sim.io.atoms_to_state([atoms], device=device, dtype=torch.float64)\n"
        'print(float(model(state)["energy"]))\n'
    )


def lammps_example(rows: Sequence[NumberRow], files: Sequence[str]) -> str:
    """Return an input that runs molecular dynamics; LAMMPS type n is row n."""
    masses = "\n".join(f"mass {index} {row.mass:.6g}  # {row.name}" for index, row in enumerate(rows, start=1))
    symbols = " ".join(row.symbol for row in rows)
    return f"""\
# Types are species, in the order of species.json. The symbols after the file name only say which number of the
# potential a type is; masses are those of the real elements.
units metal
atom_style atomic
atom_modify map yes
newton on
boundary p p p

read_data structure.data
{masses}

pair_style mace no_domain_decomposition
pair_coeff * * {files[0]} {symbols}

velocity all create 300 1
fix 1 all nve
timestep 0.001
thermo 10
run 100
"""


def readme(format_name: str, rows: Sequence[NumberRow], files: Sequence[str], example: str) -> str:
    """Return what to know about the files."""
    lines = [
        "# A potential that knows oxidation states",
        "",
        _USES[format_name],
        "",
        f"Files: {', '.join(files)}, in double precision, with total energies in eV. `{example}` shows their use.",
        "",
        "Every kind of atom has an atomic number of its own, which may be another element's; masses are the real ones.",
        "",
        *(("| type | kind | number | symbol | mass (u) |", "|---|---|---|---|---|") if format_name == "lammps" else ()),
        *(("| kind | number | symbol | mass (u) |", "|---|---|---|---|") if format_name != "lammps" else ()),
    ]
    for index, row in enumerate(rows, start=1):
        cells = [row.name, str(row.atomic_number), row.symbol, f"{row.mass:.6g}"]
        lines.append(f"| {' | '.join([str(index), *cells] if format_name == 'lammps' else cells)} |")
    if format_name == "lammps":
        order = ", ".join(f'"{row.symbol}"' for row in rows)
        lines += [
            "",
            "With ASE, `structure.data` is written from atoms whose numbers are those of the table:",
            "",
            "```python",
            'table = {row["name"]: row for row in json.load(open("species.json"))["species"]}',
            'atoms.numbers = [table[name]["atomic_number"] for name in names]  # the kind of every atom',
            f'write("structure.data", atoms, format="lammps-data", specorder=[{order}])',
            "```",
        ]
    return "\n".join(lines) + "\n"


def _some_names(rows: Sequence[NumberRow]) -> str:
    return _quoted([*(row.name for row in rows[:3]), "…"])


def _quoted(names: Sequence[str]) -> str:
    return "[" + ", ".join(f'"{one}"' for one in names) + "]"
