"""Wall time of the demonstration: ``make demo`` on a fresh clone, and again on the same one.

Run it from a checkout: ``python3 benchmarks/demo.py [FOLDER]``. It clones the checkout to FOLDER (a temporary one when
not given), runs ``make demo`` twice there, and writes ``benchmarks/results/demo.json``: wall times of both runs,
their ratio, and what the campaign and the active learning of the first run found. The overhead of that active learning
goes to ``benchmarks/results/loop_overhead.json``.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from profile_environment import run_in_environment

CHECKOUT = Path(__file__).resolve().parents[1]
RESULTS = CHECKOUT / "benchmarks" / "results"


def timed_demo(clone: Path) -> tuple[float, dict[str, Any]]:
    """Run ``make demo`` in ``clone``; returns wall time in s, and the summaries of campaign and active learning."""
    started = time.monotonic()
    subprocess.run(["make", "demo"], cwd=clone, check=True)
    wall_time = time.monotonic() - started
    output = clone / "demo-output"
    files = {"campaign": output / "summary.json", "active_learning": output / "active-learning" / "summary.json"}
    return wall_time, {name: json.loads(file.read_text(encoding="utf-8")) for name, file in files.items()}


def main() -> None:
    """Measure and write the result."""
    clone = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp(prefix="redoxmlp-demo-")) / "clone"
    subprocess.run(["git", "clone", "--quiet", str(CHECKOUT), str(clone)], check=True)
    first, summaries = timed_demo(clone)
    RESULTS.mkdir(exist_ok=True)
    overhead = CHECKOUT / "benchmarks" / "loop_overhead.py"
    run_in_environment(clone, overhead, "--output", str(RESULTS / "loop_overhead.json"))
    second, _ = timed_demo(clone)
    result = {
        "cores": len(os.sched_getaffinity(0)),
        "machine": platform.machine(),
        "first_run_s": round(first),
        "second_run_s": round(second),
        "ratio": round(first / second, 1),
        **summaries,
    }
    file = RESULTS / "demo.json"
    file.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    sys.stdout.write(f"first run {first:.0f} s, second run {second:.0f} s: {file}\n")


if __name__ == "__main__":
    main()
