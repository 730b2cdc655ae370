"""Self-consistent U from the command line, through a daemon that loses its worker in the middle of hp.x."""

from __future__ import annotations

import json

import pytest
import yaml

from tests.engine_runs.deployment import CHECKOUT, Deployment

pytestmark = pytest.mark.daemon

COUNTS = (
    "responses = [(job.pk, one['atom'], one['q_point']) for job in orm.load_node({pk}).called_descendants\n"
    "    if job.process_label == 'HpCalculation' for one in job.outputs.output_parameters['responses']]\n"
    "import json\nprint(json.dumps(responses))"
)


@pytest.fixture
def deployment(tmp_path, pw_executable, pseudopotential_folder):
    made = Deployment(tmp_path / ".aiida")
    made.setup(pw_executable)
    yield made
    made.stop()


def test_hubbard_cycles_survive_the_worker_and_come_from_the_cache(deployment, tmp_path):
    content = yaml.safe_load((CHECKOUT / "examples" / "hubbard-licoo2.yaml").read_text(encoding="utf-8"))
    content["structure"] = str(CHECKOUT / "examples" / content["structure"])
    content["overrides"]["scf"] = {"kpoints_distance": 1.4, "pw": {"SYSTEM": {"ecutwfc": 25.0, "ecutrho": 150.0}}}
    config = tmp_path / "hubbard.yaml"
    config.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")

    assert "nothing was submitted" in deployment.run(
        "aiida-redoxmlp", "launch", "hubbard", "--config", str(config), "--dry-run"
    )
    printed = deployment.run("aiida-redoxmlp", "launch", "hubbard", "--config", str(config), "--no-wait")
    pk = int(printed.partition("HubbardWorkChain<")[2].partition(">")[0])
    deployment.wait("an hp.x job", lambda: deployment.running_jobs("HpCalculation") > 0, 300)
    deployment.kill_worker()
    deployment.run("verdi", "daemon", "restart")
    deployment.wait("the work chain's end", lambda: deployment.is_terminated(pk), 900)

    cycles = json.loads(
        deployment.python(f"import json\nprint(json.dumps(orm.load_node({pk}).outputs.cycles.get_dict()))")
    )
    assert cycles["converged"]
    responses = json.loads(deployment.python(COUNTS.format(pk=pk)))
    assert len(responses) == len(cycles["cycles"])  # one atom, one wave vector: none was computed twice
    assert "Co" in deployment.run("aiida-redoxmlp", "status", str(pk))
    deployment.run("aiida-redoxmlp", "report", str(pk), "--output", str(tmp_path / "report"))
    assert (tmp_path / "report" / "report.html").stat().st_size > 100_000

    printed = deployment.run("aiida-redoxmlp", "launch", "hubbard", "--config", str(config), timeout=300)
    assert "Co" in printed
    cached = deployment.python(
        "label = {'attributes.process_label': 'HubbardWorkChain'}\n"
        "again = orm.QueryBuilder().append(orm.WorkChainNode, filters=label,\n"
        "    tag='chain').order_by({'chain': {'id': 'desc'}}).first(flat=True)\n"
        "jobs = [one for one in again.called_descendants if isinstance(one, orm.CalcJobNode)]\n"
        "print(all(job.base.caching.is_created_from_cache for job in jobs), len(jobs))"
    )
    assert cached.split()[0] == "True"
