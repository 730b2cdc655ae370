"""The command ``aiida-redoxmlp``; ``verdi data redoxmlp`` is the same tree."""

from __future__ import annotations

import click

from aiida_redoxmlp import __version__
from aiida_redoxmlp.cli.group import SentenceGroup

__all__ = ("main", "root")

_COMMANDS = ("launch", "model", "occupations", "patterns", "query", "report", "setup", "status", "voltage")


@click.group(
    "redoxmlp",
    cls=SentenceGroup,
    late={name: f"aiida_redoxmlp.cli.{name}:{name}" for name in _COMMANDS},
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="aiida-redoxmlp")
def root() -> None:
    """Machine-learned potentials that know oxidation states."""


def main() -> None:
    """Run the command line."""
    root(prog_name="aiida-redoxmlp")
