from __future__ import annotations

import io

import pytest
from aiida.plugins import DataFactory


@pytest.fixture
def pseudos(aiida_profile):
    upf = DataFactory("pseudo.upf")
    content = '<UPF version="2.0.1"><PP_HEADER element="{0}" z_valence="7.0"/></UPF>'
    return {one: upf(io.BytesIO(content.format(one).encode()), filename=f"{one}.upf") for one in ("Mn", "P", "O", "Li")}
