"""The inputs of the campaign."""

from __future__ import annotations

from typing import Any

from aiida import orm
from aiida.engine.processes.workchains.workchain import WorkChainSpec
from aiida_quantumespresso.data.hubbard_structure import HubbardStructureData

from aiida_redoxmlp.calculations.pw import validate_redox
from aiida_redoxmlp.data.model import ModelData
from aiida_redoxmlp.engines.settings import TrainingSettings
from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.workchains.evaluate_base import EvaluateBaseWorkChain
from aiida_redoxmlp.workchains.hubbard import HubbardWorkChain
from aiida_redoxmlp.workchains.label import LabelWorkChain
from aiida_redoxmlp.workchains.part_inputs import PROVIDED_BY_CALLER
from aiida_redoxmlp.workchains.search import SearchWorkChain
from aiida_redoxmlp.workchains.train import TrainWorkChain
from aiida_redoxmlp.workchains.trajectory import TrajectoryWorkChain

__all__ = ("declare_inputs",)


def _validate_inputs(inputs: Any, _: Any) -> str | None:
    """Refuse foundation models that lack an element of the structure, hours before anything is trained."""
    for namespace in ("train", "baseline"):
        job = inputs.get(namespace, {}).get("job", {})
        if "structure" not in inputs or "settings" not in job or not isinstance(job.get("foundation"), ModelData):
            continue
        elements = inputs["structure"].get_symbols_set()
        try:
            job["foundation"].require_parents(elements, TrainingSettings.model_validate(job["settings"].get_dict()))
        except InputError as error:
            return str(error)
    return None


def _validate_max_patterns(node: orm.Int | None, _: Any) -> str | None:
    if node is not None and node.value < 1:
        return f"max_patterns is {node.value}; give a number of patterns from 1."
    return None


def declare_inputs(spec: WorkChainSpec) -> None:
    """Declare what a campaign takes."""
    spec.input("structure", valid_type=HubbardStructureData, help="Parent structure with its Hubbard parameters.")
    spec.input("redox", valid_type=orm.Dict, validator=validate_redox, help="Fields of `RedoxChemistry`.")
    spec.input(
        "max_concurrent",
        valid_type=orm.Int,
        default=lambda: orm.Int(4),
        help="Labels that run at a time.",
    )
    spec.input(
        "max_patterns",
        valid_type=orm.Int,
        default=lambda: orm.Int(8),
        validator=_validate_max_patterns,
        help="Patterns labelled with DFT, one of every class of equivalent ones before a second of any.",
    )
    spec.input(
        "test_fraction",
        valid_type=orm.Float,
        default=lambda: orm.Float(0.2),
        help="Share of the frames of every pattern to hold out, in whole trajectories where there are enough.",
    )
    spec.expose_inputs(
        HubbardWorkChain,
        namespace="hubbard",
        exclude=("structure", "redox"),
        namespace_options={
            "required": False,
            "populate_defaults": False,
            "help": "Self-consistent U and V; without it those of the structure are used as they are.",
        },
    )
    spec.expose_inputs(
        LabelWorkChain,
        namespace="relax",
        exclude=PROVIDED_BY_CALLER,
        namespace_options={"help": "Relaxation of every labelled pattern."},
    )
    spec.expose_inputs(
        TrajectoryWorkChain,
        namespace="md",
        exclude=PROVIDED_BY_CALLER,
        namespace_options={
            "required": False,
            "populate_defaults": False,
            "help": "Molecular dynamics that starts from every relaxed pattern.",
        },
    )
    for namespace, text in {
        "train": "Training of the redox-aware committee.",
        "baseline": "Training of the redox-unaware baseline.",
    }.items():
        spec.expose_inputs(
            TrainWorkChain, namespace=namespace, exclude=("job.dataset",), namespace_options={"help": text}
        )
    spec.inputs.validator = _validate_inputs
    spec.expose_inputs(
        EvaluateBaseWorkChain,
        namespace="evaluate",
        exclude=[f"job.{name}" for name in ("dataset", "model", "allowed_states")],
        namespace_options={"help": "Judgement of both potentials on the frames that are held out."},
    )
    spec.expose_inputs(
        SearchWorkChain,
        namespace="search",
        exclude=("structure", "redox", "model", "space", "lattice"),
        namespace_options={"help": "Search with the redox-aware committee, and DFT check of the lowest patterns."},
    )
