"""The inputs of a campaign's training, evaluation and search, from the settings of a protocol."""

from __future__ import annotations

from typing import Any

from aiida import orm

from aiida_redoxmlp.engines.settings import TrainingSettings
from aiida_redoxmlp.workchains.protocols import merged

__all__ = ("set_runners",)


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
