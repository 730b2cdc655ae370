"""From a validated configuration of a search to AiiDA nodes."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from aiida import orm
from aiida.engine import ProcessBuilder

from aiida_redoxmlp.cli.checks import check_physics, check_projectors, check_redox_elements, check_resources
from aiida_redoxmlp.cli.crystal import read_crystal, repetitions
from aiida_redoxmlp.cli.inputs import built, load_code
from aiida_redoxmlp.cli.search_config import SearchRunConfig
from aiida_redoxmlp.cli.structure_inputs import hubbard_structure, read_structure
from aiida_redoxmlp.data.model import ModelData
from aiida_redoxmlp.workchains.search import SearchWorkChain

__all__ = ("search_builder",)


def search_builder(config: SearchRunConfig) -> ProcessBuilder:
    """Return the builder of a search.

    Raises:
        InputError: one sentence on the first thing that cannot work.
    """
    atoms = read_structure(config)
    if config.space is None:
        check_redox_elements(config.redox, [atoms])
        check_physics(config, atoms)
    code = load_code(config.codes.redoxmlp)
    check_resources(code, config.resources.search, "resources.search")
    pw_code = None
    if config.codes.pw is not None:
        pw_code = load_code(config.codes.pw, "set codes.pw to null to search without a DFT check")
        check_resources(pw_code, config.resources.dft, "resources.dft")
    model = ModelData.find(config.model)
    repeat = repetitions(config.supercell, "supercell")
    builder = built(
        SearchWorkChain,
        config.material,
        source="search",
        code=code,
        structure=hubbard_structure(atoms, config.hubbard),
        redox=config.redox.model_dump(mode="json"),
        model=ModelData.from_folder(model) if isinstance(model, Path) else model,
        space=None if config.space is None else config.space.model_dump(mode="json"),
        lattice=None if config.lattice is None else orm.StructureData(ase=read_crystal(config.lattice, repeat)),
        pw_code=pw_code,
        pseudo_family=config.pseudo_family,
        protocol=config.protocol,
        overrides=config.laid_over(),
        magnetic_order=config.magnetic_order,
        options=config.resources.search.options(),
        dft_options=config.resources.dft.options(),
    )
    if "check" in builder and builder.check.pseudos:
        check_projectors(config.hubbard, builder.check.pseudos)
    return cast("ProcessBuilder", builder)
