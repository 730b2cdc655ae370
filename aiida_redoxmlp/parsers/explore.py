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
from aiida_redoxmlp.runners.explore_job import FRAMES_FILE, ExploreOutput
from aiida_redoxmlp.runners.explore_progress import ExploreProgress
from aiida_redoxmlp.runners.jobs import OUTPUT_FILE, PROGRESS_FILE

__all__ = ("ExploreParser",)


class ExploreParser(RunnerParser):
    """Attaches the frames and what became of the walkers; says of a stopped job how far it came."""

    @property
    def reached(self) -> str:
        """The steps and relaxations so far."""
        return ExploreProgress(self.read_text(PROGRESS_FILE)).reached

    def parse(self, **_: Any) -> ExitCode | None:
        """Parse the retrieved files."""
        output = self.read_output(ExploreOutput)
        if isinstance(output, ExitCode):
            return output
        refused = self._attach_frames(output)
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
