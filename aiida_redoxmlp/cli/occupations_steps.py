"""The steps of a pw.x run one after another, each with its oxidation states."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from aiida_redoxmlp.errors import InputError, OutputFormatError
from aiida_redoxmlp.redox.digitise import Assignment, digitise, redox_occupations
from aiida_redoxmlp.redox.elements import RedoxTable
from aiida_redoxmlp.redox.occupations import IonicStep, SiteOccupations
from aiida_redoxmlp.redox.pw_output import stream_pw_output
from aiida_redoxmlp.redox.pw_xml import read_pw_xml
from aiida_redoxmlp.redox.switch_events import ElectronHop, SwitchEvent, electron_hops, switch_events
from aiida_redoxmlp.redox.trajectory_states import StatesAlongTrajectory, StatesRecorder

__all__ = ("Outcome", "ReadStep", "StepSink", "StepsOfRun")


@dataclass(frozen=True, eq=False)
class ReadStep:
    """One ionic step.

    Attributes:
        step: what pw.x printed.
        sites: occupations of the redox sites.
        assignment: their oxidation states.
    """

    step: IonicStep
    sites: tuple[SiteOccupations, ...]
    assignment: Assignment


@dataclass(frozen=True, eq=False)
class Outcome:
    """What is known once the last step was read.

    Attributes:
        complete: whether the run ended in the file and every step of it was whole.
        warnings: one sentence for each thing that is missing.
        trajectory: the states of all steps, or None where there was no step.
        switches: the switches.
        hops: the electron hops.
    """

    complete: bool
    warnings: tuple[str, ...]
    trajectory: StatesAlongTrajectory | None
    switches: tuple[SwitchEvent, ...]
    hops: tuple[ElectronHop, ...]


class StepSink(Protocol):
    """Takes the steps as they come, and the outcome at the end."""

    def add(self, one: ReadStep) -> None:
        """Take a step."""

    def finish(self, outcome: Outcome) -> None:
        """Take the outcome; no step comes after it."""


class StepsOfRun:
    """Reads a file step by step; of the steps only the states are kept."""

    def __init__(self, file: Path, charge: int, table: RedoxTable) -> None:
        """Take the file, the total charge in units of e and the redox table."""
        self._file, self._charge, self._table = file, charge, table
        self._recorder = StatesRecorder()
        self._warnings: list[str] = []
        self._complete = False

    def __iter__(self) -> Iterator[ReadStep]:
        """Iterate over the steps, once.

        Raises:
            OutputFormatError: if this is no output of pw.x, or has no Hubbard occupations.
            InputError: if the first step has no redox sites or lacks occupations of one.
            ClosureError: if no assignment of the allowed states closes the charge.
        """
        for step in self._steps():
            try:
                one = self._digitised(step)
                self._recorder.add(step, one.assignment)
            except InputError as error:
                if not len(self._recorder):  # what is wrong from the first step on is wrong with the input
                    raise
                self._warnings.append(f"Ionic step {step.index + 1} is left out: {error}")
                continue
            yield one
        if self._complete and not len(self._recorder):
            raise self._without_occupations()

    def outcome(self) -> Outcome:
        """Return what is known after the last step."""
        trajectory = self._recorder.result() if len(self._recorder) else None
        switches = () if trajectory is None else switch_events(trajectory)
        complete = self._complete and not self._warnings
        return Outcome(complete, tuple(self._warnings), trajectory, switches, electron_hops(switches))

    def _steps(self) -> Iterator[IonicStep]:
        with self._file.open("rb") as stream:
            is_xml = stream.read(64).lstrip().startswith(b"<?xml")
        if is_xml:
            self._complete = True
            yield read_pw_xml(self._file)
            return
        with stream_pw_output(self._file) as stream:
            yield from stream
            self._complete = stream.complete
            self._warnings = [*stream.warnings, *self._warnings]

    def _digitised(self, step: IonicStep) -> ReadStep:
        if not step.occupations and not len(self._recorder):
            raise self._without_occupations()
        sites = redox_occupations(step.occupations, step.symbols, self._table)
        return ReadStep(step, sites, digitise(step.occupations, step.symbols, self._charge, self._table))

    def _without_occupations(self) -> OutputFormatError:
        return OutputFormatError(
            f"{self._file} has no Hubbard occupations; run pw.x with a Hubbard U on the redox elements."
        )
