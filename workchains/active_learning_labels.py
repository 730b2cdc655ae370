"""The steps of an active-learning loop from candidates to judged labels."""

from __future__ import annotations

from typing import Any, cast

from aiida import orm
from aiida.common import AttributeDict
from aiida.engine import ToContext, append_

from aiida_redoxmlp.active_learning.label_book import LabelBook
from aiida_redoxmlp.active_learning.stopping import Budget, labels_left
from aiida_redoxmlp.calculations.active_learning import judge_labels, remember
from aiida_redoxmlp.calculations.datasets import merge_datasets
from aiida_redoxmlp.calculations.neighbourhoods import request_neighbours
from aiida_redoxmlp.calculations.structures import with_positions
from aiida_redoxmlp.workchains.active_learning_parts import part_inputs
from aiida_redoxmlp.workchains.active_learning_record import RecordingSteps
from aiida_redoxmlp.workchains.first_job import first_job_submitted
from aiida_redoxmlp.workchains.label import LabelWorkChain

__all__ = ("LabellingSteps",)

_PATIENCE_S = 5.0
"""The other labels of a batch are begun so much later at most."""


class LabellingSteps(RecordingSteps):
    """Select, label, judge."""

    @property
    def _most_labels(self) -> int | None:
        """Labels that the budget has left."""
        return labels_left(self.loop_state, Budget.model_validate(self.inputs.budget.get_dict()))

    def selection_inputs(self) -> AttributeDict:
        """Return how labels are chosen: no more than the budget has left, and none that was asked for before."""
        settings, most = self.inputs.selection.get_dict(), self._most_labels
        if most is not None:
            chosen = settings.get("selection", {})
            settings = {**settings, "selection": {**chosen, "n_labels": min(chosen.get("n_labels", most), most)}}
        inputs = AttributeDict({"settings": orm.Dict(settings), "memory": remember(self.loop_node)})
        if self.dataset is not None:
            inputs.dataset = self.dataset
        return inputs

    def take_selection(self, selection: orm.Dict, structures: dict[str, orm.StructureData]) -> None:
        """Take the requests and say what limits them; a committee without spread is one of these sentences."""
        report = selection.get_dict()
        for warning in report["warnings"]:
            self.report(warning)
        self.ctx.selection_pk = selection.pk
        self.ctx.strategy = report["strategy"]
        self.ctx.waiting = [
            {**one, "pk": structures[f"request_{number}"].pk} for number, one in enumerate(report["requests"])
        ]

    def prepare_labels(self) -> None:
        """Add labels that failed before, and neighbours of the structures where nothing was explored."""
        if self.ctx.selection_pk is None:
            if self.ctx.model_pk is not None and (unknown := self.unknown_state) is not None:
                self.note(f"{unknown} Neighbours of the structures are labelled until there is one with all of them.")
            self.ctx.strategy = "neighbourhoods"
            self.ctx.waiting = self._neighbours()
        book = self.loop_state.labels.with_attempts(self.inputs.max_label_attempts.value)
        again = [
            {
                "name": book.records[key].name,
                "key": key,
                "structure": book.records[key].origin.partition(",")[0],
                "origin": book.records[key].origin,
                "wanted": book.records[key].wanted,
                "belief": None,
                "pk": self.ctx.unanswered[key],
            }
            for key in book.waiting()
            if key in self.ctx.unanswered
        ]
        waiting = [*again, *self.ctx.waiting]
        self.ctx.waiting = waiting[: self._most_labels] if self._most_labels is not None else waiting
        self.report(
            f"iteration {self.ctx.number} asks for {len(self.ctx.waiting)} labels ({self.ctx.strategy}), "
            f"{len(again)} of them again"
        )

    def _neighbours(self) -> list[dict[str, Any]]:
        settings = self.inputs.neighbourhoods.get_dict()
        found = request_neighbours(
            redox=self.inputs.redox,
            settings=orm.Dict({**settings, "seed": settings.get("seed", 0) + self.ctx.number}),
            loop=self.loop_node,
            **self.inputs.structures,
        )
        requests = found["report"].get_dict()["requests"]
        return [{**one, "pk": found[f"request_{number}"].pk} for number, one in enumerate(requests)]

    def labels_left(self) -> bool:
        """Whether requests wait for their label."""
        return bool(self.ctx.waiting)

    def run_labels(self) -> dict[str, Any]:
        """Label the next structures, as many at a time as allowed; the others are prepared while the first computes."""
        count = self.inputs.max_concurrent.value
        batch, self.ctx.waiting = self.ctx.waiting[:count], self.ctx.waiting[count:]
        for one in batch:
            number = len(self.ctx.asked)
            inputs = part_inputs(self, LabelWorkChain, "label")
            inputs.structure = with_positions(self._parent_of(one), orm.load_node(one["pk"]))
            inputs.pattern = orm.List(one["wanted"])
            inputs.redox = self.inputs.redox
            node = self.begin(LabelWorkChain, inputs, f"label_{number}")
            self.ctx.asked = [*self.ctx.asked, one]
            self.to_context(labels=append_(node))
            if one is batch[0] and len(batch) > 1:
                self.runner.run_until_complete(first_job_submitted(node, _PATIENCE_S))
        return ToContext()

    def _parent_of(self, request: dict[str, Any]) -> Any:
        """Return the structure whose Hubbard parameters a request gets: the one that its walker started from."""
        symbols = orm.load_node(request["pk"]).get_ase().get_chemical_symbols()
        structures = dict(self.inputs.structures)
        named = [structures[request["structure"]]] if request["structure"] in structures else []
        fitting = [one for one in (*named, *structures.values()) if one.get_ase().get_chemical_symbols() == symbols]
        return fitting[0]

    def judge_answers(self) -> None:
        """Let DFT's answers decide, and add the labels to the dataset."""
        nodes: dict[str, orm.Data] = {}
        requests = []
        for number, (one, label) in enumerate(zip(self.ctx.asked, self.ctx.labels, strict=True)):
            failure = None if label.is_finished_ok else label.exit_message or f"{label.process_label} did not end well."
            nodes[f"request_{number}"] = cast("orm.Data", orm.load_node(one["pk"]))
            if failure is None:
                nodes[f"frames_{number}"] = label.outputs.frames
            requests.append({**{key: value for key, value in one.items() if key != "pk"}, "failure": failure})
        asked = {
            "iteration": self.ctx.number,
            "max_attempts": self.inputs.max_label_attempts.value,
            "requests": requests,
        }
        found = judge_labels(self.loop_node, self.inputs.redox, orm.Dict(asked), **nodes)
        self.ctx.verdicts_pk = found["verdicts"].pk
        content = found["verdicts"].get_dict()
        verdicts, failed = content["verdicts"], LabelBook.model_validate(content["labels"]).failed()
        for verdict in verdicts:
            if verdict["reason"]:
                self.report(f"{verdict['name']}: {verdict['reason']}")
        pks = {verdict["key"]: one["pk"] for verdict, one in zip(verdicts, self.ctx.asked, strict=True)}
        self.ctx.unanswered = {key: pk for key, pk in {**self.ctx.unanswered, **pks}.items() if key in failed}
        self.ctx.judged_pk = found["judged"].pk if "judged" in found else None
        self.ctx.n_answers = sum(verdict["outcome"] != "failed" for verdict in verdicts)
        if "frames" in found:
            self._add(found["frames"])

    def _add(self, fresh: Any) -> None:
        """Add fresh frames to the dataset."""
        before = self.dataset
        self.ctx.dataset_pk = fresh.pk if before is None else merge_datasets(dataset_0=before, dataset_1=fresh).pk
