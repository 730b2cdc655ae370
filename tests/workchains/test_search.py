"""The steps of a search: from the committee's ranking to what DFT is asked, and the verdict."""

from __future__ import annotations

import numpy as np
import pytest
from aiida import orm
from aiida.common import LinkType
from aiida.engine.utils import instantiate_process
from aiida.manage import get_manager
from aiida_pseudo.groups.family import PseudoPotentialFamily
from aiida_quantumespresso.data.hubbard_structure import HubbardStructureData
from plumpy import ProcessState

from aiida_redoxmlp.calculations.configurations import place_configuration, wanted_pattern
from aiida_redoxmlp.calculations.hubbard import interactions_of
from aiida_redoxmlp.data.dataset import DatasetData
from aiida_redoxmlp.data.model import ModelData
from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.redox.chemistry import RedoxChemistry
from aiida_redoxmlp.workchains.label import LabelWorkChain
from aiida_redoxmlp.workchains.search import SearchWorkChain
from aiida_redoxmlp.workchains.search_base import SearchBaseWorkChain

CERTAINTY = {"sentence": "The next is 5.0 ± 1.0 meV above the lowest; all configurations were relaxed."}


@pytest.fixture
def build(demo_structure, chemistry, pseudos, aiida_code_installed, saved_model):
    group, created = PseudoPotentialFamily.collection.get_or_create(label="made-up")
    if created:
        group.add_nodes([pseudo.store() for pseudo in pseudos.values()])

    def builder(*, structure=demo_structure, space=None, check=True, **overrides):
        code = aiida_code_installed(label="runner", filepath_executable="/bin/true")
        pw = aiida_code_installed(
            label="pw", default_calc_job_plugin="quantumespresso.pw", filepath_executable="/bin/true"
        )
        return SearchWorkChain.get_builder_from_protocol(
            code,
            structure,
            redox=chemistry,
            model=ModelData.from_folder(saved_model),
            space=space,
            pw_code=pw if check else None,
            pseudo_family=group.label,
            protocol="demo",
            overrides=overrides,
        )

    return builder


@pytest.fixture
def process(build):
    return instantiate_process(get_manager().get_runner(), SearchWorkChain, **build()._inputs(prune=True))


def pattern(species, energy):
    states = [int(label[2]) if label.startswith("Mn") else int(label != "X") for label in species]
    return {
        "states": states,
        "species": species,
        "orbit": 0,
        "multiplicity": 1,
        "energy_ev": energy,
        "energy_std_ev": 0.01,
    }


@pytest.fixture
def searched(demo_structure):
    """A search that ended with two patterns."""
    node = orm.WorkChainNode(process_type=SearchBaseWorkChain.build_process_type()).store()
    report = orm.Dict(
        {
            "sites": [0, 1],
            "patterns": [pattern(["Mn2+", "Mn3+"], -10.0), pattern(["Mn3+", "Mn2+"], -9.9)],
            "certainty": CERTAINTY,
            "warnings": ["One run agrees with itself."],
        }
    )
    outputs = {"report": report}
    for rank in range(2):
        atoms = demo_structure.get_ase()
        atoms.positions += 0.1 * (rank + 1)
        outputs[f"structures__rank_{rank}"] = orm.StructureData(ase=atoms)
    for label, data in outputs.items():
        data.store().base.links.add_incoming(node, link_type=LinkType.RETURN, link_label=label)
    node.set_process_state(ProcessState.FINISHED)
    node.set_exit_status(0)
    return node


def test_the_space_is_that_of_the_redox_states_unless_it_is_given(process, monkeypatch):
    submitted = []
    monkeypatch.setattr(process, "submit", lambda kind, **inputs: submitted.append((kind, inputs)) or process.node)
    process.run_search()
    ((kind, inputs),) = submitted
    assert kind is SearchBaseWorkChain
    assert inputs["job"]["space"]["allowed"] == {"Mn": ["Mn2+", "Mn3+"]}
    assert inputs["job"]["oxidation_states"].get_list() == [0, 0, 5, -2, -2, -2, -2, 5, -2, -2, -2, -2, 1]
    assert inputs["job"]["settings"]["reduce_by_symmetry"] is False
    assert kind.spec().inputs.validate(inputs) is None


def test_the_lowest_are_checked_at_the_potentials_geometry_and_the_verdict_is_dfts(
    process, searched, demo_structure, make_frame, monkeypatch
):
    process.ctx.update(checks=[], labels=[], search=searched)
    assert process.inspect_search() is None
    submitted = []
    monkeypatch.setattr(process, "submit", lambda kind, **inputs: submitted.append((kind, inputs)) or process.node)
    monkeypatch.setattr(process, "to_context", lambda **_: None)
    assert process.checks_left()
    process.run_checks()
    assert not process.checks_left()
    assert [inputs["pattern"].get_list() for _, inputs in submitted] == [[2, 3], [3, 2]]
    assert [inputs["metadata"]["call_link_label"] for _, inputs in submitted] == ["check_0", "check_1"]
    for rank, (kind, inputs) in enumerate(submitted):
        assert kind is LabelWorkChain
        assert kind.spec().inputs.validate(inputs) is None
        moved = demo_structure.get_ase().positions + 0.1 * (rank + 1)
        np.testing.assert_allclose(inputs["structure"].get_ase().positions, moved)
        assert inputs["structure"].hubbard.parameters == demo_structure.hubbard.parameters
    process.ctx.labels = [checked(process, make_frame, [2, 3], -9.0), checked(process, make_frame, [3, 2], -9.5)]
    process.results()
    conclusion = process.outputs["conclusion"]
    assert (conclusion["ground_state"], conclusion["decided_by"], conclusion["rank"]) == ([3, 2], "dft", 1)
    assert conclusion["ground_state_species"] == ["Mn3+", "Mn2+"]
    assert conclusion["certainty"] == CERTAINTY
    logged = " ".join(entry.message for entry in orm.Log.collection.get_logs_for(process.node))
    assert "One run agrees with itself." in logged


