"""Pseudopotentials for demonstrations and tests, made by ld1.x from the recipes in this folder."""

from __future__ import annotations

import hashlib
import re
import tempfile
from pathlib import Path

from steps.checkout import Checkout
from steps.progress import ALREADY_THERE, DONE, StepError, run_logged

__all__ = ("ensure_pseudopotentials", "make_pseudopotential", "output_name", "without_date")

_STAMP = "recipes.sha256"
_FILE_NAME = re.compile(r"file_pseudopw\s*=\s*'([^']+)'")
_DATES = (
    (re.compile(r"(Generation date:\s*)\S+"), r"\1not-recorded"),
    (re.compile(r'(\bdate=")[^"]*(")'), r"\1not-recorded\2"),
)


def output_name(recipe: str) -> str:
    """Name of the UPF file that an ld1.x input asks for.

    Raises:
        StepError: when it asks for none.
    """
    found = _FILE_NAME.search(recipe)
    if found is None:
        raise StepError("A recipe without file_pseudopw was found.", "add file_pseudopw='NAME.UPF' to its &inputp")
    return found.group(1)


def without_date(upf: str) -> str:
    """The UPF text without the day it was made, since AiiDA's cache compares contents."""
    for pattern, replacement in _DATES:
        upf = pattern.sub(replacement, upf)
    return upf


def make_pseudopotential(recipe: Path, ld1: Path, target: Path, log: Path) -> Path:
    """Run one recipe.

    Args:
        recipe: the ld1.x input.
        ld1: the program.
        target: folder of the UPF file.
        log: log file.

    Returns:
        The UPF file.

    Raises:
        StepError: when ld1.x fails or writes no UPF file.
    """
    name = output_name(recipe.read_text(encoding="utf-8"))
    failed = f"ld1.x could not make {name} from {recipe.name}."
    remedy = "see the log; with your own Quantum ESPRESSO, check that its ld1.x is version 6 or later"
    with tempfile.TemporaryDirectory() as scratch:
        run_logged([ld1, "-in", recipe], log, what=failed, remedy=remedy, cwd=Path(scratch))
        made = Path(scratch) / name
        if not made.is_file():
            raise StepError(failed, remedy, log)
        text = without_date(made.read_text(encoding="utf-8"))
    target.mkdir(parents=True, exist_ok=True)
    (target / name).write_text(text, encoding="utf-8")
    return target / name


def ensure_pseudopotentials(checkout: Checkout, ld1: Path | None) -> str:
    """Make every recipe's pseudopotential, once.

    Raises:
        StepError: when ld1.x fails.
    """
    recipes = sorted(checkout.recipes.glob("*.ld1.in"))
    texts = [recipe.read_text(encoding="utf-8") for recipe in recipes]
    stamp = checkout.pseudopotentials / _STAMP
    digest = hashlib.sha256("\0".join(texts).encode()).hexdigest()
    present = all((checkout.pseudopotentials / output_name(text)).is_file() for text in texts)
    if present and stamp.is_file() and stamp.read_text(encoding="utf-8") == digest:
        return ALREADY_THERE
    if ld1 is None:
        return "skipped: no ld1.x beside your pw.x; `aiida-pseudo install sssp -x PBEsol` gives you a family"
    log = checkout.logs / "pseudopotentials.log"
    log.unlink(missing_ok=True)
    for recipe in recipes:
        make_pseudopotential(recipe, ld1, checkout.pseudopotentials, log)
    stamp.write_text(digest, encoding="utf-8")
    return DONE
