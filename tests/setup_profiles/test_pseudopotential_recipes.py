"""Recipes, cutoffs and files belong together, and a recipe gives the same file on every day."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
from pathlib import Path

import pytest
from steps.checkout import Checkout
from steps.progress import ALREADY_THERE, DONE, StepError
from steps.pseudopotential_recipes import (
    ensure_pseudopotentials,
    make_pseudopotential,
    output_name,
    without_date,
)

RECIPES = Checkout.of_this_file().recipes
ELEMENTS = ("Co", "Li", "Mn", "Ni", "O", "P")
VALENCE_ELECTRONS = {"Co": 9, "Li": 3, "Mn": 7, "Ni": 10, "O": 6, "P": 5}


def test_cutoffs_cover_exactly_the_recipes() -> None:
    table = json.loads((RECIPES / "cutoffs.json").read_text(encoding="utf-8"))
    assert sorted(path.name.split(".")[0] for path in RECIPES.glob("*.ld1.in")) == list(ELEMENTS)
    for stringency, cutoffs in table["stringencies"].items():
        assert sorted(cutoffs) == list(ELEMENTS), stringency
        for cutoff in cutoffs.values():
            assert cutoff["cutoff_rho"] >= 4 * cutoff["cutoff_wfc"]
    assert table["default_stringency"] in table["stringencies"]


@pytest.mark.parametrize("element", ELEMENTS)
def test_recipe_says_that_it_is_for_demonstrations(element: str) -> None:
    recipe = (RECIPES / f"{element}.ld1.in").read_text(encoding="utf-8")
    assert "author='aiida-redoxmlp demonstration'" in recipe
    assert output_name(recipe).startswith(f"{element}.")


@pytest.mark.parametrize("element", ELEMENTS)
def test_recipe_keeps_the_electrons_that_oxidation_states_are_counted_from(element: str) -> None:
    lines = (RECIPES / f"{element}.ld1.in").read_text(encoding="utf-8").splitlines()
    channels = [line.split() for line in lines if re.match(r"\d[SPD] ", line)]
    assert sum(float(channel[3]) for channel in channels) == pytest.approx(VALENCE_ELECTRONS[element])


def test_only_the_date_is_taken_out() -> None:
    upf = '    Generation date: 21Nov2026\n  <PP_HEADER author="a" date="21Nov2026" comment="">\n  1.0 2.0\n'
    other_day = upf.replace("21Nov2026", "3Jan2027")
    assert without_date(upf) == without_date(other_day)
    assert without_date(upf).splitlines()[2] == upf.splitlines()[2]
    assert 'author="a"' in without_date(upf)


def test_without_ld1_the_step_says_where_to_get_pseudopotentials(tmp_path: Path) -> None:
    checkout = _checkout(tmp_path)
    assert "aiida-pseudo install sssp" in ensure_pseudopotentials(checkout, None)


def test_a_failing_ld1_is_reported_with_the_recipe(tmp_path: Path) -> None:
    ld1 = tmp_path / "ld1.x"
    ld1.write_text("#!/bin/sh\necho 'Error in routine ld1_readin'\nexit 1\n", encoding="utf-8")
    ld1.chmod(0o755)
    with pytest.raises(StepError, match=r"Co\.ld1\.in") as failure:
        ensure_pseudopotentials(_checkout(tmp_path), ld1)
    assert "Error in routine ld1_readin" in str(failure.value)


@pytest.mark.engine
def test_pseudopotentials_are_made_once_and_the_same_every_time(tmp_path: Path) -> None:
    program = shutil.which("ld1.x")
    if program is None:
        pytest.skip("no ld1.x on the path: `make setup` installs it, and `make test` puts it there")
    checkout = _checkout(tmp_path)
    assert ensure_pseudopotentials(checkout, Path(program)) == DONE
    assert ensure_pseudopotentials(checkout, Path(program)) == ALREADY_THERE
    for element in ELEMENTS:
        again = make_pseudopotential(RECIPES / f"{element}.ld1.in", Path(program), tmp_path / "again", tmp_path / "log")
        first = checkout.pseudopotentials / again.name
        assert first.read_bytes() == again.read_bytes()
        valence = re.search(r'z_valence="\s*([0-9.E+]+)"', first.read_text(encoding="utf-8"))
        assert valence is not None
        assert float(valence.group(1)) == VALENCE_ELECTRONS[element]


def _checkout(folder: Path) -> Checkout:
    """A checkout elsewhere with this one's recipes."""
    shutil.copytree(RECIPES, folder / "setup_profiles" / "pseudopotentials")
    return dataclasses.replace(Checkout.of_this_file(), root=Path(os.fspath(folder)))
