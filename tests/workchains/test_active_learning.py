"""A loop whose jobs were made by hand: what is asked, what the answers mean, when it ends, and how it goes on."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from aiida import orm
from aiida.common import LinkType
from aiida.engine.utils import instantiate_process
from aiida.manage import get_manager
from aiida.plugins import WorkflowFactory
from aiida_pseudo.groups.family import PseudoPotentialFamily
from aiida_quantumespresso.data.hubbard_structure import HubbardStructureData
from plumpy import ProcessState

from aiida_redoxmlp.active_learning.records import LoopState
from aiida_redoxmlp.data.dataset import DatasetData
from aiida_redoxmlp.data.model import ModelData
from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.redox.configuration import Configuration
from aiida_redoxmlp.workchains.active_learning import ActiveLearningWorkChain
from aiida_redoxmlp.workchains.explore_base import ExploreBaseWorkChain
from aiida_redoxmlp.workchains.label import LabelWorkChain
from aiida_redoxmlp.workchains.train import TrainWorkChain
from tests.report.process_draft import ProcessDraft, end

EXIT = ActiveLearningWorkChain.exit_codes
COUNTS = dict.fromkeys(
    ("n_candidates", "n_known", "n_uncertain_forces", "n_uncertain_electrons", "n_uncertain", "n_too_far"), 1
)
LEVELS = {2: np.array([0.98] * 5), 3: np.array([0.5, *[0.98] * 4])}


@pytest.fixture
def build(demo_structure, chemistry, pseudos, aiida_code_installed):
    group, created = PseudoPotentialFamily.collection.get_or_create(label="made-up")
    if created:
        group.add_nodes([pseudo.store() for pseudo in pseudos.values()])

    def builder(*, structures=None, overrides=None, **given):
        return ActiveLearningWorkChain.get_builder_from_protocol(
            pw_code=aiida_code_installed(
                label="pw", default_calc_job_plugin="quantumespresso.pw", filepath_executable="/bin/true"
            ),
            runner_code=aiida_code_installed(label="runner", filepath_executable="/bin/true"),
            structures=structures or {"half": demo_structure},
            redox=chemistry,
            pseudo_family=group.label,
            protocol="demo",
            overrides=overrides,
            **given,
        )

    return builder


@pytest.fixture
def start(build):
    def make(**given):
        inputs = build(**given)._inputs(prune=True)
        process = instantiate_process(get_manager().get_runner(), ActiveLearningWorkChain, **inputs)
        process.setup()
        return process

    return make


@pytest.fixture
def submitted(monkeypatch):
    """What the loop submits, without anything that runs."""
    found = []

    def submit(self, kind, **inputs):
        node = finished(orm.WorkChainNode(process_type=kind.build_process_type()).store())
        found.append((kind, inputs, node))
        return node

    monkeypatch.setattr(ActiveLearningWorkChain, "submit", submit)
    monkeypatch.setattr(
        ActiveLearningWorkChain,
        "to_context",
        lambda self, **nodes: [self.ctx.labels.append(found[-1][2]) for name in nodes if name == "labels"],
    )
    return found


def finished(node, exit_status=0, message=None, **outputs):
    for label, data in outputs.items():
        data.store().base.links.add_incoming(node, link_type=LinkType.RETURN, link_label=label)
    node.set_process_state(ProcessState.FINISHED)
    node.set_exit_status(exit_status)
    if message is not None:
        node.set_exit_message(message)
    return node


@pytest.fixture
def answer(make_frame):
    """Let DFT answer a label with a pattern, or with nothing."""

    def make(node, structure, states, energy=-5430.0):
        atoms = structure.get_ase()
        frame = make_frame(0, tuple(states))
        charges = frame.configuration.oxidation_states
        here = Configuration(atoms.numbers, atoms.positions, atoms.cell.array, charges)
        levels = tuple(np.stack([LEVELS[state], np.full(5, 0.02)]) for state in states)
        labelled = replace(frame, configuration=here, eigenvalues=levels, energy=energy, group=str(node.pk))
        return finished(node, frames=DatasetData.from_frames([labelled]))

    return make


def ask(process, submitted):
    """Bring a loop to the labels of an iteration, and return what it submitted for them."""
    first = len(submitted)
    process.begin_iteration()
    process.prepare_labels()
    while process.labels_left():
        process.run_labels()
    return submitted[first:]


def said(process):
    return " ".join(entry.message for entry in orm.Log.collection.get_logs_for(process.node))


def test_without_dataset_and_model_neighbours_of_the_structures_are_labelled(start, submitted):
    process = start()
    assert not process.needs_first_model()
    assert process.goes_on()
    assert not process.can_explore()
    labels = ask(process, submitted)
    assert len(labels) == 6
    assert [inputs["metadata"]["call_link_label"] for _, inputs, _ in labels[:2]] == ["label_0_0", "label_1_0"]
    assert {tuple(inputs["pattern"].get_list()) for _, inputs, _ in labels} == {(2, 3), (3, 2)}
    for kind, inputs, _ in labels:
        assert kind is LabelWorkChain
        assert kind.spec().inputs.validate(inputs) is None
        assert len(inputs["structure"].hubbard.parameters) == 2
    moved = labels[-1][1]["structure"].get_ase().positions - labels[0][1]["structure"].get_ase().positions
    assert 0.01 < np.abs(moved).max() < 0.5


def test_dfts_answer_decides_and_one_node_tells_the_iteration(start, submitted, answer):
    process = start()
    labels = ask(process, submitted)
    for number, (_, inputs, node) in enumerate(labels):
        wanted = inputs["pattern"].get_list()
        if number == 0:
            finished(node, 300, "pw.x failed beyond repair.")
        else:
            answer(node, inputs["structure"], wanted[::-1] if number == 1 else wanted)
    process.judge_answers()
    assert process.has_fresh_labels()
    assert process.dataset.n_frames == 5
    assert process.end_iteration() is None
    record = process.outputs["iterations"]["iteration_0"].get_dict()
    assert (record["labels"]["landed"], record["labels"]["redox_errors"], record["labels"]["failed"]) == (4, 1, 1)
    assert (record["strategy"], record["n_frames"], record["used"]["labels"]) == ("neighbourhoods", 5, 6)
    assert "DFT found" in said(process)
    assert "pw.x failed beyond repair." in said(process)


def test_a_label_that_failed_is_asked_again_and_then_set_aside_by_name(start, submitted, answer):
    process = start()
    for iteration in range(2):
        labels = ask(process, submitted)
        for number, (_, inputs, node) in enumerate(labels):
            if number == 0:
                finished(node, 300, "pw.x failed beyond repair.")
            else:
                answer(node, inputs["structure"], inputs["pattern"].get_list())
        process.judge_answers()
        assert process.end_iteration() is None
        assert len(process.ctx.unanswered) == 1
        if iteration == 0:
            key = labels[0][1]["structure"].get_ase().positions
        else:
            assert (labels[0][1]["structure"].get_ase().positions == key).all()
    assert not process.loop_state.labels.waiting()
    assert "failed 2 times and is set aside" in process.loop_state.iterations[-1].warnings[-1]


def test_without_a_single_label_the_loop_ends_and_can_go_on(start, submitted):
    process = start()
    for _, _, node in ask(process, submitted):
        finished(node, 300, "pw.x failed beyond repair.")
    process.judge_answers()
    assert not process.has_fresh_labels()
    code = process.end_iteration()
    assert (code.status, "pw.x failed beyond repair" in code.message) == (EXIT.ERROR_NO_LABELS.status, True)
    assert process.outputs["conclusion"]["status"] == "failed"
    assert len(process.outputs["unanswered"]) == 6
    again = start(dataset=None, previous=ended_with({"loop": process.outputs["loop"]}, process.outputs["unanswered"]))
    assert len(again.ctx.unanswered) == 6
    assert len(again.loop_state.iterations) == 1


def ended_with(outputs, unanswered=()):
    node = orm.WorkChainNode(process_type=ActiveLearningWorkChain.build_process_type()).store()
    named = {f"unanswered__{name}": one for name, one in dict(unanswered).items()}
    return finished(node, **outputs, **named)


@pytest.fixture
def labelled(make_frame):
    return DatasetData.from_frames([make_frame(step, ((2, 3), (3, 2))[step % 2]) for step in range(4)])


def test_a_dataset_alone_is_trained_on_first(start, submitted, labelled):
    process = start(dataset=labelled)
    assert process.needs_first_model()
    process.run_training()
    ((kind, inputs, node),) = submitted
    assert kind is TrainWorkChain
    assert inputs["job"]["dataset"].uuid == labelled.uuid
    assert kind.spec().inputs.validate(inputs) is None
    process.ctx.train = finished(node, 310, "1 of 1 jobs failed: seeds 1, 2, 3")
    code = process.inspect_training()
    assert code.status == EXIT.ERROR_TRAINING_FAILED.status
    assert process.outputs["dataset"].uuid == labelled.uuid


@pytest.fixture
def committee(make_committee, make_frame, tmp_path):
    """A committee that knows every state of the structure."""
    folder = tmp_path / "committee"
    make_committee(frames=(make_frame(),)).save(folder)
    return ModelData.from_folder(folder)


@pytest.fixture
def learning(start, labelled, committee):
    def make(**overrides):
        return start(dataset=labelled, model=committee, overrides=overrides)

    return make


def explored(node, structure=None, *, n_requests=1, warnings=()):
    """End an exploration that selected some structures, or without any that went nowhere."""
    outputs = {
        "report": orm.Dict({"warnings": ["Two walkers stopped."]}),
        "frames": orm.SinglefileData(io.BytesIO(b"frames"), filename="frames.npz"),
    }
    if structure is None:
        return finished(node, **outputs)
    atoms = structure.get_ase()
    requests = []
    for number in range(n_requests):
        atoms.positions += 0.01
        outputs[f"selected__request_{number}"] = orm.StructureData(ase=atoms)
        origin = f"half, walk 1.1 step {number}"
        belief = {"n_members": 2, "n_agreeing": 2, "gap_ev": 0.1, "gap_spread_ev": 0.1, "proven": True}
        one = {"structure": "half", "origin": origin, "wanted": [2, 3], "reason": "doubt", "belief": belief}
        requests.append({"name": "a", "key": f"k{number}", **one})
    selection = {
        "strategy": "redox_aware",
        "requests": requests,
        "counts": COUNTS,
        "ground_states": {"half": "LiMn2O8P2 (2,3)"},
        "warnings": list(warnings),
    }
    return finished(node, **outputs, selection=orm.Dict(selection))


def test_exploration_changes_its_seed_and_its_limit_with_the_iteration(learning, submitted):
    process = learning()
    process.ctx.number = 3
    process.begin_iteration()
    assert process.can_explore()
    process.run_exploration()
    ((kind, inputs, _),) = submitted
    assert kind is ExploreBaseWorkChain
    assert kind.spec().inputs.validate(inputs) is None
    settings = inputs["job"]["settings"].get_dict()
    assert (settings["seed"], settings["limits"]["force_factor"]) == (3, 1.0)
    assert set(inputs["job"]["structures"]) == {"half"}
    selection = inputs["job"]["selection"]
    assert selection["settings"].get_dict()["selection"]["n_labels"] == 6
    assert selection["dataset"].uuid == process.dataset.uuid


def test_an_unstable_exploration_falls_back_to_neighbours(learning, submitted):
    process = learning()
    process.begin_iteration()
    process.run_exploration()
    process.ctx.explore = explored(submitted[-1][2])
    assert process.inspect_exploration() is None
    process.prepare_labels()
    assert process.ctx.strategy == "neighbourhoods"
    assert "The exploration is unstable" in process.ctx.notes[-1]


def test_a_committee_that_lacks_a_state_of_the_structures_does_not_explore(start, labelled, saved_model):
    process = start(dataset=labelled, model=ModelData.from_folder(saved_model))
    process.begin_iteration()
    assert not process.can_explore()
    process.prepare_labels()
    assert process.ctx.strategy == "neighbourhoods"
    assert "The model does not know Li+" in process.ctx.notes[-1]


def test_an_exploration_that_failed_ends_the_loop_with_what_there_is(learning, submitted):
    process = learning()
    process.begin_iteration()
    process.run_exploration()
    process.ctx.explore = finished(submitted[-1][2], 300, "The input was refused: no Mn4+.")
    code = process.inspect_exploration()
    assert (code.status, "no Mn4+" in code.message) == (EXIT.ERROR_EXPLORATION_FAILED.status, True)
    assert process.outputs["loop"]["status"] == "failed"
    assert {"dataset", "model", "conclusion"} <= set(process.outputs)


def evaluated(node, force_mae):
    report = {
        "encoding": "species",
        "n_members": 2,
        "energy_mae_ev_per_atom": 0.001,
        "energy_rmse_ev_per_atom": 0.001,
        "force_mae_ev_per_angstrom": force_mae,
        "force_rmse_ev_per_angstrom": force_mae,
        "per_species": [],
        "per_pattern": [],
        "frames": [],
    }
    return finished(node, report=orm.Dict(report))


def trained(node, saved_model):
    report = {
        "engine": "mace",
        "encoding": "species",
        "species": [],
        "seeds": [1, 2],
        "best_epochs": [1, 1],
        "n_training_frames": 4,
        "n_validation_frames": 1,
        "energy_mae_ev_per_atom": 0.002,
        "force_mae_ev_per_angstrom": 0.04,
        "wall_time_s": 3600.0,
        "device": "cpu",
        "versions": {},
    }
    return finished(node, report=orm.Dict(report), model=ModelData.from_folder(saved_model))


def test_an_iteration_explores_selects_labels_trains_and_judges(
    learning, submitted, answer, demo_structure, saved_model
):
    rules = {"force_mae": 0.05, "pattern_recovery": None, "uncertain_fraction": None, "fewest_labels": 1}
    process = learning(budget={"labels": 2}, rules=rules, warm_start={"mode": "naive"})
    assert process.goes_on()
    process.begin_iteration()
    process.run_exploration()
    kind, inputs, node = submitted[-1]
    assert kind.spec().inputs.validate(inputs) is None
    assert inputs["job"]["selection"]["settings"].get_dict()["selection"]["n_labels"] == 2
    process.ctx.explore = explored(
        node, demo_structure, n_requests=3, warnings=["The committee has collapsed: all members are the same."]
    )
    assert process.inspect_exploration() is None
    process.prepare_labels()
    assert len(process.ctx.waiting) == 2
    process.run_labels()
    for _, given, label in submitted[-2:]:
        answer(label, given["structure"], [2, 3])
    process.judge_answers()
    process.run_training()
    training, evaluation = submitted[-2:]
    assert training[1]["job"]["foundation"].uuid == process.inputs.model.uuid
    assert training[1]["job"]["settings"]["fine_tuning"]["mode"] == "naive"
    assert evaluation[1]["job"]["dataset"].n_frames == 2
    process.ctx.train, process.ctx.evaluate = trained(training[2], saved_model), evaluated(evaluation[2], 0.03)
    assert process.inspect_training() is None
    assert process.end_iteration() is None
    record = process.loop_state.iterations[-1]
    assert record.errors_before.force_mae_ev_per_angstrom == 0.03
    assert record.errors_before.pattern_recovery == 1.0
    assert record.errors_after.force_mae_ev_per_angstrom == 0.04
    assert record.ground_states == {"half": "LiMn2O8P2 (2,3)"}
    assert any("has collapsed" in warning for warning in record.warnings)
    assert record.n_frames == 6
    assert not process.goes_on()
    process.results()
    assert process.outputs["conclusion"]["status"] == "converged"
    assert process.outputs["model"].uuid != process.inputs.model.uuid


DISK_FULL = "The disk or the quota of the computer is full (No space left on device); free space there and start again."


def exploring(learning):
    """Return a loop whose exploration runs."""
    process = learning()
    process.begin_iteration()
    process.run_exploration()
    return process


def test_a_full_disk_in_a_training_loses_no_label(start, learning, submitted, answer, demo_structure):
    process = exploring(learning)
    before = process.dataset.n_frames
    process.ctx.explore = explored(submitted[-1][2], demo_structure)
    process.inspect_exploration()
    process.prepare_labels()
    process.run_labels()
    answer(submitted[-1][2], submitted[-1][1]["structure"], [2, 3])
    process.judge_answers()
    process.run_training()
    process.ctx.train = finished(submitted[-2][2], 300, DISK_FULL)
    process.ctx.evaluate = None
    code = process.inspect_training()
    assert code.status == EXIT.ERROR_TRAINING_FAILED.status
    assert DISK_FULL in process.outputs["conclusion"]["sentence"]
    assert process.outputs["dataset"].n_frames == before + 1
    assert process.outputs["model"].uuid == process.inputs.model.uuid
    previous = ended_with({name: process.outputs[name] for name in ("loop", "dataset", "model")})
    again = start(previous=previous)
    assert (again.ctx.number, again.goes_on()) == (1, True)


def test_a_full_disk_in_an_exploration_ends_the_loop_with_what_there_is(learning, submitted):
    process = exploring(learning)
    process.ctx.explore = finished(submitted[-1][2], 300, DISK_FULL)
    code = process.inspect_exploration()
    assert (code.status, DISK_FULL in code.message) == (EXIT.ERROR_EXPLORATION_FAILED.status, True)
    assert {"dataset", "model", "loop", "conclusion"} <= set(process.outputs)


def test_nothing_to_ask_pauses_the_loop(learning, submitted, demo_structure):
    process = exploring(learning)
    process.ctx.explore = explored(submitted[-1][2], demo_structure, n_requests=0)
    process.inspect_exploration()
    process.prepare_labels()
    assert not process.labels_left()
    process.judge_answers()
    assert not process.has_fresh_labels()
    assert process.end_iteration() is None
    assert not process.goes_on()
    process.results()
    assert process.outputs["conclusion"]["status"] == "paused"


def test_a_spent_budget_is_extended_by_going_on(start, learning, submitted):
    process = learning(budget={"iterations": 1})
    state = LoopState.model_validate(process.loop_node.get_dict())
    process.begin_iteration()
    process.judge_answers()
    process.end_iteration()
    process.ctx.ending = None
    assert not process.goes_on()
    process.results()
    assert "The budget is spent: 1 of 1 iterations" in process.outputs["conclusion"]["sentence"]
    assert len(state.iterations) == 0
    previous = ended_with({name: process.outputs[name] for name in ("loop", "dataset", "model")})
    again = start(previous=previous, overrides={"budget": {"iterations": 2}})
    assert again.ctx.number == 1
    assert again.goes_on()
    with pytest.raises(InputError, match="has no output `loop`"):
        start(previous=ended_with({}))


KEY = "ab12" * 16


@pytest.fixture
def killed(labelled, make_frame, demo_structure, committee):
    """A loop that was killed in its second iteration, after the labels of that one were judged."""
    draft = ProcessDraft()
    node = draft.process(orm.WorkChainNode, "ActiveLearningWorkChain", None, "", {"dataset": labelled})

    def step(name, inputs=None, kind=orm.CalcFunctionNode, **outputs):
        one = draft.process(kind, name, node, name.lower(), inputs or {})
        if kind is orm.CalcFunctionNode:
            draft.create(one, **outputs)
        else:
            draft.hand_over(one, **{label: data.store() for label, data in outputs.items()})
        end(one)

    failed = {"name": "a", "key": KEY, "iteration": 0, "outcome": "failed", "wanted": [2, 3]}
    record = {
        "number": 0,
        "strategy": "neighbourhoods",
        "band": COUNTS,
        "labels": {"asked": 1, "failed": 1},
        "n_frames": 5,
    }
    verdicts = {"verdicts": [{"key": KEY, "outcome": "failed"}]}
    asked = {"request_0": orm.StructureData(ase=demo_structure.get_ase())}
    more = [DatasetData.from_frames([make_frame(number)]) for number in (5, 6)]
    step("judge_labels", asked, verdicts=orm.Dict(verdicts), frames=DatasetData.from_frames([make_frame(7)]))
    step("merge_datasets", result=more[0])
    step("TrainWorkChain", kind=orm.WorkChainNode, model=committee)
    step("close_iteration", loop=orm.Dict({"iterations": [record], "labels": {"records": {KEY: failed}}}))
    step("merge_datasets", result=more[1])
    node.set_process_state(ProcessState.KILLED)
    return node, more[1]


def test_a_killed_loop_goes_on_from_what_its_steps_made(start, killed):
    node, newest = killed
    again = start(previous=node)
    assert (again.ctx.number, list(again.ctx.unanswered)) == (1, [KEY])
    assert again.dataset.uuid == newest.uuid
    assert again.can_explore()  # with the committee of its only training


def test_labels_of_atoms_that_no_structure_has_are_not_asked_again(start, killed, demo_structure):
    empty = HubbardStructureData.from_structure(
        orm.StructureData(ase=demo_structure.get_ase()[[atom.symbol != "Li" for atom in demo_structure.get_ase()]])
    )
    again = start(previous=killed[0], structures={"empty": empty})
    assert again.ctx.unanswered == {}
    again.begin_iteration()
    again.prepare_labels()
    assert {one["structure"] for one in again.ctx.waiting} == {"empty"}


def test_a_loop_that_runs_is_not_gone_on_from(start, killed):
    killed[0].set_process_state(ProcessState.RUNNING)
    with pytest.raises(InputError, match=r"still runs; wait for its end, or stop it with `verdi process kill \d+`"):
        start(previous=killed[0])


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        ({"budget": {"iterations": 0}}, "nothing can start"),
        ({"select": {"selection": {"band": {"floor": 3.0, "ceiling": 1.0}}}}, "holds no candidate"),
        ({"band": 1}, "'band' of the workflow active_learning is not known"),
    ],
)
def test_what_contradicts_itself_is_refused(build, overrides, says):
    with pytest.raises(ValueError, match=says):
        build(overrides=overrides)


def test_a_structure_whose_charges_never_close_is_refused_by_name(build, demo_structure):
    builder = build()
    builder.redox = orm.Dict({"allowed_states": {"Mn": [2]}, "fixed_states": {"Li": 1, "P": 5, "O": -2}})
    ports = ActiveLearningWorkChain.spec().inputs
    assert "The structure 'half': No allowed states" in str(ports.validate(ports.pre_process(builder._inputs(True))))


def test_ions_that_cannot_hop_are_refused_before_anything_is_labelled(build):
    builder = build(overrides={"explore": {"ion_hops": {"element": "Na"}}})
    ports = ActiveLearningWorkChain.spec().inputs
    refused = str(ports.validate(ports.pre_process(builder._inputs(True))))
    assert "No structure has Na with a vacant site within 4 Å; give ion_hops.sites" in refused


def test_it_loads_by_entry_point():
    assert WorkflowFactory("redoxmlp.active_learning") is ActiveLearningWorkChain
