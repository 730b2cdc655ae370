from __future__ import annotations

import json
import re

import pytest
from click.testing import CliRunner
from PIL import Image

from aiida_redoxmlp.cli import root
from aiida_redoxmlp.report.campaign import write_report
from tests.report.web_page import WebPage

ALL_FIGURES = ["errors", "learning_curves", "oxidation_states", "parity", "pattern_energies", "reliability", "timeline"]


@pytest.fixture(scope="module")
def report(finished, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    return folder, write_report(finished.node, folder)


def test_report_is_a_page_a_summary_and_a_picture_a_figure(report):
    folder, written = report
    assert sorted(path.stem for path in (folder / "figures").glob("*.png")) == ALL_FIGURES
    assert {path.relative_to(folder).as_posix() for path in written} == {
        "report.html",
        "summary.json",
        *(f"figures/{name}.png" for name in ALL_FIGURES),
    }
    for path in (folder / "figures").iterdir():
        with Image.open(path) as picture:
            assert picture.width >= 1200
            assert len(set(picture.convert("RGB").resize((60, 40)).getdata())) > 5  # not blank


def test_page_works_without_a_network_and_stays_small(report):
    folder, _ = report
    text = (folder / "report.html").read_text(encoding="utf-8")
    page = WebPage(text)
    assert page.loaded == []
    assert sum("Plotly.newPlot" in script and len(script) < 1e6 for script in page.scripts) == len(ALL_FIGURES)
    assert sum(len(script) > 1e6 for script in page.scripts) == 1  # plotly.js, once
    assert len(text.encode()) < 6e6


def test_page_answers_first_and_names_every_node(report):
    folder, _ = report
    page = WebPage((folder / "report.html").read_text(encoding="utf-8"))
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    assert page.text.index("The ground state of β-Li½MnPO4 is (2,3)") < page.text.index("Energy of each pattern")
    assert "for demonstration only" in page.text
    for warning in summary["warnings"]:
        assert warning in page.text
    uuids = [summary["uuids"][key] for key in ("campaign", "dataset", "model", "baseline", "search")]
    uuids += [uuid for label in summary["labels"] for uuid in (label["uuid"], *label["pw_uuids"])]
    assert all(uuid in page.text for uuid in uuids)
    assert all(version in page.text for version in summary["versions"].values())
    assert len(page.ids) == len(set(page.ids))


def test_names_are_escaped_and_missing_figures_left_out(halfway, tmp_path):
    stale = tmp_path / "figures" / "parity.png"
    stale.parent.mkdir()
    stale.write_bytes(b"of an earlier report")
    written = write_report(halfway.node, tmp_path)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    page = WebPage(text)
    assert "<script>alert" not in text
    assert "<script>alert('Li')</script> & Co" in page.text
    assert "for demonstration only" not in page.text
    names = [path.stem for path in written if path.suffix == ".png"]
    assert names == ["oxidation_states", "learning_curves", "timeline"]
    assert not stale.exists()


def test_command_writes_the_latest_campaign_to_its_own_folder(just_started):
    runner = CliRunner()
    with runner.isolated_filesystem() as folder:
        result = runner.invoke(root, ["report"])
        assert result.exit_code == 0, result.output
        assert re.search(rf"^report-{just_started.node.pk}/summary.json$", result.output, re.MULTILINE), folder


def test_command_refuses_what_is_no_campaign(just_started):
    result = CliRunner().invoke(root, ["report", str(just_started.structure.pk)])
    assert result.exit_code == 2
    assert "of the kind HubbardStructureData; give the PK of one of the kind" in result.output


def test_folder_that_cannot_be_is_refused_in_a_sentence(just_started, tmp_path):
    (tmp_path / "file").write_text("in the way")
    result = CliRunner().invoke(root, ["report", "--output", str(tmp_path / "file" / "inside")])
    assert result.exit_code == 2
    assert "cannot be written" in result.output
    assert "--output" in result.output
