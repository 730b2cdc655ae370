"""A loop whose jobs were made by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from aiida import orm
from aiida.engine.utils import instantiate_process
from aiida.manage import get_manager
from aiida_pseudo.groups.family import PseudoPotentialFamily
from plumpy import ProcessState

from aiida_redoxmlp.data.dataset import DatasetData
from aiida_redoxmlp.data.model import ModelData
from aiida_redoxmlp.redox.configuration import Configuration
from aiida_redoxmlp.workchains.active_learning import ActiveLearningWorkChain
from tests.report.process_draft import ProcessDraft, end
from tests.workchains.active_learning.loop_by_hand import COUNTS, KEY, LEVELS, finished


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


@pytest.fixture
def labelled(make_frame):
    return DatasetData.from_frames([make_frame(step, ((2, 3), (3, 2))[step % 2]) for step in range(4)])


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
