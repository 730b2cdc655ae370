"""Labels by real pw.x: wanted patterns are reached, and a label tells the truth when DFT lands elsewhere."""

from __future__ import annotations

import pytest
from aiida.engine import run_get_node

from aiida_redoxmlp.redox.distortion import pre_distort
from aiida_redoxmlp.redox.pattern import Pattern
from aiida_redoxmlp.workchains.label import LabelWorkChain

pytestmark = pytest.mark.engine

CUTOFFS = {
    "pw": {"SYSTEM": {"ecutwfc": 20.0, "ecutrho": 120.0}},
    "conv_thr_per_atom": 1.0e-6,
    "max_attempts": 1,
}


@pytest.fixture
def label(family, demo_structure, chemistry, pw_executable, aiida_code_installed):
    code = aiida_code_installed(default_calc_job_plugin="quantumespresso.pw", filepath_executable=pw_executable)

    def run(pattern, *, distorted_for=None, strength=1.0):
        structure = demo_structure
        if distorted_for is not None:
            atoms = structure.get_ase()
            positions = pre_distort(atoms, Pattern((0, 1), tuple(distorted_for)), strength)
            structure = structure.clone()
            structure.reset_sites_positions(positions.tolist())
        builder = LabelWorkChain.get_builder_from_protocol(
            code,
            structure,
            redox=chemistry,
            pseudo_family=family,
            task="scf",
            pattern=pattern,
            protocol="demo",
            overrides=CUTOFFS,
        )
        return run_get_node(builder)

    return run


@pytest.mark.parametrize("pattern", [[2, 3], [3, 2]])
def test_wanted_pattern_is_reached(label, pattern):
    outputs, node = label(pattern, distorted_for=pattern)
    assert node.is_finished_ok, node.exit_message
    verdict = outputs["verdict"].get_dict()
    assert verdict["found"] == pattern
    assert verdict["landed"]
    assert not verdict["ambiguous"]
    (frame,) = outputs["frames"].frames
    assert list(frame.pattern.states) == pattern
    assert frame.configuration.total_charge == 0
    assert abs(frame.forces.sum(axis=0)).max() < 0.1


def test_label_tells_the_truth_when_dft_lands_elsewhere(label):
    outputs, node = label([2, 3], distorted_for=[3, 2], strength=2.0)
    assert node.is_finished_ok, node.exit_message
    verdict = outputs["verdict"].get_dict()
    assert verdict["wanted"] == [2, 3]
    assert verdict["found"] == [3, 2]
    assert not verdict["landed"]
    (frame,) = outputs["frames"].frames
    assert frame.pattern.states == (3, 2)
    fifth_of_first_site = frame.eigenvalues[0].max(axis=0)[0]
    assert fifth_of_first_site < 0.87
