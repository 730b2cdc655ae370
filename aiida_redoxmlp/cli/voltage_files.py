"""The files of ``aiida-redoxmlp voltage``: a row for each cell, as CSV or JSON."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from aiida_redoxmlp.errors import InputError, explain
from aiida_redoxmlp.search.voltage_table import CellEnergy

__all__ = ("VoltageFile", "read_voltage_file")

_ROWS = "ground_states"


@dataclass(frozen=True)
class VoltageFile:
    """What a file says.

    Attributes:
        cells: its rows, each with file and row in its name.
        lithium_energy: energy of lithium metal in eV an atom, where the file has it.
    """

    cells: tuple[CellEnergy, ...]
    lithium_energy: float | None = None


def read_voltage_file(path: Path) -> VoltageFile:
    """Read a table of energies, or the JSON that the command wrote.

    Args:
        path: ``.csv`` with a line of column names, or ``.json`` with a list of rows, or with an object that has them as
            ``ground_states``; columns and keys are the fields of
            :class:`~aiida_redoxmlp.search.voltage_table.CellEnergy`.

    Raises:
        InputError: if the file is something else or a row cannot be used.
    """
    readers = {".csv": _read_csv, ".json": _read_json}
    if path.suffix.lower() not in readers:
        raise InputError(f"{path} has an ending that says no format; give a table that ends with .csv or .json.")
    try:
        rows, lithium_energy = readers[path.suffix.lower()](path)
    except (UnicodeDecodeError, csv.Error, json.JSONDecodeError) as error:
        raise InputError(f"{path} cannot be read ({error}); write it again as {path.suffix[1:].upper()}.") from error
    if not rows:
        raise InputError(f"{path} has no rows; write one for each lithium content.")
    return VoltageFile(tuple(_cell(row, path, number) for number, row in enumerate(rows, 1)), lithium_energy)


def _read_csv(path: Path) -> tuple[list[dict[str, Any]], None]:
    """Read rows; lines that begin with # are comments, empty cells are not given."""
    with path.open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.DictReader(
            (line for line in stream if line.strip() and not line.startswith("#")), skipinitialspace=True, strict=True
        )
        rows = [dict(row) for row in reader]
    return [_given(row, path, number) for number, row in enumerate(rows, 1)], None


def _given(row: Mapping[str | None, Any], path: Path, number: int) -> dict[str, Any]:
    if None in row:
        raise InputError(f"{path}, row {number} has more cells than the table has columns; write one for each.")
    given: dict[str, Any] = {str(key).strip(): text.strip() for key, text in row.items() if text and text.strip()}
    if "energies_ev" in given:
        given["energies_ev"] = given["energies_ev"].split()
    return given


def _read_json(path: Path) -> tuple[list[Any], float | None]:
    content = json.loads(path.read_text(encoding="utf-8"))
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
