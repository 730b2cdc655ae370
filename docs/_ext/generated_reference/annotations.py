"""Python annotations in a user's words."""

from __future__ import annotations

import types
import typing
from pathlib import Path
from typing import Any

from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from generated_reference.markdown import code

__all__ = ("bounds_in_words", "models_in", "type_in_words")

_WORDS: dict[Any, tuple[str, str]] = {
    str: ("text", "texts"),
    int: ("whole number", "whole numbers"),
    float: ("number", "numbers"),
    bool: ("true or false", "true or false"),
    Path: ("path", "paths"),
    dict: ("mapping", "mappings"),
    Any: ("anything", "anything"),
}


def type_in_words(annotation: Any, *, plural: bool = False) -> str:
    """Return what a value has to be, such as ``list of whole numbers``."""
    if annotation in _WORDS:
        return _WORDS[annotation][plural]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "sections" if plural else "section"
    return _generic_in_words(typing.get_origin(annotation), typing.get_args(annotation), plural=plural)


def _generic_in_words(origin: Any, arguments: tuple[Any, ...], *, plural: bool) -> str:
    if origin is typing.Literal:
        return " or ".join(code(argument) for argument in arguments)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(type_in_words(one) for one in arguments if one is not type(None))
    if origin in (list, tuple):
        return f"{'lists' if plural else 'list'} of {type_in_words(arguments[0], plural=True)}"
    if origin is dict:
        return f"{'mappings' if plural else 'mapping'} to {type_in_words(arguments[1], plural=True)}"
    if origin is typing.Annotated:
        return type_in_words(arguments[0], plural=plural)
    raise TypeError(f"no words for {origin}[{arguments}]; add them to the documentation's generator")


def bounds_in_words(field: FieldInfo) -> str:
    """Return the bounds on a field's value, such as ``≥ 1``; empty without any."""
    texts = []
    for rule in field.metadata:
        if isinstance(rule, Ge):
            texts.append(f"≥ {rule.ge}")
        elif isinstance(rule, Gt):
            texts.append(f"> {rule.gt}")
        elif isinstance(rule, Le):
            texts.append(f"≤ {rule.le}")
        elif isinstance(rule, Lt):
            texts.append(f"< {rule.lt}")
        elif isinstance(rule, MinLen):
            texts.append(f"at least {rule.min_length} of them")
    return ", ".join(texts)


def models_in(annotation: Any) -> list[type[BaseModel]]:
    """Return the models an annotation names, in order."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in typing.get_args(annotation) for model in models_in(argument)]
