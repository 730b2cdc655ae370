"""Work chains around a job that goes on from its checkpoints when it is stopped."""

from __future__ import annotations

from abc import abstractmethod

from aiida import orm
from aiida.engine import ProcessHandlerReport
from aiida.engine.processes.workchains.workchain import WorkChainSpec

from aiida_redoxmlp.calculations.resumable import ResumableCalculation
from aiida_redoxmlp.runners.jobs import PROGRESS_FILE
from aiida_redoxmlp.workchains.job_base import JobBaseWorkChain

__all__ = ("ResumingWorkChain",)

_OUT_OF_MEMORY = ResumableCalculation.exit_codes.ERROR_OUT_OF_MEMORY.status


class ResumingWorkChain(JobBaseWorkChain):
    """Run a job in as many jobs as it takes: each goes on from the checkpoints of the one before.

    A job that ended at its wall time, with its node, by somebody's hand or for no known reason is started again. Input
    that was refused and a GPU that is not there end the work chain.
    """

    _process_class: type[ResumableCalculation]

    @classmethod
    def define(cls, spec: WorkChainSpec) -> None:  # type: ignore[override]
        """Define how jobs that store nothing end."""
        super().define(spec)
        spec.exit_code(
            310,
            "ERROR_NO_PROGRESS",
            message="Two jobs in a row were stopped before they came further; ask for a longer wall time or more "
            "memory. {message}",
        )

    @abstractmethod
    def came_further(self, calculation: orm.CalcJobNode) -> bool:
        """Tell whether a job that was stopped left more than it found."""

    @staticmethod
    def progress_of(calculation: orm.CalcJobNode) -> str:
        """Return the text of a job's progress file; empty where there is none."""
        retrieved = calculation.outputs.retrieved.base.repository
        there = PROGRESS_FILE in retrieved.list_object_names()
        return str(retrieved.get_object_content(PROGRESS_FILE, "r")) if there else ""

    @abstractmethod
    def with_less_memory(self) -> str | None:
        """Change the inputs such that the next job needs less memory, and say how; None where nothing is left."""

    def setup(self) -> None:
        """Start with no job that was stopped."""
        super().setup()
        self.ctx.stops_without_progress = 0

    def why_no_more(self, calculation: orm.CalcJobNode) -> ProcessHandlerReport | None:
        """Give up where two jobs stored nothing, or nothing is left that needs less memory."""
        further = self.came_further(calculation)
        self.ctx.stops_without_progress = 0 if further else self.ctx.stops_without_progress + 1
        if self.ctx.stops_without_progress > 1:
            return self.give_up("ERROR_NO_PROGRESS", calculation)
        self.ctx.changes = self.with_less_memory() if calculation.exit_status == _OUT_OF_MEMORY else ""
        if self.ctx.changes is None:
            return self.give_up("ERROR_UNRECOVERABLE", calculation, self.least_memory)
        return None

    def prepare_next(self, calculation: orm.CalcJobNode) -> str:
        """Go on from the last checkpoint, with less at once where memory may have been the reason."""
        self.ctx.inputs.parent_folder = calculation.outputs.remote_folder
        return f"goes on from its checkpoints{self.ctx.changes and f', with {self.ctx.changes}'}"
