"""Networks on the kernels of cuEquivariance, for NVIDIA GPUs: the same weights and energies, other code."""

from __future__ import annotations

import importlib.util
import io
from contextlib import redirect_stdout

from aiida_redoxmlp.engines.mace.backend import reproducible, torch
from aiida_redoxmlp.engines.mace.description import MaceDescription
from aiida_redoxmlp.engines.mace.network import build_network
from aiida_redoxmlp.errors import InputError

__all__ = ("accelerated", "require_cuequivariance", "without_acceleration")

_PACKAGE = "cuequivariance_torch"


def require_cuequivariance() -> None:
    """Check that cuEquivariance is installed.

    Raises:
        InputError: if not.
    """
    if importlib.util.find_spec(_PACKAGE) is None:
        raise InputError(
            "The settings ask for cuequivariance, but cuequivariance-torch is not installed where the job runs: "
            "install it with its kernels (`pip install cuequivariance-torch cuequivariance-ops-torch-cu12`), or set "
            "cuequivariance: false."
        )


def accelerated(network: torch.nn.Module, *, dtype: str, device: torch.device) -> torch.nn.Module:
    """Return the network on cuEquivariance's kernels, by mace-torch's conversion."""
    from mace.cli.convert_e3nn_cueq import run  # noqa: PLC0415 - it imports cuEquivariance

    return _converted(run, network, dtype, device.type)


def without_acceleration(network: torch.nn.Module, description: MaceDescription) -> torch.nn.Module:
    """Return the network of the description with the weights of one on cuEquivariance's kernels, on its device."""
    from mace.cli.convert_cueq_e3nn import run  # noqa: PLC0415 - it imports cuEquivariance

    where = next(network.parameters()).device
    plain = build_network(description).to(where)
    plain.load_state_dict(_converted(run, network, description.dtype, where.type).state_dict())
    return plain


def _converted(convert: object, network: torch.nn.Module, dtype: str, device: str) -> torch.nn.Module:
    with reproducible(dtype), redirect_stdout(io.StringIO()):
        converted: torch.nn.Module = convert(network, device=device, return_model=True)  # type: ignore[operator]
    return converted
