"""Checkpoints of one committee member: safetensors with JSON in the header, nothing that runs code when read."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch

from aiida_redoxmlp.engines.mace.backend import torch
from aiida_redoxmlp.errors import InputError, ModelIntegrityError

__all__ = ("Progress", "read_checkpoint", "write_checkpoint")

_STATE_KEY = "state"


@dataclass
class Progress:
    """Where a member's training stands, apart from its tensors.

    Attributes:
        epoch: number of epochs done.
        best_epoch: epoch with the lowest validation loss, from 1; 0 before the first.
        best_loss: that loss.
        history: the entries of all epochs so far.
        finished: whether training ended by itself.
        frames_at_once: frames that fit in memory together, as far as is known.
    """

    epoch: int = 0
    best_epoch: int = 0
    best_loss: float = float("inf")
    history: list[dict[str, Any]] = field(default_factory=list)
    finished: bool = False
    frames_at_once: int = 1


def write_checkpoint(path: Path, fingerprint: str, progress: Progress, tensors: dict[str, torch.Tensor]) -> None:
    """Replace the checkpoint at ``path`` in one step, so a job killed while writing leaves the last one whole."""
    state = {"fingerprint": fingerprint, **vars(progress)}
    copies = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    safetensors.torch.save_file(copies, partial, metadata={_STATE_KEY: json.dumps(state)})
    partial.replace(path)


def read_checkpoint(path: Path, fingerprint: str) -> tuple[Progress, dict[str, torch.Tensor]] | None:
    """Read the checkpoint at ``path``, or return None where there is none.

    Raises:
        InputError: if it belongs to a training with other settings or other data.
        ModelIntegrityError: if it cannot be read.
    """
    if not path.is_file():
        return None
    try:
        with safetensors.safe_open(path, framework="pt") as handle:
            state = json.loads(handle.metadata()[_STATE_KEY])
            tensors = {name: handle.get_tensor(name) for name in handle.keys()}  # noqa: SIM118 - not a mapping
    except (safetensors.SafetensorError, KeyError, ValueError, TypeError) as error:
        raise ModelIntegrityError(
            f"The checkpoint {path} cannot be read; delete it to train this member from the start."
        ) from error
    if state.pop("fingerprint") != fingerprint:
        raise InputError(
            f"The checkpoint {path} belongs to a training with other settings or data; "
            "give an empty checkpoint folder or the settings it was started with."
        )
    return Progress(**state), tensors
