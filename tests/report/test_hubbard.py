from __future__ import annotations

import json

import numpy as np
import pytest
from aiida import orm
from PIL import Image

from aiida_redoxmlp.calculations.hubbard import close_cycle, with_interactions
from aiida_redoxmlp.data.oxidation_states import OxidationStatesData
from aiida_redoxmlp.hubbard.interactions import Interaction
from aiida_redoxmlp.report.campaign import write_report
from aiida_redoxmlp.report.hubbard import write_hubbard_report
from aiida_redoxmlp.report.hubbard_schema import HubbardSummary
from aiida_redoxmlp.report.hubbard_summary import cycle_from_record, summarise_hubbard
from aiida_redoxmlp.report.hubbard_wording import hubbard_certainty, hubbard_headline
from aiida_redoxmlp.report.summary import summarise
from tests.report.hubbard_draft import HubbardDraft
from tests.report.process_draft import end
from tests.report.web_page import WebPage


@pytest.fixture(scope="module")
def report(circling_uv, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    return folder, write_hubbard_report(circling_uv.node, folder)


def test_report_is_a_page_a_summary_and_a_picture_a_figure(report):
    folder, written = report
    assert {path.relative_to(folder).as_posix() for path in written} == {
        "report.html",
        "summary.json",
        "figures/hubbard.png",
        "figures/timeline.png",
    }
    with Image.open(folder / "figures" / "hubbard.png") as picture:
        assert picture.width >= 1200
        assert len(set(picture.convert("RGB").resize((60, 40)).getdata())) > 5  # not blank


def test_page_works_without_a_network_and_names_every_node(report, circling_uv):
    folder, _ = report
    page = WebPage((folder / "report.html").read_text(encoding="utf-8"))
    assert page.loaded == []
    assert sum(len(script) > 1e6 for script in page.scripts) == 1  # plotly.js, once
    assert len(page.ids) == len(set(page.ids))
    assert page.text.index("did not converge") < page.text.index("U of every site")
    uuids = [node.uuid for node in circling_uv.node.called if node.process_label != "close_cycle"]
    uuids += [record.uuid for record in circling_uv.records]
    uuids += [circling_uv.node.uuid, circling_uv.node.outputs.cycles.uuid]
    assert all(uuid in page.text for uuid in uuids)


def test_summary_is_strict_json_that_reads_back_the_same(report, circling_uv):
    text = (report[0] / "summary.json").read_text(encoding="utf-8")
    assert HubbardSummary.model_validate_json(text) == summarise_hubbard(circling_uv.node)
    assert json.loads(text)["converged"] is False


def test_converged_cycles_tell_u_by_state_and_the_pattern_they_kept(converged_u):
    summary = summarise_hubbard(converged_u.node)
    assert (summary.phase, summary.converged, summary.warnings) == ("done", True, [])
    assert hubbard_headline(summary) == "U of LiMn2O8P2 converged in 3 cycles."
    assert hubbard_certainty(summary) == [
        "U of Mn 3d is 4.10 eV on Mn2+ (Mn1) and 5.66 eV on Mn3+ (Mn2).",
        "The redox pattern is (2,3) in all cycles.",
    ]
    assert (summary.n_pw_calculations, summary.n_hp_calculations) == (6, 9)
    assert summary.demonstration_note.startswith("These numbers are for demonstration only")
    assert (summary.versions["pw.x"], summary.versions["hp.x"]) == ("7.2", "7.2")


def test_each_step_has_its_time_and_its_jobs(converged_u):
    steps = summarise_hubbard(converged_u.node).steps
    assert list(steps)[:4] == ["scf_1_1", "tight_scf_1", "hp_1", "scf_2_1"]
    assert [steps[name].n_jobs for name in ("scf_1_1", "hp_1")] == [1, 3]
    assert all(0 <= step.job_time_s <= 2 * step.wall_time_s for step in steps.values())


def test_what_a_reader_has_to_know_of_a_circle_is_a_warning(circling_uv):
    summary = summarise_hubbard(circling_uv.node)
    unsettled, *patterns = summary.warnings
    assert unsettled.startswith("U and V are not self-consistent: cycle 3 still changed U by 1.6 eV")
    assert unsettled.endswith("the values come back every 2 cycles.")
    assert patterns[0].startswith("In cycle 2 DFT landed on the pattern (3,2) instead of (2,3)")
    assert "pattern of cycle 3, (2,3), is ambiguous" in patterns[-1]
    assert "changed on the way" in hubbard_certainty(summary)[-1]


def test_pairs_know_their_neighbours_element_and_image(circling_uv):
    pairs = summarise_hubbard(circling_uv.node).cycles[0].pairs
    assert len(pairs) == 12  # both Mn are sixfold coordinated
    assert {pair.neighbour_element for pair in pairs} == {"O"}
    atoms = circling_uv.atoms
    for pair in pairs:
        image = atoms.positions[pair.neighbour] + pair.translation @ atoms.cell.array
        assert np.linalg.norm(image - atoms.positions[pair.site]) == pytest.approx(pair.distance_angstrom)


def test_a_pair_is_read_from_the_side_that_has_a_u(circling_uv):
    record = circling_uv.records[0].get_dict()
    ours = cycle_from_record(record, circling_uv.symbols)
    for pair in record["pairs"]:
        pair["site"], pair["neighbour"] = pair["neighbour"], pair["site"]
        pair["translation"] = [-step for step in pair["translation"]]
        pair["manifolds"] = pair["manifolds"][::-1]
    assert cycle_from_record(record, circling_uv.symbols) == ours


def test_means_are_those_of_the_structure_handed_over(circling_uv):
    onsite, intersite = summarise_hubbard(circling_uv.node).means
    # mixed half and half in the last cycle: (5.6 + 4.0) / 2 and (4.2 + 5.8) / 2
    assert (onsite.element, onsite.manifold, onsite.n) == ("Mn", "3d", 2)
    assert onsite.value_ev == pytest.approx((4.8 + 5.0) / 2)
    assert (onsite.lowest_ev, onsite.highest_ev) == pytest.approx((4.8, 5.0))
    assert (intersite.neighbour_element, intersite.neighbour_manifold, intersite.n) == ("O", "2p", 12)


def test_running_work_chain_shows_the_cycles_closed_so_far(running_u, tmp_path):
    summary = summarise_hubbard(running_u.node)
    assert (summary.phase, summary.converged, len(summary.cycles)) == ("running", None, 1)
    assert (summary.tolerance_u_ev, summary.uuids.cycles) == (0.1, None)
    assert summary.means[0].value_ev == pytest.approx((3.95 + 5.86) / 2)
    assert hubbard_headline(summary).endswith("after 1 cycle, still running.")
    assert "still being computed" in summary.warnings[0]
    assert {path.name for path in write_hubbard_report(running_u.node, tmp_path)} >= {"hubbard.png", "timeline.png"}


def test_failure_before_the_first_cycle_is_told_with_its_reason(aiida_profile, tmp_path):
    draft = HubbardDraft({0: 4.5})
    draft.pw("scf_1_1")
    end(draft.node, 301, "The SCF of cycle 1 failed: it <sloshes>.")
    names = {path.name for path in write_hubbard_report(draft.node, tmp_path)}
    assert names == {"summary.json", "report.html", "timeline.png"}
    summary = summarise_hubbard(draft.node)
    assert summary.warnings == [
        "The calculation of U and V failed with exit status 301: The SCF of cycle 1 failed: it <sloshes>."
    ]
    assert hubbard_headline(summary) == "There is no U yet: no cycle has ended."
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "it <sloshes>" not in text
    assert "it <sloshes>" in WebPage(text).text


def test_campaign_tells_its_u_and_times_the_stage(campaign_with_u, tmp_path):
    summary = summarise(campaign_with_u.node)
    assert summary.hubbard.converged is True
    assert list(summary.stages) == ["hubbard", "relax"]
    assert summary.stages["hubbard"].n_jobs == 6 + 9
    assert summary.uuids.hubbard == summary.hubbard.uuids.work_chain
    names = [path.stem for path in write_report(campaign_with_u.node, tmp_path) if path.suffix == ".png"]
    assert "hubbard" in names
    page = WebPage((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert "U(Mn 3d) = 4.88 eV and V(Mn 3d–O 2p) = 0.50 eV" in page.text  # (4.08 + 5.68) / 2


def test_campaign_without_that_stage_has_no_section_on_it(finished):
    assert summarise(finished.node).hubbard is None


def read_states(states, confidences, signs):
    node = OxidationStatesData()
    for name, values in {
        "states": states,
        "confidences": confidences,
        "moment_signs": signs,
        "ambiguous": False,
    }.items():
        node.set_array(name, np.array([values]))
    node.base.attributes.set_many({"sites": list(range(len(states))), "elements": ["Mn"] * len(states)})
    return node


def test_record_that_close_cycle_writes_is_read(demo_structure, aiida_profile):
    values = [Interaction(site, "3d", site, "3d", (0, 0, 0), u) for site, u in enumerate((4.0, 5.8))]
    values.append(Interaction(0, "3d", 3, "2p", (0, 0, 0), 0.4))
    found = with_interactions(demo_structure, values)
    start = with_interactions(demo_structure, [*values[:2], Interaction(0, "3d", 3, "2p", (0, 0, 0), 0.3)])
    symbols = demo_structure.get_ase().get_chemical_symbols()
    closed = close_cycle(
        start,
        found,
        read_states((2, 3), (0.99, 0.98), (1, -1)),
        orm.Dict({"gap": 1.5}),
        orm.List(list(range(13))),
        orm.Dict(
            {
                "cycle": 1,
                "relabel": True,
                "kind_tolerance": 0.1,
                "mixing": 1.0,
                "pattern_changed": False,
                "occupations": "fixed",
                "scf_uuid": "of the SCF",
                "hp_uuid": "of hp.x",
            }
        ),
    )
    cycle = cycle_from_record(closed["cycle"].get_dict(), symbols)
    assert [(site.label, site.oxidation_state, site.u_out_ev) for site in cycle.sites] == [
        ("Mn1", 2, 4.0),
        ("Mn2", 3, 5.8),
    ]
    assert (cycle.pairs[0].neighbour_element, cycle.change_v_ev) == ("O", pytest.approx(0.1))
