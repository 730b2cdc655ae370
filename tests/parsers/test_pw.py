from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from aiida import orm
from aiida.plugins import CalculationFactory, ParserFactory

PW = Path(__file__).parents[1] / "fixtures" / "pw"


@pytest.fixture
def parse(make_calculation, demo_structure, chemistry):
    def run(folder, *, calculation, stdout=None, temporary=None, beside=None, **inputs):
        kpoints = orm.KpointsData()
        kpoints.set_kpoints_mesh([1, 1, 1])
        text = (PW / folder / "pw.out").read_text() if stdout is None else stdout
        xml = (PW / folder / "data-file-schema.xml").read_bytes()
        retrieved = {}
        if temporary is None:
            retrieved = {"aiida.out": text, "data-file-schema.xml": xml, **(beside or {})}
        else:
            (temporary / "aiida.out").write_text(text)
            (temporary / "data-file-schema.xml").write_bytes(xml)
        node = make_calculation(
            "redoxmlp.pw",
            retrieved,
            inputs={
                "structure": demo_structure,
                "kpoints": kpoints,
                "parameters": orm.Dict({"CONTROL": {"calculation": calculation}}),
                "redox": orm.Dict(chemistry),
                **inputs,
            },
            output_filename="aiida.out",
            scheduler_stderr="_scheduler-stderr.txt",
        )
        return ParserFactory("redoxmlp.pw").parse_from_node(
            node, store_provenance=False, retrieved_temporary_folder=temporary
        )

    return run


def test_single_point_becomes_one_frame_with_its_pattern(parse):
    outputs, node = parse("scf_afm", calculation="scf")
    assert node.is_finished_ok
    assert outputs["oxidation_states"].pattern().states == (2, 3)
    (frame,) = outputs["frames"].frames
    assert frame.pattern.states == (2, 3)
    assert not frame.ambiguous
    assert frame.energy == pytest.approx(outputs["output_parameters"]["energy"], abs=1e-3)
    assert frame.forces.shape == (13, 3)


def test_dynamics_keep_every_step_and_flag_those_that_do_not_close(parse):
    outputs, _ = parse("md", calculation="md")
    states = outputs["oxidation_states"]
    assert states.states.shape == (8, 2)
    assert states.get_array("ambiguous").tolist() == [False] * 6 + [True] * 2
    assert states.get_array("naive_states")[-1].tolist() == [2, 2]
    assert outputs["frames"].n_frames == 8
    assert outputs["frames"].n_ambiguous == 2


def test_truncated_output_keeps_whole_frames_and_fails(parse):
    text = (PW / "md" / "pw.out").read_text()
    outputs, node = parse("md", calculation="md", stdout=text[: len(text) * 3 // 4])
    assert node.exit_status != 0
    frames = outputs["frames"].frames
    assert 4 <= len(frames) < 8
    assert all(np.isfinite(frame.forces).all() for frame in frames)


def test_the_text_is_read_from_the_temporary_folder_and_not_kept(parse, tmp_path):
    outputs, node = parse("md", calculation="md", temporary=tmp_path)
    assert node.is_finished_ok, node.exit_message
    assert outputs["frames"].n_frames == 8
    assert outputs["output_parameters"]["energy"] == pytest.approx(outputs["frames"].frames[-1].energy, abs=1e-3)
    assert "stdout" not in outputs


def test_the_text_is_kept_compressed_where_that_is_asked_for(parse, tmp_path):
    outputs, _ = parse("scf_afm", calculation="scf", temporary=tmp_path, keep_stdout=orm.Bool(True))
    packed = outputs["stdout"].get_content(mode="rb")
    assert gzip.decompress(packed) == (PW / "scf_afm" / "pw.out").read_bytes()


def test_the_text_is_kept_where_there_is_nothing_else_to_look_at(parse, tmp_path):
    text = (PW / "scf_afm" / "pw.out").read_text()
    outputs, node = parse("scf_afm", calculation="scf", stdout=text[: len(text) // 3], temporary=tmp_path)
    assert node.exit_status != 0
    assert "frames" not in outputs
    assert gzip.decompress(outputs["stdout"].get_content(mode="rb")).decode() == text[: len(text) // 3]


def test_dynamics_give_a_trajectory_with_its_series(parse, caplog):
    trajectory = parse("md", calculation="md")[0]["output_trajectory"]
    assert "ERROR_IONIC_CONVERGENCE_NOT_REACHED" not in caplog.text
    assert trajectory.get_array("steps").tolist() == list(range(8))
    assert trajectory.get_array("positions").shape == (8, 13, 3)
    assert trajectory.get_array("temperatures")[0] == pytest.approx(600.0)
    assert trajectory.get_array("scf_converged").all()
    assert trajectory.get_array("final_forces").shape == (13, 3)


def test_dynamics_whose_scf_cycle_gave_up_have_an_exit_code(parse):
    text = (PW / "md" / "pw.out").read_text()
    start = text.rindex("!    total energy")
    gave_up = f"{text[:start]}     convergence NOT achieved after 100 iterations: stopping\n\n     JOB DONE.\n"
    outputs, node = parse("md", calculation="md", stdout=gave_up)
    assert node.exit_status == 510
    assert outputs["output_trajectory"].get_array("steps").tolist() == list(range(7))


CRASH = """
 %%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%
     Error in routine davcio (10):
     error writing file "./out/aiida.wfc"
 %%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%
"""
"""What pw.x 7.2 printed on a file system of 2 MB."""


@pytest.mark.parametrize(
    ("at_end", "beside", "reason"),
    [
        (CRASH, {}, 'error writing file "./out/aiida.wfc"'),
        ("", {"CRASH": CRASH}, 'error writing file "./out/aiida.wfc"'),
        ("", {"_scheduler-stderr.txt": "x\nbash: aiida.out: No space left on device\n"}, "No space left on device"),
    ],
)
def test_a_full_disk_is_told_and_not_taken_for_a_run_that_was_killed(parse, at_end, beside, reason):
    text = (PW / "scf_afm" / "pw.out").read_text()
    _, node = parse("scf_afm", calculation="scf", stdout=text[: len(text) // 2] + at_end, beside=beside)
    assert node.exit_status == CalculationFactory("redoxmlp.pw").exit_codes.ERROR_FILES_NOT_WRITTEN.status
    assert f"{reason}); look whether the disk or the quota of the computer is full" in node.exit_message


def test_a_crash_of_unknown_reason_is_not_a_finished_run(parse):
    text = (PW / "scf_afm" / "pw.out").read_text().replace("JOB DONE", "")
    _, node = parse("scf_afm", calculation="scf", stdout=text, beside={"CRASH": "Error in routine nobody_knows (1):"})
    assert node.exit_status == CalculationFactory("redoxmlp.pw").exit_codes.ERROR_OUTPUT_STDOUT_INCOMPLETE.status


def test_words_about_the_disk_do_not_spoil_a_finished_run(parse):
    beside = {"_scheduler-stderr.txt": "cp: scratch: No space left on device"}
    outputs, node = parse("scf_afm", calculation="scf", beside=beside)
    assert node.is_finished_ok
    assert outputs["frames"].n_frames == 1
