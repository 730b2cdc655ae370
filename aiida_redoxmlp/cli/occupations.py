"""``aiida-redoxmlp occupations``: the oxidation states along a pw.x run, without AiiDA."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import click

from aiida_redoxmlp.cli.occupations_files import RunFiles, check_outputs
from aiida_redoxmlp.cli.occupations_json import JsonWriter
from aiida_redoxmlp.cli.occupations_steps import StepSink, StepsOfRun
from aiida_redoxmlp.cli.occupations_table import SummaryPrinter, TablePrinter
from aiida_redoxmlp.cli.redox_options import charge_option, fixed_option, redox_table, states_option

__all__ = ("EXIT_INCOMPLETE", "occupations")

EXIT_INCOMPLETE = 3
"""Exit code when the output is cut off or some of its steps are garbled: what is printed is whole."""


@click.command("occupations")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@charge_option
@fixed_option
@states_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON; steps and sites are counted from 0 there.")
@click.option(
    "-o",
    "--output",
    "outputs",
    metavar="OUT",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Write arrays (.npz, .h5), a plot (.png, .pdf, .svg) or .json instead of the table; can be repeated.",
)
@click.pass_context
def occupations(
    ctx: click.Context, file: Path, charge: int, fixed: str, states: str, as_json: bool, outputs: tuple[Path, ...]
) -> None:
    """Print the oxidation states of every ionic step in FILE.

    FILE is the text output of pw.x 6.x or 7.x (gzip allowed) or its data-file-schema.xml, which holds only
    the last step. No AiiDA profile is needed.

    A count of full levels that does not add up to the charge is not trusted: the most likely states that do
    add up are given instead, and the step is marked ambiguous.

    Exit codes: 0 all steps read; 2 wrong input; 3 the output is cut off or garbled in places, and the steps
    printed are those that are whole.
    """
    table = redox_table(fixed, states)
    check_outputs(outputs, file)
    run = StepsOfRun(file, charge, table)
    with closing(RunFiles(outputs, file, charge, table)) as files:
        sinks: list[StepSink] = [files, _printer(file, charge, as_json=as_json, summary_only=bool(outputs))]
        for step in run:
            for sink in sinks:
                sink.add(step)
        outcome = run.outcome()
        for warning in outcome.warnings:
            click.echo(f"Warning: {warning}", err=True)
        for sink in sinks:
            sink.finish(outcome)
    for path in outputs:
        if path not in files.written:
            click.echo(f"Warning: {path} is not written, since no ionic step is whole.", err=True)
        elif not as_json:
            click.echo(f"Written: {path}")
    if not outcome.complete:
        ctx.exit(EXIT_INCOMPLETE)


def _printer(file: Path, charge: int, *, as_json: bool, summary_only: bool) -> StepSink:
    if as_json:
        return JsonWriter(click.get_text_stream("stdout"), file, charge)
    return SummaryPrinter(charge) if summary_only else TablePrinter(charge)
