"""What a selection takes, as a job of its own or at the end of an exploration."""

from __future__ import annotations

from typing import Any

from aiida import orm
from aiida.engine import CalcJobProcessSpec

from aiida_redoxmlp.active_learning.records import LoopMemory
from aiida_redoxmlp.calculations.search import validate_fields
from aiida_redoxmlp.data.dataset import DatasetData
from aiida_redoxmlp.data.model import ModelData
from aiida_redoxmlp.runners.select_job import SelectSettings

__all__ = ("DATASET_FILE", "declare_selection", "why_not_selected", "written_memory")

DATASET_FILE = "dataset.npz"

_HELP = {
    "settings": "How it is chosen, the fields of `aiida_redoxmlp.runners.select_job.SelectSettings`.",
    "memory": "What was asked before and the calibration of the spreads, the fields of "
    "`aiida_redoxmlp.active_learning.records.LoopMemory`.",
}


def declare_selection(spec: CalcJobProcessSpec, prefix: str = "") -> None:
    """Declare settings, memory and dataset, their names after ``prefix``."""
    spec.input(f"{prefix}dataset", valid_type=DatasetData, required=False, help="What is labelled already.")
    for name, model in (("settings", SelectSettings), ("memory", LoopMemory)):
        spec.input(
            f"{prefix}{name}",
            valid_type=orm.Dict,
            serializer=orm.to_aiida_type,
            default=lambda: orm.Dict({}),
            validator=validate_fields(model, name),
            help=_HELP[name],
        )


def why_not_selected(model: ModelData, settings: orm.Dict) -> str | None:
    """Return why a committee cannot follow the strategy of a selection, or None."""
    strategy = SelectSettings.model_validate(settings.get_dict()).selection.strategy
    if strategy == "redox_aware" and model.encoding == "none":
        return (
            "The strategy 'redox_aware' needs a potential that tells oxidation states apart, but the model's encoding "
            "is 'none'; train with another encoding or select by 'uncertainty'."
        )
    return None


def written_memory(inputs: Any) -> dict[str, Any]:
    """Return the fields of a selection's job that its settings and its memory give."""
    memory = LoopMemory.model_validate(inputs["memory"].get_dict())
    settings = SelectSettings.model_validate(inputs["settings"].get_dict())
    return {"settings": settings, "labels": memory.labels, "factors": memory.factors}
