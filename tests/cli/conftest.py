"""What the commands of all tests find in the profile."""

from __future__ import annotations

import io
import json

import pytest
from aiida.plugins import DataFactory
from aiida_pseudo.groups.family import PseudoPotentialFamily

from aiida_redoxmlp.engines.encoding import Encoding
from aiida_redoxmlp.redox.species import Species

ORBITALS = {"Co": ("3D", "4S"), "Ni": ("3D", "4S"), "Mn": ("3D", "4S"), "O": ("2S", "2P"), "Li": ("2S",), "P": ("3S",)}


@pytest.fixture
def pseudo_family(aiida_profile_clean):
    """The family of the examples, with pseudopotentials that have an element and its orbitals and nothing else."""
    family = PseudoPotentialFamily(label="redoxmlp-demo/PBEsol").store()
    for element, labels in ORBITALS.items():
        orbitals = "".join(f'<PP_CHI.{n} label="{label}">' for n, label in enumerate(labels, 1))
        content = f'<UPF version="2.0.1"><PP_HEADER element="{element}" z_valence="9.0"/>{orbitals}</UPF>'
        upf = DataFactory("pseudo.upf")(io.BytesIO(content.encode()), filename=f"{element}.upf")
        family.add_nodes([upf.store()])
    return family


@pytest.fixture
def model_that_knows(tmp_path):
    """Factory of a model's folder without weights, which says which species it was trained on."""

    def make(*species):
        encoding = Encoding.for_species("species", map(Species.parse, species)).to_dict()
        folder = tmp_path / f"knows {' '.join(species)}"
        folder.mkdir()
        (folder / "model.json").write_text(json.dumps({"engine": "mace", "encoding": encoding, "members": [1, 2]}))
        return folder

    return make
