"""The inputs of a loop's parts, from the settings of a protocol."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida import orm
from aiida_quantumespresso.data.hubbard_structure import HubbardStructureData

from aiida_redoxmlp.active_learning.exploration.settings import ExplorationSettings
from aiida_redoxmlp.active_learning.neighbourhoods import Neighbourhoods
from aiida_redoxmlp.active_learning.stopping import Budget, StoppingRules
from aiida_redoxmlp.engines.fine_tuning import FineTuning
from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.runners.select_job import SelectSettings
from aiida_redoxmlp.workchains.active_learning_left import left_by
from aiida_redoxmlp.workchains.job_options import job_options
from aiida_redoxmlp.workchains.label import LabelWorkChain
from aiida_redoxmlp.workchains.part_inputs import inputs_of
from aiida_redoxmlp.workchains.protocols import merged
from aiida_redoxmlp.workchains.train import TrainWorkChain

__all__ = ("outputs_of_previous", "set_labels", "set_loop", "set_runners", "widest_structure")


def widest_structure(structures: Mapping[str, HubbardStructureData]) -> HubbardStructureData:
    """Return the structure with the most elements: its pseudopotentials and cutoffs serve all.

    Raises:
        InputError: if there is none.
    """
    if not structures:
        raise InputError("There is no structure to learn about; give at least one in `structures`.")
    return max(structures.values(), key=lambda one: len(one.get_symbols_set()))


def outputs_of_previous(previous: orm.WorkChainNode, structures: Mapping[str, HubbardStructureData]) -> dict[str, Any]:
    """Return what a loop needs to go on from an earlier one: its outputs, or what it had made when it was stopped.

    Args:
        previous: the earlier loop.
        structures: those of the loop that goes on; labels that failed are asked again where they have the same atoms.

    Raises:
        InputError: if that one still runs, or has left nothing.
    """
    if not previous.is_terminated and "loop" not in previous.outputs:
        raise InputError(
            f"The loop <{previous.pk}> still runs; wait for its end, or stop it with `verdi process kill "
            f"{previous.pk}`."
        )
    found = left_by(previous)
    if "loop" not in found:
        raise InputError(
            f"The loop <{previous.pk}> ended before its first iteration did and has no output `loop`, so that nothing "
            "can go on from it; begin a new one."
        )
    atoms = [one.get_ase().get_chemical_symbols() for one in structures.values()]
    fitting = {
        name: one for name, one in found.pop("unanswered").items() if one.get_ase().get_chemical_symbols() in atoms
    }
    return {**found, "unanswered": fitting} if fitting else found


def set_loop(builder: Any, settings: dict[str, Any]) -> None:
    """Set budget, stopping rules and numbers.

    Raises:
        pydantic.ValidationError: for settings that are not allowed.
    """
    for name, model in (("budget", Budget), ("rules", StoppingRules), ("neighbourhoods", Neighbourhoods)):
        builder[name] = orm.Dict(model.model_validate(settings[name]).model_dump(mode="json"))
    if settings["warm_start"] is not None:
        builder.warm_start = orm.Dict(FineTuning.model_validate(settings["warm_start"]).model_dump(mode="json"))
    for name in ("max_concurrent", "max_label_attempts"):
        builder[name] = orm.Int(settings[name])


def set_labels(builder: Any, settings: dict[str, Any], **given: Any) -> None:
    """Set the inputs of the labels: single points at the geometry that is asked about."""
    builder.label = inputs_of(LabelWorkChain, task="scf", overrides=settings["label"], **given)


def set_runners(
    builder: Any,
    settings: dict[str, Any],
    protocol: str,
    code: orm.AbstractCode,
    options: Mapping[str, dict[str, Any] | None],
    start: Mapping[str, Any],
) -> None:
    """Set codes, settings and scheduler options of exploration with selection, training and evaluation.

    Raises:
        InputError: for an unknown setting of the training.
        pydantic.ValidationError: for settings that are not allowed.
    """
    selecting = SelectSettings.model_validate(settings["select"])
    ExplorationSettings.model_validate(settings["explore"])  # before anything is laid under what is given
    # No further than what is selected from: frames beyond the ceiling of the band are never labelled.
    stopping = {"force_spread": selecting.selection.band.ceiling, **settings["explore"].get("limits", {})}
    exploring = job_options(options.get("exploration"))
    training = job_options(options.get("training"))
    builder.explore.job.code = code
    builder.explore.job.settings = orm.Dict(
        ExplorationSettings.model_validate({**settings["explore"], "limits": stopping}).model_dump(mode="json")
    )
    builder.explore.job.metadata.options = exploring
    builder.selection = orm.Dict(selecting.model_dump(mode="json"))
    builder.train = inputs_of(
        TrainWorkChain,
        code,
        protocol=protocol,
        overrides=merged(settings["committee"], {"settings": settings["training"]}),
        options=options.get("training"),
        **start,
    )
    builder.evaluate.job.code = code
    builder.evaluate.job.metadata.options = training
    for part in ("explore", "evaluate"):
        builder[part].max_iterations = orm.Int(settings["max_restarts"] + 1)
