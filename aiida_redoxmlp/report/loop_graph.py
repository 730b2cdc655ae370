"""What hangs below a work chain of active learning."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, TypeVar, cast

from aiida import orm
from aiida.common.links import LinkType
from pydantic import BaseModel

from aiida_redoxmlp.active_learning.records import LoopState
from aiida_redoxmlp.active_learning.selection import SelectionSettings
from aiida_redoxmlp.active_learning.stopping import Budget, StoppingRules
from aiida_redoxmlp.data.dataset import DatasetData
from aiida_redoxmlp.redox.chemistry import RedoxChemistry
from aiida_redoxmlp.report.process_graph import CalledProcess, ProcessGraph, input_of, output_of

__all__ = ("LoopGraph", "SelectionJob")

_CALL = re.compile(r"^(first_)?(?P<stage>explore|label|train|evaluate)(_\d+)?_(?P<iteration>\d+)$")
_EXPLORE_TYPE = "aiida.calculations:redoxmlp.explore"
_LOOP, _STRUCTURES = "loop", "structures"

_Settings = TypeVar("_Settings", bound=BaseModel)


@dataclass(frozen=True, eq=False)
class SelectionJob:
    """An exploration whose selection has ended well.

    Attributes:
        node: the job.
        report: what was selected.
        settings: how it chose.
    """

    node: orm.ProcessNode
    report: dict[str, Any]
    settings: SelectionSettings


class LoopGraph(ProcessGraph):
    """Read access to everything that an active-learning loop made."""

    stages: ClassVar[tuple[str, ...]] = ("explore", "label", "evaluate", "train")

    def stage_of(self, link_label: str) -> str:
        """Return the stage of what the work chain called ``link_label``, or an empty string."""
        match = _CALL.match(link_label)
        return match["stage"] if match else ""

    @staticmethod
    def iteration_of(link_label: str) -> int | None:
        """Return the iteration of what the work chain called ``link_label``, or None."""
        match = _CALL.match(link_label)
        return int(match["iteration"]) if match else None

    @cached_property
    def calls(self) -> dict[int, dict[str, list[orm.ProcessNode]]]:
        """What the work chain called itself, by iteration and stage."""
        found: dict[int, dict[str, list[orm.ProcessNode]]] = {}
        for process in self.processes:
            number = self.iteration_of(process.link_label)
            if process.depth == 0 and number is not None:
                found.setdefault(number, {}).setdefault(process.stage, []).append(process.node)
        return dict(sorted(found.items()))

    @cached_property
    def record(self) -> orm.Dict | None:
        """The newest record of the loop, or None before the first iteration ends."""
        nodes = [node for node in self._records() if isinstance(node, orm.Dict)]
        return max(nodes, key=lambda node: (node.ctime, node.pk or 0), default=None)

    def _records(self) -> Iterator[Any]:
        """Yield what is called the loop: handed over, made between the stages, or put in."""
        yield output_of(self.root, _LOOP)
        yield input_of(self.root, _LOOP)
        for process in self.processes:
            if process.depth == 0 and isinstance(process.node, orm.CalculationNode):
                yield output_of(process.node, _LOOP)
                yield input_of(process.node, _LOOP)

    @cached_property
    def state(self) -> LoopState:
        """What the loop remembers; nothing before the first iteration ends."""
        return LoopState() if self.record is None else LoopState.model_validate(self.record.get_dict())

    @cached_property
    def selections(self) -> dict[int, SelectionJob]:
        """The selection of every iteration that has one, the last of several."""
        return {
            number: SelectionJob(process.node, report.get_dict(), _selection_settings(process))
            for process in self.processes
            if process.node.process_type == _EXPLORE_TYPE
            and (number := self.iteration_of(process.owner)) is not None
            and (report := output_of(process.node, "selection")) is not None
        }

    @property
    def budget(self) -> Budget | None:
        """What the loop may spend."""
        return self._settings("budget", Budget)

    @property
    def rules(self) -> StoppingRules | None:
        """When the loop has converged."""
        return self._settings("rules", StoppingRules)

    def _settings(self, name: str, model: type[_Settings]) -> _Settings | None:
        node = input_of(self.root, name)
        return None if node is None else model.model_validate(node.get_dict())

    @cached_property
    def chemistry(self) -> RedoxChemistry | None:
        """Charges of the material."""
        return RedoxChemistry.model_validate(self.redox) if self.redox else None

    @cached_property
    def structures(self) -> dict[str, orm.StructureData]:
        """The structures that exploration starts from, by name."""
        links = self.root.base.links.get_incoming(
            link_type=LinkType.INPUT_WORK, link_label_filter=f"{_STRUCTURES}__%"
        ).all()
        return {link.link_label.partition("__")[2]: cast("orm.StructureData", link.node) for link in links}

    @property
    def formulas(self) -> list[str]:
        """Formulas of these structures, each once: the states of charge."""
        return sorted({str(one.get_formula(mode="hill")) for one in self.structures.values()})

    @property
    def formula(self) -> str:
        """Chemical formula of the cell where all structures have one; empty otherwise."""
        return self.formulas[0] if len(self.formulas) == 1 else ""

    @cached_property
    def symbols(self) -> tuple[str, ...]:
        """Chemical symbols that occur in the structures."""
        return tuple(sorted({symbol for one in self.structures.values() for symbol in one.get_symbols_set()}))

    @property
    def dataset_before(self) -> DatasetData | None:
        """What was labelled before the loop."""
        given = input_of(self.root, "dataset")
        if given is None and 0 in self.selections:
            given = input_of(self.selections[0].node, "selection__dataset")
        return cast("DatasetData | None", given)

    @property
    def n_earlier(self) -> int:
        """Iterations of an earlier loop that this one goes on from."""
        given = input_of(self.root, _LOOP)
        return 0 if given is None else len(LoopState.model_validate(given.get_dict()).iterations)

    def labels_of(self, number: int) -> tuple[int, int]:
        """Return how many labels an iteration has started, and how many of them have ended."""
        labels = self.calls.get(number, {}).get("label", [])
        return len(labels), sum(node.is_terminated for node in labels)


def _selection_settings(process: CalledProcess) -> SelectionSettings:
    node = input_of(process.node, "selection__settings")
    return SelectionSettings.model_validate({} if node is None else node.get_dict().get("selection", {}))