def checked(process, make_frame, states, energy):
    """A label that DFT confirmed."""
    node = orm.WorkChainNode(process_type=LabelWorkChain.build_process_type()).store()
    frame = make_frame(0, tuple(states))
    object.__setattr__(frame, "energy", energy)
    outputs = {
        "verdict": orm.Dict({"wanted": states, "found": states, "landed": True, "confidence": 0.99}),
        "frames": DatasetData.from_frames([frame]),
    }
    for label, data in outputs.items():
        data.store().base.links.add_incoming(node, link_type=LinkType.RETURN, link_label=label)
    node.set_process_state(ProcessState.FINISHED)
    node.set_exit_status(0)
    return node


def test_a_failed_search_ends_with_its_reason(process, searched):
    searched.set_exit_status(310)
    searched.set_exit_message("Two jobs in a row were stopped")
    process.ctx.update(checks=[], labels=[], search=searched)
    refused = process.inspect_search()
    assert refused.status == SearchWorkChain.exit_codes.ERROR_SEARCH_FAILED.status
    assert "Two jobs in a row were stopped" in refused.message


def test_without_pw_the_potential_decides(build, searched):
    made = instantiate_process(get_manager().get_runner(), SearchWorkChain, **build(check=False)._inputs(prune=True))
    made.ctx.update(checks=[], labels=[], search=searched)
    made.inspect_search()
    assert not made.checks_left()
    made.results()
    assert made.outputs["conclusion"]["decided_by"] == "potential"
    assert made.outputs["conclusion"]["ground_state"] == [2, 3]


def test_vacancies_leave_their_interactions_and_indices_out(demo_structure, chemistry):
    reversed_order = demo_structure.get_ase()[::-1]
    structure = HubbardStructureData.from_structure(orm.StructureData(ase=reversed_order))
    for site in (11, 12):
        structure.append_hubbard_parameter(site, "3d", site, "3d", 4.0 + 0.5 * (site - 11), hubbard_type="U")
    report = {"sites": [0, 11, 12], "patterns": [pattern(["X", "Mn3+", "Mn3+"], -1.0)]}
    geometry = orm.StructureData(ase=reversed_order[1:])
    placed = place_configuration(structure, geometry, orm.Dict(report), orm.Int(0))
    assert placed.get_formula() == geometry.get_formula()
    assert [(one.site, one.value) for one in interactions_of(placed)] == [(10, 4.0), (11, 4.5)]
    symbols = reversed_order.get_chemical_symbols()
    assert wanted_pattern(symbols, report, 0, RedoxChemistry.model_validate(chemistry)) == [3, 3]


def test_elements_that_changed_places_take_their_u_along(demo_structure):
    atoms = demo_structure.get_ase()
    atoms.symbols[1] = "Fe"
    structure = HubbardStructureData.from_structure(orm.StructureData(ase=atoms))
    for site, value in ((0, 4.5), (1, 5.3)):
        structure.append_hubbard_parameter(site, "3d", site, "3d", value, hubbard_type="U")
    swapped = atoms.copy()
    swapped.symbols[0], swapped.symbols[1] = "Fe", "Mn"
    report = {"sites": [0, 1], "patterns": [pattern(["Fe2+", "Mn3+"], -1.0)]}
    placed = place_configuration(structure, orm.StructureData(ase=swapped), orm.Dict(report), orm.Int(0))
    assert placed.get_ase().get_chemical_symbols() == swapped.get_chemical_symbols()
    assert [(one.site, one.value) for one in interactions_of(placed)] == [(0, 5.3), (1, 4.5)]


@pytest.mark.parametrize(
    ("space", "says"),
    [
        ({"allowed": {"Mn": ["Mn2+", "Mn3+"]}, "total_charge": 1}, "+1 in `space` and +0 in `redox`"),
        ({"allowed": {"Mn": ["Mn2+"]}}, "the nearest they reach is"),
        ({"allowed": {"Co": ["Co3+"]}}, "Species are given for Co"),
    ],
)
def test_a_space_that_does_not_fit_is_refused(build, space, says):
    builder = build(space=space)
    ports = SearchWorkChain.spec().inputs
    refused = ports.validate(ports.pre_process(builder._inputs(prune=True)))
    assert says in str(refused)


def test_settings_are_laid_over_the_protocol_and_checked(build):
    builder = build(settings={"n_relaxed": 7}, n_check=1)
    assert builder.search.job.settings["n_relaxed"] == 7
    assert builder.search.job.settings["max_steps"] == 100
    assert builder.n_check.value == 1
    with pytest.raises(ValueError, match="n_relaxed"):
        build(settings={"n_relaxed": 0})
    with pytest.raises(InputError, match="'budget' of the workflow search is not known"):
        build(budget=3)
