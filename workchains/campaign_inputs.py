"""The inputs of a campaign's parts, from the settings of a protocol."""

from __future__ import annotations

from typing import Any

from aiida import orm
from aiida_quantumespresso.data.hubbard_structure import HubbardStructureData

from aiida_redoxmlp.engines.settings import TrainingSettings
from aiida_redoxmlp.workchains.hubbard import HubbardWorkChain
from aiida_redoxmlp.workchains.label import LabelWorkChain
from aiida_redoxmlp.workchains.protocols import merged

__all__ = ("PROVIDED_BY_CAMPAIGN", "hubbard_inputs", "label_inputs", "set_runners")

PROVIDED_BY_CAMPAIGN = ("structure", "pattern", "redox")
"""Inputs of a label that the campaign fills in itself."""


def label_inputs(pw_code: orm.AbstractCode, structure: HubbardStructureData, **settings: Any) -> dict[str, Any]:
    """Return the inputs of a label from its protocol, without those that the campaign fills in.

    Args:
        pw_code: a pw.x code.
        structure: parent structure.
        settings: passed to :meth:`LabelWorkChain.get_builder_from_protocol`.
    """
    builder = LabelWorkChain.get_builder_from_protocol(pw_code, structure, **settings)
    inputs = builder._inputs(prune=True)  # noqa: SLF001 - a builder has no public way to hand its inputs on
    return {key: value for key, value in inputs.items() if key not in PROVIDED_BY_CAMPAIGN}


def hubbard_inputs(
    pw_code: orm.AbstractCode, hp_code: orm.AbstractCode, structure: HubbardStructureData, **settings: Any
) -> dict[str, Any]:
    """Return the inputs of self-consistent U and V from their protocol, without those that the campaign fills in.

    Args:
        pw_code: a pw.x code.
        hp_code: an hp.x code on the same computer.
        structure: parent structure.
        settings: passed to :meth:`HubbardWorkChain.get_builder_from_protocol`.
    """
    builder = HubbardWorkChain.get_builder_from_protocol(
        pw_code=pw_code, hp_code=hp_code, structure=structure, **settings
    )
    inputs = builder._inputs(prune=True)  # noqa: SLF001 - a builder has no public way to hand its inputs on
    return {key: value for key, value in inputs.items() if key not in (*PROVIDED_BY_CAMPAIGN, "metadata")}


def set_runners(
    builder: Any,
    settings: dict[str, Any],
    runner_code: orm.AbstractCode,
    options: dict[str, Any] | None,
) -> None:
    """Set codes, settings and scheduler options of training, evaluation and search."""
    training = TrainingSettings.model_validate(settings["training"])
    one_process = {"resources": {"num_machines": 1, "num_mpiprocs_per_machine": 1}}
    for namespace in ("train", "baseline", "evaluate", "search"):
        builder[namespace].code = runner_code
        builder[namespace].metadata.options = merged(one_process, options or {})
    builder.train.settings = orm.Dict(training.model_dump(mode="json"))
    builder.baseline.settings = orm.Dict(training.model_copy(update={"encoding": "none"}).model_dump(mode="json"))
    builder.search.settings = orm.Dict(settings["search"])
