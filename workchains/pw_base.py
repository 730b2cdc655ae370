"""pw.x with restarts, for magnetic insulators with Hubbard corrections whose SCF cycle likes to slosh."""

from __future__ import annotations

from aiida import orm
from aiida.engine import ProcessHandlerReport, process_handler
from aiida.engine.processes.workchains.workchain import WorkChainSpec
from aiida_quantumespresso.common.types import RestartType
from aiida_quantumespresso.workflows.pw.base import PwBaseWorkChain

from aiida_redoxmlp.calculations.pw import RedoxPwCalculation
from aiida_redoxmlp.workchains.submitting_once import SubmittingOnceWorkChain

__all__ = ("MAX_INTERRUPTIONS", "SLOSHING_REMEDIES", "RedoxPwBaseWorkChain")

SLOSHING_REMEDIES: tuple[dict[str, object], ...] = (
    {"mixing_beta": 0.2, "mixing_ndim": 12},
    {"mixing_mode": "local-TF", "mixing_beta": 0.2, "mixing_ndim": 16, "electron_maxstep": 200},
    {"mixing_mode": "local-TF", "mixing_beta": 0.1, "mixing_ndim": 20, "electron_maxstep": 300},
)
"""Tried one after the other when the density does not settle: smaller and longer-memory mixing first, then the
local Thomas-Fermi screening that damps charge sloshing in inhomogeneous cells (QE's INPUT_PW, ``mixing_mode``)."""

MAX_INTERRUPTIONS = 2
"""So often a run killed from outside, by a node that failed or a job that was cancelled, is started again."""


class RedoxPwBaseWorkChain(SubmittingOnceWorkChain, PwBaseWorkChain):  # type: ignore[misc]
    """aiida-quantumespresso's base work chain on :class:`RedoxPwCalculation`, with remedies for a sloshing SCF."""

    _process_class = RedoxPwCalculation

    @classmethod
    def define(cls, spec: WorkChainSpec) -> None:  # type: ignore[override]
        """Expose the inputs and outputs that oxidation states add."""
        super().define(spec)
        spec.expose_inputs(RedoxPwCalculation, namespace="pw", exclude=("kpoints",))
        spec.input(
            "accept_partial_relaxation",
            valid_type=orm.Bool,
            default=lambda: orm.Bool(False),
            help="Take a relaxation that used up its `nstep` as finished: its frames are good labels all the same.",
        )
        spec.expose_outputs(RedoxPwCalculation)

    def setup(self) -> None:
        """Prepare the context; the parent knows the inputs of the plain calculation only."""
        super().setup()
        if "redox" in self.inputs.pw:
            self.ctx.inputs.redox = self.inputs.pw.redox
        self.ctx.remedies_tried = 0
        self.ctx.interruptions = 0

    @process_handler(priority=701, exit_codes=[RedoxPwCalculation.exit_codes.ERROR_IONIC_CYCLE_EXCEEDED_NSTEP])
    def handle_partial_relaxation(self, calculation: orm.CalcJobNode) -> ProcessHandlerReport | None:
        """Finish a relaxation that used up its steps, if that is what was asked for."""
        if not self.inputs.accept_partial_relaxation.value:
            return None
        self.ctx.is_finished = True
        self.report_error_handled(calculation, "steps used up; the relaxation is taken as it is")
        return ProcessHandlerReport(True)

    @process_handler(
        priority=700,
        exit_codes=[
            RedoxPwCalculation.exit_codes.ERROR_ELECTRONIC_CONVERGENCE_NOT_REACHED,
            RedoxPwCalculation.exit_codes.ERROR_IONIC_CYCLE_ELECTRONIC_CONVERGENCE_NOT_REACHED,
            RedoxPwCalculation.exit_codes.ERROR_IONIC_CONVERGENCE_REACHED_FINAL_SCF_FAILED,
        ],
    )
    def handle_sloshing(self, calculation: orm.CalcJobNode) -> ProcessHandlerReport | None:
        """Change the mixing step by step, from where the first attempt began: the pattern's seeds apply again."""
        if self.ctx.remedies_tried >= len(SLOSHING_REMEDIES):
            return None
        remedy = SLOSHING_REMEDIES[self.ctx.remedies_tried]
        self.ctx.remedies_tried += 1
        self.ctx.inputs.parameters["ELECTRONS"].update(remedy)
        if "output_structure" in calculation.outputs:
            self.ctx.inputs.structure = calculation.outputs.output_structure
        self._restart_with_the_seeds()
        changes = ", ".join(f"{key}={value}" for key, value in remedy.items())
        self.report_error_handled(calculation, f"SCF did not settle, trying {changes}")
        return ProcessHandlerReport(True)

    @process_handler(
        priority=690,
        exit_codes=[
            RedoxPwCalculation.exit_codes.ERROR_OUTPUT_STDOUT_MISSING,
            RedoxPwCalculation.exit_codes.ERROR_OUTPUT_STDOUT_INCOMPLETE,
            RedoxPwCalculation.exit_codes.ERROR_OUTPUT_FILES,
            RedoxPwCalculation.exit_codes.ERROR_SCHEDULER_NODE_FAILURE,
        ],
    )
    def handle_interruption(self, calculation: orm.CalcJobNode) -> ProcessHandlerReport | None:
        """Start again from the last geometry there is: files of a run that was killed may be half written, or missing.

        A program that never starts leaves nothing either; that is why this ends after a number of times.
        """
        if self.ctx.interruptions >= MAX_INTERRUPTIONS:
            return None
        self.ctx.interruptions += 1
        if "output_structure" in calculation.outputs:
            self.ctx.inputs.structure = calculation.outputs.output_structure
        self._restart_with_the_seeds()
        self.report_error_handled(calculation, "the run was cut off; it starts again from the last geometry")
        return ProcessHandlerReport(True)

    def _restart_with_the_seeds(self) -> None:
        """Begin as the first attempt did: the pattern's seeds apply again."""
        if "parent_folder" in self.inputs.pw:
            self.set_restart_type(RestartType.FROM_CHARGE_DENSITY, self.inputs.pw.parent_folder)
        else:
            self.set_restart_type(RestartType.FROM_SCRATCH)
