"""Provenance-tracked steps of an active-learning loop: judging answers, closing an iteration, ending."""

from __future__ import annotations

from typing import Any

import numpy as np
from aiida import orm
from aiida.engine import calcfunction

from aiida_redoxmlp.active_learning.judging import factors_of
from aiida_redoxmlp.active_learning.label_book import LabelCounts
from aiida_redoxmlp.active_learning.records import BandCounts, FreshErrors, IterationRecord, LoopState, Usage
from aiida_redoxmlp.active_learning.uncertainty import SpreadFactors
from aiida_redoxmlp.active_learning.verdicts import LabelAnswer, LabelRequest, Outcome, Verdict, judge_answer
from aiida_redoxmlp.data.dataset import DatasetData
from aiida_redoxmlp.dataset.dataset import Dataset
from aiida_redoxmlp.dataset.frame import Frame
from aiida_redoxmlp.redox.chemistry import RedoxChemistry
from aiida_redoxmlp.redox.configuration import Configuration
from aiida_redoxmlp.redox.pattern import Pattern
from aiida_redoxmlp.runners.jobs import EvaluateOutput, TrainOutput
from aiida_redoxmlp.runners.select_job import BeliefRecord

__all__ = ("close_iteration", "end_loop", "judge_labels", "outcome_of", "remember")

_NOTHING_EXPLORED = BandCounts(
    n_candidates=0, n_known=0, n_uncertain_forces=0, n_uncertain_electrons=0, n_uncertain=0, n_too_far=0
)


@calcfunction
def remember(loop: orm.Dict) -> orm.Dict:
    """Return what the next choice of labels has to know, which is the same every time a loop is run.

    Args:
        loop: fields of :class:`~aiida_redoxmlp.active_learning.records.LoopState`.

    Returns:
        Fields of :class:`~aiida_redoxmlp.active_learning.records.LoopMemory`.
    """
    return orm.Dict(LoopState.model_validate(loop.get_dict()).memory.model_dump(mode="json"))


@calcfunction
def judge_labels(loop: orm.Dict, redox: orm.Dict, asked: orm.Dict, **answers: Any) -> dict[str, orm.Data]:
    """Decide what DFT's answers mean; the wanted patterns have no say in what the labels are.

    A label may have several attempts. Its answer is the clear frame of lowest energy; the others are labels as well.

    Args:
        loop: fields of :class:`~aiida_redoxmlp.active_learning.records.LoopState`.
        redox: fields of :class:`~aiida_redoxmlp.redox.chemistry.RedoxChemistry`.
        asked: ``iteration``, ``max_attempts`` and ``requests``, those of a selection with a ``failure`` where no label
            came back.
        answers: ``request_N``, the structure of a request, and ``frames_N``, its frames, if there are any.

    Returns:
        ``verdicts`` with ``labels``, the fields of a :class:`~aiida_redoxmlp.active_learning.label_book.LabelBook`, and
        ``verdicts``; ``frames`` for the dataset and ``judged``, the clear answers, where there are some.
    """
    content = asked.get_dict()
    chemistry = RedoxChemistry.model_validate(redox.get_dict())
    book = LoopState.model_validate(loop.get_dict()).labels.with_attempts(content["max_attempts"])
    verdicts, frames = [], []
    for number, one in enumerate(content["requests"]):
        request = _request(one, answers[f"request_{number}"], chemistry)
        node = answers.get(f"frames_{number}")
        judged = _judged(request, () if node is None else node.frames, one.get("failure") or "", chemistry)
        verdicts.append(judged[0])
        frames += [verdict.frame for verdict in judged if verdict.frame is not None]
    book = book.recorded(verdicts, content["iteration"])
    clear = [one.frame for one in verdicts if one.frame is not None and one.found is not None]
    listed = [_listed(verdict, one) for verdict, one in zip(verdicts, content["requests"], strict=True)]
    result: dict[str, orm.Data] = {"verdicts": orm.Dict({"labels": book.model_dump(mode="json"), "verdicts": listed})}
    for name, some in (("frames", frames), ("judged", clear)):
        if some:
            result[name] = DatasetData.from_frames(Dataset(some).deduplicated().frames)
    return result


def outcome_of(label: orm.ProcessNode) -> Outcome:
    """Return what the answer of a label that ended means, as :func:`judge_labels` will find.

    Args:
        label: a LabelWorkChain.
    """
    if not label.is_finished_ok:
        return "failed"
    chemistry = RedoxChemistry.model_validate(label.inputs.redox.get_dict())
    told = {"wanted": label.inputs.pattern.get_list(), "origin": ""}
    request = _request(told, label.inputs.structure, chemistry)
    return _judged(request, label.outputs.frames.frames, "", chemistry)[0].outcome


