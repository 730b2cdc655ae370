"""Where walkers start: the given structures, strained and rattled cells beside them, and ways of ions."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from aiida_redoxmlp.active_learning.electrons import BeliefSettings, believe, with_believed_pattern
from aiida_redoxmlp.active_learning.exploration.ion_hops import hop_images, hops_by_structure
from aiida_redoxmlp.active_learning.exploration.settings import ExplorationSettings, IonHops, Variations, Voigt
from aiida_redoxmlp.engines.contract import CommitteePotential
from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.redox.chemistry import RedoxChemistry
from aiida_redoxmlp.redox.configuration import Configuration

__all__ = ("GivenStructure", "StartingPoint", "displaced", "random_of", "starting_points", "strained", "with_states")


@dataclass(frozen=True, eq=False)
class GivenStructure:
    """A structure to explore from.

    Attributes:
        configuration: its atoms; the states on the redox sites count only if they are known.
        states_known: whether walkers start with these states, instead of the committee's lowest pattern.
    """

    configuration: Configuration
    states_known: bool = True


@dataclass(frozen=True, eq=False)
class StartingPoint:
    """A structure that walkers start from.

    Attributes:
        name: that of the given structure, and what was done to it.
        structure: name of the given structure.
        configuration: the atoms.
        redox_sites: indices of the redox sites, ascending.
        spins: those of the given structure, whose directions walkers keep when charges move.
        states_known: whether its states were given.
        strain: components of the strain.
        rattle: standard deviation of its displacements in Å.
        on_hop: whether an ion is on its way to a vacant site.
    """

    name: str
    structure: str
    configuration: Configuration
    redox_sites: tuple[int, ...]
    spins: NDArray[np.int64] | None
    states_known: bool
    strain: Voigt = (0.0,) * 6
    rattle: float = 0.0
    on_hop: bool = False


def random_of(seed: int, name: str) -> np.random.Generator:
    """Return the random generator of a walker, which depends on nothing but its name and the seed."""
    return np.random.default_rng([seed, *hashlib.sha256(name.encode()).digest()])


def strained(configuration: Configuration, strain: Voigt) -> Configuration:
    """Return a configuration in a strained cell, at the same fractional coordinates.

    Args:
        configuration: the atoms.
        strain: components xx, yy, zz, yz, xz, xy of the strain tensor.
    """
    xx, yy, zz, yz, xz, xy = strain
    stretch = np.eye(3) + np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
    return replace(configuration, cell=configuration.cell @ stretch, positions=configuration.positions @ stretch)


def displaced(configuration: Configuration, rattle: float, random: np.random.Generator) -> Configuration:
    """Return a configuration with a normal displacement of standard deviation ``rattle`` (Å) of every atom."""
    return configuration.moved_to(
        configuration.positions + rattle * random.standard_normal(configuration.positions.shape)
    )


def starting_points(
    structures: Mapping[str, GivenStructure], chemistry: RedoxChemistry, settings: ExplorationSettings
) -> list[StartingPoint]:
    """Return all starting points: the variations of each structure one after another, then those along hops of ions.

    Args:
        structures: what to explore from, by name.
        chemistry: charges of the material.
        settings: strains, rattles, hops of ions, and the seed of what is random.

    Raises:
        InputError: without structures, for one with fewer than two atoms, for states that are not allowed, or if ions
            are to hop and none can.
    """
    if not structures:
        raise InputError("There is no structure to explore from; give at least one.")
    given = [_as_given(name, one, chemistry) for name, one in structures.items()]
    points = [varied for point in given for varied in _variations(point, settings.variations, settings.seed)]
    if settings.ion_hops is not None:
        points += _along_hops(given, settings.ion_hops, settings.seed)
    return points


def with_states(
    points: Sequence[StartingPoint],
    potential: CommitteePotential,
    chemistry: RedoxChemistry,
    settings: BeliefSettings,
) -> list[StartingPoint]:
    """Return the starting points with states on all atoms: where none were given, the committee's lowest pattern.

    Raises:
        InputError: for species or spins that the committee does not know.
        ClosureError: if no pattern closes the charge of a structure.
    """
    found = []
    for point in points:
        here = point.configuration
        if not potential.encoding.resolves_spins:
            here = replace(here, spins=None)
        if point.states_known:
            here = potential.encoding.with_usual_spins(here)
        else:
            (belief,) = believe(potential, [here], chemistry, settings)
            here = with_believed_pattern(potential, here, belief)
        found.append(replace(point, configuration=here))
    return found


def _as_given(name: str, given: GivenStructure, chemistry: RedoxChemistry) -> StartingPoint:
    """Return a given structure as it is."""
    sites = _checked_sites(name, given, chemistry)
    return StartingPoint(name, name, given.configuration, sites, given.configuration.spins, given.states_known)


def _along_hops(points: Sequence[StartingPoint], settings: IonHops, seed: int) -> list[StartingPoint]:
    """Return structures along the hops of all structures' ions."""
    found: list[StartingPoint] = []
    every = hops_by_structure({point.name: point.configuration for point in points}, settings)
    for point in points:
        here, hops = point.configuration, every[point.name]
        random = random_of(seed, f"{point.name}, hops")
        chosen = np.sort(random.permutation(len(hops))[: settings.max_hops])
        for number, hop in enumerate((hops[index] for index in chosen), start=1):
            name = f"{point.name}, hop {number} ({settings.element} {hop.ion}, {hop.distance:.2f} Å)"
            images = hop_images(here, hop, settings.n_images, random_of(seed, name))
            names = [*(f"{name}, image {image}" for image in range(1, len(images))), f"{name}, end"]
            found += [
                replace(point, name=one, configuration=here.moved_to(positions), on_hop=True)
                for one, positions in zip(names, images, strict=True)
            ]
    return found


def _checked_sites(name: str, given: GivenStructure, chemistry: RedoxChemistry) -> tuple[int, ...]:
    """Return the redox sites of a given structure."""
    atoms = given.configuration
    if len(atoms) < 2:
        raise InputError(f"The structure {name!r} has {len(atoms)} atoms; walkers need at least 2.")
    symbols = atoms.to_ase().get_chemical_symbols()
    sites = chemistry.table().redox_sites(symbols)
    if sites and given.states_known:
        refused = chemistry.why_not(symbols, [int(atoms.oxidation_states[site]) for site in sites])
        if refused is not None:
            raise InputError(f"The structure {name!r} cannot have the states given. {refused}")
    return tuple(sites)


def _variations(point: StartingPoint, variations: Variations, seed: int) -> Iterator[StartingPoint]:
    """Yield a structure and all its variations."""
    strains = [0.0, *variations.strains]
    rattles = [0.0, *(rattle for rattle in variations.rattles for _ in range(variations.copies))]
    for s, strain in enumerate(strains):
        tensor: Voigt = strain if isinstance(strain, tuple) else (strain, strain, strain, 0.0, 0.0, 0.0)
        of_strain = f"{point.name}, strain {s}" if s else point.name
        cell = strained(point.configuration, tensor) if s else point.configuration
        for r, rattle in enumerate(rattles):
            name = f"{of_strain}, rattle {r}" if r else of_strain
            atoms = displaced(cell, rattle, random_of(seed, name)) if r else cell
            yield replace(point, name=name, configuration=atoms, strain=tensor, rattle=rattle)
