"""Provenance-tracked steps of a Hubbard cycle: ordering atoms, comparing U and V, relabelling, seeding the next."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from aiida import orm
from aiida.engine import calcfunction
from aiida_quantumespresso.common.hubbard import Hubbard
from aiida_quantumespresso.data.hubbard_structure import HubbardStructureData

from aiida_redoxmlp.data.dataset import DatasetData
from aiida_redoxmlp.data.oxidation_states import OxidationStatesData
from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.hubbard.convergence import cycle_length, largest_changes, mixed
from aiida_redoxmlp.hubbard.interactions import Interaction
from aiida_redoxmlp.hubbard.ordering import hubbard_first, inverse, reordered
from aiida_redoxmlp.hubbard.relabelling import averaged_within_kinds, relabelled_kinds

__all__ = (
    "close_cycle",
    "collect_cycles",
    "interactions_of",
    "order_for_hp",
    "restore_order",
    "seed_from_labels",
    "with_interactions",
)


def interactions_of(structure: HubbardStructureData) -> list[Interaction]:
    """Return the Hubbard interactions of a structure.

    Raises:
        InputError: if there are others than U and V in Dudarev's formulation, which linear response does not give.
    """
    hubbard = structure.hubbard
    kinds = {one.hubbard_type for one in hubbard.parameters} - {"U", "Ueff", "V"}
    if kinds or hubbard.formulation != "dudarev":
        raise InputError(
            f"The structure has {', '.join(sorted(kinds)) or 'U'} in the {hubbard.formulation} formulation, but only U "
            "and V in the dudarev formulation can be followed; leave the others out."
        )
    return [
        Interaction(site, manifold, neighbour, other, tuple(translation), value)
        for site, manifold, neighbour, other, value, translation, _ in hubbard.to_list()
    ]


def with_interactions(
    structure: orm.StructureData,
    interactions: Sequence[Interaction],
    *,
    kinds: Sequence[str] | None = None,
    projectors: str = "ortho-atomic",
) -> HubbardStructureData:
    """Return an unstored structure with these interactions, and with new kinds if they are given."""
    names = kinds or [site.kind_name for site in structure.sites]
    return HubbardStructureData(
        cell=structure.cell,
        pbc=structure.pbc,
        sites=[
            (structure.get_kind(site.kind_name).symbol, name, tuple(site.position))
            for site, name in zip(structure.sites, names, strict=True)
        ],
        hubbard=Hubbard.from_list(
            [
                (
                    one.site,
                    one.manifold,
                    one.neighbour,
                    one.neighbour_manifold,
                    one.value,
                    one.translation,
                    "U" if one.is_onsite else "V",
                )
                for one in interactions
            ],
            projectors=projectors,
        ),
    )


@calcfunction
def order_for_hp(structure: HubbardStructureData) -> dict[str, orm.Data]:
    """Put the Hubbard atoms first, kind by kind, as hp.x demands.

    Returns:
        ``structure``, and ``order`` as a list with ``order[new] = old``.
    """
    interactions = interactions_of(structure)
    order = hubbard_first(interactions, [site.kind_name for site in structure.sites])
    return {"structure": _in_order(structure, order), "order": orm.List(order)}


@calcfunction
def restore_order(structure: HubbardStructureData, order: orm.List) -> HubbardStructureData:
    """Undo :func:`order_for_hp`."""
    return _in_order(structure, inverse(order.get_list()))


def _in_order(structure: HubbardStructureData, order: Sequence[int]) -> HubbardStructureData:
    """Return the structure with its atoms in a new order, ``order[new] = old``."""
    sites = structure.sites
    moved = orm.StructureData(cell=structure.cell, pbc=structure.pbc)
    for old in order:
        kind = structure.get_kind(sites[old].kind_name)
        moved.append_atom(symbols=kind.symbol, name=kind.name, position=sites[old].position)
    return with_interactions(
        moved, reordered(interactions_of(structure), order), projectors=structure.hubbard.projectors
    )


@calcfunction
def close_cycle(
    structure: HubbardStructureData,
    found: HubbardStructureData,
    oxidation_states: OxidationStatesData,
    electrons: orm.Dict,
    order: orm.List,
    settings: orm.Dict,
) -> dict[str, orm.Data]:
    """Compare U and V with those they were computed with, and prepare the structure of the next cycle.

    Args:
        structure: what the ground state was computed with, in hp.x's order.
        found: the same with the U and V that hp.x found.
        oxidation_states: of that ground state.
        electrons: what :func:`~aiida_redoxmlp.calculations.electrons.describe_electrons` says of it.
        order: ``order[new] = old`` of :func:`order_for_hp`; the record is in the user's order.
        settings: ``cycle``, ``relabel``, ``kind_tolerance`` and ``mixing`` (share of the new values), and what is
            passed on to the record: ``pattern_changed``, ``occupations``, ``scf_uuid``, ``hp_uuid``.

    Returns:
        ``structure`` with relabelled kinds, one U a kind, and ``cycle``, the record. Its ``change_u`` and ``change_v``
        are what the next ground state would be computed with, unmixed, against what this one was: the spread within a
        kind is no change. ``kind_tolerance`` is what it took to get along with the kinds of Quantum ESPRESSO.
    """
    options = settings.get_dict()
    old, new = interactions_of(structure), interactions_of(found)
    pattern = oxidation_states.pattern()
    signs = oxidation_states.get_array("moment_signs")[-1].tolist()
    symbols = [structure.get_kind(site.kind_name).symbol for site in structure.sites]
    kinds = [site.kind_name for site in structure.sites]
    new_kinds, tolerance = kinds, options["kind_tolerance"]
    if options["relabel"]:
        new_kinds, tolerance = relabelled_kinds(
            symbols,
            kinds,
            {one.site: one.value for one in new if one.is_onsite},
            dict(zip(pattern.sites, pattern.states, strict=True)),
            dict(zip(pattern.sites, signs, strict=True)),
            tolerance,
        )
    distances = _distances(structure, new)
    by_number = dict(enumerate(distances))
    change_u, change_v = largest_changes(old, averaged_within_kinds(new, new_kinds, by_number))
    following = averaged_within_kinds(mixed(old, new, options["mixing"]), new_kinds, by_number)
    user = order.get_list()
    record = {
        **{key: options[key] for key in ("cycle", "mixing", "pattern_changed", "occupations", "scf_uuid", "hp_uuid")},
        **_sites(old, new, user, symbols, kinds, new_kinds),
        "pairs": _pairs(old, new, user, distances),
        "oxidation_states": _states(oxidation_states, user),
        "change_u": change_u,
        "change_v": change_v,
        "gap": electrons["gap"],
        "kind_tolerance": tolerance,
    }
    return {
        "structure": with_interactions(structure, following, kinds=new_kinds, projectors=structure.hubbard.projectors),
        "cycle": orm.Dict(record),
    }


def _distances(structure: orm.StructureData, interactions: Sequence[Interaction]) -> list[float]:
    """Return the distance of every pair in Å, 0 for U."""
    atoms = structure.get_ase()
    return [
        float(
            np.linalg.norm(
                atoms.positions[one.neighbour] + one.translation @ atoms.cell.array - atoms.positions[one.site]
            )
        )
        for one in interactions
    ]


def _sites(
    old: Sequence[Interaction],
    new: Sequence[Interaction],
    user: Sequence[int],
    symbols: Sequence[str],
    kinds: Sequence[str],
    new_kinds: Sequence[str],
) -> dict[str, list[Any]]:
    """Return the columns of the on-site table, by ascending atom of the user's."""
    rows = sorted(
        ((user[after.site], before, after) for before, after in zip(old, new, strict=True) if after.is_onsite),
        key=lambda row: row[0],
    )
    return {
        "sites": [site for site, _, _ in rows],
        "elements": [symbols[after.site] for _, _, after in rows],
        "manifolds": [after.manifold for _, _, after in rows],
        "kinds": [kinds[after.site] for _, _, after in rows],
        "new_kinds": [new_kinds[after.site] for _, _, after in rows],
        "u_in": [before.value for _, before, _ in rows],
        "u_out": [after.value for _, _, after in rows],
    }


