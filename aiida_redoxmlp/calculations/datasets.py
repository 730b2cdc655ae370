"""Provenance-tracked steps between datasets: joining and splitting."""

from __future__ import annotations

from typing import Any

from aiida import orm
from aiida.engine import calcfunction

from aiida_redoxmlp.data.dataset import DatasetData
from aiida_redoxmlp.dataset.dataset import Dataset
from aiida_redoxmlp.dataset.split import split_by_trajectory
from aiida_redoxmlp.dataset.subsampling import decorrelated

__all__ = ("merge_datasets", "split_dataset", "subsample_dataset")


@calcfunction
def merge_datasets(**datasets: DatasetData) -> DatasetData:
    """Join datasets in the order of their labels; frames of the same content are kept once."""
    frames = [frame for label in sorted(datasets) for frame in datasets[label].frames]
    return DatasetData.from_frames(Dataset(frames).deduplicated().frames)


@calcfunction
def split_dataset(dataset: DatasetData, test_fraction: orm.Float, seed: orm.Int | None = None) -> dict[str, Any]:
    """Hold out whole trajectories so that every pattern is trained on and tested, as far as that is possible.

    Args:
        dataset: the frames to split; those that would tell what is tested are on neither side.
        test_fraction: share to hold out of every pattern.
        seed: decides between trajectories that are equally good; 0 if not given.

    Returns:
        ``training``, ``test`` and ``summary``, that of
        :func:`~aiida_redoxmlp.dataset.split.split_by_trajectory`.
    """
    split = split_by_trajectory(dataset.frames, test_fraction.value, 0 if seed is None else seed.value)
    return {
        "training": DatasetData.from_frames(split.training),
        "test": DatasetData.from_frames(split.test),
        "summary": orm.Dict(split.summary),
    }


@calcfunction
def subsample_dataset(dataset: DatasetData, settings: orm.Dict, **relaxations: DatasetData) -> dict[str, orm.Data]:
    """Keep frames that are independent of each other, of every pattern.

    Args:
        dataset: frames of trajectories.
        settings: arguments of :func:`~aiida_redoxmlp.dataset.subsampling.decorrelated`.
        relaxations: frames of those trajectories that are relaxations.

    Returns:
        ``dataset`` and ``summary``.
    """
    whole = Dataset(dataset.frames)
    relaxed = {frame.group for node in relaxations.values() for frame in node.frames} & set(whole.groups)
    kept, summary = decorrelated(whole, relaxations=relaxed, **settings.get_dict())
    return {"dataset": DatasetData.from_frames(kept.frames), "summary": orm.Dict(summary)}
