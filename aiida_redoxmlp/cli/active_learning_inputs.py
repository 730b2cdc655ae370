"""From a validated configuration of an active-learning loop to AiiDA nodes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from aiida import orm
from aiida.engine import ProcessBuilder
from aiida_quantumespresso.data.hubbard_structure import HubbardStructureData
from ase import Atoms
from pydantic import BaseModel

from aiida_redoxmlp.active_learning.exploration.settings import ExplorationSettings
from aiida_redoxmlp.cli.active_learning_config import ActiveLearningRunConfig
from aiida_redoxmlp.cli.campaign_start import CampaignStart, find_campaign
from aiida_redoxmlp.cli.checks import (
    PW_PLUGINS,
    RUNNER_PLUGINS,
    check_known_species,
    check_physics,
    check_program,
    check_projectors,
    check_redox_elements,
    check_resources,
)
from aiida_redoxmlp.cli.foundation_inputs import find_dataset, foundation_inputs
from aiida_redoxmlp.cli.inputs import built, load_code
from aiida_redoxmlp.cli.profile import load_process
from aiida_redoxmlp.cli.same_surface import check_same_surface
from aiida_redoxmlp.cli.states_of_charge import structures_of
from aiida_redoxmlp.cli.structure_inputs import hubbard_structure
from aiida_redoxmlp.data.model import ModelData
from aiida_redoxmlp.engines.encoding import Encoding, EncodingName
from aiida_redoxmlp.engines.fine_tuning import FineTuning
from aiida_redoxmlp.engines.settings import TrainingSettings
from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.redox.species import Species
from aiida_redoxmlp.runners.select_job import SelectSettings
from aiida_redoxmlp.workchains.active_learning import ActiveLearningWorkChain

__all__ = ("active_learning_builder",)

_SECTIONS: dict[str, type[BaseModel]] = {
    "explore": ExplorationSettings,
    "training": TrainingSettings,
    "overrides.select": SelectSettings,
    "overrides.warm_start": FineTuning,
}


def active_learning_builder(config: ActiveLearningRunConfig) -> ProcessBuilder:
    """Return the builder of an active-learning loop.

    Raises:
        InputError: one sentence on the first thing that cannot work.
        OutputFormatError: if the dataset file is damaged.
    """
    structures = structures_of(config)
    for name, atoms in structures.items():
        _check(config, name, atoms)
    start = None if config.campaign is None else find_campaign(config.campaign)
    previous = None if config.previous is None else _find_previous(config.previous)
    relaxed = {} if start is None else start.structures
    check_redox_elements(config.redox, [*structures.values(), *(one.get_ase() for one in relaxed.values())])
    if taken := sorted(relaxed.keys() & structures):
        raise InputError(f"more_structures names {taken[0]!r}, which is a structure of the campaign; rename it.")
    pw_code, runner_code = load_code(config.codes.pw), load_code(config.codes.redoxmlp)
    check_program(pw_code, "codes.pw", PW_PLUGINS)
    check_program(runner_code, "codes.redoxmlp", RUNNER_PLUGINS)
    check_resources(pw_code, config.resources.dft, "resources.dft")
    for kind in ("exploration", "training"):
        check_resources(runner_code, getattr(config.resources, kind), f"resources.{kind}")
    builder = built(
        ActiveLearningWorkChain,
        config.material,
        sections=_SECTIONS,
        pw_code=pw_code,
        runner_code=runner_code,
        structures={
            **relaxed,
            **{name: hubbard_structure(atoms, config.hubbard) for name, atoms in structures.items()},
        },
        redox=config.redox.model_dump(mode="json"),
        pseudo_family=config.pseudo_family,
        **_beginning(config, start),
        previous=previous,
        **foundation_inputs(config.foundation),
        protocol=config.protocol,
        overrides=config.laid_over(),
        magnetic_order=config.magnetic_order,
        options={name: getattr(config.resources, name).options() for name in ("dft", "exploration", "training")},
    )
    check_projectors(config.hubbard, builder.label.pseudos)
    if start is not None:
        check_same_surface(start.campaign, "relax", list(relaxed.values())[:1], builder)
    if previous is not None:
        labelled = cast("dict[str, HubbardStructureData]", dict(previous.inputs.structures))
        check_same_surface(previous, "label", labelled.values(), builder)
    _check_fit(config, builder)
    return cast("ProcessBuilder", builder)


def _check_fit(config: ActiveLearningRunConfig, builder: Any) -> None:
    """Check that committee and dataset know what the structures are made of."""
    known: dict[str, Encoding] = {}
    if builder.model is not None:
        known["The committee"] = Encoding.from_dict(builder.model.configuration["encoding"])
    if builder.dataset is not None:
        species = map(Species.parse, builder.dataset.summary()["species"])
        name = TrainingSettings.model_validate(builder.train.job.settings.get_dict()).encoding
        # Spins do not matter here, and those of a species are not among what a dataset says of itself.
        plain = cast("EncodingName", name.removesuffix("+spin"))
        known["A committee trained on the dataset"] = Encoding.for_species(plain, species, {})
    for name, node in dict(builder.structures).items():
        for potential, encoding in known.items():
            check_known_species(potential, encoding, name, node.get_ase(), config.redox)


def _check(config: ActiveLearningRunConfig, name: str, atoms: Atoms) -> None:
    """Check the physics of one structure and name it in what is refused."""
    try:
        check_physics(config, atoms)
    except InputError as error:
        raise InputError(f"The structure {name!r}: {error}") from error


def _find_previous(named: int | str) -> orm.WorkChainNode:
    """Return a loop that is to go on."""
    try:
        node = load_process(str(named), ("ActiveLearningWorkChain",))
    except InputError as error:
        raise InputError(f"previous: {error}") from error
    return cast("orm.WorkChainNode", node)


def _beginning(config: ActiveLearningRunConfig, start: CampaignStart | None) -> dict[str, Any]:
    """Return the nodes that the loop begins with; what is named comes before what the campaign left."""
    found = None if config.model is None else ModelData.find(config.model)
    named = {
        "dataset": None if config.dataset is None else find_dataset(config.dataset, "dataset"),
        "model": ModelData.from_folder(found) if isinstance(found, Path) else found,
    }
    left = {} if start is None else {"dataset": start.dataset, "model": start.model}
    return {name: left.get(name) if one is None else one for name, one in named.items()}
