"""``redoxmlp-run evaluate``: compare a committee with the labels of a dataset."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from aiida_redoxmlp.dataset.file import read_dataset
from aiida_redoxmlp.dataset.frame import Frame
from aiida_redoxmlp.dataset.label_checks import check_labels
from aiida_redoxmlp.engines.registry import load_potential
from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.runners.evaluation import AtomTable, Evaluation
from aiida_redoxmlp.runners.evaluation_output import output_of
from aiida_redoxmlp.runners.job_files import read_job, write_output
from aiida_redoxmlp.runners.jobs import EvaluateJob
from aiida_redoxmlp.runners.pattern_recovery import Candidates, candidates_of, rank_patterns, recovery_warnings
from aiida_redoxmlp.runners.progress import ProgressLog

__all__ = ("FORCES_FILE", "run")

FORCES_FILE = "forces.npz"


def run(folder: Path) -> None:
    """Run the evaluation job in a folder.

    Errors are taken over the frames whose labels can be trusted (over all where none can); predictions are
    listed for every frame. Writes ``output.json`` and ``forces.npz`` with the arrays ``dft``, ``mlp``, ``mlp_std``
    (eV/Å, shape (n_atoms_total, 3)), ``species`` (labels), ``frame`` (indices) and ``ambiguous``, one row an atom.

    Raises:
        InputError: if an input is missing or holds what is not allowed, or labels are missing or mixed.
        ClosureError: if the states of a frame, or those allowed, do not close its charge.
        ModelIntegrityError: if the model's files do not match their hashes.
        OutputFormatError: if the dataset file is damaged.
    """
    log = ProgressLog(folder, "evaluate")
    job = read_job(folder, EvaluateJob)
    frames = read_dataset(folder / job.dataset)
    if not frames:
        raise InputError(f"{job.dataset} has no frames; give a dataset to compare with.")
    check_labels(frames, job.dataset)
    candidates = _candidates(frames, job)
    potential = load_potential(folder / job.model, job.device)
    n_candidates = sum(len(some.patterns) for some in candidates if some is not None)
    log.write({"event": "started", "n_frames": len(frames), "n_configurations": len(frames) + n_candidates})
    stress = any(frame.stress is not None for frame in frames)
    results = potential.evaluate([frame.configuration for frame in frames], stress=stress)
    evaluation = Evaluation(frames, results, rank_patterns(potential, frames, candidates))
    atoms = AtomTable.of(frames, results)
    np.savez_compressed(folder / FORCES_FILE, **vars(atoms))
    warnings = recovery_warnings(frames, candidates, job.max_patterns) if job.allowed_states else []
    output = output_of(potential, evaluation, atoms, warnings)
    write_output(folder, output)
    log.write({"event": "finished", "force_mae_ev_per_angstrom": output.force_mae_ev_per_angstrom})


def _candidates(frames: Sequence[Frame], job: EvaluateJob) -> list[Candidates | None]:
    if not job.allowed_states:
        return [None] * len(frames)
    return [candidates_of(frame, job.allowed_states, job.max_patterns) for frame in frames]
