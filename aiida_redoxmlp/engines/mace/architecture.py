"""Typed architecture settings of a MACE potential."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from aiida_redoxmlp.errors import InputError

__all__ = ("MaceArchitecture",)

_Interaction = Literal[
    "RealAgnosticInteractionBlock",
    "RealAgnosticResidualInteractionBlock",
    "RealAgnosticDensityInteractionBlock",
    "RealAgnosticDensityResidualInteractionBlock",
    "RealAgnosticResidualNonLinearInteractionBlock",
]


class MaceArchitecture(BaseModel):
    """Size and shape of a MACE network; the defaults suit some tens to hundreds of frames.

    The names of the fields are those of mace-torch; the last ones are there to rebuild foundation models. See
    Batatia et al., "MACE: higher order equivariant message passing neural networks",
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
    embedding_width: int = Field(
        16, ge=1, description="Width of the oxidation states' embedding, where the encoding has one."
    )
    interaction_first: _Interaction = Field("RealAgnosticInteractionBlock", description="First layer's block.")
    interaction: _Interaction = Field("RealAgnosticResidualInteractionBlock", description="Further layers' block.")
    readout: Literal["NonLinearReadoutBlock", "NonLinearBiasReadoutBlock"] = Field(
        "NonLinearReadoutBlock", description="The last layer's readout."
    )
    gate: Literal["silu", "tanh", "abs"] = Field("silu", description="Non-linearity of that readout.")
    radial_type: Literal["bessel", "gaussian", "chebyshev"] = Field("bessel", description="Radial basis functions.")
    distance_transform: Literal["None", "Agnesi", "Soft"] = Field(
        "None", description="Scaling of distances by covalent radii before the radial basis."
    )
    pair_repulsion: bool = Field(False, description="Add the ZBL repulsion of the nuclei.")
    apply_cutoff: bool = Field(True, description="Close the radial basis at the cutoff rather than the messages.")
    use_reduced_cg: bool = Field(True, description="Reduced set of coupling coefficients in the products.")
    use_so3: bool = Field(False, description="Edges' spherical harmonics without parity.")
    use_agnostic_product: bool = Field(False, description="Products that do not depend on the element.")
    use_last_readout_only: bool = Field(False, description="Energies from the last layer only.")
    use_edge_irreps_first: bool = Field(False, description="Apply edge_irreps in the first layer as well.")
    edge_irreps: str | None = Field(None, description="Irreducible representations of the edges, as e3nn writes them.")

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
