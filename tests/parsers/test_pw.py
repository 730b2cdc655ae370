from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from aiida import orm
from aiida.plugins import ParserFactory

PW = Path(__file__).parents[1] / "fixtures" / "pw"


@pytest.fixture
def parse(make_calculation, demo_structure, chemistry):
    def run(folder, *, calculation, stdout=None):
        kpoints = orm.KpointsData()
        kpoints.set_kpoints_mesh([1, 1, 1])
        text = (PW / folder / "pw.out").read_text() if stdout is None else stdout
        node = make_calculation(
            "redoxmlp.pw",
            {"aiida.out": text, "data-file-schema.xml": (PW / folder / "data-file-schema.xml").read_bytes()},
            inputs={
                "structure": demo_structure,
                "kpoints": kpoints,
                "parameters": orm.Dict({"CONTROL": {"calculation": calculation}}),
                "redox": orm.Dict(chemistry),
            },
            output_filename="aiida.out",
        )
        return ParserFactory("redoxmlp.pw").parse_from_node(node, store_provenance=False)

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
