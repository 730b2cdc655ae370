"""Oxidation states along a trajectory: one row an ionic step, one column a redox site."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.redox.digitise import Assignment, digitise, redox_occupations
from aiida_redoxmlp.redox.elements import RedoxTable
from aiida_redoxmlp.redox.occupations import IonicStep
from aiida_redoxmlp.redox.pattern import Pattern

__all__ = ("StatesAlongTrajectory", "StatesRecorder", "states_along")

_BLOCK_ROWS = 1024


@dataclass(frozen=True, eq=False)
class StatesAlongTrajectory:
    """What the occupations say along one relaxation or molecular dynamics run.

    A series that the run does not have (times and temperatures of a relaxation) is None; a value that a single
    step lacks is nan.

    Attributes:
        steps: number of each ionic step, ascending, shape (n_steps,); steps that could not be read are missing.
        sites: indices of the redox sites, ascending.
        symbols: chemical symbol of each redox site.
        states: most likely states that close the charge, shape (n_steps, n_sites).
        naive_states: states by counting full levels site by site, shape (n_steps, n_sites).
        moment_signs: sign of each site's spin moment, 0 where it has none, shape (n_steps, n_sites).
        confidences: probability of each state from the site's own eigenvalues, shape (n_steps, n_sites).
        margins: log-likelihood in nats to the next assignment that closes, shape (n_steps,); infinite where there
            is none.
        closed: whether the naive states close the charge, shape (n_steps,).
        ambiguous: whether the assignment is in doubt, shape (n_steps,).
        scf_converged: whether the step's SCF cycle converged, shape (n_steps,).
        eigenvalues: occupation eigenvalues of spin up and down, ascending, shape (n_steps, n_sites, 2, 2l + 1) with
            the largest l of the sites; nan fills the rows of smaller shells.
        energies: potential (free) energy in eV, shape (n_steps,).
        times: fs since the start of the run, shape (n_steps,), or None.
        temperatures: instantaneous temperature in K, shape (n_steps,), or None.
        conserved: conserved quantity in eV, shape (n_steps,), or None.
    """

    steps: NDArray[np.int64]
    sites: tuple[int, ...]
    symbols: tuple[str, ...]
    states: NDArray[np.int64]
    naive_states: NDArray[np.int64]
    moment_signs: NDArray[np.int64]
    confidences: NDArray[np.float64]
    margins: NDArray[np.float64]
    closed: NDArray[np.bool_]
    ambiguous: NDArray[np.bool_]
    scf_converged: NDArray[np.bool_]
    eigenvalues: NDArray[np.float64]
    energies: NDArray[np.float64]
    times: NDArray[np.float64] | None = None
    temperatures: NDArray[np.float64] | None = None
    conserved: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        n_steps, n_sites = len(self.steps), len(self.sites)
        for field in fields(self):
            values = getattr(self, field.name)
            if isinstance(values, np.ndarray) and len(values) != n_steps:
                raise InputError(f"{field.name} has {len(values)} rows for {n_steps} steps; give one row a step.")
        if len(self.symbols) != n_sites or self.states.shape != (n_steps, n_sites):
            raise InputError(
                f"{n_sites} redox sites have {len(self.symbols)} symbols and states of shape {self.states.shape}; "
                "give a symbol and a column of states for each site."
            )
        if (np.diff(self.steps) <= 0).any():
            row = int(np.flatnonzero(np.diff(self.steps) <= 0)[0])
            raise InputError(
                f"Step {self.steps[row + 1]} follows step {self.steps[row]}; give each step once, in order."
            )

    def __len__(self) -> int:
        """Number of steps."""
        return len(self.steps)

    @property
    def sure(self) -> NDArray[np.bool_]:
        """Whether the states of a step can be relied on: not ambiguous and SCF converged, shape (n_steps,)."""
        return ~self.ambiguous & self.scf_converged

    def pattern(self, row: int) -> Pattern:
        """The redox pattern of a row."""
        return Pattern(self.sites, tuple(int(state) for state in self.states[row]))

    @classmethod
    def from_assignments(cls, steps: Sequence[IonicStep], assignments: Sequence[Assignment]) -> StatesAlongTrajectory:
        """Collect what was read from each step.

        Args:
            steps: the ionic steps, in order.
            assignments: the assignment of each of them.

        Raises:
            InputError: if there is no step, the steps are not in order, or their redox sites change.
        """
        recorder = StatesRecorder()
        for step, assignment in zip(steps, assignments, strict=True):
            recorder.add(step, assignment)
        return recorder.result()


def states_along(steps: Iterable[IonicStep], total_charge: int, table: RedoxTable) -> StatesAlongTrajectory:
    """Digitise every step of a run as it comes; no step is kept.

    Args:
        steps: the ionic steps, such as an iterator over an output.
        total_charge: charge of the cell in units of e.
        table: redox elements and the charges of the spectators.

    Raises:
        InputError: if there is no step, no redox site, or one without occupations.
        ClosureError: if no assignment of the allowed states closes the charge.
    """
    recorder = StatesRecorder()
    for step in steps:
        recorder.add(step, digitise(step.occupations, step.symbols, total_charge, table))
    return recorder.result()


class StatesRecorder:
    """Collects the states of one step after another, in about 50 + 90 n_sites bytes a step for d shells."""

    def __init__(self) -> None:
        self._sites: tuple[int, ...] = ()
        self._symbols: tuple[str, ...] = ()
        self._blocks: list[NDArray[Any]] = []
        self._rows = 0

    def __len__(self) -> int:
        """Number of steps so far."""
        return self._rows

    def add(self, step: IonicStep, assignment: Assignment) -> None:
        """Add a step.

        Raises:
            InputError: if its redox sites are not those of the steps before.
        """
        symbols = tuple(step.symbols[site] for site in assignment.sites)
        if not self._blocks:
            self._sites, self._symbols = assignment.sites, symbols
            self._blocks = [np.zeros(0, _row_type(assignment, symbols))]
        if (assignment.sites, symbols) != (self._sites, self._symbols):
            raise InputError(
                f"The redox sites are {list(self._sites)} up to ionic step {step.index} and {list(assignment.sites)} "
                "from there on; give one run of one structure."
            )
        place = self._rows % _BLOCK_ROWS
        if place == 0:
            self._blocks.append(np.zeros(_BLOCK_ROWS, self._blocks[0].dtype))
        self._blocks[-1][place] = _row(step, assignment, self._blocks[0].dtype["eigenvalues"].shape)
        self._rows += 1

    def result(self) -> StatesAlongTrajectory:
        """Return what was collected.

        Raises:
            InputError: if there was no step, or the steps were not in order.
        """
        if not self._rows:
            raise InputError("There is no ionic step to take oxidation states from; give a run with at least one.")
        rows = np.concatenate(self._blocks)[: self._rows]
        found: dict[str, Any] = {
            name: rows[name].astype(np.int64) if rows.dtype[name].base == np.int8 else np.ascontiguousarray(rows[name])
            for name in rows.dtype.names or ()
        }
        for name in ("times", "temperatures", "conserved"):
            if np.isnan(found[name]).all():
                del found[name]
        return StatesAlongTrajectory(sites=self._sites, symbols=self._symbols, **found)


def _row_type(assignment: Assignment, symbols: Sequence[str]) -> np.dtype[Any]:
    n_sites = len(assignment.sites)
    n_levels = max(2 * assignment.table.elements[symbol].orbital_l + 1 for symbol in symbols)
    series = ("energies", "times", "temperatures", "conserved", "margins")
    return np.dtype(
        [
            ("steps", "i8"),
            *((name, "f8") for name in series),
            *((name, "?") for name in ("closed", "ambiguous", "scf_converged")),
            *((name, "i1", (n_sites,)) for name in ("states", "naive_states", "moment_signs")),
            ("confidences", "f8", (n_sites,)),
            ("eigenvalues", "f8", (n_sites, 2, n_levels)),
        ]
    )


def _row(step: IonicStep, assignment: Assignment, shape: tuple[int, ...]) -> tuple[Any, ...]:
    eigenvalues = np.full(shape, np.nan)
    for row, site in enumerate(redox_occupations(step.occupations, step.symbols, assignment.table)):
        eigenvalues[row, :, : site.eigenvalues.shape[1]] = site.eigenvalues
    return (
        step.index,
        step.energy,
        *(np.nan if value is None else value for value in (step.time, step.temperature, step.conserved_quantity)),
        assignment.margin,
        assignment.closed,
        assignment.ambiguous,
        step.scf_converged,
        assignment.states,
        assignment.naive_states,
        assignment.moment_signs,
        assignment.confidences,
        eigenvalues,
    )
