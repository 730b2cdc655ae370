"""``redoxmlp-run evaluate``: compare a committee with the labels of a dataset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase.data import chemical_symbols
from numpy.typing import NDArray

from aiida_redoxmlp.dataset.file import read_dataset
from aiida_redoxmlp.dataset.frame import Frame
from aiida_redoxmlp.engines.contract import CommitteeEvaluation
from aiida_redoxmlp.engines.registry import load_potential
from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.redox.configuration import Configuration
from aiida_redoxmlp.redox.enumeration import charge_balanced_patterns
from aiida_redoxmlp.redox.pattern import Pattern
from aiida_redoxmlp.redox.species import Species
from aiida_redoxmlp.runners.job_files import read_job, write_output
from aiida_redoxmlp.runners.jobs import EvaluateJob, EvaluateOutput, FrameEvaluation, SpeciesError
from aiida_redoxmlp.runners.progress import ProgressLog

__all__ = ("FORCES_FILE", "MAX_PATTERNS_PER_FRAME", "SAME_ENERGY", "run")

FORCES_FILE = "forces.npz"
MAX_PATTERNS_PER_FRAME = 64
SAME_ENERGY = 1e-5
"""Patterns closer than this (eV) have the same energy: the potential does not tell them apart."""


@dataclass(frozen=True, eq=False)
class _AtomTable:
    """Forces of all atoms of all frames, one after the other.

    Attributes:
        dft: eV/Å, shape (n_atoms_total, 3).
        mlp: committee mean, eV/Å, shape (n_atoms_total, 3).
        mlp_std: the committee's standard deviation a component, eV/Å, shape (n_atoms_total, 3).
        species: label of each atom's species, shape (n_atoms_total,).
        frame: index of each atom's frame, shape (n_atoms_total,).
        ambiguous: whether that frame is ambiguous, shape (n_atoms_total,).
    """

    dft: NDArray[np.float64]
    mlp: NDArray[np.float64]
    mlp_std: NDArray[np.float64]
    species: NDArray[np.str_]
    frame: NDArray[np.int64]
    ambiguous: NDArray[np.bool_]


def run(folder: Path) -> None:
    """Run the evaluation job in a folder.

    Errors are taken over the frames whose labels can be trusted (over all where none can); predictions are
    listed for every frame. Writes ``output.json`` and ``forces.npz`` with the arrays ``dft``, ``mlp``, ``mlp_std``
    (eV/Å, shape (n_atoms_total, 3)), ``species`` (labels), ``frame`` (indices) and ``ambiguous``, one row an atom.

    Raises:
        InputError: if an input is missing or holds what is not allowed, or a frame has too many patterns.
        ModelIntegrityError: if the model's files do not match their hashes.
        OutputFormatError: if the dataset file is damaged.
    """
    log = ProgressLog(folder, "evaluate")
    job = read_job(folder, EvaluateJob)
    frames = read_dataset(folder / job.dataset)
    if not frames:
        raise InputError(f"{job.dataset} has no frames; give a dataset to compare with.")
    patterns = [_patterns(frame, job.allowed_states) for frame in frames]
    potential = load_potential(folder / job.model, job.device)
    n_configurations = len(frames) + sum(map(len, patterns))
    log.write({"event": "started", "n_frames": len(frames), "n_configurations": n_configurations})
    results = potential.evaluate(
        [
            *(frame.configuration for frame in frames),
            *(_with_pattern(frame, one) for frame, some in zip(frames, patterns, strict=True) for one in some),
        ]
    )
    own, others = results[: len(frames)], iter(results[len(frames) :])
    lowest = [_lowest(some, [next(others).energy for _ in some]) for some in patterns]
    atoms = _atom_table(frames, own)
    np.savez_compressed(folder / FORCES_FILE, **vars(atoms))
    output = _output(potential.encoding.name, frames, own, lowest, atoms, recovery=bool(job.allowed_states))
    write_output(folder, output)
    log.write({"event": "finished", "force_mae_ev_per_angstrom": output.force_mae_ev_per_angstrom})


def _patterns(frame: Frame, allowed_states: Mapping[str, Sequence[int]]) -> list[Pattern]:
    """Every pattern of a frame's redox sites with the charge of the one DFT found; none if not asked for."""
    if not allowed_states or not frame.redox_sites:
        return []
    symbols = [chemical_symbols[number] for number in frame.configuration.numbers]
    present = {symbols[site] for site in frame.redox_sites}
    return list(
        charge_balanced_patterns(
            symbols,
            frame.redox_sites,
            {element: states for element, states in allowed_states.items() if element in present},
            frame.pattern.charge,
            max_patterns=MAX_PATTERNS_PER_FRAME,
        )
    )


