"""Writing the report that belongs to a process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from aiida import orm

from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.report.campaign import write_report
from aiida_redoxmlp.report.dynamics import write_dynamics_report
from aiida_redoxmlp.report.hubbard import write_hubbard_report
from aiida_redoxmlp.report.loop import write_loop_report

__all__ = ("REPORTED", "write_report_of")

_WRITERS: Mapping[str, Callable[[orm.ProcessNode, Path], list[Path]]] = {
    "ActiveLearningWorkChain": write_loop_report,
    "CampaignWorkChain": write_report,
    "DynamicsWorkChain": write_dynamics_report,
    "HubbardWorkChain": write_hubbard_report,
    "TrajectoryWorkChain": write_dynamics_report,
}

REPORTED = tuple(_WRITERS)
"""Labels of the processes that have a report."""


def write_report_of(node: orm.ProcessNode, folder: Path) -> list[Path]:
    """Write the report of a process and return the files.

    Raises:
        InputError: if the folder cannot be written.
    """
    try:
        return _WRITERS[str(node.process_label)](node, folder)
    except OSError as error:
        raise InputError(
            f"The report cannot be written to {folder} ({error.strerror or error}); give another folder with --output."
        ) from error
