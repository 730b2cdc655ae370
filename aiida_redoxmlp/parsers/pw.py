"""Parser of pw.x that reads the oxidation states of every ionic step."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from aiida.engine import ExitCode
from aiida_quantumespresso.parsers.pw import PwParser

from aiida_redoxmlp.data.dataset import DatasetData
from aiida_redoxmlp.data.oxidation_states import OxidationStatesData
from aiida_redoxmlp.dataset.labelling import frames_from_steps
from aiida_redoxmlp.errors import InputError, OutputFormatError
from aiida_redoxmlp.redox.chemistry import RedoxChemistry
from aiida_redoxmlp.redox.pw_output import read_pw_output

__all__ = ("RedoxPwParser",)


class RedoxPwParser(PwParser):  # type: ignore[misc]
    """The usual outputs of pw.x plus ``oxidation_states`` and ``frames``."""

    def parse(self, **kwargs: Any) -> ExitCode | None:
        """Parse the retrieved files: aiida-quantumespresso's outputs first, then the occupations."""
        exit_code: ExitCode | None = super().parse(**kwargs)
        try:
            self.parse_occupations()
        except (InputError, OutputFormatError) as error:
            self.logger.warning(f"No oxidation states: {error}")
        return exit_code

    def parse_occupations(self) -> None:
        """Digitise every whole ionic step and attach states and frames."""
        inputs = self.node.inputs
        chemistry = RedoxChemistry.model_validate(inputs.redox.get_dict() if "redox" in inputs else {})
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "pw.out"
            path.write_bytes(
                self.retrieved.base.repository.get_object_content(self.node.get_option("output_filename"), mode="rb")
            )
            output = read_pw_output(path)
        for warning in output.warnings:
            self.logger.warning(warning)
        labelled = frames_from_steps(
            output.steps,
            total_charge=chemistry.total_charge,
            table=chemistry.table(),
            group=self.node.uuid,
            source=self.node.uuid,
        )
        for skipped in labelled.skipped:
            self.logger.warning(f"Ionic step {skipped.step} gives no frame: {skipped.reason}.")
        if not labelled.frames:
            return
        self.out("frames", DatasetData.from_frames(labelled.frames))
        steps = [frame.step for frame in labelled.frames]
        self.out(
            "oxidation_states",
            OxidationStatesData.from_assignments(labelled.assignments, steps, output.steps[0].symbols),
        )
