"""From the node of an active-learning loop to its summary."""

from __future__ import annotations

from collections.abc import Iterator

from aiida import orm

from aiida_redoxmlp.active_learning.records import IterationRecord
from aiida_redoxmlp.active_learning.stopping import Budget, StoppingRules, decide
from aiida_redoxmlp.report.demonstration import demonstration_note
from aiida_redoxmlp.report.loop_caveats import loop_caveats
from aiida_redoxmlp.report.loop_coverage import coverage_of, formula_in
from aiida_redoxmlp.report.loop_graph import LoopGraph
from aiida_redoxmlp.report.loop_schema import BudgetLine, LoopIteration, LoopSummary, LoopUuids, RedoxError
from aiida_redoxmlp.report.loop_selection import selection_summaries
from aiida_redoxmlp.report.process_graph import output_of, phase_of
from aiida_redoxmlp.report.software import versions_of
from aiida_redoxmlp.report.timings import stage_timings
from aiida_redoxmlp.report.work_chain import work_chain_facts

__all__ = ("summarise_loop", "summarise_loop_graph")


def summarise_loop(node: orm.ProcessNode) -> LoopSummary:
    """Summarise an ActiveLearningWorkChain that finished, failed or still runs; what is not there yet is null."""
    return summarise_loop_graph(LoopGraph(node))


def summarise_loop_graph(graph: LoopGraph) -> LoopSummary:
    """The same for a loop whose graph is at hand."""
    note = demonstration_note(
        graph,
        parameters="label__pw__pw__parameters",
        pseudos="label__pseudos",
        demo_reasons=("a single k-point", "short explorations"),
        subject="the loop",
    )
    state, rules = graph.state, graph.rules
    labels = [one for one in state.labels.records.values() if one.iteration >= graph.n_earlier]
    before = graph.dataset_before
    decided = decide(state, rules or StoppingRules(), graph.budget or Budget(iterations=len(state.iterations) + 1))
    facts = work_chain_facts(graph, note=note, otherwise="Active learning")
    failed = facts["phase"] == "failed" and state.status in {"running", "paused"}
    reason = facts["exit_message"] if failed else state.reason or (decided.reason if state.iterations else "")
    summary = LoopSummary(
        **facts,
        status="failed" if failed else state.status,
        reason=reason or "",
        rules=rules if rules is not None and rules.given else None,
        rule_sentences=list(decided.rules),
        iterations=list(_iterations(graph)),
        used=state.used,
        budget=_budget(graph),
        redox_errors=list(_redox_errors(graph)),
        n_waiting=len(state.labels.waiting()),
        set_aside=state.labels.set_aside(),
        coverage=coverage_of(labels, () if before is None else before.frames, graph.formulas, graph.chemistry),
        stages=stage_timings(graph),
        uuids=_uuids(graph),
        versions=versions_of(graph),
        warnings=[],
    )
    return summary.model_copy(update={"warnings": loop_caveats(summary)})


def _iterations(graph: LoopGraph) -> Iterator[LoopIteration]:
    """Yield the iterations that are over, and what runs or was cut off after them."""
    records: dict[int, IterationRecord] = {one.number: one for one in graph.state.iterations}
    selections = selection_summaries(graph.selections)
    for number in sorted(records.keys() | graph.calls.keys()):
        started, ended = graph.labels_of(number)
        calls = graph.calls.get(number, {})
        yield LoopIteration(
            number=number,
            record=records.get(number),
            selection=selections.get(number),
            n_labels_started=started,
            n_labels_ended=ended,
            running_stages=[
                stage for stage in graph.stages if any(phase_of(node) == "running" for node in calls.get(stage, ()))
            ],
            uuids={stage: [node.uuid for node in calls[stage]] for stage in graph.stages if stage in calls},
        )


def _redox_errors(graph: LoopGraph) -> Iterator[RedoxError]:
    for one in graph.state.labels.records.values():
        if one.outcome == "redox_error" and one.found is not None:
            yield RedoxError(
                name=one.name,
                formula=formula_in(one.name),
                iteration=one.iteration,
                origin=one.origin,
                wanted=one.wanted,
                found=one.found,
            )


def _budget(graph: LoopGraph) -> list[BudgetLine]:
    used, limits = graph.state.used, graph.budget
    return [
        BudgetLine.model_validate(
            {"name": name, "used": spent, "limit": None if limits is None else getattr(limits, name)}
        )
        for name, spent in (
            ("labels", used.labels),
            ("core_hours", used.core_hours),
            ("iterations", len(graph.state.iterations)),
            ("days", used.days),
        )
    ]


def _uuids(graph: LoopGraph) -> LoopUuids:
    nodes = {
        "loop": graph.record,
        "dataset_before": graph.dataset_before,
        "dataset": output_of(graph.root, "dataset"),
        "model": output_of(graph.root, "model"),
    }
    return LoopUuids(
        work_chain=graph.root.uuid, **{name: node.uuid for name, node in nodes.items() if node is not None}
    )
