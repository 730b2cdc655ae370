"""A search through SLURM that scancel stops half-way resumes from its checkpoints to the same answer."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ase.io import write

from aiida_redoxmlp.testing import toy_frames
from tests.engine_runs.deployment import CHECKOUT, Deployment

pytest.importorskip("mace")

pytestmark = [
    pytest.mark.slurm,
    pytest.mark.skipif(
        shutil.which("slurmctld", path="/usr/sbin:/sbin:/usr/bin:/usr/local/sbin") is None,
        reason="no SLURM; as root: python3 setup_profiles/slurm.py install",
    ),
]

SUPERCELL = (3, 2, 1)
SETTINGS = {
    "strategy": {"name": "annealing", "chains": 4},
    "budget": 400,
    "runs": 2,
    "batch_size": 4,
    "checkpoint_interval": 0,
    "n_relaxed": 40,
    "max_steps": 12,
    "force_tolerance": 1e-6,
    "device": "cpu",
}
SUBMIT = """
from pathlib import Path
from ase.io import read
from aiida.engine import submit
from aiida_redoxmlp.data.model import ModelData
from aiida_redoxmlp.workchains.search_base import SearchBaseWorkChain
atoms = read({structure!r})
builder = SearchBaseWorkChain.get_builder()
builder.max_iterations = orm.Int(4)
builder.job.code = orm.load_code("redoxmlp@slurm-cpu")
builder.job.structure = orm.StructureData(ase=atoms)
builder.job.model = ModelData.from_folder(Path({model!r}))
builder.job.oxidation_states = orm.List([0 if one == "Mn" else -2 for one in atoms.get_chemical_symbols()])
builder.job.space = orm.Dict({space!r})
builder.job.settings = orm.Dict({settings!r})
builder.job.metadata.options = {{
    "resources": {{"num_machines": 1, "num_mpiprocs_per_machine": 1}}, "max_wallclock_seconds": 600
}}
builder.job.metadata.disable_cache = True
print(submit(builder).pk)
"""
JOBS = (
    "import json\n"
    "jobs = [one for one in orm.load_node({pk}).called_descendants if one.process_label == 'SearchCalculation']\n"
    "print(json.dumps([[one.exit_status, one.get_job_id(), one.get_remote_workdir()]\n"
    "    for one in sorted(jobs, key=lambda one: one.pk)]))"
)
REPORT = "import json\nprint(json.dumps(orm.load_node({pk}).outputs.report.get_dict()))"


@pytest.fixture
def deployment(tmp_path):
    folder = tmp_path / "slurm"
    command = [sys.executable, str(CHECKOUT / "setup_profiles" / "slurm.py")]
    subprocess.run([*command, "up", "--folder", str(folder)], check=True)
    made = Deployment(tmp_path / ".aiida", SLURM_CONF=str(folder / "slurm.conf"), OMP_NUM_THREADS="1")
    for name in ("pw.x", "hp.x"):  # a search needs neither
        (tmp_path / name).touch(mode=0o755)
    made.setup(str(tmp_path / "pw.x"), "--slurm")
    yield made
    made.stop()
    subprocess.run([*command, "down", "--folder", str(folder)], check=True)


@pytest.fixture
def submit(deployment, saved_model, tmp_path):
    atoms = toy_frames(1, seed=5)[0].configuration.to_ase().repeat(SUPERCELL)
    structure = tmp_path / "toy.extxyz"
    write(structure, atoms)
    n_cells = SUPERCELL[0] * SUPERCELL[1] * SUPERCELL[2]
    space = {"allowed": {"Mn": ["Mn2+", "Mn3+"]}, "total_charge": n_cells}

    def search():
        code = SUBMIT.format(structure=str(structure), model=str(saved_model), space=space, settings=SETTINGS)
        return int(deployment.python(code).split()[-1])

    return search


def events(folder, name):
    try:
        return (Path(folder) / "progress.jsonl").read_text().count(f'"{name}"')
    except OSError:
        return 0


def cancel_when(deployment, event, count, known):
    """Cancel the job of a search that is not yet known, once it has told an event so often."""

    def cancelled():
        for one in deployment.jobs("SearchCalculation"):
            job = one.get("job_id")
            if job is None or job in known:
                continue
            end = time.monotonic() + 150
            while events(one["remote_workdir"], event) < count:
                assert time.monotonic() < end, f"no {count} lines of {event}"
                time.sleep(0.02)
            deployment.run("scancel", job)
            known.add(job)
            return True
        return False

    deployment.wait(f"{count} lines of {event}", cancelled, 180)


def test_a_search_that_is_cancelled_twice_resumes_to_the_same_answer(deployment, submit):
    unbroken = submit()
    deployment.wait("the unbroken search", lambda: deployment.is_terminated(unbroken), 300)
    known = {one["job_id"] for one in deployment.jobs("SearchCalculation")}
    broken = submit()
    cancel_when(deployment, "searching", 10, known)
    cancel_when(deployment, "relaxing", 2, known)
    deployment.wait("the broken search", lambda: deployment.is_terminated(broken), 400)

    report = deployment.run("verdi", "process", "report", str(broken))
    assert deployment.python(f"print(orm.load_node({broken}).exit_status)").strip() == "0", report
    assert [status for status, *_ in json.loads(deployment.python(JOBS.format(pk=broken)))] == [430, 430, 0], report
    assert report.count("Search goes on from its checkpoints") == 2
    assert "CANCELLED AT" in report
    found, expected = (json.loads(deployment.python(REPORT.format(pk=pk))) for pk in (broken, unbroken))
    for answer in (found, expected):
        answer.pop("wall_time_s")
    assert found == expected
