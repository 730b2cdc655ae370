"""What of a network may change in a fine-tuning: frozen layers and adapters of low rank."""

from __future__ import annotations

import copy
import re

from aiida_redoxmlp.engines.encoding import Encoding
from aiida_redoxmlp.engines.fine_tuning import FineTuning, LayerGroup
from aiida_redoxmlp.engines.mace.backend import (
    LoRADenseLinear,
    LoRAFCLayer,
    LoRAO3Linear,
    fully_connected_layer,
    merge_lora_weights,
    o3,
    reproducible,
    torch,
)
from aiida_redoxmlp.engines.mace.transfer import species_modules
from aiida_redoxmlp.errors import InputError

__all__ = (
    "count_trainable",
    "layer_group",
    "merge_adapters",
    "part_directions",
    "require_species_can_part",
    "restrict",
    "second_head",
)

_DIRECTION_STEP = 0.5
_NEW = re.compile(r"joint_embedding\..*")
_GROUPS: tuple[tuple[LayerGroup, re.Pattern[str]], ...] = (
    ("radial", re.compile(r"interactions\.\d+\.(conv_tp_weights|density_fn)\..*|radial_embedding\..*")),
    ("interactions", re.compile(r"interactions\..*|pair_repulsion_fn\..*")),
    ("products", re.compile(r"products\..*")),
    ("readouts", re.compile(r"readouts\..*")),
)


def layer_group(network: torch.nn.Module, weight: str) -> LayerGroup | None:
    """Return the group of layers a weight belongs to; embeddings of oxidation states belong to none."""
    if any(weight.startswith(f"{name}.") for name in species_modules(network)):
        return "species"
    return next((group for group, pattern in _GROUPS if pattern.fullmatch(weight)), None)


def restrict(network: torch.nn.Module, fine_tuning: FineTuning, *, dtype: str, seed: int) -> None:
    """Let only those weights change that the mode allows; the network's energies stay what they are.

    With ``low_rank`` every linear layer gets an adapter of mace-torch: W + (alpha/rank) A B, with B zero at first
    and A drawn from ``seed`` (Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", arXiv 2106.09685).
    """
    groups = {name: layer_group(network, name) for name, _ in network.named_parameters()}
    if fine_tuning.mode == "frozen":
        for name, weight in network.named_parameters():
            weight.requires_grad_(groups[name] not in fine_tuning.frozen_layers)
    if fine_tuning.mode == "low_rank":
        whole = species_modules(network) if fine_tuning.train_species else ()
        for name, weight in network.named_parameters():
            weight.requires_grad_(bool(_NEW.fullmatch(name)) or any(name.startswith(f"{one}.") for one in whole))
        with reproducible(dtype, seed):
            _adapt(network, fine_tuning, whole)


def _adapt(network: torch.nn.Module, fine_tuning: FineTuning, whole: tuple[str, ...]) -> None:
    """Put adapters around the linear layers that are not trained whole."""
    for name, module in list(network.named_modules()):
        if name in whole or _NEW.fullmatch(name):
            continue
        for kind, adapter in (
            (o3.Linear, LoRAO3Linear),
            (torch.nn.Linear, LoRADenseLinear),
            (fully_connected_layer, LoRAFCLayer),
        ):
            if isinstance(module, kind):
                parent, _, child = name.rpartition(".")
                wrapped = adapter(module, rank=fine_tuning.rank, alpha=fine_tuning.alpha)
                setattr(network.get_submodule(parent), child, wrapped)


def part_directions(network: torch.nn.Module, encoding: Encoding, *, seed: int) -> None:
    """Tell up from down, by steps drawn from ``seed``, where they start from the same weights.

    The energy is even in the spins, so equal weights of up and down are a saddle point of every loss: the gradient
    never parts them, and from nearby it takes thousands of steps. The rows that are trained therefore get opposite
    steps of half the size of the weights. This changes the energies to second order only.
    """
    kinds = encoding.model_kinds
    pairs = [(kinds.index((one, spin)), kinds.index((one, -spin))) for one, spin in kinds if spin > 0]
    weights = dict(network.named_parameters())
    tables = [
        weight.detach().view(len(kinds), -1)
        for name in species_modules(network)
        for key, weight in weights.items()
        if key.startswith(f"{name}.") and weight.requires_grad and weight.numel() and "skip_tp" not in name
    ]
    random = torch.Generator().manual_seed(seed)
    for table in tables:
        size = _DIRECTION_STEP * float(table.square().mean().sqrt())
        for up, down in pairs:
            if torch.equal(table[up], table[down]):
                step = size * torch.randn(table.shape[1], generator=random, dtype=table.dtype)
                table[up] += step
                table[down] -= step


def second_head(network: torch.nn.Module) -> torch.nn.Module:
    """Return a network that shares all weights with ``network`` but the readouts, of which it has a copy.

    This is how mace-torch's networks with several heads are made, where a foundation model is kept in mind by replaying
    its frames (Batatia et al., arXiv 2401.00096).
    """
    twin = copy.copy(network)
    twin._modules = dict(twin.named_children())  # noqa: SLF001 - a table of layers of its own, with the same layers
    twin.readouts = copy.deepcopy(network.readouts)
    return twin


def merge_adapters(network: torch.nn.Module) -> torch.nn.Module:
    """Add the adapters' products to the weights they adapt, so that the network is an ordinary one again."""
    merged: torch.nn.Module = merge_lora_weights(network)
    return merged


def count_trainable(network: torch.nn.Module) -> int:
    """Count the weights that training changes."""
    return sum(weight.numel() for weight in network.parameters() if weight.requires_grad)


def require_species_can_part(encoding: Encoding, parents: list[int], fine_tuning: FineTuning) -> None:
    """Refuse frozen layers that would leave two species of one parent the same for ever.

    Raises:
        InputError: if there are such species.
    """
    if fine_tuning.mode != "frozen" or "species" not in fine_tuning.frozen_layers:
        return
    first: dict[int, str] = {}
    for (species, spin), parent in zip(encoding.model_kinds, parents, strict=True):
        name = species.label + (f" with spin {spin:+d}" if encoding.resolves_spins else "")
        other = first.setdefault(parent, name)
        if other != name:
            raise InputError(
                f"{other} and {name} start from the same weights, and with 'species' among the frozen layers "
                "nothing could tell them apart; take it out of frozen_layers."
            )
