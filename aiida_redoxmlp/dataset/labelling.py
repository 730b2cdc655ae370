"""From ionic steps to frames: the labels DFT computed, with the oxidation states it found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from ase.data import atomic_numbers
from numpy.typing import NDArray

from aiida_redoxmlp.dataset.frame import Frame
from aiida_redoxmlp.redox.configuration import Configuration
from aiida_redoxmlp.redox.digitise import Assignment, digitise, redox_occupations
from aiida_redoxmlp.redox.elements import RedoxTable
from aiida_redoxmlp.redox.occupations import IonicStep, SiteOccupations

__all__ = ("LabelledSteps", "SkippedStep", "assignment_of", "frames_from_steps", "reread")


@dataclass(frozen=True)
class SkippedStep:
    """An ionic step that gives no frame.

    Attributes:
        step: its number in the output, from 0.
        reason: what it lacks.
    """

    step: int
    reason: str


@dataclass(frozen=True, eq=False)
class LabelledSteps:
    """The frames of a calculation and the steps that gave none.

    Attributes:
        frames: one a usable step, ambiguous ones among them and flagged.
        assignments: how the states of each frame were read.
        skipped: the other steps.
    """

    frames: tuple[Frame, ...]
    assignments: tuple[Assignment, ...]
    skipped: tuple[SkippedStep, ...]


def frames_from_steps(
    steps: Iterable[IonicStep], *, total_charge: int, table: RedoxTable, group: str = "", source: str = ""
) -> LabelledSteps:
    """Label the ionic steps of one calculation with their oxidation states.

    Steps whose SCF cycle did not converge or that have no forces are skipped: they hold no labels.

    Args:
        steps: ionic steps of a relaxation, dynamics or single point.
        total_charge: charge of the cell in units of e.
        table: how to read the redox elements, and the charges of the others.
        group: name of the trajectory, the same for all its frames.
        source: uuid of the calculation.

    Raises:
        InputError: if the structure has no redox sites, one lacks occupations, or a charge is not known.
        ClosureError: if no assignment of the allowed states closes the charge.
    """
    frames, assignments, skipped = [], [], []
    for step in steps:
        if not step.scf_converged:
            reason = f"its SCF cycle did not converge in {step.scf_iterations} iterations"
            skipped.append(SkippedStep(step.index, reason))
        elif step.forces is None:
            skipped.append(SkippedStep(step.index, "it has no forces"))
        else:
            assignment = digitise(step.occupations, step.symbols, total_charge, table)
            assignments.append(assignment)
            frames.append(_frame(step, step.forces, assignment, total_charge, group, source))
    return LabelledSteps(tuple(frames), tuple(assignments), tuple(skipped))


def assignment_of(frame: Frame, table: RedoxTable) -> Assignment:
    """Assign oxidation states to the occupations that a frame keeps.

    Args:
        frame: a labelled frame.
        table: how to read the redox elements, and the charges of the others.

    Raises:
        InputError: if a redox site lacks occupations, or a charge is not known.
        ClosureError: if no assignment of the allowed states closes the charge.
    """
    occupations = [
        SiteOccupations(site, "", values) for site, values in zip(frame.redox_sites, frame.eigenvalues, strict=True)
    ]
    return digitise(occupations, frame.configuration.to_ase().get_chemical_symbols(), frame.total_charge, table)


def reread(frame: Frame, table: RedoxTable) -> Frame:
    """Return a frame with its states read anew, with other thresholds for example; its labels are what they were.

    Raises:
        InputError: if a redox site lacks occupations, or a charge is not known.
        ClosureError: if no assignment of the allowed states closes the charge.
    """
    assignment = assignment_of(frame, table)
    here = frame.configuration
    return replace(
        frame,
        configuration=replace(here, oxidation_states=assignment.pattern.written_on(here.oxidation_states)),
        confidences=assignment.confidences,
        margin=assignment.margin,
        naive_closed=assignment.closed,
        ambiguous=assignment.ambiguous,
    )


def _frame(
    step: IonicStep,
    forces: NDArray[np.float64],
    assignment: Assignment,
    total_charge: int,
    group: str,
    source: str,
) -> Frame:
    occupations = redox_occupations(step.occupations, step.symbols, assignment.table)
    return Frame(
        configuration=Configuration(
            numbers=np.array([atomic_numbers[symbol] for symbol in step.symbols], dtype=np.int64),
            positions=step.positions,
            cell=step.cell,
            oxidation_states=assignment.oxidation_states(step.symbols),
        ),
        energy=step.energy,
        forces=forces,
        stress=step.stress,
        redox_sites=assignment.sites,
        eigenvalues=tuple(occupation.eigenvalues for occupation in occupations),
        confidences=assignment.confidences,
        margin=assignment.margin,
        naive_closed=assignment.closed,
        ambiguous=assignment.ambiguous,
        total_charge=total_charge,
        group=group,
        step=step.index,
        source=source,
    )
