"""Parser of committee trainings."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any

import numpy as np
from aiida import orm
from aiida.engine import CalcJob, ExitCode

from aiida_redoxmlp.calculations.monitors import TRAINING_MONITOR
from aiida_redoxmlp.calculations.runner import STDERR_FILE
from aiida_redoxmlp.data.model import ModelData
from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.parsers.runner import RunnerParser
from aiida_redoxmlp.runners.command import (
    SAYS_DIVERGED,
    SAYS_INTERRUPTED,
    SAYS_NO_GPU,
    SAYS_OUT_OF_MEMORY,
    SAYS_REFUSED,
)
from aiida_redoxmlp.runners.jobs import MODEL_FOLDER, OUTPUT_FILE, PROGRESS_FILE, TrainOutput
from aiida_redoxmlp.runners.training_progress import TrainingProgress

__all__ = ("TrainParser",)

_TRACEBACK = "Traceback (most recent call last)"
_TOLD = CalcJob.exit_codes
_SCHEDULER = tuple(
    (label, code.status, re.compile(pattern, re.IGNORECASE))
    for label, code, pattern in (
        ("ERROR_OUT_OF_WALLTIME", _TOLD.ERROR_SCHEDULER_OUT_OF_WALLTIME, r"due to time limit|walltime .*exceeded"),
        ("ERROR_OUT_OF_MEMORY", _TOLD.ERROR_SCHEDULER_OUT_OF_MEMORY, r"oom.?kill|out.of.memory|memory limit"),
        ("ERROR_NODE_FAILURE", _TOLD.ERROR_SCHEDULER_NODE_FAILURE, r"due to node failure"),
    )
)
"""Exit code, the status AiiDA gives where it understands the scheduler, and what SLURM or PBS write in stderr."""

_DECORATION = re.compile(r"^(slurmstepd|srun|bash)(-\S+)?: (error: )?|\*\*\*")
"""What SLURM puts around its sentences."""


class TrainParser(RunnerParser):
    """Attaches the committee, its report and its learning curves; of a job that was stopped as far as they go."""

    def parse(self, **_: Any) -> ExitCode | None:
        """Parse the retrieved files."""
        progress = TrainingProgress(self.read_text(PROGRESS_FILE))
        history = _history(progress)
        if history is not None:
            self.out("history", history)
        if self.last_words().startswith(SAYS_DIVERGED):
            return self.exit("ERROR_DIVERGED", self.last_words().removeprefix(SAYS_DIVERGED))
        if OUTPUT_FILE not in self.retrieved.base.repository.list_object_names():
            return self._explain_stop(progress)
        output = self.read_output(TrainOutput)
        if isinstance(output, ExitCode):
            return output
        self.out("report", orm.Dict(output.model_dump(mode="json")))
        with self.retrieved.base.repository.as_path() as folder:
            try:
                self.out("model", ModelData.from_folder(folder / MODEL_FOLDER))
            except InputError as error:
                return self.exit("ERROR_OUTPUT_INVALID", str(error))
        return ExitCode(0)  # whatever the scheduler says of a job that was cut off after its last word

    def _explain_stop(self, progress: TrainingProgress) -> ExitCode:
        """Return why there is no output: the program's own reason first, then the monitor's and the scheduler's."""
        last = self.last_words()
        if last.startswith(SAYS_OUT_OF_MEMORY):
            return self.exit("ERROR_TOO_LARGE", last.removeprefix(SAYS_OUT_OF_MEMORY))
        if last.startswith((SAYS_REFUSED, SAYS_NO_GPU)):
            return self.explain_missing_output()
        if (reason := self._stopped_by_monitor(progress)) is not None:
            return self.exit("ERROR_DIVERGED", reason)
        said = self.read_text(self.node.get_option("scheduler_stderr"))
        for label, status, pattern in _SCHEDULER:
            if self.node.exit_status == status or pattern.search(said):
                return self.exit(label, _last_sentence(said, "so the scheduler says"), reached=progress.reached)
        if _TRACEBACK in self.read_text(STDERR_FILE):
            return self.explain_missing_output()
        told = last.removeprefix(SAYS_INTERRUPTED) if last.startswith(SAYS_INTERRUPTED) else "nobody says why"
        return self.exit("ERROR_KILLED", _last_sentence(said, told), reached=progress.reached)

    def _stopped_by_monitor(self, progress: TrainingProgress) -> str | None:
        """Return why a monitor of divergence ended the job, by the limits it was given, or None."""
        if "monitors" not in self.node.inputs:
            return None
        for monitor in self.node.inputs.monitors.values():
            content = monitor.get_dict()
            if content["entry_point"] == TRAINING_MONITOR:
                limits = {"maximum_growth": 100.0, "patience": 10, **content.get("kwargs", {})}
                if (reason := progress.why_diverged(**limits)) is not None:
                    return reason
        return None


def _last_sentence(said: str, otherwise: str) -> str:
    """Return the last line of the scheduler, without what it puts around its sentences."""
    lines = [_DECORATION.sub("", line).strip() for line in said.splitlines()]
    return next((line for line in reversed(lines) if line), otherwise)


def _history(progress: TrainingProgress) -> orm.ArrayData | None:
    """Return the learning curves as arrays, one a quantity, or None when no epoch was finished."""
    columns: dict[str, list[float]] = defaultdict(list)
    for entry in progress.entries:
        for key, value in entry.items():
            if isinstance(value, int | float):
                columns[key].append(value)
    if not columns:
        return None
    node = orm.ArrayData()
    for key, values in columns.items():
        node.set_array(key, np.asarray(values, dtype=np.float64))
    return node