def _with_pattern(frame: Frame, pattern: Pattern) -> Configuration:
    configuration = frame.configuration
    return Configuration(
        configuration.numbers,
        configuration.positions,
        configuration.cell,
        pattern.written_on(configuration.oxidation_states),
    )


def _lowest(patterns: Sequence[Pattern], energies: Sequence[float]) -> Pattern | None:
    """Return the pattern of lowest energy, or None where the potential does not single one out."""
    order = np.argsort(energies)
    if len(order) == 0 or (len(order) > 1 and energies[order[1]] - energies[order[0]] < SAME_ENERGY):
        return None
    return patterns[int(order[0])]


def _atom_table(frames: Sequence[Frame], results: Sequence[CommitteeEvaluation]) -> _AtomTable:
    sizes = [len(frame.configuration) for frame in frames]
    labels = [
        Species(chemical_symbols[number], int(state)).label
        for frame in frames
        for number, state in zip(frame.configuration.numbers, frame.configuration.oxidation_states, strict=True)
    ]
    return _AtomTable(
        dft=np.concatenate([frame.forces for frame in frames]),
        mlp=np.concatenate([result.mean_forces for result in results]),
        mlp_std=np.concatenate([result.forces.std(axis=0) for result in results]),
        species=np.array(labels),
        frame=np.repeat(np.arange(len(frames)), sizes),
        ambiguous=np.repeat([frame.ambiguous for frame in frames], sizes),
    )


def _output(
    encoding: str,
    frames: Sequence[Frame],
    results: Sequence[CommitteeEvaluation],
    lowest: Sequence[Pattern | None],
    atoms: _AtomTable,
    *,
    recovery: bool,
) -> EvaluateOutput:
    ambiguous = np.array([frame.ambiguous for frame in frames])
    judged = np.ones(len(frames), dtype=bool) if ambiguous.all() else ~ambiguous
    judged_atoms = judged[atoms.frame]
    energy_errors = np.array(
        [
            (result.energy - frame.energy) / len(frame.configuration)
            for frame, result in zip(frames, results, strict=True)
        ]
    )[judged]
    force_errors = (atoms.mlp - atoms.dft)[judged_atoms]
    found = [
        pattern == frame.pattern
        for frame, pattern, counts in zip(frames, lowest, judged, strict=True)
        if counts and frame.redox_sites
    ]
    return EvaluateOutput(
        encoding=encoding,
        energy_mae_ev_per_atom=_mean_absolute(energy_errors),
        energy_rmse_ev_per_atom=_root_mean_square(energy_errors),
        force_mae_ev_per_angstrom=_mean_absolute(force_errors),
        force_rmse_ev_per_angstrom=_root_mean_square(force_errors),
        per_species=_per_species(atoms.species[judged_atoms], force_errors),
        frames=[_frame_evaluation(*row) for row in zip(frames, results, lowest, strict=True)],
        pattern_recovery=float(np.mean(found)) if recovery and found else None,
    )


def _per_species(labels: NDArray[np.str_], force_errors: NDArray[np.float64]) -> list[SpeciesError]:
    table = []
    for label in sorted(set(labels.tolist())):
        errors = force_errors[labels == label]
        table.append(
            SpeciesError(
                species=label,
                n_atoms=len(errors),
                force_mae_ev_per_angstrom=_mean_absolute(errors),
                force_rmse_ev_per_angstrom=_root_mean_square(errors),
            )
        )
    return table


def _frame_evaluation(frame: Frame, result: CommitteeEvaluation, lowest: Pattern | None) -> FrameEvaluation:
    return FrameEvaluation(
        group=frame.group,
        step=frame.step,
        source=frame.source,
        pattern=list(frame.pattern.states),
        ambiguous=frame.ambiguous,
        energy_dft_ev=frame.energy,
        energy_mlp_ev=result.energy,
        energy_mlp_std_ev=result.energy_std,
        force_mae_ev_per_angstrom=_mean_absolute(result.mean_forces - frame.forces),
        max_force_std_ev_per_angstrom=float(np.linalg.norm(result.forces.std(axis=0), axis=1).max()),
        lowest_pattern=None if lowest is None else list(lowest.states),
    )


def _mean_absolute(errors: NDArray[np.float64]) -> float:
    return float(np.abs(errors).mean())


def _root_mean_square(errors: NDArray[np.float64]) -> float:
    return float(np.sqrt((errors**2).mean()))
