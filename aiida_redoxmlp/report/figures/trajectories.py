"""Oxidation states along every relaxation and molecular dynamics run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aiida_redoxmlp.dataset.frame import Frame
from aiida_redoxmlp.redox.chemistry import RedoxChemistry
from aiida_redoxmlp.redox.elements import RedoxTable
from aiida_redoxmlp.redox.species import Species
from aiida_redoxmlp.report.figures.style import species_colours
from aiida_redoxmlp.report.graph import CampaignGraph, Label
from aiida_redoxmlp.report.process_graph import input_of
from aiida_redoxmlp.report.wording import pattern_label

__all__ = ("SiteLevels", "Trajectories", "Trajectory", "collect", "levels_of")


@dataclass(frozen=True, eq=False)
class SiteLevels:
    """The two levels that decide the state of one site, along a trajectory.

    Attributes:
        site: name of the site, such as ``Mn1``.
        last_full: smallest of the eigenvalues counted as full, shape (n_steps,); NaN for an empty shell.
        first_empty: largest of the eigenvalues counted as empty, shape (n_steps,); NaN for a full shell.
        species: species label of the assigned state at every step.
    """

    site: str
    last_full: NDArray[np.float64]
    first_empty: NDArray[np.float64]
    species: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Trajectory:
    """One pw.x run, or one trajectory that several made.

    Attributes:
        title: what it is, such as ``relax 0: (2,3) wanted``.
        uuid: uuid of the pw.x calculation, or of the trajectory's work chain.
        steps: ionic steps, shape (n_steps,).
        sites: the redox sites.
        ambiguous: shape (n_steps,).
    """

    title: str
    uuid: str
    steps: NDArray[np.int64]
    sites: tuple[SiteLevels, ...]
    ambiguous: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Trajectories:
    """All trajectories of a campaign.

    Attributes:
        runs: the trajectories.
        site_names: names of the redox sites.
        colours: colour of every species label that occurs.
        thresholds: eigenvalue above which a level counts as full more likely than not, by element.
    """

    runs: tuple[Trajectory, ...]
    site_names: tuple[str, ...]
    colours: dict[str, str]
    thresholds: dict[str, float]


def levels_of(frame: Frame, index: int, valence_electrons: int) -> tuple[float, float]:
    """Return the smallest eigenvalue counted as full and the largest counted as empty.

    The assigned state says how many levels are full, valence electrons - state: the largest of both spin
    channels.

    Args:
        frame: a labelled frame.
        index: number of the redox site within the frame.
        valence_electrons: electrons of the element outside the closed core.
    """
    eigenvalues = np.sort(frame.eigenvalues[index].ravel())[::-1]
    state = int(frame.configuration.oxidation_states[frame.redox_sites[index]])
    n_full = valence_electrons - state
    last_full = float(eigenvalues[n_full - 1]) if 0 < n_full <= len(eigenvalues) else np.nan
    first_empty = float(eigenvalues[n_full]) if 0 <= n_full < len(eigenvalues) else np.nan
    return last_full, first_empty


def collect(graph: CampaignGraph, site_names: tuple[str, ...]) -> Trajectories | None:
    """Read the trajectories of the labels of relaxation and MD, or None when there is none yet."""
    redox = input_of(graph.campaign, "redox")
    table = RedoxChemistry.model_validate({} if redox is None else redox.get_dict()).table()
    runs = []
    for label in graph.labels:
        if label.stage != "check":
            runs.extend(_runs_of(label, table, site_names))
    if not runs:
        return None
    species = {name for run in runs for site in run.sites for name in site.species}
    elements = sorted({graph.symbols[site] for site in graph.listing.get("sites", [])})
    return Trajectories(
        runs=tuple(runs),
        site_names=tuple(site.site for site in runs[0].sites),
        colours=species_colours(species, elements),
        thresholds={element: table.elements[element].threshold for element in elements},
    )


def _runs_of(label: Label, table: RedoxTable, site_names: tuple[str, ...]) -> list[Trajectory]:
    what, several = ("part", 1) if label.trajectory is not None else ("run", len(label.calculations))
    runs = []
    for attempt, (uuid, frames) in enumerate(label.runs, start=1):
        notes = [f"{what} {attempt}"] if max(several, len(label.runs)) > 1 else []
        notes += [] if label.is_kept or not label.node.is_terminated else ["failed, not in the dataset"]
        suffix = f" ({', '.join(notes)})" if notes else ""
        runs.append(
            Trajectory(
                title=f"{label.name}: wanted {pattern_label(label.wanted)}{suffix}",
                uuid=uuid,
                steps=np.array([frame.step for frame in frames], dtype=np.int64),
                sites=tuple(
                    _site_levels(frames, index, table, site_names) for index in range(len(frames[0].redox_sites))
                ),
                ambiguous=np.array([frame.ambiguous for frame in frames], dtype=bool),
            )
        )
    return runs


def _site_levels(frames: Sequence[Frame], index: int, table: RedoxTable, site_names: tuple[str, ...]) -> SiteLevels:
    site = frames[0].redox_sites[index]
    symbol = frames[0].configuration.to_ase().symbols[site]
    levels = [levels_of(frame, index, table.elements[symbol].valence_electrons) for frame in frames]
    return SiteLevels(
        site=site_names[index] if index < len(site_names) else f"{symbol}[{site}]",
        last_full=np.array([full for full, _ in levels]),
        first_empty=np.array([empty for _, empty in levels]),
        species=tuple(Species(symbol, int(frame.configuration.oxidation_states[site])).label for frame in frames),
    )
