"""The namelist INPUTHP of hp.x, validated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = ("InputHp",)

_PER_INDEX = ("skip_type", "perturb_only_atom")
_BY_INDEX = ("equiv_type", "alpha_mix")


class InputHp(BaseModel):
    """Keys of hp.x's INPUTHP (Quantum ESPRESSO's INPUT_HP); types, atoms and iterations count from 1.

    The prefix, the folder and the mesh of wave vectors are not among them: the calculation sets these. Version 6.7 has
    no ``determine_q_mesh_only`` and no ``dist_thr``, so its runs divide over atoms; 7.2 has no ``no_metq0`` yet.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    iverbosity: int = Field(2, ge=0, le=4, description="How much hp.x prints; 2 and more write the response matrices.")
    max_seconds: float | None = Field(None, gt=0, description="Wall time in s after which hp.x stops by itself.")
    skip_equivalence_q: bool = Field(False, description="Compute all wave vectors, without symmetry.")
    determine_num_pert_only: bool = Field(False, description="Only list the atoms that have to be perturbed.")
    determine_q_mesh_only: bool = Field(False, description="Only list the wave vectors of the one perturbed atom.")
    find_atpert: int = Field(
        1, ge=1, le=4, description="How equivalent atoms are found: 1 occupations, 2 types, 3 symmetry, 4 not at all."
    )
    docc_thr: float = Field(5.0e-5, gt=0, description="Occupations closer than this are equivalent (find_atpert 1).")
    skip_type: tuple[int, ...] = Field((), description="Types that are not perturbed.")
    equiv_type: dict[int, int] = Field(default_factory=dict, description="Type that stands for a skipped type.")
    perturb_only_atom: tuple[int, ...] = Field((), description="The one atom to perturb in this run.")
    start_q: int | None = Field(None, ge=1, description="First wave vector of this run.")
    last_q: int | None = Field(None, ge=1, description="Last wave vector of this run.")
    sum_pertq: bool = Field(False, description="Only sum responses of earlier runs over the wave vectors.")
    compute_hp: bool = Field(False, description="Only compute the parameters from responses of earlier runs.")
    conv_thr_chi: float = Field(1.0e-5, gt=0, description="Convergence threshold of the response, in 1/eV.")
    thresh_init: float = Field(1.0e-14, gt=0, description="Threshold of the first iteration's linear system.")
    ethr_nscf: float = Field(1.0e-11, gt=0, description="Threshold of the eigenvalues at k + q, in Ry.")
    niter_max: int = Field(100, ge=1, description="Iterations at most.")
    alpha_mix: dict[int, float] = Field(default_factory=dict, description="Mixing by iteration, 0.3 if not given.")
    nmix: int = Field(4, ge=1, le=8, description="Iterations that the mixing remembers.")
    num_neigh: int = Field(6, ge=1, description="Neighbours of every atom whose V is written for pw.x.")
    lmin: int = Field(2, ge=0, le=3, description="Least angular momentum of atoms whose neighbours are written.")
    rmax: float = Field(100.0, gt=0, description="Largest distance of a written pair, in Bohr.")
    dist_thr: float | None = Field(None, gt=0, description="Distances closer than this are equal, in Bohr.")
    no_metq0: bool | None = Field(None, description="Leave the response of a metal at q = 0 out (7.3 and later).")

    @property
    def is_part(self) -> bool:
        """Whether such a run ends before the Hubbard parameters."""
        return bool(self.determine_num_pert_only or self.perturb_only_atom)

    @model_validator(mode="after")
    def _fits_together(self) -> InputHp:
        """Check the keys that exclude or need each other."""
        split = self.start_q is not None or self.last_q is not None
        only = [
            key
            for key in ("determine_num_pert_only", "determine_q_mesh_only", "sum_pertq", "compute_hp")
            if getattr(self, key)
        ]
        if len(only) > 1:
            raise ValueError(f"{only[0]} and {only[1]} exclude each other; run them one after the other")
        if len(self.perturb_only_atom) > 1:
            raise ValueError(
                f"perturb_only_atom names {len(self.perturb_only_atom)} atoms, but hp.x takes one; run a job an atom"
            )
        if any(atom < 1 for atom in (*self.perturb_only_atom, *self.skip_type)):
            raise ValueError("atoms and types count from 1 in hp.x; give numbers from 1")
        if only and split:
            raise ValueError(f"{only[0]} leaves no wave vectors to compute; remove start_q and last_q")
        if (split or self.sum_pertq or self.determine_q_mesh_only) and not self.perturb_only_atom:
            key = only[0] if only else "start_q"
            raise ValueError(f"{key} needs one perturbed atom; name it in perturb_only_atom")
        if self.compute_hp and self.perturb_only_atom:
            raise ValueError("compute_hp needs the responses of all atoms; remove perturb_only_atom")
        if self.start_q is not None and self.last_q is not None and self.start_q > self.last_q:
            raise ValueError(f"start_q {self.start_q} comes after last_q {self.last_q}; swap them")
        return self

    def namelist(
        self,
        prefix: str,
        outdir: str,
        mesh: Sequence[int],
        *,
        defaults: Mapping[str, object] | None = None,
    ) -> str:
        """Return the namelist.

        Args:
            prefix: of the ground state's files.
            outdir: folder of these files.
            mesh: wave vectors along the reciprocal axes, 3 numbers.
            defaults: values of keys that were not given.
        """
        lines = [f"prefix = '{prefix}'", f"outdir = '{outdir}'"]
        lines += [f"nq{axis} = {count}" for axis, count in enumerate(mesh, start=1)]
        lines += list(self._entries(defaults or {}))
        body = "".join(f"  {line}\n" for line in lines)
        return f"&INPUTHP\n{body}/\n"

    def _entries(self, defaults: Mapping[str, object]) -> Iterator[str]:
        """Yield the keys that were given or have a default of the caller's."""
        given = {key: getattr(self, key) for key in self.model_fields_set}
        for key, value in {"iverbosity": self.iverbosity, **defaults, **given}.items():
            if value is None:
                continue
            if key in _PER_INDEX:
                yield from (f"{key}({index}) = .true." for index in value)
            elif key in _BY_INDEX:
                yield from (f"{key}({index}) = {_fortran(one)}" for index, one in value.items())
            else:
                yield f"{key} = {_fortran(value)}"


def _fortran(value: object) -> str:
    """Write a value as Fortran reads it."""
    if isinstance(value, bool):
        return ".true." if value else ".false."
    return f"{value:.10g}".replace("e", "d") if isinstance(value, float) else str(value)
