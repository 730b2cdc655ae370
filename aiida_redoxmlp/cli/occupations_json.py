"""The steps of a run as JSON, written as they come."""

from __future__ import annotations

import json
from dataclasses import asdict
from math import isfinite
from pathlib import Path
from textwrap import indent
from typing import Any, TextIO

from aiida_redoxmlp.cli.occupations_steps import Outcome, ReadStep

__all__ = ("JsonWriter",)


class JsonWriter:
    """Writes one JSON document; it is whole after :meth:`finish`."""

    def __init__(self, stream: TextIO, file: Path, charge: int) -> None:
        """Begin the document.

        Args:
            stream: where to write.
            file: the output that is read.
            charge: total charge of the cell in units of e.
        """
        self._stream = stream
        head = json.dumps({"file": str(file), "total_charge": charge}, indent=2)
        self._write(head.removesuffix("\n}") + ',\n  "steps": [')
        self._separator = "\n"

    def add(self, one: ReadStep) -> None:
        """Write a step."""
        self._write(self._separator + indent(_dumped(_entry(one)), "    "))
        self._separator = ",\n"

    def finish(self, outcome: Outcome) -> None:
        """Write what is known after the last step."""
        tail = {
            "switches": [_event(asdict(switch)) for switch in outcome.switches],
            "electron_hops": [_event(asdict(hop)) for hop in outcome.hops],
            "complete": outcome.complete,
            "warnings": list(outcome.warnings),
        }
        self._write(("]" if self._separator == "\n" else "\n  ]") + "," + _dumped(tail).removeprefix("{") + "\n")

    def _write(self, text: str) -> None:
        self._stream.write(text)


def _dumped(content: dict[str, Any]) -> str:
    return json.dumps(content, indent=2, allow_nan=False)


def _event(fields: dict[str, Any]) -> dict[str, Any]:
    return {"temperature_k" if name == "temperature" else name: value for name, value in fields.items()}


def _entry(one: ReadStep) -> dict[str, object]:
    step, sites, assignment = one.step, one.sites, one.assignment
    return {
        "step": step.index,
        "energy_ev": step.energy,
        "temperature_k": step.temperature,
        "time_fs": step.time,
        "scf_converged": step.scf_converged,
        "redox_sites": list(assignment.sites),
        "kinds": [site.kind for site in sites],
        "symbols": [step.symbols[site] for site in assignment.sites],
        "eigenvalues": [site.eigenvalues.tolist() for site in sites],
        "moments": [site.moment for site in sites],
        "naive_states": list(assignment.naive_states),
        "states": list(assignment.states),
        "d_counts": list(assignment.d_counts),
        "confidence": assignment.confidences.tolist(),
        "closed": assignment.closed,
        "margin": assignment.margin if isfinite(assignment.margin) else None,
        "ambiguous": assignment.ambiguous,
    }
