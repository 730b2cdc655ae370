"""The package's own errors: each message is one sentence that names the input and the way out."""

from __future__ import annotations

from pydantic import ValidationError
from pydantic_core import ErrorDetails

__all__ = (
    "ClosureError",
    "ConfigurationError",
    "ExplorationInterruptedError",
    "InputError",
    "JobInterruptedError",
    "ModelIntegrityError",
    "NoGpuError",
    "OutOfMemoryError",
    "OutputFormatError",
    "RedoxmlpError",
    "SearchInterruptedError",
    "TrainingDivergedError",
    "TrainingInterruptedError",
    "explain",
)


class RedoxmlpError(Exception):
    """Base class of every error this package raises on purpose."""


class InputError(RedoxmlpError, ValueError):
    """An input that cannot be used: unknown element or state, a structure without redox sites, and the like."""


class ClosureError(InputError):
    """No assignment of the allowed oxidation states closes the total charge."""


class ConfigurationError(InputError):
    """A configuration file with a misspelt key or a value that is not allowed."""


class OutputFormatError(RedoxmlpError):
    """An output file that is not what it should be."""


class ModelIntegrityError(RedoxmlpError):
    """Model files whose content does not match the hash they were stored with."""


class NoGpuError(RedoxmlpError):
    """A GPU was asked for where none can be used."""


class TrainingDivergedError(RedoxmlpError):
    """A training whose loss is no longer a number."""


class JobInterruptedError(RedoxmlpError):
    """A job that was told to stop; its checkpoints are whole."""


class TrainingInterruptedError(JobInterruptedError):
    """A training that was told to stop; its checkpoints are whole."""


class SearchInterruptedError(JobInterruptedError):
    """A search that was told to stop; its checkpoints are whole."""


class ExplorationInterruptedError(JobInterruptedError):
    """An exploration that was told to stop; its checkpoints are whole."""


class OutOfMemoryError(RedoxmlpError):
    """One frame alone does not fit in the memory of the device."""


def explain(error: ValidationError, source: str) -> str:
    """Turn a validation error into one sentence an entry: where, what was given, what is allowed.

    Args:
        error: what pydantic found.
        source: name of the file or input that was validated.
    """
    sentences = []
    for entry in _causes(error):
        where = ".".join(str(part) for part in entry["loc"])
        if entry["type"] == "extra_forbidden":
            sentences.append(f"{source}: the key {where!r} is not known; remove it or check its spelling.")
        elif entry["type"] == "missing":
            sentences.append(f"{source}: the key {where!r} is missing; add it.")
        else:
            message = entry["msg"].removeprefix("Value error, ").removesuffix(".")
            given = "" if isinstance(entry["input"], dict | list) else f" (given: {entry['input']!r})"
            place = f"{source}: {where}" if where else source
            sentences.append(f"{place}: {message[:1].lower()}{message[1:]}{given}.")
    return " ".join(sentences)


def _causes(error: ValidationError) -> list[ErrorDetails]:
    """Return what pydantic found, without sequences that are too short only because an entry of theirs was refused."""
    entries = error.errors()
    places = [entry["loc"] for entry in entries]
    return [
        entry
        for entry in entries
        if entry["type"] != "too_short"
        or not any(place[: len(entry["loc"])] == entry["loc"] and place != entry["loc"] for place in places)
    ]
