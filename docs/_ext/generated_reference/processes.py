"""Tables of AiiDA processes: inputs, outputs, exit codes and outline, from their specifications."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from aiida.engine import Process
from aiida.engine.processes.ports import PortNamespace

from generated_reference.markdown import code, table

__all__ = ("exit_code_table", "input_table", "outline_text", "output_table")


def input_table(process: type[Process]) -> str:
    """Return the table of inputs; namespaces exposed from another process are one row, as is ``metadata``."""
    spec = process.spec()
    exposed = _exposed_processes(process)
    rows = [
        row for name, port in sorted(spec.inputs.items()) if name != "metadata" for row in _rows(name, port, exposed)
    ]
    return table(("input", "type", "required", "meaning"), rows)


def output_table(process: type[Process]) -> str:
    """Return the table of outputs."""
    rows = [row for name, port in sorted(process.spec().outputs.items()) for row in _rows(name, port, {})]
    return table(("output", "type", "always", "meaning"), rows)


def exit_code_table(process: type[Process]) -> str:
    """Return the table of exit codes from 200 up; those below are AiiDA's own."""
    codes = sorted(process.spec().exit_codes.values(), key=lambda one: one.status)
    rows = ((str(one.status), code(label), one.message) for label, one in _labelled(process, codes))
    return table(("status", "label", "message"), rows)


def outline_text(process: type[Process]) -> str:
    """Return the outline of a work chain, indented; empty for other processes."""
    spec = process.spec()
    if not hasattr(spec, "get_outline"):
        return ""
    return "\n".join(_outline_lines(spec.get_outline().get_description(), 0))


def _labelled(process: type[Process], codes: list[Any]) -> Iterator[tuple[str, Any]]:
    labels = {one.status: label for label, one in process.spec().exit_codes.items()}
    for one in codes:
        if one.status >= 200:
            yield labels[one.status], one


def _rows(name: str, port: Any, exposed: Mapping[str, str]) -> Iterator[tuple[str, str, str, str]]:
    if name in exposed:
        meaning = f"{_help(port)} Inputs of {code(exposed[name])}.".strip()
        yield code(f"{name}.*"), "namespace", _yes_no(required=port.required), meaning
        return
    if not isinstance(port, PortNamespace):
        yield code(name), _type(port), _yes_no(required=port.required), _help(port)
        return
    if port.dynamic or not port:
        yield code(f"{name}.*"), _type(port), _yes_no(required=port.required), _help(port)
    for inner, inner_port in sorted(port.items()):
        if inner != "metadata":
            yield from _rows(f"{name}.{inner}", inner_port, exposed)


def _exposed_processes(process: type[Process]) -> dict[str, str]:
    """Map each exposed namespace to the class it was exposed from, the last where there are several."""
    exposed = process.spec()._exposed_inputs  # noqa: SLF001 - plumpy has no public way to ask
    return {namespace: list(classes)[-1].__name__ for namespace, classes in exposed.items() if namespace and classes}


def _type(port: Any) -> str:
    types = port.valid_type if isinstance(port.valid_type, tuple) else (port.valid_type,)
    names = [one.__name__ for one in types if one is not None and one is not type(None)]
    return " or ".join(code(name) for name in names) or "anything"


def _yes_no(*, required: bool) -> str:
    return "yes" if required else "no"


def _help(port: Any) -> str:
    return " ".join((port.help or "").split())


def _outline_lines(outline: Any, indent: int) -> Iterator[str]:
    if isinstance(outline, str):
        yield f"{'    ' * indent}{outline}"
    elif isinstance(outline, Mapping):
        for key, part in outline.items():
            yield f"{'    ' * indent}{key}"
            yield from _outline_lines(part, indent + 1)
    else:
        for part in outline:
            yield from _outline_lines(part, indent)
