"""Which versions of which programs a campaign ran with."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

from aiida_redoxmlp.report.graph import CampaignGraph, output_of

__all__ = ("versions_of",)


def versions_of(graph: CampaignGraph) -> dict[str, str]:
    """Return versions by name.

    aiida-core and aiida-redoxmlp are what the campaign's node was stored with, pw.x what its outputs say, the
    engine's packages what the trainings reported; aiida-quantumespresso and Python are this interpreter's.
    """
    versions: dict[str, str] = {}
    stored = graph.campaign.base.attributes.get("version", {})
    for key, name in {"plugin": "aiida-redoxmlp", "core": "aiida-core"}.items():
        if key in stored:
            versions[name] = str(stored[key])
    try:
        versions["aiida-quantumespresso"] = version("aiida-quantumespresso")
    except PackageNotFoundError:
        versions["aiida-quantumespresso"] = "not installed here"
    if found := _pw_versions(graph):
        versions["pw.x"] = ", ".join(found)
    for name in ("train", "baseline"):
        versions |= {key: str(value) for key, value in graph.report_of(name).get("versions", {}).items()}
    versions["python"] = platform.python_version()
    return versions


def _pw_versions(graph: CampaignGraph) -> list[str]:
    """Every version of pw.x that the labels' outputs name; usually one."""
    found = set()
    for process in graph.processes:
        if process.is_dft and (parameters := output_of(process.node, "output_parameters")) is not None:
            content = parameters.get_dict()
            for key in ("code_version", "creator_version"):
                if content.get(key):
                    found.add(str(content[key]))
                    break
    return sorted(found)
