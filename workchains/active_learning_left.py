"""What a loop left that another one can go on from, also where it was killed before it handed anything over."""

from __future__ import annotations

from typing import Any

from aiida import orm

from aiida_redoxmlp.active_learning.records import LoopState

__all__ = ("left_by", "output_name")

_HANDED_OVER = ("loop", "dataset", "model")


def output_name(key: str) -> str:
    """Return the name of a label's structure among the outputs: they cannot begin with a digit."""
    return f"label_{key[:10]}"


def left_by(loop: orm.WorkChainNode) -> dict[str, Any]:
    """Return what a loop left.

    One that ends by itself hands it over. One that was killed, or met an exception, has made the same step by step:
    the record of its last whole iteration, every label that was judged, the last committee.

    Returns:
        ``loop``, ``dataset`` and ``model``, as far as there are such, and ``unanswered``, the structures of labels that
        failed, by the names of the outputs.
    """
    if "loop" in loop.outputs:
        found = {name: loop.outputs[name] for name in _HANDED_OVER if name in loop.outputs}
        return {**found, "unanswered": dict(loop.outputs.unanswered) if "unanswered" in loop.outputs else {}}
    found = {name: loop.inputs[name] for name in _HANDED_OVER if name in loop.inputs}
    asked = dict(loop.inputs.unanswered) if "unanswered" in loop.inputs else {}
    for step in sorted((one for one in loop.called if one.is_finished_ok), key=lambda one: int(one.pk or 0)):
        if step.process_label == "judge_labels":
            asked |= _asked(step)
        made = step.outputs
        for name, kind, output in (
            ("loop", "close_iteration", "loop"),
            ("model", "TrainWorkChain", "model"),
            ("dataset", "merge_datasets", "result"),
        ):
            if step.process_label == kind:
                found[name] = made[output]
        if step.process_label == "judge_labels" and "dataset" not in found and "frames" in made:
            found["dataset"] = made["frames"]
    if "loop" not in found:
        return {**found, "unanswered": {}}
    failed = {output_name(key) for key in LoopState.model_validate(found["loop"].get_dict()).labels.failed()}
    return {**found, "unanswered": {name: one for name, one in asked.items() if name in failed}}


def _asked(judging: orm.ProcessNode) -> dict[str, orm.StructureData]:
    """Return the structures that were judged, by the names that they would have among the outputs."""
    verdicts = judging.outputs["verdicts"].get_dict()["verdicts"]
    return {output_name(verdict["key"]): judging.inputs[f"request_{number}"] for number, verdict in enumerate(verdicts)}
