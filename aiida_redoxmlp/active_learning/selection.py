"""Which candidates DFT is asked about."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from aiida_redoxmlp.active_learning.candidates import Candidate, formula_of
from aiida_redoxmlp.active_learning.diversity import Representatives
from aiida_redoxmlp.active_learning.records import BandCounts
from aiida_redoxmlp.active_learning.uncertainty import SpreadFactors, Uncertainty, collapse_of
from aiida_redoxmlp.dataset.strata import shuffle_key
from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.redox.configuration import Configuration
from aiida_redoxmlp.redox.pattern import Pattern

__all__ = ("CandidateBand", "Known", "Selection", "SelectionSettings", "StrategyName", "select", "stratum_of")

StrategyName = Literal["random", "uncertainty", "redox_aware"]

_STRATA_SHARE = 4
"""Of so many labels one may go to a stratum for no other reason than that it has none."""


class CandidateBand(BaseModel):
    """Largest force spread of an atom, times its factor, that makes a structure worth a label, in eV/Å."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    floor: float = Field(0.05, ge=0, description="Below it the committee knows the structure.")
    ceiling: float | None = Field(1.0, description="Above it the structure is not trusted; none without.")

    @model_validator(mode="after")
    def _in_order(self) -> CandidateBand:
        if self.ceiling is not None and self.ceiling <= self.floor:
            raise ValueError(
                f"the band from {self.floor:g} to {self.ceiling:g} eV/Å holds no candidate; give a ceiling above the "
                "floor"
            )
        return self


