"""What the parsers of our own programs have in common."""

from __future__ import annotations

import re
from typing import Any, TypeVar

from aiida.engine import CalcJob, ExitCode
from aiida.parsers import Parser
from pydantic import BaseModel, ValidationError

from aiida_redoxmlp.calculations.runner import STDERR_FILE
from aiida_redoxmlp.errors import explain
from aiida_redoxmlp.runners.command import (
    SAYS_DISK_FULL,
    SAYS_INTERRUPTED,
    SAYS_NO_GPU,
    SAYS_OUT_OF_MEMORY,
    SAYS_REFUSED,
)
from aiida_redoxmlp.runners.jobs import OUTPUT_FILE

__all__ = ("RunnerParser",)

_Output = TypeVar("_Output", bound=BaseModel)

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


class RunnerParser(Parser):
    """Reads ``output.json``, or finds out why there is none: who stopped the job, and how far it came."""

    @property
    def reached(self) -> str:
        """How far a job without output came, such as ``after epoch 3``."""
        return "with nothing to go on from"

    def read_output(self, model: type[_Output], name: str = OUTPUT_FILE) -> _Output | ExitCode:
        """Return the typed output, or the exit code that says why there is none."""
        if name not in self.retrieved.base.repository.list_object_names():
            return self.explain_stop()
        try:
            return model.model_validate_json(self.retrieved.base.repository.get_object_content(name, "r"))
        except ValidationError as error:
            return self.exit("ERROR_OUTPUT_INVALID", explain(error, name))

    def explain_stop(self) -> ExitCode:
        """Return why there is no output: the program's own reason first, then the monitor's and the scheduler's."""
        last = self.last_words()
        for words, label in (
            (SAYS_OUT_OF_MEMORY, "ERROR_TOO_LARGE"),
            (SAYS_REFUSED, "ERROR_INPUT_REFUSED"),
            (SAYS_NO_GPU, "ERROR_NO_GPU"),
            (SAYS_DISK_FULL, "ERROR_DISK_FULL"),
        ):
            if last.startswith(words):
                return self.exit(label, last.removeprefix(words))
        if (stopped := self.stopped_by_monitor()) is not None:
            return stopped
        said = self.read_text(self.node.get_option("scheduler_stderr"))
        for label, status, pattern in _SCHEDULER:
            if self.node.exit_status == status or pattern.search(said):
                return self.exit(label, _last_sentence(said, "so the scheduler says"), reached=self.reached)
        if _TRACEBACK in self.read_text(STDERR_FILE):
            return self.exit("ERROR_OUTPUT_MISSING", last)
        told = last.removeprefix(SAYS_INTERRUPTED) if last.startswith(SAYS_INTERRUPTED) else "nobody says why"
        return self.exit("ERROR_KILLED", _last_sentence(said, told), reached=self.reached)

    def stopped_by_monitor(self) -> ExitCode | None:
        """Return the exit code of a job that a monitor ended, or None."""
        return None

    def exit(self, label: str, reason: str, **more: str) -> ExitCode:
        """Return an exit code of the calculation with its reason filled in."""
        code: ExitCode = self.exit_codes[label]
        return code.format(reason=reason, **more)

    def last_words(self) -> str:
        """The last line the program wrote to its standard error, not counting source lines of a traceback."""
        lines = [line for line in self.read_text(STDERR_FILE).splitlines() if line.strip() and not line[0].isspace()]
        return lines[-1] if lines else ""

    def read_text(self, name: str | None) -> str:
        """Return a retrieved file's text; empty where there is none."""
        if name is None or name not in self.retrieved.base.repository.list_object_names():
            return ""
        text: str = self.retrieved.base.repository.get_object_content(name, "rb").decode(errors="replace")
        return text

    def parse(self, **kwargs: Any) -> ExitCode | None:
        """Parse the retrieved files."""
        raise NotImplementedError


def _last_sentence(said: str, otherwise: str) -> str:
    """Return the last line of the scheduler, without what it puts around its sentences."""
    lines = [_DECORATION.sub("", line).strip() for line in said.splitlines()]
    return next((line for line in reversed(lines) if line), otherwise)
