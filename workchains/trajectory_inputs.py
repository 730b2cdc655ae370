"""What pw.x is told for one chunk of molecular dynamics."""

from __future__ import annotations

from typing import Any

from aiida import orm

from aiida_redoxmlp.dynamics.settings import DynamicsSettings
from aiida_redoxmlp.dynamics.velocities import RYDBERG_TIME
from aiida_redoxmlp.workchains.hubbard_inputs import continued
from aiida_redoxmlp.workchains.protocols import merged

__all__ = ("chunk_parameters", "monitors_of")

_SHARE_OF_WALLTIME = 0.95
"""Share of a job's walltime after which pw.x stops by itself, so that it can write what it has."""


def chunk_parameters(
    parameters: dict[str, Any],
    dynamics: DynamicsSettings,
    *,
    n_steps: int,
    seeds: dict[str, Any],
    remedies: dict[str, object],
    goes_on: bool,
    walltime: int | None,
    temperature: float,
) -> dict[str, Any]:
    """Return the parameters of pw.x.

    Args:
        parameters: those of a single point.
        dynamics: what is asked for.
        n_steps: ionic steps of the chunk.
        seeds: starting magnetisation and occupations of the pattern.
        remedies: changes of the mixing that were found necessary.
        goes_on: whether the density and the occupations of another run are there to begin with.
        walltime: seconds the scheduler gives the job, if it is limited.
        temperature: K, of the thermostat if there is one.
    """
    control: dict[str, Any] = {
        "calculation": "md",
        "restart_mode": "from_scratch",  # not pw.x's restart: its text may end before the step its files hold
        "nstep": n_steps,
        "dt": dynamics.timestep / RYDBERG_TIME,
    }
    if walltime is not None and "max_seconds" not in parameters["CONTROL"]:
        control["max_seconds"] = _SHARE_OF_WALLTIME * walltime
    ions: dict[str, Any] = {
        "ion_dynamics": "verlet",
        "ion_velocities": "from_input",
        "pot_extrapolation": "second_order",
        "wfc_extrapolation": "second_order",
        "ion_temperature": "not_controlled",
    }
    if dynamics.thermostat != "none":
        ions |= {"ion_temperature": dynamics.thermostat, "tempw": temperature}
        ions |= {key: int(value) if key == "nraise" else value for key, value in dynamics.thermostat_parameters.items()}
    result = merged(merged(parameters, seeds), {"CONTROL": control, "IONS": ions, "ELECTRONS": dict(remedies)})
    return continued(result) if goes_on else result


def monitors_of(dynamics: DynamicsSettings) -> dict[str, orm.Dict]:
    """Return the watch over a job, if any limit is set; a thermostat changes the energy, so that is not watched."""
    drift = dynamics.maximum_drift if dynamics.thermostat == "none" else None
    limits = {"maximum_drift": drift, "maximum_temperature": dynamics.maximum_temperature}
    if not any(limits.values()):
        return {}
    watch = {
        "entry_point": "redoxmlp.dynamics",
        "kwargs": limits,
        "minimum_poll_interval": dynamics.monitor_interval,
    }
    return {"dynamics": orm.Dict(watch)}
