"""Hull and voltages of a material, by the potential and by DFT."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.search.voltage_curve import GroundStateEnergy, Source, VoltageCurve

__all__ = ("VoltageProfiles", "voltage_profiles")

_SAME_CONTENT = 1e-4
"""Contents closer than this are the same."""

_HIGHEST_VOLTAGE = 10.0
"""Voltages in V beyond this are of energies that do not belong together."""

_NAMES: Mapping[Source, str] = {"potential": "the potential", "dft": "DFT"}
"""Sources by name, in the order of the curves."""


@dataclass(frozen=True, eq=False)
class VoltageProfiles:
    """The curves of all sources that have both end members.

    Attributes:
        curves: the potential's before DFT's.
        ground_states: what they were made from, in ascending content.
        lithium_energy: energy of lithium metal in eV an atom.
        end_members: lowest and highest lithium content.
        warnings: sentences on what is missing or cannot be.
    """

    curves: tuple[VoltageCurve, ...]
    ground_states: tuple[GroundStateEnergy, ...]
    lithium_energy: float
    end_members: tuple[float, float]
    warnings: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return everything as numbers and strings; ``ground_states`` are rows that can be read again."""
        return {
            "lithium_energy_ev": self.lithium_energy,
            "end_members": list(self.end_members),
            "ground_states": [
                {"x": one.content, "energies_ev": list(one.energies), "source": one.source, "name": one.name}
                for one in self.ground_states
            ],
            "curves": [curve.as_dict() for curve in self.curves],
            "warnings": list(self.warnings),
        }


def voltage_profiles(
    ground_states: Sequence[GroundStateEnergy],
    lithium_energy: float,
    end_members: tuple[float, float] = (0.0, 1.0),
) -> VoltageProfiles:
    """Return the convex hull and the average voltages of every source that has both end members.

    Args:
        ground_states: energies at the end members and between them, each content once for a source.
        lithium_energy: energy of lithium metal in eV an atom, by the same method.
        end_members: lowest and highest lithium content of the hull.

    Raises:
        InputError: if the end members are missing or no range, lithium's energy is not finite, a content is given twice
            or is not between them, or the members of a committee differ in number.
    """
    if not math.isfinite(lithium_energy):
        raise InputError(f"The energy of lithium metal is {lithium_energy}; give a finite number in eV an atom.")
    if not end_members[0] < end_members[1] - _SAME_CONTENT:
        raise InputError(
            f"The end members x = {end_members[0]:g} and {end_members[1]:g} span no range; give the lower one first."
        )
    ordered = sorted(ground_states, key=lambda one: (one.source != "potential", one.content))
    by_source = {source: [one for one in ordered if one.source == source] for source in _NAMES}
    for found in by_source.values():
        _require_sound(found, end_members)
    missing = {source: _missing(found, end_members) for source, found in by_source.items() if found}
    whole = [source for source, contents in missing.items() if not contents]
    if not whole:
        raise InputError(_missing_sentence(by_source, missing))
    curves = tuple(_curve(by_source[source], lithium_energy) for source in whole)
    left_out = [
        f"The energies by {_NAMES[source]} are left out of hull and voltages, as that at x = {_listed(contents)} is "
        "missing."
        for source, contents in missing.items()
        if contents
    ]
    doubts = [sentence for curve in curves for sentence in _doubts(curve)]
    return VoltageProfiles(curves, tuple(ordered), lithium_energy, end_members, (*left_out, *doubts))


def _require_sound(found: Sequence[GroundStateEnergy], end_members: tuple[float, float]) -> None:
    """Refuse contents that are there twice or outside, and committees of several sizes; in ascending content."""
    low, high = end_members
    for one in found:
        if not low - _SAME_CONTENT <= one.content <= high + _SAME_CONTENT:
            raise InputError(
                f"x = {one.content:g}{_of(one)} is not between the end members x = {low:g} and {high:g}; leave it out, "
                "or name other end members."
            )
    for one, other in pairwise(found):
        if _same(one.content, other.content):
            raise InputError(
                f"x = {one.content:g} is given twice by {_NAMES[one.source]}{_of(one)}{_of(other)}; keep the lower "
                "energy."
            )
    sizes = sorted({len(one.energies) for one in found})
    if len(sizes) > 1:
        raise InputError(
            f"The energies by {_NAMES[found[0].source]} have {' and '.join(map(str, sizes))} members; give every "
            "composition the energies of the same committee."
        )


def _missing(found: Sequence[GroundStateEnergy], end_members: tuple[float, float]) -> list[float]:
    return [end for end in end_members if not any(_same(one.content, end) for one in found)]


def _missing_sentence(
    by_source: Mapping[Source, Sequence[GroundStateEnergy]], missing: Mapping[Source, Sequence[float]]
) -> str:
    """Say which end members are missing."""
    if not missing:
        return "There are no energies; give those of the two end members at least."
    source, contents = next(iter(missing.items()))
    given = [one.content for one in by_source[source]]
    others = f", or name other end members, such as {given[0]:g},{given[-1]:g}" if len(given) > 1 else ""
    return (
        f"The energy by {_NAMES[source]} at the end member x = {_listed(contents)} is missing, given is x = "
        f"{_listed(given)}; add it{others}."
    )


def _curve(found: Sequence[GroundStateEnergy], lithium_energy: float) -> VoltageCurve:
    return VoltageCurve(
        found[0].source,
        np.array([one.content for one in found]),
        np.array([one.energies for one in found], dtype=np.float64),
        lithium_energy,
    )


def _doubts(curve: VoltageCurve) -> list[str]:
    """Return a sentence on each reason for doubt."""
    doubts = []
    voltage = curve.average().voltage
    if abs(voltage) > _HIGHEST_VOLTAGE:
        doubts.append(
            f"The average voltage by {_NAMES[curve.source]} is {voltage:.1f} V, so that the energy of lithium, "
            f"{curve.lithium_energy:g} eV, is not one of an atom with the pseudopotentials of the other energies."
        )
    if curve.source == "potential" and curve.n_members == 1:
        doubts.append("The committee has one member, so that nothing is known of the error of hull and voltages.")
    return doubts


def _same(one: float, other: float) -> bool:
    return abs(one - other) <= _SAME_CONTENT


def _of(one: GroundStateEnergy) -> str:
    return f" ({one.name})" if one.name else ""


def _listed(contents: Sequence[float]) -> str:
    return ", ".join(f"{content:g}" for content in contents)
