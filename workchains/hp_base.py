"""hp.x with restarts that never repeat a finished response."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from aiida import orm
from aiida.common import AttributeDict
from aiida.engine import BaseRestartWorkChain, ExitCode, ProcessHandlerReport, process_handler, while_
from aiida.engine.processes.workchains.workchain import WorkChainSpec

from aiida_redoxmlp.calculations.hp import HpCalculation, finished_responses
from aiida_redoxmlp.workchains.submitting_once import SubmittingOnceWorkChain

__all__ = ("HpBaseWorkChain",)

_MIXING_REMEDIES: tuple[dict[str, object], ...] = (
    {"alpha_mix": {1: 0.1}, "nmix": 8, "niter_max": 200},
    {"alpha_mix": {1: 0.05}, "nmix": 8, "niter_max": 400},
)
"""Tried one after the other when a response does not settle; hp.x mixes 0.3 of the new potential by default."""

_EXIT = HpCalculation.exit_codes
_LAST_FATAL_STATUS = 399


class HpBaseWorkChain(SubmittingOnceWorkChain, BaseRestartWorkChain):
    """Run hp.x; a run that is stopped goes on with what is left of it.

    What is finished shows in the files of the responses: one an atom and wave vector, one an atom. The rest is run part
    by part: the wave vectors from the first that is missing, their sum, and at last the parameters.
    """

    _process_class = HpCalculation

    @classmethod
    def define(cls, spec: WorkChainSpec) -> None:  # type: ignore[override]
        """Define inputs, outline, outputs and exit codes."""
        super().define(spec)
        spec.expose_inputs(HpCalculation, namespace="hp")
        spec.expose_outputs(HpCalculation)
        spec.outline(
            cls.setup,
            while_(cls.should_run_process)(cls.run_process, cls.inspect_process),
            cls.results,
        )
        spec.exit_code(300, "ERROR_UNRECOVERABLE", message="{message}")
        spec.exit_code(
            310,
            "ERROR_NO_PROGRESS",
            message="hp.x was stopped twice before the response to a single wave vector was finished; ask for a longer "
            "wall time or for more processes.",
        )

    def setup(self) -> None:
        """Start with the inputs as they are and nothing left over."""
        super().setup()
        self.ctx.inputs = AttributeDict(self.exposed_inputs(HpCalculation, "hp"))
        self.ctx.remedies_tried = 0
        self.ctx.parts_done = 0
        self.ctx.stops_without_progress = 0
        self.ctx.left = []
        self.ctx.n_q_points = {}
        self.ctx.finished = sorted(_finished(self.ctx.inputs.get("responses", {}).values()))

    def should_run_process(self) -> bool:
        """Go on until it is finished or was restarted too often; parts that went well are no restarts."""
        restarts = self.ctx.iteration - self.ctx.parts_done
        return not self.ctx.is_finished and restarts < self.inputs.max_iterations.value

    @process_handler(
        priority=600,
        exit_codes=[_EXIT.ERROR_OUT_OF_TIME, _EXIT.ERROR_STOPPED_EARLY],
    )
    def handle_stop(self, calculation: orm.CalcJobNode) -> ProcessHandlerReport:
        """Go on with what is left."""
        if self._take_over(calculation):
            self.ctx.stops_without_progress = 0
        else:
            self.ctx.stops_without_progress += 1
        if self.ctx.stops_without_progress > 1:
            return ProcessHandlerReport(True, self.exit_codes.ERROR_NO_PROGRESS)
        self._plan(calculation)
        self.report(
            f"{calculation.process_label}<{calculation.pk}>: {calculation.exit_message}; going on with what is left"
        )
        return ProcessHandlerReport(True)

    @process_handler(
        priority=590,
        exit_codes=[_EXIT.ERROR_NOT_CONVERGED, _EXIT.ERROR_DIVERGED, _EXIT.ERROR_NOT_A_NUMBER],
    )
    def handle_mixing(self, calculation: orm.CalcJobNode) -> ProcessHandlerReport:
        """Mix less of the new potential, remember more, and go on with what is left."""
        if self.ctx.remedies_tried >= len(_MIXING_REMEDIES):
            message = f"hp.x does not settle with any mixing: {calculation.exit_message}"
            return ProcessHandlerReport(True, self.exit_codes.ERROR_UNRECOVERABLE.format(message=message))
        remedy = _MIXING_REMEDIES[self.ctx.remedies_tried]
        self.ctx.remedies_tried += 1
        self._take_over(calculation)
        self._plan(calculation)
        self._change(remedy)
        self.report(f"{calculation.process_label}<{calculation.pk}>: {calculation.exit_message}; trying {remedy}")
        return ProcessHandlerReport(True)

    @process_handler(priority=500)
    def handle_fatal(self, calculation: orm.CalcJobNode) -> ProcessHandlerReport | None:
        """Give up at once where a repetition would fail again."""
        if calculation.is_finished_ok or not 300 <= (calculation.exit_status or 0) <= _LAST_FATAL_STATUS:
            return None
        return ProcessHandlerReport(True, self.exit_codes.ERROR_UNRECOVERABLE.format(message=calculation.exit_message))

    @process_handler(priority=400, exit_codes=ExitCode(0))
    def handle_part(self, calculation: orm.CalcJobNode) -> ProcessHandlerReport | None:
        """After a part that was left, run the next one."""
        if not self.ctx.left:
            return None
        self._take_over(calculation)
        self._set(self.ctx.left.pop(0))
        self.ctx.parts_done += 1
        return ProcessHandlerReport(True)

    def _take_over(self, calculation: orm.CalcJobNode) -> bool:
        """Keep the finished responses of a calculation, and what it told of its mesh; whether there are new ones."""
        if "output_parameters" in calculation.outputs:
            self.ctx.n_q_points.update(calculation.outputs.output_parameters["n_q_points"])
        if "retrieved" not in calculation.outputs:
            return False
        retrieved = calculation.outputs.retrieved
        known = {tuple(one) for one in self.ctx.finished}
        new = _finished([retrieved]) - known
        if not new:
            return False
        self.ctx.finished = sorted(known | new)
        responses = dict(self.ctx.inputs.get("responses", {}))
        responses[f"part_{len(responses)}"] = retrieved
        self.ctx.inputs.responses = responses
        return True

    def _plan(self, calculation: orm.CalcJobNode) -> None:
        """List the parts that are left of what the work chain was asked for."""
        asked = self.inputs.hp.parameters.get_dict()
        if any(
            asked.get(key) for key in ("determine_num_pert_only", "determine_q_mesh_only", "sum_pertq", "compute_hp")
        ):
            return
        whole = not asked.get("perturb_only_atom")
        atoms = asked.get("perturb_only_atom") or [
            atom + 1 for atom in _perturbed(calculation, self.ctx.get("perturbed"))
        ]
        if not atoms:
            return  # stopped before it knew which
        self.ctx.perturbed = [atom - 1 for atom in atoms]
        finished = {tuple(one) for one in self.ctx.finished}
        counts = self.ctx.n_q_points
        parts = [part for atom in atoms for part in _parts_of_atom(asked, atom, finished, counts.get(str(atom - 1)))]
        if whole:
            parts.append({**_without_division(asked), "compute_hp": True})
        elif not parts:  # all is there: a listing of seconds hands it on
            parts.append({**_without_division(asked), "perturb_only_atom": atoms, "determine_q_mesh_only": True})
        self._set(parts.pop(0))
        self.ctx.left = parts

    def _set(self, parameters: dict[str, Any]) -> None:
        """Run the next calculation with these parameters, and the mixing that was found to work."""
        self.ctx.inputs.parameters = orm.Dict(parameters)
        if self.ctx.remedies_tried:
            self._change(_MIXING_REMEDIES[self.ctx.remedies_tried - 1])

    def _change(self, changes: dict[str, object]) -> None:
        parameters = self.ctx.inputs.parameters.get_dict()
        self.ctx.inputs.parameters = orm.Dict({**parameters, **changes})


def _finished(folders: Iterable[orm.FolderData]) -> set[tuple[str, int, int]]:
    """Return the responses in retrieved folders: kind (chi or dns), atom from 1, wave vector from 1 (0 for all)."""
    return {response for folder in folders for response in finished_responses(folder).values()}


def _without_division(asked: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters without those that choose a part."""
    return {key: value for key, value in asked.items() if key not in ("perturb_only_atom", "start_q", "last_q")}


