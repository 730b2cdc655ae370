"""Labels that no potential can learn from or be judged by, found before time is spent on them."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from pathlib import PurePath

import numpy as np
from ase.symbols import Symbols
from numpy.typing import NDArray

from aiida_redoxmlp.dataset.frame import Frame
from aiida_redoxmlp.errors import ClosureError, InputError

__all__ = ("LARGEST_ENERGY_RANGE", "check_labels", "warn_of_one_pattern")

LARGEST_ENERGY_RANGE = 20.0
"""Frames of one composition whose energies differ by more than this (eV per atom) are not from one kind of
calculation: another unit, another pseudopotential or another functional."""


def warn_of_one_pattern(patterns: Collection[str]) -> str | None:
    """Return a warning where all frames have one redox pattern, or None.

    Args:
        patterns: labels of the patterns of a dataset.
    """
    if len(patterns) != 1:
        return None
    return (
        f"All frames have the pattern {next(iter(patterns))}: nothing tells the potential which pattern is lowest; "
        "label others of the same geometry as well."
    )


def check_labels(frames: Sequence[Frame], name: str | PurePath = "the dataset") -> None:
    """Refuse frames whose labels are missing, mixed or contradict each other.

    Args:
        frames: the frames.
        name: what they are called in the error.

    Raises:
        InputError: if forces are missing or no numbers in some frames, an energy or a stress is no number, or
            energies of one composition are too far apart to be in one unit.
        ClosureError: if the states of a frame that is not ambiguous do not add up to its total charge.
    """
    bad = [frame for frame in frames if frame.forces.shape != (len(frame.configuration), 3) or _unfit(frame.forces)]
    _refuse(bad, frames, name, "without usable forces", "leave them out or label them")
    bad = [frame for frame in frames if not math.isfinite(frame.energy)]
    _refuse(bad, frames, name, "whose energy is no number", "leave them out")
    bad = [frame for frame in frames if frame.stress is not None and _unfit(frame.stress)]
    _refuse(bad, frames, name, "whose stress is no number", "give None where there is none")
    open_frames = [
        frame for frame in frames if not frame.ambiguous and frame.configuration.total_charge != frame.total_charge
    ]
    if open_frames:
        first = open_frames[0]
        raise ClosureError(
            f"{name} has {len(open_frames)} of {len(frames)} frames that do not close, such as {_where(first)} whose "
            f"states add up to {first.configuration.total_charge:+d} in a cell of charge {first.total_charge:+d}; "
            "read their states again or mark them as ambiguous."
        )
    _check_units(frames, name)


def _unfit(values: NDArray[np.float64]) -> bool:
    return not bool(np.isfinite(values).all())


def _where(frame: Frame) -> str:
    return f"step {frame.step} of {frame.group or 'a trajectory without name'}"


def _refuse(bad: Sequence[Frame], frames: Sequence[Frame], name: str | PurePath, what: str, remedy: str) -> None:
    if bad:
        raise InputError(f"{name} has {len(bad)} of {len(frames)} frames {what}, such as {_where(bad[0])}; {remedy}.")


def _check_units(frames: Iterable[Frame], name: str | PurePath) -> None:
    extremes: dict[bytes, tuple[Frame, Frame]] = {}
    for frame in frames:
        kind = np.sort(frame.configuration.numbers).astype("<i8").tobytes()
        low, high = extremes.get(kind, (frame, frame))
        extremes[kind] = (min(low, frame, key=_energy), max(high, frame, key=_energy))
    for low, high in extremes.values():
        if _energy(high) - _energy(low) > LARGEST_ENERGY_RANGE:
            formula = Symbols(low.configuration.numbers).get_chemical_formula(mode="hill")
            raise InputError(
                f"{name} has energies of {formula} from {_energy(low):.1f} eV/atom ({_where(low)}) to "
                f"{_energy(high):.1f} eV/atom ({_where(high)}), which is no one unit or no one method; "
                "give energies in eV and forces in eV/Å, all with the same pseudopotentials."
            )


def _energy(frame: Frame) -> float:
    return frame.energy / len(frame.configuration)
