"""Tables of the HTML report, and those that every report has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aiida_redoxmlp.report.schema_parts import StageTiming
from aiida_redoxmlp.report.timings import ProcessSpan
from aiida_redoxmlp.report.wording import duration

__all__ = (
    "NONE",
    "Column",
    "Row",
    "Table",
    "node_table",
    "number",
    "stage_table",
    "tree_table",
    "version_table",
)

NONE = "–"
"""Cell of what is not there."""


@dataclass(frozen=True)
class Column:
    """A column's heading and how its cells look; ``code`` is for uuids, one a line."""

    heading: str
    numeric: bool = False
    code: bool = False


@dataclass(frozen=True)
class Row:
    """Cells as text; ``mark`` is a style class, ``depth`` indents the first cell."""

    cells: tuple[str, ...]
    mark: str = ""
    depth: int = 0


@dataclass(frozen=True)
class Table:
    """A table with its heading."""

    name: str
    title: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]


def stage_table(stages: Mapping[str, StageTiming], what: str) -> Table:
    """Return the times of the stages, or of the steps, as ``what`` says."""
    return Table(
        f"{what}s",
        f"Time of each {what}",
        "Wall time from the first job's start to the last job's end; job time is the sum over jobs.",
        (
            Column(what),
            Column("wall time", numeric=True),
            Column("job time", numeric=True),
            Column("jobs", numeric=True),
            Column("from the cache", numeric=True),
        ),
        tuple(
            Row(
                (
                    stage.replace("_", " "),
                    duration(one.wall_time_s),
                    duration(one.job_time_s),
                    str(one.n_jobs),
                    str(one.n_from_cache),
                )
            )
            for stage, one in stages.items()
        ),
    )


def tree_table(spans: Sequence[ProcessSpan]) -> Table:
    """Return everything that was called, with times and uuids."""
    rows = []
    for span in spans:
        outcome = span.phase
        if span.phase == "failed" or span.exit_status:
            outcome = f"{outcome} ({span.exit_status})"
        if span.from_cache:
            outcome += ", from the cache"
        times = (duration(span.start_s), duration(span.duration_s))
        cells = (span.name, f"{span.process} <{span.pk}>", outcome, *times, span.uuid)
        rows.append(Row(cells, "failed" if span.phase == "failed" else "", span.depth))
    return Table(
        "process-tree",
        "Process tree",
        "",
        (
            Column("called as"),
            Column("process"),
            Column("outcome (exit status)"),
            Column("started after", numeric=True),
            Column("took", numeric=True),
            Column("uuid", code=True),
        ),
        tuple(rows),
    )


def node_table(meaning: Mapping[str, str], uuids: Mapping[str, str | None]) -> Table:
    """Return the nodes that are there, with what they are."""
    return Table(
        "nodes",
        "Nodes behind the numbers",
        "",
        (Column("node"), Column("what it is"), Column("uuid", code=True)),
        tuple(Row((name.replace("_", " "), text, found)) for name, text in meaning.items() if (found := uuids[name])),
    )


def version_table(versions: Mapping[str, str]) -> Table:
    """Return the versions of the programs."""
    return Table(
        "versions",
        "Versions",
        "",
        (Column("program"), Column("version")),
        tuple(Row((name, version)) for name, version in sorted(versions.items())),
    )


def number(value: float | None, form: str) -> str:
    """Return a number in a format, or a dash where there is none."""
    return NONE if value is None else format(value, form)
