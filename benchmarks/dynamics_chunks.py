"""Whether a trajectory in chunks that SLURM cuts short equals an unbroken one, and what storing it takes.

β-Li½MnPO4, 30 steps at 600 K, twice at a time on the one-machine SLURM: in one job, and in jobs of at most 12 steps
whose walltime ends them earlier, in the middle of a step. Run it with `python benchmarks/dynamics_chunks.py` after
`make setup`; it starts and stops the private SLURM itself.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

from on_slurm import CHECKOUT, finish, run_on_slurm

RESULT = CHECKOUT / "benchmarks" / "results" / "dynamics_chunks.json"
EXAMPLE = CHECKOUT / "examples" / "dynamics-limnpo4.yaml"
SHORT_WALLTIME_S = 180
GROWING = ("core.array.trajectory", "redoxmlp.dataset", "redoxmlp.oxidation_states")
"""Nodes that grow with the number of steps; the others are there once a run or once a job."""


def measure() -> None:
    """Run both and write the figures."""
    from aiida import load_profile  # noqa: PLC0415 - the outer call has no AiiDA

    load_profile()
    from aiida.engine import submit  # noqa: PLC0415

    unbroken, chunked = submit(_builder(None, 7200)), submit(_builder(12, SHORT_WALLTIME_S))
    finish(unbroken, chunked)
    result = figures_of(unbroken, chunked)
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


def figures_of(unbroken: Any, chunked: Any) -> dict[str, Any]:
    """Return what two finished DynamicsWorkChains say."""
    import numpy as np  # noqa: PLC0415

    whole, joined = (node.outputs.trajectories.run_0_part_0 for node in (unbroken, chunked))
    trajectory = chunked.base.links.get_outgoing(link_label_filter="run_0").one().node
    jobs = [job for job in trajectory.called if job.process_label == "RedoxPwCalculation"]
    out_of_walltime = jobs[0].process_class.exit_codes.ERROR_SCHEDULER_OUT_OF_WALLTIME.status
    joints = _joints(trajectory)
    conserved = joined.get_array("conserved_quantities")
    steps = np.abs(np.diff(conserved))
    return {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "example": EXAMPLE.name,
        "steps_unbroken": whole.get_array("steps").tolist()[-1] + 1,
        "steps_in_chunks": joined.get_array("steps").tolist() == whole.get_array("steps").tolist(),
        "chunks": [
            {"steps": job.outputs.output_trajectory.numsteps, "ended": job.exit_message or "ok"} for job in jobs
        ],
        "ended_by_walltime": sum(job.exit_status == out_of_walltime for job in jobs),
        "joints_at_steps": joints,
        "largest_change_of_conserved_quantity_at_a_joint_ev": float(max(steps[joint - 1] for joint in joints)),
        "largest_change_of_conserved_quantity_elsewhere_ev": float(np.delete(steps, np.array(joints) - 1).max()),
        "largest_difference_of_positions_angstrom": float(
            np.abs(joined.get_array("positions") - whole.get_array("positions")).max()
        ),
        "largest_difference_of_potential_energy_ev": float(
            np.abs(joined.get_array("potential_energies") - whole.get_array("potential_energies")).max()
        ),
        "storage": [_storage(node) for node in (unbroken, chunked)],
    }


def _builder(steps_per_chunk: int | None, walltime: int) -> Any:
    """Return the example on SLURM; pw.x does not watch the time itself, so that SLURM has to end it."""
    from aiida_redoxmlp.cli.config_file import load_config  # noqa: PLC0415
    from aiida_redoxmlp.cli.dynamics_config import DynamicsRunConfig  # noqa: PLC0415
    from aiida_redoxmlp.cli.inputs import dynamics_builder  # noqa: PLC0415

    config = load_config(EXAMPLE, DynamicsRunConfig)
    unwatched = {"label": {"pw": {"CONTROL": {"max_seconds": 1.0e6}}}, "clean_workdir": False}
    builder = dynamics_builder(
        config.model_copy(
            update={
                "codes": config.codes.model_copy(update={"pw": "pw@slurm-cpu"}),
                "dynamics": {**config.dynamics, "steps_per_chunk": steps_per_chunk},
                "overrides": {**config.overrides, "trajectory": {**config.overrides["trajectory"], **unwatched}},
            }
        )
    )
    builder.trajectory.pw.metadata.options.max_wallclock_seconds = walltime
    builder.trajectory.pw.metadata.options.append_text = f"# {uuid4()}: never from AiiDA's cache"
    return builder


def _joints(trajectory: Any) -> list[int]:
    """Return the numbers of the steps at which one chunk goes on from another."""
    (join,) = [called for called in trajectory.called if called.process_label == "join_chunks"]
    return [chunk["first_step"] for chunk in join.inputs.plan["chunks"] if chunk["repeats"]]


def _storage(node: Any) -> dict[str, float]:
    """Return bytes a step in the repository against what pw.x printed, and the number of nodes."""
    from aiida.common import LinkType  # noqa: PLC0415

    processes = [node, *node.called_descendants]
    data = {
        one.uuid: one
        for process in processes
        for one in process.base.links.get_outgoing(link_type=(LinkType.CREATE,)).all_nodes()
    }
    stored = sum(_size(one) for one in [*processes, *data.values()])
    growing = sum(_size(one) for one in data.values() if one.entry_point.name in GROWING)
    jobs = [process for process in processes if process.process_label == "RedoxPwCalculation"]
    printed = sum((Path(job.get_remote_workdir()) / "aiida.out").stat().st_size for job in jobs)
    steps = node.outputs.trajectories.run_0_part_0.numsteps
    return {
        "nodes": len(processes) + len(data),
        "jobs": len(jobs),
        "steps": steps,
        "stored_bytes_a_step": stored / steps,
        "printed_bytes_a_step": printed / steps,
        "stored_over_printed": stored / printed,
        "stored_a_further_step_over_printed": growing / printed,
    }


def _size(node: Any) -> int:
    repository = node.base.repository
    return sum(
        len(repository.get_object_content(str(root / name), mode="rb"))
        for root, _, names in repository.walk()
        for name in names
    )


if __name__ == "__main__":
    measure() if sys.argv[1:] == ["measure"] else run_on_slurm(__file__)
