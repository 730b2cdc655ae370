"""An exploration that goes on from its checkpoints when its job is stopped."""

from __future__ import annotations

from aiida import orm

from aiida_redoxmlp.calculations.explore import ExploreCalculation
from aiida_redoxmlp.runners.explore_progress import ExploreProgress
from aiida_redoxmlp.workchains.resuming import ResumingWorkChain

__all__ = ("ExploreBaseWorkChain",)


class ExploreBaseWorkChain(ResumingWorkChain):
    """Explore in as many jobs as it takes: each goes on from the checkpoints of the one before, to the same frames.

    A job that ended at its wall time, with its node, by somebody's hand or for no known reason is started again. Input
    that was refused, memory that ran out and a GPU that is not there end the work chain.
    """

    _process_class = ExploreCalculation
    work = "The exploration"
    least_memory = "Ask for more memory, or for fewer walkers."

    def came_further(self, calculation: orm.CalcJobNode) -> bool:
        """Tell whether the job made steps or relaxed anything that is stored."""
        return ExploreProgress(self.progress_of(calculation)).advanced

    def with_less_memory(self) -> str | None:
        """Return None: the committee fills no more memory with more walkers."""
        return None
