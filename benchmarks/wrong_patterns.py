"""Does a mislabelled frame enter the dataset when every label is asked for with a pattern that DFT did not find?

Run it from a checkout, in its environment: ``python benchmarks/wrong_patterns.py``. Frames of
``benchmarks/data/limnpo4.npz`` answer 200 requests, those that close only with doubt first and the others pattern by
pattern in turn; each request wants another charge-balanced pattern than the frame has. The same requests are then
answered by a labeller that writes the wanted pattern on its frames, and by one that hides doubt. Whatever enters the
dataset is read again without the code under test: Mn2+ has five levels above the threshold and Mn3+ four, and as many
sites as lithium atoms are missing, those whose fifth level is lowest, are Mn3+. Writes ``results/wrong_patterns.json``
and ends with exit code 1 if a frame says otherwise.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import cycle, zip_longest
from pathlib import Path
from typing import Any

import numpy as np
from training_runs import ALLOWED_STATES, DATASET, how_states_are_read

from aiida_redoxmlp.active_learning.candidates import formula_of
from aiida_redoxmlp.active_learning.verdicts import LabelAnswer, LabelRequest, Verdict, frames_of, judge_answer
from aiida_redoxmlp.dataset.dataset import Dataset
from aiida_redoxmlp.dataset.file import read_dataset
from aiida_redoxmlp.dataset.frame import Frame
from aiida_redoxmlp.dataset.strata import pattern_names, shuffle_key
from aiida_redoxmlp.redox.chemistry import RedoxChemistry
from aiida_redoxmlp.redox.pattern import Pattern
from aiida_redoxmlp.runners.pattern_recovery import candidates_of
from aiida_redoxmlp.testing.replayed_pool import ReplayedPool

RESULTS = Path(__file__).resolve().parent / "results" / "wrong_patterns.json"
N_REQUESTS = 200
FULL = 0.87
"""Occupation above which a level of this dataset is full (``benchmarks/data/README.md``)."""
LITHIUM, MANGANESE = 3, 25
VALENCE_ELECTRONS = 7

Labeller = Callable[[LabelAnswer], LabelAnswer]


def chosen(frames: Sequence[Frame], number: int = N_REQUESTS) -> list[Frame]:
    """Return frames to ask for: all that close with doubt, then those of every pattern in turn."""
    doubtful = [frame for frame in frames if frame.ambiguous]
    clear = sorted((frame for frame in frames if not frame.ambiguous), key=lambda one: shuffle_key(0, one.content_hash))
    by_pattern: dict[str, list[Frame]] = {}
    for name, frame in zip(pattern_names(clear), clear, strict=True):
        by_pattern.setdefault(name, []).append(frame)
    in_turn = [frame for row in zip_longest(*by_pattern.values()) for frame in row if frame is not None]
    return [*doubtful, *in_turn][:number]


def wrong_requests(frames: Sequence[Frame]) -> list[LabelRequest]:
    """Ask for every frame with a pattern that it does not have, the wrong ones of each pattern in turn."""
    turns: dict[Pattern, Any] = {}
    requests = []
    for frame in frames:
        candidates = candidates_of(frame, ALLOWED_STATES, 256)
        wrong = [] if candidates is None else [one for one in candidates.patterns if one != frame.pattern]
        wanted = next(turns.setdefault(frame.pattern, cycle(wrong)))
        requests.append(LabelRequest(frame.configuration, wanted, f"{frame.group} step {frame.step}"))
    return requests


def honest(answer: LabelAnswer) -> LabelAnswer:
    """Hand on what DFT found."""
    return answer


def obliging(answer: LabelAnswer) -> LabelAnswer:
    """Say that DFT found what was wanted, without doubt."""
    if answer.frame is None:
        return answer
    states = answer.request.wanted.written_on(answer.frame.configuration.oxidation_states)
    configuration = replace(answer.frame.configuration, oxidation_states=states)
    return replace(answer, frame=replace(answer.frame, configuration=configuration, ambiguous=False))


def certain(answer: LabelAnswer) -> LabelAnswer:
    """Hide that charges close only with doubt."""
    return answer if answer.frame is None else replace(answer, frame=replace(answer.frame, ambiguous=False))


LABELLERS: dict[str, Labeller] = {"honest": honest, "obliging": obliging, "certain": certain}


def counted_states(frame: Frame) -> tuple[int, ...]:
    """Return the states by counting full levels of each site, nothing else."""
    return tuple(VALENCE_ELECTRONS - int((levels > FULL).sum()) for levels in frame.eigenvalues)


def ranked_states(frame: Frame) -> tuple[int, ...]:
    """Return the states without any threshold: a hole for each lithium atom that is missing, in the emptiest levels."""
    numbers = frame.configuration.numbers
    n_holes = int((numbers == MANGANESE).sum() - (numbers == LITHIUM).sum())
    fifth = [np.sort(levels, axis=None)[-5] for levels in frame.eigenvalues]
    holes = set(np.argsort(fifth)[:n_holes].tolist())
    return tuple(3 if site in holes else 2 for site in range(len(fifth)))


def is_mislabelled(frame: Frame) -> bool:
    """Whether a frame that is trained on has other states than its occupations say, read in two other ways."""
    return not frame.pattern.states == counted_states(frame) == ranked_states(frame)


def outcome_of(
    requests: Sequence[LabelRequest], pool: ReplayedPool, labeller: Labeller, read_with: dict[str, RedoxChemistry]
) -> dict[str, Any]:
    """Ask, judge and count; what enters the dataset is read again."""
    verdicts: list[Verdict] = [
        judge_answer(labeller(pool.answer(request)), read_with[formula_of(request.structure)]) for request in requests
    ]
    entered = frames_of(verdicts)
    trusted = Dataset(entered).trusted()
    return {
        "outcomes": dict(sorted(Counter(verdict.outcome for verdict in verdicts).items())),
        "entered": len(entered),
        "trained_on": len(trusted),
        "mislabelled": sum(is_mislabelled(frame) for frame in trusted),
    }


def main() -> int:
    """Ask in three ways, write, and say whether a mislabelled frame entered."""
    frames = read_dataset(DATASET)
    asked = chosen(frames)
    requests, read_with = wrong_requests(asked), how_states_are_read()
    (chemistry, *_) = read_with.values()
    pool = ReplayedPool(frames, chemistry)
    pairs = {
        (formula_of(one.configuration), one.pattern, request.wanted)
        for one, request in zip(asked, requests, strict=True)
    }
    result = {
        "n_requests": len(requests),
        "n_doubtful": sum(frame.ambiguous for frame in asked),
        "asked": dict(sorted(Counter(pattern_names(asked)).items())),
        "n_pairs_of_found_and_wanted": len(pairs),
        "labellers": {name: outcome_of(requests, pool, one, read_with) for name, one in LABELLERS.items()},
    }
    text = json.dumps(result, indent=2, ensure_ascii=False) + "\n"
    RESULTS.write_text(text, encoding="utf-8")
    sys.stdout.write(text)
    return 1 if any(one["mislabelled"] for one in result["labellers"].values()) else 0


if __name__ == "__main__":
    raise SystemExit(main())
