"""``redoxmlp-run train``: train a committee on the trusted frames of a dataset."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from aiida_redoxmlp.dataset.dataset import Dataset
from aiida_redoxmlp.dataset.file import read_dataset
from aiida_redoxmlp.dataset.frame import Frame
from aiida_redoxmlp.dataset.label_checks import check_labels, warn_of_labels
from aiida_redoxmlp.dataset.split import split_tail
from aiida_redoxmlp.engines.fine_tuning import require_consistent_start
from aiida_redoxmlp.engines.registry import get_engine
from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.runners.held_out import HeldOutPredictions
from aiida_redoxmlp.runners.job_files import read_job, write_output
from aiida_redoxmlp.runners.jobs import CHECKPOINT_FOLDER, MODEL_FOLDER, VALIDATION_FILE, TrainJob, TrainOutput
from aiida_redoxmlp.runners.progress import ProgressLog

__all__ = ("run",)


def run(folder: Path) -> None:
    """Run the training job in a folder.

    Reads ``input.json`` and the dataset, holds out the tail of every trajectory for early stopping, and writes
    ``progress.jsonl`` (a line an epoch and member), ``checkpoints``, ``model``, ``validation.npz`` (the predictions for
    what was held out) and ``output.json``.

    Raises:
        InputError: if an input is missing or holds what is not allowed, labels are missing or mixed, or fewer than two
            frames can be trusted.
        ClosureError: if the states of a frame that is not ambiguous do not close its charge.
        OutputFormatError: if the dataset file is damaged.
        TrainingDivergedError: if a loss stops being a number.
        TrainingInterruptedError: if a signal told the training to stop.
        OutOfMemoryError: if one frame alone does not fit in memory.
        NoGpuError: if a GPU is asked for where none is.
    """
    log = ProgressLog(folder, "train")
    job = read_job(folder, TrainJob)
    require_consistent_start(job.settings.fine_tuning, _kind_of_start(folder, job), replay=job.replay is not None)
    frames = read_dataset(folder / job.dataset)
    check_labels(frames, job.dataset)
    trusted = Dataset(frames).trusted(include_ambiguous=job.include_ambiguous)
    training, validation = split_tail(trusted.frames, job.validation_fraction)
    if not validation:
        raise InputError(
            f"{job.dataset} has {len(frames)} frames of which {len(trusted)} can be trusted, and training needs two or "
            "more; add labels or set include_ambiguous."
        )
    replay = _replay_frames(folder, job)
    engine = get_engine(job.settings.engine)
    log.write(
        {
            "event": "started",
            "n_training_frames": len(training),
            "n_validation_frames": len(validation),
            "n_members": len(job.settings.seeds),
            "seeds": list(job.settings.seeds),
            "max_epochs": job.settings.max_epochs,
        }
    )
    result = engine.train(
        training,
        validation,
        job.settings,
        checkpoint_folder=folder / CHECKPOINT_FOLDER,
        on_epoch=log.write,
        on_event=log.write,
        foundation=None if job.foundation is None else folder / job.foundation,
        replay=replay,
    )
    model_folder = folder / MODEL_FOLDER
    if model_folder.exists():
        shutil.rmtree(model_folder)  # left by a run of this job that was killed while it saved
    result.potential.save(model_folder)
    predictions = HeldOutPredictions.of(result.potential, validation)
    predictions.write(folder / VALIDATION_FILE)
    energy_mae, force_mae = predictions.energy_mae, predictions.force_mae
    output = TrainOutput(
        engine=engine.name,
        encoding=result.potential.encoding.name,
        species=[species.label for species in trusted.species],
        seeds=list(job.settings.seeds),
        best_epochs=result.best_epochs,
        n_training_frames=len(training),
        n_validation_frames=len(validation),
        energy_mae_ev_per_atom=energy_mae,
        force_mae_ev_per_angstrom=force_mae,
        wall_time_s=log.elapsed,
        device=result.potential.device,
        versions=_versions(engine.packages),
        n_replay_frames=len(replay),
        warnings=warn_of_labels(trusted.frames),
    )
    write_output(folder, output)
    log.write({"event": "finished", "energy_mae_ev_per_atom": energy_mae, "force_mae_ev_per_angstrom": force_mae})


def _kind_of_start(folder: Path, job: TrainJob) -> Literal["stored", "file"] | None:
    """Tell what the job starts from.

    Raises:
        InputError: if it is not there.
    """
    if job.foundation is None:
        return None
    path = folder / job.foundation
    if not path.exists():
        raise InputError(f"The job's folder has no {job.foundation!r} to start from; add the foundation model.")
    return "stored" if path.is_dir() else "file"


def _replay_frames(folder: Path, job: TrainJob) -> tuple[Frame, ...]:
    """Read the frames to replay, those that can be trusted.

    Raises:
        InputError: if there are none, or their labels are missing or mixed.
    """
    if job.replay is None:
        return ()
    frames = read_dataset(folder / job.replay)
    check_labels(frames, job.replay)
    trusted = Dataset(frames).trusted(include_ambiguous=job.include_ambiguous).frames
    if not trusted:
        raise InputError(f"{job.replay} has {len(frames)} frames of which none can be trusted; give others to replay.")
    return trusted


def _versions(packages: Sequence[str]) -> dict[str, str]:
    names = ("aiida-redoxmlp", "numpy", *packages)
    return {"python": platform.python_version(), **{name: version(name) for name in names}}
