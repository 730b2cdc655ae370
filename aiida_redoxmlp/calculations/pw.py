"""pw.x with oxidation states: aiida-quantumespresso's calculation plus what the occupation matrices say."""

from __future__ import annotations

from typing import Any

from aiida import orm
from aiida.common import CalcInfo
from aiida.common.folders import Folder
from aiida.engine import CalcJobProcessSpec
from aiida_quantumespresso.calculations.pw import PwCalculation
from pydantic import ValidationError

from aiida_redoxmlp.data.dataset import DatasetData
from aiida_redoxmlp.data.oxidation_states import OxidationStatesData
from aiida_redoxmlp.errors import InputError, explain
from aiida_redoxmlp.redox.chemistry import RedoxChemistry

__all__ = ("RedoxPwCalculation", "validate_redox")


def validate_redox(node: orm.Dict | None, _: Any) -> str | None:
    """Validator of the ``redox`` input: the sentence that says what is wrong, or None."""
    if node is None:
        return None
    try:
        RedoxChemistry.model_validate(node.get_dict()).table()
    except ValidationError as error:
        return explain(error, "redox")
    except InputError as error:
        return str(error)
    return None


class RedoxPwCalculation(PwCalculation):  # type: ignore[misc]
    """A pw.x run whose parser also digitises the oxidation states of every ionic step.

    The text that pw.x prints is read and not stored: the occupations of every SCF iteration are in it.
    """

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:
        """Add the redox inputs and outputs to those of pw.x."""
        super().define(spec)
        spec.input(
            "redox",
            valid_type=orm.Dict,
            serializer=orm.to_aiida_type,
            required=False,
            validator=validate_redox,
            help="Total charge, allowed and fixed oxidation states: the fields of "
            "`aiida_redoxmlp.redox.chemistry.RedoxChemistry`. The defaults are the usual states of each element.",
        )
        spec.input(
            "keep_stdout",
            valid_type=orm.Bool,
            serializer=orm.to_aiida_type,
            default=lambda: orm.Bool(False),
            help="Keep what pw.x printed, compressed, as the output `stdout`; without frames it is kept anyway.",
        )
        spec.input("metadata.options.parser_name", valid_type=str, default="redoxmlp.pw")
        spec.exit_code(
            370,
            "ERROR_FILES_NOT_WRITTEN",
            message="pw.x could not write its files ({reason}); look whether the disk or the quota of the computer is "
            "full.",
            invalidates_cache=True,
        )
        spec.output(
            "oxidation_states",
            valid_type=OxidationStatesData,
            required=False,
            help="States of every ionic step.",
        )
        spec.output("frames", valid_type=DatasetData, required=False, help="Every ionic step as a labelled frame.")
        spec.output("stdout", valid_type=orm.SinglefileData, required=False, help="What pw.x printed, gzip.")

    def prepare_for_submission(self, folder: Folder) -> CalcInfo:
        """Have the text that pw.x prints brought for the parser only, and the XML of the last step of dynamics."""
        info: CalcInfo = super().prepare_for_submission(folder)
        bulky = [self.metadata.options.output_filename]
        if self.inputs.parameters.get_dict().get("CONTROL", {}).get("calculation") == "md":
            bulky += self.xml_filepaths
        info.retrieve_list = [name for name in info.retrieve_list or [] if name not in bulky]
        info.retrieve_temporary_list = [*(info.retrieve_temporary_list or []), *bulky]
        return info
