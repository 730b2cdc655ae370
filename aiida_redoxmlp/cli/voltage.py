"""``aiida-redoxmlp voltage``: convex hull and average voltage from a table of energies, without AiiDA."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import click

from aiida_redoxmlp.cli.occupations_files import check_outputs, unfinished
from aiida_redoxmlp.cli.voltage_files import VoltageFile, read_voltage_file, require_same_geometries
from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.search.voltage import VoltageProfiles, voltage_profiles
from aiida_redoxmlp.search.voltage_curve import VoltageCurve
from aiida_redoxmlp.search.voltage_table import ground_state_energies

__all__ = ("voltage",)

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_PLOTS = (".png", ".pdf", ".svg")
_JSON = ".json"
_RESOLUTION_DPI = 160
_HEADINGS = {"potential": "Potential", "dft": "DFT"}


@click.command("voltage")
@click.argument("files", metavar="FILE…", nargs=-1, required=True, type=_FILE)
@click.option("--lithium-energy", metavar="EV", type=float, help="Energy of lithium metal in eV an atom.")
@click.option(
    "--formula-unit",
    metavar="FORMULA",
    help="What makes a formula unit, or a part of it, such as O2; the host in smallest whole numbers if not given.",
)
@click.option(
    "--end-members",
    metavar="LOW,HIGH",
    default="0,1",
    show_default=True,
    help="Lowest and highest lithium content of the hull.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "-o",
    "--output",
    "outputs",
    type=click.Path(path_type=Path),
    multiple=True,
    help="Write a plot (.png, .pdf, .svg) or .json; can be repeated.",
)
def voltage(
    files: tuple[Path, ...],
    lithium_energy: float | None,
    formula_unit: str | None,
    end_members: str,
    as_json: bool,
    outputs: tuple[Path, ...],
) -> None:
    """Print which lithium contents are stable, and the average voltage between them.

    FILE is a table of total energies, .csv or .json, with a row for each cell, or what `patterns search` wrote as .json
    at one lithium content. No AiiDA profile is needed.
    """
    for path in files:
        check_outputs(outputs, path, (*_PLOTS, _JSON))
    tables = [read_voltage_file(path) for path in files]
    require_same_geometries(tables)
    profiles = voltage_profiles(
        ground_state_energies([cell for table in tables for cell in table.cells], formula_unit),
        _lithium_energy(lithium_energy, tables),
        _end_members(end_members),
    )
    for path in outputs:
        _write(path, profiles)
    if as_json:
        click.echo(json.dumps(profiles.as_dict(), indent=2))
        return
    lines = [line for curve in profiles.curves for line in _curve_lines(curve)]
    click.echo("\n".join([*lines, *profiles.warnings, *(f"Written: {path}" for path in outputs)]))


def _lithium_energy(given: float | None, tables: Sequence[VoltageFile]) -> float:
    """Return the energy that was given, or that of the files."""
    known = {table.lithium_energy for table in tables if table.lithium_energy is not None}
    if given is not None:
        return given
    if len(known) == 1:
        return float(known.pop())
    if known:
        raise InputError(
            f"The files have {len(known)} energies of lithium metal ({', '.join(f'{one:g}' for one in sorted(known))} "
            "eV); give the one to take with --lithium-energy."
        )
    raise InputError(
        "The energy of lithium metal is missing; give it with --lithium-energy, in eV an atom by the same functional "
        "and pseudopotentials."
    )


def _end_members(text: str) -> tuple[float, float]:
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"--end-members {text!r} is not understood; write two contents, such as 0,1.") from None
    return low, high


def _curve_lines(curve: VoltageCurve) -> list[str]:
    """Return hull and voltages of one source as lines of text."""
    found = curve.as_dict()
    members = f", committee of {curve.n_members}" if curve.n_members > 1 else ""
    lines = [f"{_HEADINGS[curve.source]}{members}", f"{'x':>8}  {'formation':>16}  {'above hull':>10}  {'stable':>8}"]
    for one in found["compositions"]:
        formation = _with_spread(1000 * one["formation_energy_ev"], one["formation_energy_std_ev"], 1000)
        stable = "yes" if one["stable"] else "no"
        if curve.n_members > 1:
            stable = f"{stable}, {one['n_members_stable']}/{curve.n_members}"
        above = 1000 * one["energy_above_hull_ev"]
        lines.append(f"{one['x']:>8.4f}  {formation:>16}  {above:>10.1f}  {stable:>8}")
    lines += [f"{'':>8}  {'meV a formula unit':>28}", "", f"{'from x':>8}  {'to x':>8}  {'voltage / V':>16}"]
    for step in (*curve.steps, curve.average()):
        volts = _with_spread(step.voltage, step.spread, 1, digits=3)
        lines.append(f"{step.start:>8.4f}  {step.end:>8.4f}  {volts:>16}")
    lines[-1] += "  on average"
    return [*lines, ""]


def _with_spread(value: float, spread: float | None, scale: float, digits: int = 1) -> str:
    value += 0.0  # folds -0.0 into 0.0
    return f"{value:.{digits}f}" if spread is None else f"{value:.{digits}f} ± {scale * spread:.{digits}f}"


def _write(path: Path, profiles: VoltageProfiles) -> None:
    """Write a file that is there only once it is whole."""
    part = unfinished(path)
    try:
        if path.suffix.lower() == _JSON:
            part.write_text(json.dumps(profiles.as_dict(), indent=2) + "\n", encoding="utf-8")
        else:
            # Drawing takes longer to import than the rest to run.
            from aiida_redoxmlp.report.figures.voltage import draw_matplotlib  # noqa: PLC0415

            figure = draw_matplotlib(profiles)
            figure.savefig(part, format=path.suffix[1:].lower(), dpi=_RESOLUTION_DPI)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
