"""How the reader of pw.x outputs takes damaged files: crashes, wrong frames, and wrong digits that are not seen.

Run it with the package installed: ``python benchmarks/pw_output_fuzzing.py [--count N] [--seed N] [--processes N]``.
It damages the outputs in ``tests/fixtures/pw`` at random (cut, lines swapped, dropped or doubled, bytes or digits
changed), reads them, and writes ``benchmarks/results/pw_output_fuzzing.json``. A frame is wrong if the intact file has
none with the same content; one that is marked as not converged, and was, is flagged. A changed digit counts where a
reader without checks returns a wrong frame because of it.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import fields
from functools import cache
from multiprocessing import Pool
from pathlib import Path

import numpy as np

from aiida_redoxmlp.errors import OutputFormatError
from aiida_redoxmlp.redox.occupations import IonicStep
from aiida_redoxmlp.redox.pw_output.stream import PwOutputStream

CHECKOUT = Path(__file__).resolve().parents[1]
OUTPUTS = sorted((CHECKOUT / "tests" / "fixtures" / "pw").glob("*/pw.out"))
RESULTS = CHECKOUT / "benchmarks" / "results" / "pw_output_fuzzing.json"
MOST_LINES = 200
CASES_AT_ONCE = 200
DIGITS = b"0123456789"
QUANTITIES = [field.name for field in fields(IonicStep) if field.name not in {"index", "occupations"}]

Damage = Callable[[bytes, random.Random], bytes]


def cut(text: bytes, rng: random.Random) -> bytes:
    """End anywhere."""
    return text[: rng.randrange(len(text))]


def _some_lines(lines: list[bytes], rng: random.Random) -> tuple[int, int]:
    start = rng.randrange(len(lines))
    return start, start + rng.choice([1, 1, 2, rng.randrange(1, MOST_LINES)])


def swap_lines(text: bytes, rng: random.Random) -> bytes:
    """Exchange two blocks of lines."""
    lines = text.splitlines(keepends=True)
    (start, stop), (begin, end) = sorted(_some_lines(lines, rng) for _ in range(2))
    stop = min(stop, begin)
    return b"".join([*lines[:start], *lines[begin:end], *lines[stop:begin], *lines[start:stop], *lines[end:]])


def drop_lines(text: bytes, rng: random.Random) -> bytes:
    """Lose a block of lines."""
    lines = text.splitlines(keepends=True)
    start, stop = _some_lines(lines, rng)
    return b"".join(lines[:start] + lines[stop:])


def double_lines(text: bytes, rng: random.Random) -> bytes:
    """Print a block of lines twice, as several processes do that write to one file."""
    lines = text.splitlines(keepends=True)
    start, stop = _some_lines(lines, rng)
    return b"".join(lines[:stop] + lines[start:])


def change_byte(text: bytes, rng: random.Random) -> bytes:
    """Turn a byte into any other."""
    at = rng.randrange(len(text))
    return text[:at] + bytes([rng.choice([byte for byte in range(256) if byte != text[at]])]) + text[at + 1 :]


def change_digit(text: bytes, rng: random.Random) -> bytes:
    """Turn a digit into another digit."""
    at = rng.randrange(len(text))
    while text[at] not in DIGITS:
        at = (at + 1) % len(text)
    return text[:at] + bytes([rng.choice([digit for digit in DIGITS if digit != text[at]])]) + text[at + 1 :]


DAMAGES: dict[str, Damage] = {
    "cut": cut,
    "swapped lines": swap_lines,
    "dropped lines": drop_lines,
    "doubled lines": double_lines,
    "changed byte": change_byte,
    "changed digit": change_digit,
}


def content(step: IonicStep) -> dict[str, bytes]:
    """Return all that a step says, quantity by quantity, but not which step of its file it is."""
    parts = {name: _bytes(getattr(step, name)) for name in QUANTITIES}
    parts["eigenvalues"] = b"".join(
        b"%d %s " % (site.site, site.kind.encode()) + _bytes(site.eigenvalues) for site in step.occupations
    )
    parts["matrices"] = b"".join(_bytes(site.matrices) for site in step.occupations)
    return parts


def is_wrong(frame: dict[str, bytes], expected: list[dict[str, bytes]]) -> bool:
    """Whether the intact file has no such frame, not even one that differs by not being marked as not converged."""
    return frame not in expected and frame | {"scf_converged": b"True"} not in expected


def _bytes(value: object) -> bytes:
    if isinstance(value, np.ndarray):
        # Zero is zero, whatever its sign.
        return (value + 0.0).tobytes()
    return repr(value + 0.0 if isinstance(value, float) else value).encode()


def read(text: bytes, *, use_checks: bool = True, use_templates: bool = True) -> list[dict[str, bytes]]:
    """Read a text to its end; what is not recognised as pw.x's has no frames."""
    try:
        stream = PwOutputStream(io.BytesIO(text), use_checks=use_checks, use_templates=use_templates)
    except OutputFormatError:
        return []
    return [content(step) for step in stream]


