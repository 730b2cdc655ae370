"""``aiida-redoxmlp model``: look at a potential, take it elsewhere, use it, bring one in."""

from __future__ import annotations

import click

from aiida_redoxmlp.cli.group import SentenceGroup

__all__ = ("model",)

_MODULES = {"show": "model_show", "export": "model_export", "calculator": "model_calculator", "import": "model_import"}


@click.group(
    cls=SentenceGroup,
    late={name: f"aiida_redoxmlp.cli.{module}:command" for name, module in _MODULES.items()},
)
def model() -> None:
    """Look at a potential, take it to other programs, use it in ASE.

    MODEL is the PK, UUID or label of a stored model, or a folder with a model's files, which needs no AiiDA profile.
    """
