"""From a validated training configuration to AiiDA nodes."""

from __future__ import annotations

from typing import cast

from aiida.engine import ProcessBuilder

from aiida_redoxmlp.cli.checks import check_resources
from aiida_redoxmlp.cli.foundation_inputs import find_dataset, foundation_inputs
from aiida_redoxmlp.cli.inputs import built, load_code
from aiida_redoxmlp.cli.train_config import TrainRunConfig
from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.workchains.train import TrainWorkChain

__all__ = ("train_builder",)

_FEWEST_FRAMES = 2


def train_builder(config: TrainRunConfig) -> ProcessBuilder:
    """Return the builder of a committee's training.

    Raises:
        InputError: one sentence on the first thing that cannot work.
        OutputFormatError: if the dataset file is damaged.
    """
    code = load_code(config.codes.redoxmlp)
    check_resources(code, config.resources.training, "resources.training")
    builder = built(
        TrainWorkChain,
        config.material,
        source="settings",
        code=code,
        dataset=find_dataset(config.dataset, "dataset"),
        **foundation_inputs(config.foundation),
        protocol=config.protocol,
        overrides=config.laid_over(),
        options=config.resources.training.options(),
    )
    dataset, include_ambiguous = builder.job.dataset, builder.job.include_ambiguous.value
    trusted = dataset.n_frames - (0 if include_ambiguous else dataset.n_ambiguous)
    if trusted < _FEWEST_FRAMES:
        raise InputError(
            f"{config.dataset} has {dataset.n_frames} frames of which {trusted} can be trusted, and training needs "
            f"{_FEWEST_FRAMES} or more; add labels or set overrides.include_ambiguous."
        )
    return cast("ProcessBuilder", builder)
