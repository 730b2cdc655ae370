"""The pseudopotential family of demonstrations and tests."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from aiida.common.exceptions import NotExistent
from aiida.orm import load_group
from aiida_pseudo.data.pseudo import UpfData
from aiida_pseudo.groups.family import CutoffsPseudoPotentialFamily
from steps.progress import ALREADY_THERE, DONE, StepError

__all__ = ("ensure_family",)


def ensure_family(cutoffs_file: Path, pseudopotentials: Path) -> str:
    """Install the family with its cutoffs.

    Args:
        cutoffs_file: label, unit, and cutoffs by stringency and element.
        pseudopotentials: folder of the UPF files.

    Raises:
        StepError: when elements and files do not match, or the family holds other files.
    """
    table: dict[str, Any] = json.loads(cutoffs_file.read_text(encoding="utf-8"))
    files = sorted(pseudopotentials.glob("*.UPF"))
    if not files:
        return "skipped: there are no pseudopotentials"
    outcome = ALREADY_THERE
    try:
        family = load_group(table["family"])
    except NotExistent:
        family = _create(table, files)
        outcome = DONE
    _check(family, files)
    for stringency, cutoffs in table["stringencies"].items():
        if stringency not in family.get_cutoff_stringencies() or family.get_cutoffs(stringency) != cutoffs:
            family.set_cutoffs(cutoffs, stringency, unit=table["unit"])
    if family.get_default_stringency() != table["default_stringency"]:
        family.set_default_stringency(table["default_stringency"])
    return outcome


def _create(table: dict[str, Any], files: list[Path]) -> CutoffsPseudoPotentialFamily:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for file in files:
            shutil.copy(file, folder)
        try:
            return CutoffsPseudoPotentialFamily.create_from_folder(
                folder, table["family"], description=table["description"], pseudo_type=UpfData
            )
        except ValueError as error:
            raise StepError(
                f"The pseudopotential family {table['family']} could not be made: {error}.",
                f"remove the folder {files[0].parent} and run the same command again",
            ) from error


def _check(family: CutoffsPseudoPotentialFamily, files: list[Path]) -> None:
    installed = {pseudo.filename: pseudo.get_content() for pseudo in family.pseudos.values()}
    made = {file.name: file.read_text(encoding="utf-8") for file in files}
    if installed != made:
        raise StepError(
            f"The family {family.label} in the profile and the files in {files[0].parent} differ.",
            f"run `verdi group delete {family.label}` in this checkout's environment (`bootstrap.py env`), "
            "then run the same command again",
        )
