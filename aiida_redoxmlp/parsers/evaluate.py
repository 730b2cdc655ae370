"""Parser of committee evaluations."""

from __future__ import annotations

from typing import Any

import numpy as np
from aiida import orm
from aiida.engine import ExitCode

from aiida_redoxmlp.calculations.evaluate import FORCES_FILE
from aiida_redoxmlp.parsers.runner import RunnerParser
from aiida_redoxmlp.runners.jobs import EvaluateOutput

__all__ = ("EvaluateParser",)


class EvaluateParser(RunnerParser):
    """Attaches errors and the forces behind them."""

    def parse(self, **_: Any) -> ExitCode | None:
        """Parse the retrieved files."""
        output = self.read_output(EvaluateOutput)
        if isinstance(output, ExitCode):
            return output
        self.out("report", orm.Dict(output.model_dump(mode="json")))
        with (
            self.retrieved.base.repository.open(FORCES_FILE, mode="rb") as stream,
            np.load(stream, allow_pickle=False) as content,
        ):
            forces = orm.ArrayData()
            for name in ("dft", "mlp", "mlp_std"):
                forces.set_array(name, content[name])
            forces.base.attributes.set("species", content["species"].tolist())
        self.out("forces", forces)
        return ExitCode(0)  # whatever the scheduler says of a job that was cut off after its last word
