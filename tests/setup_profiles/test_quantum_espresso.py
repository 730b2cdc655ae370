"""Which programs are used, and what happens on a machine without them."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest
from steps.checkout import Checkout
from steps.progress import StepError
from steps.quantum_espresso import ensure_quantum_espresso, find_programs


def test_a_given_pw_brings_its_neighbours(tmp_path: Path) -> None:
    for name in ("pw.x", "hp.x"):
        (tmp_path / name).touch(mode=0o755)
    programs = find_programs(Checkout(tmp_path), str(tmp_path / "pw.x"))
    assert (programs.pw, programs.hp, programs.ld1) == (tmp_path / "pw.x", tmp_path / "hp.x", None)
    assert ensure_quantum_espresso(Checkout(tmp_path), programs) == f"yours, {tmp_path / 'pw.x'}"
    assert not (tmp_path / ".qe").exists()


@pytest.mark.parametrize("name", ["absent/pw.x", "not-executable"])
def test_a_pw_that_cannot_be_run_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "not-executable").touch(mode=0o644)
    with pytest.raises(StepError, match="not an executable file") as failure:
        find_programs(Checkout(tmp_path), str(tmp_path / name))
    assert "REDOXMLP_PW" in failure.value.remedy


def test_a_machine_without_wheels_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    checkout = Checkout(tmp_path)
    with pytest.raises(StepError, match="aarch64") as failure:
        ensure_quantum_espresso(checkout, find_programs(checkout, None))
    assert "PW=" in failure.value.remedy
