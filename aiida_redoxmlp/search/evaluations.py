"""Committee energies of configurations, each class of equivalent ones evaluated once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.search.canonical import CanonicalForms
from aiida_redoxmlp.search.checkpoint import read_arrays, write_arrays

__all__ = ("CommitteeEnergies", "Evaluations", "Ranking")

CommitteeEnergies = Callable[[NDArray[np.int8]], NDArray[np.float64]]
"""Takes rows of shape (n_configurations, n_sites) and returns eV, shape (n_configurations, n_members)."""


@dataclass(frozen=True, eq=False)
class Ranking:
    """Configurations in ascending committee mean energy, one a class of equivalent ones.

    Attributes:
        rows: canonical forms, shape (n_configurations, n_sites).
        energies: eV, shape (n_configurations, n_members).
    """

    rows: NDArray[np.int8]
    energies: NDArray[np.float64]

    @property
    def means(self) -> NDArray[np.float64]:
        """Committee mean energies in eV, shape (n_configurations,)."""
        means: NDArray[np.float64] = self.energies.mean(axis=1)
        return means


class Evaluations:
    """Evaluates configurations in batches and remembers them by canonical form, within a budget.

    Args:
        forms: canonical forms under the symmetry that keeps the energy.
        energies: the committee.
        budget: how many configurations it may evaluate, or None for any number.
        batch_size: how many it gets at once.
    """

    def __init__(
        self,
        forms: CanonicalForms,
        energies: CommitteeEnergies,
        *,
        budget: int | None = None,
        batch_size: int = 256,
    ) -> None:
        if batch_size < 1 or (budget is not None and budget < 1):
            raise InputError(
                f"A budget of {budget} evaluations in batches of {batch_size} is no search; give at least 1 of both."
            )
        self.forms, self.budget, self.batch_size = forms, budget, batch_size
        self.n_evaluated = 0
        self._committee = energies
        self._places: dict[bytes, int] = {}
        self._rows = np.zeros((0, len(forms.packing.sizes)), dtype=np.int8)
        self._energies = np.zeros((0, 0))

    @property
    def left(self) -> int | None:
        """How many evaluations the budget still has, None where there is none."""
        return None if self.budget is None else self.budget - self.n_evaluated

    @property
    def spent(self) -> bool:
        """Whether nothing new can be evaluated."""
        return self.left == 0

    def __len__(self) -> int:
        """Number of configurations remembered."""
        return len(self._places)

    def mean(self, rows: NDArray[np.int8]) -> NDArray[np.float64]:
        """Return committee mean energies in eV, shape (n_configurations,).

        What is not remembered is evaluated. Where the budget ends, configurations have an infinite energy.

        Raises:
            InputError: if the committee returns something else than finite energies of every row.
        """
        forms = self.forms.canonical(rows)
        keys = [form.tobytes() for form in forms]
        new = {key: place for place, key in enumerate(keys) if key not in self._places}
        wanted = sorted(new.values())[: self.left]
        for start in range(0, len(wanted), self.batch_size):
            self._remember(forms[wanted[start : start + self.batch_size]])
        places = np.array([self._places.get(key, -1) for key in keys], dtype=np.int64)
        means = np.full(len(rows), np.inf)
        means[places >= 0] = self._energies[places[places >= 0]].mean(axis=1)
        return means

    def known(self, rows: NDArray[np.int8]) -> NDArray[np.bool_]:
        """Return which configurations, or equivalent ones, are remembered, shape (n_configurations,)."""
        return np.array([key in self._places for key in self.forms.keys(rows)], dtype=np.bool_)

    def ranking(self, n_lowest: int | None = None) -> Ranking:
        """Return what is remembered, or the lowest of it."""
        order = np.argsort(self._energies.mean(axis=1), kind="stable")[:n_lowest] if len(self) else np.arange(0)
        return Ranking(self._rows[order], self._energies[order])

    def keep_lowest(self, number: int) -> None:
        """Forget all but the lowest configurations, as memory would not hold all of them."""
        kept = self.ranking(number)
        self._set(kept.rows, kept.energies)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return everything remembered, to store it."""
        return {
            "rows": self._rows,
            "energies": self._energies,
            "n_evaluated": np.array(self.n_evaluated, dtype=np.int64),
        }

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what :meth:`arrays` returned.

        Raises:
            InputError: if it belongs to another number of sites.
        """
        if arrays["rows"].shape[1:] != self._rows.shape[1:]:
            raise InputError(
                f"The stored evaluations are of {arrays['rows'].shape[1]} sites, but the space has "
                f"{self._rows.shape[1]}; give the file of this search."
            )
        self.n_evaluated = int(arrays["n_evaluated"])
        self._set(arrays["rows"].astype(np.int8), arrays["energies"].astype(np.float64))

    def write(self, path: Path) -> None:
        """Write everything remembered to an npz file."""
        write_arrays(path, self.arrays())

    def read(self, path: Path) -> None:
        """Take over what :meth:`write` wrote.

        Raises:
            InputError: if it is no such file, or belongs to another number of sites.
        """
        self.restore(read_arrays(path))

    def _remember(self, forms: NDArray[np.int8]) -> None:
        energies = np.asarray(self._committee(forms), dtype=np.float64)
        if energies.ndim != 2 or len(energies) != len(forms) or not np.isfinite(energies).all():
            raise InputError(
                f"The committee gave energies of shape {energies.shape} for {len(forms)} configurations, or some that "
                "are no numbers; it has to give one finite energy a configuration and member."
            )
        self.n_evaluated += len(forms)
        first = len(self)
        self._places.update((form.tobytes(), first + place) for place, form in enumerate(forms))
        self._rows = np.concatenate([self._rows, forms])
        self._energies = np.concatenate([self._energies, energies]) if first else energies

    def _set(self, rows: NDArray[np.int8], energies: NDArray[np.float64]) -> None:
        self._places = {row.tobytes(): place for place, row in enumerate(rows)}
        self._rows, self._energies = rows, energies
