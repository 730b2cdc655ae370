"""Watching a workflow: a line for what starts and what ends, and no second look at what is over."""

from __future__ import annotations

from aiida import orm
from rich.console import Console

from aiida_redoxmlp.cli import watch as watching
from aiida_redoxmlp.provenance.process_tree import walk
from tests.report.process_draft import ProcessDraft, end


def test_every_start_and_end_is_one_line_and_what_is_over_is_left_out(aiida_profile, monkeypatch):
    draft = ProcessDraft()
    root = draft.process(orm.WorkChainNode, "CampaignWorkChain", None, "", {})
    label = draft.process(orm.WorkChainNode, "LabelWorkChain", root, "relax_0", {})
    job = draft.process(orm.CalcJobNode, "RedoxPwCalculation", label, "iteration_01", {}, "redoxmlp.pw")
    looked_at = []

    def spied(node, **options):
        for depth, name, called in walk(node, **options):
            looked_at.append(name)
            yield depth, name, called

    events = iter([lambda: None, lambda: (end(job), end(label, 300, "pw.x failed")), lambda: None, lambda: end(root)])
    monkeypatch.setattr(watching, "walk", spied)
    monkeypatch.setattr(watching.time, "sleep", lambda _: next(events)())
    console = Console(width=200, record=True)
    watching.watch(root, console)

    told = [line.partition(" s  ")[2].strip() for line in console.export_text().splitlines()]
    assert [line.rpartition(">")[2].strip() for line in told] == [
        "running",
        "running",
        "failed (300: pw.x failed)",
        "done",
        "done",
    ]
    assert looked_at == ["relax_0", "iteration_01"] * 3  # twice while they ran, and once when they were over
