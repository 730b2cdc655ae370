"""Structures that DFT could be asked about, and the keys by which none is asked about twice."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from ase.symbols import Symbols

from aiida_redoxmlp.dataset.frame import Frame
from aiida_redoxmlp.redox.configuration import Configuration

__all__ = ("Candidate", "content_key", "formula_of", "keys_of_frames")

_DIGITS = 6


@dataclass(frozen=True, eq=False)
class Candidate:
    """A structure from exploration.

    Attributes:
        configuration: the atoms with the oxidation states that the walker carried.
        origin: name of the walker or trajectory it is from.
        step: where on that walker.
    """

    configuration: Configuration
    origin: str = ""
    step: int = 0

    @property
    def key(self) -> str:
        """The :func:`content_key` of the configuration."""
        return content_key(self.configuration)


def content_key(configuration: Configuration) -> str:
    """Return a hash of a structure with its states, the same for every cell that an atom is written in.

    Positions are compared as fractions of the cell vectors to six digits. Spins are left out, as are translations
    of the whole crystal and renumberings of the atoms: what is to be found is the structure that was asked before,
    in this campaign or in another.
    """
    fractions = np.linalg.solve(configuration.cell.T, configuration.positions.T).T
    wrapped = np.round(np.round(fractions, _DIGITS) % 1.0, _DIGITS) % 1.0
    digest = hashlib.sha256()
    digest.update(configuration.numbers.astype("<i8").tobytes())
    digest.update(configuration.oxidation_states.astype("<i8").tobytes())
    for array in (configuration.cell, wrapped):
        digest.update((np.round(array, _DIGITS) + 0.0).astype("<f8").tobytes())  # + 0.0 folds -0.0 into 0.0
    return digest.hexdigest()


def keys_of_frames(frames: Iterable[Frame]) -> set[str]:
    """Return the keys of structures that are labelled already, with the states DFT found."""
    return {content_key(frame.configuration) for frame in frames}


def formula_of(configuration: Configuration) -> str:
    """Return the formula of a cell, such as ``LiMn2O8P2``: the state of charge it is at."""
    return str(Symbols(configuration.numbers).get_chemical_formula(mode="hill"))
