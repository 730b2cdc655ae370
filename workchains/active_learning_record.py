"""The steps of an active-learning loop that decide whether it goes on, and write down what happened."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any, cast

from aiida import orm
from aiida.engine import ExitCode

from aiida_redoxmlp.active_learning.records import LoopState
from aiida_redoxmlp.active_learning.stopping import Budget, StoppingRules, decide
from aiida_redoxmlp.calculations.active_learning import close_iteration, end_loop
from aiida_redoxmlp.workchains.active_learning_left import output_name
from aiida_redoxmlp.workchains.active_learning_parts import LoopSteps
from aiida_redoxmlp.workchains.active_learning_usage import core_hours_of

__all__ = ("RecordingSteps",)


class RecordingSteps(LoopSteps):
    """Begin, decide, write down, end."""

    def setup(self) -> None:
        """Begin with what is given: an earlier loop, a dataset, a committee, or structures alone."""
        loop = self.inputs.loop if "loop" in self.inputs else orm.Dict(LoopState().model_dump(mode="json")).store()
        self.ctx.loop_pk = loop.pk
        self.ctx.number = len(self.loop_state.iterations)
        for name in ("dataset", "model"):
            self.ctx[f"{name}_pk"] = self.inputs[name].pk if name in self.inputs else None
        given = {} if "unanswered" not in self.inputs else dict(self.inputs.unanswered)
        failed = self.loop_state.labels.failed()
        self.ctx.unanswered = {key: given[output_name(key)].pk for key in failed if output_name(key) in given}
        self.ctx.ending = None
        self._forget()

    def _forget(self) -> None:
        """Begin an iteration with a clean sheet."""
        self.ctx.update(
            {
                "selection_pk": None,
                "verdicts_pk": None,
                "judged_pk": None,
                "evaluation_pk": None,
                "training_pk": None,
                "evaluate": None,
                "strategy": "none",
                "n_answers": 0,
                "waiting": [],
                "asked": [],
                "labels": [],
                "notes": [],
                "parts": [],
                "began": datetime.now(timezone.utc).isoformat(),
            }
        )

    def goes_on(self) -> bool:
        """Whether neither the rules hold nor the budget is spent, nor there is nothing left to ask."""
        if self.ctx.ending is not None:
            return False
        rules = StoppingRules.model_validate(self.inputs.rules.get_dict())
        decision = decide(self.loop_state, rules, Budget.model_validate(self.inputs.budget.get_dict()))
        self.report(decision.reason)
        if decision.stop:
            self.ctx.ending = {"status": decision.why, "reason": decision.reason}
        return not decision.stop

    def begin_iteration(self) -> None:
        """Begin an iteration; what the training before the first one spent counts to the first."""
        parts, notes = self.ctx.parts, self.ctx.notes
        self._forget()
        self.ctx.parts, self.ctx.notes = parts, notes

    def end_iteration(self) -> ExitCode | None:
        """Write down the iteration; end where no label came back, or nothing was asked."""
        n_asked, n_answers, strategy = len(self.ctx.asked), self.ctx.n_answers, self.ctx.strategy
        before = self.loop_state.iterations[-1].labels if self.loop_state.iterations else None
        reasons = [one["reason"] for one in orm.load_node(self.ctx.verdicts_pk).get_dict()["verdicts"]]
        self._write_down()
        blank = before is not None and before.asked > 0 and before.asked == before.failed
        if n_asked and not n_answers and (self.dataset is None or blank):
            return self.end_with("ERROR_NO_LABELS", count=n_asked, message=reasons[0])
        if not n_asked:
            self.ctx.ending = {
                "status": "paused",
                "reason": f"Nothing new is uncertain among what was explored ({strategy}), so that nothing was asked; "
                "explore further or lower the floor of the band, and go on from here.",
            }
        return None

    def _write_down(self) -> None:
        days = (datetime.now(timezone.utc) - datetime.fromisoformat(self.ctx.began)).total_seconds() / 86400
        facts = {
            "number": self.ctx.number,
            "strategy": self.ctx.strategy,
            "n_frames": 0 if self.dataset is None else self.dataset.n_frames,
            "used": {
                "labels": len(self.ctx.asked),
                "core_hours": core_hours_of(cast("orm.ProcessNode", orm.load_node(pk)) for pk in self.ctx.parts),
                "days": days,
            },
            "warnings": list(self.ctx.notes),
        }
        reports = {
            name: orm.load_node(self.ctx[f"{name}_pk"])
            for name in ("selection", "evaluation", "training")
            if self.ctx[f"{name}_pk"] is not None
        }
        closed = close_iteration(self.loop_node, orm.load_node(self.ctx.verdicts_pk), orm.Dict(facts), **reports)
        self.out(f"iterations.iteration_{self.ctx.number}", closed["record"])
        self.ctx.loop_pk = closed["loop"].pk
        self.ctx.number += 1
        self._forget()

    def give_up(self, label: str, **fields: Any) -> ExitCode:
        """End where a part failed: what was labelled in this iteration is written down first."""
        if self.ctx.verdicts_pk is not None:
            self._write_down()
        return self.end_with(label, **fields)

    def end_with(self, label: str, **fields: Any) -> ExitCode:
        """Hand over what there is, so that another loop can go on, and return the exit code."""
        code: ExitCode = self.exit_codes[label].format(**fields)
        self.ctx.ending = {"status": "failed", "reason": str(code.message)}
        self.results()
        return code

    def results(self) -> None:
        """Hand over dataset, committee, record and conclusion."""
        ended: Any = end_loop(self.loop_node, orm.Dict(self.ctx.ending))
        self.out("loop", ended["loop"])
        self.out("conclusion", ended["conclusion"])
        for name in ("dataset", "model"):
            if (pk := self.ctx[f"{name}_pk"]) is not None:
                self.out(name, orm.load_node(pk))
        for key, pk in self.ctx.unanswered.items():
            if key in self.loop_state.labels.failed():
                self.out(f"unanswered.{output_name(key)}", orm.load_node(pk))
        self.report(ended["conclusion"]["sentence"])
