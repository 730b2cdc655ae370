"""A search that goes on from its checkpoints when its job is stopped."""

from __future__ import annotations

from aiida import orm

from aiida_redoxmlp.calculations.search import SearchCalculation
from aiida_redoxmlp.runners.search_progress import SearchProgress
from aiida_redoxmlp.workchains.resuming import ResumingWorkChain

__all__ = ("SearchBaseWorkChain",)


class SearchBaseWorkChain(ResumingWorkChain):
    """Search in as many jobs as it takes: each goes on from the checkpoints of the one before, to the same answer.

    A job that ended at its wall time, with its node, by somebody's hand or for no known reason is started again. Input
    that was refused, memory that ran out and a GPU that is not there end the work chain.
    """

    _process_class = SearchCalculation
    work = "The search"
    least_memory = "Ask for more memory."

    def came_further(self, calculation: orm.CalcJobNode) -> bool:
        """Tell whether the job evaluated or relaxed anything that is stored."""
        return SearchProgress(self.progress_of(calculation)).advanced

    def with_less_memory(self) -> str | None:
        """Return None: the committee fills no more memory with more configurations."""
        return None
