"""Work chains around a job that goes on from its checkpoints when it is stopped."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from aiida import orm
from aiida.common import AttributeDict
from aiida.engine import BaseRestartWorkChain, ProcessHandlerReport, process_handler, while_
from aiida.engine.processes.workchains.workchain import WorkChainSpec

from aiida_redoxmlp.calculations.resumable import ResumableCalculation
from aiida_redoxmlp.runners.jobs import PROGRESS_FILE

__all__ = ("ResumingWorkChain",)

_EXIT = ResumableCalculation.exit_codes
_LAST_FATAL_STATUS = 399
_LAST_SCHEDULER_STATUS = 199


class ResumingWorkChain(BaseRestartWorkChain):
    """Run a job in as many jobs as it takes: each goes on from the checkpoints of the one before.

    A job that ended at its wall time, with its node, by somebody's hand or for no known reason is started again. Input
    that was refused and a GPU that is not there end the work chain.
    """

    _process_class: type[ResumableCalculation]

    work = "The job"
    """What goes on, at the beginning of a sentence."""

    least_memory = ""
    """Sentence on what to do where no job can do with less memory."""

    @classmethod
    def define(cls, spec: WorkChainSpec) -> None:  # type: ignore[override]
        """Define inputs, outline, outputs and exit codes."""
        super().define(spec)
        spec.expose_inputs(cls._process_class, namespace="job")
        spec.expose_outputs(cls._process_class)
        spec.outline(
            cls.setup,
            while_(cls.should_run_process)(cls.run_process, cls.inspect_process),
            cls.results,
        )
        spec.exit_code(300, "ERROR_UNRECOVERABLE", message="{message}")
        spec.exit_code(
            310,
            "ERROR_NO_PROGRESS",
            message="Two jobs in a row were stopped before they came further; ask for a longer wall time or more "
            "memory. {message}",
        )
        spec.exit_code(320, "ERROR_TOO_MANY_RESTARTS", message=f"{cls.work} was stopped {{count}} times. {{message}}")

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
        """Start with the inputs as they are."""
        super().setup()
        self.ctx.inputs = AttributeDict(self.exposed_inputs(self._process_class, "job"))
        self.ctx.stops_without_progress = 0

    @process_handler(
        priority=600,
        exit_codes=[
            _EXIT.ERROR_OUT_OF_WALLTIME,
            _EXIT.ERROR_OUT_OF_MEMORY,
            _EXIT.ERROR_NODE_FAILURE,
            _EXIT.ERROR_KILLED,
        ],
    )
    def handle_stop(self, calculation: orm.CalcJobNode) -> ProcessHandlerReport:
        """Go on from the last checkpoint, with less at once where memory may have been the reason."""
        message = calculation.exit_message
        further = self.came_further(calculation)
        self.ctx.stops_without_progress = 0 if further else self.ctx.stops_without_progress + 1
        if self.ctx.stops_without_progress > 1:
            return self._give_up("ERROR_NO_PROGRESS", calculation)
        if self.ctx.iteration >= self.inputs.max_iterations.value:
            return self._give_up("ERROR_TOO_MANY_RESTARTS", calculation, count=self.ctx.iteration)
        changes = ""
        if calculation.exit_status == _EXIT.ERROR_OUT_OF_MEMORY.status:
            said = self.with_less_memory()
            if said is None:
                return self._give_up("ERROR_UNRECOVERABLE", calculation, self.least_memory)
            changes = f", with {said}"
        self.ctx.inputs.parent_folder = calculation.outputs.remote_folder
        self.report(
            f"{calculation.process_label}<{calculation.pk}> ended with exit code {calculation.exit_status}: {message} "
            f"{self.work.removeprefix('The ').capitalize()} goes on from its checkpoints{changes} (restart "
            f"{self.ctx.iteration} of at most {self.inputs.max_iterations.value - 1})."
        )
        return ProcessHandlerReport(True)

    @process_handler(priority=500)
    def handle_fatal(self, calculation: orm.CalcJobNode) -> ProcessHandlerReport | None:
        """Give up at once where a repetition would fail again."""
        if calculation.is_finished_ok or not (
            _LAST_SCHEDULER_STATUS < (calculation.exit_status or 0) <= _LAST_FATAL_STATUS
        ):
            return None
        return self._give_up("ERROR_UNRECOVERABLE", calculation)

    def _give_up(self, label: str, calculation: orm.CalcJobNode, hint: str = "", **fields: Any) -> ProcessHandlerReport:
        """End with the calculation's own reason."""
        message = " ".join(filter(None, [calculation.exit_message, hint]))
        self.report(
            f"{calculation.process_label}<{calculation.pk}> ended with exit code {calculation.exit_status}: {message}"
        )
        return ProcessHandlerReport(True, self.exit_codes[label].format(message=message, **fields))
