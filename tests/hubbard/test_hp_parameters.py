"""Hubbard parameters and response matrices: read whole, and never believed when they contradict themselves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiida_redoxmlp.errors import InputError, OutputFormatError
from aiida_redoxmlp.hubbard.assignment import with_found_values
from aiida_redoxmlp.hubbard.hp_parameters import atom_and_translation, read_hubbard_parameters, supercell_index
from aiida_redoxmlp.hubbard.interactions import Interaction

FOLDER = Path(__file__).parents[1] / "fixtures" / "hp"
N_ATOMS = {"nio": 4, "limnpo4": 13, "licoo2_v": 4, "licoo2_v_6": 4, "ni2mnga_6": 4}
TEXTS = {name: (FOLDER / f"{name}.Hubbard_parameters.dat").read_text(encoding="utf-8") for name in ("nio", "licoo2_v")}


def read(name):
    return read_hubbard_parameters(FOLDER / f"{name}.Hubbard_parameters.dat", N_ATOMS[name])


@pytest.mark.parametrize("name", N_ATOMS)
def test_hubbard_matrix_is_the_difference_of_the_inverse_responses(name):
    found = read(name)
    recomputed = np.linalg.inv(found.chi0) - np.linalg.inv(found.chi)
    assert found.chi0.shape == found.chi.shape == found.hubbard.shape
    size = len(found.chi)
    condition = (np.abs(np.linalg.inv(found.chi0)).sum(0).max() + np.abs(np.linalg.inv(found.chi)).sum(0).max()) ** 2
    np.testing.assert_allclose(found.hubbard, recomputed, atol=0.5e-6 * condition + 1e-5)
    np.testing.assert_allclose(np.diag(found.hubbard)[: len(found.sites)], [one.u for one in found.sites], atol=1e-4)
    assert size % len(found.sites) == 0


def test_sites_of_mixed_valence_have_different_u():
    sites = read("limnpo4").sites
    assert [(one.site, one.kind, one.spin, one.manifold) for one in sites] == [
        (0, "Mn1", 1, "3d"),
        (1, "Mn2", -1, "3d"),
    ]
    assert [one.u for one in sites] == [3.9498, 5.8554]


def test_table_of_version_6_has_no_manifolds():
    assert [(one.kind, one.manifold, one.u) for one in read("ni2mnga_6").sites] == [
        ("Mn", "", 5.0202),
        ("Ni", "", 8.3475),
        ("Ni", "", 8.3475),
    ]


def test_pairs_are_those_that_hp_writes_for_pw():
    found = read("licoo2_v")
    lines = [
        line.split() for line in (FOLDER / "licoo2_v.HUBBARD.dat").read_text().splitlines() if line.startswith("V")
    ]
    table = {(one.site, one.neighbour, one.translation): one for one in found.pairs}
    for _, _, _, first, second, value in lines[1:]:
        neighbour, translation = atom_and_translation(int(second), 4)
        pair = table[int(first) - 1, neighbour, translation]
        assert pair.v == float(value)
        assert pair.distance == pytest.approx(1.9213, abs=1e-3)


@given(n_atoms=st.integers(1, 50), index=st.integers(1, 27 * 50))
def test_numbering_of_the_supercell_goes_there_and_back(n_atoms, index):
    if index > 27 * n_atoms:
        with pytest.raises(OutputFormatError, match="supercell"):
            atom_and_translation(index, n_atoms)
    else:
        assert supercell_index(*atom_and_translation(index, n_atoms), n_atoms) == index


def test_the_unit_cell_comes_first_in_the_supercell():
    assert atom_and_translation(4, 4) == (3, (0, 0, 0))
    assert atom_and_translation(5, 4) == (0, (-1, -1, -1))


def test_interactions_get_their_values_also_when_written_from_the_other_end():
    found = read("licoo2_v")
    onsite = Interaction(0, "3d", 0, "3d", (0, 0, 0), 1.0)
    pair = next(one for one in found.pairs if one.neighbour == 1)
    forward = Interaction(0, "3d", 1, "2p", pair.translation, 1.0)
    a, b, c = pair.translation
    backward = Interaction(1, "2p", 0, "3d", (-a, -b, -c), 1.0)
    values = [one.value for one in with_found_values([onsite, forward, backward], found)]
    assert values == [pytest.approx(7.337357), 0.4587, 0.4587]


def test_a_pair_that_hp_does_not_list_is_named():
    far = Interaction(0, "3d", 3, "2s", (0, 0, 0), 1.0)
    with pytest.raises(InputError, match=r"atom 3 \(2s\).*denser mesh"):
        with_found_values([far], read("licoo2_v"))


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("7.272478", "7.372478", "not chi0"),
        ("-14.944017", "-15.044017", "not chi0|inverse"),
        ("-0.067195", "-0.057195", "inverse"),
        ("-0.067195", "NaN", "square of numbers"),
        ("7.2725", "7.3725", "its matrix says"),
        ("chi matrix :", "x matrix :", "once"),
    ],
)
def test_a_matrix_that_contradicts_its_file_is_refused(tmp_path, old, new, says):
    path = tmp_path / "x.dat"
    assert old in TEXTS["nio"]
    path.write_text(TEXTS["nio"].replace(old, new), encoding="utf-8")
    with pytest.raises(OutputFormatError, match=says):
        read_hubbard_parameters(path, 4)


def matrices(text):
    """The printed chi0, chi and Hubbard matrix, read independently."""
    found = []
    for title in ("chi0 matrix :", "chi matrix :", "Hubbard matrix :"):
        block = text.split(f" {title}")[1].split(":")[0].split("chi0")[0].split("chi^")[0].split("Hubbard")[0]
        values = [float(word) for word in block.split() if word.replace(".", "").replace("-", "").isdigit()]
        size = round(len(values) ** 0.5)
        found.append(np.array(values[: size * size]).reshape(size, size))
    return found


@given(
    where=st.integers(0, len(TEXTS["nio"])),
    length=st.integers(0, 40),
    garbage=st.sampled_from(["", "****", "NaN", "\r\n", "9.999999", "-0.111111"])
    | st.text("0123456789.- \n", max_size=12),
)
def test_whatever_happens_to_the_file_no_wrong_matrix_comes_out(tmp_path_factory, where, length, garbage):
    path = tmp_path_factory.mktemp("garbled") / "x.dat"
    text = TEXTS["nio"][:where] + garbage + TEXTS["nio"][where + length :]
    path.write_text(text, encoding="utf-8")
    try:
        found = read_hubbard_parameters(path, 4)
    except OutputFormatError:
        return
    recomputed = np.linalg.inv(found.chi0) - np.linalg.inv(found.chi)
    np.testing.assert_allclose(found.hubbard, recomputed, atol=2e-3)
    chi0, chi, hubbard = matrices(text)
    np.testing.assert_array_equal(found.chi0, chi0)
    np.testing.assert_array_equal(found.chi, chi)
    np.testing.assert_array_equal(found.hubbard, hubbard)


@given(cut=st.integers(0, len(TEXTS["licoo2_v"]) - 1))
def test_a_cut_file_gives_nothing(tmp_path_factory, cut):
    path = tmp_path_factory.mktemp("cut") / "x.dat"
    path.write_text(TEXTS["licoo2_v"][:cut], encoding="utf-8")
    if TEXTS["licoo2_v"][:cut].rstrip() == TEXTS["licoo2_v"].rstrip():
        return
    with pytest.raises(OutputFormatError):
        read_hubbard_parameters(path, 4)
