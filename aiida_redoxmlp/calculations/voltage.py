"""Provenance-tracked convex hull and voltage from searches and labels at several lithium contents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida import orm
from aiida.engine import ExitCode, calcfunction
from ase.formula import Formula
from ase.symbols import Symbols

from aiida_redoxmlp.data.dataset import DatasetData
from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.search.voltage import voltage_profiles
from aiida_redoxmlp.search.voltage_table import CellEnergy, ground_state_energies

__all__ = ("convex_hull_and_voltage",)

_NO_HULL = 300
_KINDS = ("structure", "search", "conclusion", "frames")


@calcfunction
def convex_hull_and_voltage(
    lithium_energy: orm.Float,
    end_members: orm.List | None = None,
    formula_unit: orm.Str | None = None,
    **compositions: orm.Data,
) -> orm.Dict | ExitCode:
    """Return which lithium contents are stable, and the average voltage between them.

    Args:
        lithium_energy: energy of lithium metal in eV an atom, by the method of the labels.
        end_members: lowest and highest lithium content of the hull; 0 and 1 if not given.
        formula_unit: what makes a formula unit, or a part of it; the host in smallest whole numbers if not given.
        compositions: for every composition, under a name of your choice, any of ``NAME_search`` (report of a search;
            its lowest pattern counts as the potential's energy), ``NAME_conclusion`` (conclusion of a campaign; the
            lowest pattern that landed counts as DFT's) and ``NAME_frames`` (frames of a label; the last counts as
            DFT's). The first two need ``NAME_structure``, any structure of this composition.

    Returns:
        What :meth:`~aiida_redoxmlp.search.voltage.VoltageProfiles.as_dict` says; written to a file as JSON, the command
        ``aiida-redoxmlp voltage`` reads and draws it. Exit code 300 and a sentence if the energies make no hull.
    """
    try:
        low, high = _end_members(end_members)
        cells = [cell for name, nodes in _by_name(compositions).items() for cell in _cells(name, nodes)]
        energies = ground_state_energies(cells, None if formula_unit is None else formula_unit.value)
        return orm.Dict(voltage_profiles(energies, lithium_energy.value, (low, high)).as_dict())
    except InputError as error:
        return ExitCode(_NO_HULL, str(error))


def _end_members(given: orm.List | None) -> tuple[float, float]:
    contents = [0.0, 1.0] if given is None else given.get_list()
    if len(contents) != 2 or not all(isinstance(one, float | int) for one in contents):
        raise InputError(f"end_members is {contents}; give two lithium contents, such as [0, 1].")
    return float(contents[0]), float(contents[1])


def _by_name(compositions: Mapping[str, orm.Data]) -> dict[str, dict[str, orm.Data]]:
    """Group the nodes of each composition."""
    grouped: dict[str, dict[str, orm.Data]] = {}
    for label, node in sorted(compositions.items()):
        name, _, kind = label.rpartition("_")
        if not name or kind not in _KINDS:
            raise InputError(f"The input {label!r} is not known; end its name with one of _{', _'.join(_KINDS)}.")
        grouped.setdefault(name, {})[kind] = node
    return grouped


def _cells(name: str, nodes: Mapping[str, Any]) -> list[CellEnergy]:
    """Return the energies of one composition, at most one by the potential and one by DFT."""
    cells = []
    if "search" in nodes:
        lowest = min(nodes["search"].get_dict()["patterns"], key=lambda one: float(one["energy_ev"]))
        composition = _composition(name, nodes, len(lowest["positions"]))
        cells.append(
            CellEnergy(composition=composition, energies_ev=lowest["energies_ev"], source="potential", name=name)
        )
    if "frames" in nodes:
        cells.append(_labelled(name, nodes["frames"]))
    elif "conclusion" in nodes:
        patterns = nodes["conclusion"].get_dict()["patterns"]
        landed = [one["energy_dft_ev"] for one in patterns if one["pattern_found_by_dft"] == one["states"]]
        if landed:
            composition = _composition(name, nodes)
            cells.append(CellEnergy(composition=composition, energy_ev=min(landed), source="dft", name=name))
    return cells


def _labelled(name: str, dataset: DatasetData) -> CellEnergy:
    """Return the energy of the last frame of a label."""
    frame = dataset.frames[-1]
    formula = str(Symbols(frame.configuration.numbers).formula)
    return CellEnergy(composition=formula, energy_ev=frame.energy, source="dft", name=name)


def _composition(name: str, nodes: Mapping[str, Any], n_atoms: int | None = None) -> str:
    """Return the formula of a composition's structure."""
    if "structure" not in nodes:
        raise InputError(
            f"{name} has energies and no structure; give {name}_structure, which says how much lithium it has."
        )
    formula: Formula = nodes["structure"].get_ase().symbols.formula
    if n_atoms is not None and len(formula) != n_atoms:
        raise InputError(
            f"{name}_structure has {len(formula)} atoms, but the lowest pattern of {name}_search has {n_atoms}; give a "
            "structure with the composition of the search."
        )
    return str(formula)
