"""Why a job that can go on from its checkpoints left no output."""

from __future__ import annotations

import re

from aiida.engine import CalcJob, ExitCode

from aiida_redoxmlp.calculations.runner import STDERR_FILE
from aiida_redoxmlp.parsers.runner import RunnerParser
from aiida_redoxmlp.runners.command import SAYS_INTERRUPTED, SAYS_NO_GPU, SAYS_OUT_OF_MEMORY, SAYS_REFUSED

__all__ = ("ResumableParser",)

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


class ResumableParser(RunnerParser):
    """Tells who stopped a job, and how far it came."""

    def explain_stop(self, reached: str) -> ExitCode:
        """Return why there is no output: the program's own reason first, then the monitor's and the scheduler's.

        Args:
            reached: how far the job came, such as ``after epoch 3``.
        """
        last = self.last_words()
        if last.startswith(SAYS_OUT_OF_MEMORY):
            return self.exit("ERROR_TOO_LARGE", last.removeprefix(SAYS_OUT_OF_MEMORY))
        if last.startswith((SAYS_REFUSED, SAYS_NO_GPU)):
            return self.explain_missing_output()
        if (stopped := self.stopped_by_monitor()) is not None:
            return stopped
        said = self.read_text(self.node.get_option("scheduler_stderr"))
        for label, status, pattern in _SCHEDULER:
            if self.node.exit_status == status or pattern.search(said):
                return self.exit(label, _last_sentence(said, "so the scheduler says"), reached=reached)
        if _TRACEBACK in self.read_text(STDERR_FILE):
            return self.explain_missing_output()
        told = last.removeprefix(SAYS_INTERRUPTED) if last.startswith(SAYS_INTERRUPTED) else "nobody says why"
        return self.exit("ERROR_KILLED", _last_sentence(said, told), reached=reached)

    def stopped_by_monitor(self) -> ExitCode | None:
        """Return the exit code of a job that a monitor ended, or None."""
        return None


def _last_sentence(said: str, otherwise: str) -> str:
    """Return the last line of the scheduler, without what it puts around its sentences."""
    lines = [_DECORATION.sub("", line).strip() for line in said.splitlines()]
    return next((line for line in reversed(lines) if line), otherwise)
