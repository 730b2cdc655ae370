"""What runs of real engines share."""

from __future__ import annotations

import pytest
from aiida import orm
from aiida.plugins import DataFactory
from aiida_pseudo.groups.family import PseudoPotentialFamily


@pytest.fixture
def family(aiida_profile, pseudopotential_folder):
    label = "engine-test"
    found = orm.QueryBuilder().append(PseudoPotentialFamily, filters={"label": label}).first(flat=True)
    if found is None:
        found = PseudoPotentialFamily(label=label).store()
        upf = DataFactory("pseudo.upf")
        for path in sorted(pseudopotential_folder.glob("*.UPF")):
            with path.open("rb") as stream:
                found.add_nodes([upf(stream, filename=path.name).store()])
    return label
