"""The schema of the summary of self-consistent Hubbard parameters."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, FiniteFloat

from aiida_redoxmlp.report.schema_parts import Part, StageTiming, WorkChainSummary

__all__ = ("HubbardCycle", "HubbardMean", "HubbardPairValue", "HubbardSiteValue", "HubbardSummary", "HubbardUuids")


class HubbardSiteValue(Part):
    """U of one site in one cycle."""

    site: int = Field(description="Index of the atom in the user's structure, from 0.")
    label: str = Field(description="Element and number within the sites of the element that have a U, such as `Mn2`.")
    element: str
    manifold: str = Field(description="Such as `3d`.")
    kind: str = Field(description="pw.x's name of the atom's species in this cycle.")
    new_kind: str = Field(description="The same in the next cycle: sites of one kind share a U.")
    u_in_ev: FiniteFloat = Field(description="U that the ground state was computed with.")
    u_out_ev: FiniteFloat = Field(description="U that linear response found for it.")
    oxidation_state: int | None = Field(None, description="State of that ground state; null for what is no redox site.")
    confidence: FiniteFloat | None = Field(None, description="Probability of that state.")
    moment_sign: int | None = Field(None, description="Sign of the moment, 0 without one.")


class HubbardPairValue(Part):
    """V of one pair in one cycle; the atom that has a U comes first."""

    site: int = Field(description="Index of the first atom in the user's structure, from 0.")
    label: str = Field(description="Label of the first atom; its element where it has no U.")
    neighbour: int = Field(description="Index of the second atom.")
    neighbour_element: str
    translation: list[int] = Field(description="Lattice vectors from the cell to the second atom's image.")
    manifold: str
    neighbour_manifold: str
    distance_angstrom: FiniteFloat
    v_in_ev: FiniteFloat = Field(description="V that the ground state was computed with.")
    v_out_ev: FiniteFloat = Field(description="V that linear response found for it.")


class HubbardCycle(Part):
    """One cycle: a ground state, its oxidation states, and U and V from its linear response."""

    number: int = Field(description="From 1.")
    sites: list[HubbardSiteValue] = Field(description="By ascending atom.")
    pairs: list[HubbardPairValue]
    pattern: list[int] = Field(description="Oxidation state of every redox site, by ascending atom.")
    pattern_changed: bool = Field(description="Whether it is another one than before; in the first, than was wanted.")
    ambiguous: bool = Field(description="Whether the charges close only with doubt.")
    change_u_ev: FiniteFloat = Field(description="Largest difference between a U put in and found.")
    change_v_ev: FiniteFloat = Field(description="Largest difference between a V put in and found.")
    mixing: FiniteFloat = Field(description="Share of the values found in those of the next cycle.")
    gap_ev: FiniteFloat | None = Field(None, description="Band gap of the ground state, negative for a metal.")
    occupations: str = Field(description="`fixed` or `smearing`, in the SCF that was perturbed.")
    scf_uuid: str = Field(description="The SCF that was perturbed.")
    hp_uuid: str = Field(description="The linear response.")


class HubbardMean(Part):
    """U of an element, or V of two: the mean over all sites or pairs, which labels for a potential use."""

    element: str
    manifold: str
    neighbour_element: str | None = Field(None, description="Null for U.")
    neighbour_manifold: str | None = None
    value_ev: FiniteFloat
    lowest_ev: FiniteFloat
    highest_ev: FiniteFloat
    n: int = Field(description="Number of sites or pairs.")


class HubbardUuids(Part):
    """The nodes behind the numbers."""

    work_chain: str
    structure: str | None = Field(None, description="Structure with starting values.")
    hubbard_structure: str | None = Field(None, description="Structure with the values found.")
    cycles: str | None = Field(None, description="The cycles and the verdict.")
    cycle_records: list[str] = Field(description="The record of every cycle.")
    oxidation_states: str | None = Field(None, description="States of the last cycle.")


class HubbardSummary(WorkChainSummary):
    """What self-consistent Hubbard parameters came to. Energies in eV, lengths in Å, times in s."""

    schema_version: Literal[1] = Field(1, description="Version of this schema.")
    converged: bool | None = Field(None, description="Whether U and V are self-consistent; null before the verdict.")
    limit_cycle: int | None = Field(None, description="Period with which the values come back without converging.")
    tolerance_u_ev: FiniteFloat | None = None
    tolerance_v_ev: FiniteFloat | None = None
    cycles: list[HubbardCycle]
    means: list[HubbardMean] = Field(description="By element and by pair of elements, of the values found last.")
    n_pw_calculations: int = Field(description="pw.x jobs, those from the cache included.")
    n_hp_calculations: int = Field(description="hp.x jobs, those from the cache included.")
    steps: dict[str, StageTiming] = Field(description="Time of every step by the label of its call, such as `hp_1`.")
    uuids: HubbardUuids = Field(description="The nodes behind the numbers.")
