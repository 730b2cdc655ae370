"""Parser of committee trainings."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

import numpy as np
from aiida import orm
from aiida.engine import ExitCode

from aiida_redoxmlp.data.model import ModelData
from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.parsers.runner import RunnerParser
from aiida_redoxmlp.runners.jobs import MODEL_FOLDER, PROGRESS_FILE, TrainOutput

__all__ = ("TrainParser",)

_DIVERGED = "Diverged: "


class TrainParser(RunnerParser):
    """Attaches the committee, its report and its learning curves."""

    def parse(self, **_: Any) -> ExitCode | None:
        """Parse the retrieved files."""
        history = self.read_history()
        if history:
            self.out("history", history)
        if self.last_words().startswith(_DIVERGED):
            return self.exit("ERROR_DIVERGED", self.last_words().removeprefix(_DIVERGED))
        output = self.read_output(TrainOutput)
        if isinstance(output, ExitCode):
            return output
        self.out("report", orm.Dict(output.model_dump(mode="json")))
        with self.retrieved.base.repository.as_path() as folder:
            try:
                self.out("model", ModelData.from_folder(folder / MODEL_FOLDER))
            except InputError as error:
                return self.exit("ERROR_OUTPUT_INVALID", str(error))
        return None

    def read_history(self) -> orm.ArrayData | None:
        """Return the learning curves as arrays, one a quantity, or None when no epoch was finished."""
        if PROGRESS_FILE not in self.retrieved.base.repository.list_object_names():
            return None
        columns: dict[str, list[float]] = defaultdict(list)
        for line in self.retrieved.base.repository.get_object_content(PROGRESS_FILE, "r").splitlines():
            try:
                entry = json.loads(line)
            except json.JSONDecodeError:
                continue  # the job was killed while it wrote this line
            if "epoch" in entry:
                for key, value in entry.items():
                    if isinstance(value, int | float):
                        columns[key].append(value)
        if not columns:
            return None
        node = orm.ArrayData()
        for key, values in columns.items():
            node.set_array(key, np.asarray(values, dtype=np.float64))
        return node
