"""Computers and codes from the YAML files that a user gives to verdi."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from aiida.common.exceptions import NotExistent
from aiida.orm import Computer, InstalledCode, load_code, load_computer
from aiida.orm.utils.builders.computer import ComputerBuilder
from jinja2 import Environment, StrictUndefined
from steps.progress import ALREADY_THERE, DONE, StepError

__all__ = ("ensure_code", "ensure_computer", "render")

_POLL_SECONDS = 1.0  # A look at the jobs takes hundredths of a second of the processors that they run on.
_OPTIONAL_TEXTS = ("description", "prepend_text", "append_text")


def render(template: Path, values: Mapping[str, Any]) -> dict[str, Any]:
    """Fill the placeholders of a YAML file.

    Args:
        template: file with ``{{ placeholder }}`` in it.
        values: a value for every placeholder.

    Returns:
        The file's content.
    """
    environment = Environment(undefined=StrictUndefined, autoescape=False)  # noqa: S701 - YAML, not a web page
    content: dict[str, Any] = yaml.safe_load(environment.from_string(template.read_text("utf-8")).render(**values))
    return content


def ensure_computer(setup: dict[str, Any], configure: dict[str, Any]) -> str:
    """Create and configure a computer, unless there is one with its label.

    Args:
        setup: options of `verdi computer setup`.
        configure: options of `verdi computer configure`.
    """
    try:
        computer = load_computer(setup["label"])
    except NotExistent:
        texts = dict.fromkeys(_OPTIONAL_TEXTS, "")
        builder = ComputerBuilder(**{"use_double_quotes": False, "default_memory_per_machine": None, **texts, **setup})
        computer = builder.new().store()
        return _configure(computer, configure)
    return ALREADY_THERE if computer.is_configured else _configure(computer, configure)


def _configure(computer: Computer, options: dict[str, Any]) -> str:
    computer.configure(**options)
    computer.set_minimum_job_poll_interval(_POLL_SECONDS)
    return DONE


def ensure_code(setup: dict[str, Any]) -> str:
    """Create a code, unless it is there; a former one of another program loses its label and is hidden.

    Args:
        setup: options of `verdi code create core.code.installed`.

    Raises:
        StepError: when the program is not there.
    """
    executable = Path(setup["filepath_executable"])
    if not executable.is_file():
        raise StepError(
            f"The program {executable} of the code {setup['label']} is not there.",
            "run `python3 setup_profiles/bootstrap.py setup`, or name your own pw.x with --pw",
        )
    computer = load_computer(setup["computer"])
    full_label = f"{setup['label']}@{computer.label}"
    try:
        former = load_code(full_label)
    except NotExistent:
        former = None
    if former is not None:
        if (str(former.filepath_executable), former.with_mpi) == (str(executable), setup["with_mpi"]):
            return ALREADY_THERE
        former.label = f"{former.label}-{former.pk}"
        former.is_hidden = True
    InstalledCode(**{**setup, "computer": computer}).store()
    return DONE
