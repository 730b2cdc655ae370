"""Tables of pydantic models: what may stand in a YAML or JSON file."""

from __future__ import annotations

import inspect
import json
import re
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from generated_reference.annotations import bounds_in_words, models_in, type_in_words
from generated_reference.markdown import code, table

__all__ = ("attribute_texts", "choice_of", "model_keys", "model_table", "model_text", "sections_below")


def sections_below(model: type[BaseModel], parent: str = "") -> dict[type[BaseModel], list[str]]:
    """Return every model that a model's fields hold, a model before what it holds, with its dotted keys."""
    found: dict[type[BaseModel], list[str]] = {}
    for name, field in model.model_fields.items():
        for inner in models_in(field.annotation):
            found.setdefault(inner, []).append(f"{parent}{name}")
            for below, keys in sections_below(inner, f"{parent}{name}.").items():
                found.setdefault(below, []).extend(keys)
    return found


def choice_of(model: type[BaseModel]) -> str:
    """Return what tells a model from the others that a key may hold, such as ``name: evolution``; empty for none."""
    for name, field in model.model_fields.items():
        values = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
        if len(values) == 1:
            return f"{name}: {values[0]}"
    return ""


def model_keys(model: type[BaseModel], parent: str = "") -> dict[str, Any]:
    """Return every key of a model and of the sections in it, dotted, with its annotation."""
    keys: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        keys[f"{parent}{name}"] = field.annotation
        for inner in models_in(field.annotation):
            keys.update(model_keys(inner, f"{parent}{name}."))
    return keys


def model_text(model: type[Any]) -> str:
    """Return the first paragraph of a class's own docstring."""
    return inspect.cleandoc(model.__dict__.get("__doc__") or "").split("\n\n")[0]


def attribute_texts(model: type[Any]) -> dict[str, str]:
    """Return what the section ``Attributes`` of a class's own docstring says of each."""
    _, _, section = inspect.cleandoc(model.__dict__.get("__doc__") or "").partition("\n\nAttributes:\n")
    texts: dict[str, str] = {}
    name = ""
    for line in section.partition("\n\n")[0].splitlines():
        if found := re.match(r"    (\w+): (.*)", line):
            name, texts[found[1]] = found[1], found[2]
        elif name:
            texts[name] += f" {line.strip()}"
    return {key: text.replace("``", "`") for key, text in texts.items()}


def model_table(model: type[BaseModel]) -> str:
    """Return the table of a model's keys: type, default and meaning."""
    told = attribute_texts(model)
    rows = (
        (code(name), _type(field), _default(field), told.get(name) or _meaning(field))
        for name, field in model.model_fields.items()
    )
    return table(("key", "type", "default", "meaning"), rows)


def _type(field: FieldInfo) -> str:
    bounds = bounds_in_words(field)
    return f"{type_in_words(field.annotation)}{', ' if bounds else ''}{bounds}"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    default = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(default, BaseModel):
        return "its defaults"
    if default is None or default == "":
        return "none"
    return code(default if isinstance(default, str) else json.dumps(default))


def _meaning(field: FieldInfo) -> str:
    """A section without a description is described by its model."""
    if field.description:
        return field.description
    return " ".join(model_text(model) for model in models_in(field.annotation))
