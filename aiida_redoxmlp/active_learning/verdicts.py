"""What DFT's answer to a label request means: the pattern that was wanted is asked, DFT decides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np

from aiida_redoxmlp.active_learning.candidates import content_key, formula_of
from aiida_redoxmlp.dataset.frame import Frame
from aiida_redoxmlp.dataset.label_checks import check_labels
from aiida_redoxmlp.dataset.labelling import assignment_of
from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.redox.chemistry import RedoxChemistry
from aiida_redoxmlp.redox.configuration import Configuration
from aiida_redoxmlp.redox.pattern import Pattern

__all__ = ("LabelAnswer", "LabelRequest", "Outcome", "Verdict", "frames_of", "judge_answer")

Outcome = Literal["landed", "redox_error", "ambiguous", "failed"]


@dataclass(frozen=True, eq=False)
class LabelRequest:
    """A structure that DFT is asked about, with the pattern the potential believes in.

    Attributes:
        structure: the atoms; the states on the redox sites are those of ``wanted``.
        wanted: the pattern.
        origin: where the structure is from.
    """

    structure: Configuration
    wanted: Pattern
    origin: str = ""

    def __post_init__(self) -> None:
        states = self.wanted.written_on(self.structure.oxidation_states)
        object.__setattr__(self, "structure", replace(self.structure, oxidation_states=states))

    @cached_property
    def key(self) -> str:
        """Content key of the structure with the wanted pattern."""
        return content_key(self.structure)

    @property
    def name(self) -> str:
        """What the label is called in sentences and tables, such as ``LiMn2O8P2 (2,3) 1f0c5b2a9e``."""
        return f"{formula_of(self.structure)} {self.wanted.label} {self.key[:10]}"


@dataclass(frozen=True, eq=False)
class LabelAnswer:
    """What came back for a request.

    Attributes:
        request: the request.
        frame: the label with the states DFT found, or None.
        reason: why there is none.
    """

    request: LabelRequest
    frame: Frame | None
    reason: str = ""


@dataclass(frozen=True, eq=False)
class Verdict:
    """What an answer means.

    Attributes:
        request: the request.
        outcome: ``landed`` on the wanted pattern; ``redox_error``, a clear label of another pattern; ``ambiguous``, a
            frame that closes only with doubt; ``failed``, no label.
        found: the pattern DFT found, where it is clear.
        frame: what the dataset gets, ambiguous frames flagged; None for a failed label.
        reason: why it is no landed label, in one sentence.
    """

    request: LabelRequest
    outcome: Outcome
    found: Pattern | None = None
    frame: Frame | None = None
    reason: str = ""


def judge_answer(answer: LabelAnswer, chemistry: RedoxChemistry) -> Verdict:
    """Decide what an answer means; the wanted pattern has no say in what the label is.

    The states are read from the occupation eigenvalues once more. A frame that carries other states than its
    eigenvalues give, or whose labels :func:`~aiida_redoxmlp.dataset.label_checks.check_labels` refuses, is a failed
    label, whatever it says of itself.

    Args:
        answer: the request and what came back.
        chemistry: how states are read, as for the label.
    """
    request, frame = answer.request, answer.frame
    if frame is None:
        reason = answer.reason or "The calculation gave no label."
        return Verdict(request, "failed", reason=reason)
    fault = _fault_of(frame, request, chemistry)
    if fault is not None:
        return Verdict(request, "failed", reason=fault)
    if frame.ambiguous:
        reason = f"The charges of {frame.pattern.label} close only with doubt, so that it is not trained on."
        return Verdict(request, "ambiguous", frame=frame, reason=reason)
    found = frame.pattern
    if found == request.wanted:
        return Verdict(request, "landed", found, frame)
    reason = f"The pattern {request.wanted.label} was believed in, but DFT found {found.label}."
    return Verdict(request, "redox_error", found, frame, reason)


def frames_of(verdicts: Sequence[Verdict]) -> list[Frame]:
    """Return the frames that enter the dataset, ambiguous ones among them and flagged."""
    return [verdict.frame for verdict in verdicts if verdict.frame is not None]


def _fault_of(frame: Frame, request: LabelRequest, chemistry: RedoxChemistry) -> str | None:
    """Return in one sentence why a frame is no label of what was asked, or None."""
    here = frame.configuration
    if not np.array_equal(here.numbers, request.structure.numbers):
        return (
            f"The answer is of {formula_of(here)}, but {formula_of(request.structure)} was asked for; it belongs to "
            "another request."
        )
    try:
        check_labels([frame], f"The label {request.name}")
        read = assignment_of(frame, chemistry.table())
    except InputError as error:
        return str(error)
    if frame.total_charge != chemistry.total_charge:
        return f"The label has the charge {frame.total_charge:+d}, but {chemistry.total_charge:+d} was asked for."
    if read.ambiguous and not frame.ambiguous:
        return f"The label says {frame.pattern.label} without doubt, but its occupations leave doubt."
    if read.pattern != frame.pattern:
        return f"The label says {frame.pattern.label}, but its occupations are those of {read.pattern.label}."
    return None
