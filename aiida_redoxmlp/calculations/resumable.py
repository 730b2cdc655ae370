"""Jobs that are stopped and go on from their checkpoints in another job."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aiida import orm
from aiida.common.datastructures import CalcInfo
from aiida.common.folders import Folder
from aiida.engine import CalcJobProcessSpec
from aiida.engine.processes.calcjobs.calcjob import validate_calc_job

from aiida_redoxmlp.calculations.runner import RunnerCalculation
from aiida_redoxmlp.runners.jobs import CHECKPOINT_FOLDER

__all__ = ("ResumableCalculation", "first_refusal")


def _validate_checkpoints(inputs: Any, _: Any) -> str | None:
    """Refuse checkpoints that are on another computer than the code."""
    if "parent_folder" not in inputs or "code" not in inputs:
        return None
    where, wanted = inputs["parent_folder"].computer, inputs["code"].computer
    if wanted is not None and where.uuid != wanted.uuid:
        return (
            f"The checkpoints of parent_folder are on {where.label}, but the code runs on {wanted.label}; take a code "
            f"on {where.label} or begin from the start."
        )
    return None


def first_refusal(checks: Sequence[Any], inputs: Any, context: Any) -> str | None:
    """Return what the first check that refuses the inputs says: AiiDA's own of every job, then those given."""
    everything = (validate_calc_job, *checks, _validate_checkpoints)
    return next((refused for check in everything if (refused := check(inputs, context)) is not None), None)


class ResumableCalculation(RunnerCalculation):
    """A job whose program stores checkpoints, and goes on from those of a job that was stopped."""

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:  # type: ignore[override]
        """Define where to go on from."""
        super().define(spec)
        spec.input(
            "parent_folder",
            valid_type=orm.RemoteData,
            required=False,
            help="Folder of a job that was stopped, on the same computer: this one goes on from its checkpoints.",
        )

    def prepare_for_submission(self, folder: Folder) -> CalcInfo:
        """Write the input files, and bring checkpoints in where there are some."""
        calc_info = super().prepare_for_submission(folder)
        if "parent_folder" in self.inputs:
            parent = self.inputs.parent_folder
            source = f"{parent.get_remote_path()}/{CHECKPOINT_FOLDER}"
            calc_info.remote_copy_list = [(parent.computer.uuid, source, CHECKPOINT_FOLDER)]
        else:  # whoever goes on from here finds the folder, however early this job is stopped
            folder.get_subfolder(CHECKPOINT_FOLDER, create=True)
        return calc_info
