"""``aiida-redoxmlp occupations``: the oxidation states along a pw.x run, without AiiDA."""

from __future__ import annotations

import json
from math import isfinite
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray
from rich import box
from rich.console import Console
from rich.table import Table

from aiida_redoxmlp.errors import InputError, OutputFormatError
from aiida_redoxmlp.redox.digitise import Assignment, digitise, redox_occupations
from aiida_redoxmlp.redox.elements import RedoxTable
from aiida_redoxmlp.redox.occupations import IonicStep, SiteOccupations
from aiida_redoxmlp.redox.pw_output import PwOutput, read_pw_output
from aiida_redoxmlp.redox.pw_xml import read_pw_xml

__all__ = ("EXIT_INCOMPLETE", "occupations")

EXIT_INCOMPLETE = 3
"""Exit code when the output is cut off or some of its steps are garbled: what is printed is whole."""

_Read = tuple[IonicStep, tuple[SiteOccupations, ...], Assignment]


@click.command("occupations")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--charge", type=int, default=0, show_default=True, help="Total charge of the cell in units of e.")
@click.option(
    "--fixed",
    metavar="SYMBOL=VALUE,…",
    default="",
    help="Charges of elements that do not change: Li=1,P=5,O=-2.",
)
@click.option("--states", metavar="SYMBOL=VALUE,…", default="", help="Allowed oxidation states: Mn=2/3,Fe=2/3.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON; steps and sites are counted from 0 there.")
@click.pass_context
def occupations(ctx: click.Context, file: Path, charge: int, fixed: str, states: str, as_json: bool) -> None:
    """Print the oxidation states of every ionic step in FILE.

    FILE is the text output of pw.x 6.x or 7.x (gzip allowed) or its data-file-schema.xml, which holds only
    the last step. No AiiDA profile is needed.

    A count of full levels that does not add up to the charge is not trusted: the most likely states that do
    add up are given instead, and the step is marked ambiguous.

    Exit codes: 0 all steps read; 2 wrong input; 3 the output is cut off or garbled in places, and the steps
    printed are those that are whole.
    """
    table = RedoxTable.default().with_overrides(_overrides(_pairs(fixed), _pairs(states)))
    output = _read_output(file)
    if not any(step.occupations for step in output.steps) and output.complete:
        raise OutputFormatError(f"{file} has no Hubbard occupations; run pw.x with a Hubbard U on the redox elements.")
    for warning in output.warnings:
        click.echo(f"Warning: {warning}", err=True)
    read = [_digitised(step, charge, table) for step in output.steps]
    if as_json:
        click.echo(json.dumps(_document(file, charge, output, read), indent=2, allow_nan=False))
    else:
        _print_table(charge, read)
    if not output.complete:
        ctx.exit(EXIT_INCOMPLETE)


def _pairs(text: str) -> dict[str, str]:
    """Split ``Symbol=value`` pairs with commas between them."""
    pairs = {}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        symbol, _, value = (word.strip() for word in pair.partition("="))
        if not symbol or not value:
            raise InputError(f"{pair!r} is not understood; write symbol=value with commas between, such as Li=1,O=-2.")
        pairs[symbol] = value
    return pairs


def _overrides(fixed: dict[str, str], states: dict[str, str]) -> dict[str, int | dict[str, object]]:
    both = sorted(set(fixed) & set(states))
    if both:
        raise InputError(f"{both[0]} is named in --fixed and in --states; name it in one of them.")
    overrides: dict[str, int | dict[str, object]] = {s: _whole(text, f"--fixed {s}") for s, text in fixed.items()}
    for symbol, text in states.items():
        overrides[symbol] = {"states": [_whole(state, f"--states {symbol}") for state in text.split("/")]}
    return overrides


def _whole(text: str, option: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise InputError(f"{option} has {text!r} where a whole number such as 2 or -2 belongs.") from None


def _digitised(step: IonicStep, charge: int, table: RedoxTable) -> _Read:
    sites = redox_occupations(step.occupations, step.symbols, table)
    return step, sites, digitise(step.occupations, step.symbols, charge, table)


def _read_output(file: Path) -> PwOutput:
    with file.open("rb") as stream:
        is_xml = stream.read(64).lstrip().startswith(b"<?xml")
    if is_xml:
        return PwOutput((read_pw_xml(file),), version="", complete=True, warnings=())
    return read_pw_output(file)


def _document(file: Path, charge: int, output: PwOutput, read: list[_Read]) -> dict[str, object]:
    return {
        "file": str(file),
        "total_charge": charge,
        "complete": output.complete,
        "warnings": list(output.warnings),
        "steps": [_entry(step, sites, assignment) for step, sites, assignment in read],
    }


def _entry(step: IonicStep, sites: tuple[SiteOccupations, ...], assignment: Assignment) -> dict[str, object]:
    return {
        "step": step.index,
        "energy_ev": step.energy,
        "temperature_k": step.temperature,
        "scf_converged": step.scf_converged,
        "redox_sites": list(assignment.sites),
        "kinds": [site.kind for site in sites],
        "symbols": [step.symbols[site] for site in assignment.sites],
        "eigenvalues": [site.eigenvalues.tolist() for site in sites],
        "moments": [site.moment for site in sites],
        "naive_states": list(assignment.naive_states),
        "states": list(assignment.states),
        "d_counts": list(assignment.d_counts),
        "confidence": assignment.confidences.tolist(),
        "closed": assignment.closed,
        "margin": assignment.margin if isfinite(assignment.margin) else None,
        "ambiguous": assignment.ambiguous,
    }


def _print_table(charge: int, read: list[_Read]) -> None:
    console = Console(highlight=False)
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for name in ("step", "site", "eigenvalues ↑ ↓", "count", "state", "conf.", "margin", "charge"):
        table.add_column(name, no_wrap=True, justify="left" if name in {"site", "charge"} else "right")
    for step, sites, assignment in read:
        verdict = _verdict(step, assignment)
        for row, site in enumerate(sites):
            first = row == 0
            table.add_row(
                str(step.index + 1) if first else "",
                f"{site.kind} {site.site + 1}",
                f"{_levels(site.eigenvalues[0])}\n{_levels(site.eigenvalues[1])}",
                f"{assignment.naive_states[row]:+d}",
                f"{assignment.states[row]:+d}",
                f"{assignment.confidences[row]:.3f}",
                f"{assignment.margin:.1f}" if first else "",
                verdict if first else "",
                style="yellow" if assignment.ambiguous else None,
                end_section=row == len(sites) - 1,
            )
    console.print(table)
    ambiguous = sum(assignment.ambiguous for _, _, assignment in read)
    console.print(f"Ionic steps: {len(read)}, ambiguous: {ambiguous}, total charge: {charge:+d}.")
    console.print("Count: valence electrons less full levels. State: most likely states that close the charge.")


def _verdict(step: IonicStep, assignment: Assignment) -> str:
    """Return what to know about the step, in two lines at most."""
    lines = ["closes" if assignment.closed else "not closed"]
    if assignment.ambiguous:
        lines.append("ambiguous")
    elif not step.scf_converged:
        lines.append("SCF failed")
    return "\n".join(lines)


def _levels(eigenvalues: NDArray[np.float64]) -> str:
    return " ".join(f"{value:.2f}" for value in eigenvalues)
