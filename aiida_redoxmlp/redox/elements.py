"""The table of redox elements: shells to read, oxidation states to expect, charges of spectators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite

from ase.data import atomic_numbers

from aiida_redoxmlp.errors import InputError

__all__ = ("DEFAULT_THRESHOLD", "DEFAULT_WIDTH", "FIXED_STATES", "RedoxElement", "RedoxTable")

DEFAULT_THRESHOLD = 0.88
"""Occupation eigenvalue that is full with probability one half."""

DEFAULT_WIDTH = 0.02
"""Eigenvalue difference over which the odds of being full change by a factor of e."""

_SHELL_L = {"3d": 2, "4d": 2, "5d": 2, "4f": 3}

_USUAL_STATES: Mapping[str, Mapping[str, tuple[int, ...]]] = {
    "3d": {
        "Sc": (3,), "Ti": (2, 3, 4), "V": (2, 3, 4, 5), "Cr": (2, 3, 4, 6), "Mn": (2, 3, 4, 7),
        "Fe": (2, 3, 4), "Co": (2, 3, 4), "Ni": (2, 3, 4), "Cu": (1, 2, 3), "Zn": (2,),
    },
    "4d": {
        "Y": (3,), "Zr": (4,), "Nb": (3, 4, 5), "Mo": (3, 4, 5, 6), "Tc": (4, 6, 7),
        "Ru": (2, 3, 4, 5), "Rh": (1, 3, 4), "Pd": (2, 4), "Ag": (1, 2, 3), "Cd": (2,),
    },
    "5d": {
        "Hf": (4,), "Ta": (4, 5), "W": (4, 5, 6), "Re": (3, 4, 5, 6, 7), "Os": (3, 4, 5, 6, 8),
        "Ir": (3, 4, 5), "Pt": (2, 4), "Au": (1, 3),
    },
    "4f": {
        "La": (3,), "Ce": (3, 4), "Pr": (3, 4), "Nd": (3,), "Pm": (3,), "Sm": (2, 3), "Eu": (2, 3),
        "Gd": (3,), "Tb": (3, 4), "Dy": (3,), "Ho": (3,), "Er": (3,), "Tm": (2, 3), "Yb": (2, 3), "Lu": (3,),
    },
}  # fmt: skip
"""Usual oxidation states in solids.

Source: N. N. Greenwood and A. Earnshaw, Chemistry of the Elements, 2nd edition (1997).
"""

# Atomic number of the closed core below the counted electrons: state = valence electrons - full levels.
_CORE = {"3d": 18, "4d": 36, "5d": 68, "4f": 54}

FIXED_STATES: Mapping[str, int] = {
    "H": 1, "Li": 1, "Na": 1, "K": 1, "Rb": 1, "Cs": 1,
    "Be": 2, "Mg": 2, "Ca": 2, "Sr": 2, "Ba": 2, "Zn": 2, "Cd": 2,
    "B": 3, "Al": 3, "Ga": 3, "In": 3, "Sc": 3, "Y": 3, "La": 3, "Nd": 3, "Pm": 3, "Gd": 3, "Dy": 3, "Ho": 3,
    "Er": 3, "Lu": 3, "Si": 4, "Ge": 4, "Zr": 4, "Hf": 4, "P": 5,
    "O": -2, "F": -1, "Cl": -1, "Br": -1, "I": -1,
}  # fmt: skip
"""Charge of the elements that have one usual charge in ionic solids.

