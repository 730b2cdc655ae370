"""Oxidation states along a trajectory as a file of arrays: NumPy's npz, or HDF5."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.redox.switch_events import DEFAULT_MIN_DWELL, electron_hops, switch_events
from aiida_redoxmlp.redox.trajectory_states import StatesAlongTrajectory

__all__ = ("NamedArray", "require_hdf5", "trajectory_arrays", "write_hdf5", "write_npz")


@dataclass(frozen=True, eq=False)
class NamedArray:
    """An array of the file.

    Attributes:
        name: its name, with the unit at the end where there is one that the name needs.
        values: what it holds.
        unit: unit, empty for pure numbers.
        meaning: what it is, in a line.
    """

    name: str
    values: NDArray[Any]
    unit: str
    meaning: str


_SERIES = (
    ("steps", "steps", "", "number of each ionic step, from 0"),
    ("times_fs", "times", "fs", "time since the start of the run"),
    ("sites", "sites", "", "index of each redox site's atom, from 0"),
    ("symbols", "symbols", "", "chemical symbol of each redox site"),
    ("states", "states", "", "most likely oxidation states that close the charge"),
    ("naive_states", "naive_states", "", "oxidation states by counting full levels"),
    ("moment_signs", "moment_signs", "", "sign of each site's spin moment"),
    ("confidences", "confidences", "", "probability of each state from the site's own eigenvalues"),
    ("margins_nats", "margins", "nat", "log-likelihood to the next assignment that closes"),
    ("closed", "closed", "", "whether the naive states close the charge"),
    ("ambiguous", "ambiguous", "", "whether the assignment is in doubt"),
    ("scf_converged", "scf_converged", "", "whether the SCF cycle converged"),
    ("eigenvalues", "eigenvalues", "", "occupation eigenvalues by step, site and spin, ascending; nan is no level"),
    ("energies_ev", "energies", "eV", "potential (free) energy"),
    ("temperatures_k", "temperatures", "K", "instantaneous temperature"),
    ("conserved_ev", "conserved", "eV", "conserved quantity"),
)
_SWITCHES = (
    ("switch_sites", "site", np.int64, "", "atom that switched, from 0"),
    ("switch_before", "before", np.int64, "", "its oxidation state before"),
    ("switch_after", "after", np.int64, "", "its oxidation state after"),
    ("switch_last_steps_before", "last_step_before", np.int64, "", "last sure step before"),
    ("switch_first_steps_after", "first_step_after", np.int64, "", "first sure step after"),
    ("switch_times_fs", "time_fs", np.float64, "fs", "middle of that interval"),
    ("switch_temperatures_k", "temperature", np.float64, "K", "mean temperature over it"),
)
_HOPS = (
    ("hop_from_sites", "from_site", np.int64, "", "atom that the electron left, from 0"),
    ("hop_to_sites", "to_site", np.int64, "", "atom that it went to, from 0"),
    ("hop_last_steps_before", "last_step_before", np.int64, "", "last sure step before"),
    ("hop_first_steps_after", "first_step_after", np.int64, "", "first sure step after"),
    ("hop_unique", "unique", np.bool_, "", "whether the interval's switches pair in this way only"),
)


def trajectory_arrays(
    trajectory: StatesAlongTrajectory, *, min_dwell: int = DEFAULT_MIN_DWELL
) -> tuple[NamedArray, ...]:
    """Return everything that goes into a file; series that the run does not have are left out.

    Args:
        trajectory: the states.
        min_dwell: a state that is back within so many steps was never left.
    """
    events = switch_events(trajectory, min_dwell=min_dwell)
    series = (
        NamedArray(name, np.asarray(values), unit, meaning)
        for name, attribute, unit, meaning in _SERIES
        if (values := getattr(trajectory, attribute)) is not None
    )
    return (*series, *_columns(_SWITCHES, events), *_columns(_HOPS, electron_hops(events)))


def _columns(columns: Sequence[tuple[str, str, type, str, str]], rows: Sequence[Any]) -> Iterator[NamedArray]:
    for name, attribute, kind, unit, meaning in columns:
        values = [getattr(row, attribute) for row in rows]
        known = [np.nan if value is None else value for value in values]
        yield NamedArray(name, np.array(known, dtype=kind), unit, meaning)


def write_npz(path: Path, arrays: Sequence[NamedArray], facts: Mapping[str, Any]) -> None:
    """Write a compressed npz file, which ``numpy.load`` opens without pickles.

    Args:
        path: the file; one that is there is replaced.
        arrays: the arrays, by their names.
        facts: single values, such as the total charge, written as arrays without a dimension.
    """
    everything: dict[str, Any] = {
        **{name: np.asarray(value) for name, value in facts.items()},
        **{a.name: a.values for a in arrays},
    }
    with path.open("wb") as stream:
        np.savez_compressed(stream, **everything)


def require_hdf5(path: Path) -> None:
    """Make sure that HDF5 can be written.

    Args:
        path: the file that is to be written.

    Raises:
        InputError: if h5py is not installed.
    """
    if find_spec("h5py") is None:
        raise InputError(
            f"{path} needs h5py, which is not installed; run pip install 'aiida-redoxmlp[hdf5]', or write .npz instead."
        )


def write_hdf5(path: Path, arrays: Sequence[NamedArray], facts: Mapping[str, Any]) -> None:
    """Write an HDF5 file with a dataset an array, whose attributes are ``unit`` and ``meaning``.

    Args:
        path: the file; one that is there is replaced.
        arrays: the arrays, by their names.
        facts: single values, such as the total charge, written as attributes of the file.

    Raises:
        InputError: if h5py is not installed.
    """
    require_hdf5(path)
    import h5py  # noqa: PLC0415 - an extra that only this needs

    with h5py.File(path, "w") as file:
        file.attrs.update(facts)
        for array in arrays:
            is_text = array.values.dtype.kind == "U"
            values = array.values.astype(h5py.string_dtype()) if is_text else array.values
            dataset = file.create_dataset(array.name, data=values)
            dataset.attrs["meaning"] = array.meaning
            if array.unit:
                dataset.attrs["unit"] = array.unit
