"""Provenance-tracked joining of committee members that were trained in jobs of their own."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from aiida import orm
from aiida.engine import ExitCode, calcfunction

from aiida_redoxmlp.data.model import ModelData
from aiida_redoxmlp.engines.joining import join_committees
from aiida_redoxmlp.errors import RedoxmlpError
from aiida_redoxmlp.runners.held_out import HeldOutPredictions
from aiida_redoxmlp.runners.jobs import VALIDATION_FILE, TrainOutput

__all__ = ("join_histories", "join_trainings")

_NOT_TOGETHER = 300


@calcfunction
def join_trainings(**parts: orm.Data) -> dict[str, orm.Data] | ExitCode:
    """Join committees trained on the same frames with the same settings into one.

    Args:
        parts: for every job ``job_N_model``, ``job_N_report`` and ``job_N_retrieved``, its outputs.

    Returns:
        ``model``, and ``report`` with the errors of the joined committee on the frames held out; or exit code 300 if
        the trainings do not belong together.
    """
    numbers = sorted(int(label.split("_")[1]) for label in parts if label.endswith("_model"))
    try:
        model = _joined_model([parts[f"job_{number}_model"] for number in numbers])
        report = _joined_report(
            [parts[f"job_{number}_report"] for number in numbers],
            [parts[f"job_{number}_retrieved"] for number in numbers],
        )
    except RedoxmlpError as error:
        return ExitCode(_NOT_TOGETHER, str(error))
    return {"model": model, "report": report}


@calcfunction
def join_histories(n_members: orm.List, **histories: orm.ArrayData) -> orm.ArrayData:
    """Join the learning curves of jobs, and of the jobs that each of them went on from.

    Args:
        n_members: number of members of every job.
        histories: ``job_N_run_M``: the curves of run M of job N. An epoch that was lost with a run and trained again
            counts as it was trained last.

    Returns:
        One array a quantity that all have, members numbered through, sorted by member and epoch.
    """
    firsts = np.concatenate([[0], np.cumsum(n_members.get_list())])
    runs = sorted((int(label.split("_")[1]), int(label.split("_")[3]), label) for label in histories)
    shared = sorted(set.intersection(*(set(node.get_arraynames()) for node in histories.values())))
    rows: dict[tuple[int, int], list[float]] = {}  # the last run that trained an epoch has the word
    for job, _, label in runs:
        arrays = {name: histories[label].get_array(name) for name in shared}
        for index, (member, epoch) in enumerate(zip(arrays["member"], arrays["epoch"], strict=True)):
            number = int(firsts[job]) + int(member)
            values = {**{name: array[index] for name, array in arrays.items()}, "member": number}
            rows[number, int(epoch)] = [values[name] for name in shared]
    table = np.array([rows[key] for key in sorted(rows)], dtype=np.float64)
    joined = orm.ArrayData()
    for name, column in zip(shared, table.T, strict=True):
        joined.set_array(name, column)
    return joined


def _joined_model(models: Sequence[Any]) -> ModelData:
    with ExitStack() as opened, tempfile.TemporaryDirectory() as target:
        join_committees([opened.enter_context(model.as_folder()) for model in models], Path(target))
        return ModelData.from_folder(Path(target))


def _joined_report(reports: Sequence[Any], folders: Sequence[Any]) -> orm.Dict:
    outputs = [TrainOutput.model_validate(report.get_dict()) for report in reports]
    contents = [folder.base.repository.get_object_content(VALIDATION_FILE, "rb") for folder in folders]
    predictions = HeldOutPredictions.join([HeldOutPredictions.read(io.BytesIO(content)) for content in contents])
    joined = outputs[0].model_copy(
        update={
            "seeds": [seed for output in outputs for seed in output.seeds],
            "best_epochs": [epoch for output in outputs for epoch in output.best_epochs],
            "energy_mae_ev_per_atom": predictions.energy_mae,
            "force_mae_ev_per_angstrom": predictions.force_mae,
            "wall_time_s": sum(output.wall_time_s for output in outputs),
            "device": ", ".join(sorted({output.device for output in outputs})),
        }
    )
    return orm.Dict(joined.model_dump(mode="json"))
