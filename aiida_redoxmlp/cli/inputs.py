"""From a validated configuration to AiiDA nodes, everything checked before anything is submitted."""

from __future__ import annotations

from typing import Any, cast

from aiida import orm
from aiida.common.exceptions import MultipleObjectsError, NotExistent
from aiida.engine import ProcessBuilder
from aiida_quantumespresso.data.hubbard_structure import HubbardStructureData
from ase import Atoms
from ase.io import read
from pydantic import ValidationError

from aiida_redoxmlp.cli.campaign_config import CampaignConfig, HubbardConfig
from aiida_redoxmlp.errors import ConfigurationError, InputError, explain
from aiida_redoxmlp.redox.chemistry import RedoxChemistry
from aiida_redoxmlp.redox.enumeration import charge_balanced_patterns
from aiida_redoxmlp.redox.magnetic_order import moment_signs
from aiida_redoxmlp.workchains.campaign import CampaignWorkChain

__all__ = ("campaign_builder", "check_physics", "hubbard_structure", "load_code", "read_structure")


def campaign_builder(config: CampaignConfig) -> ProcessBuilder:
    """Return the builder of a campaign.

    Raises:
        InputError: one sentence on the first thing that cannot work.
    """
    atoms = read_structure(config)
    check_physics(config, atoms)
    try:
        builder: Any = CampaignWorkChain.get_builder_from_protocol(
            pw_code=load_code(config.codes.pw),
            runner_code=load_code(config.codes.redoxmlp),
            structure=hubbard_structure(atoms, config.hubbard),
            redox=config.redox.model_dump(mode="json"),
            pseudo_family=config.pseudo_family,
            protocol=config.protocol,
            overrides=config.overrides,
            magnetic_order=config.magnetic_order,
            dft_options=config.resources.dft.options(),
            training_options=config.resources.training.options(),
        )
    except ValidationError as error:
        raise ConfigurationError(explain(error, "overrides")) from error
    builder.metadata.label = config.material
    return cast("ProcessBuilder", builder)


def read_structure(config: CampaignConfig) -> Atoms:
    """Read the structure file.

    Raises:
        InputError: if the file cannot be read as a periodic structure.
    """
    try:
        atoms = read(config.structure)
    except Exception as error:
        raise InputError(
            f"The structure {config.structure} cannot be read ({error}); give a file that ASE reads, such as a CIF."
        ) from error
    if not isinstance(atoms, Atoms) or atoms.cell.rank != 3:
        raise InputError(f"The structure {config.structure} has no periodic cell; give a crystal structure.")
    atoms.pbc = True
    return atoms


def check_physics(config: CampaignConfig, atoms: Atoms) -> None:
    """Check that the charges can close, the magnetic order fits and the manifolds exist.

    Raises:
        InputError: one sentence on the first thing that does not.
    """
    symbols = atoms.get_chemical_symbols()
    chemistry: RedoxChemistry = config.redox
    sites, background = chemistry.sites_and_background(symbols)
    allowed = chemistry.allowed_on(symbols)
    next(charge_balanced_patterns(symbols, sites, allowed, chemistry.total_charge - sum(background)))
    moment_signs(atoms, sites, config.magnetic_order)
    for manifold in config.hubbard.u:
        element = manifold.partition("-")[0]
        if element not in symbols:
            raise InputError(
                f"hubbard.u names {manifold!r}, but the structure has no {element}; "
                f"its elements are {', '.join(sorted(set(symbols)))}."
            )


def hubbard_structure(atoms: Atoms, hubbard: HubbardConfig) -> HubbardStructureData:
    """Return the structure with U on every site of the named manifolds, written ``Mn-3d``."""
    structure = HubbardStructureData.from_structure(orm.StructureData(ase=atoms))
    symbols = atoms.get_chemical_symbols()
    for name, value in hubbard.u.items():
        element, _, manifold = name.partition("-")
        if not manifold:
            raise InputError(f"hubbard.u names {name!r}; write element and manifold, such as Mn-3d.")
        for index, symbol in enumerate(symbols):
            if symbol == element:
                structure.append_hubbard_parameter(index, manifold, index, manifold, value, hubbard_type="U")
    parameters = structure.hubbard
    structure.hubbard = parameters.model_copy(update={"projectors": hubbard.projectors})
    return structure


def load_code(label: str) -> orm.AbstractCode:
    """Load a code.

    Raises:
        InputError: if there is no such code.
    """
    try:
        return orm.load_code(label)
    except (NotExistent, MultipleObjectsError, ValueError) as error:
        known = sorted(code.full_label for code in orm.QueryBuilder().append(orm.AbstractCode).all(flat=True))
        raise InputError(
            f"There is no code {label!r} in this profile; known are {', '.join(known) or 'none'}: "
            "make it with `aiida-redoxmlp setup code` or `verdi code create`."
        ) from error
