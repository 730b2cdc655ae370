"""``launch hubbard``, and ``report`` and ``status`` of what it launches."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from aiida import orm
from aiida.common import LinkType
from click.testing import CliRunner

from aiida_redoxmlp.cli import launch, reports, root
from aiida_redoxmlp.cli.profile import load_process
from aiida_redoxmlp.errors import InputError

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def invoke():
    def run(*arguments):
        return CliRunner().invoke(root, [str(one) for one in arguments])

    return run


@pytest.fixture
def installed(pseudo_family, aiida_code_installed):
    for label in ("pw", "hp"):
        aiida_code_installed(label=label, filepath_executable="/bin/true")


@pytest.fixture
def config(tmp_path):
    content = yaml.safe_load((EXAMPLES / "hubbard-licoo2-uv.yaml").read_text(encoding="utf-8"))
    content["structure"] = str(EXAMPLES / content["structure"])

    def write(**changes):
        path = tmp_path / "hubbard.yaml"
        path.write_text(yaml.safe_dump({**content, **changes}, allow_unicode=True), encoding="utf-8")
        return path

    return write


@pytest.fixture
def process(aiida_profile_clean):
    """Factory of stored work chain nodes by process label."""

    def make(label, caller=None, structure=None, **outputs):
        node = orm.WorkChainNode()
        node.set_process_label(label)
        if structure is not None:
            node.base.links.add_incoming(structure.store(), link_type=LinkType.INPUT_WORK, link_label="structure")
        if caller is not None:
            node.base.links.add_incoming(caller, link_type=LinkType.CALL_WORK, link_label="hubbard")
        node.store()
        for name, output in outputs.items():
            output.base.links.add_incoming(node, link_type=LinkType.RETURN, link_label=name)
        return node

    return make


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("hubbard*.yaml")), ids=lambda path: path.name)
def test_dry_run_of_every_example_checks_it_and_submits_nothing(invoke, installed, path):
    answer = invoke("launch", "hubbard", "--config", path, "--dry-run")
    assert answer.exit_code == 0, answer.output
    assert "nothing was submitted" in answer.output
    assert orm.QueryBuilder().append(orm.ProcessNode).count() == 0


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"hubbard": {"u": {"Co-4d": 5.0}}}, "add Co-3d to hubbard.u"),
        ({"hubbard": {"u": {"Co-3d": 5.0, "O-3d": 5.0}}}, "O.upf has the atomic orbitals 2s, 2p only"),
        ({"hubbard": {"u": {"Co-3d": 5.0, "Fe-3d": 5.0}}}, "the structure has no Fe"),
        (
            {"hubbard": {"u": {"Co-3d": 5.0}, "v": [{"between": ["Co-3d", "O-2p"], "within": 0.5}]}},
            "no O within 0.5 \u00c5 of any Co",
        ),
        ({"pattern": [4]}, "is not allowed"),
        ({"redox": {"allowed_states": {"Co": [2]}}}, "the nearest they reach is"),
        ({"redox": {"allowed_states": {"Co": [3]}, "low_spin": ["Co4+"]}}, "the allowed states of Co are [3]"),
        ({"codes": {"hp": "nowhere@localhost"}}, "There is no code 'nowhere@localhost'"),
        ({"overrides": {"max_cycle": 3}}, "'max_cycle' of the workflow hubbard is not known"),
        ({"overrides": {"scf": {"kpoint_distance": 1}}}, "'kpoint_distance' of the workflow label is not known"),
        ({"overrides": {"hp": {"mehs": [1, 1, 1]}}}, "'mehs' of the workflow hp is not known"),
        ({"overrides": {"insulator": "perhaps"}}, "'perhaps' is not known"),
        ({"overrides": {"hp": {"parameters": {"nq1": 2}}}}, "nq1"),
        ({"training": {}}, "'training' is not known"),
    ],
)
def test_bad_input_is_one_sentence_before_anything_is_submitted(invoke, config, installed, changes, told):
    answer = invoke("launch", "hubbard", "--config", config(**changes))
    assert answer.exit_code == 2, answer.output
    assert told in answer.output
    assert "Traceback" not in answer.output
    assert orm.QueryBuilder().append(orm.ProcessNode).count() == 0


def test_the_pattern_and_the_seeds_reach_the_builder(installed, config):
    settings = launch.load_config(config(), launch.HubbardRunConfig)
    builder = launch.hubbard_builder(settings)
    assert builder.pattern.get_list() == [3]
    assert builder.redox.get_dict()["low_spin"] == ["Co3+"]
    assert builder.max_cycles.value == 5
    assert builder.hp.hp.hp.qpoints.get_kpoints_mesh()[0] == [2, 2, 2]
    assert builder.scf.kpoints.get_kpoints_mesh()[0] == [2, 2, 2]


@pytest.fixture
def finished(process, monkeypatch, installed):
    """Make ``launch`` think that what it submits has ended with this exit status and these cycles."""

    def finished(exit_status, content):
        def submit(builder):
            node = process("HubbardWorkChain", structure=builder.structure, cycles=orm.Dict(content).store())
            node.set_process_state("finished")
            node.set_exit_status(exit_status)
            return node

        monkeypatch.setattr(launch, "submit", submit)
        monkeypatch.setattr(launch, "ensure_daemon", lambda: None)
        monkeypatch.setattr(launch, "watch", lambda node, console: None)
        monkeypatch.setattr(reports, "_WRITERS", {"HubbardWorkChain": lambda node, folder: [folder / "report.html"]})

    return finished


def cycles_of(*, converged):
    cycle = {
        "cycle": 1,
        "sites": [2],
        "manifolds": ["3d"],
        "u_in": [5.0],
        "u_out": [7.34],
        "pairs": [{"site": 2, "neighbour": 1, "manifolds": ["3d", "2p"], "v_out": 0.459}] * 6,
        "oxidation_states": {"sites": [2], "states": [3], "ambiguous": False},
        "pattern_changed": False,
    }
    return {"converged": converged, "reason": "one cycle only", "cycles": [cycle]}


@pytest.mark.parametrize(("converged", "told"), [(True, "agree with themselves"), (False, "one cycle only")])
def test_a_waited_run_ends_with_a_table_a_report_and_a_sentence(invoke, config, finished, tmp_path, converged, told):
    finished(0, cycles_of(converged=converged))
    answer = invoke("launch", "hubbard", "--config", config(), "--output", tmp_path)
    assert answer.exit_code == 0, answer.output
    assert "7.34" in answer.output
    assert "O 2p 0.459 (×6)" in answer.output
    assert "report.html" in answer.output
    assert told in answer.output


def test_a_failed_run_still_shows_its_cycles(invoke, config, finished):
    finished(410, cycles_of(converged=False))
    answer = invoke("launch", "hubbard", "--config", config())
    assert answer.exit_code == 1
    assert "7.34" in answer.output


def test_without_waiting_the_way_to_follow_it_is_told(invoke, config, finished):
    finished(0, cycles_of(converged=True))
    answer = invoke("launch", "hubbard", "--config", config(), "--no-wait")
    assert answer.exit_code == 0
    assert "aiida-redoxmlp status" in answer.output
    assert "7.34" not in answer.output


def test_the_latest_process_is_one_the_user_launched(process):
    campaign = process("CampaignWorkChain")
    process("HubbardWorkChain", caller=campaign)
    process("LabelWorkChain")
    assert load_process(None, reports.REPORTED).pk == campaign.pk
    own = process("HubbardWorkChain")
    assert load_process(None, reports.REPORTED).pk == own.pk


def test_a_process_of_another_kind_is_refused(process):
    label = process("LabelWorkChain")
    with pytest.raises(InputError, match=r"kind LabelWorkChain; give .* CampaignWorkChain, .*TrajectoryWorkChain\."):
        load_process(str(label.pk), reports.REPORTED)


def test_status_shows_either(invoke, process):
    node = process("HubbardWorkChain")
    assert f"HubbardWorkChain <{node.pk}>" in invoke("status", node.pk).output
    assert f"CampaignWorkChain <{process('CampaignWorkChain').pk}>" in invoke("status").output


def test_report_writes_what_belongs_to_the_process(invoke, process, monkeypatch, tmp_path):
    written = []

    def writer(name):
        def write(node, folder):
            written.append((name, node.pk, folder))
            return [folder / "report.html"]

        return write

    monkeypatch.setattr(reports, "_WRITERS", {name: writer(name) for name in ("CampaignWorkChain", "HubbardWorkChain")})
    campaign, hubbard = process("CampaignWorkChain"), process("HubbardWorkChain")
    for node in (campaign, hubbard):
        answer = invoke("report", node.pk, "--output", tmp_path)
        assert answer.exit_code == 0, answer.output
        assert str(tmp_path / "report.html") in answer.output
    assert written == [("CampaignWorkChain", campaign.pk, tmp_path), ("HubbardWorkChain", hubbard.pk, tmp_path)]


def test_a_report_that_cannot_be_written_is_one_sentence(invoke, process, monkeypatch, tmp_path):
    def refuse(node, folder):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(reports, "_WRITERS", {"HubbardWorkChain": refuse})
    answer = invoke("report", process("HubbardWorkChain").pk, "--output", tmp_path)
    assert answer.exit_code == 2
    assert "(Permission denied); give another folder with --output." in answer.output.replace("\n", " ")


@pytest.mark.parametrize("wish", [None, True])
def test_the_campaign_starts_with_u_and_v_only_where_it_should(installed, aiida_code_installed, tmp_path, wish):
    aiida_code_installed(label="redoxmlp", filepath_executable="/bin/true")
    content = yaml.safe_load((EXAMPLES / "demo.yaml").read_text(encoding="utf-8"))
    content["structure"] = str(EXAMPLES / content["structure"])
    content["hubbard"]["self_consistent"] = wish
    path = tmp_path / "campaign.yaml"
    path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    builder = launch.campaign_builder(launch.load_config(path, launch.CampaignConfig))
    assert ("hubbard" in builder._inputs(prune=True)) is bool(wish)
