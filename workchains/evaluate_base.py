"""An evaluation that is made again when its job is stopped."""

from __future__ import annotations

from aiida_redoxmlp.calculations.evaluate import EvaluateCalculation
from aiida_redoxmlp.workchains.job_base import JobBaseWorkChain

__all__ = ("EvaluateBaseWorkChain",)


class EvaluateBaseWorkChain(JobBaseWorkChain):
    """Compare a committee with labelled frames, in a job that is started again when it is stopped.

    A job that ended with its node, by somebody's hand or for no known reason is started again. One that reached its
    wall time or ran out of memory, input that was refused and a GPU that is not there end the work chain.
    """

    _process_class = EvaluateCalculation
    work = "The evaluation"
    least_memory = "Ask for more memory, or for a smaller max_patterns."
