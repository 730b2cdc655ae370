from __future__ import annotations

import gzip
import importlib.util
import io
import tracemalloc
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiida_redoxmlp.errors import OutputFormatError
from aiida_redoxmlp.redox.pw_output import read_pw_output, stream_pw_output
from aiida_redoxmlp.redox.pw_output.source import ByteSource
from aiida_redoxmlp.redox.pw_output.stream import PwOutputStream

ROOT = Path(__file__).parents[3]
FIXTURES = ROOT / "tests" / "fixtures" / "pw"
MD = FIXTURES / "md" / "pw.out"
RYDBERG = 13.605693122994


def _benchmark(name: str):
    """Return a module of the folder of benchmarks, which is no package."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "benchmarks" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


LONG = _benchmark("long_output")
FUZZING = _benchmark("pw_output_fuzzing")


@pytest.fixture(scope="session")
def long_output(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("long") / "pw.out"
    LONG.write_long_output(path, 12_000_000)
    return path


def _contents(steps):
    return [FUZZING.content(step) for step in steps]


def test_steps_come_one_by_one_and_the_verdict_at_the_end():
    with stream_pw_output(MD) as stream:
        assert stream.version == "7.2"
        assert stream.header.symbols[:3] == ("Mn", "Mn", "P")
        first = list(islice(stream, 3))
        assert [step.index for step in first] == [0, 1, 2]
        assert not stream.complete
        assert len(list(stream)) == 5
        assert stream.complete
        assert stream.warnings == ()


def test_paths_streams_of_text_and_of_bytes_and_gzip_give_the_same(tmp_path):
    expected = _contents(read_pw_output(MD).steps)
    data = MD.read_bytes()
    zipped = tmp_path / "pw.out.gz"
    zipped.write_bytes(gzip.compress(data[:100_000]) + gzip.compress(data[100_000:]))
    for source in (zipped, io.BytesIO(data), io.StringIO(data.decode()), io.BytesIO(zipped.read_bytes())):
        assert _contents(stream_pw_output(source)) == expected


def test_dynamics_has_time_energies_and_magnetisation_of_each_step():
    third = read_pw_output(MD).steps[2]
    assert third.time == pytest.approx(2 * 2.9027, abs=0.05)
    assert third.kinetic_energy == pytest.approx(0.09440662 * RYDBERG)
    assert third.conserved_quantity == pytest.approx(third.energy + third.kinetic_energy, abs=1e-6)
    assert third.total_magnetization == 0.90
    assert third.absolute_magnetization == 9.46


def test_a_single_point_has_no_time():
    (step,) = read_pw_output(FIXTURES / "scf_afm" / "pw.out").steps
    assert step.time is step.kinetic_energy is step.conserved_quantity is None
    assert step.total_magnetization == 1.0


def test_a_long_run_is_complete_and_its_steps_are_those_it_was_made_of(long_output):
    stream = stream_pw_output(long_output)
    steps = list(stream)
    assert stream.warnings == ()
    assert stream.complete
    originals = read_pw_output(MD).steps
    assert steps[1 + 6 * 20 + 3].energy == originals[4].energy
    np.testing.assert_array_equal(steps[1 + 6 * 20].forces, originals[1].forces)
    assert np.all(np.diff([step.time for step in steps]) > 2.5)


def _peak(source) -> int:
    tracemalloc.start()
    for _ in stream_pw_output(source):
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_memory_does_not_grow_with_the_file(long_output, tmp_path):
    LONG.write_long_output(tmp_path / "pw.out", long_output.stat().st_size // 2)
    assert _peak(long_output) < 1.3 * _peak(tmp_path / "pw.out")


def test_reading_many_steps_at_once_gives_what_reading_line_by_line_gives(long_output):
    assert _contents(PwOutputStream(long_output)) == _contents(PwOutputStream(long_output, use_templates=False))


@given(seed=st.integers(0, 10**9), kind=st.sampled_from(list(FUZZING.DAMAGES)))
@settings(max_examples=25, deadline=None)
def test_damage_is_read_the_same_at_once_and_line_by_line(seed, kind):
    damaged = FUZZING.DAMAGES[kind](MD.read_bytes(), FUZZING.random.Random(seed))
    try:
        streams = [PwOutputStream(io.BytesIO(damaged), use_templates=use) for use in (True, False)]
    except OutputFormatError:
        assert b"Program PWSCF" not in damaged[:1000]
        return
    found = [_contents(stream) for stream in streams]
    assert found[0] == found[1]
    assert streams[0].warnings == streams[1].warnings


def test_a_step_that_is_left_out_is_named_with_its_first_byte():
    text = MD.read_text()
    garbled = text.replace("-398.17618199", "*************")
    output = read_pw_output(io.StringIO(garbled))
    start = text.index("     Self-consistent Calculation", text.index("-398.15359677"))
    reason = "the total energy has '*************' where a number belongs"
    assert output.warnings == (f"Ionic step 3 is left out: {reason} (it begins at byte {start}).",)


def test_an_output_that_is_cut_names_the_byte_and_the_step(tmp_path):
    cut = MD.read_bytes()[:300_000]
    end = cut.rindex(b"\n") + 1
    output = read_pw_output(io.BytesIO(cut))
    assert output.warnings[-1].startswith(f"The output is cut off at byte {end}, in ionic step 6: ")


def test_gzip_that_is_cut_or_damaged_is_said_and_costs_only_what_follows(tmp_path):
    data = gzip.compress(MD.read_bytes())
    whole = _contents(read_pw_output(MD).steps)
    damaged = bytearray(data)
    damaged[len(data) // 2] ^= 255
    for content, what in ((data[: len(data) // 2], "is cut off"), (bytes(damaged), "is damaged")):
        output = read_pw_output(io.BytesIO(content))
        found = _contents(output.steps)
        assert found == whole[: len(found)]
        assert any(f"The compressed file {what}" in warning for warning in output.warnings)
        assert not output.complete


@pytest.mark.parametrize("run", ["md", "mno_relax_7.2", "mno_md_6.7"])
def test_windows_line_ends_do_not_matter(run):
    data = (FIXTURES / run / "pw.out").read_bytes()
    output = read_pw_output(io.BytesIO(data.replace(b"\n", b"\r\n")))
    assert output.complete
    assert _contents(output.steps) == _contents(read_pw_output(io.BytesIO(data)).steps)


def test_steps_that_two_processes_print_at_once_are_left_out():
    lines = MD.read_text().splitlines(keepends=True)
    begin = next(i for i, line in enumerate(lines) if "-398.15359677" in line)
    end = next(i for i, line in enumerate(lines) if "-398.20490044" in line)
    doubled = [copy for line in lines[begin:end] for copy in (line, line)]
    output = read_pw_output(io.StringIO("".join([*lines[:begin], *doubled, *lines[end:]])))
    whole = _contents(read_pw_output(MD).steps)
    assert all(frame in whole for frame in _contents(output.steps))
    assert {0, 7} <= {round(step.time / 2.9027) for step in output.steps} <= {0, 4, 5, 6, 7}


def test_a_changed_number_of_atoms_costs_the_steps_it_belongs_to():
    text = MD.read_text()
    line = "Li            2.7744485448       -1.3207384915        4.7142811835\n"
    assert line in text
    output = read_pw_output(io.StringIO(text.replace(line, "")))
    assert [step.index for step in output.steps] == [0, 1, 3, 4, 5, 6, 7]
    assert "do not list the atoms" in output.warnings[0]


def test_text_without_landmarks_takes_little_memory():
    def chunks():
        yield MD.read_bytes()[:20_000]
        for _ in range(80):
            yield b"nothing of interest\n" * 50_000

    class Endless(io.RawIOBase):
        pieces = chunks()

        def read(self, size=-1):
            return next(self.pieces, b"")

    assert _peak(Endless()) < 130_000_000


def test_a_folder_is_no_output(tmp_path):
    with pytest.raises(OutputFormatError, match="cannot be read"):
        stream_pw_output(tmp_path)


def test_a_disk_that_fails_ends_the_content_there():
    class Failing(io.RawIOBase):
        def __init__(self):
            self.pieces = iter([MD.read_bytes()[:200_000]])

        def read(self, size=-1):
            for piece in self.pieces:
                return piece
            raise OSError(5, "Input/output error")

    source = ByteSource(Path("unused"))
    assert b"".join(source._readable(Failing())) == MD.read_bytes()[:200_000]
    assert "Input/output error" in source.problem
