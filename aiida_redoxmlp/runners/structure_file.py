"""The structure file of a job: JSON with the arrays of a configuration."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.redox.configuration import Configuration

__all__ = ("read_structure", "structure_text")


def structure_text(configuration: Configuration) -> str:
    """Return a configuration as :func:`read_structure` reads it."""
    content = {
        "numbers": configuration.numbers.tolist(),
        "positions": configuration.positions.tolist(),
        "cell": configuration.cell.tolist(),
        "oxidation_states": configuration.oxidation_states.tolist(),
        **({} if configuration.spins is None else {"spins": configuration.spins.tolist()}),
    }
    return json.dumps(content)


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


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{path.name} is not in the job's folder {path.parent}; add it.") from error
    except json.JSONDecodeError as error:
        raise InputError(f"{path.name} is not JSON ({error}); write it again.") from error
