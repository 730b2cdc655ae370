"""A whole campaign through a daemon that loses its worker in the middle of a label, and a loop that goes on from it."""

from __future__ import annotations

import json

import pytest

from tests.engine_runs.deployment import Deployment, one_label_config, small_config

pytestmark = pytest.mark.daemon


@pytest.fixture
def deployment(tmp_path, pw_executable, pseudopotential_folder):
    made = Deployment(tmp_path / ".aiida")
    made.setup(pw_executable)
    yield made
    made.stop()


def test_campaign_survives_its_worker_answers_questions_and_learns_on(deployment, tmp_path):
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

    loop = learn_on(deployment, pk, tmp_path)
    found = deployment.python(
        f"import json\nfirst, loop = orm.load_node({pk}), orm.load_node({loop})\n"
        "record = loop.outputs.iterations.iteration_0.get_dict()\n"
        "fresh = loop.outputs.dataset.n_frames - first.outputs.dataset.n_frames\n"
        "print(json.dumps([record['labels'], fresh, loop.outputs.model.uuid != first.outputs.model.uuid]))"
    )
    labels, fresh, learned = json.loads(found)
    assert (labels["asked"], labels["failed"], fresh) == (1, 0, 1)
    assert learned == (labels["ambiguous"] == 0)  # a doubtful label is kept, and not trained on

    again = deployment.launch(small_config(tmp_path, "demo.yaml"))
    deployment.wait("the cached campaign's end", lambda: deployment.is_terminated(again), 300)
    assert deployment.conclusion(again) == conclusion
    for process in (again, learn_on(deployment, again, tmp_path)):
        computed = deployment.python(
            f"jobs = [one for one in orm.load_node({process}).called_descendants if isinstance(one, orm.CalcJobNode)]\n"
            "print([job.process_label for job in jobs if not job.base.caching.is_created_from_cache], len(jobs) > 1)"
        )
        assert computed.strip() == "[] True"


def learn_on(deployment, campaign, folder):
    """Let a loop of one label go on from a campaign, and return its PK."""
    loop = deployment.launch(one_label_config(folder, campaign), "active-learning")
    deployment.wait("the loop's end", lambda: deployment.is_terminated(loop), 600)
    return loop