@cache
def intact(path: Path) -> tuple[bytes, list[dict[str, bytes]]]:
    """Return a real output and its frames."""
    text = path.read_bytes()
    return text, read(text)


def pick(rng: random.Random) -> tuple[Path, str]:
    """Choose an output and a damage: every output is as likely, but each digit and each byte of all of them as well."""
    kind = rng.choice(list(DAMAGES))
    weights = [path.stat().st_size if kind.startswith("changed") else 1 for path in OUTPUTS]
    return rng.choices(OUTPUTS, weights)[0], kind


def one_case(seed: int) -> Counter[str]:
    """Damage one output, read it, and count what came out."""
    rng = random.Random(seed)  # noqa: S311
    path, kind = pick(rng)
    text, expected = intact(path)
    damaged = DAMAGES[kind](text, rng)
    count = Counter({f"{kind}: cases": 1})
    try:
        found = read(damaged)
    except Exception as error:  # noqa: BLE001
        count[f"crash: seed {seed}: {path.parent.name}: {error!r}"] += 1
        return count
    wrong = [frame for frame in found if is_wrong(frame, expected)]
    count[f"{kind}: frames read"] += len(found)
    count[f"{kind}: wrong frames"] += len(wrong)
    if wrong and not kind.startswith("changed"):
        count[f"wrong: seed {seed}: {path.parent.name}: {kind}"] += 1
    if seed % 10 == 0 and found != read(damaged, use_templates=False):
        count[f"differs without templates: seed {seed}: {path.parent.name}: {kind}"] += 1
    if kind.startswith("changed"):
        count += _changed_values(kind, damaged, expected, wrong)
    return count


def _changed_values(
    kind: str, damaged: bytes, expected: list[dict[str, bytes]], wrong: list[dict[str, bytes]]
) -> Counter[str]:
    """Count a change of which a reader without checks returns another frame, and by which quantity it differs."""
    changed = wrong or [frame for frame in read(damaged, use_checks=False) if is_wrong(frame, expected)]
    if not changed:
        return Counter()
    frame = changed[0]
    nearest = max(expected, key=lambda other: sum(frame[name] == other[name] for name in frame))
    quantities = [name for name in frame if frame[name] != nearest[name]]
    name = quantities[0] if len(quantities) == 1 else "cell and more" if "cell" in quantities else "several"
    return Counter(
        {
            f"{kind}: changes a value": 1,
            f"{kind}: not seen": int(bool(wrong)),
            f"{kind}: {name}: changes a value": 1,
            f"{kind}: {name}: not seen": int(bool(wrong)),
        }
    )


def cases(seeds: Iterable[int]) -> Counter[str]:
    """Count over several cases."""
    return sum((one_case(seed) for seed in seeds), Counter())


def main() -> None:
    """Damage, read, count, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--output", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    first = arguments.seed * 10_000_000
    blocks = [
        range(start, min(start + CASES_AT_ONCE, first + arguments.count))
        for start in range(first, first + arguments.count, CASES_AT_ONCE)
    ]
    total: Counter[str] = Counter()
    with Pool(arguments.processes) as pool:
        for block in pool.imap_unordered(cases, blocks):
            total += block
    result = summary(total, arguments.count, arguments.seed)
    arguments.output.parent.mkdir(exist_ok=True)
    arguments.output.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    sys.stdout.write(arguments.output.read_text(encoding="utf-8"))


def summary(total: Counter[str], count: int, seed: int) -> dict[str, object]:
    """Return the figures of a benchmark from what was counted."""
    unseen = {
        kind: {
            "changes_of_a_value": total[f"{kind}: changes a value"],
            "not_seen": total[f"{kind}: not seen"],
            "fraction_not_seen": round(total[f"{kind}: not seen"] / max(total[f"{kind}: changes a value"], 1), 4),
            "by_quantity": {
                name: [total[f"{kind}: {name}: not seen"], total[f"{kind}: {name}: changes a value"]]
                for name in [*QUANTITIES, "eigenvalues", "matrices", "cell and more", "several"]
                if total[f"{kind}: {name}: changes a value"]
            },
        }
        for kind in ("changed byte", "changed digit")
    }
    return {
        "cases": count,
        "seed": seed,
        "crashes": [key for key in total if key.startswith("crash")],
        "differs_without_templates": [key for key in total if key.startswith("differs")],
        "wrong_frames": {
            kind: {name: total[f"{kind}: {name}"] for name in ("cases", "frames read", "wrong frames")}
            for kind in DAMAGES
        },
        "wrong_frames_but_for_changed_bytes": [key for key in total if key.startswith("wrong")],
        **{key.replace(" ", "_"): value for key, value in unseen.items()},
    }


if __name__ == "__main__":
    main()
