"""Labels that no potential can learn from or be judged by, found before time is spent on them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import PurePath

import numpy as np
from ase.symbols import Symbols
from numpy.typing import NDArray

from aiida_redoxmlp.dataset.frame import Frame
from aiida_redoxmlp.errors import ClosureError, InputError

__all__ = ("LARGEST_ENERGY_RANGE", "check_labels", "warn_of_labels")

LARGEST_ENERGY_RANGE = 20.0
"""Frames of one composition whose energies differ by more than this (eV per atom) are not from one kind of
calculation: another unit, another pseudopotential or another functional."""


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


def warn_of_labels(frames: Sequence[Frame]) -> list[str]:
    """Say in sentences what a potential cannot learn from these frames."""
    patterns: dict[bytes, set[str]] = {}
    for frame in frames:
        patterns.setdefault(_composition(frame), set()).add(frame.pattern.label)
    if not patterns or any(len(labels) > 1 for labels in patterns.values()):
        return []
    found = sorted({label for labels in patterns.values() for label in labels})
    which = f"one redox pattern, {found[0]}" if len(found) == 1 else "one redox pattern for each composition"
    return [
        f"The {len(frames)} frames have {which}, so which pattern is lowest cannot be learned from them; label others."
    ]


def _composition(frame: Frame) -> bytes:
    return bytes(np.sort(frame.configuration.numbers).astype("<i8").tobytes())


_UNIT_RATIOS = {"Ry": 13.605693, "Hartree": 27.211386, "kcal/mol": 23.060548, "kJ/mol": 96.485332}
"""Ratios of energies in one unit and in another, with eV (CODATA 2018)."""
_UNIT_TOLERANCE = 0.05


def _mixed_unit(low: float, high: float) -> str | None:
    """Return the unit that would make two energies of one composition the same energy, or None.

    Energies of one composition and one method differ by far less than by these factors.
    """
    if low * high <= 0:
        return None
    ratio = max(low / high, high / low)
    return next((unit for unit, wanted in _UNIT_RATIOS.items() if abs(ratio / wanted - 1) < _UNIT_TOLERANCE), None)


def _check_units(frames: Iterable[Frame], name: str | PurePath) -> None:
    extremes: dict[bytes, tuple[Frame, Frame]] = {}
    for frame in frames:
        kind = _composition(frame)
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
        unit = _mixed_unit(_energy(low), _energy(high))
        if unit is not None:
            raise InputError(
                f"{name} has energies of {_energy(low):.3f} eV/atom ({_where(low)}) and {_energy(high):.3f} eV/atom "
                f"({_where(high)}) for one composition, as if some were in eV and some in {unit}; give all in eV."
            )


def _energy(frame: Frame) -> float:
    return frame.energy / len(frame.configuration)
