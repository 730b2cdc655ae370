"""Does an active-learning loop end with the same dataset where jobs, nodes, the daemon and the scheduler fail?

Run it from a checkout, after ``make setup`` and ``python3 setup_profiles/slurm.py install``, in its environment:
``python benchmarks/loop_under_faults.py [--quick]``. The loop runs twice on a private SLURM, undisturbed and with a
fault every minute or so: a job is cancelled, a node set down, slurmctld stopped for a minute, a worker of AiiDA's
daemon killed, or all of the daemon. Frames of ``data/limnpo4.npz`` are the pool: pw.x is a program that finds the
geometry it is given in the pool, explorations meet the pool's geometries; AiiDA, SLURM, selections, trainings and
judgements are real. Writes ``results/loop_under_faults.json``; ``--quick`` runs a short loop with a fault of each kind,
``--output`` names another file.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from training_runs import DATASET, closed_frames, how_states_are_read

from aiida_redoxmlp.active_learning.candidates import formula_of
from aiida_redoxmlp.dataset.file import write_dataset
from aiida_redoxmlp.dataset.frame import Frame
from aiida_redoxmlp.dataset.strata import shuffle_key

CHECKOUT = Path(__file__).resolve().parents[1]
DOUBLES = CHECKOUT / "tests" / "engine_runs"
sys.path.insert(0, str(DOUBLES))

from deployment import Deployment  # noqa: E402 - shared with the tests, which are no package
from faults import KINDS, Faults  # noqa: E402

RESULTS = CHECKOUT / "benchmarks" / "results" / "loop_under_faults.json"
FORMULA = "Li2Mn4O16P4"
TINY = {"r_max": 3.5, "num_channels": 4, "max_L": 0, "radial_mlp": [8], "num_radial_basis": 4, "readout_width": 4}
SUBMIT = """
import json
from aiida.common.exceptions import NotExistent
from aiida.engine import submit
from aiida_quantumespresso.data.hubbard_structure import HubbardStructureData
from aiida_redoxmlp.data.dataset import DatasetData
from aiida_redoxmlp.dataset.file import read_dataset
from aiida_redoxmlp.workchains.active_learning import ActiveLearningWorkChain
given = json.loads({given!r})
def code(name):
    try:
        return orm.load_code(f"{{name}}@slurm-cpu")
    except NotExistent:
        computer = orm.load_computer("slurm-cpu")
        made = orm.InstalledCode(label=name, computer=computer, filepath_executable=given[name], with_mpi=False)
        return made.store()
