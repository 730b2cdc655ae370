"""Provenance-tracked steps between datasets: joining and splitting."""

from __future__ import annotations

from aiida import orm
from aiida.engine import calcfunction

from aiida_redoxmlp.data.dataset import DatasetData
from aiida_redoxmlp.dataset.dataset import Dataset
from aiida_redoxmlp.dataset.split import split_tail
from aiida_redoxmlp.dataset.subsampling import decorrelated

__all__ = ("merge_datasets", "split_dataset", "subsample_dataset")


@calcfunction
def merge_datasets(**datasets: DatasetData) -> DatasetData:
    """Join datasets in the order of their labels; frames of the same content are kept once."""
    frames = [frame for label in sorted(datasets) for frame in datasets[label].frames]
    return DatasetData.from_frames(Dataset(frames).deduplicated().frames)


@calcfunction
def split_dataset(dataset: DatasetData, test_fraction: orm.Float) -> dict[str, DatasetData]:
    """Hold out the last share of every trajectory: outputs ``training`` and ``test``."""
    training, test = split_tail(dataset.frames, test_fraction.value)
    return {"training": DatasetData.from_frames(training), "test": DatasetData.from_frames(test)}


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
