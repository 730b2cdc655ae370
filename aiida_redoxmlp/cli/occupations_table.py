"""The steps of a run as a table in the terminal, and its summary."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import numpy as np
from numpy.typing import NDArray
from rich import box
from rich.console import Console
from rich.table import Table

from aiida_redoxmlp.cli.occupations_steps import Outcome, ReadStep
from aiida_redoxmlp.redox.digitise import Assignment
from aiida_redoxmlp.redox.occupations import IonicStep
from aiida_redoxmlp.redox.switch_events import SwitchEvent

__all__ = ("SummaryPrinter", "TablePrinter")

_COLUMNS = ("step", "site", "eigenvalues ↑ ↓", "count", "state", "conf.", "margin", "charge")
_STEPS_AT_ONCE = 200
_MOST_SWITCHES = 20


class SummaryPrinter:
    """Prints how many steps there were and which sites switched, once all are read."""

    def __init__(self, charge: int) -> None:
        """Take the total charge in units of e."""
        self._charge = charge
        self.console = Console(highlight=False)

    def add(self, one: ReadStep) -> None:
        """Take a step; nothing is printed."""

    def finish(self, outcome: Outcome) -> None:
        """Print the summary."""
        trajectory = outcome.trajectory
        n_steps = 0 if trajectory is None else len(trajectory)
        ambiguous = 0 if trajectory is None else int(trajectory.ambiguous.sum())
        self.console.print(f"Ionic steps: {n_steps}, ambiguous: {ambiguous}, total charge: {self._charge:+d}.")
        if n_steps > 1:
            self._print_switches(outcome.switches)

    def _print_switches(self, switches: Sequence[SwitchEvent]) -> None:
        if not switches:
            self.console.print("No site switched.")
            return
        for switch_of_steps in _in_words(switches[:_MOST_SWITCHES]):
            self.console.print(switch_of_steps)
        if len(switches) > _MOST_SWITCHES:
            self.console.print(f"… and {len(switches) - _MOST_SWITCHES} more switches.")


class TablePrinter(SummaryPrinter):
    """Prints the steps, two hundred at a time, and the summary."""

    def __init__(self, charge: int) -> None:
        """Take the total charge in units of e."""
        super().__init__(charge)
        self._waiting: list[ReadStep] = []
        self._printed = False

    def add(self, one: ReadStep) -> None:
        """Take a step."""
        self._waiting.append(one)
        if len(self._waiting) == _STEPS_AT_ONCE:
            self._print_waiting()

    def finish(self, outcome: Outcome) -> None:
        """Print the steps that are left, and the summary."""
        if self._waiting or not self._printed:
            self._print_waiting()
        super().finish(outcome)
        self.console.print(
            "Count: valence electrons less full levels. State: most likely states that close the charge."
        )

    def _print_waiting(self) -> None:
        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
        for name in _COLUMNS:
            table.add_column(name, no_wrap=True, justify="left" if name in {"site", "charge"} else "right")
        for one in self._waiting:
            _add_rows(table, one)
        self.console.print(table)
        self._waiting, self._printed = [], True


def _add_rows(table: Table, one: ReadStep) -> None:
    assignment = one.assignment
    verdict = _verdict(one.step, assignment)
    for row, site in enumerate(one.sites):
        first = row == 0
        table.add_row(
            str(one.step.index + 1) if first else "",
            f"{site.kind} {site.site + 1}",
            f"{_levels(site.eigenvalues[0])}\n{_levels(site.eigenvalues[1])}",
            f"{assignment.naive_states[row]:+d}",
            f"{assignment.states[row]:+d}",
            f"{assignment.confidences[row]:.3f}",
            f"{assignment.margin:.1f}" if first else "",
            verdict if first else "",
            style="yellow" if assignment.ambiguous else None,
            end_section=row == len(one.sites) - 1,
        )


def _verdict(step: IonicStep, assignment: Assignment) -> str:
    """Return what to know about the step, in two lines at most."""
    lines = ["closes" if assignment.closed else "not closed"]
    if assignment.ambiguous:
        lines.append("ambiguous")
    elif not step.scf_converged:
        lines.append("SCF failed")
    return "\n".join(lines)


def _levels(eigenvalues: NDArray[np.float64]) -> str:
    return " ".join(f"{value:.2f}" for value in eigenvalues)


def _in_words(switches: Sequence[SwitchEvent]) -> list[str]:
    lines = []
    for (before, after), group in groupby(switches, key=lambda switch: switch.interval):
        texts = [f"{one.symbol} {one.site + 1} {one.before:+d} → {one.after:+d}" for one in group]
        lines.append(f"Switched between steps {before + 1} and {after + 1}: {', '.join(texts)}.")
    return lines