first = read_dataset(given["first"])
structure = HubbardStructureData.from_structure(orm.StructureData(ase=first[0].configuration.to_ase()))
structure.initialize_onsites_hubbard("Mn", "3d", 4.5)
builder = ActiveLearningWorkChain.get_builder_from_protocol(
    pw_code=code("replayed_pw"),
    runner_code=code("replayed_runner"),
    structures={{"half": structure}},
    redox=given["redox"],
    pseudo_family="redoxmlp-demo/PBEsol",
    dataset=DatasetData.from_frames(first),
    protocol="demo",
    overrides=given["overrides"],
    magnetic_order="charge_ordered",
)
builder.label.pw.pw.metadata.options.without_xml = True
print(submit(builder).pk)
"""
TELL = """
import json
loop = orm.load_node({pk})
frames = loop.outputs.dataset.frames if "dataset" in loop.outputs else []
jobs = [one for one in loop.called_descendants if isinstance(one, orm.CalcJobNode)]
print(json.dumps({{
    "exit_status": loop.exit_status,
    "sentence": loop.outputs.conclusion["sentence"] if "conclusion" in loop.outputs else loop.exit_message,
    "wall_time_s": round((loop.mtime - loop.ctime).total_seconds()),
    "n_frames": len(frames),
    "content_hashes": sorted(frame.content_hash for frame in frames),
    "committee": loop.outputs.model.base.repository.hash() if "model" in loop.outputs else None,
    "n_jobs": len(jobs),
    "jobs_not_ok": sorted(f"{{one.process_label}} {{one.exit_status}}" for one in jobs if not one.is_finished_ok),
    "labels_failed": sum(record["labels"]["failed"] for record in loop.outputs.loop["iterations"]),
}}))
"""


def settings_of(arguments: argparse.Namespace) -> dict[str, Any]:
    """Settings of the loop, laid over those of the protocol."""
    return {
        "max_concurrent": 4,
        "budget": {"iterations": arguments.iterations},
        "rules": dict.fromkeys(("force_mae", "pattern_recovery", "uncertain_fraction")),
        "select": {
            "selection": {"n_labels": arguments.labels, "band": {"floor": 0.0, "ceiling": None}},
            "device": "cpu",
        },
        "explore": {"walks": [{"stages": [{"n_steps": 1, "temperature": 300}]}], "device": "cpu"},
        "label": {"max_attempts": 1},
        "committee": {"members_per_job": 1, "validation_fraction": 0.25},
        "training": {
            "seeds": [1, 2],
            "max_epochs": arguments.epochs,
            "patience": arguments.epochs,
            "device": "cpu",
            "dtype": "float32",
            "architecture": TINY,
        },
    }


def pool_of(n_frames: int) -> list[Frame]:
    """Return frames of one composition in an order that looks like chance."""
    frames = [frame for frame in closed_frames(DATASET) if formula_of(frame.configuration) == FORMULA]
    return sorted(frames, key=lambda frame: shuffle_key(1, frame.content_hash))[:n_frames]


def executable(folder: Path, name: str, *arguments: str) -> str:
    """Write a program that starts a double, and return its path."""
    path = folder / name
    words = " ".join(f"'{one}'" for one in (sys.executable, "-W", "ignore", DOUBLES / f"{name}.py", *arguments))
    path.write_text(f'#!/bin/sh\nexec {words} "$@"\n', encoding="utf-8")
    path.chmod(0o755)
    return str(path)


def run(deployment: Deployment, given: dict[str, Any], faults: Faults | None, arguments: argparse.Namespace) -> Any:
    """Run the loop to its end, with faults if there are any to make, and tell what came of it."""
    pk = int(deployment.python(SUBMIT.format(given=json.dumps(given))).split()[-1])
    chance = random.Random(arguments.seed)  # noqa: S311 - not a secret
    waiting = list(KINDS)
    end, next_at = time.monotonic() + arguments.limit, time.monotonic() + arguments.interval
    while not deployment.is_terminated(pk):
        if time.monotonic() > end:
            raise SystemExit(
                f"no end after {arguments.limit} s:\n{deployment.run('aiida-redoxmlp', 'status', str(pk))}"
            )
        if not waiting and not arguments.quick:
            waiting = chance.sample(KINDS, len(KINDS))
        due = faults is not None and waiting and time.monotonic() > next_at
        if due and faults.make(waiting[0], chance.choice):
            sys.stdout.write(f"{faults.made[-1]}\n")
            waiting = waiting[1:]
            next_at = time.monotonic() + arguments.interval * (1 if arguments.quick else chance.uniform(0.5, 1.5))
        time.sleep(0.5)
    told = json.loads(deployment.python(TELL.format(pk=pk)).splitlines()[-1])
    sys.stdout.write(f"{told['sentence']} {told['wall_time_s']} s, not well ended: {told['jobs_not_ok']}\n")
    sys.stdout.flush()
    return told


def compare(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Run both loops in a folder of their own."""
    slurm = folder / "slurm"
    command = [sys.executable, str(CHECKOUT / "setup_profiles" / "slurm.py")]
    frames = pool_of(arguments.pool)
    write_dataset(folder / "pool.npz", frames)
    write_dataset(folder / "first.npz", frames[: arguments.first])
    pool = str(folder / "pool.npz")
    given = {
        "first": str(folder / "first.npz"),
        "redox": how_states_are_read()[FORMULA].model_dump(mode="json"),
        "overrides": settings_of(arguments),
        "replayed_pw": executable(folder, "replayed_pw", pool, str(arguments.seconds)),
        "replayed_runner": executable(folder, "replayed_runner", pool, str(arguments.seconds)),
    }
    (folder / "hp.x").touch(mode=0o755)  # a code is made of it, and nothing runs it
    subprocess.run([*command, "up", "--folder", str(slurm)], check=True)
    deployment = Deployment(folder / ".aiida", SLURM_CONF=str(slurm / "slurm.conf"), OMP_NUM_THREADS="1")
    try:
        deployment.setup(given["replayed_pw"], "--slurm")
        deployment.run("verdi", "config", "set", "caching.default_enabled", "false")
        deployment.run("verdi", "daemon", "restart")
        undisturbed = run(deployment, given, None, arguments)
        faults = Faults(deployment, slurm, outage=arguments.outage)
        disturbed = run(deployment, given, faults, arguments)
    finally:
        deployment.stop()
        subprocess.run([*command, "down", "--folder", str(slurm)], check=True)
    settings = {key: value for key, value in vars(arguments).items() if key not in ("quick", "output", "keep")}
    return {
        "settings": settings,
        "same_dataset": undisturbed["content_hashes"] == disturbed["content_hashes"],
        "same_committee": undisturbed["committee"] == disturbed["committee"],
        "faults": faults.made,
        "undisturbed": undisturbed,
        "disturbed": disturbed,
    }


def main() -> int:
    """Run both loops, compare, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one short iteration and one fault of each kind")
    parser.add_argument("--output", type=Path, default=RESULTS, help="file to write (default: %(default)s)")
    parser.add_argument("--keep", action="store_true", help="keep the folder with the profile")
    parser.add_argument("--seed", type=int, default=1, help="decides which faults are made, and when")
    parser.add_argument("--interval", type=float, default=60.0, help="seconds between faults, on average")
    parser.add_argument("--outage", type=float, default=60.0, help="seconds that a node or slurmctld is away")
    parser.add_argument("--limit", type=float, default=5400.0, help="seconds after which a loop is given up")
    parser.add_argument("--iterations", type=int, default=3)
    parser.add_argument("--labels", type=int, default=6, help="labels of an iteration")
    parser.add_argument("--pool", type=int, default=48, help="frames in the pool")
    parser.add_argument("--first", type=int, default=6, help="labels that the loop begins with")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=10.0, help="time of a label and of an exploration")
    arguments = parser.parse_args()
    if arguments.quick:
        short = {"interval": 8.0, "outage": 15.0, "iterations": 1, "labels": 4, "pool": 16, "first": 4, "epochs": 10}
        vars(arguments).update(short | {"seconds": 5.0, "limit": 600.0})
    folder = Path(tempfile.mkdtemp(prefix="loop-under-faults-"))
    try:
        result = compare(folder, arguments)
    finally:
        if not arguments.keep:
            shutil.rmtree(folder, ignore_errors=True)
    arguments.output.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    sys.stdout.write(f"{len(result['faults'])} faults; same dataset: {result['same_dataset']}\n")
    return 0 if result["same_dataset"] else 1


if __name__ == "__main__":
    sys.exit(main())
