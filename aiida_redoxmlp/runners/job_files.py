"""Read a job's typed input and write its typed output."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from aiida_redoxmlp.errors import InputError, explain
from aiida_redoxmlp.runners.jobs import INPUT_FILE, OUTPUT_FILE

__all__ = ("read_job", "write_output")

_Job = TypeVar("_Job", bound=BaseModel)


def read_job(folder: Path, model: type[_Job]) -> _Job:
    """Read ``input.json`` of a job's folder.

    Raises:
        InputError: if it is missing, is no JSON, or holds what the job does not know.
    """
    path = folder / INPUT_FILE
    try:
        return model.model_validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise InputError(f"{INPUT_FILE} is not in the job's folder {folder}; add it.") from error
    except ValidationError as error:
        raise InputError(explain(error, INPUT_FILE)) from error


def write_output(folder: Path, output: BaseModel, name: str = OUTPUT_FILE) -> None:
    """Write a typed output in one step: a job killed while writing leaves none rather than half of one."""
    partial = folder / f"{name}.partial"
    partial.write_text(output.model_dump_json(indent=1) + "\n", encoding="utf-8")
    partial.replace(folder / name)
