"""The inputs of a campaign's parts, from the settings of a protocol."""

from __future__ import annotations

from typing import Any

from aiida import orm

from aiida_redoxmlp.engines.settings import TrainingSettings
from aiida_redoxmlp.workchains.protocols import merged
from aiida_redoxmlp.workchains.trajectory_ports import PROVIDED_BY_CALLER

__all__ = ("inputs_of", "set_runners")


def inputs_of(work_chain: Any, *arguments: Any, **settings: Any) -> dict[str, Any]:
    """Return the inputs of a part from its protocol, without those that the campaign fills in.

    Args:
        work_chain: class of the part.
        arguments: passed to its ``get_builder_from_protocol``.
        settings: the same.
    """
    builder = work_chain.get_builder_from_protocol(*arguments, **settings)
    inputs = builder._inputs(prune=True)  # noqa: SLF001 - a builder has no public way to hand its inputs on
    return {key: value for key, value in inputs.items() if key not in (*PROVIDED_BY_CALLER, "metadata")}


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
