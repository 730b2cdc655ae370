"""Every ionic step of a pw.x output, of Quantum ESPRESSO 6.x and 7.x, with its Hubbard occupations."""

from __future__ import annotations

from dataclasses import dataclass

from aiida_redoxmlp.redox.occupations import IonicStep
from aiida_redoxmlp.redox.pw_output.source import Source
from aiida_redoxmlp.redox.pw_output.stream import PwOutputStream, stream_pw_output

__all__ = ("PwOutput", "PwOutputStream", "read_pw_output", "stream_pw_output")


@dataclass(frozen=True, eq=False)
class PwOutput:
    """What could be read from a pw.x output.

    Attributes:
        steps: the whole ionic steps, in order; a step that is cut off or garbled is not among them.
        version: version of pw.x.
        complete: whether the run ended in the file and every step of it was whole.
        warnings: one sentence for each thing that is missing.
    """

    steps: tuple[IonicStep, ...]
    version: str
    complete: bool
    warnings: tuple[str, ...]


def read_pw_output(source: Source) -> PwOutput:
    """Read all ionic steps of a pw.x output.

    A step that is cut off, garbled, or contradicts itself or the steps around it is left out with a warning. Steps
    whose SCF cycle did not converge are returned with ``scf_converged`` False. The text is read step by step; for a
    trajectory that does not fit into memory see :func:`stream_pw_output`.

    Args:
        source: path of the text, which may be gzip-compressed, or an open text or binary stream.

    Raises:
        OutputFormatError: if this is not the output of pw.x or cannot be opened.
    """
    with stream_pw_output(source) as stream:
        steps = tuple(stream)
        return PwOutput(steps, stream.version, complete=stream.complete, warnings=stream.warnings)
