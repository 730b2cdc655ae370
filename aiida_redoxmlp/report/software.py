"""Which versions of which programs a work chain ran with."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from aiida_redoxmlp.report.process_graph import CalledProcess, ProcessGraph, output_of

__all__ = ("versions_of",)


def versions_of(graph: ProcessGraph, engine: Mapping[str, Any] | None = None) -> dict[str, str]:
    """Return versions by name.

    aiida-core and aiida-redoxmlp are what the work chain's node was stored with, pw.x and hp.x what their outputs
    say; aiida-quantumespresso and Python are this interpreter's.

    Args:
        graph: the work chain.
        engine: versions that its trainings reported.
    """
    versions: dict[str, str] = {}
    stored = graph.root.base.attributes.get("version", {})
    for key, name in {"plugin": "aiida-redoxmlp", "core": "aiida-core"}.items():
        if key in stored:
            versions[name] = str(stored[key])
    try:
        versions["aiida-quantumespresso"] = version("aiida-quantumespresso")
    except PackageNotFoundError:
        versions["aiida-quantumespresso"] = "not installed here"
    for name, found in {
        "pw.x": _versions(graph, lambda process: process.is_dft, ("code_version", "creator_version")),
        "hp.x": _versions(graph, lambda process: process.is_hp, ("version",)),
    }.items():
        if found:
            versions[name] = ", ".join(found)
    versions |= {key: str(value) for key, value in (engine or {}).items()}
    versions["python"] = platform.python_version()
    return versions


def _versions(graph: ProcessGraph, belongs: Callable[[CalledProcess], bool], keys: Sequence[str]) -> list[str]:
    """Every version that the outputs of these calculations name; usually one."""
    found = set()
    for process in filter(belongs, graph.processes):
        if (parameters := output_of(process.node, "output_parameters")) is not None:
            content = parameters.get_dict()
            found.update([str(content[key]) for key in keys if content.get(key)][:1])
    return sorted(found)
