from __future__ import annotations

from pathlib import Path

from aiida_redoxmlp.redox.pw_output.ends import without_the_middle

MD = Path(__file__).parents[2] / "fixtures" / "pw" / "md" / "pw.out"


def test_short_outputs_are_whole():
    assert without_the_middle(MD) == MD.read_bytes()


def test_long_outputs_keep_what_comes_before_the_first_step_and_the_last_steps():
    short = without_the_middle(MD, longest=300_000)
    text = MD.read_bytes()
    assert len(short) < 200_000
    assert short.startswith(text[: text.index(b"Self-consistent Calculation")])
    assert text.endswith(short[-100_000:])


def test_a_text_without_landmarks_is_cut_in_the_middle(tmp_path):
    path = tmp_path / "noise"
    path.write_bytes(b"x" * 1000)
    assert len(without_the_middle(path, longest=100)) == 100
