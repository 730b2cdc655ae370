"""How far searches have come while they run: one line a search."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

from aiida import orm
from rich.table import Table

from aiida_redoxmlp.cli.progress_files import ProgressReader, jobs_below, state_of
from aiida_redoxmlp.runners.search_progress import SearchProgress

__all__ = ("search_table",)

_SEARCH = "aiida.calculations:redoxmlp.search"
_HEADINGS = ("search", "state", "strategy", "run", "evaluations", "lowest at fixed ions / eV", "relaxed")


def search_table(process: orm.ProcessNode) -> Table | None:
    """Return a line for every search that ``process`` or what it called has begun.

    Returns:
        The table, or None where nothing is searched (yet).
    """
    table = Table(title="searches", title_justify="left")
    for heading in _HEADINGS:
        table.add_column(heading, justify="left" if heading in _HEADINGS[:3] else "right")
    with ExitStack() as connections:
        reader = ProgressReader(connections)
        for name, jobs in jobs_below(process, _SEARCH):
            table.add_row(name, *_row(jobs[-1], [reader.read(job) for job in jobs]))
    return table if table.row_count else None


def _row(job: orm.CalcJobNode, texts: Sequence[str]) -> tuple[str, ...]:
    """Return the cells of a search from its last job and the progress files of all its jobs."""
    state = SearchProgress(texts[-1]).stage if not job.is_terminated else state_of(job)
    progress = SearchProgress("\n".join(texts))
    search = progress.last("searching")
    strategy = search.get("strategy") or progress.last("started").get("strategy", "")
    if not search:
        return (state, strategy, "", "", "", _relaxed(progress))
    budget = "" if search["budget"] is None else f"/{search['budget']}"
    return (
        state,
        strategy,
        f"{search['run']}/{search['of']}",
        f"{search['evaluations']}{budget}",
        f"{search['lowest_energy_ev']:.4f}",
        _relaxed(progress),
    )


def _relaxed(progress: SearchProgress) -> str:
    """Return how many configurations are relaxed, and the step of those that are being relaxed."""
    relaxed = progress.last("relaxed", "relaxing")
    if relaxed.get("event") == "relaxed":
        return f"{relaxed['done']}/{relaxed['of']}"
    return f"{progress.last('relaxed').get('done', 0)}, step {relaxed['step']}" if relaxed else ""
