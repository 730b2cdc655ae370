"""Results of several steps in one object: the first axis of every array of numbers is for the steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ("of_steps", "one", "same")

_T = TypeVar("_T")


def one(value: float | Sequence[Any] | NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the number or array of one step as those of several of which there is one."""
    return np.asarray(value, dtype=np.float64)[None]


def of_steps(results: _T, steps: slice) -> _T:
    """Return the results of some of the steps."""
    chosen: _T = _of_steps(results, steps)
    return chosen


def _of_steps(value: Any, steps: slice) -> Any:
    if isinstance(value, np.ndarray) and value.dtype == np.float64:
        return value[steps]
    if is_dataclass(value):
        make: Any = type(value)
        return make(*[_of_steps(getattr(value, field.name), steps) for field in fields(value)])
    if isinstance(value, tuple):
        return tuple(_of_steps(member, steps) for member in value)
    return value


def same(left: Any, right: Any) -> bool:
    """Whether two results are equal in every number."""
    if is_dataclass(left):
        return type(left) is type(right) and all(
            same(getattr(left, field.name), getattr(right, field.name)) for field in fields(left)
        )
    if isinstance(left, tuple):
        return isinstance(right, tuple) and len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, np.ndarray):
        return isinstance(right, np.ndarray) and np.array_equal(left, right)
    return bool(left == right)
