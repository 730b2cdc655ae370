from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

pytest.importorskip("mace")

from aiida_redoxmlp.engines.mace.description import SCHEMA_VERSION, read_description, write_description
from aiida_redoxmlp.engines.registry import MODEL_FILE
from aiida_redoxmlp.errors import InputError, ModelIntegrityError

OLD = {
    "schema_version": 1,
    "engine": "mace",
    "versions": {"mace-torch": "0.3.16"},
    "encoding": {"name": "species", "stand_ins": {"Mn2+": 25, "Mn3+": 118, "O2-": 8}},
    "architecture": {
        "r_max": 3.0, "num_channels": 2, "max_L": 0, "max_ell": 2, "num_interactions": 2, "correlation": 2,
        "num_radial_basis": 3, "num_cutoff_basis": 5, "radial_mlp": [4], "readout_width": 2,
    },
    "reference_energies": [-1.0, -2.0, -3.0],
    "scale": 1.0,
    "shift": 0.0,
    "avg_num_neighbors": 9.0,
    "dtype": "float64",
    "members": [{"file": "member_0.safetensors", "sha256": "0" * 64, "seed": 1}],
    "training": {},
}  # fmt: skip
"""``model.json`` as version 1 of the schema had it."""


def store(folder: Path, content: dict[str, object]) -> None:
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    (folder / MODEL_FILE).write_text(json.dumps({**content, "sha256": digest}))


def test_description_of_the_first_schema_is_read_and_written_as_the_current_one(tmp_path: Path) -> None:
    store(tmp_path, OLD)
    description = read_description(tmp_path)
    assert description.architecture.interaction_first == "RealAgnosticInteractionBlock"
    assert not description.architecture.pair_repulsion
    write_description(tmp_path, description)
    assert read_description(tmp_path).schema_version == SCHEMA_VERSION


def test_newer_schema_asks_for_an_update(tmp_path: Path) -> None:
    store(tmp_path, {**OLD, "schema_version": SCHEMA_VERSION + 1, "quantum_gravity": True})
    with pytest.raises(InputError, match=f"schema version {SCHEMA_VERSION + 1}.*update aiida-redoxmlp"):
        read_description(tmp_path)


def test_unknown_key_in_a_known_schema_is_refused(tmp_path: Path) -> None:
    store(tmp_path, {**OLD, "quantum_gravity": True})
    with pytest.raises(ModelIntegrityError, match="is not the description of a MACE committee"):
        read_description(tmp_path)
