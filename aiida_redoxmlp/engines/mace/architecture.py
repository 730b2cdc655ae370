"""Typed architecture settings of a MACE potential."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from aiida_redoxmlp.errors import InputError

__all__ = ("MaceArchitecture",)


class MaceArchitecture(BaseModel):
    """Size and shape of a MACE network; the defaults suit some tens to hundreds of frames.

    The names follow Batatia et al., "MACE: higher order equivariant message passing neural networks",
    NeurIPS 2022 (arXiv 2206.07697).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    r_max: float = Field(4.5, gt=0, description="Cutoff radius in Å.")
    num_channels: int = Field(16, ge=1, description="Channels of every irreducible representation.")
    max_L: int = Field(1, ge=0, le=3, description="Largest angular momentum of the messages' features.")  # noqa: N815 - MACE's name
    max_ell: int = Field(2, ge=1, le=4, description="Largest angular momentum of the edges' spherical harmonics.")
    num_interactions: int = Field(2, ge=1, le=4, description="Message-passing layers.")
    correlation: int = Field(2, ge=1, le=4, description="Body order of the products in a layer, less one.")
    num_radial_basis: int = Field(8, ge=2, description="Bessel functions of the radial basis.")
    num_cutoff_basis: int = Field(5, ge=2, description="Power of the polynomial that closes the cutoff.")
    radial_mlp: tuple[int, ...] = Field((32, 32), min_length=1, description="Widths of the radial network's layers.")
    readout_width: int = Field(16, ge=1, description="Width of the last layer's non-linear readout.")

    @classmethod
    def read(cls, settings: Mapping[str, Any]) -> MaceArchitecture:
        """Read the settings' ``architecture``.

        Raises:
            InputError: for a key MACE does not have or a value that is not allowed.
        """
        try:
            return cls.model_validate(dict(settings))
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(str(part) for part in first["loc"])
            known = ", ".join(cls.model_fields)
            raise InputError(
                f"The architecture setting {key!r} of MACE cannot be used ({first['msg']}); known settings: {known}."
            ) from error
