"""How much of an active-learning loop's wall time is neither DFT nor training nor exploration.

Run it in the environment of a profile whose loop has ended, on the machine where its jobs ran::

    eval "$(python3 setup_profiles/bootstrap.py env)"
    python benchmarks/loop_overhead.py [--loop PK] [--output FILE]

It takes the latest loop, if none is named, and writes ``benchmarks/results/loop_overhead.json``: wall time of the loop,
seconds in which no job of DFT, training or exploration computed, and between which jobs they lie. What is labelled is
selected at the end of an exploration's job; these seconds (``selection_s``) count as overhead. A job computes from
the moment its program starts until it writes its last file, both by the files in its folder: what it waits for its
turn, and for being looked at, is overhead.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiida import load_profile, orm

from aiida_redoxmlp.cli.profile import load_process
from aiida_redoxmlp.provenance.process_tree import walk

RESULTS = Path(__file__).resolve().parent / "results" / "loop_overhead.json"
KINDS = {
    "RedoxPwCalculation": "DFT",
    "TrainCalculation": "training",
    "ExploreCalculation": "exploration",
    "EvaluateCalculation": "evaluation",
}
WORK = ("DFT", "training", "exploration")


@dataclass(frozen=True)
class JobSpan:
    """When the program of a job computed, in seconds since the loop began."""

    kind: str
    start_s: float
    end_s: float


def job_spans(loop: orm.ProcessNode) -> list[JobSpan]:
    """Return the jobs below a loop, in the order in which their programs started."""
    began = loop.ctime.timestamp()
    found = []
    for _, _, node in walk(loop):
        if not isinstance(node, orm.CalcJobNode):
            continue
        if node.base.caching.is_created_from_cache:
            raise SystemExit(f"{node.process_label}<{node.pk}> is from the cache; measure a loop that computed itself.")
        folder = Path(node.get_remote_workdir() or "")
        if not (folder / "_scheduler-stdout.txt").is_file():
            raise SystemExit(f"The folder of {node.process_label}<{node.pk}> is not on this machine or is cleaned.")
        # The shell opens both when it starts the program; what is empty was never written to.
        start = min((folder / f"_scheduler-{name}.txt").stat().st_mtime for name in ("stdout", "stderr"))
        end = max(file.stat().st_mtime for file in folder.rglob("*") if file.is_file())
        found.append(JobSpan(KINDS[str(node.process_label)], start - began, end - began))
    return sorted(found, key=lambda one: one.start_s)


def gaps(spans: Sequence[JobSpan], wall_s: float) -> Iterator[dict[str, Any]]:
    """Yield every stretch in which nothing of :data:`WORK` computed, and between which kinds of job it lies."""
    until, last = 0.0, "begin"
    for span in [*(one for one in spans if one.kind in WORK), JobSpan("end", wall_s, wall_s)]:
        if span.start_s > until:
            yield {"from": last, "to": span.kind, "seconds": round(span.start_s - until, 1)}
        if span.end_s > until:
            until, last = span.end_s, span.kind


def covered(spans: Sequence[JobSpan], kind: str) -> float:
    """Return the seconds in which at least one job of a kind computed."""
    until, total = 0.0, 0.0
    for span in (one for one in spans if one.kind == kind):
        total += max(0.0, span.end_s - max(span.start_s, until))
        until = max(until, span.end_s)
    return round(total, 1)


def selecting(loop: orm.ProcessNode) -> float:
    """Return the seconds that explorations took to select, as they tell themselves."""
    jobs = (node for _, _, node in walk(loop) if isinstance(node, orm.CalcJobNode))
    return sum(job.outputs.selection["wall_time_s"] for job in jobs if "selection" in job.outputs)


def measured(loop: orm.ProcessNode) -> dict[str, Any]:
    """Return what is written."""
    wall_s = (loop.mtime - loop.ctime).total_seconds()
    spans = job_spans(loop)
    between = list(gaps(spans, wall_s))
    selection_s = selecting(loop)
    overhead = sum(one["seconds"] for one in between) + selection_s
    return {
        "loop": loop.uuid,
        "iterations": len(loop.outputs.loop["iterations"]),
        "labels": loop.outputs.conclusion["used"]["labels"],
        "wall_s": round(wall_s, 1),
        "overhead_s": round(overhead, 1),
        "overhead_percent": round(100 * overhead / wall_s, 1),
        "selection_s": round(selection_s, 1),
        "computing_s": {kind: covered(spans, kind) for kind in dict.fromkeys(KINDS.values())},
        "gaps": between,
        "jobs": [{"kind": one.kind, "start_s": round(one.start_s, 1), "end_s": round(one.end_s, 1)} for one in spans],
    }


def main() -> None:
    """Measure a loop and write the result."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--loop", help="PK of the loop; the latest by default")
    parser.add_argument("--output", type=Path, default=RESULTS, help="file to write")
    chosen = parser.parse_args()
    load_profile()
    result = measured(load_process(chosen.loop, ("ActiveLearningWorkChain",)))
    chosen.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    told = f"{result['overhead_s']} s of {result['wall_s']} s, {result['overhead_percent']} %"
    sys.stdout.write(f"{told}: {chosen.output}\n")


if __name__ == "__main__":
    main()
