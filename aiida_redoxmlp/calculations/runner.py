"""What the calculations that run one of our own programs in a job have in common."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from aiida.common.datastructures import CalcInfo, CodeInfo
from aiida.common.folders import Folder
from aiida.engine import CalcJob, CalcJobProcessSpec
from pydantic import BaseModel

from aiida_redoxmlp.data.dataset import DatasetData
from aiida_redoxmlp.data.model import ModelData
from aiida_redoxmlp.dataset.label_checks import check_labels
from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.runners.jobs import INPUT_FILE, MODEL_FOLDER, OUTPUT_FILE, PROGRESS_FILE

__all__ = ("RunnerCalculation", "validate_labels")

STDOUT_FILE = "stdout.txt"
STDERR_FILE = "stderr.txt"

_STOPPED = (
    (400, "ERROR_OUT_OF_WALLTIME", "The job reached its wall time limit {reached}."),
    (410, "ERROR_OUT_OF_MEMORY", "The job ran out of memory {reached}: {reason}"),
    (420, "ERROR_NODE_FAILURE", "The job's node failed {reached}."),
    (430, "ERROR_KILLED", "The job was stopped before it was done, {reached}: {reason}"),
)
"""Exit codes of jobs that were ended from outside."""


def validate_labels(node: DatasetData | None, _: Any) -> str | None:
    """Refuse a dataset whose labels are missing, mixed or do not close, before a job waits in a queue for it."""
    if node is None:
        return None
    try:
        check_labels(node.frames)
    except InputError as error:
        return str(error)
    return None


class RunnerCalculation(CalcJob):
    """A job that runs ``redoxmlp-run JOB`` on a typed input file and leaves a typed output file."""

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:  # type: ignore[override]
        """Define the inputs and exit codes every runner shares."""
        super().define(spec)
        one_process = {"num_machines": 1, "num_mpiprocs_per_machine": 1}
        spec.input("metadata.options.resources", valid_type=dict, default=one_process)
        spec.input("metadata.options.withmpi", valid_type=bool, default=False)
        spec.input("metadata.options.output_filename", valid_type=str, default=STDOUT_FILE)
        spec.exit_code(
            300,
            "ERROR_INPUT_REFUSED",
            message="The program refused its input: {reason}",
            invalidates_cache=True,
        )
        spec.exit_code(
            301,
            "ERROR_OUTPUT_MISSING",
            message="The job left no `output.json`; its last words were: {reason}",
            invalidates_cache=True,
        )
        spec.exit_code(
            302,
            "ERROR_OUTPUT_INVALID",
            message="The job's output cannot be read: {reason}",
            invalidates_cache=True,
        )
        spec.exit_code(303, "ERROR_NO_GPU", message="The job found no GPU: {reason}", invalidates_cache=True)
        spec.exit_code(
            304,
            "ERROR_DISK_FULL",
            message="The disk or the quota of the computer is full ({reason}); free space there and start again.",
            invalidates_cache=True,
        )
        spec.exit_code(320, "ERROR_TOO_LARGE", message="Memory ran out: {reason}", invalidates_cache=True)
        for status, name, message in _STOPPED:
            spec.exit_code(status, name, message=message, invalidates_cache=True)

    @abstractmethod
    def write_job(self, folder: Folder) -> BaseModel:
        """Write the job's data files to ``folder`` and return its typed input."""

    @property
    @abstractmethod
    def retrieve_list(self) -> list[Any]:
        """Files to retrieve besides the typed output, the progress file and the streams."""

    def prepare_for_submission(self, folder: Folder) -> CalcInfo:
        """Write the typed input file and name what to run and to retrieve."""
        job = self.write_job(folder)
        with folder.open(INPUT_FILE, "w") as handle:
            handle.write(job.model_dump_json(indent=2))

        code_info = CodeInfo()
        code_info.code_uuid = self.inputs.code.uuid
        code_info.cmdline_params = [job.model_dump()["job"]]
        code_info.stdout_name = STDOUT_FILE
        code_info.stderr_name = STDERR_FILE

        calc_info = CalcInfo()
        calc_info.codes_info = [code_info]
        calc_info.retrieve_list = [OUTPUT_FILE, PROGRESS_FILE, STDOUT_FILE, STDERR_FILE, *self.retrieve_list]
        return calc_info

    @staticmethod
    def write_model(model: ModelData, folder: Folder) -> None:
        """Copy a model's files to the job's folder."""
        model.base.repository.copy_tree(str(folder.get_subfolder(MODEL_FOLDER, create=True).abspath))

    @staticmethod
    def write_dataset(dataset: DatasetData, folder: Folder, name: str) -> None:
        """Copy a dataset's file to the job's folder under ``name``."""
        with dataset.open(mode="rb") as stream:
            folder.create_file_from_filelike(stream, name, mode="wb")
