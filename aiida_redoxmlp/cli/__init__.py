"""The command ``aiida-redoxmlp``; ``verdi data redoxmlp`` is the same tree."""

from __future__ import annotations

import click

from aiida_redoxmlp import __version__
from aiida_redoxmlp.cli.group import SentenceGroup
from aiida_redoxmlp.cli.launch import launch
from aiida_redoxmlp.cli.occupations import occupations
from aiida_redoxmlp.cli.query import query
from aiida_redoxmlp.cli.report import report
from aiida_redoxmlp.cli.setup import setup
from aiida_redoxmlp.cli.status import status

__all__ = ("main", "root")


@click.group("redoxmlp", cls=SentenceGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="aiida-redoxmlp")
def root() -> None:
    """Machine-learned potentials that know oxidation states."""


for _command in (launch, occupations, query, report, setup, status):
    root.add_command(_command)


def main() -> None:
    """Run the command line."""
    root(prog_name="aiida-redoxmlp")
