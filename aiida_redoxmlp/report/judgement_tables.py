"""The tables that judge the potentials on held-out frames: errors, patterns, calibration."""

from __future__ import annotations

from collections.abc import Iterator

from aiida_redoxmlp.report.summary_schema import CampaignSummary, CommitteeErrors
from aiida_redoxmlp.report.tables import NONE, Column, Row, Table, number

__all__ = ("calibration_table", "error_table", "pattern_error_table")

_COMMITTEES = {"redox_aware": "redox-aware", "baseline": "redox-unaware"}


def error_table(summary: CampaignSummary) -> Table:
    """Return errors of energies, forces and stresses, of all atoms and by species."""
    rows = []
    for name, found in _evaluated(summary):
        energies = (_milli(found.energy_mae_ev_per_atom), _milli(found.energy_rmse_ev_per_atom))
        forces = (_milli(found.force_mae_ev_per_angstrom), _milli(found.force_rmse_ev_per_angstrom))
        stresses = (_milli(found.stress_mae_ev_per_angstrom3), _milli(found.stress_rmse_ev_per_angstrom3))
        rows.append(Row((name, "all atoms", NONE, *energies, *forces, *stresses, found.evaluation_uuid), "ground"))
        for one in found.per_species:
            own = (_milli(one.force_mae_ev_per_angstrom), _milli(one.force_rmse_ev_per_angstrom))
            rows.append(Row((name, one.species, str(one.n_atoms), NONE, NONE, *own, NONE, NONE, "")))
    return Table(
        "errors-table",
        "Errors on held-out frames",
        "Energies in meV per atom, forces in meV/Å, stresses in meV/Å³ (1 meV/Å³ is 0.16 GPa); MAE: mean absolute, "
        "RMSE: root mean square error.",
        (
            Column("potential"),
            Column("atoms"),
            Column("number", numeric=True),
            Column("energy MAE", numeric=True),
            Column("energy RMSE", numeric=True),
            Column("force MAE", numeric=True),
            Column("force RMSE", numeric=True),
            Column("stress MAE", numeric=True),
            Column("stress RMSE", numeric=True),
            Column("evaluation", code=True),
        ),
        tuple(rows),
    )


def pattern_error_table(summary: CampaignSummary) -> Table:
    """Return errors and recovery by redox pattern, a row for all patterns first."""
    rows = []
    for name, found in _evaluated(summary):
        if not found.per_pattern:
            continue
        whole = (_milli(found.energy_mae_ev_per_atom), _milli(found.force_mae_ev_per_angstrom))
        rows.append(Row((name, "all", str(found.n_frames), *whole, _share(found.pattern_recovery)), "ground"))
        for one in found.per_pattern:
            own = (_milli(one.energy_mae_ev_per_atom), _milli(one.force_mae_ev_per_angstrom))
            rows.append(Row((name, one.pattern, str(one.n_frames), *own, _share(one.pattern_recovery))))
    chance = next(
        (found.chance_recovery for _, found in _evaluated(summary) if found.chance_recovery is not None), None
    )
    guess = "" if chance is None else f" Guessing would give {_share(chance)}."
    return Table(
        "pattern-errors-table",
        "Errors and recovery by pattern",
        "Mean absolute errors, energies in meV per atom, forces in meV/Å; recovery: share of the frames for which the "
        "potential's lowest pattern, of all that close the charge of that geometry, is the one DFT found."
        f"{guess} A potential that gives all patterns one energy recovers none.",
        (
            Column("potential"),
            Column("pattern"),
            Column("frames", numeric=True),
            Column("energy MAE", numeric=True),
            Column("force MAE", numeric=True),
            Column("recovery", numeric=True),
        ),
        tuple(rows),
    )


def calibration_table(summary: CampaignSummary) -> Table:
    """Return how errors compare with the committees' spreads."""
    rows = []
    for name, found in _evaluated(summary):
        for quantity, one in (("energies", found.energy_calibration), ("forces", found.force_calibration)):
            if one is not None:
                area = f"{one.miscalibration_area:.3f} ({one.scaled_miscalibration_area:.3f})"
                shares = (_share(one.within_one), _share(one.within_two))
                numbers = (f"{one.factor:.2f}", number(one.rank_correlation, ".2f"), area)
                rows.append(Row((name, quantity, str(one.n), *numbers, *shares)))
    return Table(
        "calibration-table",
        "Does the committee know how wrong it is?",
        "Factor: root mean square of the errors over that of the spreads, 1 if calibrated (1.4 for three members that "
        "err like the truth). ρ: rank correlation (Spearman) of errors and spreads. Area between observed and expected "
        "coverage, 0 if calibrated, at most 0.5; in brackets with spreads times the factor. Of normal errors 68 % are "
        "within one spread, 95 % within two.",
        (
            Column("potential"),
            Column("of"),
            Column("pairs", numeric=True),
            Column("factor", numeric=True),
            Column("ρ", numeric=True),
            Column("miscalibration area", numeric=True),
            Column("within one spread", numeric=True),
            Column("within two", numeric=True),
        ),
        tuple(rows),
    )


def _evaluated(summary: CampaignSummary) -> Iterator[tuple[str, CommitteeErrors]]:
    for field, name in _COMMITTEES.items():
        found = getattr(summary.test_errors, field)
        if found is not None:
            yield name, found


def _milli(value: float | None) -> str:
    return NONE if value is None else f"{1000 * value:.3g}"


def _share(value: float | None) -> str:
    return NONE if value is None else f"{100 * value:.0f} %"
