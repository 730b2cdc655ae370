"""Joining saved MACE committees into one, without torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aiida_redoxmlp.engines.mace.description import (
    MaceDescription,
    MemberFile,
    read_description,
    read_weights,
    write_description,
)
from aiida_redoxmlp.errors import InputError

__all__ = ("join",)

_TOLERANCE = 1e-6
"""Relative, and absolute in eV: what jobs on different machines may differ by in numbers fitted to the same data."""

_OWN_SETTINGS = ("seeds", "device", "frames_at_once")
"""Settings that a member's job may have for itself: they do not change what is learned."""


def join(folders: Sequence[Path], target: Path) -> None:
    """Write one committee with the members of all, in order.

    It is called by :func:`aiida_redoxmlp.engines.joining.join_committees`.

    Raises:
        InputError: if the committees differ in more than their members, or share a seed.
        ModelIntegrityError: if the files are not what was saved.
    """
    descriptions = [read_description(folder) for folder in folders]
    first = descriptions[0]
    for folder, other in zip(folders[1:], descriptions[1:], strict=True):
        if (where := _difference(_shared(first), _shared(other))) is not None:
            raise InputError(
                f"The committees in {folders[0]} and {folder} differ in {where}; join members that were trained on the "
                "same frames with the same settings."
            )
    seeds = [member.seed for description in descriptions for member in description.members]
    if len(set(seeds)) != len(seeds):
        raise InputError(f"The members' seeds {seeds} repeat; join members of different seeds.")
    members: list[MemberFile] = []
    for folder, description in zip(folders, descriptions, strict=True):
        for member in description.members:
            name = f"member_{len(members)}.safetensors"
            (target / name).write_bytes(read_weights(folder, member))
            members.append(member.model_copy(update={"file": name}))
    training = _joined_training(descriptions, seeds)
    write_description(target, first.model_copy(update={"members": tuple(members), "training": training}))


def _is_of_members(description: MaceDescription, value: Any) -> bool:
    """Whether a value of the training's summary has one entry a member, such as the best epochs."""
    return isinstance(value, list) and len(value) == len(description.members)


def _shared(description: MaceDescription) -> dict[str, Any]:
    """Return what all members of one committee have in common."""
    content = description.model_dump(mode="json", exclude={"members"})
    training = {key: value for key, value in description.training.items() if not _is_of_members(description, value)}
    settings = {key: value for key, value in training.get("settings", {}).items() if key not in _OWN_SETTINGS}
    return {**content, "training": {**training, "settings": settings}}


def _difference(one: Any, other: Any, path: str = "") -> str | None:
    """Return where two trees of plain values differ first, by more than the tolerance, or None."""
    if isinstance(one, dict) and isinstance(other, dict):
        pairs = [(one.get(key), other.get(key), f"{path}.{key}".lstrip(".")) for key in sorted({*one, *other})]
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = [(left, right, f"{path}[{index}]") for index, (left, right) in enumerate(zip(one, other, strict=True))]
    elif isinstance(one, float) and isinstance(other, float):
        return None if math.isclose(one, other, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE) else path
    else:
        return None if one == other else path
    found = (_difference(left, right, where) for left, right, where in pairs)
    return next((where for where in found if where is not None), None)


def _joined_training(descriptions: Sequence[MaceDescription], seeds: list[int]) -> dict[str, Any]:
    first = descriptions[0]
    joined = dict(first.training)
    for key, value in first.training.items():
        if _is_of_members(first, value):
            joined[key] = [entry for description in descriptions for entry in description.training[key]]
    if "settings" in joined:
        joined["settings"] = {**joined["settings"], "seeds": seeds}
    return joined
