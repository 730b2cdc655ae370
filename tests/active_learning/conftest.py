from __future__ import annotations

import pytest

from aiida_redoxmlp.redox.chemistry import RedoxChemistry
from tests.active_learning.bond_committee import BondCommittee


@pytest.fixture
def chemistry() -> RedoxChemistry:
    return RedoxChemistry(total_charge=1, allowed_states={"Mn": (2, 3)})


@pytest.fixture
def right() -> BondCommittee:
    """Members that agree on the electrons and nearly on the forces."""
    return BondCommittee((2.2, 2.0), (2.21, 2.0), (2.2, 1.99))