def _pairs(
    old: Sequence[Interaction], new: Sequence[Interaction], user: Sequence[int], distances: Sequence[float]
) -> list[dict[str, Any]]:
    """Return the intersite table."""
    return [
        {
            "site": user[after.site],
            "neighbour": user[after.neighbour],
            "translation": list(after.translation),
            "manifolds": [after.manifold, after.neighbour_manifold],
            "distance": distance,
            "v_in": before.value,
            "v_out": after.value,
        }
        for before, after, distance in zip(old, new, distances, strict=True)
        if not after.is_onsite
    ]


def _states(node: OxidationStatesData, user: Sequence[int]) -> dict[str, Any]:
    """Return the oxidation states of the last step, by ascending atom of the user's."""
    columns = {name: node.get_array(name)[-1].tolist() for name in ("states", "confidences", "moment_signs")}
    sites = [user[site] for site in node.sites]
    ranked = sorted(range(len(sites)), key=sites.__getitem__)
    return {
        "sites": [sites[index] for index in ranked],
        **{name: [values[index] for index in ranked] for name, values in columns.items()},
        "ambiguous": bool(node.get_array("ambiguous")[-1]),
    }


@calcfunction
def collect_cycles(tolerance_u: orm.Float, tolerance_v: orm.Float, **cycles: orm.Dict) -> orm.Dict:
    """Join the records of all cycles, with the verdict.

    Returns:
        ``converged``, ``reason`` in words, ``limit_cycle`` (period or null), the tolerances, and ``cycles``.
    """
    records = sorted((cycle.get_dict() for cycle in cycles.values()), key=lambda record: int(record["cycle"]))
    last = records[-1]
    converged = last["change_u"] <= tolerance_u.value and last["change_v"] <= tolerance_v.value
    history = [[*record["u_out"], *(pair["v_out"] for pair in record["pairs"])] for record in records]
    tolerances = [tolerance_u.value] * len(last["u_out"]) + [tolerance_v.value] * len(last["pairs"])
    period = None if converged else cycle_length(history, tolerances)
    change = f"the last cycle changed U by {last['change_u']:.3f} eV and V by {last['change_v']:.3f} eV"
    circle = f", and the values come back every {period} cycles" if period else ""
    return orm.Dict(
        {
            "converged": converged,
            "reason": f"{change}{circle}.",
            "limit_cycle": period,
            "tolerance_u": tolerance_u.value,
            "tolerance_v": tolerance_v.value,
            "cycles": records,
        }
    )


