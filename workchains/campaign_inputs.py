"""The inputs of a campaign's training and evaluation, from the settings of a protocol."""

from __future__ import annotations

from typing import Any

from aiida import orm

from aiida_redoxmlp.data.model import ModelData
from aiida_redoxmlp.workchains.job_options import job_options
from aiida_redoxmlp.workchains.part_inputs import inputs_of
from aiida_redoxmlp.workchains.protocols import merged
from aiida_redoxmlp.workchains.train import TrainWorkChain

__all__ = ("set_runners",)


def set_runners(
    builder: Any,
    settings: dict[str, Any],
    protocol: str,
    runner_code: orm.AbstractCode,
    options: dict[str, Any] | None,
    start: dict[str, Any],
) -> None:
    """Set codes, settings and scheduler options of training and evaluation.

    The baseline starts from the foundation model as well, unless that embeds oxidation states: then it starts from
    random weights.
    """
    foundation = start["foundation"]
    anew = isinstance(foundation, ModelData) and foundation.embeds_states
    blind = {"encoding": "none", **({"fine_tuning": None} if anew else {})}
    for namespace, changes, nodes in (("train", {}, start), ("baseline", blind, {} if anew else start)):
        builder[namespace] = inputs_of(
            TrainWorkChain,
            runner_code,
            protocol=protocol,
            overrides=merged(settings["committee"], {"settings": {**settings["training"], **changes}}),
            options=options,
            **nodes,
        )
    builder.evaluate.job.code = runner_code
    builder.evaluate.job.metadata.options = job_options(options)