Elements with several, such as S, N, C or As, are left out: their charge has to be given.
"""


@dataclass(frozen=True)
class RedoxElement:
    """How the oxidation state of an element is read from its occupation eigenvalues.

    Attributes:
        symbol: chemical symbol.
        valence_electrons: electrons outside the closed core, so that state = valence electrons - full levels.
        shell: the Hubbard manifold that is read: ``3d``, ``4d``, ``5d`` or ``4f``.
        states: allowed oxidation states, ascending.
        threshold: eigenvalue that is full with probability one half.
        width: width of the logistic function around the threshold.
    """

    symbol: str
    valence_electrons: int
    shell: str
    states: tuple[int, ...]
    threshold: float = DEFAULT_THRESHOLD
    width: float = DEFAULT_WIDTH

    def __post_init__(self) -> None:
        lowest, highest = self.valence_electrons - 2 * (2 * self.orbital_l + 1), self.valence_electrons
        if not self.states or any(not lowest <= state <= highest for state in self.states):
            raise InputError(
                f"The oxidation states {list(self.states)} of {self.symbol} must be whole numbers "
                f"from {lowest} to {highest}, what its {self.shell} shell and valence electrons allow."
            )
        if not 0.5 <= self.threshold < 1:
            raise InputError(f"The threshold {self.threshold} of {self.symbol} must be at least 0.5 and below 1.")
        if not 0 < self.width <= 0.2:
            raise InputError(f"The width {self.width} of {self.symbol} must lie between 0 and 0.2.")

    @property
    def orbital_l(self) -> int:
        """Angular momentum of the shell: 2 for d, 3 for f."""
        return _SHELL_L[self.shell]


def _default_elements() -> dict[str, RedoxElement]:
    return {
        symbol: RedoxElement(symbol, atomic_numbers[symbol] - _CORE[shell], shell, states)
        for shell, elements in _USUAL_STATES.items()
        for symbol, states in elements.items()
    }


@dataclass(frozen=True)
class RedoxTable:
    """Which atoms are redox sites, how they are read, and what charge the spectators carry.

    Attributes:
        elements: the d and f metals by symbol.
        fixed: charge of the spectators by symbol; a d or f metal named here is a spectator as well.
    """

    elements: Mapping[str, RedoxElement]
    fixed: Mapping[str, int]

    @classmethod
    def default(cls) -> RedoxTable:
        """Return the table of usual oxidation states and charges.

        Metals with a single usual state (Sc, Zn, La, …) are spectators until other states are given for them.
        """
        return cls(_default_elements(), dict(FIXED_STATES))

    def is_redox(self, symbol: str) -> bool:
        """Whether atoms of this element are redox sites."""
        return symbol in self.elements and symbol not in self.fixed

    def redox_sites(self, symbols: Sequence[str]) -> tuple[int, ...]:
        """Return the indices of the redox sites among atoms with these ``symbols``, ascending."""
        return tuple(index for index, symbol in enumerate(symbols) if self.is_redox(symbol))

    def fixed_state(self, symbol: str) -> int:
        """Return the charge of a spectator element.

        Raises:
            InputError: if the element has no fixed charge.
        """
        if symbol not in self.fixed:
            raise InputError(f"{symbol} has no single usual charge; give it one as a fixed state, such as {symbol}=-2.")
        return self.fixed[symbol]

    def with_overrides(self, overrides: Mapping[str, int | Mapping[str, object]]) -> RedoxTable:
        """Return the table with some elements changed.

        Args:
            overrides: by chemical symbol, either a whole number, the fixed charge of a spectator, or a
                mapping with the keys ``fixed`` (the same) or any of ``states`` (list of allowed states),
                ``threshold`` and ``width``. Giving ``states`` makes a d or f metal a redox element,
                ``fixed`` a spectator.

        Raises:
            InputError: if an element, key or value cannot be used.
        """
        elements, fixed = dict(self.elements), dict(self.fixed)
        for symbol, given in overrides.items():
            if symbol not in atomic_numbers or symbol == "X":
                raise InputError(f"{symbol!r} is not a chemical symbol; write one such as Mn or O.")
            override = given if isinstance(given, Mapping) else {"fixed": given}
            unknown = sorted(set(override) - {"fixed", "states", "threshold", "width"})
            if unknown:
                raise InputError(f"{unknown[0]!r} of {symbol} is none of fixed, states, threshold and width.")
            if "fixed" in override:
                if len(override) > 1:
                    raise InputError(f"{symbol} has a fixed charge and {sorted(set(override) - {'fixed'})}; give one.")
                fixed[symbol] = _whole_number(override["fixed"], f"The fixed charge of {symbol}")
                continue
            if symbol not in elements:
                raise InputError(f"{symbol} is neither a d metal nor a lanthanide; give it one fixed charge instead.")
            elements[symbol] = _changed(elements[symbol], override)
            if "states" in override:
                fixed.pop(symbol, None)
        return RedoxTable(elements, fixed)


def _changed(element: RedoxElement, override: Mapping[str, object]) -> RedoxElement:
    changed = element
    if "states" in override:
        given = override["states"]
        if isinstance(given, str) or not isinstance(given, Sequence):
            raise InputError(f"The states of {element.symbol} are {given!r}; give a list such as [2, 3].")
        states = {_whole_number(state, f"A state of {element.symbol}") for state in given}
        changed = replace(changed, states=tuple(sorted(states)))
    if "threshold" in override:
        changed = replace(changed, threshold=_real_number(override["threshold"], f"threshold of {element.symbol}"))
    if "width" in override:
        changed = replace(changed, width=_real_number(override["width"], f"width of {element.symbol}"))
    return changed


def _whole_number(value: object, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise InputError(f"{name} is {value!r}; give a whole number such as 2 or -2.")
    return value


def _real_number(value: object, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise InputError(f"The {name} is {value!r}; give a number.")
    return float(value)
