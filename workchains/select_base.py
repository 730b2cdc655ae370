"""A selection that is made again when its job is stopped."""

from __future__ import annotations

from aiida_redoxmlp.calculations.select import SelectCalculation
from aiida_redoxmlp.workchains.job_base import JobBaseWorkChain

__all__ = ("SelectBaseWorkChain",)


class SelectBaseWorkChain(JobBaseWorkChain):
    """Select what is labelled; the same frames and seed give the same selection, however often the job is stopped.

    A job that ended with its node, by somebody's hand or for no known reason is started again. One that reached its
    wall time or ran out of memory, input that was refused and a GPU that is not there end the work chain.
    """

    _process_class = SelectCalculation
    work = "The selection"
    least_memory = "Ask for more memory, or for a smaller max_candidates."
