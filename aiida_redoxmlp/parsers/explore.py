"""Parser of explorations."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from aiida import orm
from aiida.engine import ExitCode

from aiida_redoxmlp.active_learning.exploration.frames import read_explored
from aiida_redoxmlp.errors import RedoxmlpError
from aiida_redoxmlp.parsers.runner import RunnerParser
from aiida_redoxmlp.parsers.select import requested_structures, selection_report
from aiida_redoxmlp.runners.explore_job import FRAMES_FILE, SELECTION_FILE, ExploreOutput
from aiida_redoxmlp.runners.explore_progress import ExploreProgress
from aiida_redoxmlp.runners.jobs import OUTPUT_FILE, PROGRESS_FILE
from aiida_redoxmlp.runners.select_job import SelectOutput

__all__ = ("ExploreParser",)


class ExploreParser(RunnerParser):
    """Attaches the frames, what became of the walkers, and what was selected; says of a stopped job how far it came."""

    @property
    def reached(self) -> str:
        """The steps and relaxations so far."""
        return ExploreProgress(self.read_text(PROGRESS_FILE)).reached

    def parse(self, **_: Any) -> ExitCode | None:
        """Parse the retrieved files."""
        output = self.read_output(ExploreOutput)
        if isinstance(output, ExitCode):
            return output
        refused = self._attach_frames(output) or self._attach_selection(output)
        if refused is not None:
            return refused
        self.out("report", orm.Dict(output.model_dump(mode="json")))
        return ExitCode(0)  # whatever the scheduler says of a job that was cut off after its last word

    def _attach_frames(self, output: ExploreOutput) -> ExitCode | None:
        """Attach the file with the frames if it holds what the output says."""
        names = self.retrieved.base.repository.list_object_names()
        if FRAMES_FILE not in names:
            return self.exit("ERROR_OUTPUT_INVALID", f"{FRAMES_FILE} is missing.")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / FRAMES_FILE
            path.write_bytes(self.retrieved.base.repository.get_object_content(FRAMES_FILE, "rb"))
            try:
                n_frames = len(read_explored(path))
            except RedoxmlpError as error:
                return self.exit("ERROR_OUTPUT_INVALID", str(error).replace(str(path), FRAMES_FILE))
            if n_frames != output.n_frames:
                return self.exit(
                    "ERROR_OUTPUT_INVALID",
                    f"{FRAMES_FILE} holds {n_frames} frames, but {OUTPUT_FILE} tells of {output.n_frames}.",
                )
            self.out("frames", orm.SinglefileData(path, filename=FRAMES_FILE))
        return None

    def _attach_selection(self, output: ExploreOutput) -> ExitCode | None:
        """Attach what was selected, where that was asked for and there was something to select from."""
        if "selection" not in self.node.inputs or output.went_nowhere:
            return None
        if SELECTION_FILE not in self.retrieved.base.repository.list_object_names():
            return self.exit("ERROR_OUTPUT_INVALID", f"{SELECTION_FILE} is missing.")
        selected = self.read_output(SelectOutput, SELECTION_FILE)
        if isinstance(selected, ExitCode):
            return selected
        self.out("selection", selection_report(selected))
        for name, structure in requested_structures(selected).items():
            self.out(f"selected.{name}", structure)
        return None
