"""A training that goes on from its checkpoints when its job is stopped."""

from __future__ import annotations

from typing import Any

from aiida import orm
from aiida.common import AttributeDict
from aiida.engine import BaseRestartWorkChain, ProcessHandlerReport, process_handler, while_
from aiida.engine.processes.workchains.workchain import WorkChainSpec

from aiida_redoxmlp.calculations.train import TrainCalculation
from aiida_redoxmlp.engines.settings import TrainingSettings

__all__ = ("TrainBaseWorkChain",)

_EXIT = TrainCalculation.exit_codes
_LAST_FATAL_STATUS = 399
_LAST_SCHEDULER_STATUS = 199


class TrainBaseWorkChain(BaseRestartWorkChain):
    """Train in as many jobs as it takes: each goes on from the checkpoints of the one before.

    A job that ended at its wall time, with its node, by somebody's hand or for no known reason is started again. One
    that was killed for its memory is started again with half as many frames at once, which does not change the result;
    on a GPU the job itself does so and goes on. Input that was refused, a loss that diverged and a GPU that is not
    there end the work chain.
    """

    _process_class = TrainCalculation

    @classmethod
    def define(cls, spec: WorkChainSpec) -> None:  # type: ignore[override]
        """Define inputs, outline, outputs and exit codes."""
        super().define(spec)
        spec.expose_inputs(TrainCalculation, namespace="job")
        spec.expose_outputs(TrainCalculation)
        spec.outline(
            cls.setup,
            while_(cls.should_run_process)(cls.run_process, cls.inspect_process),
            cls.results,
        )
        spec.exit_code(300, "ERROR_UNRECOVERABLE", message="{message}")
        spec.exit_code(
            310,
            "ERROR_NO_PROGRESS",
            message="Two jobs in a row were stopped before they finished an epoch; ask for a longer wall time or more "
            "memory. {message}",
        )
        spec.exit_code(320, "ERROR_TOO_MANY_RESTARTS", message="The training was stopped {count} times. {message}")

    def setup(self) -> None:
        """Start with the inputs as they are."""
        super().setup()
        self.ctx.inputs = AttributeDict(self.exposed_inputs(TrainCalculation, "job"))
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
        """Go on from the last checkpoint, with fewer frames at once where memory may have been the reason."""
        message = calculation.exit_message
        progressed = "history" in calculation.outputs
        self.ctx.stops_without_progress = 0 if progressed else self.ctx.stops_without_progress + 1
        if self.ctx.stops_without_progress > 1:
            return self._give_up("ERROR_NO_PROGRESS", calculation)
        if self.ctx.iteration >= self.inputs.max_iterations.value:
            return self._give_up("ERROR_TOO_MANY_RESTARTS", calculation, count=self.ctx.iteration)
        changes = ""
        if calculation.exit_status == _EXIT.ERROR_OUT_OF_MEMORY.status:
            frames = self._halve_frames_at_once()
            if frames is None:
                return self._give_up("ERROR_UNRECOVERABLE", calculation, "One frame at once is too much already.")
            changes = f", with {frames} frames at once"
        self.ctx.inputs.parent_folder = calculation.outputs.remote_folder
        self.report(
            f"{calculation.process_label}<{calculation.pk}> ended with exit code {calculation.exit_status}: {message} "
            f"Training goes on from its checkpoints{changes} (restart {self.ctx.iteration} of at most "
            f"{self.inputs.max_iterations.value - 1})."
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

    def _halve_frames_at_once(self) -> int | None:
        """Let half as many frames through the network together; None if it is one already."""
        given = self.ctx.inputs.settings.get_dict()
        settings = TrainingSettings.model_validate(given)
        now = min(settings.batch_size, settings.frames_at_once or settings.batch_size)
        if now == 1:
            return None
        frames = (now + 1) // 2
        self.ctx.inputs.settings = orm.Dict({**given, "frames_at_once": frames})
        return frames
