"""The YAML file of self-consistent Hubbard parameters."""

from __future__ import annotations

from pydantic import Field

from aiida_redoxmlp.cli.material_config import MaterialConfig
from aiida_redoxmlp.cli.resources_config import Resources, Section

__all__ = ("HubbardCodes", "HubbardResources", "HubbardRunConfig")


class HubbardCodes(Section):
    """Labels of AiiDA codes."""

    pw: str = Field("pw@localhost", description="pw.x.")
    hp: str = Field("hp@localhost", description="hp.x, on the computer of pw.x.")


class HubbardResources(Section):
    """Resources by job kind."""

    dft: Resources = Field(Resources(), description="Of pw.x jobs.")
    hp: Resources = Field(Resources(), description="Of hp.x jobs.")


class HubbardRunConfig(MaterialConfig):
    """Everything a self-consistent calculation of U and V needs to know; `hubbard` has the starting values."""

    pattern: list[int] | None = Field(
        None,
        description="Oxidation states of the redox sites in the order of the atoms; needed where several patterns, "
        "not equivalent by symmetry, close the charge.",
    )
    codes: HubbardCodes = HubbardCodes()
    resources: HubbardResources = HubbardResources()
