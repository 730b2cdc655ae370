"""A loop that goes on from a campaign: what it takes over, and what must not differ."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from aiida import orm
from aiida_quantumespresso.data.hubbard_structure import HubbardStructureData

from aiida_redoxmlp.calculations.structures import with_positions
from aiida_redoxmlp.cli.active_learning_config import ActiveLearningRunConfig
from aiida_redoxmlp.cli.active_learning_inputs import active_learning_builder
from aiida_redoxmlp.cli.campaign_config import CampaignConfig
from aiida_redoxmlp.cli.config_file import load_config
from aiida_redoxmlp.cli.inputs import campaign_builder
from aiida_redoxmlp.data.dataset import DatasetData
from aiida_redoxmlp.data.model import ModelData
from aiida_redoxmlp.errors import ConfigurationError, InputError
from tests.report.process_draft import ProcessDraft, end

EXAMPLES = Path(__file__).parents[2] / "examples"
CIF = EXAMPLES / "structures" / "beta-Li0.5MnPO4.cif"
CODES = {"pw": "pw", "redoxmlp": "redoxmlp"}


@pytest.fixture
def write(tmp_path, pseudo_family, aiida_code_installed):
    aiida_code_installed(label="redoxmlp", filepath_executable="/bin/true")
    aiida_code_installed(label="pw", default_calc_job_plugin="quantumespresso.pw", filepath_executable="/bin/true")

    def written(example, model, **changes):
        content = yaml.safe_load((EXAMPLES / example).read_text(encoding="utf-8"))
        content |= {"structure": str(EXAMPLES / content["structure"]), "codes": CODES, **changes}
        path = tmp_path / example
        path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
        return load_config(path, model)

    return written


@pytest.fixture
def loop(write):
    return lambda **changes: active_learning_builder(
        write("demo-active-learning.yaml", ActiveLearningRunConfig, **changes)
    )


@pytest.fixture
def campaign(write, make_frame, model_that_knows):
    """A campaign that relaxed both patterns, one of them to an ambiguous end, and whose MD began at the other."""

    def made(*, ambiguous=(False, True), outputs=("dataset", "model"), began_md=True, **changes):
        inputs = campaign_builder(write("demo.yaml", CampaignConfig, **changes))
        draft = ProcessDraft()
        given = {
            "redox": inputs.redox,
            "relax__pw__pw__parameters": inputs.relax.pw.pw.parameters,
            "relax__pw__kpoints": inputs.relax.pw.kpoints,
            **{f"relax__pseudos__{element}": pseudo for element, pseudo in dict(inputs.relax.pseudos).items()},
        }
        node = draft.process(orm.WorkChainNode, "CampaignWorkChain", None, "", given)
        for number, doubt in enumerate(ambiguous):
            label = draft.process(
                orm.WorkChainNode, "LabelWorkChain", node, f"relax_{number}", {"structure": inputs.structure}
            )
            atoms = inputs.structure.get_ase()
            atoms.positions += 0.01 * (number + 1)
            verdict = orm.Dict({"found": [2, 3], "landed": True, "ambiguous": doubt}).store()
            relaxed = orm.StructureData(ase=atoms).store()
            draft.hand_over(label, verdict=verdict, structure=relaxed)
            end(label)
            if began_md:
                with_positions(inputs.structure, relaxed)
        model = ModelData.from_folder(model_that_knows("Li+", "Mn2+", "Mn3+", "P5+", "O2-"))
        left = {"dataset": DatasetData.from_frames([make_frame(0)]), "model": model}
        draft.hand_over(node, **{name: left[name].store() for name in outputs})
        end(node)
        return node

    return made


def test_the_loop_takes_committee_dataset_and_relaxed_structures(campaign, loop):
    node = campaign()
    builder = loop(campaign=node.pk)
    assert builder.model.uuid == node.outputs.model.uuid
    assert builder.dataset.uuid == node.outputs.dataset.uuid
    (name, structure) = next(iter(dict(builder.structures).items()))
    assert (name, len(builder.structures)) == ("relaxed_0", 1)
    assert isinstance(structure, HubbardStructureData)
    assert structure.is_stored  # MD began with it
    assert structure.creator.process_label == "with_positions"
    assert {one.value for one in structure.hubbard.parameters} == {4.5}


def test_without_molecular_dynamics_the_relaxed_structures_get_their_u(campaign, loop):
    node = campaign(began_md=False, ambiguous=(False, False))
    structures = dict(loop(campaign=node.uuid).structures)
    assert set(structures) == {"relaxed_0", "relaxed_1"}
    assert not structures["relaxed_0"].is_stored
    shifts = [one.get_ase().positions[0, 0] for one in structures.values()]
    assert shifts[1] - shifts[0] == pytest.approx(0.01)
    assert len(structures["relaxed_1"].hubbard.parameters) == 2


def test_states_of_charge_and_what_is_named_come_beside_the_campaign(campaign, loop, make_frame):
    more = DatasetData.from_frames([make_frame(5)]).store()
    builder = loop(campaign=campaign().pk, states_of_charge={"remaining": [0]}, dataset=more.pk)
    assert set(builder.structures) == {"relaxed_0", "Li0"}
    assert builder.dataset.uuid == more.uuid


def test_the_folder_of_a_campaigns_report_names_it(campaign, loop, tmp_path):
    node = campaign()
    folder = tmp_path / "output"
    folder.mkdir()
    (folder / "summary.json").write_text(json.dumps({"uuids": {"campaign": node.uuid}}), encoding="utf-8")
    for named in ("output", "output/summary.json", str(folder)):
        assert loop(campaign=named).model.uuid == node.outputs.model.uuid


@pytest.mark.parametrize(
    ("campaign_changes", "changes", "says"),
    [
        ({}, {"campaign": "../elsewhere"}, r"nor a folder with the summary\.json of a campaign"),
        ({"outputs": ("dataset",)}, {}, "has no model, which the loop would begin with"),
        ({"ambiguous": (True, True)}, {}, "no relaxed structure whose pattern is clear"),
        ({}, {"overrides": {"label": {"pw": {"SYSTEM": {"ecutwfc": 30.0}}}}}, r"ecutwfc of pw\.x .* 30\.0, .* 25\.0"),
        ({}, {"overrides": {"label": {"kpoints_distance": 0.5}}}, "The k-points of the loop would be"),
        ({}, {"redox": {"allowed_states": {"Mn": [2, 3, 4]}}}, "The charges of the loop would be"),
        ({}, {"more_structures": {"relaxed_0": str(CIF)}}, "'relaxed_0', which is a structure of the campaign; rename"),
        (
            {},
            {"states_of_charge": {"remaining": [0]}, "hubbard": {"u": {"Mn-3d": 4.6}}},
            r"U of Mn-3d in eV of the loop would be 4\.600, .* were 4\.500",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(campaign, loop, campaign_changes, changes, says):
    node = campaign(**campaign_changes)
    with pytest.raises(InputError, match=says):
        loop(**{"campaign": node.pk, **changes})


def test_a_loop_goes_on_from_one_thing_only(loop):
    with pytest.raises(ConfigurationError, match="campaign and previous both say"):
        loop(campaign=1, previous=2)
