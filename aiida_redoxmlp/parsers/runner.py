"""What the parsers of our own programs have in common."""

from __future__ import annotations

from typing import Any, TypeVar

from aiida.engine import ExitCode
from aiida.parsers import Parser
from pydantic import BaseModel, ValidationError

from aiida_redoxmlp.calculations.runner import STDERR_FILE
from aiida_redoxmlp.errors import explain
from aiida_redoxmlp.runners.command import SAYS_NO_GPU, SAYS_REFUSED
from aiida_redoxmlp.runners.jobs import OUTPUT_FILE

__all__ = ("RunnerParser",)

_Output = TypeVar("_Output", bound=BaseModel)


class RunnerParser(Parser):
    """Reads ``output.json``, or finds out why there is none."""

    def read_output(self, model: type[_Output]) -> _Output | ExitCode:
        """Return the typed output, or the exit code that says why there is none."""
        if OUTPUT_FILE not in self.retrieved.base.repository.list_object_names():
            return self.explain_missing_output()
        try:
            return model.model_validate_json(self.retrieved.base.repository.get_object_content(OUTPUT_FILE, "r"))
        except ValidationError as error:
            return self.exit("ERROR_OUTPUT_INVALID", explain(error, OUTPUT_FILE))

    def explain_missing_output(self) -> ExitCode:
        """Return the exit code that tells what the program said last."""
        last = self.last_words()
        if last.startswith(SAYS_REFUSED):
            return self.exit("ERROR_INPUT_REFUSED", last.removeprefix(SAYS_REFUSED))
        if last.startswith(SAYS_NO_GPU):
            return self.exit("ERROR_NO_GPU", last.removeprefix(SAYS_NO_GPU))
        return self.exit("ERROR_OUTPUT_MISSING", last or "nothing")

    def exit(self, label: str, reason: str, **more: str) -> ExitCode:
        """Return an exit code of the calculation with its reason filled in."""
        code: ExitCode = self.exit_codes[label]
        return code.format(reason=reason, **more)

    def last_words(self) -> str:
        """The last line the program wrote to its standard error, not counting source lines of a traceback."""
        lines = [line for line in self.read_text(STDERR_FILE).splitlines() if line.strip() and not line[0].isspace()]
        return lines[-1] if lines else ""

    def read_text(self, name: str | None) -> str:
        """Return a retrieved file's text; empty where there is none."""
        if name is None or name not in self.retrieved.base.repository.list_object_names():
            return ""
        text: str = self.retrieved.base.repository.get_object_content(name, "rb").decode(errors="replace")
        return text

    def parse(self, **kwargs: Any) -> ExitCode | None:
        """Parse the retrieved files."""
        raise NotImplementedError
