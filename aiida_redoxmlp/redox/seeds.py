"""Seeds that make DFT+U land on a wanted redox pattern."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers
from numpy.typing import NDArray

from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.redox.distortion import pre_distort
from aiida_redoxmlp.redox.pattern import Pattern

__all__ = ("Seed", "build_seed", "channel_electrons", "starting_eigenvalues")

_EMPTY = 0.05  # occupation that hybridisation with the ligands gives an empty level
_EMPTY_COVALENT = 0.3  # an empty level that points at the ligands (e_g) takes more from them
_N_COVALENT = 2
_T2G = 3
_HELD_ITERATIONS = 10
_F_BLOCK = range(57, 72)
_QE_MAX_KINDS = 10  # ntypx in Quantum ESPRESSO's Modules/parameters.f90


@dataclass(frozen=True, eq=False)
class Seed:
    """What a DFT+U calculation starts from in order to land on a pattern.

    Attributes:
        pattern: the wanted pattern.
        signs: sign of the moment of each redox site of the pattern.
        strength: multiple of the pre-distortion.
        kinds: kind name of every atom: ``Mn1``, ``Mn2``, … for redox sites, the chemical symbol for the
            others.
        starting_magnetization: by kind, unpaired electrons over valence electrons with the sign of the
            moment.
        starting_ns_eigenvalue: ``[m, spin, kind, value]`` as aiida-quantumespresso takes it, m and spin from
            1; m counts the eigenvalues of a spin channel's occupation matrix from the lowest.
        positions: pre-distorted positions in Å, shape (n_atoms, 3).
        mixing_fixed_ns: SCF iterations for which the occupations stay fixed.
        total_moment: unpaired electrons of the cell to keep, up less down, or None to leave them free.
    """

    pattern: Pattern
    signs: tuple[int, ...]
    strength: float
    kinds: tuple[str, ...]
    starting_magnetization: dict[str, float]
    starting_ns_eigenvalue: list[list[int | float | str]]
    positions: NDArray[np.float64]
    mixing_fixed_ns: int
    total_moment: int | None = None

    @property
    def has_moments(self) -> bool:
        """Whether any site starts with a moment."""
        return any(self.starting_magnetization.values())

    @property
    def pw_parameters(self) -> dict[str, dict[str, Any]]:
        """What the seed changes in pw.x's namelists ``SYSTEM`` and ``ELECTRONS``.

        Without any moment the calculation is not spin-polarised: pw.x refuses ``nspin = 2`` when all starting
        magnetisations are zero, and with ``nspin = 1`` there is one spin channel to set.
        """
        entries = [list(entry) for entry in self.starting_ns_eigenvalue]
        system: dict[str, Any] = {"starting_ns_eigenvalue": entries}
        if self.has_moments:
            system["starting_magnetization"] = dict(self.starting_magnetization)
            if self.total_moment is not None:
                system["tot_magnetization"] = self.total_moment
        else:
            system = {"nspin": 1, "starting_ns_eigenvalue": [entry for entry in entries if entry[1] == 1]}
        return {
            "SYSTEM": system,
            "ELECTRONS": {"mixing_fixed_ns": self.mixing_fixed_ns} if self.mixing_fixed_ns else {},
        }


def channel_electrons(n_electrons: int, orbital_l: int = 2, *, low_spin: bool = False) -> tuple[int, int]:
    """Return the number of electrons of a d or f shell in the majority and the minority spin channel.

    Args:
        n_electrons: electrons in the shell.
        orbital_l: 2 for d, 3 for f.
        low_spin: fill the three t2g levels of an octahedron with both spins first (d only).

    Raises:
        InputError: if the shell cannot hold that many electrons.
    """
    n_levels = 2 * orbital_l + 1
    if not 0 <= n_electrons <= 2 * n_levels:
        shell = "spdf"[orbital_l]
        raise InputError(
            f"{n_electrons} electrons do not fit a {shell} shell, which holds 0 to {2 * n_levels}; "
            "check the oxidation state and the element's valence electrons."
        )
    if not low_spin or orbital_l != 2:
        majority = min(n_electrons, n_levels)
    elif n_electrons <= 2 * _T2G:
        majority = min(n_electrons, _T2G)
    else:
        majority = min(_T2G + (n_electrons - 2 * _T2G), n_levels)
    return majority, n_electrons - majority


def starting_eigenvalues(
    n_electrons: int, orbital_l: int = 2, *, low_spin: bool = False
) -> tuple[list[float], list[float]]:
    """Return ascending occupation eigenvalues of the majority and the minority channel.

    Full levels are 1. Empty ones are 0.05, except that up to two empty levels of a partly filled majority
    channel are 0.3: they are the e_g levels, which share the ligands' electrons. A d4 site starts from 0.3,
    1, 1, 1, 1 and 0.05 five times.

    Args:
        n_electrons: electrons in the shell.
        orbital_l: 2 for d, 3 for f.
        low_spin: fill t2g with both spins first (d only).
    """
    n_levels = 2 * orbital_l + 1
    majority, minority = channel_electrons(n_electrons, orbital_l, low_spin=low_spin)
    covalent = min(_N_COVALENT, n_levels - majority) if orbital_l == 2 and majority else 0
    up = [_EMPTY] * (n_levels - majority - covalent) + [_EMPTY_COVALENT] * covalent + [1.0] * majority
    down = [_EMPTY] * (n_levels - minority) + [1.0] * minority
    return up, list(up) if majority == minority else down


def build_seed(
    atoms: Atoms,
    pattern: Pattern,
    *,
    signs: Sequence[int],
    valence_electrons: Mapping[str, int],
    strength: float = 1.0,
    hold_occupations: bool = False,
    hold_moment: bool = False,
    low_spin_sites: Collection[int] = (),
    pseudo_electrons: Mapping[str, float] | None = None,
) -> Seed:
    """Build the seed of a pattern.

    Three things make a pattern stick: ions pre-distorted for it, starting eigenvalues of the occupation
    matrices, and the signs of the moments (antiferromagnetic neighbours; double exchange delocalises
    ferromagnetic pairs). Where one kind a site would exceed the 10 kinds that Quantum ESPRESSO knows, sites
    of the same element, state, spin state and sign share one: their seeds are the same.

    Args:
        atoms: structure.
        pattern: wanted states of its redox sites.
        signs: sign of the moment of each of them, +1 or -1, as from
            :func:`aiida_redoxmlp.redox.magnetic_order.moment_signs`.
        valence_electrons: by element, electrons that the oxidation state is counted from (Mn: 7).
        strength: scales the pre-distortion; 0 leaves the ions where they are.
        hold_occupations: keep the starting occupations for the first 10 SCF iterations, for a retry.
        hold_moment: keep the pattern's total moment: no electron then changes its spin, so that none is shared between
            sites of opposite moments, be it by the smearing.
        low_spin_sites: indices of the redox sites that are low spin.
        pseudo_electrons: by element, valence electrons of the pseudopotential, which starting magnetisations
            are relative to; as ``valence_electrons`` by default.

    Raises:
        InputError: if a site's element has no valence electrons or its state more or fewer electrons than its
            shell holds, the signs do not fit the sites, or there are too many kinds.
    """
    symbols = atoms.get_chemical_symbols()
    _check(symbols, pattern, signs, valence_electrons)
    charges = pseudo_electrons or valence_electrons
    kinds = _kind_names(symbols, pattern, signs, low_spin_sites)
    magnetization: dict[str, float] = {}
    eigenvalues: list[list[int | float | str]] = []
    moment = 0
    for site, state, sign in zip(pattern.sites, pattern.states, signs, strict=True):
        element, kind = symbols[site], kinds[site]
        n_electrons = valence_electrons[element] - state
        orbital_l = 3 if atomic_numbers[element] in _F_BLOCK else 2
        low_spin = site in low_spin_sites
        majority, minority = channel_electrons(n_electrons, orbital_l, low_spin=low_spin)
        moment += sign * (majority - minority)
        if kind in magnetization:
            continue
        magnetization[kind] = float(np.clip(sign * (majority - minority) / charges[element], -1.0, 1.0))
        channels = starting_eigenvalues(n_electrons, orbital_l, low_spin=low_spin)
        for spin, values in enumerate(channels if sign > 0 else channels[::-1], start=1):
            eigenvalues.extend([m, spin, kind, value] for m, value in enumerate(values, start=1))
    return Seed(
        pattern=pattern,
        signs=tuple(signs),
        strength=strength,
        kinds=kinds,
        starting_magnetization=magnetization,
        starting_ns_eigenvalue=eigenvalues,
        positions=pre_distort(atoms, pattern, strength, low_spin_sites=low_spin_sites),
        mixing_fixed_ns=_HELD_ITERATIONS if hold_occupations else 0,
        total_moment=moment if hold_moment else None,
    )


def _check(
    symbols: Sequence[str], pattern: Pattern, signs: Sequence[int], valence_electrons: Mapping[str, int]
) -> None:
    """Check that the signs fit the pattern and that every redox element is in the table."""
    if len(signs) != len(pattern.sites) or any(sign not in (-1, 1) for sign in signs):
        raise InputError(
            f"The signs {list(signs)} do not fit the pattern {pattern.label}; give each redox site +1 or -1."
        )
    missing = [symbols[site] for site in pattern.sites if symbols[site] not in valence_electrons]
    if missing:
        raise InputError(
            f"{missing[0]} has no valence electrons in the table, which knows "
            f"{', '.join(sorted(valence_electrons))}; add {missing[0]} or leave its sites out of the pattern."
        )


def _kind_names(
    symbols: Sequence[str], pattern: Pattern, signs: Sequence[int], low_spin_sites: Collection[int]
) -> tuple[str, ...]:
    """Return one kind name an atom; redox sites share kinds only where there would be too many."""
    n_others = len({symbol for index, symbol in enumerate(symbols) if index not in pattern.sites})
    share = n_others + len(pattern.sites) > _QE_MAX_KINDS
    kinds = list(symbols)
    counts: Counter[str] = Counter()
    names: dict[tuple[object, ...], str] = {}
    for site, state, sign in zip(pattern.sites, pattern.states, signs, strict=True):
        element = symbols[site]
        key = (element, state, sign, site in low_spin_sites) if share else (site,)
        if key not in names:
            counts[element] += 1
            names[key] = f"{element}{counts[element]}"
        kinds[site] = names[key]
    if len(names) + n_others > _QE_MAX_KINDS:
        raise InputError(
            f"The pattern {pattern.label} needs {len(names) + n_others} kinds, but Quantum ESPRESSO takes at "
            f"most {_QE_MAX_KINDS}; seed fewer different states or a smaller cell."
        )
    return tuple(kinds)
