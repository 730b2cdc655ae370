from __future__ import annotations

import pytest
from pydantic import ValidationError

from aiida_redoxmlp.errors import explain
from aiida_redoxmlp.redox.chemistry import RedoxChemistry
from aiida_redoxmlp.redox.pattern import Pattern

SYMBOLS = ["Co", "Co", "O", "O", "O", "O", "Li"]


def test_low_spin_sites_are_those_the_pattern_makes_that_species() -> None:
    chemistry = RedoxChemistry(allowed_states={"Co": (3, 4)}, low_spin=("Co3+",))
    assert chemistry.low_spin_sites(SYMBOLS, Pattern((0, 1), (3, 4))) == (0,)
    assert chemistry.low_spin_sites(SYMBOLS, Pattern((0, 1), (4, 4))) == ()
    both = chemistry.model_copy(update={"low_spin": ("Co3+", "Co4+")})
    assert both.low_spin_sites(SYMBOLS, Pattern((0, 1), (3, 4))) == (0, 1)


def test_nothing_is_low_spin_unless_named() -> None:
    assert RedoxChemistry().low_spin_sites(SYMBOLS, Pattern((0, 1), (3, 4))) == ()


@pytest.mark.parametrize(
    ("label", "told"),
    [
        ("Co+3", "low_spin: 'Co+3' is not a species"),
        ("Xx3+", "'Xx' is not a chemical symbol"),
        ("Co3+(up)", "give signs as `magnetic_order`"),
        ("O2-", "O is no redox element with a d shell"),
        ("Ce3+", "Ce is no redox element with a d shell"),
        ("Zn2+", "Zn is no redox element with a d shell"),
        ("Co2+", r"the allowed states of Co are [3, 4]"),
    ],
)
def test_a_wrong_low_spin_species_is_one_sentence(label: str, told: str) -> None:
    with pytest.raises(ValidationError) as failure:
        RedoxChemistry.model_validate({"allowed_states": {"Co": [3, 4]}, "low_spin": [label]})
    sentence = explain(failure.value, "redox")
    assert told in sentence
    assert sentence.count("redox:") == 1
