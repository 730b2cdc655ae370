"""``aiida-redoxmlp status``: where a workflow stands."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress

import click
from aiida import orm
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table

from aiida_redoxmlp.cli.learning import learning_table
from aiida_redoxmlp.cli.loops import loop_table
from aiida_redoxmlp.cli.profile import load_process
from aiida_redoxmlp.cli.reports import REPORTED
from aiida_redoxmlp.cli.searching import search_table
from aiida_redoxmlp.cli.watch import describe
from aiida_redoxmlp.provenance.process_tree import walk

__all__ = ("status",)


_INTERVAL_S = 10.0


@click.command()
@click.argument("process", required=False)
@click.option(
    "--follow", is_flag=True, help="Keep the tables up to date until PROCESS ends, with those parts of it that run."
)
def status(process: str | None, *, follow: bool) -> None:
    """Show the process tree of PROCESS (PK or UUID), by default the latest.

    PROCESS is a campaign, a self-consistent calculation of Hubbard parameters, molecular dynamics, a training, a search
    or an active-learning loop. There is a line for each iteration of a loop, with its labels, errors and what was
    spent, for each committee member that is trained, with its last epoch, and for each search, with its evaluations
    and relaxations so far, also while their jobs run.
    """
    node = load_process(process, (*REPORTED, "TrainWorkChain", "SearchWorkChain", "ActiveLearningWorkChain"))
    console = Console()
    if follow:
        with suppress(KeyboardInterrupt), Live(console=console, auto_refresh=False, transient=True) as live:
            while not node.is_terminated:
                live.update(Group(*_tables(node, only_running=True)), refresh=True)
                time.sleep(_INTERVAL_S)
    console.print(*_tables(node), sep="\n")


def _tables(node: orm.ProcessNode, *, only_running: bool = False) -> Iterator[Table]:
    """Yield the process tree, and what iterations, trainings and searches have come to."""
    table = Table(title=f"{node.label or node.process_label} <{node.pk}>: {describe(node)}", title_justify="left")
    for heading in ("stage", "process", "state", "time / s"):
        table.add_column(heading, justify="right" if heading.startswith("time") else "left")
    for depth, label, called in walk(node):
        if isinstance(called, orm.CalcJobNode | orm.WorkChainNode) and not (only_running and called.is_terminated):
            seconds = (called.mtime - called.ctime).total_seconds()
            table.add_row(
                f"{'  ' * depth}{label}",
                f"{called.process_label}<{called.pk}>",
                describe(called),
                f"{seconds:.0f}",
            )
    yield table
    yield from (one for one in (loop_table(node), learning_table(node), search_table(node)) if one is not None)
