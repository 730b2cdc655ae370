"""``aiida-redoxmlp model calculator``: a script that uses a model in ASE, or its run."""

from __future__ import annotations

import json
from pathlib import Path

import click
from ase import Atoms
from ase.io import write
from ase.optimize import FIRE

from aiida_redoxmlp.cli.crystal import read_crystal
from aiida_redoxmlp.cli.model_source import opened_model
from aiida_redoxmlp.cli.site_values import site_values
from aiida_redoxmlp.data.calculator import load_calculator
from aiida_redoxmlp.engines.calculator import CommitteeCalculator
from aiida_redoxmlp.engines.encoding import Encoding
from aiida_redoxmlp.engines.given_states import Given, spins_of_atoms, states_of_atoms
from aiida_redoxmlp.engines.registry import summarise
from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.redox.configuration import OXIDATION_STATES_ARRAY, SPINS_ARRAY

__all__ = ("EXIT_NOT_RELAXED", "command")

EXIT_NOT_RELAXED = 3
"""Exit code when a relaxation ran out of steps: what is written is its last step."""


@click.command("calculator")
@click.argument("model")
@click.argument("structure", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=False)
@click.option("--states", help="Oxidation states: 2,3 or Mn=2/3,Li=1, in the order of the atoms with a choice.")
@click.option("--spins", help="Unpaired electrons, negative where they point down, likewise: 5,-4 or Mn=5/-4.")
@click.option("--relax/--no-relax", default=True, show_default=True, help="Relax the positions, or one evaluation.")
@click.option("--fmax", type=click.FloatRange(min=0, min_open=True), default=0.02, show_default=True, help="eV/Å.")
@click.option("--steps", type=click.IntRange(min=1), default=500, show_default=True, help="Most steps.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
@click.option("--run", is_flag=True, help="Run it now instead of writing the script.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The script, or with --run the structure.")
@click.pass_context
def command(
    ctx: click.Context,
    model: str,
    structure: Path | None,
    states: str | None,
    spins: str | None,
    relax: bool,
    fmax: float,
    steps: int,
    device: str,
    run: bool,
    output: Path | None,
) -> None:
    """Print a Python script that evaluates or relaxes STRUCTURE with MODEL in ASE, or run it.

    An element that MODEL knows in one state needs no mention in --states.

    Exit codes: 0 done; 2 wrong input; 3 a relaxation ran out of steps.
    """
    with opened_model(model) as (folder, _):
        encoding = summarise(folder).encoding
    given = site_values(states, "--states"), site_values(spins, "--spins")
    atoms = None if structure is None else read_crystal(structure)
    if atoms is not None:
        _set_arrays(atoms, encoding, *given)
    if not run:
        script = _script(model, structure, encoding, given, relax=relax, fmax=fmax, steps=steps, device=device)
        _hand_over(script, output)
        return
    if atoms is None:
        raise InputError("There is nothing to run without a structure; name its file after the model.")
    atoms.calc = load_calculator(model, device=device)
    relaxed = not relax or bool(FIRE(atoms).run(fmax=fmax, steps=steps))
    _report(atoms)
    if output is not None:
        write(output, atoms)
        click.echo(f"Written: {output}")
    if not relaxed:
        click.echo(f"Warning: the forces are not below {fmax} eV/Å after {steps} steps; raise --steps.", err=True)
        ctx.exit(EXIT_NOT_RELAXED)


def _set_arrays(atoms: Atoms, encoding: Encoding, states: Given | None, spins: Given | None) -> None:
    """Give the atoms their states and spins, in arrays that files of ASE can keep."""
    symbols = atoms.get_chemical_symbols()
    if states is not None or OXIDATION_STATES_ARRAY not in atoms.arrays:
        atoms.set_array(OXIDATION_STATES_ARRAY, states_of_atoms(symbols, states, encoding))
    if spins is not None or SPINS_ARRAY not in atoms.arrays:
        found = spins_of_atoms(symbols, atoms.arrays[OXIDATION_STATES_ARRAY], spins, encoding)
        if found is not None:
            atoms.set_array(SPINS_ARRAY, found)


def _report(atoms: Atoms) -> None:
    calculator: CommitteeCalculator = atoms.calc
    forces = atoms.get_forces()
    results = calculator.results
    click.echo(
        f"Energy {results['energy']:.6f} eV, spread over {len(results['energy_comm'])} members "
        f"{results['energy_std']:.6f} eV; largest force {(forces**2).sum(axis=1).max() ** 0.5:.4f} eV/Å, largest "
        f"spread of one {(results['forces_std'] ** 2).sum(axis=1).max() ** 0.5:.4f} eV/Å."
    )


def _script(
    model: str,
    structure: Path | None,
    encoding: Encoding,
    given: tuple[Given | None, Given | None],
    *,
    relax: bool,
    fmax: float,
    steps: int,
    device: str,
) -> str:
    """Return the script; without states it has an example that fits the model."""
    known = ", ".join(species.label for species, _ in encoding.stand_ins)
    states, spins = given
    arguments = [json.dumps(model)]
    if encoding.resolves_states:
        arguments.append(f"oxidation_states={json.dumps(states or _example(encoding))}")
    if encoding.resolves_spins:
        arguments.append(f"spins={json.dumps(spins or _example_spins(encoding))}")
    arguments.append(f'device="{device}"')
    lines = [
        f"from ase import io{', optimize' if relax else ''}",
        "",
        "from aiida_redoxmlp.data.calculator import load_calculator",
        "",
        f"# The model knows {known}; states are in the order of the structure's atoms.",
        f"atoms = io.read({json.dumps(str(structure or 'structure.cif'))})",
        f"atoms.calc = load_calculator({', '.join(arguments)})",
        *([f"optimize.FIRE(atoms).run(fmax={fmax}, steps={steps})"] if relax else []),
        'print(atoms.get_potential_energy(), atoms.calc.results["energy_std"])',
    ]
    return "\n".join(lines) + "\n"


def _example(encoding: Encoding) -> dict[str, list[int]]:
    """Return the states of every element that has a choice."""
    states: dict[str, list[int]] = {}
    for species, _ in encoding.stand_ins:
        states.setdefault(species.element, []).append(species.state)
    return {element: known for element, known in states.items() if len(known) > 1}


def _example_spins(encoding: Encoding) -> dict[str, list[int]]:
    usual = {species: sizes[0] for species, sizes in encoding.magnitudes}
    return {
        element: [usual[species] for species, _ in encoding.stand_ins if species.element == element]
        for element in sorted({species.element for species, size in usual.items() if size})
    }


def _hand_over(script: str, output: Path | None) -> None:
    if output is None:
        click.echo(script, nl=False)
        return
    output.write_text(script, encoding="utf-8")
    click.echo(f"Written: {output}")
