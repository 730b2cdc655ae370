"""pw.x with oxidation states: aiida-quantumespresso's calculation plus what the occupation matrices say."""

from __future__ import annotations

from typing import Any

from aiida import orm
from aiida.engine import CalcJobProcessSpec
from aiida_quantumespresso.calculations.pw import PwCalculation
from pydantic import ValidationError

from aiida_redoxmlp.data.dataset import DatasetData
from aiida_redoxmlp.data.oxidation_states import OxidationStatesData
from aiida_redoxmlp.errors import InputError, explain
from aiida_redoxmlp.redox.chemistry import RedoxChemistry

__all__ = ("RedoxPwCalculation",)


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
    """A pw.x run whose parser also digitises the oxidation states of every ionic step."""

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
        spec.input("metadata.options.parser_name", valid_type=str, default="redoxmlp.pw")
        spec.output(
            "oxidation_states",
            valid_type=OxidationStatesData,
            required=False,
            help="States of every ionic step.",
        )
        spec.output("frames", valid_type=DatasetData, required=False, help="Every ionic step as a labelled frame.")
