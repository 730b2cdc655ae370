"""A training that goes on from its checkpoints when its job is stopped."""

from __future__ import annotations

from aiida import orm

from aiida_redoxmlp.calculations.train import TrainCalculation
from aiida_redoxmlp.engines.settings import TrainingSettings
from aiida_redoxmlp.workchains.resuming import ResumingWorkChain

__all__ = ("TrainBaseWorkChain",)


class TrainBaseWorkChain(ResumingWorkChain):
    """Train in as many jobs as it takes: each goes on from the checkpoints of the one before.

    A job that ended at its wall time, with its node, by somebody's hand or for no known reason is started again. One
    that was killed for its memory is started again with half as many frames at once, which does not change the result;
    on a GPU the job itself does so and goes on. Input that was refused, a loss that diverged and a GPU that is not
    there end the work chain.
    """

    _process_class = TrainCalculation
    work = "The training"
    least_memory = "One frame at once is too much already."

    def came_further(self, calculation: orm.CalcJobNode) -> bool:
        """Tell whether the job finished an epoch."""
        return "history" in calculation.outputs

    def with_less_memory(self) -> str | None:
        """Let half as many frames through the network together; None if it is one already."""
        given = self.ctx.inputs.settings.get_dict()
        settings = TrainingSettings.model_validate(given)
        now = min(settings.batch_size, settings.frames_at_once or settings.batch_size)
        if now == 1:
            return None
        frames = (now + 1) // 2
        self.ctx.inputs.settings = orm.Dict({**given, "frames_at_once": frames})
        return f"{frames} frames at once"