@calcfunction
def seed_from_labels(structure: HubbardStructureData, frames: DatasetData, pseudo_electrons: orm.Dict) -> orm.Dict:
    """Return pw.x parameters that start from the occupations of the last labelled frame.

    Args:
        structure: the next structure, with the atoms of the frame in the same order; sites of a kind are averaged.
        frames: labels with occupation eigenvalues.
        pseudo_electrons: valence electrons by element.
    """
    frame = frames.frames[-1]
    by_kind: dict[str, list[Any]] = defaultdict(list)
    for site, eigenvalues in zip(frame.redox_sites, frame.eigenvalues, strict=True):
        by_kind[structure.sites[site].kind_name].append(eigenvalues)
    means = {kind: np.mean(values, axis=0) for kind, values in by_kind.items()}
    moments = {kind: float(channels[0].sum() - channels[1].sum()) for kind, channels in means.items()}
    polarised = any(abs(moment) > 0.01 for moment in moments.values())
    system: dict[str, Any] = {
        "starting_ns_eigenvalue": [
            [m, spin, kind, float(np.clip(value, 0.0, 1.0))]
            for kind, channels in means.items()
            for spin, values in enumerate(channels[: 2 if polarised else 1], start=1)
            for m, value in enumerate(values, start=1)
        ]
    }
    if polarised:
        electrons = pseudo_electrons.get_dict()
        system["starting_magnetization"] = {
            kind: float(np.clip(moment / electrons[structure.get_kind(kind).symbol], -1.0, 1.0))
            for kind, moment in moments.items()
        }
    else:
        system["nspin"] = 1
    return orm.Dict({"SYSTEM": system})
