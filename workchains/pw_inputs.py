"""What pw.x needs beside the structure: pseudopotentials, cutoffs, k-points."""

from __future__ import annotations

from typing import Any

from aiida import orm
from aiida.common.exceptions import MultipleObjectsError, NotExistent
from aiida.plugins import GroupFactory
from aiida_quantumespresso.data.hubbard_structure import HubbardStructureData

from aiida_redoxmlp.errors import InputError

__all__ = ("has_real_wavefunctions", "kpoints_for", "pseudos_and_cutoffs")


def pseudos_and_cutoffs(
    label: str, structure: orm.StructureData, stringency: str | None = None
) -> tuple[dict[str, Any], dict[str, float]]:
    """Return one pseudopotential an element and the recommended cutoffs in Ry.

    Args:
        label: label of an installed aiida-pseudo family.
        structure: structure whose elements are looked up.
        stringency: stringency of the cutoffs; the family's default when not given.

    Returns:
        Pseudopotentials by element, and ``ecutwfc`` and ``ecutrho`` (empty for a family without cutoffs).

    Raises:
        InputError: if the family is not installed, or lacks an element's pseudopotential or cutoff.
    """
    family_class = GroupFactory("pseudo.family")
    try:
        family = orm.QueryBuilder().append(family_class, filters={"label": label}).one()[0]
    except (NotExistent, MultipleObjectsError) as error:
        known = orm.QueryBuilder().append(family_class, project="label").all(flat=True)
        raise InputError(
            f"The pseudopotential family {label!r} is not installed; installed are {sorted(known) or 'none'}: "
            "install it with `aiida-pseudo install`."
        ) from error
    elements = sorted({kind.symbol for kind in structure.kinds})
    missing = sorted(set(elements) - set(family.elements))
    if missing:
        raise InputError(
            f"The pseudopotential family {label!r} has no {', '.join(missing)}; choose a family that has every element."
        )
    pseudos = {element: family.get_pseudo(element) for element in elements}
    if not hasattr(family, "get_recommended_cutoffs"):
        return pseudos, {}
    try:
        ecutwfc, ecutrho = family.get_recommended_cutoffs(elements=tuple(elements), stringency=stringency, unit="Ry")
    except ValueError as error:
        raise InputError(
            f"The family {label!r} recommends no cutoff for one of {', '.join(elements)} ({error}); set them with "
            "`aiida-pseudo family cutoffs set` or give `ecutwfc` and `ecutrho` in the overrides."
        ) from error
    return pseudos, {"ecutwfc": float(ecutwfc), "ecutrho": float(ecutrho)}


def kpoints_for(structure: orm.StructureData, distance: float | None) -> orm.KpointsData:
    """Return a Γ-centred mesh of at most ``distance`` 1/Å between points, or the Γ point for None."""
    kpoints = orm.KpointsData()
    kpoints.set_cell_from_structure(structure)
    if distance is None:
        kpoints.set_kpoints_mesh([1, 1, 1])
    else:
        kpoints.set_kpoints_mesh_from_density(distance)
    return kpoints


def has_real_wavefunctions(structure: HubbardStructureData, kpoints: orm.KpointsData) -> bool:
    """Whether pw.x may take wave functions as real, which halves its work.

    It can where Γ is the only point, and refuses where the Hubbard projectors are orthogonalised.
    """
    mesh, offset = kpoints.get_kpoints_mesh()
    return list(mesh) == [1, 1, 1] and not any(offset) and structure.hubbard.projectors == "atomic"
