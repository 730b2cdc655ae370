"""Molecular dynamics by real pw.x: chunks equal an unbroken run, whatever ended them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from aiida import orm
from aiida.engine import run_get_node
from ase import Atoms

from aiida_redoxmlp.calculations.hubbard import with_interactions
from aiida_redoxmlp.hubbard.interactions import Interaction
from aiida_redoxmlp.workchains.trajectory import TrajectoryWorkChain

pytestmark = pytest.mark.engine

REDOX = {"allowed_states": {"Mn": [2, 3]}, "fixed_states": {"O": -2, "Li": 1}}
CHEAP = {
    "pw": {
        "SYSTEM": {"ecutwfc": 20.0, "ecutrho": 120.0, "degauss": 0.02},
        "ELECTRONS": {"tqr": False},
        "CONTROL": {"tstress": True},
    },
    "conv_thr_per_atom": 1.0e-9,
}
N_STEPS = 8


@pytest.fixture
def manganese_oxide(aiida_profile):
    """Rocksalt MnO with its two atoms out of place."""
    atoms = Atoms("MnO", cell=2.22 * (1 - np.eye(3)), positions=[[0.0, 0.0, 0.0], [2.249, 2.217, 2.217]], pbc=True)
    u = Interaction(0, "3d", 0, "3d", (0, 0, 0), 4.5)
    return with_interactions(orm.StructureData(ase=atoms), [u])


@pytest.fixture
def run(family, pw_executable, aiida_code_installed, manganese_oxide):
    def go(*, executable=pw_executable, structure=manganese_oxide, pattern=(2,), max_seconds=3600, **dynamics):
        code = aiida_code_installed(
            label=f"pw-{Path(executable).name}",
            default_calc_job_plugin="quantumespresso.pw",
            filepath_executable=str(executable),
        )
        dynamics = {"segments": [{"n_steps": N_STEPS, "temperature": 600.0}], **dynamics}
        builder = TrajectoryWorkChain.get_builder_from_protocol(
            code,
            structure,
            redox=REDOX,
            pseudo_family=family,
            pattern=list(pattern),
            protocol="demo",
            overrides={"label": CHEAP, "dynamics": dynamics, "clean_workdir": False},
            magnetic_order="ferromagnetic",
            options={"max_wallclock_seconds": max_seconds},
        )
        builder.pw.kpoints = orm.KpointsData()
        builder.pw.kpoints.set_kpoints_mesh([1, 1, 1], offset=[0.5, 0.5, 0.5])
        return run_get_node(builder)

    return go


def killed_at(executable, folder, *steps):
    """A wrapper of pw.x that is killed within the step after each of these many, one a run."""
    script = folder / "pw-killed"
    for number, step in enumerate(steps):
        (folder / f"kill_{number}").write_text(str(step))
    script.write_text(
        f"""#!/bin/bash
kill_at=""
for order in {folder}/kill_*; do
  if [ -e "$order" ]; then kill_at=$(cat "$order"); rm "$order"; break; fi
done
if [ -z "$kill_at" ]; then exec {executable} "$@"; fi
{executable} "$@" > >(tee printed) &
while kill -0 $! 2> /dev/null; do
  if [ "$(grep -c '^ *Ekin' printed)" -ge "$kill_at" ]; then pkill -9 -P $!; kill -9 $!; fi
  sleep 0.05
done
""",
        encoding="utf-8",
    )
    script.chmod(0o755)
    return script


def check_equal(outputs, whole):
    found, expected = outputs["trajectories"]["part_0"], whole["trajectories"]["part_0"]
    assert found.get_array("steps").tolist() == list(range(N_STEPS)) == expected.get_array("steps").tolist()
    np.testing.assert_allclose(found.get_array("positions"), expected.get_array("positions"), atol=1e-4)
    np.testing.assert_allclose(found.get_array("times"), expected.get_array("times"))
    for name, tolerance in {"potential_energies": 1e-4, "conserved_quantities": 1e-4, "temperatures": 2.0}.items():
        np.testing.assert_allclose(found.get_array(name), expected.get_array(name), atol=tolerance)
    states, frames = outputs["oxidation_states"]["part_0"], outputs["frames"].frames
    assert states.get_array("step_indices").tolist() == [frame.step for frame in frames] == list(range(N_STEPS))
    assert len({frame.group for frame in frames}) == 1
    for frame, other in zip(frames, whole["frames"].frames, strict=True):
        np.testing.assert_allclose(frame.forces, other.forces, atol=2e-3)


def test_chunks_equal_an_unbroken_run_whatever_ended_them(run, pw_executable, tmp_path):
    whole, node = run()
    assert node.is_finished_ok, node.exit_message
    assert len(node.called) == 1 + 5
    assert whole["events"]["part_0"]["events"] == []
    assert abs(whole["events"]["part_0"]["drift"]) < 0.05

    divided, node = run(steps_per_chunk=3)
    assert node.is_finished_ok, node.exit_message
    check_equal(divided, whole)

    killed, node = run(executable=killed_at(pw_executable, tmp_path, 2, 1, 3))
    assert node.is_finished_ok, node.exit_message
    assert not list(tmp_path.glob("kill_*"))
    check_equal(killed, whole)


def test_a_run_that_gets_too_hot_is_stopped_while_it_runs(run):
    outputs, node = run(
        segments=[{"n_steps": 200, "temperature": 600.0}], maximum_temperature=500.0, monitor_interval=1
    )
    assert node.exit_status == 420, node.exit_message
    assert "step 1 has a temperature of 600 K, above 500 K" in node.exit_message
    assert 1 <= outputs["frames"].n_frames < 200
