"""Structures with U and V in an order that hp.x refuses, and what a ground state says of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiida import orm
from aiida_quantumespresso.data.hubbard_structure import HubbardStructureData
from ase.io import read

from aiida_redoxmlp.calculations.hubbard import with_interactions
from aiida_redoxmlp.data.oxidation_states import OxidationStatesData
from aiida_redoxmlp.hubbard.interactions import Interaction
from aiida_redoxmlp.hubbard.neighbours import IntersiteRule, neighbour_interactions

_EXAMPLES = Path(__file__).parents[2] / "examples" / "structures"


@pytest.fixture
def licoo2(aiida_profile: Any) -> HubbardStructureData:
    """Li, O, Co, O with U on Co and V to its six O."""
    atoms = read(_EXAMPLES / "LiCoO2.cif")
    return with_interactions(
        orm.StructureData(ase=atoms),
        [
            Interaction(2, "3d", 2, "3d", (0, 0, 0), 5.0),
            *neighbour_interactions(atoms, [IntersiteRule(between=("Co-3d", "O-2p"), nearest=True, value=0.5)]),
        ],
    )


@pytest.fixture
def limnpo4(demo_atoms: Any, aiida_profile: Any) -> HubbardStructureData:
    """β-Li0.5MnPO4, Li first and one kind a Mn, with U on Mn and V to the O around them."""
    atoms = demo_atoms[[12, *range(12)]]
    kinds = ["Li", "Mn1", "Mn2", *atoms.get_chemical_symbols()[3:]]
    return with_interactions(
        orm.StructureData(ase=atoms),
        [
            *(Interaction(site, "3d", site, "3d", (0, 0, 0), 4.5) for site in (1, 2)),
            *neighbour_interactions(atoms, [IntersiteRule(between=("Mn-3d", "O-2p"), nearest=True, value=0.5)]),
        ],
        kinds=kinds,
    )


@pytest.fixture
def make_states(aiida_profile: Any) -> Callable[..., OxidationStatesData]:
    """Factory of the oxidation states of one ground state."""

    def make(sites: Sequence[int], states: Sequence[int], signs: Sequence[int]) -> OxidationStatesData:
        node = OxidationStatesData()
        for name, values in {
            "states": states,
            "naive_states": states,
            "moment_signs": signs,
            "confidences": [0.99] * len(sites),
        }.items():
            node.set_array(name, np.array([values]))
        for name, value in {"step_indices": 0, "margins": 12.0, "closed": True, "ambiguous": False}.items():
            node.set_array(name, np.array([value]))
        node.base.attributes.set("sites", list(sites))
        return node

    return make
