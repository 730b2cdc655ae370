"""The command group: our errors as one sentence, whichever program the commands are called from."""

from __future__ import annotations

from typing import Any

import click

from aiida_redoxmlp.errors import RedoxmlpError

__all__ = ("SentenceGroup",)


class SentenceGroup(click.Group):
    """A group that prints a :class:`RedoxmlpError` as one sentence and exits with 2."""

    def invoke(self, ctx: click.Context) -> Any:
        """Invoke the subcommand."""
        try:
            return super().invoke(ctx)
        except RedoxmlpError as error:
            failure = click.ClickException(str(error))
            failure.exit_code = 2
            raise failure from error
