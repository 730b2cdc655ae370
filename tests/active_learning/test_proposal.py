from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from aiida_redoxmlp.active_learning.candidates import Candidate
from aiida_redoxmlp.active_learning.judging import fresh_errors, spread_factors
from aiida_redoxmlp.active_learning.label_book import LabelBook
from aiida_redoxmlp.active_learning.proposal import Proposal, propose
from aiida_redoxmlp.active_learning.selection import CandidateBand, SelectionSettings
from aiida_redoxmlp.active_learning.verdicts import Verdict, frames_of, judge_answer
from aiida_redoxmlp.engines.encoding import Encoding
from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.redox.chemistry import RedoxChemistry
from aiida_redoxmlp.redox.species import Species
from aiida_redoxmlp.testing import toy_frames
from aiida_redoxmlp.testing.replayed_pool import ReplayedPool
from tests.active_learning.bond_committee import BondCommittee, tilted

EVERYTHING = SelectionSettings(n_labels=100, band=CandidateBand(floor=0.0, ceiling=None))


def proposed(potential: BondCommittee, pool: ReplayedPool, chemistry: RedoxChemistry, **given: object) -> Proposal:
    settings = given.pop("settings", EVERYTHING)
    return propose(potential, pool.candidates(), chemistry, settings, **given)  # type: ignore[arg-type]


def test_every_structure_is_asked_with_the_pattern_the_committee_believes_in(
    right: BondCommittee, chemistry: RedoxChemistry
) -> None:
    geometries = [tilted(seed, tilt) for seed, tilt in enumerate((0.3, -0.3, 0.2, -0.2))]
    found = propose(right, [Candidate(one) for one in geometries], chemistry, EVERYTHING)
    by_geometry = {request.structure.positions.tobytes(): request.wanted.states for request in found.requests}
    wanted = [by_geometry[one.positions.tobytes()] for one in geometries]
    assert wanted == [(2, 3), (3, 2), (2, 3), (3, 2)]


def test_a_loop_on_a_replayed_pool_labels_everything_once_and_counts_its_redox_errors(
    right: BondCommittee, chemistry: RedoxChemistry
) -> None:
    pool = ReplayedPool(toy_frames(20, seed=6), chemistry, failing=[4])
    book, labelled, verdicts = LabelBook(max_attempts=2), [], []
    for iteration in range(8):
        found = proposed(right, pool, chemistry, settings=EVERYTHING.model_copy(update={"n_labels": 6}), book=book)
        fresh: list[Verdict] = [judge_answer(pool.answer(one), chemistry) for one in book.to_ask(found.requests)]
        book = book.recorded(fresh, iteration)
        labelled += frames_of(fresh)
        verdicts += fresh
    assert len(labelled) == len({frame.content_hash for frame in labelled}) == 19
    assert sum(book.counts(iteration).asked for iteration in range(8)) == 20
    wrong = sum(verdict.outcome == "redox_error" for verdict in verdicts)
    assert wrong == sum(book.counts(iteration).redox_errors for iteration in range(8))
    recovery = fresh_errors(right, verdicts).pattern_recovery
    assert recovery == pytest.approx(1 - wrong / 19)
    assert spread_factors(right, verdicts).forces > 0


def test_labelled_structures_are_not_asked_again(right: BondCommittee, chemistry: RedoxChemistry) -> None:
    frames = toy_frames(10, seed=6)
    pool = ReplayedPool(frames, chemistry)
    first = proposed(right, pool, chemistry)
    landed = frames_of([judge_answer(pool.answer(request), chemistry) for request in first.requests])
    agreeing = [one for one, request in zip(landed, first.requests, strict=True) if one.pattern == request.wanted]
    again = proposed(right, pool, chemistry, labelled=agreeing)
    assert len(again.requests) == 10 - len(agreeing)
    assert again.selection.counts.n_asked_before == len(agreeing) > 0


def test_the_states_a_walker_carried_do_not_change_what_is_asked(
    right: BondCommittee, chemistry: RedoxChemistry
) -> None:
    here = tilted(tilt=0.2)
    other = replace(here, oxidation_states=np.array([2, 3, -2, -2]))
    keys = [propose(right, [Candidate(one)], chemistry, EVERYTHING).requests[0].key for one in (here, other)]
    assert keys[0] == keys[1]


def test_a_proposal_is_the_same_every_time(right: BondCommittee, chemistry: RedoxChemistry) -> None:
    pool = ReplayedPool(toy_frames(12, seed=7), chemistry)
    some = EVERYTHING.model_copy(update={"n_labels": 5})
    names = [[one.name for one in proposed(right, pool, chemistry, settings=some).requests] for _ in range(2)]
    assert names[0] == names[1]


def test_a_potential_blind_to_states_cannot_select_by_them(chemistry: RedoxChemistry) -> None:
    blind = BondCommittee((2.1, 2.1), (2.0, 2.0))
    blind.encoding = Encoding.for_species("none", [Species("Mn", 2), Species("Mn", 3), Species("O", -2)])
    pool = ReplayedPool(toy_frames(3), chemistry)
    with pytest.raises(InputError, match="encoding is 'none'"):
        proposed(blind, pool, chemistry)
    by_forces = EVERYTHING.model_copy(update={"strategy": "uncertainty"})
    assert len(proposed(blind, pool, chemistry, settings=by_forces).requests) == 3


def test_nothing_explored_is_nothing_asked(right: BondCommittee, chemistry: RedoxChemistry) -> None:
    found = propose(right, [], chemistry, EVERYTHING)
    assert found.requests == ()
    assert found.selection.counts.n_candidates == 0