class SelectionSettings(BaseModel):
    """How candidates are chosen."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    strategy: StrategyName = Field(
        "redox_aware",
        description="'random': any candidate; 'uncertainty': the largest force spreads in the band; 'redox_aware': "
        "forces or electrons in doubt, of these what stands for many, and states of charge and patterns without any "
        "label.",
    )
    n_labels: int = Field(20, ge=1, description="Labels asked for in an iteration.")
    band: CandidateBand = Field(default_factory=CandidateBand, description="Which force spreads are worth a label.")
    doubt: float = Field(
        0.1, gt=0, le=1, description="Probability of another lowest pattern from which the electrons are in doubt."
    )
    seed: int = Field(0, ge=0, description="Decides what is random, and among equals.")


@dataclass(frozen=True, eq=False)
class Known:
    """What is labelled, or was asked for, already.

    Attributes:
        keys: of all structures with their states (:func:`~aiida_redoxmlp.active_learning.candidates.content_key`).
        strata: those of which there are labels (:func:`stratum_of`).
        vectors: points of the labelled structures, in the columns of the candidates', or None.
    """

    keys: Collection[str] = frozenset()
    strata: Collection[str] = frozenset()
    vectors: NDArray[np.float64] | None = None


@dataclass(frozen=True, eq=False)
class Selection:
    """What was chosen.

    Attributes:
        chosen: places among the candidates, in the order in which they were chosen.
        reasons: for each of them why, in words.
        counts: where all candidates lie.
        warnings: sentences on what is missing.
    """

    chosen: tuple[int, ...]
    reasons: tuple[str, ...]
    counts: BandCounts
    warnings: tuple[str, ...]


def stratum_of(configuration: Configuration, sites: Sequence[int]) -> str:
    """Return the state of charge and the pattern of a structure, such as ``LiMn2O8P2 (2,3)``.

    Args:
        configuration: the structure.
        sites: its redox sites.
    """
    return f"{formula_of(configuration)} {Pattern.read(configuration.oxidation_states, sites).label}"


def select(
    candidates: Sequence[Candidate],
    uncertainties: Sequence[Uncertainty],
    vectors: NDArray[np.float64],
    settings: SelectionSettings,
    *,
    n_members: int,
    known: Known | None = None,
    factors: SpreadFactors | None = None,
) -> Selection:
    """Choose the candidates to label.

    Every candidate carries the pattern it is to be asked with. One that was asked before, or that occurs twice, is
    left out. With ``redox_aware`` candidates are those with forces in the band or electrons in doubt. One after the
    other is taken that brings all of them nearest in descriptor space to one that is labelled or chosen; the last
    quarter is for strata (state of charge and pattern) that are still without any label. A committee without spread is
    told in a warning, and the band is then not looked at.

    Args:
        candidates: the structures.
        uncertainties: what the committee does not know of each.
        vectors: their points, shape (n_candidates, n_columns).
        settings: strategy, band, number and seed.
        n_members: size of the committee.
        known: what is labelled already.
        factors: calibration of the spreads.

    Raises:
        InputError: if the numbers of candidates, uncertainties and points differ.
    """
    if not len(candidates) == len(uncertainties) == len(vectors):
        raise InputError(
            f"{len(candidates)} candidates have {len(uncertainties)} uncertainties and {len(vectors)} points; give one "
            "of each for every candidate."
        )
    choice = _Choice(candidates, uncertainties, settings, known or Known(), factors or SpreadFactors())
    collapse = collapse_of(uncertainties, n_members)
    if settings.strategy == "random":
        chosen = choice.shuffled()
    elif settings.strategy == "uncertainty" and collapse is None:
        chosen = choice.most_uncertain()
    else:
        chosen = choice.spread_out(vectors, blind=collapse is not None)
    chosen = chosen[: settings.n_labels]
    said = collapse if settings.strategy != "random" else None
    return Selection(
        chosen=tuple(chosen),
        reasons=tuple(choice.reason(index) for index in chosen),
        counts=choice.counts(collapsed=collapse is not None),
        warnings=tuple(one for one in (said, choice.shortage(len(chosen))) if one is not None),
    )


class _Choice:
    """All candidates with their place in the band."""

    def __init__(
        self,
        candidates: Sequence[Candidate],
        uncertainties: Sequence[Uncertainty],
        settings: SelectionSettings,
        known: Known,
        factors: SpreadFactors,
    ) -> None:
        self.candidates, self.settings, self.known = candidates, settings, known
        band = settings.band
        self.forces = np.array([factors.forces * one.largest_force_spread for one in uncertainties])
        beliefs = [one.belief for one in uncertainties]
        self.doubts = np.array([0.0 if one is None else one.doubt(factors.electrons) for one in beliefs])
        self.strata = [
            stratum_of(one.configuration, () if belief is None else belief.lowest.sites)
            for one, belief in zip(candidates, beliefs, strict=True)
        ]
        self.new = self._unasked()
        self.too_far = self.forces > (np.inf if band.ceiling is None else band.ceiling)
        self.by_forces = (self.forces >= band.floor) & ~self.too_far
        self.by_electrons = (self.doubts >= settings.doubt) & ~self.too_far

    def _unasked(self) -> NDArray[np.bool_]:
        seen = set(self.known.keys)
        new = np.zeros(len(self.candidates), dtype=np.bool_)
        for index, one in enumerate(self.candidates):
            new[index] = one.key not in seen
            seen.add(one.key)
        return new

    def shuffled(self) -> list[int]:
        """All new candidates in an order the seed decides, the same whatever order they came in."""
        places: list[int] = np.flatnonzero(self.new).tolist()
        return sorted(places, key=lambda index: shuffle_key(self.settings.seed, self.candidates[index].key))

    def most_uncertain(self) -> list[int]:
        """New candidates with forces in the band, the largest spread first."""
        return sorted(
            np.flatnonzero(self.new & self.by_forces).tolist(), key=lambda index: (-self.forces[index], index)
        )

    def spread_out(self, vectors: NDArray[np.float64], *, blind: bool) -> list[int]:
        """New candidates in the band by forces or electrons that stand for many, some from strata without a label."""
        wanted = self.new & (~self.too_far if blind else self.by_forces | self.by_electrons)
        places = np.flatnonzero(wanted)
        if not len(places):
            return []
        points = Representatives(vectors[places], self.known.vectors)
        unseen = {self.strata[index] for index in places.tolist()} - set(self.known.strata)
        for_strata = max(1, self.settings.n_labels // _STRATA_SHARE)
        left = list(range(len(places)))
        chosen: list[int] = []
        while left and (due := self.settings.n_labels - len(chosen)):
            owed = due <= min(len(unseen), for_strata)
            among = [number for number in left if self.strata[places[number]] in unseen] if owed else left
            best = among[int(points.gains(among).argmax())]
            left.remove(best)
            unseen.discard(self.strata[places[best]])
            points.take(best)
            chosen.append(int(places[best]))
        return chosen

    def reason(self, index: int) -> str:
        """Say why a candidate was chosen."""
        parts = []
        if self.by_forces[index]:
            parts.append(f"force spread {self.forces[index]:.3f} eV/Å")
        if self.by_electrons[index]:
            parts.append(f"another pattern with probability {self.doubts[index]:.2f}")
        return ", ".join(parts) or "chosen without regard to its uncertainty"

    def counts(self, *, collapsed: bool) -> BandCounts:
        """Count where the candidates lie."""
        uncertain = self.by_forces | self.by_electrons
        return BandCounts(
            n_candidates=len(self.candidates),
            n_known=int((~uncertain & ~self.too_far).sum()),
            n_uncertain_forces=int(self.by_forces.sum()),
            n_uncertain_electrons=int(self.by_electrons.sum()),
            n_uncertain=int(uncertain.sum()),
            n_too_far=int(self.too_far.sum()),
            n_asked_before=int((~self.new).sum()),
            collapsed=collapsed,
        )

    def shortage(self, n_chosen: int) -> str | None:
        """Return a sentence on why fewer were chosen than asked for, or None."""
        total = len(self.candidates)
        if total and self.too_far.all():
            return (
                f"All {total} candidates have a force spread above the ceiling of {self.settings.band.ceiling:g} eV/Å, "
                "so none is trusted; explore nearer to labelled structures or raise the ceiling."
            )
        if n_chosen < self.settings.n_labels:
            return (
                f"{n_chosen} of {self.settings.n_labels} labels are asked for, as no more of the {total} candidates "
                "are new and uncertain; explore further or lower the floor."
            )
        return None
