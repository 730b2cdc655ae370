"""``aiida-redoxmlp status``: where a workflow stands."""

from __future__ import annotations

import click
from aiida import orm
from rich.console import Console
from rich.table import Table

from aiida_redoxmlp.cli.learning import learning_table
from aiida_redoxmlp.cli.loops import loop_table
from aiida_redoxmlp.cli.profile import load_process
from aiida_redoxmlp.cli.reports import REPORTED
from aiida_redoxmlp.cli.searching import search_table
from aiida_redoxmlp.cli.watch import describe
from aiida_redoxmlp.provenance.process_tree import walk

__all__ = ("status",)


@click.command()
@click.argument("process", required=False)
def status(process: str | None) -> None:
    """Show the process tree of PROCESS (PK or UUID), by default the latest.

    PROCESS is a campaign, a self-consistent calculation of Hubbard parameters, molecular dynamics, a training, a search
    or an active-learning loop. There is a line for each iteration of a loop, with its labels, errors and what was
    spent, for each committee member that is trained, with its last epoch, and for each search, with its evaluations
    and relaxations so far, also while their jobs run.
    """
    node = load_process(process, (*REPORTED, "TrainWorkChain", "SearchWorkChain", "ActiveLearningWorkChain"))
    table = Table(title=f"{node.label or node.process_label} <{node.pk}>: {describe(node)}", title_justify="left")
    for heading in ("stage", "process", "state", "time / s"):
        table.add_column(heading, justify="right" if heading.startswith("time") else "left")
    for depth, label, called in walk(node):
        if isinstance(called, orm.CalcJobNode | orm.WorkChainNode):
            seconds = (called.mtime - called.ctime).total_seconds()
            table.add_row(
                f"{'  ' * depth}{label}",
                f"{called.process_label}<{called.pk}>",
                describe(called),
                f"{seconds:.0f}",
            )
    console = Console()
    console.print(table)
    for progress in (loop_table(node), learning_table(node), search_table(node)):
        if progress is not None:
            console.print(progress)
