"""Reading a configuration file, with one sentence for every mistake."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any, TypeVar, cast, get_args

import yaml
from pydantic import BaseModel, ValidationError

from aiida_redoxmlp.cli.resources_config import Section
from aiida_redoxmlp.errors import ConfigurationError, explain

__all__ = ("load_config", "suggestions")

_Config = TypeVar("_Config", bound=Section)


class _EachKeyOnce(yaml.SafeLoader):
    """YAML in which a key that is given twice is a mistake, not the second value."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Return a mapping, unless it names a key twice."""
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} is given twice; give it once", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def load_config(path: Path, model: type[_Config]) -> _Config:
    """Read and validate a configuration file.

    Args:
        path: YAML file; the files it names are relative to it.
        model: what the file should hold.

    Raises:
        ConfigurationError: naming the file, the key, what was given and what is allowed.
    """
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_EachKeyOnce)  # noqa: S506 - a safe loader
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read ({error.strerror}); give an existing YAML file.") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigurationError(f"{path} is not valid YAML: {' '.join(str(error).split())}.") from error
    if not isinstance(content, dict):
        raise ConfigurationError(f"{path} holds no keys; write a mapping with {', '.join(model.model_fields)}.")
    try:
        config = model.model_validate(content)
    except ValidationError as error:
        raise ConfigurationError(explain(error, str(path)) + suggestions(error, model)) from error
    return cast("_Config", config.relative_to(path.parent))


def suggestions(error: ValidationError, model: type[BaseModel]) -> str:
    """Say which keys are allowed where an unknown one was found.

    Args:
        error: what pydantic found.
        model: what was validated.
    """
    sentences = []
    for entry in error.errors():
        if entry["type"] != "extra_forbidden":
            continue
        *parents, key = entry["loc"]
        allowed = _keys_at(model, parents)
        close = difflib.get_close_matches(str(key), allowed, n=1)
        meant = f" Did you mean {close[0]!r}?" if close else ""
        sentences.append(f"{meant} Allowed are {', '.join(allowed)}.")
    return "".join(sentences)


def _keys_at(model: type[BaseModel], path: list[int | str]) -> list[str]:
    """Return the keys of the section at ``path``, in which numbers count the entries of a list."""
    for part in path:
        if isinstance(part, str):
            model = _model_in(model.model_fields[part].annotation)
    return list(model.model_fields)


def _model_in(annotation: Any) -> type[BaseModel]:
    """Return the model that an annotation such as ``list[Model] | None`` names."""
    pending = [annotation]
    while pending:
        one = pending.pop()
        if isinstance(one, type) and issubclass(one, BaseModel):
            return one
        pending.extend(get_args(one))
    raise TypeError(f"{annotation} holds no section")
