"""From explored geometries to label requests: beliefs, spreads, selection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from aiida_redoxmlp.active_learning.candidates import Candidate, keys_of_frames
from aiida_redoxmlp.active_learning.diversity import structure_vectors
from aiida_redoxmlp.active_learning.electrons import BeliefSettings, PatternBelief, believe, with_believed_pattern
from aiida_redoxmlp.active_learning.label_book import LabelBook
from aiida_redoxmlp.active_learning.selection import Known, Selection, SelectionSettings, select, stratum_of
from aiida_redoxmlp.active_learning.uncertainty import SpreadFactors, Uncertainty, uncertainty_of
from aiida_redoxmlp.active_learning.verdicts import LabelRequest
from aiida_redoxmlp.dataset.frame import Frame
from aiida_redoxmlp.engines.contract import CommitteePotential
from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.redox.chemistry import RedoxChemistry
from aiida_redoxmlp.redox.pattern import Pattern

__all__ = ("Proposal", "propose")


@dataclass(frozen=True, eq=False)
class Proposal:
    """What a committee would have DFT label.

    Attributes:
        requests: one a structure chosen, each with the pattern the committee believes in.
        beliefs: what it believes of the patterns of each of them.
        selection: where all candidates lie, and why these were chosen.
        uncertainties: of all candidates, for histograms.
    """

    requests: tuple[LabelRequest, ...]
    beliefs: tuple[PatternBelief | None, ...]
    selection: Selection
    uncertainties: tuple[Uncertainty, ...]


def propose(
    potential: CommitteePotential,
    candidates: Sequence[Candidate],
    chemistry: RedoxChemistry,
    settings: SelectionSettings,
    *,
    labelled: Sequence[Frame] = (),
    book: LabelBook | None = None,
    factors: SpreadFactors | None = None,
    belief_settings: BeliefSettings | None = None,
) -> Proposal:
    """Choose the structures DFT is asked about, each with the pattern the potential believes in.

    At every geometry the lowest charge-balanced pattern is found, and forces and descriptors are those of that
    pattern, whatever states the walker carried. Candidates that labels exist for, or that were asked before with that
    pattern, are left out.

    Args:
        potential: the committee.
        candidates: structures from exploration.
        chemistry: charges of the material.
        settings: strategy, band, number and seed.
        labelled: the frames of the dataset.
        book: the labels asked for so far.
        factors: calibration of the spreads.
        belief_settings: how thoroughly patterns are searched.

    Raises:
        InputError: if the committee does not tell states apart, though the strategy needs it.
    """
    if settings.strategy == "redox_aware" and not potential.encoding.resolves_states:
        raise InputError(
            "The strategy 'redox_aware' needs a potential that tells oxidation states apart, but the committee's "
            f"encoding is {potential.encoding.name!r}; train with another encoding or select by 'uncertainty'."
        )
    beliefs = believe(potential, [one.configuration for one in candidates], chemistry, belief_settings)
    believed = [
        replace(one, configuration=with_believed_pattern(potential, one.configuration, belief))
        for one, belief in zip(candidates, beliefs, strict=True)
    ]
    structures = [one.configuration for one in believed]
    uncertainties = uncertainty_of(potential.evaluate(structures), beliefs)
    vectors = structure_vectors(potential, [*structures, *(frame.configuration for frame in labelled)])
    selection = select(
        believed,
        uncertainties,
        vectors[: len(believed)],
        settings,
        n_members=potential.n_members,
        known=Known(
            keys=keys_of_frames(labelled) | (set() if book is None else book.keys),
            strata={stratum_of(frame.configuration, frame.redox_sites) for frame in labelled},
            vectors=vectors[len(believed) :],
        ),
        factors=factors,
    )
    return Proposal(
        requests=tuple(_request(believed[index], beliefs[index]) for index in selection.chosen),
        beliefs=tuple(beliefs[index] for index in selection.chosen),
        selection=selection,
        uncertainties=tuple(uncertainties),
    )


def _request(candidate: Candidate, belief: PatternBelief | None) -> LabelRequest:
    wanted = Pattern((), ()) if belief is None else belief.lowest
    return LabelRequest(candidate.configuration, wanted, f"{candidate.origin} step {candidate.step}")
