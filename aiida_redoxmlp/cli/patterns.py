"""``aiida-redoxmlp patterns``: which configurations a structure has, without AiiDA."""

from __future__ import annotations

import click

from aiida_redoxmlp.cli.group import SentenceGroup

__all__ = ("patterns",)

_MODULES = {"count": "patterns_count", "enumerate": "patterns_enumerate", "search": "patterns_search"}


@click.group(
    cls=SentenceGroup,
    late={name: f"aiida_redoxmlp.cli.{module}:command" for name, module in _MODULES.items()},
)
def patterns() -> None:
    """Count, list and search the ways to put oxidation states, vacancies and metals on the sites of a structure.

    STRUCTURE is a file that ASE reads, such as a CIF. No AiiDA profile is needed.
    """
