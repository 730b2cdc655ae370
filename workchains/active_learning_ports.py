"""The inputs and outputs of an active-learning loop."""

from __future__ import annotations

from typing import Any

from aiida import orm
from aiida.engine.processes.workchains.workchain import WorkChainSpec
from aiida_quantumespresso.data.hubbard_structure import HubbardStructureData

from aiida_redoxmlp.active_learning.exploration.ion_hops import hops_by_structure
from aiida_redoxmlp.active_learning.exploration.settings import ExplorationSettings
from aiida_redoxmlp.active_learning.neighbourhoods import Neighbourhoods
from aiida_redoxmlp.active_learning.records import LoopState
from aiida_redoxmlp.active_learning.stopping import Budget, StoppingRules
from aiida_redoxmlp.calculations.pw import validate_redox
from aiida_redoxmlp.calculations.search import validate_fields
from aiida_redoxmlp.data.dataset import DatasetData
from aiida_redoxmlp.data.model import ModelData
from aiida_redoxmlp.engines.fine_tuning import FineTuning, require_consistent_start
from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.redox.chemistry import RedoxChemistry
from aiida_redoxmlp.redox.configuration import Configuration
from aiida_redoxmlp.runners.select_job import SelectSettings
from aiida_redoxmlp.workchains.evaluate_base import EvaluateBaseWorkChain
from aiida_redoxmlp.workchains.explore_base import ExploreBaseWorkChain
from aiida_redoxmlp.workchains.label import LabelWorkChain
from aiida_redoxmlp.workchains.part_inputs import PROVIDED_BY_CALLER
from aiida_redoxmlp.workchains.train import TrainWorkChain

__all__ = ("declare_loop_inputs", "declare_loop_outputs")


def _validate_count(name: str, what: str) -> Any:
    def validate(node: orm.Int | None, _: Any) -> str | None:
        return f"{name} is {node.value}; give {what} from 1." if node is not None and node.value < 1 else None

    return validate


def _validate_inputs(inputs: Any, _: Any) -> str | None:
    """Refuse what cannot start: no structure, charges that never close, elements without pseudopotential."""
    structures = inputs.get("structures", {})
    if "redox" not in inputs or "label" not in inputs:
        return None  # the ports report what is missing
    if not structures:
        return "There is no structure to learn about; give at least one in `structures`."
    chemistry = RedoxChemistry.model_validate(inputs["redox"].get_dict())
    for name, structure in structures.items():
        symbols = structure.get_ase().get_chemical_symbols()
        if (refused := chemistry.why_never(symbols)) is not None:
            return f"The structure {name!r}: {refused}"
        if missing := sorted(set(symbols) - set(inputs["label"].get("pseudos", {}))):
            return (
                f"There is no pseudopotential for {', '.join(missing)} of the structure {name!r}; give one an element "
                "in `label.pseudos`."
            )
    return _why_no_hops(inputs) or _why_no_frames(inputs) or _why_no_warm_start(inputs)


def _why_no_frames(inputs: Any) -> str | None:
    """Return why an earlier loop cannot go on, or None."""
    earlier = LoopState.model_validate(inputs["loop"].get_dict()).iterations if "loop" in inputs else ()
    if earlier and earlier[-1].n_frames and "dataset" not in inputs:
        return (
            f"The earlier loop labelled {earlier[-1].n_frames} frames, but there is no dataset; give its output "
            "`dataset` as well."
        )
    return None


def _why_no_warm_start(inputs: Any) -> str | None:
    """Return why a training cannot start from the committee before it, or None."""
    if "warm_start" in inputs:
        settings = FineTuning.model_validate(inputs["warm_start"].get_dict())
        try:
            require_consistent_start(settings, "stored", replay="replay" in inputs["train"]["job"])
        except InputError as error:
            return f"warm_start: {error}"
    return None


def _why_no_hops(inputs: Any) -> str | None:
    """Return why ions that are to hop cannot, or None."""
    if "explore" not in inputs or "settings" not in inputs["explore"]["job"]:
        return None  # the ports report what is missing
    settings = ExplorationSettings.model_validate(inputs["explore"]["job"]["settings"].get_dict()).ion_hops
    if settings is not None:
        structures = {name: Configuration.from_ase(one.get_ase()) for name, one in inputs["structures"].items()}
        try:
            hops_by_structure(structures, settings)
        except InputError as error:
            return str(error)
    return None