def _parts_of_atom(
    asked: dict[str, Any], atom: int, finished: set[tuple[Any, ...]], count: int | None
) -> list[dict[str, Any]]:
    """Return the runs that are left of one atom: from its first missing wave vector, and the sum over all.

    Without the ``count`` of its wave vectors, which a run tells that began with the atom, one more is taken to be left.
    """
    if ("chi", atom, 0) in finished:
        return []
    done = {q_point for kind, where, q_point in finished if kind == "dns" and where == atom}
    divided = bool(asked.get("start_q") or asked.get("last_q"))
    one = {**_without_division(asked), "perturb_only_atom": [atom]}
    if not done and not divided:
        return [one]
    start, last = int(asked.get("start_q") or 1), asked.get("last_q")
    first = start
    while first in done:
        first += 1
    end = min((number for number in (last, count) if number), default=first)
    parts = []
    if first == start or first <= end:  # a share beyond the mesh is asked for again, for the parser to refuse
        parts.append({**one, "start_q": first, **({"last_q": last} if last else {})})
    return parts if divided else [*parts, {**one, "sum_pertq": True}]


def _perturbed(calculation: orm.CalcJobNode, before: list[int] | None) -> list[int]:
    """Return the atoms that have to be perturbed, as far as any run listed them."""
    if before:
        return before
    if "output_parameters" not in calculation.outputs:
        return []
    listed: list[int] = calculation.outputs.output_parameters["perturbed"]
    return listed
