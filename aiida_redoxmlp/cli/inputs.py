"""From a validated configuration to AiiDA nodes, everything checked before anything is submitted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from aiida import orm
from aiida.common.exceptions import MultipleObjectsError, NotExistent
from aiida.engine import ProcessBuilder
from pydantic import BaseModel, ValidationError

from aiida_redoxmlp.cli.campaign_config import CampaignConfig
from aiida_redoxmlp.cli.checks import (
    check_physics,
    check_projectors,
    check_redox_elements,
    check_resources,
    check_same_computer,
    chosen_pattern,
)
from aiida_redoxmlp.cli.config_file import suggestions
from aiida_redoxmlp.cli.dynamics_config import DynamicsRunConfig
from aiida_redoxmlp.cli.foundation_inputs import foundation_inputs
from aiida_redoxmlp.cli.hubbard_config import HubbardRunConfig
from aiida_redoxmlp.cli.material_config import MaterialConfig
from aiida_redoxmlp.cli.structure_inputs import hubbard_structure, read_structure
from aiida_redoxmlp.errors import ConfigurationError, InputError, explain
from aiida_redoxmlp.workchains.campaign import CampaignWorkChain
from aiida_redoxmlp.workchains.dynamics import DynamicsWorkChain
from aiida_redoxmlp.workchains.hubbard import HubbardWorkChain

__all__ = ("built", "campaign_builder", "dynamics_builder", "hubbard_builder", "load_code")


def campaign_builder(config: CampaignConfig) -> ProcessBuilder:
    """Return the builder of a campaign.

    Raises:
        InputError: one sentence on the first thing that cannot work.
    """
    atoms = read_structure(config)
    check_redox_elements(config.redox, [atoms])
    check_physics(config, atoms)
    structure = hubbard_structure(atoms, config.hubbard)
    pw_code = load_code(config.codes.pw)
    hp_code = None
    if config.computes_hubbard:
        hp_code = load_code(config.codes.hp, "set hubbard.self_consistent to false to use U and V as they are given")
        check_same_computer((pw_code, hp_code))
        check_resources(hp_code, config.resources.hp, "resources.hp")
    runner_code = load_code(config.codes.redoxmlp)
    check_resources(pw_code, config.resources.dft, "resources.dft")
    check_resources(runner_code, config.resources.training, "resources.training")
    training = config.resources.training.device_for(config.overrides.get("training", {}))
    builder = _made(
        CampaignWorkChain,
        config.model_copy(update={"overrides": {**config.overrides, "training": training}}),
        pw_code=pw_code,
        hp_code=hp_code,
        runner_code=runner_code,
        structure=structure,
        **foundation_inputs(config.foundation),
        dft_options=config.resources.dft.options(),
        hp_options=config.resources.hp.options(),
        training_options=config.resources.training.options(),
    )
    check_projectors(config.hubbard, builder.relax.pseudos)
    return cast("ProcessBuilder", builder)


def hubbard_builder(config: HubbardRunConfig) -> ProcessBuilder:
    """Return the builder of self-consistent Hubbard parameters.

    Raises:
        InputError: one sentence on the first thing that cannot work.
    """
    atoms = read_structure(config)
    check_redox_elements(config.redox, [atoms])
    check_physics(config, atoms)
    pattern = chosen_pattern(config.redox, atoms, config.pattern, "pattern")
    structure = hubbard_structure(atoms, config.hubbard)
    pw_code, hp_code = load_code(config.codes.pw), load_code(config.codes.hp)
    check_same_computer((pw_code, hp_code))
    check_resources(pw_code, config.resources.dft, "resources.dft")
    check_resources(hp_code, config.resources.hp, "resources.hp")
    builder = _made(
        HubbardWorkChain,
        config,
        pw_code=pw_code,
        hp_code=hp_code,
        structure=structure,
        pattern=pattern,
        dft_options=config.resources.dft.options(),
        hp_options=config.resources.hp.options(),
    )
    check_projectors(config.hubbard, builder.pseudos)
    return cast("ProcessBuilder", builder)


def dynamics_builder(config: DynamicsRunConfig) -> ProcessBuilder:
    """Return the builder of molecular dynamics.

    Raises:
        InputError: one sentence on the first thing that cannot work.
    """
    atoms = read_structure(config)
    check_redox_elements(config.redox, [atoms])
    check_physics(config, atoms)
    wishes: Sequence[list[int] | None] = config.patterns or [None]
    patterns = [chosen_pattern(config.redox, atoms, wish, "patterns") for wish in wishes]
    code = load_code(config.codes.pw)
    check_resources(code, config.resources.dft, "resources.dft")
    builder = _made(
        DynamicsWorkChain,
        config.model_copy(update={"overrides": config.laid_over()}),
        code=code,
        structure=hubbard_structure(atoms, config.hubbard),
        patterns=patterns,
        options=config.resources.dft.options(),
    )
    check_projectors(config.hubbard, builder.trajectory.pseudos)
    return cast("ProcessBuilder", builder)


def load_code(label: str, otherwise: str = "") -> orm.AbstractCode:
    """Load a code.

    Args:
        label: label, with the computer where it is not unique.
        otherwise: what to do instead of making the code.

    Raises:
        InputError: if there is no such code.
    """
    try:
        return orm.load_code(label)
    except (NotExistent, MultipleObjectsError, ValueError) as error:
        # asked for orm.AbstractCode, AiiDA finds every node
        codes = orm.QueryBuilder().append(orm.Data, filters={"node_type": {"like": "data.core.code.%"}}).all(flat=True)
        known = sorted(code.full_label for code in codes)
        raise InputError(
            f"There is no code {label!r} in this profile; known are {', '.join(known) or 'none'}: "
            "make it with `aiida-redoxmlp setup code` or `verdi code create`"
            f"{f', or {otherwise}' if otherwise else ''}."
        ) from error


def _made(work_chain: Any, config: MaterialConfig, **inputs: Any) -> Any:
    """Return the builder of a work chain on a material; see :func:`built`."""
    return built(
        work_chain,
        config.material,
        redox=config.redox.model_dump(mode="json"),
        pseudo_family=config.pseudo_family,
        protocol=config.protocol,
        overrides=config.overrides,
        magnetic_order=config.magnetic_order,
        **inputs,
    )


def built(
    work_chain: Any,
    label: str,
    *,
    source: str = "overrides",
    sections: Mapping[str, type[BaseModel]] | None = None,
    **inputs: Any,
) -> Any:
    """Return a work chain's builder whose inputs were checked as a whole, as a submission would.

    Args:
        work_chain: the class.
        label: label of the process.
        source: the key that a setting which is not allowed is told to be of.
        sections: keys of the configuration that have a model of their own, which is told instead where it refuses.
        inputs: passed to its ``get_builder_from_protocol``.

    Raises:
        InputError: with what the protocols, the ports or the process say of the inputs.
    """
    try:
        builder = work_chain.get_builder_from_protocol(**inputs)
    except InputError:
        raise
    except ValidationError as error:
        refusing = next(((key, one) for key, one in (sections or {}).items() if one.__name__ == error.title), None)
        if refusing is None:
            raise ConfigurationError(explain(error, source)) from error
        raise ConfigurationError(explain(error, refusing[0]) + suggestions(error, refusing[1])) from error
    except (TypeError, ValueError) as error:  # what AiiDA's data types and ports raise when a value is set
        raise ConfigurationError(f"overrides: {str(error).removeprefix('invalid attribute value ')}") from error
    builder.metadata.label = label
    ports = work_chain.spec().inputs
    refused = ports.validate(ports.pre_process(builder._inputs(prune=True)))  # noqa: SLF001 - no public way
    if refused is not None:
        raise InputError(str(refused.message))
    return builder
