"""Watches over running jobs: what stops a run that has gone wrong."""

from __future__ import annotations

import math
import re
from shlex import quote

from aiida import orm
from aiida.engine.processes.calcjobs.monitors import CalcJobMonitorResult
from aiida.transports import Transport

from aiida_redoxmlp.dynamics.velocities import RYDBERG_TIME
from aiida_redoxmlp.redox.pw_output.numbers import RYDBERG
from aiida_redoxmlp.runners.jobs import PROGRESS_FILE
from aiida_redoxmlp.runners.training_progress import TrainingProgress

__all__ = ("TRAINING_MONITOR", "watch_dynamics", "watch_training", "why_gone_wrong")

TRAINING_MONITOR = "redoxmlp.train"
"""Entry point of :func:`watch_training`."""

_SHORTEST_TIME = 0.1
"""Time in ps that a run has for the drift of its first steps: an energy that wavers there is no drift yet."""

_LINES = r"Ekin [+] Etot [(]const[)]|^ *temperature  "
_TEMPERATURE = re.compile(r"^ *temperature +=\s*(\S+)")
_CONSERVED = re.compile(r"Ekin \+ Etot \(const\) *=\s*(\S+)")


def watch_dynamics(
    node: orm.CalcJobNode,
    transport: Transport,
    maximum_drift: float | None = None,
    maximum_temperature: float | None = None,
) -> str | None:
    """Stop a pw.x molecular dynamics run whose energy drifts or that gets too hot.

    Only the lines with temperature and conserved quantity are brought from the computer.

    Args:
        node: the running calculation.
        transport: an open connection to its computer.
        maximum_drift: eV per atom and ps; None for no limit.
        maximum_temperature: K; None for no limit.

    Returns:
        Why the run is stopped, or None to let it go on.
    """
    path = f"{node.get_remote_workdir()}/{node.get_option('output_filename')}"
    _, text, _ = transport.exec_command_wait(f"grep -aE {quote(_LINES)} {quote(path)}")
    timestep = node.inputs.parameters["CONTROL"]["dt"] * RYDBERG_TIME
    return why_gone_wrong(
        text,
        n_atoms=len(node.inputs.structure.sites),
        timestep=timestep,
        maximum_drift=maximum_drift,
        maximum_temperature=maximum_temperature,
    )


def why_gone_wrong(
    text: str, *, n_atoms: int, timestep: float, maximum_drift: float | None, maximum_temperature: float | None
) -> str | None:
    """Return what is wrong with a run, or None.

    Args:
        text: lines of pw.x with temperatures and conserved quantities, among others.
        n_atoms: number of atoms.
        timestep: fs.
        maximum_drift: eV per atom and ps; None for no limit.
        maximum_temperature: K; None for no limit.
    """
    temperatures = [_number(found) for found in map(_TEMPERATURE.match, text.splitlines()) if found]
    conserved = [_number(found) for found in _CONSERVED.finditer(text)]
    if maximum_temperature is not None:
        for step, temperature in enumerate(temperatures):
            if not temperature <= maximum_temperature:
                return f"step {step + 1} has a temperature of {temperature:.0f} K, above {maximum_temperature:.0f} K"
    if maximum_drift is not None and conserved:
        for step, energy in enumerate(conserved):
            time = max(step * timestep / 1000, _SHORTEST_TIME)
            drift = abs(energy - conserved[0]) * RYDBERG / n_atoms / time
            if not drift <= maximum_drift:
                return (
                    f"up to step {step + 1} the conserved quantity drifts by {drift:.3f} eV per atom and ps, above "
                    f"{maximum_drift:.3f}; take a shorter time step or a sharper SCF threshold"
                )
    return None


def _number(match: re.Match[str]) -> float:
    """Return a printed number, or nan for stars and the like."""
    try:
        return float(match[1])
    except ValueError:
        return math.nan


def watch_training(
    node: orm.CalcJobNode, transport: Transport, maximum_growth: float = 100.0, patience: int = 10
) -> CalcJobMonitorResult | None:
    """Stop a training whose loss is no longer a number, or whose validation loss has grown and does not come back.

    The exit code is the parser's ``ERROR_DIVERGED``.

    Args:
        node: the running calculation.
        transport: an open connection to its computer.
        maximum_growth: factor by which a validation loss may exceed the member's best.
        patience: epochs in a row beyond it that are too many.

    Returns:
        What to do and why, or None to let it go on.
    """
    _, text, _ = transport.exec_command_wait(f"cat {quote(f'{node.get_remote_workdir()}/{PROGRESS_FILE}')}")
    reason = TrainingProgress(text).why_diverged(maximum_growth, patience)
    return None if reason is None else CalcJobMonitorResult(message=reason, override_exit_code=False)
