"""The command group: commands imported when they are called, our errors as one sentence."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import click

from aiida_redoxmlp.errors import RedoxmlpError

__all__ = ("SentenceGroup",)


class SentenceGroup(click.Group):
    """A group that imports a command when it is needed and prints a :class:`RedoxmlpError` as one sentence.

    Late import keeps ``occupations`` quick and free of AiiDA. Such an error exits with 2.
    """

    def __init__(self, *args: Any, late: Mapping[str, str] | None = None, **kwargs: Any) -> None:
        """Take click's arguments and the commands to import late.

        Args:
            args: passed to click.
            late: ``module:attribute`` of each command, by name.
            kwargs: passed to click.
        """
        super().__init__(*args, **kwargs)
        self.late = dict(late or {})

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List the commands' names."""
        return sorted({*super().list_commands(ctx), *self.late})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, importing it if need be."""
        if cmd_name not in self.late:
            return super().get_command(ctx, cmd_name)
        module, _, attribute = self.late[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Invoke the subcommand."""
        try:
            return super().invoke(ctx)
        except RedoxmlpError as error:
            failure = click.ClickException(str(error))
            failure.exit_code = 2
            raise failure from error
