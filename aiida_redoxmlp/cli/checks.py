"""What can be known to fail before anything is submitted."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from aiida import orm
from aiida_pseudo.data.pseudo.upf import UpfData
from ase import Atoms

from aiida_redoxmlp.cli.material_config import HubbardConfig, MaterialConfig
from aiida_redoxmlp.cli.resources_config import Resources
from aiida_redoxmlp.engines.encoding import Encoding
from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.hubbard.neighbours import split_manifold
from aiida_redoxmlp.redox.chemistry import RedoxChemistry
from aiida_redoxmlp.redox.magnetic_order import moment_signs
from aiida_redoxmlp.search.comparability import require_comparable
from aiida_redoxmlp.search.counting import count_distinct
from aiida_redoxmlp.search.enumeration import distinct_configurations, first_configuration
from aiida_redoxmlp.search.space import ConfigurationSpace

__all__ = (
    "PW_PLUGINS",
    "RUNNER_PLUGINS",
    "check_known_species",
    "check_physics",
    "check_program",
    "check_projectors",
    "check_redox_elements",
    "check_resources",
    "check_same_computer",
    "chosen_pattern",
)

PW_PLUGINS = ("quantumespresso.pw", "redoxmlp.pw")
"""Calculations that pw.x runs."""

RUNNER_PLUGINS = tuple(f"redoxmlp.{kind}" for kind in ("explore", "select", "train", "evaluate", "search"))
"""Calculations that redoxmlp-run runs."""

_MOST_LISTED = 6
_HYPERQUEUE = "hyperqueue"
_ATOMIC_ORBITAL = re.compile(r'<PP_CHI\.\d+[^>]*?\blabel="\s*(\d[SPDFspdf])\s*"', re.DOTALL)


def check_physics(config: MaterialConfig, atoms: Atoms) -> None:
    """Check that the charges can close, the magnetic order fits and every redox site's shell has a U.

    Raises:
        InputError: one sentence on the first thing that does not.
    """
    symbols = atoms.get_chemical_symbols()
    chemistry: RedoxChemistry = config.redox
    space = ConfigurationSpace.of_redox_states(atoms, chemistry)
    first = space.pattern(first_configuration(space))
    moment_signs(atoms, space.sites, config.magnetic_order, states=first.states)
    for key, name in config.hubbard.manifolds():
        element, _ = split_manifold(name)
        if element not in symbols:
            raise InputError(
                f"{key} names {name!r}, but the structure has no {element}; "
                f"its elements are {', '.join(sorted(set(symbols)))}."
            )
    for element in chemistry.allowed_on(symbols):
        name = f"{element}-{chemistry.table().elements[element].shell}"
        if name not in config.hubbard.u:
            raise InputError(
                f"The redox element {element} has no U, without which its oxidation state cannot be read; "
                f"add {name} to hubbard.u or name the charge of {element} in `fixed_states`."
            )


def check_redox_elements(chemistry: RedoxChemistry, structures: Iterable[Atoms]) -> None:
    """Check that every element whose states are given is in one of the structures.

    Raises:
        InputError: for one that is in none, or no element at all.
    """
    chemistry.table()  # refuses what is no element by itself
    symbols = {symbol for atoms in structures for symbol in atoms.get_chemical_symbols()}
    if missing := sorted(set(chemistry.allowed_states) - symbols):
        raise InputError(
            f"redox.allowed_states names {missing[0]!r}, but there is no {missing[0]} in the structures; their "
            f"elements are {', '.join(sorted(symbols))}."
        )


def check_program(code: orm.AbstractCode, key: str, plugins: Sequence[str]) -> None:
    """Check that a code does not say that it is of another program.

    Args:
        code: the code.
        key: name of the key that names it.
        plugins: entry points of the calculations that are to run with it.

    Raises:
        InputError: if its default calculation is another one.
    """
    told = code.default_calc_job_plugin
    if told is not None and told not in plugins:
        raise InputError(
            f"{key} is {code.full_label}, a code for {told} calculations; give one for {' or '.join(plugins)}, or one "
            "without a default calculation."
        )


def check_known_species(potential: str, encoding: Encoding, name: str, atoms: Atoms, chemistry: RedoxChemistry) -> None:
    """Check that a potential can be asked about every pattern of a structure.

    Args:
        potential: what it is called.
        encoding: what it knows.
        name: of the structure.
        atoms: the structure.
        chemistry: charges of the elements.

    Raises:
        InputError: for a species that it does not know.
    """
    try:
        require_comparable(ConfigurationSpace.of_redox_states(atoms, chemistry), encoding)
    except InputError as error:
        raise InputError(f"{potential} does not fit the structure {name!r}: {error}") from error


def check_projectors(hubbard: HubbardConfig, pseudos: Mapping[str, UpfData]) -> None:
    """Check that the pseudopotentials have the atomic orbitals that the manifolds are projected on.

    Args:
        hubbard: manifolds to correct.
        pseudos: by element; one that does not label its orbitals is not checked.

    Raises:
        InputError: for a manifold without its orbital.
    """
    for key, name in hubbard.manifolds():
        element, manifold = split_manifold(name)
        orbitals = [orbital.lower() for orbital in _ATOMIC_ORBITAL.findall(pseudos[element].get_content())]
        if orbitals and manifold not in orbitals:
            raise InputError(
                f"{key} names {name!r}, but the pseudopotential {pseudos[element].filename} has the atomic orbitals "
                f"{', '.join(orbitals)} only; choose one of them or another family."
            )


def chosen_pattern(chemistry: RedoxChemistry, atoms: Atoms, wanted: list[int] | None, key: str) -> list[int]:
    """Return the wanted pattern, or the only one that closes the charge up to symmetry.

    Args:
        chemistry: charges of the elements.
        atoms: the structure.
        wanted: states of the redox sites, or None.
        key: name of the key that chooses.

    Raises:
        InputError: if the wanted pattern does not fit, or none is given where there are several.
    """
    symbols = atoms.get_chemical_symbols()
    if wanted is not None:
        if sentence := chemistry.why_not(symbols, wanted):
            raise InputError(sentence)
        return wanted
    space = ConfigurationSpace.of_redox_states(atoms, chemistry)
    number = count_distinct(space)
    first = next(distinct_configurations(space, block_size=_MOST_LISTED)).rows[:_MOST_LISTED]
    listed = [list(space.pattern(row).states) for row in first]
    if number > 1:
        more = ", …" if number > len(listed) else ""
        raise InputError(
            f"{number} patterns of the redox sites {list(space.sites)} close the charge and are not equivalent by "
            f"symmetry, {', '.join(map(str, listed))}{more}; choose with `{key}`."
        )
    return listed[0]


def check_same_computer(codes: Sequence[orm.AbstractCode]) -> None:
    """Check that hp.x finds pw.x's files where they are.

    Raises:
        InputError: if the codes are on different computers.
    """
    where = {code.full_label: code.computer.label for code in codes if isinstance(code, orm.InstalledCode)}
    if len(set(where.values())) > 1:
        told = " and ".join(f"{code} on {computer}" for code, computer in where.items())
        raise InputError(f"hp.x reads the files of pw.x in place, but {told}; choose codes on one computer.")


def check_resources(code: orm.AbstractCode, resources: Resources, key: str) -> None:
    """Check that the scheduler of a code's computer can be asked for what its jobs are to get.

    Args:
        code: the code of the jobs.
        resources: what they ask for.
        key: name of the section that says so.

    Raises:
        InputError: for GPUs where there is no SLURM, for a partition or the like where the scheduler has none, and for
            nodes where CPUs are counted or CPUs where nodes are.
    """
    computer = code.computer
    if computer is None:
        return
    scheduler = computer.scheduler_type
    where = f"the computer {computer.label} of the code {code.full_label} has the scheduler {scheduler}"
    _check_counts(code, resources, key, where, scheduler == _HYPERQUEUE)
    if resources.gpus and scheduler != "core.slurm":
        raise InputError(
            f"{key}.gpus is {resources.gpus}, but {where}, and only core.slurm is asked for GPUs here; leave gpus out "
            "(a job takes a GPU that it finds) or choose a code on a SLURM computer."
        )
    asked = [name for name in ("partition", "account", "qos", "memory_gb") if getattr(resources, name) is not None]
    if asked and scheduler in ("core.direct", _HYPERQUEUE):
        raise InputError(
            f"{key}.{asked[0]} is {getattr(resources, asked[0])!r}, but {where}, which knows no such thing; leave it "
            "out or choose a code on another computer."
        )


def _check_counts(code: orm.AbstractCode, resources: Resources, key: str, where: str, counts_cpus: bool) -> None:
    """Check that nodes are asked for where nodes are counted, and CPUs where CPUs are."""
    if counts_cpus and resources.num_cpus is None:
        raise InputError(
            f"{key}.num_cpus is not given, but {where}, which counts CPUs; give num_cpus, if need be memory_mb, and no "
            "nodes or processes."
        )
    if not counts_cpus and resources.num_cpus is not None:
        raise InputError(
            f"{key}.num_cpus is {resources.num_cpus}, but {where}, which counts nodes; give nodes, processes_per_node "
            f"and cores_per_process, or choose a code on a computer with the scheduler {_HYPERQUEUE}."
        )
    if counts_cpus and resources.cores_per_process > 1 and code.with_mpi:
        raise InputError(
            f"{key}.cores_per_process is {resources.cores_per_process}, but {where} and starts a process with MPI for "
            f"each of its {resources.num_cpus} CPUs; leave it out."
        )
