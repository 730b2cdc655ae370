"""The files of ``aiida-redoxmlp voltage``: a row for each cell as CSV or JSON, or what a search found."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from aiida_redoxmlp.errors import InputError, explain
from aiida_redoxmlp.search.voltage_table import CellEnergy

__all__ = ("VoltageFile", "read_voltage_file", "require_same_geometries")

_ROWS = "ground_states"
_CONFIGURATIONS = "patterns"


@dataclass(frozen=True)
class VoltageFile:
    """What a file says.

    Attributes:
        path: where it is.
        cells: its rows, each with file and row in its name.
        lithium_energy: energy of lithium metal in eV an atom, where the file has it.
        relaxed: of a search, whether its energies are relaxed ones; None for a table.
    """

    path: Path
    cells: tuple[CellEnergy, ...]
    lithium_energy: float | None = None
    relaxed: bool | None = None


def read_voltage_file(path: Path) -> VoltageFile:
    """Read a table of energies, the JSON that the command wrote, or the JSON of a search.

    Args:
        path: ``.csv`` with a line of column names, or ``.json`` with a list of rows, or with an object that has them as
            ``ground_states``; columns and keys are the fields of
            :class:`~aiida_redoxmlp.search.voltage_table.CellEnergy`. Of a search the lowest configuration counts.

    Raises:
        InputError: if the file is something else or a row cannot be used.
    """
    readers = {".csv": _read_csv, ".json": _read_json}
    if path.suffix.lower() not in readers:
        raise InputError(f"{path} has an ending that says no format; give a table that ends with .csv or .json.")
    try:
        content = readers[path.suffix.lower()](path)
    except (UnicodeDecodeError, csv.Error, json.JSONDecodeError) as error:
        raise InputError(f"{path} cannot be read ({error}); write it again as {path.suffix[1:].upper()}.") from error
    if isinstance(content, dict) and _CONFIGURATIONS in content:
        return _searched(content, path)
    rows, lithium_energy = _rows_of(content, path)
    if not rows:
        raise InputError(f"{path} has no rows; write one for each lithium content.")
    return VoltageFile(path, tuple(_cell(row, path, number) for number, row in enumerate(rows, 1)), lithium_energy)


def require_same_geometries(files: Sequence[VoltageFile]) -> None:
    """Refuse searches of which some relaxed their configurations and some did not.

    Raises:
        InputError: naming one of each.
    """
    first = {file.relaxed: file.path for file in reversed(files)}
    if True in first and False in first:
        raise InputError(
            f"{first[True]} has energies of relaxed configurations and {first[False]} energies at fixed ions; search "
            "all contents with --relax, or all with --no-relax."
        )


def _searched(content: Mapping[str, Any], path: Path) -> VoltageFile:
    """Return the lowest configuration of a search as the only row."""
    try:
        lowest = min(content[_CONFIGURATIONS], key=lambda one: float(one["energy_ev"]))
        row = {"composition": content["formula"], "energies_ev": lowest["energies_ev"]}
        relaxed = content["n_relaxed"] > 0
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{path} lists configurations without their energies; give what `patterns search` writes with --json or -o."
        ) from error
    cell = _cell({**row, "source": "potential", "name": path.name}, path, 1)
    return VoltageFile(path, (cell,), relaxed=relaxed)


def _read_csv(path: Path) -> list[dict[str, Any]]:
    """Read rows; lines that begin with # are comments, empty cells are not given."""
    with path.open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.DictReader(
            (line for line in stream if line.strip() and not line.startswith("#")), skipinitialspace=True, strict=True
        )
        rows = [dict(row) for row in reader]
    return [_given(row, path, number) for number, row in enumerate(rows, 1)]


def _given(row: Mapping[str | None, Any], path: Path, number: int) -> dict[str, Any]:
    if None in row:
        raise InputError(f"{path}, row {number} has more cells than the table has columns; write one for each.")
    given: dict[str, Any] = {str(key).strip(): text.strip() for key, text in row.items() if text and text.strip()}
    if "energies_ev" in given:
        given["energies_ev"] = given["energies_ev"].split()
    return given


def _read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _rows_of(content: Any, path: Path) -> tuple[list[Any], float | None]:
    """Return the rows of a table and its energy of lithium metal."""
    lithium_energy = None
    if isinstance(content, dict) and _ROWS in content:
        content, lithium_energy = content[_ROWS], content.get("lithium_energy_ev")
    if not isinstance(content, list) or not isinstance(lithium_energy, float | int | None):
        raise InputError(
            f"{path} is no list of rows; write one, or an object with the key {_ROWS!r} that has it and the number "
            "'lithium_energy_ev'."
        )
    return content, lithium_energy


def _cell(row: Any, path: Path, number: int) -> CellEnergy:
    where = f"{path.name}, row {number}"
    try:
        cell = CellEnergy.model_validate(row)
    except ValidationError as error:
        raise InputError(explain(error, where)) from error
    return cell.model_copy(update={"name": cell.name or where})
