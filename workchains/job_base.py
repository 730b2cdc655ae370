"""Work chains around a job that is run again when it was ended from outside."""

from __future__ import annotations

from typing import Any

from aiida import orm
from aiida.common import AttributeDict
from aiida.engine import BaseRestartWorkChain, ProcessHandlerReport, process_handler, while_
from aiida.engine.processes.workchains.workchain import WorkChainSpec

from aiida_redoxmlp.calculations.runner import RunnerCalculation
from aiida_redoxmlp.workchains.submitting_once import SubmittingOnceWorkChain

__all__ = ("JobBaseWorkChain",)

_EXIT = RunnerCalculation.exit_codes
_LAST_FATAL_STATUS = 399
_LAST_SCHEDULER_STATUS = 199


class JobBaseWorkChain(SubmittingOnceWorkChain, BaseRestartWorkChain):
    """Run a job, and run it again when it ended with its node, by somebody's hand or for no known reason.

    A job that reached its wall time or ran out of memory would do so again; with input that was refused and a GPU that
    is not there it ends the work chain.
    """

    _process_class: type[RunnerCalculation]

    work = "The job"
    """What is run, at the beginning of a sentence."""

    least_memory = "Ask for more memory."
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
        spec.exit_code(320, "ERROR_TOO_MANY_RESTARTS", message=f"{cls.work} was stopped {{count}} times. {{message}}")

    def setup(self) -> None:
        """Start with the inputs as they are."""
        super().setup()
        self.ctx.inputs = AttributeDict(self.exposed_inputs(self._process_class, "job"))

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
        """Run the job again, unless it would be stopped again or was stopped often enough."""
        if (ended := self.why_no_more(calculation)) is not None:
            return ended
        if self.ctx.iteration >= self.inputs.max_iterations.value:
            return self.give_up("ERROR_TOO_MANY_RESTARTS", calculation, count=self.ctx.iteration)
        work, begins = self.work.removeprefix("The ").capitalize(), self.prepare_next(calculation)
        self.report(
            f"{calculation.process_label}<{calculation.pk}> ended with exit code {calculation.exit_status}: "
            f"{calculation.exit_message} {work} {begins} (restart {self.ctx.iteration} of at most "
            f"{self.inputs.max_iterations.value - 1})."
        )
        return ProcessHandlerReport(True)

    def why_no_more(self, calculation: orm.CalcJobNode) -> ProcessHandlerReport | None:
        """Return how the work chain ends where the next job would be stopped for the same reason, or None."""
        if calculation.exit_status == _EXIT.ERROR_OUT_OF_MEMORY.status:
            return self.give_up("ERROR_UNRECOVERABLE", calculation, self.least_memory)
        if calculation.exit_status == _EXIT.ERROR_OUT_OF_WALLTIME.status:
            return self.give_up("ERROR_UNRECOVERABLE", calculation, "Ask for a longer wall time.")
        return None

    def prepare_next(self, _calculation: orm.CalcJobNode) -> str:
        """Change the inputs of the next job where it is to go on, and say what it does."""
        return "begins again"

    @process_handler(priority=500)
    def handle_fatal(self, calculation: orm.CalcJobNode) -> ProcessHandlerReport | None:
        """Give up at once where a repetition would fail again."""
        if calculation.is_finished_ok or not (
            _LAST_SCHEDULER_STATUS < (calculation.exit_status or 0) <= _LAST_FATAL_STATUS
        ):
            return None
        return self.give_up("ERROR_UNRECOVERABLE", calculation)

    def give_up(self, label: str, calculation: orm.CalcJobNode, hint: str = "", **fields: Any) -> ProcessHandlerReport:
        """End with the calculation's own reason."""
        message = " ".join(filter(None, [calculation.exit_message, hint]))
        self.report(
            f"{calculation.process_label}<{calculation.pk}> ended with exit code {calculation.exit_status}: {message}"
        )
        return ProcessHandlerReport(True, self.exit_codes[label].format(message=message, **fields))
