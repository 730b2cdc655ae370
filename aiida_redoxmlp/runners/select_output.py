"""From a proposal to the typed output of a selection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aiida_redoxmlp.active_learning.candidates import formula_of
from aiida_redoxmlp.active_learning.electrons import PatternBelief, believe
from aiida_redoxmlp.active_learning.proposal import Proposal
from aiida_redoxmlp.active_learning.verdicts import LabelRequest
from aiida_redoxmlp.engines.contract import CommitteePotential
from aiida_redoxmlp.redox.configuration import Configuration
from aiida_redoxmlp.runners.select_job import BeliefRecord, SelectedStructure, SelectJob, SelectOutput

__all__ = ("ground_states_of", "select_output")


def ground_states_of(
    potential: CommitteePotential, structures: Mapping[str, Configuration], job: SelectJob
) -> dict[str, str]:
    """Return the formula and the lowest pattern of each structure at its geometry, such as ``LiMn2O8P2 (2,3)``."""
    beliefs = believe(potential, list(structures.values()), job.chemistry, job.settings.patterns)
    return {
        name: f"{formula_of(atoms)} {belief.lowest.label}"
        for (name, atoms), belief in zip(structures.items(), beliefs, strict=True)
        if belief is not None
    }


def select_output(
    proposal: Proposal,
    job: SelectJob,
    *,
    n_explored: int,
    ground_states: dict[str, str],
    warnings: Sequence[str],
    wall_time: float,
    device: str,
) -> SelectOutput:
    """Return the output of a selection.

    Args:
        proposal: what was chosen.
        job: its input.
        n_explored: frames in all files.
        ground_states: lowest patterns of the given structures.
        warnings: sentences besides those of the selection.
        wall_time: seconds it took.
        device: where the committee ran.
    """
    chosen = zip(proposal.requests, proposal.selection.reasons, proposal.beliefs, strict=True)
    return SelectOutput(
        strategy=job.settings.selection.strategy,
        n_explored=n_explored,
        requests=[_selected(request, reason, belief) for request, reason, belief in chosen],
        counts=proposal.selection.counts,
        ground_states=ground_states,
        force_spreads_ev_per_angstrom=[job.factors.forces * one.largest_force_spread for one in proposal.uncertainties],
        doubts=[
            None if one.belief is None else one.belief.doubt(job.factors.electrons) for one in proposal.uncertainties
        ],
        factors=job.factors,
        warnings=[*warnings, *proposal.selection.warnings],
        wall_time_s=wall_time,
        device=device,
    )


def _selected(request: LabelRequest, reason: str, belief: PatternBelief | None) -> SelectedStructure:
    return SelectedStructure.model_validate(
        {
            "name": request.name,
            "key": request.key,
            "structure": request.origin.partition(",")[0].partition(" step ")[0],
            "origin": request.origin,
            "wanted": list(request.wanted.states),
            "reason": reason,
            "belief": None if belief is None else BeliefRecord.of(belief),
            **SelectedStructure.geometry(request.structure),
        }
    )
