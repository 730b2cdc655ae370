"""The directives, for use in Markdown pages."""

from __future__ import annotations

import importlib
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

from click.testing import CliRunner
from docutils import nodes  # type: ignore[import-untyped]
from docutils.parsers.rst import directives  # type: ignore[import-untyped]
from docutils.statemachine import StringList  # type: ignore[import-untyped]
from sphinx.util.docutils import SphinxDirective

from generated_reference import models, processes, tables

__all__ = ("DIRECTIVES",)

_ROOT = Path(__file__).resolve().parents[3]
_TERMINAL_WIDTH = "100"


class _MarkdownDirective(SphinxDirective):
    """A directive whose result is Markdown."""

    def parsed(self, text: str) -> list[nodes.Node]:
        """Return the nodes of Markdown text."""
        holder = nodes.Element()
        self.state.nested_parse(StringList(text.splitlines(), source=self.env.docname), self.content_offset, holder)
        return list(holder.children)

    def section(self, keys: Sequence[str], name: str, *texts: str) -> nodes.section:
        """Return a section of a heading, the keys in code type, and Markdown text."""
        section = nodes.section(ids=[nodes.make_id(name)], names=[nodes.fully_normalize_name(name)])
        heading = nodes.title()
        for index, key in enumerate(keys):
            heading += nodes.Text(", " if index else "")
            heading += nodes.literal(text=key)
        section += heading
        for text in texts:
            section += self.parsed(text)
        self.state.document.note_implicit_target(section, section)
        return section

    def imported(self) -> Any:
        """Return the object the argument names, written ``module:attribute``."""
        module, _, attribute = self.arguments[0].partition(":")
        return getattr(importlib.import_module(module), attribute)


class ModelDirective(_MarkdownDirective):
    """``{pydantic-model} module:Class``: a table of keys; ``:nested:`` adds a heading and a table for each section."""

    required_arguments = 1
    option_spec: ClassVar[dict[str, Callable[[str], Any]]] = {"nested": directives.flag}

    def run(self) -> list[nodes.Node]:
        """Return the tables."""
        model = self.imported()
        self.env.note_dependency(importlib.import_module(model.__module__).__file__ or "")
        made = self.parsed(models.model_table(model))
        if "nested" in self.options:
            for inner, keys in models.sections_below(model).items():
                choice = models.choice_of(inner)
                name = ".".join(filter(None, [model.__name__, keys[0], choice]))
                headed = [f"{key}, {choice}" if choice else key for key in keys]
                made.append(self.section(headed, name, models.model_text(inner), models.model_table(inner)))
        return made


class ProcessDirective(_MarkdownDirective):
    """``{aiida-process-tables} module:Class``: inputs, outputs, exit codes and outline."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the tables."""
        process = self.imported()
        parts = [
            ("Inputs", processes.input_table(process)),
            ("Outputs", processes.output_table(process)),
            ("Exit codes", processes.exit_code_table(process)),
        ]
        if outline := processes.outline_text(process):
            parts.append(("Outline", f"```text\n{outline}\n```"))
        text = "\n\n".join(f"**{title}**\n\n{part}" for title, part in parts if part)
        return self.parsed(f"{models.model_text(process)}\n\n{text}")


class TableDirective(_MarkdownDirective):
    """``{redoxmlp-table} name``: one of the tables of the package's contents."""

    required_arguments = 1
    _made: ClassVar[dict[str, Callable[[], str]]] = {
        "redox-elements": tables.redox_element_table,
        "fixed-states": tables.fixed_state_table,
        "entry-points": tables.entry_point_table,
    }

    def run(self) -> list[nodes.Node]:
        """Return the table."""
        return self.parsed(self._made[self.arguments[0]]())


class CommandDirective(SphinxDirective):
    """``{redoxmlp-output} arguments``: what ``aiida-redoxmlp`` prints, run in the checkout's folder."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        """Run the command and return call and output as a literal block."""
        command = importlib.import_module("aiida_redoxmlp.cli").root
        arguments = shlex.split(self.arguments[0])
        given = [str(_ROOT / one) if (_ROOT / one).is_file() else one for one in arguments]
        result = CliRunner(env={"COLUMNS": _TERMINAL_WIDTH}).invoke(command, given)
        if result.exit_code != 0:
            raise self.error(f"aiida-redoxmlp {self.arguments[0]} exited with {result.exit_code}: {result.output}")
        text = f"$ aiida-redoxmlp {self.arguments[0]}\n{_trimmed(result.stdout)}"
        return [nodes.literal_block(text, text, language="text")]


def _trimmed(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip("\n").splitlines() if line.strip())


DIRECTIVES = {
    "pydantic-model": ModelDirective,
    "aiida-process-tables": ProcessDirective,
    "redoxmlp-table": TableDirective,
    "redoxmlp-output": CommandDirective,
}