@calcfunction
def close_iteration(
    loop: orm.Dict,
    verdicts: orm.Dict,
    facts: orm.Dict,
    selection: orm.Dict | None = None,
    evaluation: orm.Dict | None = None,
    training: orm.Dict | None = None,
) -> dict[str, orm.Data]:
    """Write down an iteration.

    Args:
        loop: fields of :class:`~aiida_redoxmlp.active_learning.records.LoopState` before it.
        verdicts: what :func:`judge_labels` said.
        facts: ``number``, ``strategy``, ``n_frames``, ``used`` and ``warnings``.
        selection: report of its selection.
        evaluation: report on the fresh labels of the potential that asked for them.
        training: report of its training.

    Returns:
        ``record``, the fields of :class:`~aiida_redoxmlp.active_learning.records.IterationRecord`, and ``loop``.
    """
    state = LoopState.model_validate(loop.get_dict())
    told, content = facts.get_dict(), verdicts.get_dict()
    chosen = {} if selection is None else selection.get_dict()
    book = type(state.labels).model_validate(content["labels"])
    counts = book.counts(told["number"])
    judged = None if evaluation is None else EvaluateOutput.model_validate(evaluation.get_dict())
    record = IterationRecord(
        number=told["number"],
        strategy=told["strategy"],
        band=BandCounts.model_validate(chosen["counts"]) if chosen else _NOTHING_EXPLORED,
        labels=counts,
        n_frames=told["n_frames"],
        errors_before=None if judged is None else _fresh(judged, counts),
        errors_after=None if training is None else _held_out(TrainOutput.model_validate(training.get_dict())),
        factors=state.factors if judged is None else _factors(judged, content["verdicts"], state),
        ground_states=chosen.get("ground_states", {}),
        used=Usage.model_validate(told["used"]),
        warnings=[*chosen.get("warnings", []), *told["warnings"], *book.set_aside()],
    )
    return {
        "record": orm.Dict(record.model_dump(mode="json")),
        "loop": orm.Dict(state.with_iteration(record, book).model_dump(mode="json")),
    }


@calcfunction
def end_loop(loop: orm.Dict, ending: orm.Dict) -> dict[str, orm.Data]:
    """Write down how a loop ended.

    Args:
        loop: fields of :class:`~aiida_redoxmlp.active_learning.records.LoopState`.
        ending: ``status`` and ``reason``.

    Returns:
        ``loop`` with both, and ``conclusion``: ``status``, ``sentence``, ``n_iterations`` and ``used``.
    """
    told = ending.get_dict()
    state = LoopState.model_validate({**loop.get_dict(), **told})
    conclusion = {
        "status": state.status,
        "sentence": state.reason,
        "n_iterations": len(state.iterations),
        "used": state.used.model_dump(mode="json"),
    }
    return {"loop": orm.Dict(state.model_dump(mode="json")), "conclusion": orm.Dict(conclusion)}


def _request(told: dict[str, Any], node: orm.StructureData, chemistry: RedoxChemistry) -> LabelRequest:
    """Return a request with its structure, whose atoms carry their fixed states and the wanted ones."""
    atoms = node.get_ase()
    sites, background = chemistry.sites_and_background(atoms.get_chemical_symbols())
    given = Configuration.from_ase(atoms)
    structure = Configuration(given.numbers, given.positions, given.cell, np.array(background, dtype=np.int64))
    return LabelRequest(structure, Pattern(sites, tuple(told["wanted"])), told["origin"])


def _judged(request: LabelRequest, frames: tuple[Frame, ...], failure: str, chemistry: RedoxChemistry) -> list[Verdict]:
    """Return the verdicts on all attempts at a label, that on its answer first."""
    verdicts = [judge_answer(LabelAnswer(request, frame), chemistry) for frame in frames]
    if not verdicts:
        return [judge_answer(LabelAnswer(request, None, failure), chemistry)]
    rank = {"landed": 0, "redox_error": 0, "ambiguous": 1, "failed": 2}
    return sorted(verdicts, key=lambda one: (rank[one.outcome], 0.0 if one.frame is None else one.frame.energy))


def _listed(verdict: Verdict, told: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": verdict.request.name,
        "key": verdict.request.key,
        "structure": told["structure"],
        "wanted": list(verdict.request.wanted.states),
        "sites": list(verdict.request.wanted.sites),
        "outcome": verdict.outcome,
        "found": None if verdict.found is None else list(verdict.found.states),
        "reason": verdict.reason,
        "belief": told.get("belief"),
    }


def _fresh(judged: EvaluateOutput, counts: LabelCounts) -> FreshErrors:
    return FreshErrors(
        n_labels=counts.clear,
        force_mae_ev_per_angstrom=judged.force_mae_ev_per_angstrom,
        energy_mae_ev_per_atom=judged.energy_mae_ev_per_atom,
        pattern_recovery=counts.landed / counts.clear if counts.clear else None,
    )


def _held_out(trained: TrainOutput) -> FreshErrors:
    return FreshErrors(
        n_labels=trained.n_validation_frames,
        force_mae_ev_per_angstrom=trained.force_mae_ev_per_angstrom,
        energy_mae_ev_per_atom=trained.energy_mae_ev_per_atom,
    )


def _factors(judged: EvaluateOutput, listed: list[dict[str, Any]], state: LoopState) -> SpreadFactors:
    """Return the calibration of the spreads by the fresh labels."""
    forces, energies = judged.force_calibration, judged.energy_calibration
    clear = [one for one in listed if one["found"] is not None]
    wanted = [Pattern(tuple(one["sites"]), tuple(one["wanted"])) for one in clear]
    return factors_of(
        None if forces is None else forces.factor,
        None if energies is None else energies.factor,
        [
            None if one["belief"] is None else BeliefRecord(**one["belief"]).belief(lowest)
            for one, lowest in zip(clear, wanted, strict=True)
        ],
        [one["outcome"] == "redox_error" for one in clear],
        len(clear),
        state.factors,
    )
