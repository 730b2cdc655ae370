"""The TorchScript file that LAMMPS's ``pair_style mace`` reads."""

from __future__ import annotations

import io
import warnings
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from aiida_redoxmlp.engines.encoding import Encoding
from aiida_redoxmlp.engines.mace.backend import torch
from aiida_redoxmlp.errors import InputError

with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
    warnings.simplefilter("ignore")
    from e3nn.util import jit
    from mace.calculators.lammps_mace import LAMMPS_MACE

__all__ = ("write_lammps_file",)


@jit.compile_mode("script")
class _EvenUnderSpinReversal(torch.nn.Module):
    """What LAMMPS calls where spins are numbers: the mean over the spins as given and all of them reversed.

    Attributes:
        model: the network; ``pair_style mace`` looks for its floating-point type under this name.
        reversed_types: for each of the model's numbers the index of that with the spin reversed.
    """

    def __init__(self, lammps: Any, reversed_types: list[int]) -> None:
        super().__init__()
        self.model = lammps.model
        for name in ("atomic_numbers", "r_max", "num_interactions", "head"):
            self.register_buffer(name, getattr(lammps, name))
        self.register_buffer("reversed_types", torch.tensor(reversed_types))

    def forward(
        self,
        data: dict[str, torch.Tensor],
        local_or_ghost: torch.Tensor,
        compute_virials: bool = False,
    ) -> dict[str, torch.Tensor | None]:
        """Return energy, forces and virials as ``pair_style mace`` expects them."""
        twice = self.with_spins_reversed(data)
        positions = twice["positions"]
        n = data["positions"].size(0)
        output = self.model(
            twice,
            training=False,
            compute_force=False,
            compute_virials=False,
            compute_stress=False,
            compute_displacement=compute_virials,
        )
        both = output["node_energy"]
        assert both is not None  # noqa: S101 - TorchScript's way to narrow a type
        node_energy = 0.5 * (both[:n] + both[n:])
        energy = (node_energy * local_or_ghost).sum().unsqueeze(0)
        inputs = [positions]
        displacement = output["displacement"]
        if compute_virials and displacement is not None:
            inputs.append(displacement)
        starts: list[torch.Tensor | None] = [torch.ones_like(energy)]
        gradients = torch.autograd.grad([energy], inputs, grad_outputs=starts, allow_unused=True)
        forces = torch.zeros_like(data["positions"])
        slopes = gradients[0]
        if slopes is not None:
            forces = -(slopes[:n] + slopes[n:])
        virials: torch.Tensor | None = torch.zeros_like(data["cell"]).unsqueeze(0)
        if len(gradients) > 1:
            strains = gradients[1]
            if strains is not None:
                virials = -strains.sum(dim=0, keepdim=True)
        return {"total_energy_local": energy, "node_energy": node_energy, "forces": forces, "virials": virials}

    def with_spins_reversed(self, data: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Return the graph and, as a second one after it, itself with all spins reversed."""
        n = data["positions"].size(0)
        attributes, head = data["node_attrs"], self.head
        return {
            "positions": torch.cat([data["positions"], data["positions"]]),
            "node_attrs": torch.cat([attributes, attributes.index_select(1, self.reversed_types)]),  # type: ignore[arg-type]
            "edge_index": torch.cat([data["edge_index"], data["edge_index"] + n], dim=1),
            "shifts": torch.cat([data["shifts"], data["shifts"]]),
            "unit_shifts": torch.cat([data["unit_shifts"], data["unit_shifts"]]),
            "cell": torch.cat([data["cell"], data["cell"]]),
            "batch": torch.cat([data["batch"], data["batch"] + 1]),
            "ptr": torch.cat([data["ptr"], data["ptr"][1:] + n]),
            "head": torch.cat([head, head]),  # type: ignore[list-item]
        }


def write_lammps_file(network: Any, encoding: Encoding, path: Path) -> None:
    """Compile a network for LAMMPS; the numbers of the species are those that ``pair_coeff`` can name.

    Nuclear charges and covalent radii inside stay those of the real elements.

    Args:
        network: what :func:`aiida_redoxmlp.engines.mace.deployable.deployable_network` returns.
        encoding: the encoding behind its numbers.
        path: the file to write.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript's remarks on types it drops
        module: Any = LAMMPS_MACE(network)  # type: ignore[no-untyped-call]
        module.atomic_numbers = torch.tensor(encoding.model_numbers)
        if encoding.resolves_spins:
            module = _EvenUnderSpinReversal(module, _reversed_types(encoding))
        jit.compile(module.eval()).save(str(path))


def _reversed_types(encoding: Encoding) -> list[int]:
    kinds = list(encoding.model_kinds)
    missing = [species.label for species, spin in kinds if (species, -spin) not in kinds]
    if missing:
        raise InputError(f"The potential knows only one direction of the spin of {missing[0]}; train it again.")
    return [kinds.index((species, -spin)) for species, spin in kinds]
