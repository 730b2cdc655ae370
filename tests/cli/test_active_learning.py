"""``launch active-learning``: the plan before submission, what is refused, and the table of a loop."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from aiida import orm
from aiida.common import LinkType
from aiida_pseudo.groups.family import CutoffsPseudoPotentialFamily
from ase.io import read
from click.testing import CliRunner
from plumpy import ProcessState
from rich.console import Console

from aiida_redoxmlp.active_learning.label_book import LabelBook, LabelCounts, LabelRecord
from aiida_redoxmlp.active_learning.records import BandCounts, FreshErrors, IterationRecord, LoopState, Usage
from aiida_redoxmlp.cli import root
from aiida_redoxmlp.cli.active_learning_config import ActiveLearningRunConfig
from aiida_redoxmlp.cli.active_learning_inputs import active_learning_builder
from aiida_redoxmlp.cli.active_learning_plan import plan_of, plan_sentences
from aiida_redoxmlp.cli.config_file import load_config
from aiida_redoxmlp.cli.loops import loop_table
from aiida_redoxmlp.cli.states_of_charge import structures_of, with_remaining
from aiida_redoxmlp.data.dataset import DatasetData
from aiida_redoxmlp.errors import ConfigurationError, InputError
from aiida_redoxmlp.testing.toy import toy_frames
from aiida_redoxmlp.workchains.active_learning import ActiveLearningWorkChain
from tests.report.campaign_draft import CHEMISTRY
from tests.report.loop_draft import LoopDraft
from tests.report.process_draft import ProcessDraft, end
from tests.workchains.active_learning.loop_by_hand import LEVELS

EXAMPLES = Path(__file__).parents[2] / "examples"
STRUCTURE = EXAMPLES / "structures" / "beta-Li0.5MnPO4.cif"


@pytest.fixture
def config(tmp_path, pseudo_family, aiida_code_installed):
    aiida_code_installed(label="redoxmlp", filepath_executable="/bin/true")
    aiida_code_installed(label="pw", default_calc_job_plugin="quantumespresso.pw", filepath_executable="/bin/true")

    def write(**changes):
        path = tmp_path / "loop.yaml"
        content = {
            "material": "β-LixMnPO4",
            "structure": str(STRUCTURE),
            "states_of_charge": {"remaining": [1, 0]},
            "redox": {"allowed_states": {"Mn": [2, 3]}},
            "hubbard": {"u": {"Mn-3d": 4.5}},
            "pseudo_family": "redoxmlp-demo/PBEsol",
            "protocol": "demo",
            "budget": {"labels": 6},
            "codes": {"redoxmlp": "redoxmlp", "pw": "pw"},
            **changes,
        }
        path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
        return load_config(path, ActiveLearningRunConfig)

    return write


def test_the_file_becomes_a_loop_over_states_of_charge(config):
    builder = active_learning_builder(
        config(selection={"band": {"floor": 0.1, "ceiling": 0.4}}, training={"seeds": [7, 8]})
    )
    formulas = {name: node.get_formula() for name, node in dict(builder.structures).items()}
    assert set(formulas) == {"Li1", "Li0"}
    assert "Li" not in formulas["Li0"]
    assert builder.budget.get_dict() == {"labels": 6, "iterations": 2, "core_hours": None, "days": None}
    chosen = builder.selection.get_dict()["selection"]
    assert (chosen["band"], chosen["n_labels"]) == ({"floor": 0.1, "ceiling": 0.4}, 6)
    assert builder.explore.job.settings["limits"]["force_spread"] == 0.4
    assert builder.train.job.settings["seeds"] == [7, 8]
    assert builder.label.pw.pw.parameters["CONTROL"]["calculation"] == "scf"


def test_a_dry_run_shows_the_plan_and_submits_nothing(config, tmp_path):
    config()
    command = ["launch", "active-learning", "--config", str(tmp_path / "loop.yaml"), "--dry-run"]
    answer = CliRunner().invoke(root, command)
    assert answer.exit_code == 0, answer.output
    for part in ("jobs of an iteration", "labels", "core-hours", "2 structures", "nothing was submitted"):
        assert part in answer.output


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"budget": {"labels": 0}}, ConfigurationError, "nothing can start"),
        ({"selection": {"band": {"floor": 0.5, "ceiling": 0.1}}}, ConfigurationError, "holds no candidate"),
        ({"codes": {"pw": "pw", "redoxmlp": "missing"}}, InputError, "There is no code 'missing'"),
        ({"states_of_charge": {"remaining": [2]}}, InputError, "2 Li are to remain, but the cell has 1"),
        ({"states_of_charge": {"remaining": [1, 1]}}, ConfigurationError, r"remaining: the numbers \[1, 1\] repeat"),
        ({"magnetic_order": "ferro"}, ConfigurationError, "^[^:]*: magnetic_order: 'ferro' is no order; give"),
        ({"magnetic_order": [1, "x"]}, ConfigurationError, r"^[^:]*: magnetic_order: \[1, 'x'\] is no order; [^:]*\.$"),
        ({"redox": {"allowed_states": {"Mn": [2]}}}, InputError, "The structure 'Li1'"),
        ({"explore": {"walks": [{"stages": []}]}}, ConfigurationError, "stages"),
        ({"explore": {"ion_hops": {"element": "Na"}}}, InputError, "No structure has Na with a vacant site"),
        ({"explore": {"ion_hops": {"max_hops": 0}}}, ConfigurationError, "max_hops"),
        ({"resources": {"dft": {"num_cpus": 4}}}, InputError, r"resources\.dft\.num_cpus is 4, .* which counts nodes"),
        ({"previous": 999999}, InputError, "There is no node '999999'"),
        ({"budget": {"core_hours": float("nan")}}, ConfigurationError, r"budget\.core_hours: .* finite"),
        ({"budget": {"days": float("inf")}}, ConfigurationError, r"budget\.days: .* finite"),
        ({"hubbard": {"u": {"Mn-3d": float("nan")}}}, ConfigurationError, r"hubbard\.u\.Mn-3d: .* finite"),
        ({"hubbard": {"u": {"Mn-3d": -4.5}}}, ConfigurationError, r"hubbard\.u\.Mn-3d: .* \(given: -4\.5\)"),
        ({"explore": {"walk": []}}, ConfigurationError, "^explore: the key 'walk' .* Did you mean 'walks'"),
        ({"explore": {"limits": None}}, ConfigurationError, r"^explore: limits: .* \(given: None\)\.$"),
        ({"explore": {"walks": [], "variations": {"strains": []}}}, ConfigurationError, "^explore: nothing is to be"),
        ({"training": {"epochs": 3}}, ConfigurationError, "^training: the key 'epochs' .* Did you mean 'max_epochs'"),
        ({"overrides": {"select": {"bands": 1}}}, ConfigurationError, r"^overrides\.select: the key 'bands'"),
        ({"overrides": {"max_concurrent": "x"}}, InputError, "'max_concurrent' .* is 'x'; give a whole number"),
        ({"overrides": {"max_restarts": -1}}, InputError, "'max_restarts' .* is -1; give a whole number, not below 0"),
        ({"overrides": {"label": 3}}, InputError, "'label' .* is 3; give a mapping"),
    ],
)
def test_what_cannot_start_is_refused_before_anything_is_submitted(config, changes, error, says):
    with pytest.raises(error, match=says):
        active_learning_builder(config(**changes))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"states_of_charge": {"element": "Na", "remaining": [0]}}, "takes out 'Na', but the structure has none"),
        ({"redox": {"allowed_states": {"Mn": [2, 3], "Fe": [2, 3]}}}, "redox.allowed_states names 'Fe', but there is"),
        ({"codes": {"pw": "pw", "redoxmlp": "pw"}}, r"codes\.redoxmlp is pw@.*, a code for quantumespresso\.pw"),
        ({"budget": {"labels": 6}, "selection": {"n_labels": 7}}, "selection.n_labels asks for 7 .*labels is 6"),
        ({"neighbourhoods": {"n_labels": 7}}, "neighbourhoods.n_labels asks for 7 .*labels is 6"),
        ({"training": {"engine": "oracle"}}, "training: engine: there is no engine 'oracle'; the engines are mace"),
        ({"more_structures": {"a__b": str(STRUCTURE)}}, "the name 'a__b' cannot be used; write letters"),
        ({"overrides": {"warm_start": {"mode": "replay"}}}, "warm_start: The mode replay needs a replay dataset"),
        ({"previous": "nothing"}, "^previous: There is no node 'nothing'"),
        ({"dataset": "nothing"}, "^dataset: There is no node 'nothing'"),
        ({"campaign": "nothing"}, "campaign is 'nothing', which is neither a node .* nor a folder"),
    ],
)
def test_what_contradicts_the_structures_or_itself_is_refused(config, changes, says):
    with pytest.raises(InputError, match=says):
        active_learning_builder(config(**changes))


def test_a_committee_has_to_know_every_state_of_the_structures(config, model_that_knows):
    known = ("Li+", "Mn2+", "Mn3+", "P5+", "O2-")
    fits = model_that_knows(*known)
    assert active_learning_builder(config(model=str(fits))).model.base.attributes.get("n_members") == 2
    lacks = model_that_knows(*known[1:])
    with pytest.raises(InputError, match=r"^The committee does not fit the structure 'Li1': .* does not know Li\+"):
        active_learning_builder(config(model=str(lacks)))
    with pytest.raises(InputError, match=r"The committee does not fit .* does not know Mn4\+; it knows .*Mn3\+"):
        active_learning_builder(config(model=str(fits), redox={"allowed_states": {"Mn": [2, 3, 4]}}))


def test_a_dataset_has_to_hold_every_state_of_the_structures(config, make_frame):
    stored = DatasetData.from_frames([make_frame(0)]).store()
    assert active_learning_builder(config(dataset=stored.pk)).dataset.uuid == stored.uuid
    with pytest.raises(InputError, match=r"^A committee trained on the dataset does not fit .* does not know Mn4\+"):
        active_learning_builder(config(dataset=stored.pk, redox={"allowed_states": {"Mn": [2, 3, 4]}}))


@pytest.fixture
def ended_loop(config):
    """A loop of the same configuration that has ended."""
    builder = active_learning_builder(config())
    draft = ProcessDraft()
    given = {
        "redox": builder.redox,
        "label__pw__pw__parameters": builder.label.pw.pw.parameters,
        "label__pw__kpoints": builder.label.pw.kpoints,
        **{f"label__pseudos__{element}": pseudo for element, pseudo in dict(builder.label.pseudos).items()},
        **{f"structures__{name}": one for name, one in dict(builder.structures).items()},
    }
    node = draft.process(orm.WorkChainNode, "ActiveLearningWorkChain", None, "", given)
    draft.hand_over(node, loop=orm.Dict(loop().model_dump(mode="json")).store())
    draft.hand_over(node, dataset=DatasetData.from_frames(toy_frames(2)).store())
    end(node)
    return node


def test_a_loop_goes_on_with_labels_made_as_before(config, ended_loop, make_frame):
    more = DatasetData.from_frames([make_frame(0)]).store()
    again = active_learning_builder(
        config(previous=ended_loop.pk, dataset=more.pk, states_of_charge={"remaining": [0]})
    )
    assert again.loop.uuid == ended_loop.outputs.loop.uuid
    assert not any("failed before" in sentence for sentence in plan_sentences(again))
    failed = LabelRecord(name="a", key="a" * 64, iteration=0, outcome="failed", wanted=[2, 3])
    again.loop = orm.Dict(LoopState(labels=LabelBook(records={failed.key: failed})).model_dump(mode="json"))
    told = "Of 1 label that failed before, 0 have the atoms of a structure and come first."
    assert told in plan_sentences(again)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({}, "A committee trained on the dataset does not fit"),
        ({"hubbard": {"u": {"Mn-3d": 5.0}}}, r"U of Mn-3d in eV of the loop would be 5\.000, .* were 4\.500"),
        ({"overrides": {"label": {"kpoints_distance": 0.3}}}, "The k-points of the loop would be"),
        ({"overrides": {"label": {"pw": {"SYSTEM": {"ecutwfc": 40.0}}}}}, r"ecutwfc of pw\.x of the loop would be 40"),
        ({"redox": {"allowed_states": {"Mn": [2, 3, 4]}}}, "The charges of the loop would be"),
    ],
)
def test_a_loop_does_not_go_on_with_what_does_not_fit_its_labels(config, ended_loop, changes, says):
    with pytest.raises(InputError, match=says):
        active_learning_builder(config(previous=ended_loop.pk, **changes))


def test_a_wrong_entry_of_a_list_is_told_once(config):
    walks = [{"stages": [{"n_steps": 10, "temperature": -300}]}]
    with pytest.raises(ConfigurationError) as refused:
        active_learning_builder(config(explore={"walks": walks}))
    place = "explore: walks.0.stages.0.temperature"
    assert str(refused.value) == f"{place}: input should be greater than 0 (given: -300)."


def test_the_plan_counts_the_labels_of_every_iteration(config):
    changes = {
        "neighbourhoods": {"n_labels": 10},
        "selection": {"n_labels": 4},
        "budget": {"labels": 16, "iterations": 4},
        "training": {"seeds": [7]},
    }
    builder = active_learning_builder(config(**changes))
    jobs = {one.stage: one.most_core_hours for one in plan_of(builder)}
    expected = 16 * jobs.pop("labels") / 4 + 3 * sum(hours or 0.0 for hours in jobs.values())
    told = plan_sentences(builder)
    assert any(one.startswith(f"3 iterations take {expected:.4g} core-h") for one in told)
    assert any(one.startswith("A committee of one has no spread") for one in told)
    assert any("exploration, training, evaluation, which have no limit" in one for one in told)


@pytest.fixture
def cluster(pseudo_family, aiida_code_installed, aiida_computer):
    """What the examples name: a family with cutoffs and codes on a cluster."""
    family = CutoffsPseudoPotentialFamily(label="SSSP/1.3/PBEsol/efficiency").store()
    family.add_nodes(list(pseudo_family.nodes))
    cutoffs = {element: {"cutoff_wfc": 50.0, "cutoff_rho": 400.0} for element in family.elements}
    family.set_cutoffs(cutoffs, "normal", unit="Ry")
    for label, name, plugin in (("redoxmlp", "cluster-gpu", None), ("pw", "cluster-cpu", "quantumespresso.pw")):
        computer = aiida_computer(label=name, scheduler_type="core.slurm")
        aiida_code_installed(
            label=label, default_calc_job_plugin=plugin, computer=computer, filepath_executable="/bin/true"
        )


@pytest.mark.parametrize(
    ("name", "labels", "cores"), [("active_learning", 40, 32), ("active_learning-nmc811", 20, 128)]
)
def test_the_examples_validate_and_show_their_plan(cluster, name, labels, cores):
    path = EXAMPLES / f"{name}.yaml"
    answer = CliRunner().invoke(root, ["launch", "active-learning", "--config", str(path), "--dry-run"])
    assert answer.exit_code == 0, answer.output
    assert "5 structures" in answer.output
    assert "nothing was submitted" in answer.output
    builder = active_learning_builder(load_config(path, ActiveLearningRunConfig))
    jobs = {one.stage: one for one in plan_of(builder)}
    assert (jobs["labels"].count, jobs["labels"].cores) == (labels, cores)
    assert jobs["exploration"].asks == "gpu, gpu:1"
    assert jobs["labels"].most_core_hours == labels * cores * jobs["labels"].walltime / 3600


def test_atoms_that_stay_are_far_from_each_other():
    atoms = read(EXAMPLES / "structures" / "LiMnPO4.cif")
    half = with_remaining(atoms, "Li", 2)
    assert half.get_chemical_formula() == "Li2Mn4O16P4"
    lithium = [index for index, symbol in enumerate(half.get_chemical_symbols()) if symbol == "Li"]
    every = [index for index, symbol in enumerate(atoms.get_chemical_symbols()) if symbol == "Li"]
    kept = half.get_distance(*lithium, mic=True)
    assert kept == pytest.approx(max(atoms.get_distances(every[0], every[1:], mic=True)))


def test_every_state_of_charge_is_a_structure():
    structures = structures_of(load_config(EXAMPLES / "active_learning.yaml", ActiveLearningRunConfig))
    assert [len(atoms) for atoms in structures.values()] == [28, 27, 26, 25, 24]


def loop(**changes):
    record = IterationRecord(
        number=0,
        strategy="redox_aware",
        band=BandCounts(
            n_candidates=100,
            n_known=80,
            n_uncertain_forces=15,
            n_uncertain_electrons=8,
            n_uncertain=20,
            n_too_far=0,
        ),
        labels=LabelCounts(asked=20, landed=15, redox_errors=3, failed=2, set_aside=1),
        n_frames=18,
        errors_before=FreshErrors(n_labels=18, force_mae_ev_per_angstrom=0.123, pattern_recovery=15 / 18),
        errors_after=FreshErrors(n_labels=3, force_mae_ev_per_angstrom=0.045),
        used=Usage(labels=20, core_hours=12.5, days=0.1),
    )
    return LoopState(**changes).with_iteration(record, LabelBook())


def test_the_table_tells_every_iteration_and_what_is_spent(aiida_profile):
    node = orm.WorkChainNode(process_type=ActiveLearningWorkChain.build_process_type())
    node.set_process_label("ActiveLearningWorkChain")
    budget = orm.Dict({"labels": 400, "core_hours": None}).store()
    node.base.links.add_incoming(budget, link_type=LinkType.INPUT_WORK, link_label="budget")
    node.store()
    node.set_process_state(ProcessState.RUNNING)
    given = orm.Dict(loop(reason="It runs.").model_dump(mode="json")).store()
    given.base.links.add_incoming(node, link_type=LinkType.RETURN, link_label="loop")
    console = Console(width=220, record=True)
    console.print(loop_table(node))
    shown = console.export_text()
    for part in ("123 → 45", "83 %", "20.0 %", "2 (1 set aside)", "20 of 400 labels", "runs"):
        assert part in shown
    assert loop_table(orm.CalcFunctionNode()) is None


def test_the_line_of_the_iteration_that_runs_tells_what_its_labels_have_come_to(aiida_profile, make_frame):
    draft = LoopDraft()
    draft.select(0.2)
    asked = [((2, 3), (2, 3), 0), ((3, 2), (2, 3), 0), ((2, 3), (2, 3), 401), ((3, 2), None, 0)]
    for number, (wanted, found, exit_status) in enumerate(asked):
        frame = make_frame(number, found or wanted)
        inputs = {
            "structure": orm.StructureData(ase=frame.configuration.to_ase()),
            "pattern": orm.List(list(wanted)),
            "redox": orm.Dict(CHEMISTRY),
        }
        label = draft.process(orm.WorkChainNode, "LabelWorkChain", draft.node, f"label_{number}_0", inputs)
        if found is not None:
            levels = tuple(np.stack([LEVELS[state], np.full(5, 0.02)]) for state in found)
            frames = DatasetData.from_frames([replace(frame, eigenvalues=levels)]).store()
            draft.hand_over(label, frames=frames)
            end(label, exit_status)
    row = [next(iter(column.cells)) for column in loop_table(draft.node).columns]
    assert row[:2] == ["0", "runs"]
    assert row[2] == "300"
    assert row[4:9] == ["4", "1", "1", "0", "1"]
    assert row[-1] == "3 of 4 labels are back"
