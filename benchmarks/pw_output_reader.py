"""How fast pw.x's molecular dynamics is read, in how much memory, against a plain line-by-line reader.

Run it with the package installed: `python benchmarks/pw_output_reader.py [--size BYTES] [--long BYTES]`. The text is
made by repeating steps of a real run in a temporary folder. Both readers read the same file in one run, in turns, and
the best of three counts. The plain reader takes the same quantities with one regular expression a line, as one would
write it first.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from long_output import write_long_output

from aiida_redoxmlp.redox.pw_output import stream_pw_output

RESULT = Path(__file__).resolve().parent / "results" / "pw_output_reader.json"
NUMBER = r"\s*([-+\d.EeDd]+)"
LINES = {
    "energy": re.compile(r"^!\s+total energy\s+=" + NUMBER),
    "force": re.compile(r"^\s+atom\s+(\d+) type\s+\d+\s+force =" + 3 * NUMBER),
    "position": re.compile(r"^([A-Z][a-z]?\d*)" + 3 * NUMBER + r"\s*$"),
    "temperature": re.compile(r"^\s+temperature\s+=" + NUMBER),
    "conserved": re.compile(r"^\s+Ekin \+ Etot \(const\)\s+=" + NUMBER),
    "kinetic": re.compile(r"^\s+kinetic energy \(Ekin\) =" + NUMBER),
    "magnetization": re.compile(r"^\s+total magnetization\s+=" + NUMBER),
    "absolute": re.compile(r"^\s+absolute magnetization\s+=" + NUMBER),
    "accuracy": re.compile(r"^\s+estimated scf accuracy\s+<" + NUMBER),
    "iterations": re.compile(r"^\s+convergence has been achieved in\s+(\d+)"),
    "atom": re.compile(r"^-+ ATOM\s+(\d+) -+"),
    "spin": re.compile(r"^\s*SPIN\s+(\d)"),
    "heading": re.compile(r"^\s*(eigenvalues|eigenvectors.*|occupation matrix.*):"),
    "row": re.compile(r"^\s+((?:-?\d+\.\d+\s*){5})$"),
}


def plain_reader(path: Path) -> Iterator[dict[str, Any]]:
    """Yield what is printed for every ionic step, line by line."""
    step: dict[str, Any] = {"forces": [], "positions": []}
    place: dict[str, str] = {}
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            for name, pattern in LINES.items():
                match = pattern.match(line)
                if match is not None:
                    take(name, match, step, place)
                    break
            if "conserved" in step:
                yield step
                step = {"forces": [], "positions": []}


def take(name: str, match: re.Match[str], step: dict[str, Any], place: dict[str, str]) -> None:
    """Put what a line says into the step; occupations of later SCF iterations replace those of earlier ones."""
    if name in ("force", "position"):
        step[f"{name}s"].append([float(value) for value in match.groups()[-3:]])
    elif name in ("atom", "spin"):
        place[name] = match[1]
    elif name == "heading":
        place[name] = match[1]
        step["".join(place.values())] = []
    elif name == "row":
        step.setdefault("".join(place.values()), []).append([float(value) for value in match[1].split()])
    else:
        step[name] = float(match[1].replace("D", "E"))


def seconds(read: Callable[[Path], Iterator[Any]], path: Path) -> float:
    """Return how long one reading takes."""
    start = time.perf_counter()
    for _ in read(path):
        pass
    return time.perf_counter() - start


def resident(path: Path) -> float:
    """Return the largest resident memory in MB of a process that reads the file."""
    script = (
        "import resource, sys; from pathlib import Path; from aiida_redoxmlp.redox.pw_output import stream_pw_output\n"
        "n = sum(1 for _ in stream_pw_output(Path(sys.argv[1])))\n"
        "print(n, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000)"
    )
    command = [sys.executable, "-c", script, str(path)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[1])


def main() -> None:
    """Measure and write the figures."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--size", type=int, default=200_000_000, help="bytes of the file both readers read")
    arguments.add_argument("--long", type=int, default=5_000_000_000, help="bytes of the file for the memory")
    asked = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "md.out"
        n_steps = write_long_output(path, asked.size)
        size = path.stat().st_size
        found = [sum(1 for _ in read(path)) for read in (plain_reader, stream_pw_output)]
        if found != [n_steps, n_steps]:
            raise SystemExit(f"of {n_steps} steps the readers found {found}")
        turns = [(seconds(stream_pw_output, path), seconds(plain_reader, path)) for _ in range(3)]
        ours, plain = (min(times) for times in zip(*turns, strict=True))
        write_long_output(path, asked.long)
        memory = resident(path)
        long_size = path.stat().st_size
    result = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "megabytes": size / 1e6,
        "steps": n_steps,
        "megabytes_per_second": size / 1e6 / ours,
        "plain_reader_megabytes_per_second": size / 1e6 / plain,
        "times_faster": plain / ours,
        "long_file_gigabytes": long_size / 1e9,
        "resident_megabytes": memory,
    }
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
