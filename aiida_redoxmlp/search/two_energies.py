"""A search with two energies a configuration: at fixed ions over the whole space, then relaxed for the lowest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from aiida_redoxmlp.engines.contract import CommitteePotential
from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.search.certainty import Certainty, certainty_of
from aiida_redoxmlp.search.checkpoint import part, read_arrays
from aiida_redoxmlp.search.committee_energies import CommitteeEnergies
from aiida_redoxmlp.search.comparability import require_comparable, warnings_of_space
from aiida_redoxmlp.search.counting import count_configurations, count_distinct
from aiida_redoxmlp.search.ground_state import GroundState, GroundStateSettings, find_ground_state
from aiida_redoxmlp.search.orbits import members_of_orbits
from aiida_redoxmlp.search.relaxed_ranking import Relaxations, relax_configurations
from aiida_redoxmlp.search.settings import SearchSettings
from aiida_redoxmlp.search.space import ConfigurationSpace

__all__ = ("RELAXATION_FILE", "SEARCH_FILE", "SearchResult", "search_space")

SEARCH_FILE = "search.npz"
RELAXATION_FILE = "relaxation.npz"
"""Files of a folder with a search's checkpoints."""

_SAME_ENERGY = 0.001
"""Difference in eV that rounding on another machine can make."""


@dataclass(frozen=True, eq=False)
class SearchResult:
    """What a search found.

    Attributes:
        space: what was searched.
        n_configurations: exact number of configurations.
        n_distinct: exact number of them that symmetry tells apart.
        settings: the search at fixed ions, with the strategy that was taken.
        fixed: what it found.
        relaxed: relaxations of its lowest configurations; None where none were asked for, or not yet done.
        certainty: how sure the lowest is, by relaxed energies where there are some.
        warnings: sentences on what limits the result, those of the certainty among them.
        complete: whether the search came to its end; otherwise it was stopped and can be resumed.
    """

    space: ConfigurationSpace
    n_configurations: int
    n_distinct: int
    settings: GroundStateSettings
    fixed: GroundState
    relaxed: Relaxations | None
    certainty: Certainty
    warnings: tuple[str, ...]
    complete: bool


def search_space(
    space: ConfigurationSpace,
    potential: CommitteePotential,
    settings: SearchSettings | None = None,
    *,
    checkpoints: Path | None = None,
    on_progress: Callable[[dict[str, Any]], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> SearchResult:
    """Search a space with a committee at fixed ions, relax the lowest configurations and rank them again.

    Stopped or killed at any moment and started again with the same checkpoints, it ends like an unbroken search.

    Args:
        space: the configurations.
        potential: the committee; spins of the parent are dropped where it does not resolve them.
        settings: strategy, budget and relaxation.
        checkpoints: folder to store the search in, and to resume it from.
        on_progress: sees a dictionary at the start, after every batch of evaluations and after every relaxation step.
        should_stop: asked after every batch and step.

    Raises:
        InputError: for species that the committee does not know, configurations of different compositions, a space
            that is too large for an exhaustive search, or checkpoints of another search.
    """
    settings = settings or SearchSettings()
    report = on_progress or (lambda _: None)
    if not potential.encoding.resolves_spins:
        space = replace(space, parent=replace(space.parent, spins=None))
    require_comparable(space, potential.encoding)
    fixed_settings = settings.ground_state(space)
    total, distinct = count_configurations(space), count_distinct(space)
    report({"event": "started", "strategy": fixed_settings.strategy.name, "patterns": total, "distinct": distinct})
    files = _Files(checkpoints)
    energies = CommitteeEnergies(space, potential)
    files.require_same_energies(energies, space)
    fixed = find_ground_state(
        space, energies, fixed_settings, on_progress=on_progress, should_stop=should_stop, checkpoint=files.search
    )
    relaxed = None
    if settings.relax and fixed.complete:
        rows = fixed.ranking.rows[: settings.n_relaxed]
        members, orbits = (
            (rows, np.arange(len(rows))) if settings.reduce_by_symmetry else members_of_orbits(space, rows)
        )
        relaxed = relax_configurations(
            space,
            members,
            orbits,
            potential,
            settings,
            checkpoint=files.relaxation,
            on_progress=on_progress,
            should_stop=should_stop,
        )
    certainty = certainty_of(fixed, relaxed=relaxed)
    return SearchResult(
        space=space,
        n_configurations=total,
        n_distinct=distinct,
        settings=fixed_settings,
        fixed=fixed,
        relaxed=relaxed,
        certainty=certainty,
        warnings=(*warnings_of_space(space, potential.encoding), *certainty.warnings),
        complete=fixed.complete and (relaxed is not None or not settings.relax),
    )


class _Files:
    """The checkpoints of a search, if it has any."""

    def __init__(self, folder: Path | None) -> None:
        self.search = self.relaxation = None
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            self.search, self.relaxation = folder / SEARCH_FILE, folder / RELAXATION_FILE

    def require_same_energies(self, energies: CommitteeEnergies, space: ConfigurationSpace) -> None:
        """Refuse energies of another model or geometry: the first that was stored is computed again.

        Raises:
            InputError: if they differ.
        """
        if self.search is None or not self.search.exists():
            return
        stored = part(read_arrays(self.search), "evaluations")
        if "rows" not in stored or not len(stored["rows"]) or stored["rows"].shape[1] != space.n_sites:
            return  # the search itself says what is wrong
        rows = stored["rows"][:1].astype(np.int8)
        if (rows >= space.rules.sizes).any():
            return
        now, then = energies(rows), stored["energies"][:1]
        if now.shape != then.shape or np.abs(now - then).max() > _SAME_ENERGY:
            raise InputError(
                f"{self.search} has energies of another model or of other positions; remove the folder "
                f"{self.search.parent} to start anew, or give another."
            )
