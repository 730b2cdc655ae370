"""What the steps of an active-learning loop share: its parts' inputs, its record, its fresh start of an iteration."""

from __future__ import annotations

from typing import Any, cast

from aiida import orm
from aiida.common import AttributeDict
from aiida.engine import WorkChain

from aiida_redoxmlp.active_learning.records import LoopState
from aiida_redoxmlp.data.dataset import DatasetData
from aiida_redoxmlp.engines.encoding import Encoding
from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.redox.chemistry import RedoxChemistry
from aiida_redoxmlp.search.comparability import require_comparable
from aiida_redoxmlp.search.space import ConfigurationSpace
from aiida_redoxmlp.workchains.evaluate_base import EvaluateBaseWorkChain
from aiida_redoxmlp.workchains.submitting_once import SubmittingOnceWorkChain

__all__ = ("LoopSteps", "part_inputs")

_FEWEST_FRAMES = 2


def part_inputs(process: WorkChain, part: Any, namespace: str) -> AttributeDict:
    """Return the inputs of a part, whose jobs' inputs can be changed."""
    inputs = AttributeDict(process.exposed_inputs(part, namespace=namespace))
    if "job" in inputs:
        inputs.job = AttributeDict(inputs.job)
    return inputs


class LoopSteps(SubmittingOnceWorkChain):
    """The state of a loop, and how its parts begin."""

    @property
    def loop_state(self) -> LoopState:
        """The loop so far."""
        return LoopState.model_validate(self.loop_node.get_dict())

    @property
    def loop_node(self) -> orm.Dict:
        """The node of the loop so far."""
        return cast("orm.Dict", orm.load_node(self.ctx.loop_pk))

    @property
    def dataset(self) -> DatasetData | None:
        """What is labelled so far."""
        pk = self.ctx.dataset_pk
        return None if pk is None else cast("DatasetData", orm.load_node(pk))

    @property
    def unknown_state(self) -> str | None:
        """A sentence on a state of the structures that the committee was not trained on, None without one."""
        encoding = Encoding.from_dict(orm.load_node(self.ctx.model_pk).configuration["encoding"])
        chemistry = RedoxChemistry.model_validate(self.inputs.redox.get_dict())
        try:
            for structure in dict(self.inputs.structures).values():
                require_comparable(ConfigurationSpace.of_redox_states(structure.get_ase(), chemistry), encoding)
        except InputError as error:
            return str(error)
        return None

    @property
    def can_train(self) -> bool:
        """Whether there are enough frames to train on."""
        if self.dataset is None:
            return False
        job = self.inputs.train.job
        ambiguous = "include_ambiguous" in job and job.include_ambiguous.value
        return self.dataset.n_frames - (0 if ambiguous else self.dataset.n_ambiguous) >= _FEWEST_FRAMES

    def note(self, sentence: str) -> None:
        """Say a sentence in the log and in the record of the iteration."""
        self.report(sentence)
        self.ctx.notes = [*self.ctx.notes, sentence]

    def begin(self, part: Any, inputs: AttributeDict, name: str) -> orm.ProcessNode:
        """Submit a part of this iteration."""
        inputs.setdefault("metadata", AttributeDict())
        inputs.metadata.call_link_label = f"{name}_{self.ctx.number}"
        node = self.submit(part, **inputs)
        self.ctx.parts = [*self.ctx.parts, node.pk]
        return node

    def begin_evaluation(self) -> orm.ProcessNode:
        """Judge the potential that asked for the fresh labels by them."""
        inputs = part_inputs(self, EvaluateBaseWorkChain, "evaluate")
        inputs.job.dataset = orm.load_node(self.ctx.judged_pk)
        inputs.job.model = orm.load_node(self.ctx.model_pk)
        return self.begin(EvaluateBaseWorkChain, inputs, "evaluate")
