"""The keys that every configuration file has: the material and how it is computed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, field_validator

from aiida_redoxmlp.cli.crystal import repetitions
from aiida_redoxmlp.cli.resources_config import Section
from aiida_redoxmlp.hubbard.neighbours import IntersiteRule, split_manifold
from aiida_redoxmlp.redox.chemistry import RedoxChemistry
from aiida_redoxmlp.redox.magnetic_order import MagneticOrder
from aiida_redoxmlp.workchains.protocols import ProtocolName

__all__ = ("HubbardConfig", "MaterialConfig")


class HubbardConfig(Section):
    """Hubbard corrections."""

    projectors: Literal["atomic", "ortho-atomic"] = Field("ortho-atomic", description="Hubbard projectors of pw.x.")
    u: dict[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]] = Field(
        description="U in eV by manifold, such as `Mn-3d: 4.5`.", min_length=1
    )
    v: list[IntersiteRule] = Field(default_factory=list, description="Pairs of manifolds that get a V.")

    @field_validator("u")
    @classmethod
    def _u_of_manifolds(cls, values: dict[str, float]) -> dict[str, float]:
        for name in values:
            split_manifold(name)
        return values

    @field_validator("v")
    @classmethod
    def _v_between_manifolds(cls, rules: list[IntersiteRule]) -> list[IntersiteRule]:
        for rule in rules:
            for name in rule.between:
                split_manifold(name)
        return rules

    def manifolds(self) -> list[tuple[str, str]]:
        """Return every manifold that is named, with the key that names it."""
        return [
            *((f"hubbard.u.{name}", name) for name in self.u),
            *((f"hubbard.v.{number}.between", name) for number, rule in enumerate(self.v) for name in rule.between),
        ]


class MaterialConfig(Section):
    """A material, its charges, and the settings of its DFT calculations."""

    material: str = Field(description="Name for reports.")
    structure: Path = Field(description="Structure file that ASE reads (CIF, …), relative to the configuration file.")
    supercell: str = Field("1x1x1", description="Repeats the structure along its cell vectors, such as `2x2x1`.")
    redox: RedoxChemistry
    magnetic_order: MagneticOrder | list[int] = Field(
        "antiferromagnetic",
        description="Order of the moments on the redox sites, or a sign for each; `charge_ordered` points the sites of "
        "the lowest state up and the others down.",
    )
    hubbard: HubbardConfig
    pseudo_family: str = Field(description="Label of an installed aiida-pseudo family.")
    protocol: ProtocolName = Field(
        "balanced", description="Set of settings that go together; `demo` is for demonstrations only."
    )
    overrides: dict[str, Any] = Field(
        default_factory=dict, description="Settings laid over the protocol's, with the protocol files' keys."
    )

    @field_validator("magnetic_order", mode="before")
    @classmethod
    def _order_or_signs(cls, given: object) -> object:
        orders = get_args(MagneticOrder)
        if given in orders or (isinstance(given, list | tuple) and all(isinstance(sign, int) for sign in given)):
            return given
        raise ValueError(f"{given!r} is no order; give {', '.join(orders)} or a sign for each redox site")

    @field_validator("supercell", mode="before")
    @classmethod
    def _three_numbers(cls, given: object) -> str:
        return "x".join(map(str, repetitions(given, "the supercell")))

    def relative_to(self, folder: Path) -> MaterialConfig:
        """Return the configuration with its structure beside it."""
        return self.model_copy(update={"structure": folder / self.structure})
