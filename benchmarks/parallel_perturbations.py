"""How much longer concurrent perturbations take than the longest of them, on the one-machine SLURM.

The ground state of an example is perturbed twice by the same work chain: in one job after the other, and in concurrent
jobs under SLURM. Wall times are those of the work chains' nodes; job times those that hp.x prints. Run it with
`python benchmarks/parallel_perturbations.py` after `make setup`; it starts and stops the private SLURM itself.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from typing import Any

from on_slurm import CHECKOUT, finish, run_on_slurm, wall_time

RESULT = CHECKOUT / "benchmarks" / "results" / "parallel_perturbations.json"
EXAMPLE = CHECKOUT / "examples" / "hubbard-licoo2-uv.yaml"
LARGER: dict[str, Any] = {
    "max_cycles": 1,
    "must_converge": False,
    "scf": {"kpoints_distance": 1.4, "pw": {"SYSTEM": {"ecutwfc": 40.0, "ecutrho": 240.0}}},
    "hp": {
        "mesh": [2, 2, 2],
        "parameters": {"conv_thr_chi": 1.0e-8, "find_atpert": 4},
        "parallelize": {"over": "atoms"},
        "max_concurrent": 4,
    },
}
"""Overrides that make a perturbation last minutes, as production's last hours; find_atpert 4 perturbs every atom."""


def measure() -> None:
    """Run the ground state, then hp.x serially and concurrently, and write the figures."""
    from aiida import load_profile, orm  # noqa: PLC0415 - the outer call has no AiiDA

    load_profile()
    from aiida.engine import submit  # noqa: PLC0415
    from aiida.manage.caching import disable_caching  # noqa: PLC0415

    from aiida_redoxmlp.cli.config_file import load_config  # noqa: PLC0415
    from aiida_redoxmlp.cli.hubbard_config import HubbardRunConfig  # noqa: PLC0415
    from aiida_redoxmlp.cli.inputs import hubbard_builder  # noqa: PLC0415

    with disable_caching():
        config = load_config(EXAMPLE, HubbardRunConfig)
        codes = config.codes.model_copy(update={"pw": "pw@slurm-cpu", "hp": "hp@slurm-cpu"})
        settings = config.model_copy(update={"codes": codes, "overrides": {**config.overrides, **LARGER}})
        whole = submit(hubbard_builder(settings))
        finish(whole)
        concurrent = whole.base.links.get_outgoing(link_label_filter="hp_1").one().node
        builder = concurrent.get_builder_restart()
        builder.parallelize = orm.Dict({"over": "none"})
        serial = submit(builder)
        finish(serial)
    jobs = _job_times(concurrent)
    result = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "example": EXAMPLE.name,
        "perturbation_jobs": len(jobs),
        "longest_job_s": max(jobs),
        "sum_of_jobs_s": sum(jobs),
        "concurrent_wall_s": wall_time(concurrent),
        "serial_wall_s": wall_time(serial),
        "overhead_over_longest_job": wall_time(concurrent) / max(jobs) - 1,
        "speed_up": wall_time(serial) / wall_time(concurrent),
        "largest_difference_ev": float(
            abs(concurrent.outputs.hubbard.get_array("hubbard") - serial.outputs.hubbard.get_array("hubbard")).max()
        ),
    }
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


def _job_times(node: Any) -> list[float]:
    """Seconds that hp.x says the jobs with perturbations took."""
    outputs = [one.outputs.output_parameters for one in node.called_descendants if one.process_label == "HpCalculation"]
    return [one["wall_time_seconds"] for one in outputs if one["responses"]]


if __name__ == "__main__":
    measure() if sys.argv[1:] == ["measure"] else run_on_slurm(__file__)
