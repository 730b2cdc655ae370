"""``redoxmlp-run search``: rank the redox patterns of a structure by a committee's energy."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from aiida_redoxmlp.engines.registry import load_potential
from aiida_redoxmlp.errors import InputError, explain
from aiida_redoxmlp.redox.configuration import Configuration
from aiida_redoxmlp.runners.jobs import (
    INPUT_FILE,
    OUTPUT_FILE,
    PROGRESS_FILE,
    PatternResult,
    SearchJob,
    SearchOutput,
)
from aiida_redoxmlp.search.exhaustive import SearchedPattern, SearchSettings, search_exhaustive

__all__ = ("read_structure", "run")


def run(folder: Path) -> None:
    """Run the search job in a folder.

    Reads ``input.json`` and what it names, writes ``progress.jsonl`` as it goes and ``output.json`` at the
    end.

    Args:
        folder: the job's folder.

    Raises:
        InputError: if an input file is missing or holds what is not allowed.
        ModelIntegrityError: if the model's files do not match their hashes.
    """
    started = time.perf_counter()
    job = _read_job(folder / INPUT_FILE)
    parent = read_structure(folder / job.structure)
    settings = SearchSettings(**job.model_dump(include=set(SearchSettings.__dataclass_fields__)))
    potential = load_potential(folder / job.model, job.device)
    with (folder / PROGRESS_FILE).open("a", encoding="utf-8") as progress:

        def on_progress(entry: dict[str, Any]) -> None:
            elapsed = round(time.perf_counter() - started, 3)
            progress.write(json.dumps({"job": "search", "elapsed_s": elapsed, **entry}) + "\n")
            progress.flush()

        result = search_exhaustive(parent, settings, potential, on_progress=on_progress)
    output = SearchOutput(
        patterns=[_pattern_result(one) for one in result.patterns],
        n_patterns_total=result.n_patterns_total,
        n_patterns_distinct=result.n_patterns_distinct,
        wall_time_s=time.perf_counter() - started,
        device=str(getattr(potential, "device", job.device)),
    )
    (folder / OUTPUT_FILE).write_text(output.model_dump_json(indent=1), encoding="utf-8")


def read_structure(path: Path) -> Configuration:
    """Read a structure file: JSON with ``numbers``, ``positions`` (Å), ``cell`` (Å) and ``oxidation_states``.

    The key ``spins``, unpaired electrons with a sign, is needed for potentials that resolve spins.

    Args:
        path: the file.

    Raises:
        InputError: if the file is missing, is no JSON, or its arrays do not fit together.
    """
    content = _read_json(path)
    shapes = {"numbers": (-1,), "positions": (-1, 3), "cell": (3, 3), "oxidation_states": (-1,)}
    missing = [key for key in shapes if not isinstance(content, dict) or key not in content]
    if missing:
        raise InputError(f"{path.name}: the key {missing[0]!r} is missing; a structure has {', '.join(shapes)}.")
    try:
        configuration = Configuration(
            numbers=np.array(content["numbers"], dtype=np.int64).reshape(shapes["numbers"]),
            positions=np.array(content["positions"], dtype=np.float64).reshape(shapes["positions"]),
            cell=np.array(content["cell"], dtype=np.float64).reshape(shapes["cell"]),
            oxidation_states=np.array(content["oxidation_states"], dtype=np.int64).reshape(shapes["oxidation_states"]),
            spins=np.array(content["spins"], dtype=np.int64).reshape(-1) if content.get("spins") is not None else None,
        )
    except (TypeError, ValueError) as error:
        raise InputError(f"{path.name} holds arrays of the wrong shape or type: {error}.") from error
    if not len(configuration.positions) == len(configuration.oxidation_states) == len(configuration):
        raise InputError(
            f"{path.name} has {len(configuration)} numbers, {len(configuration.positions)} positions and "
            f"{len(configuration.oxidation_states)} oxidation states; give one of each an atom."
        )
    if configuration.spins is not None and len(configuration.spins) != len(configuration):
        raise InputError(
            f"{path.name} has {len(configuration)} atoms and {len(configuration.spins)} spins; give one each."
        )
    return configuration


def _read_job(path: Path) -> SearchJob:
    content = _read_json(path)
    try:
        return SearchJob.model_validate(content)
    except ValidationError as error:
        raise InputError(explain(error, path.name)) from error


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{path.name} is not in the job's folder {path.parent}; add it.") from error
    except json.JSONDecodeError as error:
        raise InputError(f"{path.name} is not JSON ({error}); write it again.") from error


def _pattern_result(searched: SearchedPattern) -> PatternResult:
    relaxation = searched.relaxation
    return PatternResult(
        states=list(searched.pattern.states),
        multiplicity=searched.multiplicity,
        orbit=searched.orbit,
        energy_ev=relaxation.evaluation.energy,
        energy_std_ev=relaxation.evaluation.energy_std,
        energies_ev=relaxation.evaluation.energies.tolist(),
        positions=relaxation.configuration.positions.tolist(),
        max_force_ev_per_angstrom=relaxation.max_force,
        converged=relaxation.converged,
        steps=relaxation.steps,
    )
