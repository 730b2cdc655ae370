"""Steps of a loop taken by hand, and answers of jobs that are made up."""

from __future__ import annotations

import io

import numpy as np
from aiida import orm
from aiida.common import LinkType
from plumpy import ProcessState

from aiida_redoxmlp.data.model import ModelData
from aiida_redoxmlp.workchains.active_learning import ActiveLearningWorkChain

EXIT = ActiveLearningWorkChain.exit_codes
COUNTS = dict.fromkeys(
    ("n_candidates", "n_known", "n_uncertain_forces", "n_uncertain_electrons", "n_uncertain", "n_too_far"), 1
)
KEY = "ab12" * 16
LEVELS = {2: np.array([0.98] * 5), 3: np.array([0.5, *[0.98] * 4])}


def finished(node, exit_status=0, message=None, **outputs):
    for label, data in outputs.items():
        data.store().base.links.add_incoming(node, link_type=LinkType.RETURN, link_label=label)
    node.set_process_state(ProcessState.FINISHED)
    node.set_exit_status(exit_status)
    if message is not None:
        node.set_exit_message(message)
    return node


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


def ended_with(outputs, unanswered=()):
    node = orm.WorkChainNode(process_type=ActiveLearningWorkChain.build_process_type()).store()
    named = {f"unanswered__{name}": one for name, one in dict(unanswered).items()}
    return finished(node, **outputs, **named)


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


def exploring(learning):
    """Return a loop whose exploration runs."""
    process = learning()
    process.begin_iteration()
    process.run_exploration()
    return process
