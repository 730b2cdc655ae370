"""``aiida-redoxmlp model`` on folders without a profile, and on nodes."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from aiida import orm
from ase.io import read, write
from click.testing import CliRunner

from aiida_redoxmlp.cli import root
from aiida_redoxmlp.data.model import ModelData
from aiida_redoxmlp.engines.registry import MODEL_FILE, load_potential
from aiida_redoxmlp.redox.configuration import Configuration
from aiida_redoxmlp.testing import toy_frames

pytestmark = pytest.mark.engine


@pytest.fixture
def invoke():
    def run(*arguments, code=0):
        answer = CliRunner().invoke(root, ["model", *(str(one) for one in arguments)])
        assert answer.exit_code == code, answer.output
        return answer

    return run


@pytest.fixture
def toy_structure(tmp_path):
    """Mn2O2, as a file that knows nothing of oxidation states."""
    atoms = toy_frames(1)[0].configuration.to_ase()
    del atoms.arrays["oxidation_states"]
    write(tmp_path / "toy.cif", atoms)
    return tmp_path / "toy.cif"


@pytest.fixture
def node(saved_model, aiida_profile_clean):
    node = ModelData.from_folder(saved_model)
    node.label = "manganese oxide"
    return node.store()


def test_a_folder_needs_no_profile_and_no_torch(saved_model, tmp_path):
    program = (
        "import sys; sys.modules['torch'] = None\n"
        "from aiida_redoxmlp.cli import root\n"
        f"root(['model', 'show', {str(saved_model)!r}, '--json'])"
    )
    environment = {**os.environ, "AIIDA_PATH": str(tmp_path / "no-aiida")}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program], capture_output=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    content = json.loads(done.stdout)
    assert content["node"] is None
    assert [row["name"] for row in content["species"]] == ["O2-", "Mn2+", "Mn3+"]


def test_show_says_what_the_model_is(invoke, saved_model):
    printed = invoke("show", saved_model).output
    for told in (
        "species",
        "Mn3+",
        "118",
        "Og",
        "54.938",
        "r_max 3.5",
        "max_epochs 8",
        "member_1.safetensors",
        "as saved",
    ):
        assert told in printed
    content = json.loads(invoke("show", saved_model, "--json").output)
    assert [member["best_epoch"] for member in content["members"]] == [3, 5]
    assert content["members"][0]["numbers"] > 100
    assert content["species"][2] == {
        "name": "Mn3+", "element": "Mn", "oxidation_state": 3, "spin": None, "atomic_number": 118, "symbol": "Og",
        "mass": pytest.approx(54.938, abs=1e-3), "reference_energy": -930.0,
    }  # fmt: skip


def test_show_names_the_file_that_is_not_what_was_saved(invoke, saved_model):
    weights = bytearray((saved_model / "member_1.safetensors").read_bytes())
    weights[-1] ^= 1
    (saved_model / "member_1.safetensors").write_bytes(weights)
    answer = invoke("show", saved_model, code=2)
    assert "DIFFERS" in answer.output
    assert "member_1.safetensors" in answer.output.splitlines()[-1]
    assert "take the model from its source again" in answer.output


def test_show_of_a_node_says_where_it_is_from(invoke, node):
    for identifier in (node.pk, node.uuid, node.label):
        content = json.loads(invoke("show", identifier, "--json").output)
        assert content["node"]["uuid"] == node.uuid
        assert content["node"]["creator"] is None
    assert "it was imported" in invoke("show", node.pk).output


@pytest.mark.parametrize(
    ("identifier", "told"), [("99999", "no folder and no node '99999'"), ("no-such-label", "'no-such-label'")]
)
def test_what_is_not_there_is_said(invoke, aiida_profile_clean, identifier, told):
    assert told in invoke("show", identifier, code=2).output


def test_something_else_is_no_model(invoke, aiida_profile_clean):
    assert "is a Int, not a model" in invoke("show", orm.Int(1).store().pk, code=2).output


def test_newer_model_asks_for_an_update(invoke, saved_model, tmp_path):
    from aiida_redoxmlp.engines.mace import description  # noqa: PLC0415

    content = json.loads((saved_model / MODEL_FILE).read_text())
    content.pop("sha256")
    content["schema_version"] = description.SCHEMA_VERSION + 1
    newer = json.dumps({**content, "sha256": description._hash_of(content)})
    (saved_model / MODEL_FILE).write_text(newer)
    for command in (("show",), ("calculator",), ("export", "--format", "mace", "-o", tmp_path / "out")):
        name, *options = command
        assert "update aiida-redoxmlp" in invoke(name, saved_model, *options, code=2).output


def test_export_says_which_numbers_the_species_have(invoke, node, tmp_path):
    answer = invoke("export", node.pk, "--format", "mace", "-o", tmp_path / "out", "--member", 1)
    assert "member_1.model" in answer.output
    assert "O2- = 8 (O), Mn2+ = 25 (Mn), Mn3+ = 118 (Og)" in answer.output
    assert (tmp_path / "out" / "species.json").is_file()


def test_an_exported_folder_is_the_same_model(invoke, node, tmp_path):
    invoke("export", node.uuid, "--format", "folder", "-o", tmp_path / "out")
    there, here = load_potential(tmp_path / "out"), node.load()
    configuration = toy_frames(1)[0].configuration
    (one,), (other,) = there.evaluate([configuration]), here.evaluate([configuration])
    np.testing.assert_array_equal(one.energies, other.energies)


def test_the_printed_script_runs(invoke, saved_model, toy_structure, tmp_path):
    script = tmp_path / "script.py"
    invoke("calculator", saved_model, toy_structure, "--states", "3,2", "--steps", 2, "-o", script)
    done = subprocess.run([sys.executable, "-W", "ignore", script], capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stderr
    energy, spread = (float(word) for word in done.stdout.splitlines()[-1].split())
    atoms = read(toy_structure)
    atoms.set_array("oxidation_states", np.array([3, 2, -2, -2]))
    (start,) = load_potential(saved_model).evaluate([Configuration.from_ase(atoms)])
    assert energy == pytest.approx(start.energy, abs=0.5)
    assert spread > 0


def test_a_script_without_states_shows_those_the_model_knows(invoke, saved_model):
    printed = invoke("calculator", saved_model).output
    assert "The model knows Mn2+, Mn3+, O2-" in printed
    assert 'oxidation_states={"Mn": [2, 3]}' in printed


def test_run_relaxes_and_keeps_the_states_in_the_file(invoke, node, toy_structure, tmp_path):
    relaxed = tmp_path / "relaxed.extxyz"
    answer = invoke("calculator", node.pk, toy_structure, "--states", "Mn=2/3", "--run", "--fmax", 0.5, "-o", relaxed)
    assert "spread over 2 members" in answer.output
    atoms = read(relaxed)
    assert atoms.arrays["oxidation_states"].tolist() == [2, 3, -2, -2]
    assert np.linalg.norm(atoms.get_forces(), axis=1).max() < 0.5


def test_a_relaxation_that_did_not_end_is_told(invoke, saved_model, toy_structure):
    answer = invoke(
        "calculator", saved_model, toy_structure, "--states", "2,3", "--run", "--fmax", 1e-9, "--steps", 1, code=3
    )
    assert "raise --steps" in answer.output


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ((), "several oxidation states of Mn (2, 3); give one for each of the 2 Mn"),
        (
            ("--states", "2"),
            "1 oxidation states were given; give one for each of the 4 atoms, or one for each of the 2",
        ),
        (("--states", "two"), "--states 'two' is not understood"),
        (("--states", "Fe=2"), "for Fe, of which the structure has 0 atoms"),
        (("--states", "2,4", "--run"), "does not know the species Mn4+; it knows Mn2+, Mn3+, O2-"),
        (("--states", "2,3", "--spins", "5,-4"), "encoding 'species', which has no spins"),
    ],
)
def test_states_that_do_not_fit_are_refused(invoke, saved_model, toy_structure, options, told):
    assert told in invoke("calculator", saved_model, toy_structure, *options, code=2).output


def test_nothing_is_run_without_a_structure(invoke, saved_model):
    assert "nothing to run without a structure" in invoke("calculator", saved_model, "--run", code=2).output


def test_a_gpu_that_is_not_there_is_said_in_one_sentence(invoke, saved_model, toy_structure, monkeypatch):
    import torch  # noqa: PLC0415

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    options = ("--states", "2,3", "--run", "--device", "cuda")
    assert "finds no GPU on" in invoke("calculator", saved_model, toy_structure, *options, code=2).output


def test_import_of_our_own_folder_stores_its_files_and_no_others(invoke, saved_model, aiida_profile_clean):
    (saved_model / "notes.txt").write_text("mine")
    answer = invoke("import", saved_model, "--label", "from a colleague")
    stored = orm.load_node("from a colleague")
    assert stored.uuid in answer.output
    assert sorted(stored.base.repository.list_object_names()) == [
        "member_0.safetensors", "member_1.safetensors", "model.json",
    ]  # fmt: skip


class _RunsCode:
    def __reduce__(self):
        return (Path.write_text, (Path("ran.txt"), "code"))


def test_a_pickle_is_not_opened_unless_it_is_trusted(invoke, aiida_profile_clean, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "foreign.model").write_bytes(pickle.dumps(_RunsCode()))
    assert "--trust-pickle" in invoke("import", tmp_path / "foreign.model", code=2).output
    assert not Path("ran.txt").exists()
    assert orm.QueryBuilder().append(ModelData).count() == 0


def test_a_trusted_mace_model_becomes_a_node_with_the_same_energies(
    invoke, make_committee, aiida_profile_clean, tmp_path
):
    committee = make_committee("none")
    committee.save(tmp_path / "blind")
    invoke("export", tmp_path / "blind", "--format", "mace", "--member", 0, "-o", tmp_path / "foreign")
    invoke("import", tmp_path / "foreign" / "member_0.model", "--trust-pickle", "--label", "foreign")
    shutil.rmtree(tmp_path / "foreign")
    configuration = toy_frames(1)[0].configuration
    (ours,), (theirs,) = committee.evaluate([configuration]), orm.load_node("foreign").load().evaluate([configuration])
    assert theirs.energy == pytest.approx(ours.energies[0], abs=1e-6)
    content = json.loads(invoke("show", "foreign", "--json").output)
    assert content["training"]["imported"]["file"] == "member_0.model"
