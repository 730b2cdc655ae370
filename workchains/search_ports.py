"""The inputs of a search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from aiida import orm
from aiida.engine.processes.workchains.workchain import WorkChainSpec
from aiida_quantumespresso.data.hubbard_structure import HubbardStructureData
from pydantic import ValidationError

from aiida_redoxmlp.calculations.configurations import why_hubbard_cannot_follow
from aiida_redoxmlp.calculations.pw import validate_redox
from aiida_redoxmlp.calculations.search import validate_fields
from aiida_redoxmlp.data.model import ModelData
from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.parsers.search import MAX_STRUCTURES
from aiida_redoxmlp.redox.chemistry import RedoxChemistry
from aiida_redoxmlp.redox.configuration import Configuration
from aiida_redoxmlp.search.settings import SpaceSettings
from aiida_redoxmlp.workchains.label import LabelWorkChain
from aiida_redoxmlp.workchains.part_inputs import PROVIDED_BY_CALLER
from aiida_redoxmlp.workchains.search_base import SearchBaseWorkChain

__all__ = ("declare_search_inputs", "oxidation_states_of")


def oxidation_states_of(symbols: Sequence[str], chemistry: RedoxChemistry, space: orm.Dict | None) -> list[int]:
    """Return the charge of every atom: its fixed one, 0 where its element is redox active or the space has species.

    Args:
        symbols: chemical symbols.
        chemistry: charges of the elements.
        space: fields of ``SpaceSettings``, or None for the redox sites.

    Raises:
        InputError: if an atom has neither.
    """
    table = chemistry.table()
    active = set() if space is None else set(SpaceSettings.model_validate(space.get_dict()).allowed)
    return [
        0 if table.is_redox(symbol) or active & {symbol, str(atom)} else table.fixed_state(symbol)
        for atom, symbol in enumerate(symbols)
    ]


def _validate_inputs(inputs: Any, _: Any) -> str | None:
    """Refuse a space that does not fit the structure, the charge or its Hubbard parameters."""
    if any(name not in inputs for name in ("structure", "redox")):
        return None  # the ports report what is missing
    try:
        chemistry = RedoxChemistry.model_validate(inputs["redox"].get_dict())
        parent = Configuration.from_ase(inputs["structure"].get_ase())
        symbols = inputs["structure"].get_ase().get_chemical_symbols()
        given = inputs.get("space")
        states = np.array(oxidation_states_of(symbols, chemistry, given), dtype=np.int64)
        settings = (
            SpaceSettings.of_redox_states(symbols, chemistry)
            if given is None
            else SpaceSettings.model_validate(given.get_dict())
        )
        if settings.total_charge != chemistry.total_charge:
            return (
                f"The total charge is {settings.total_charge:+d} in `space` and {chemistry.total_charge:+d} in "
                "`redox`; give the same in both."
            )
        space = settings.space(replace(parent, oxidation_states=states))
    except (InputError, ValidationError) as error:
        return str(error)
    if "check" not in inputs:
        return None
    return why_hubbard_cannot_follow(inputs["structure"], [[one.label for one in some] for some in space.allowed])


def _validate_n_check(node: orm.Int | None, _: Any) -> str | None:
    if node is not None and not 0 <= node.value <= MAX_STRUCTURES:
        return f"n_check is {node.value}; give a number from 0 to {MAX_STRUCTURES}."
    return None


def declare_search_inputs(spec: WorkChainSpec) -> None:
    """Declare what a search takes."""
    spec.input("structure", valid_type=HubbardStructureData, help="Structure with an atom on every site.")
    spec.input("redox", valid_type=orm.Dict, validator=validate_redox, help="Fields of `RedoxChemistry`.")
    spec.input("model", valid_type=ModelData, help="The committee.")
    spec.input(
        "space",
        valid_type=orm.Dict,
        required=False,
        validator=validate_fields(SpaceSettings, "space"),
        help="Which species may stand where, the fields of `aiida_redoxmlp.search.settings.SpaceSettings`; by default "
        "the oxidation states of the redox sites.",
    )
    spec.input(
        "lattice",
        valid_type=orm.StructureData,
        required=False,
        help="Undistorted structure in the same setting to take the symmetry from.",
    )
    spec.input(
        "n_check",
        valid_type=orm.Int,
        default=lambda: orm.Int(2),
        validator=_validate_n_check,
        help="Lowest configurations that are checked with DFT.",
    )
    spec.input("max_concurrent", valid_type=orm.Int, default=lambda: orm.Int(4), help="Checks that run at a time.")
    provided = ("structure", "model", "oxidation_states", "space", "lattice")
    spec.expose_inputs(SearchBaseWorkChain, namespace="search", exclude=[f"job.{name}" for name in provided])
    spec.expose_inputs(
        LabelWorkChain,
        namespace="check",
        exclude=PROVIDED_BY_CALLER,
        namespace_options={
            "required": False,
            "populate_defaults": False,
            "help": "Single point at the potential's geometry; without it nothing is checked with DFT.",
        },
    )
    spec.inputs.validator = _validate_inputs