def declare_loop_inputs(spec: WorkChainSpec) -> None:
    """Declare what a loop takes."""
    spec.input_namespace(
        "structures",
        valid_type=HubbardStructureData,
        dynamic=True,
        help="Structures with their Hubbard parameters, by name, such as one for every state of charge.",
    )
    spec.input("redox", valid_type=orm.Dict, validator=validate_redox, help="Fields of `RedoxChemistry`.")
    spec.input("dataset", valid_type=DatasetData, required=False, help="What is labelled already.")
    spec.input("model", valid_type=ModelData, required=False, help="The committee to begin with.")
    spec.input(
        "loop",
        valid_type=orm.Dict,
        required=False,
        validator=validate_fields(LoopState, "loop"),
        help="An earlier loop that goes on: the output `loop` of its work chain.",
    )
    spec.input_namespace(
        "unanswered",
        valid_type=orm.StructureData,
        dynamic=True,
        required=False,
        help="Its structures whose labels failed: the output `unanswered`.",
    )
    for name, model, text in (
        ("budget", Budget, "What may be spent, by an earlier loop as well: fields of `Budget`."),
        ("rules", StoppingRules, "When the loop has converged: fields of `StoppingRules`."),
        ("neighbourhoods", Neighbourhoods, "What is labelled where there is no potential: fields of `Neighbourhoods`."),
        ("selection", SelectSettings, "What is selected from what was explored: fields of `SelectSettings`."),
        ("warm_start", FineTuning, "How a training starts from the committee before it: fields of `FineTuning`."),
    ):
        spec.input(
            name,
            valid_type=orm.Dict,
            serializer=orm.to_aiida_type,
            validator=validate_fields(model, name),
            help=text,
            required=name == "budget",
            **({"default": lambda: orm.Dict({})} if name in ("rules", "neighbourhoods", "selection") else {}),
        )
    for name, value, what in (
        ("max_concurrent", 4, "a number of labels"),
        ("max_label_attempts", 2, "a number of attempts"),
    ):
        spec.input(
            name,
            valid_type=orm.Int,
            serializer=orm.to_aiida_type,
            default=lambda value=value: orm.Int(value),
            validator=_validate_count(name, what),
            help="Labels that run at a time."
            if name == "max_concurrent"
            else "Times that a label which fails is asked for before it is set aside.",
        )
    _expose_parts(spec)
    spec.inputs.validator = _validate_inputs


def _expose_parts(spec: WorkChainSpec) -> None:
    """Declare the inputs of exploration, labels, training and evaluation."""
    given = ("structures", "model", "oxidation_states", "spins", "chemistry", "selection")
    spec.expose_inputs(
        ExploreBaseWorkChain,
        namespace="explore",
        exclude=[f"job.{name}" for name in given],
        namespace_options={"help": "Exploration; its seed and the calibration of its limit change every iteration."},
    )
    spec.expose_inputs(
        LabelWorkChain,
        namespace="label",
        exclude=PROVIDED_BY_CALLER,
        namespace_options={"help": "Single point of every structure that is selected."},
    )
    spec.expose_inputs(
        TrainWorkChain, namespace="train", exclude=("job.dataset",), namespace_options={"help": "Training."}
    )
    spec.expose_inputs(
        EvaluateBaseWorkChain,
        namespace="evaluate",
        exclude=[f"job.{name}" for name in ("dataset", "model", "allowed_states", "max_patterns")],
        namespace_options={"help": "Judgement of the potential on labels that it had not seen."},
    )


def declare_loop_outputs(spec: WorkChainSpec) -> None:
    """Declare what a loop gives, and how it can end."""
    spec.output("dataset", valid_type=DatasetData, required=False, help="Every frame that is labelled.")
    spec.output("model", valid_type=ModelData, required=False, help="The last committee.")
    spec.output("loop", valid_type=orm.Dict, help="Fields of `LoopState`; a loop that is given it goes on.")
    spec.output("conclusion", valid_type=orm.Dict, help="`status`, `sentence`, `n_iterations` and `used`.")
    spec.output_namespace(
        "iterations", valid_type=orm.Dict, dynamic=True, help="Fields of `IterationRecord`, one an iteration."
    )
    spec.output_namespace(
        "unanswered",
        valid_type=orm.StructureData,
        dynamic=True,
        help="Structures whose labels failed, by the beginning of their keys.",
    )
    spec.exit_code(300, "ERROR_NO_LABELS", message="No label came back of {count} that were asked for: {message}")
    spec.exit_code(310, "ERROR_TRAINING_FAILED", message="Training failed: {message}")
    spec.exit_code(320, "ERROR_EXPLORATION_FAILED", message="The exploration failed: {message}")
