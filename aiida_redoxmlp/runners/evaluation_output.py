"""From predictions and labels to the typed output of an evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from aiida_redoxmlp.dataset.calibration import calibrate
from aiida_redoxmlp.dataset.errors import by_label, mean_absolute, root_mean_square
from aiida_redoxmlp.dataset.strata import pattern_names
from aiida_redoxmlp.engines.contract import CommitteePotential
from aiida_redoxmlp.runners.evaluation import AtomTable, Evaluation
from aiida_redoxmlp.runners.jobs import (
    CalibrationOutput,
    EvaluateOutput,
    FrameEvaluation,
    PatternError,
    SpeciesError,
)

__all__ = ("output_of",)


def output_of(
    potential: CommitteePotential, evaluation: Evaluation, atoms: AtomTable, warnings: Sequence[str]
) -> EvaluateOutput:
    """Return errors, calibration and pattern recovery over the frames that can be judged by, and every prediction."""
    judged = evaluation.judged
    judged_atoms = judged[atoms.frame]
    energies = evaluation.energy_errors[judged]
    forces = (atoms.mlp - atoms.dft)[judged_atoms]
    stresses = _known(evaluation.stress_errors[judged])
    return EvaluateOutput(
        encoding=potential.encoding.name,
        n_members=potential.n_members,
        energy_mae_ev_per_atom=mean_absolute(energies),
        energy_rmse_ev_per_atom=root_mean_square(energies),
        force_mae_ev_per_angstrom=mean_absolute(forces),
        force_rmse_ev_per_angstrom=root_mean_square(forces),
        n_stress_frames=len(stresses),
        stress_mae_ev_per_angstrom3=mean_absolute(stresses) if len(stresses) else None,
        stress_rmse_ev_per_angstrom3=root_mean_square(stresses) if len(stresses) else None,
        per_species=_per_species(atoms.species[judged_atoms], forces),
        per_pattern=_per_pattern(evaluation, atoms),
        frames=_frames(evaluation),
        **_recovery(evaluation),
        energy_calibration=_calibration(energies, evaluation.energy_spreads[judged]),
        force_calibration=_calibration(forces, atoms.mlp_std[judged_atoms]),
        warnings=[*_label_warnings(evaluation), *warnings],
    )


def _known(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows without the ones that hold no number."""
    return rows[~np.isnan(rows).any(axis=1)]


def _recovery(evaluation: Evaluation) -> dict[str, float | int | None]:
    asked = evaluation.judged & ~np.isnan(evaluation.recovered)
    counts = [one.n_patterns for one, wanted in zip(evaluation.rankings, asked, strict=True) if wanted and one]
    return {
        "pattern_recovery": float(evaluation.recovered[asked].mean()) if counts else None,
        "n_recovery_frames": len(counts),
        "chance_recovery": float(np.mean(1 / np.array(counts))) if counts else None,
    }


def _calibration(errors: NDArray[np.float64], spreads: NDArray[np.float64]) -> CalibrationOutput | None:
    found = calibrate(errors, spreads)
    return None if found is None else CalibrationOutput.model_validate(asdict(found))


def _label_warnings(evaluation: Evaluation) -> list[str]:
    if all(frame.ambiguous for frame in evaluation.frames):
        return ["All frames are ambiguous, so the errors are those on labels in doubt; give frames that close."]
    return []


def _per_species(labels: NDArray[np.str_], force_errors: NDArray[np.float64]) -> list[SpeciesError]:
    return [
        SpeciesError(
            species=label,
            n_atoms=len(errors),
            force_mae_ev_per_angstrom=mean_absolute(errors),
            force_rmse_ev_per_angstrom=root_mean_square(errors),
        )
        for label, errors in by_label(labels, force_errors).items()
    ]


def _per_pattern(evaluation: Evaluation, atoms: AtomTable) -> list[PatternError]:
    names = np.array(pattern_names(evaluation.frames))
    force_errors = atoms.mlp - atoms.dft
    table = []
    for name in sorted(set(names[evaluation.judged].tolist())):
        chosen = evaluation.judged & (names == name)
        energies, forces = evaluation.energy_errors[chosen], force_errors[chosen[atoms.frame]]
        stresses = _known(evaluation.stress_errors[chosen])
        recovered = evaluation.recovered[chosen]
        recovered = recovered[~np.isnan(recovered)]
        table.append(
            PatternError(
                pattern=name,
                n_frames=int(chosen.sum()),
                energy_mae_ev_per_atom=mean_absolute(energies),
                energy_rmse_ev_per_atom=root_mean_square(energies),
                force_mae_ev_per_angstrom=mean_absolute(forces),
                force_rmse_ev_per_angstrom=root_mean_square(forces),
                stress_mae_ev_per_angstrom3=mean_absolute(stresses) if len(stresses) else None,
                stress_rmse_ev_per_angstrom3=root_mean_square(stresses) if len(stresses) else None,
                pattern_recovery=float(recovered.mean()) if len(recovered) else None,
            )
        )
    return table


def _frames(evaluation: Evaluation) -> list[FrameEvaluation]:
    rows = zip(evaluation.frames, evaluation.results, evaluation.rankings, evaluation.stress_errors, strict=True)
    return [
        FrameEvaluation(
            group=frame.group,
            step=frame.step,
            source=frame.source,
            pattern=list(frame.pattern.states),
            ambiguous=frame.ambiguous,
            energy_dft_ev=frame.energy,
            energy_mlp_ev=result.energy,
            energy_mlp_std_ev=result.energy_std,
            force_mae_ev_per_angstrom=mean_absolute(result.mean_forces - frame.forces),
            max_force_std_ev_per_angstrom=float(np.linalg.norm(result.forces.std(axis=0), axis=1).max()),
            stress_mae_ev_per_angstrom3=None if np.isnan(stress).any() else mean_absolute(stress),
            n_patterns=None if ranking is None else ranking.n_patterns,
            lowest_pattern=None if ranking is None or ranking.lowest is None else list(ranking.lowest.states),
            pattern_margin_ev=None if ranking is None else ranking.margin,
        )
        for frame, result, ranking, stress in rows
    ]
