"""Parser of committee trainings."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
from aiida import orm
from aiida.engine import ExitCode

from aiida_redoxmlp.calculations.monitors import TRAINING_MONITOR
from aiida_redoxmlp.data.model import ModelData
from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.parsers.runner import RunnerParser
from aiida_redoxmlp.runners.command import SAYS_DIVERGED
from aiida_redoxmlp.runners.jobs import MODEL_FOLDER, PROGRESS_FILE, TrainOutput
from aiida_redoxmlp.runners.training_progress import TrainingProgress

__all__ = ("TrainParser",)


class TrainParser(RunnerParser):
    """Attaches the committee, its report and its learning curves; of a job that was stopped as far as they go."""

    @property
    def _progress(self) -> TrainingProgress:
        return TrainingProgress(self.read_text(PROGRESS_FILE))

    @property
    def reached(self) -> str:
        """The last epoch."""
        return self._progress.reached

    def parse(self, **_: Any) -> ExitCode | None:
        """Parse the retrieved files."""
        history = _history(self._progress)
        if history is not None:
            self.out("history", history)
        if self.last_words().startswith(SAYS_DIVERGED):
            return self.exit("ERROR_DIVERGED", self.last_words().removeprefix(SAYS_DIVERGED))
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

    def stopped_by_monitor(self) -> ExitCode | None:
        """Return what a monitor of divergence says of the job, by the limits it was given, or None."""
        if "monitors" not in self.node.inputs:
            return None
        for monitor in self.node.inputs.monitors.values():
            content = monitor.get_dict()
            if content["entry_point"] == TRAINING_MONITOR:
                limits = {"maximum_growth": 100.0, "patience": 10, **content.get("kwargs", {})}
                if (reason := self._progress.why_diverged(**limits)) is not None:
                    return self.exit("ERROR_DIVERGED", reason)
        return None


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
