"""Species: an element in an oxidation state, optionally with the sign of its moment."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ase.data import atomic_numbers

from aiida_redoxmlp.errors import InputError

__all__ = ("Species",)

_LABEL = re.compile(r"^(?P<element>[A-Z][a-z]?)(?:(?P<size>\d*)(?P<sign>[+-]))?(?:\((?P<spin>up|down)\))?$")
_SPIN_NAMES = {1: "up", -1: "down"}


@dataclass(frozen=True, order=True)
class Species:
    """An element, its oxidation state and, for spin-resolved potentials, the sign of its moment.

    Attributes:
        element: chemical symbol.
        state: oxidation state.
        spin: sign of the local moment, +1, -1 or 0 where the potential does not resolve it.
    """

    element: str
    state: int
    spin: int = 0

    def __post_init__(self) -> None:
        if self.element not in atomic_numbers:
            raise InputError(f"{self.element!r} is not a chemical symbol; write one such as Mn or O.")
        if self.spin not in (-1, 0, 1):
            raise InputError(f"The spin of {self.element} is {self.spin}; it is a sign: -1, 0 or 1.")

    @property
    def label(self) -> str:
        """Printable label: ``Mn3+``, ``O2-``, ``Li+``, ``P`` for the neutral atom, ``Mn3+(up)`` with spin."""
        size = abs(self.state) if abs(self.state) > 1 else ""
        charge = "" if self.state == 0 else f"{size}{'+' if self.state > 0 else '-'}"
        spin = f"({_SPIN_NAMES[self.spin]})" if self.spin else ""
        return f"{self.element}{charge}{spin}"

    @classmethod
    def parse(cls, label: str) -> Species:
        """Read a label written by :attr:`label`.

        Raises:
            InputError: if the text is not such a label.
        """
        match = _LABEL.match(label)
        if match is None:
            raise InputError(f"{label!r} is not a species; write element, charge and sign, such as Mn3+ or O2-.")
        sign = {"+": 1, "-": -1, None: 0}[match["sign"]]
        spin = {"up": 1, "down": -1, None: 0}[match["spin"]]
        return cls(match["element"], sign * int(match["size"] or 1), spin)
