"""Watching a workflow: one line whenever something starts, pauses or ends."""

from __future__ import annotations

import time

from aiida import orm
from rich.console import Console

from aiida_redoxmlp.provenance.process_tree import walk

__all__ = ("describe", "watch")

_INTERVAL_S = 3.0
_AIIDA_SAYS = "Pausing after failed transport task: "


def describe(node: orm.ProcessNode) -> str:
    """Return the state of a process in a few words."""
    state = node.process_state.value if node.process_state else "created"
    if node.is_finished:
        ended = "done" if node.is_finished_ok else f"failed ({node.exit_status}: {node.exit_message})"
        cached = " (from cache)" if node.base.caching.is_created_from_cache else ""
        return f"{ended}{cached}"
    if node.is_killed or node.is_excepted:
        return state
    if node.paused:
        return f"paused: {(node.process_status or 'nobody says why').removeprefix(_AIIDA_SAYS)}"
    if isinstance(node, orm.CalcJobNode):
        job = node.get_state()
        scheduler = node.get_scheduler_state()
        return f"{job.value if job else state}{f', {scheduler.value}' if scheduler else ''}"
    return state


def watch(node: orm.ProcessNode, console: Console) -> None:
    """Print a line for every job or work chain that starts, pauses or ends, until ``node`` is terminated."""
    started = time.monotonic()
    seen: dict[str, str] = {}
    over: set[str] = set()  # looking at these again would take processor time from the jobs

    def show() -> None:
        ended = set()
        for depth, label, called in walk(node, without=over):
            if called.is_terminated:
                ended.add(called.uuid)
            if not isinstance(called, orm.CalcJobNode | orm.WorkChainNode):
                continue
            phase = describe(called) if called.is_terminated or called.paused else "running"
            if seen.get(called.uuid) != phase:
                seen[called.uuid] = phase
                elapsed = time.monotonic() - started
                name = f"{'  ' * depth}{label}"
                console.print(
                    f"{elapsed:7.0f} s  {name:<28} {called.process_label}<{called.pk}> {phase}",
                    highlight=False,
                )
        over.update(ended)

    while not node.is_terminated:
        show()
        time.sleep(_INTERVAL_S)
    show()
    console.print(
        f"{time.monotonic() - started:7.0f} s  {node.process_label}<{node.pk}> {describe(node)}",
        highlight=False,
    )
