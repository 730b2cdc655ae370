from __future__ import annotations

import pytest
from aiida.schedulers.plugins.direct import DirectJobResource

from aiida_redoxmlp.cli.resources_config import Resources
from aiida_redoxmlp.workchains.job_options import cores_of, job_options


def test_a_job_that_is_told_nothing_is_one_process_on_one_node() -> None:
    assert job_options(None) == {"resources": {"num_machines": 1, "num_mpiprocs_per_machine": 1}}
    assert job_options({"withmpi": True}, None, {"resources": {"num_machines": 2}}) == {
        "withmpi": True,
        "resources": {"num_machines": 2, "num_mpiprocs_per_machine": 1},
    }


def test_the_last_options_count() -> None:
    assert job_options({"max_wallclock_seconds": 60}, {"max_wallclock_seconds": 120})["max_wallclock_seconds"] == 120


def test_no_nodes_are_added_where_cpus_are_counted() -> None:
    assert job_options(Resources(num_cpus=4).options())["resources"] == {"num_cpus": 4}


@pytest.mark.parametrize(
    ("resources", "cores"),
    [
        ({}, 1),
        ({"num_machines": 3}, 3),
        ({"num_machines": 2, "num_mpiprocs_per_machine": 8, "num_cores_per_mpiproc": 4}, 64),
        ({"tot_num_mpiprocs": 6}, 6),
        ({"num_cpus": 12, "memory_mb": 100}, 12),
    ],
)
def test_cores_are_counted_whatever_the_scheduler_counts(resources, cores) -> None:
    assert cores_of(resources) == cores
    if "num_cpus" not in resources and "num_machines" in resources:
        filled = DirectJobResource.validate_resources(**{"num_mpiprocs_per_machine": 1, **resources})
        assert cores_of(filled) == cores


def test_hyperqueue_is_asked_for_cpus_and_memory() -> None:
    scheduler = pytest.importorskip("aiida_hyperqueue.scheduler", reason="aiida-hyperqueue is not installed")
    asked = job_options(Resources(num_cpus=8, memory_mb=16000).options())["resources"]
    found = scheduler.HyperQueueJobResource(**asked)
    assert (found.num_cpus, found.memory_mb, found.get_tot_num_mpiprocs()) == (8, 16000, 8)
