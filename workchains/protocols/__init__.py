"""Protocols of the work chains, as YAML beside this file."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from typing import Any, Literal

import yaml

from aiida_redoxmlp.errors import InputError

__all__ = ("ProtocolName", "default_protocol", "describe_protocol", "load_protocol", "merged", "read_protocol")

ProtocolName = Literal["demo", "fast", "balanced", "stringent"]


_DESCRIPTION = "Inputs from the protocol "


def describe_protocol(name: str) -> str:
    """Return the description that a process made from a protocol carries."""
    return f"{_DESCRIPTION}{name}"


def read_protocol(description: str) -> str | None:
    """Return the protocol that a process's description names, or None."""
    return description.removeprefix(_DESCRIPTION) if description.startswith(_DESCRIPTION) else None


def merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return ``base`` with ``changes`` laid over it, dictionaries merged key by key."""
    result = dict(base)
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = merged(result[key], value)
        else:
            result[key] = value
    return result


def default_protocol(workflow: str) -> str:
    """Return the protocol a workflow takes when none is named."""
    return str(_read(workflow)["default_protocol"])


def load_protocol(
    workflow: str, protocol: str | None = None, overrides: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Return the settings of one protocol of a workflow, with overrides.

    Args:
        workflow: name of the YAML file, such as ``label``.
        protocol: name of the protocol; the file's default when not given.
        overrides: settings laid over the protocol's.

    Raises:
        InputError: for a protocol or a setting the workflow does not have, or a setting of another kind.
    """
    content = _read(workflow)
    name = protocol or content["default_protocol"]
    if name not in content["protocols"]:
        known = ", ".join(content["protocols"])
        raise InputError(f"The protocol {name!r} is not known for {workflow}; choose one of {known}.")
    settings = merged(content["defaults"], content["protocols"][name])
    settings.pop("description", None)
    unknown = sorted(set(overrides or {}) - set(settings))
    if unknown:
        known = ", ".join(sorted(settings))
        raise InputError(f"The setting {unknown[0]!r} of the workflow {workflow} is not known; known are {known}.")
    for key, value in (overrides or {}).items():
        if (wanted := _other_kind(settings[key], value)) is not None:
            raise InputError(f"The setting {key!r} of the workflow {workflow} is {value!r}; give {wanted}.")
    return merged(settings, overrides or {})


def _other_kind(own: object, given: object) -> str | None:
    """Return what to give instead of a value that is of another kind than the protocol's own, None where it fits."""
    if given is None or isinstance(own, bool):
        return None
    if isinstance(own, int) and (not isinstance(given, int) or isinstance(given, bool) or given < 0):
        return "a whole number, not below 0"
    if isinstance(own, dict) and not isinstance(given, Mapping):
        return "a mapping of keys"
    return None


def _read(workflow: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(
        resources.files(__name__).joinpath(f"{workflow}.yaml").read_text(encoding="utf-8")
    )
    return content
