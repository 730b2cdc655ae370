"""Wall time of the demonstration: ``make demo`` on a fresh clone, and again on the same one.

Run it from a checkout: ``python3 benchmarks/demo.py [FOLDER]``. It clones the checkout to FOLDER (a temporary one when
not given), runs ``make demo`` twice there, and writes ``benchmarks/results/demo.json``: wall times of both runs,
their ratio, the stages of the first run, and what the demonstration found.
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

CHECKOUT = Path(__file__).resolve().parents[1]
RESULTS = CHECKOUT / "benchmarks" / "results" / "demo.json"


def timed_demo(clone: Path) -> tuple[float, dict[str, Any]]:
    """Run ``make demo`` in ``clone``; returns wall time in s and the summary."""
    started = time.monotonic()
    subprocess.run(["make", "demo"], cwd=clone, check=True)
    wall_time = time.monotonic() - started
    summary: dict[str, Any] = json.loads((clone / "demo-output" / "summary.json").read_text(encoding="utf-8"))
    return wall_time, summary


def main() -> None:
    """Measure and write the result."""
    clone = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp(prefix="redoxmlp-demo-")) / "clone"
    subprocess.run(["git", "clone", "--quiet", str(CHECKOUT), str(clone)], check=True)
    first, summary = timed_demo(clone)
    second, _ = timed_demo(clone)
    result = {
        "cores": len(os.sched_getaffinity(0)),
        "machine": platform.machine(),
        "first_run_s": round(first),
        "second_run_s": round(second),
        "ratio": round(first / second, 1),
        "summary": summary,
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    sys.stdout.write(f"first run {first:.0f} s, second run {second:.0f} s: {RESULTS}\n")


if __name__ == "__main__":
    main()
