"""Make the benchmark dataset ``benchmarks/data/limnpo4.npz``, from structures to labelled frames.

Run it from a checkout after ``make setup``, with the environment of ``setup_profiles/bootstrap.py env``:

    python benchmarks/limnpo4_dataset.py launch
    python benchmarks/limnpo4_dataset.py gather PK PK PK PK

The first submits one dynamics work chain a file ``benchmarks/data/limnpo4-*.yaml`` and prints their PKs. The
second joins the frames of their relaxations and trajectories, those of work chains that still run included, and writes
the dataset and ``limnpo4.json`` with what is in it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from aiida import load_profile, orm
from aiida.engine import WorkChain
from training_runs import how_states_are_read

from aiida_redoxmlp.active_learning.candidates import formula_of
from aiida_redoxmlp.dataset.dataset import Dataset
from aiida_redoxmlp.dataset.file import write_dataset
from aiida_redoxmlp.dataset.frame import Frame
from aiida_redoxmlp.dataset.labelling import reread
from aiida_redoxmlp.dataset.strata import pattern_names
from aiida_redoxmlp.workchains.label import LabelWorkChain
from aiida_redoxmlp.workchains.trajectory import TrajectoryWorkChain

DATA = Path(__file__).resolve().parent / "data"


def launch() -> None:
    """Submit the work chains."""
    for config in sorted(DATA.glob("limnpo4-*.yaml")):
        subprocess.run(["aiida-redoxmlp", "launch", "dynamics", "--no-wait", "--config", str(config)], check=True)


def frames_of(pk: int, part: type[WorkChain]) -> list[Frame]:
    """Return the frames of all relaxations or trajectories of a dynamics work chain, as far as they have ended."""
    frames: list[Frame] = []
    for link in orm.load_node(pk).base.links.get_outgoing(node_class=orm.WorkChainNode).all():
        if link.node.process_class is part and "frames" in link.node.outputs:
            frames.extend(link.node.outputs.frames.frames)
    return frames


def content(frames: list[Frame], relaxations: set[str]) -> dict[str, Any]:
    """Return what there is, by chemical formula and pattern, and which groups of frames are relaxations."""
    closed = [frame for frame in frames if not frame.ambiguous]
    patterns = Counter(pattern_names(closed))
    return {
        "n_frames": len(frames),
        "n_closed": len(closed),
        "n_trajectories": len({frame.group for frame in frames}),
        "n_patterns": len(patterns),
        "closed_frames": dict(sorted(patterns.items())),
        "summary": Dataset(frames).summary(),
        "relaxations": sorted(relaxations & {frame.group for frame in frames}),
    }


def main() -> None:
    """Launch or gather."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("launch", "gather"))
    parser.add_argument("pks", type=int, nargs="*")
    arguments = parser.parse_args()
    if arguments.action == "launch":
        launch()
        return
    load_profile()
    relaxed = [frame for pk in arguments.pks for frame in frames_of(pk, LabelWorkChain)]
    moved = [frame for pk in arguments.pks for frame in frames_of(pk, TrajectoryWorkChain)]
    read_with = how_states_are_read()
    frames = [
        reread(frame, read_with[formula_of(frame.configuration)].table())
        for frame in Dataset([*relaxed, *moved]).deduplicated()
    ]
    write_dataset(DATA / "limnpo4.npz", frames)
    report = json.dumps(content(frames, {frame.group for frame in relaxed}), indent=2, ensure_ascii=False) + "\n"
    (DATA / "limnpo4.json").write_text(report, encoding="utf-8")
    sys.stdout.write(report)


if __name__ == "__main__":
    main()
