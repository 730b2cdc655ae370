"""Which lithium contents are stable, and the average voltage between them.

The average voltage against lithium metal from the content x₁ to x₂ of a host is, without entropy,
V = −[E(x₂) − E(x₁) − (x₂ − x₁) E(Li)] / (x₂ − x₁), energies in eV a formula unit (M. K. Aydinol et al.,
Phys. Rev. B 56, 1354 (1997)). Between two neighbours on the convex hull it is constant, because both phases are there.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from aiida_redoxmlp.search.convex_hull import hull_energies, lower_hull

__all__ = ("GroundStateEnergy", "Source", "VoltageCurve", "VoltageStep")

Source = Literal["potential", "dft"]
"""Who computed an energy."""

_ON_THE_HULL = 1e-6
"""Energies in eV a formula unit up to which a composition is on the hull."""


@dataclass(frozen=True)
class GroundStateEnergy:
    """The lowest energy that is known of a lithium content.

    Attributes:
        content: lithium in a formula unit.
        energies: eV a formula unit; one for each member of a committee, or one.
        source: who computed them.
        name: where they are from, for messages.
    """

    content: float
    energies: tuple[float, ...]
    source: Source
    name: str = ""


@dataclass(frozen=True)
class VoltageStep:
    """A plateau between two neighbours on the hull.

    Attributes:
        start: lithium in a formula unit at its lower end.
        end: and at its upper end.
        voltage: average voltage in V against lithium metal.
        spread: standard deviation over the members' own hulls in V; None without a committee.
    """

    start: float
    end: float
    voltage: float
    spread: float | None


@dataclass(frozen=True, eq=False)
class VoltageCurve:
    """The hull and the voltages by one source, all energies in eV a formula unit.

    Attributes:
        source: who computed the energies.
        contents: lithium in a formula unit, ascending, shape (n_compositions,).
        energies: total energies, shape (n_compositions, n_members).
        lithium_energy: energy of lithium metal in eV an atom.
    """

    source: Source
    contents: NDArray[np.float64]
    energies: NDArray[np.float64]
    lithium_energy: float

    @property
    def n_members(self) -> int:
        """Size of the committee; 1 without one."""
        return int(self.energies.shape[1])

    @property
    def formation_energies(self) -> NDArray[np.float64]:
        """Energies above the line between the end members, shape (n_compositions, n_members)."""
        share = (self.contents - self.contents[0]) / (self.contents[-1] - self.contents[0])
        line = np.outer(1 - share, self.energies[0]) + np.outer(share, self.energies[-1])
        formation: NDArray[np.float64] = self.energies - line
        return formation

    @property
    def above_hull(self) -> NDArray[np.float64]:
        """Committee means above their hull, 0 on it, shape (n_compositions,)."""
        return _above(self.contents, self.formation_energies.mean(axis=1))

    @property
    def stable(self) -> NDArray[np.bool_]:
        """Which compositions are on the hull, shape (n_compositions,)."""
        on_the_hull: NDArray[np.bool_] = self.above_hull <= _ON_THE_HULL
        return on_the_hull

    @property
    def members_above_hull(self) -> NDArray[np.float64]:
        """Every member's energies above its own hull, shape (n_compositions, n_members)."""
        return np.stack([_above(self.contents, member) for member in self.formation_energies.T], axis=1)

    @property
    def steps(self) -> tuple[VoltageStep, ...]:
        """The plateaus between neighbours on the hull, in ascending lithium content."""
        corners = lower_hull(self.contents, self.formation_energies.mean(axis=1))
        return tuple(self.average(int(start), int(end)) for start, end in pairwise(corners))

    def average(self, start: int = 0, end: int = -1) -> VoltageStep:
        """Return the average voltage between two compositions on the hull, the end members if not told.

        Args:
            start: index of the one with less lithium.
            end: index of the one with more.
        """
        low, high = self.contents[start], self.contents[end]
        voltage = self._voltage(self.energies.mean(axis=1), start, end)
        # For a member another composition may be unstable: what it would separate into counts.
        hulls = self.energies - self.members_above_hull
        members = [self._voltage(hull, start, end) for hull in hulls.T]
        spread = float(np.std(members, ddof=1)) if self.n_members > 1 else None
        return VoltageStep(float(low), float(high), voltage, spread)

    def member_curves(self) -> tuple[VoltageCurve, ...]:
        """Return the curve of every member alone."""
        return tuple(
            VoltageCurve(self.source, self.contents, column[:, None], self.lithium_energy) for column in self.energies.T
        )

    def _voltage(self, energies: NDArray[np.float64], start: int, end: int) -> float:
        lithium = self.contents[end] - self.contents[start]
        return float(self.lithium_energy - (energies[end] - energies[start]) / lithium)

    def as_dict(self) -> dict[str, Any]:
        """Return everything as numbers and strings, energies in eV a formula unit."""
        formation, members = self.formation_energies, self.members_above_hull
        spreads = formation.std(axis=1, ddof=1).tolist() if self.n_members > 1 else [None] * len(self.contents)
        overall = self.average()
        return {
            "source": self.source,
            "n_members": self.n_members,
            "compositions": [
                {
                    "x": float(self.contents[place]),
                    "formation_energy_ev": float(formation[place].mean()),
                    "formation_energy_std_ev": spreads[place],
                    "energy_above_hull_ev": float(self.above_hull[place]),
                    "stable": bool(self.stable[place]),
                    "n_members_stable": int((members[place] <= _ON_THE_HULL).sum()),
                }
                for place in range(len(self.contents))
            ],
            "steps": [_step_as_dict(step) for step in self.steps],
            "average": _step_as_dict(overall),
        }


def _above(contents: NDArray[np.float64], energies: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return energies above their own hull, never negative by rounding."""
    above: NDArray[np.float64] = np.maximum(energies - hull_energies(contents, energies), 0.0)
    return above


def _step_as_dict(step: VoltageStep) -> dict[str, Any]:
    return {"x_start": step.start, "x_end": step.end, "voltage_v": step.voltage, "voltage_std_v": step.spread}
