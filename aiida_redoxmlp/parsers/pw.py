"""Parser of pw.x that reads the oxidation states of every ionic step."""

from __future__ import annotations

import gzip
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from aiida import orm
from aiida.engine import ExitCode
from aiida_quantumespresso.parsers.pw import PwParser

from aiida_redoxmlp.data.dataset import DatasetData
from aiida_redoxmlp.data.oxidation_states import OxidationStatesData
from aiida_redoxmlp.data.trajectory import trajectory_from_steps
from aiida_redoxmlp.dataset.labelling import frames_from_steps
from aiida_redoxmlp.errors import InputError, OutputFormatError
from aiida_redoxmlp.redox.chemistry import RedoxChemistry
from aiida_redoxmlp.redox.pw_output import PwOutput, read_pw_output
from aiida_redoxmlp.redox.pw_output.ends import without_the_middle

__all__ = ("RedoxPwParser",)


_NOT_WRITTEN = re.compile(
    r"^.*(error writing file|no space left on device|disk quota exceeded).*$", re.IGNORECASE | re.MULTILINE
)
"""What pw.x and the Fortran run-time library say where a file cannot be written."""

_CRASH_FILE = "CRASH"
_LAST_WORD = b"JOB DONE"
_LAST_PART = 4096


class RedoxPwParser(PwParser):  # type: ignore[misc]
    """The usual outputs of pw.x plus ``oxidation_states`` and ``frames``.

    The trajectory of molecular dynamics is read step by step; aiida-quantumespresso sees the beginning and the end of
    what pw.x printed then, which is all it needs for its other outputs.
    """

    _steps: PwOutput | None = None
    _shown: orm.FolderData | None = None

    @property
    def retrieved(self) -> orm.FolderData:
        """The retrieved files, with the text that pw.x printed among them."""
        return self._shown or super().retrieved

    def parse(self, **kwargs: Any) -> ExitCode | None:
        """Parse the retrieved files: aiida-quantumespresso's outputs first, then the occupations."""
        with self._printed(kwargs.get("retrieved_temporary_folder")) as path:
            if path is None:
                return self._with_reason(super().parse(**kwargs), None)
            try:
                self._steps = read_pw_output(path)
            except OutputFormatError as error:
                self.logger.warning(f"No oxidation states: {error}")
            self._show(path, kwargs.get("retrieved_temporary_folder"))
            exit_code: ExitCode | None = super().parse(**kwargs)
            if self._steps is not None:
                self._parse_occupations(self._steps)
            if self._is_to_be_kept():
                self.out("stdout", _compressed(path))
            return self._with_reason(exit_code, path)

    def _with_reason(self, exit_code: ExitCode | None, path: Path | None) -> ExitCode | None:
        """Return the exit code, or that of a run that could not write; a run without its last word is not finished.

        aiida-quantumespresso takes one that left a `CRASH` file of a reason it does not know for finished.
        """
        finished = exit_code is None or not exit_code.status
        end = b"" if path is None else _last_part(path)
        if finished and _LAST_WORD in end:
            return exit_code
        names = {self.node.get_option("scheduler_stderr"), _CRASH_FILE}
        stored = self.retrieved.base.repository
        texts = [stored.get_object_content(name, "rb") for name in stored.list_object_names() if name in names]
        for text in (*texts, end):
            if (found := _NOT_WRITTEN.search(text.decode(errors="replace"))) is not None:
                not_written: ExitCode = self.exit_codes.ERROR_FILES_NOT_WRITTEN
                return not_written.format(reason=" ".join(found.group().split()))
        return self.exit_codes.ERROR_OUTPUT_STDOUT_INCOMPLETE if finished else exit_code

    @contextmanager
    def _printed(self, temporary_folder: str | None) -> Iterator[Path | None]:
        """Give the path of what pw.x printed, or None where nothing was brought."""
        name = self.node.get_option("output_filename")
        if temporary_folder is not None and (Path(temporary_folder) / name).is_file():
            yield Path(temporary_folder) / name
        elif name in super().retrieved.base.repository.list_object_names():
            with super().retrieved.base.repository.as_path(name) as path:
                yield path
        else:
            yield None

    def _show(self, path: Path, temporary_folder: str | None) -> None:
        """Put what pw.x printed and wrote where aiida-quantumespresso looks for it."""
        shown = orm.FolderData()
        name = self.node.get_option("output_filename")
        stored = super().retrieved.base.repository
        for other in stored.list_object_names():
            if other != name:
                shown.base.repository.put_object_from_bytes(stored.get_object_content(other, mode="rb"), other)
        for other_path in Path(temporary_folder).glob("*.xml") if temporary_folder is not None else ():
            shown.base.repository.put_object_from_bytes(other_path.read_bytes(), other_path.name)
        text = without_the_middle(path) if self.get_calculation_type() == "md" else path.read_bytes()
        shown.base.repository.put_object_from_bytes(text, name)
        self._shown = shown

    def _is_to_be_kept(self) -> bool:
        """Whether the text is asked for, or the only thing there is to look at."""
        return "frames" not in self.outputs or (
            "keep_stdout" in self.node.inputs and self.node.inputs.keep_stdout.value
        )

    def build_output_trajectory(
        self, parsed_trajectory: Any, structure: orm.StructureData
    ) -> orm.TrajectoryData | None:
        """Return the trajectory: of molecular dynamics from all its steps, of other runs as aiida-quantumespresso."""
        if self.get_calculation_type() != "md":
            trajectory: orm.TrajectoryData = super().build_output_trajectory(parsed_trajectory, structure)
            return trajectory
        return trajectory_from_steps(self._steps.steps) if self._steps is not None and self._steps.steps else None

    def emit_logs(self, logs: Any, ignore: Sequence[str] = ()) -> None:
        """Hand on what aiida-quantumespresso noticed; that dynamics have no end is no error."""
        dynamics = ("ERROR_IONIC_CONVERGENCE_NOT_REACHED",) if self.get_calculation_type() == "md" else ()
        super().emit_logs(logs, ignore=[*ignore, *dynamics])

    def validate_dynamics(self, _trajectory: Any, _parameters: Any, logs: Any) -> ExitCode | None:
        """Return an exit code for dynamics that ended because an SCF cycle did not converge."""
        if self.get_calculation_type() == "md" and "ERROR_ELECTRONIC_CONVERGENCE_NOT_REACHED" in logs.error:
            failed: ExitCode = self.exit_codes.ERROR_IONIC_CYCLE_ELECTRONIC_CONVERGENCE_NOT_REACHED
            return failed
        return None

    def _parse_occupations(self, output: PwOutput) -> None:
        """Digitise every whole ionic step and attach states and frames."""
        chemistry = RedoxChemistry.model_validate(
            self.node.inputs.redox.get_dict() if "redox" in self.node.inputs else {}
        )
        for warning in output.warnings:
            self.logger.warning(warning)
        try:
            labelled = frames_from_steps(
                output.steps,
                total_charge=chemistry.total_charge,
                table=chemistry.table(),
                group=self.node.uuid,
                source=self.node.uuid,
            )
        except InputError as error:
            self.logger.warning(f"No oxidation states: {error}")
            return
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


def _last_part(path: Path) -> bytes:
    """Return the end of a text, where pw.x says why it stops."""
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - _LAST_PART))
        return stream.read()


def _compressed(path: Path) -> orm.SinglefileData:
    """Return the text as a compressed file that is not stored yet."""
    with tempfile.TemporaryDirectory() as folder:
        packed = Path(folder) / f"{path.name}.gz"
        with path.open("rb") as plain, gzip.open(packed, "wb") as stream:
            shutil.copyfileobj(plain, stream)
        return orm.SinglefileData(packed)
