"""A whole campaign through a daemon that loses its worker in the middle of a label."""

from __future__ import annotations

import json

import pytest

from tests.engine_runs.deployment import Deployment, small_config

pytestmark = pytest.mark.daemon


@pytest.fixture
def deployment(tmp_path, pw_executable, pseudopotential_folder):
    made = Deployment(tmp_path / ".aiida")
    made.setup(pw_executable)
    yield made
    made.stop()


def test_campaign_survives_its_worker_and_answers_questions(deployment, tmp_path):
    pk = deployment.launch(small_config(tmp_path, "demo.yaml"))
    deployment.wait("a pw.x job", lambda: deployment.running_jobs("RedoxPwCalculation") > 0, 180)
    deployment.kill_worker()
    deployment.run("verdi", "daemon", "restart")
    deployment.wait("the campaign's end", lambda: deployment.is_terminated(pk), 1200)

    conclusion = deployment.conclusion(pk)
    assert sorted(one["states"] for one in conclusion["patterns"]) == [[2, 3], [3, 2]]
    assert conclusion["ground_state"] in ([2, 3], [3, 2])

    model = deployment.python(f"print(orm.load_node({pk}).outputs.model.uuid)").strip()
    lineage = json.loads(deployment.run("aiida-redoxmlp", "query", "lineage", model, "--json"))
    assert len(lineage) == 2
    assert {row["calculation"] for row in lineage} == {"relax"}
    assert deployment.run("verdi", "data", "redoxmlp", "query", "lineage", model).count(lineage[0]["uuid"][:8]) == 1

    assert f"<{pk}>: done" in deployment.run("aiida-redoxmlp", "status", str(pk))
    deployment.run("aiida-redoxmlp", "report", str(pk), "--output", str(tmp_path / "report"))
    summary = json.loads((tmp_path / "report" / "summary.json").read_text(encoding="utf-8"))
    assert summary["ground_state"] == conclusion["ground_state"]
    assert (tmp_path / "report" / "report.html").stat().st_size > 100_000

    again = deployment.launch(small_config(tmp_path, "demo.yaml"))
    deployment.wait("the cached campaign's end", lambda: deployment.is_terminated(again), 300)
    assert deployment.conclusion(again) == conclusion
    cached = deployment.python(
        f"campaign = orm.load_node({again})\n"
        "jobs = [one for one in campaign.called_descendants if isinstance(one, orm.CalcJobNode)]\n"
        "print(all(job.base.caching.is_created_from_cache for job in jobs), len(jobs))"
    )
    assert cached.split()[0] == "True"
