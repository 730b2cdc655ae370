from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from aiida_redoxmlp.active_learning.verdicts import LabelAnswer, Verdict
from aiida_redoxmlp.dataset.file import read_dataset
from aiida_redoxmlp.dataset.frame import Frame

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def benchmark() -> Iterator[ModuleType]:
    """The benchmark, which is in no package and imports its neighbours."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARKS)
        spec = importlib.util.spec_from_file_location("wrong_patterns", BENCHMARKS / "wrong_patterns.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        yield module


@pytest.fixture(scope="module")
def frames() -> list[Frame]:
    return list(read_dataset(BENCHMARKS / "data" / "limnpo4.npz"))


def test_two_independent_readings_agree_with_every_frame_trained_on(benchmark, frames) -> None:
    assert not any(benchmark.is_mislabelled(frame) for frame in frames if not frame.ambiguous)


def test_a_frame_with_a_wanted_pattern_written_on_it_is_seen_as_mislabelled(benchmark, frames) -> None:
    asked = benchmark.chosen(frames)
    for request, frame in zip(benchmark.wrong_requests(asked), asked, strict=True):
        assert request.wanted != frame.pattern
        assert benchmark.is_mislabelled(benchmark.obliging(LabelAnswer(request, frame)).frame)


def test_no_mislabelled_frame_of_the_benchmark_dataset_enters(benchmark, monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(benchmark, "RESULTS", tmp_path / "result.json")
    assert benchmark.main() == 0
    found = json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))
    committed = json.loads((BENCHMARKS / "results" / "wrong_patterns.json").read_text(encoding="utf-8"))
    assert found == committed
    assert found["n_requests"] == 200
    assert found["labellers"]["honest"]["outcomes"] == {"ambiguous": 17, "redox_error": 183}


def test_a_judge_that_believes_what_it_is_told_would_be_found_out(benchmark, monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(benchmark, "RESULTS", tmp_path / "result.json")
    monkeypatch.setattr(
        benchmark, "judge_answer", lambda answer, _: Verdict(answer.request, "landed", frame=answer.frame)
    )
    assert benchmark.main() == 1
    found = json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))
    assert found["labellers"]["obliging"]["mislabelled"] == 200
