"""Joining saved committees, without the engine's packages."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from aiida_redoxmlp.engines.joining import join_committees
from aiida_redoxmlp.engines.mace.architecture import MaceArchitecture
from aiida_redoxmlp.engines.mace.description import MaceDescription, MemberFile, read_description, write_description
from aiida_redoxmlp.errors import InputError, ModelIntegrityError


@pytest.fixture
def save(tmp_path):
    def write(name: str, *seeds: int, settings: dict | None = None, **changes: object) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        members = []
        for index, seed in enumerate(seeds):
            content = f"weights of seed {seed}".encode()
            (folder / f"member_{index}.safetensors").write_bytes(content)
            digest = hashlib.sha256(content).hexdigest()
            members.append(MemberFile(file=f"member_{index}.safetensors", sha256=digest, seed=seed))
        training = {
            "settings": {"seeds": list(seeds), "device": "cpu", "max_epochs": 9, **(settings or {})},
            "n_training_frames": 4,
            "best_epochs": [10 * seed for seed in seeds],
        }
        fields = {
            "encoding": {"name": "species", "stand_ins": {"Mn2+": 25}},
            "architecture": MaceArchitecture(),
            "reference_energies": (-1.0, -2.0),
            "scale": 1.5,
            "shift": 0.1,
            "avg_num_neighbors": 12.0,
            "dtype": "float64",
            "training": training,
            "members": tuple(members),
            **changes,
        }
        write_description(folder, MaceDescription(**fields))
        return folder

    return write


def test_members_are_numbered_through_with_their_weights_and_epochs(save, tmp_path):
    join_committees([save("a", 3), save("b", 1, 2)], tmp_path / "joined")
    joined = read_description(tmp_path / "joined")
    assert [(member.file, member.seed) for member in joined.members] == [
        ("member_0.safetensors", 3),
        ("member_1.safetensors", 1),
        ("member_2.safetensors", 2),
    ]
    assert (tmp_path / "joined" / "member_2.safetensors").read_bytes() == b"weights of seed 2"
    assert joined.training["best_epochs"] == [30, 10, 20]
    assert joined.training["settings"]["seeds"] == [3, 1, 2]


def test_a_member_may_have_another_device_and_less_memory_and_rounding_counts_for_nothing(save, tmp_path):
    other = save("b", 2, settings={"device": "cuda", "frames_at_once": 1}, reference_energies=(-1.0 + 1e-9, -2.0))
    join_committees([save("a", 1), other], tmp_path / "joined")
    assert read_description(tmp_path / "joined").reference_energies == (-1.0, -2.0)


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"scale": 1.6}, "scale"),
        ({"reference_energies": (-1.0, -2.1)}, r"reference_energies\[1\]"),
        ({"encoding": {"name": "none", "stand_ins": {"Mn2+": 25}}}, r"encoding\.name"),
        ({"settings": {"max_epochs": 8}}, r"training\.settings\.max_epochs"),
        ({"versions": {"torch": "1"}}, r"versions\.torch"),
    ],
)
def test_what_else_differs_is_named(save, tmp_path, changes, where):
    with pytest.raises(InputError, match=f"differ in {where}; join members"):
        join_committees([save("a", 1), save("b", 2, **changes)], tmp_path / "joined")


def test_one_seed_twice_is_no_committee(save, tmp_path):
    with pytest.raises(InputError, match="repeat"):
        join_committees([save("a", 1), save("b", 1)], tmp_path / "joined")


def test_weights_that_were_changed_are_refused(save, tmp_path):
    folders = [save("a", 1), save("b", 2)]
    (folders[1] / "member_0.safetensors").write_bytes(b"other weights")
    with pytest.raises(ModelIntegrityError, match="does not match the hash"):
        join_committees(folders, tmp_path / "joined")
    with pytest.raises(ModelIntegrityError, match="does not name the engine"):
        join_committees([tmp_path], tmp_path / "joined again")


def test_joining_needs_no_torch():
    code = "import sys, aiida_redoxmlp.engines.mace.joining; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
