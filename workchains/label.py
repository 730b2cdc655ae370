"""Labelling: a structure and a wanted redox pattern in, DFT+U frames and the pattern DFT really found out."""

from __future__ import annotations

from typing import Any, Literal, cast

from aiida import orm
from aiida.common import AttributeDict
from aiida.engine import ExitCode, ProcessBuilder, ToContext, if_, while_
from aiida.engine.processes.workchains.workchain import WorkChainSpec
from aiida_pseudo.data.pseudo.upf import UpfData
from aiida_quantumespresso.data.hubbard_structure import HubbardStructureData

from aiida_redoxmlp.calculations.datasets import merge_datasets
from aiida_redoxmlp.calculations.pw import validate_redox
from aiida_redoxmlp.calculations.structures import compare_with_wanted, seed_structure
from aiida_redoxmlp.data.dataset import DatasetData
from aiida_redoxmlp.data.oxidation_states import OxidationStatesData
from aiida_redoxmlp.redox.chemistry import RedoxChemistry
from aiida_redoxmlp.workchains.job_options import job_options
from aiida_redoxmlp.workchains.protocols import load_protocol, merged
from aiida_redoxmlp.workchains.pw_base import RedoxPwBaseWorkChain
from aiida_redoxmlp.workchains.pw_inputs import has_real_wavefunctions, kpoints_for, pseudos_and_cutoffs
from aiida_redoxmlp.workchains.submitting_once import SubmittingOnceWorkChain

__all__ = ("LabelWorkChain", "Task")

Task = Literal["scf", "relax", "vc-relax"]

_RETRY_STRENGTH = 2.0


def _validate_inputs(inputs: Any, _: Any) -> str | None:
    """Check what belongs together before anything is submitted."""
    if any(key not in inputs for key in ("structure", "redox", "pattern")):
        return None  # the ports report what is missing
    symbols = inputs["structure"].get_ase().get_chemical_symbols()
    chemistry = RedoxChemistry.model_validate(inputs["redox"].get_dict())
    sentence = chemistry.why_not(symbols, inputs["pattern"].get_list())
    if sentence is None and (missing := sorted(set(symbols) - set(inputs.get("pseudos", {})))):
        sentence = f"There is no pseudopotential for {', '.join(missing)}; give one an element in `pseudos`."
    return sentence


class LabelWorkChain(SubmittingOnceWorkChain):
    """Label a structure with DFT+U: a single point or a relaxation, every ionic step a frame.

    Landing on another pattern than the wanted one leads to a retry with stronger seeds; after the last attempt what
    was found is the label. Frames of every finished attempt are kept, each under the states DFT gave it.
    """

    @classmethod
    def define(cls, spec: WorkChainSpec) -> None:  # type: ignore[override]
        """Define inputs, outline, outputs and exit codes."""
        super().define(spec)
        spec.input("structure", valid_type=HubbardStructureData, help="Structure with its Hubbard parameters.")
        spec.input(
            "pattern",
            valid_type=orm.List,
            help="Wanted oxidation states of the redox sites, by ascending site.",
        )
        spec.input("redox", valid_type=orm.Dict, validator=validate_redox, help="Fields of `RedoxChemistry`.")
        spec.input(
            "seed",
            valid_type=orm.Dict,
            default=lambda: orm.Dict({"magnetic_order": "antiferromagnetic", "pre_distortion": 1.0}),
            help="`magnetic_order` (ferromagnetic, antiferromagnetic or a list of signs) and `pre_distortion`, the "
            "strength of the bond-length seed (0 labels the structure exactly as it is).",
        )
        spec.input(
            "max_attempts",
            valid_type=orm.Int,
            default=lambda: orm.Int(2),
            help="Attempts to land on the pattern.",
        )
        spec.input_namespace("pseudos", valid_type=UpfData, dynamic=True, help="One pseudopotential an element.")
        spec.expose_inputs(
            RedoxPwBaseWorkChain,
            namespace="pw",
            exclude=("pw.structure", "pw.pseudos", "pw.redox"),
        )
        spec.inputs.validator = _validate_inputs
        spec.outline(
            cls.setup,
            while_(cls.should_attempt)(cls.run_pw, cls.inspect_pw),
            if_(cls.has_label)(cls.results),
        )
        spec.output("frames", valid_type=DatasetData, help="Every ionic step of every finished attempt.")
        spec.output("oxidation_states", valid_type=OxidationStatesData, help="States along the last attempt.")
        spec.output("verdict", valid_type=orm.Dict, help="Wanted pattern, pattern found, how sure.")
        spec.output("structure", valid_type=orm.StructureData, required=False, help="Final structure of a relaxation.")
        spec.output("parameters", valid_type=orm.Dict, help="pw.x's output parameters of the last attempt.")
        spec.exit_code(300, "ERROR_PW_FAILED", message="pw.x failed beyond repair (exit status {status}): {reason}")
        spec.exit_code(
            310,
            "ERROR_NO_OCCUPATIONS",
            message="pw.x finished, but no ionic step has whole Hubbard occupations.",
        )

    @classmethod
    def get_builder_from_protocol(
        cls,
        code: orm.AbstractCode,
        structure: HubbardStructureData,
        *,
        redox: dict[str, Any],
        pseudo_family: str,
        task: Task = "scf",
        pattern: list[int] | None = None,
        protocol: str | None = None,
        overrides: dict[str, Any] | None = None,
        magnetic_order: str | list[int] = "antiferromagnetic",
        options: dict[str, Any] | None = None,
    ) -> ProcessBuilder:
        """Return a builder with the settings of a protocol.

        Args:
            code: a pw.x code.
            structure: structure with Hubbard parameters.
            redox: fields of :class:`~aiida_redoxmlp.redox.chemistry.RedoxChemistry`.
            pseudo_family: label of an installed aiida-pseudo family.
            task: single point, or relaxation of the ions or of the cell too.
            pattern: wanted states; may be set on the builder later.
            protocol: ``demo``, ``fast``, ``balanced`` or ``stringent``.
            overrides: settings laid over the protocol's, with the keys of ``protocols/label.yaml``.
            magnetic_order: order of the moments on the redox sites.
            options: scheduler options of every job.

        Raises:
            InputError: for an unknown protocol, or a family without an element's pseudopotential or cutoff.
        """
        settings = load_protocol("label", protocol, overrides)
        pseudos, cutoffs = pseudos_and_cutoffs(pseudo_family, structure, settings["cutoff_stringency"])
        parameters = merged({"SYSTEM": cutoffs}, settings["pw"])
        parameters["ELECTRONS"]["conv_thr"] = settings["conv_thr_per_atom"] * len(structure.sites)
        builder: Any = cls.get_builder()
        builder.structure = structure
        builder.redox = orm.Dict(redox)
        builder.pseudos = pseudos
        builder.max_attempts = orm.Int(settings["max_attempts"])
        relaxing = task == "relax"
        builder.seed = orm.Dict(
            {
                "magnetic_order": magnetic_order,
                "pre_distortion": settings["pre_distortion"] if relaxing else 0.0,
                "hold_moment": settings["hold_moment"],
            }
        )
        if pattern is not None:
            builder.pattern = orm.List(pattern)
        builder.pw.pw.code = code
        builder.pw.pw.parameters = orm.Dict(_with_task(parameters, task, settings))
        builder.pw.pw.metadata.options = job_options({"withmpi": bool(code.with_mpi)}, settings["options"], options)
        builder.pw.accept_partial_relaxation = orm.Bool(settings["accept_partial_relaxation"])
        builder.pw.kpoints = kpoints_for(structure, settings["kpoints_distance"])
        if has_real_wavefunctions(structure, builder.pw.kpoints):
            builder.pw.pw.settings = orm.Dict({"gamma_only": True})
        return cast("ProcessBuilder", builder)

    def setup(self) -> None:
        """Start with no attempt made."""
        self.ctx.attempt = 0
        self.ctx.verdict = None
        self.ctx.gave_up = False

    def should_attempt(self) -> bool:
        """Go on until the pattern is reached, pw.x failed for good, or the attempts are spent."""
        if self.ctx.gave_up or self.ctx.attempt >= self.inputs.max_attempts.value:
            return False
        return self.ctx.verdict is None or not self.ctx.verdict["landed"]

    def run_pw(self) -> dict[str, Any]:
        """Seed the pattern, stronger at every attempt, and run pw.x."""
        seed = self.inputs.seed.get_dict()
        seed["strength"] = _RETRY_STRENGTH**self.ctx.attempt
        seed["pseudo_electrons"] = {element: pseudo.z_valence for element, pseudo in self.inputs.pseudos.items()}
        seeded = seed_structure(
            self.inputs.structure,
            self.inputs.pattern,
            self.inputs.redox,
            orm.Dict(seed),
        )
        self.ctx.attempt += 1
        inputs = AttributeDict(self.exposed_inputs(RedoxPwBaseWorkChain, namespace="pw"))
        inputs.pw.structure = seeded["structure"]
        inputs.pw.redox = self.inputs.redox
        inputs.pw.parameters = orm.Dict(merged(inputs.pw.parameters.get_dict(), seeded["parameters"].get_dict()))
        inputs.pw.pseudos = {kind.name: self.inputs.pseudos[kind.symbol] for kind in seeded["structure"].kinds}
        inputs.metadata = {"call_link_label": f"pw_{self.ctx.attempt}"}
        return ToContext(pw=self.submit(RedoxPwBaseWorkChain, **inputs))

    def inspect_pw(self) -> Any:
        """Compare the pattern found with the wanted one; a failed retry leaves what an earlier attempt found."""
        node = self.ctx.pw
        failure = self._why_failed(node)
        if failure is not None:
            self.report(f"attempt {self.ctx.attempt}: {node.process_label}<{node.pk}> failed: {failure.message}")
            self.ctx.gave_up = True
            return failure if self.ctx.verdict is None else None
        verdict = compare_with_wanted(node.outputs.oxidation_states, self.inputs.pattern)
        self.ctx.verdict_pk = verdict.pk
        self.ctx.labelled_pk = node.pk
        self.ctx.verdict = verdict.get_dict()
        if not self.ctx.verdict["landed"]:
            self.report(
                f"attempt {self.ctx.attempt}: wanted {self.ctx.verdict['wanted']}, "
                f"DFT found {self.ctx.verdict['found']}"
            )
        return None

    def _why_failed(self, node: orm.ProcessNode) -> ExitCode | None:
        """The exit code of an attempt that gave no label, or None."""
        if not node.is_finished_ok:
            failed: ExitCode = self.exit_codes.ERROR_PW_FAILED
            jobs = [one for one in node.called_descendants if isinstance(one, orm.CalcJobNode)]
            last = max(jobs, key=lambda job: job.pk or 0, default=node)
            return failed.format(status=node.exit_status, reason=last.exit_message or "nobody says why.")
        if "oxidation_states" not in node.outputs or "frames" not in node.outputs:
            blank: ExitCode = self.exit_codes.ERROR_NO_OCCUPATIONS
            return blank
        return None

    def has_label(self) -> bool:
        """Whether an attempt ended with a verdict."""
        return self.ctx.verdict is not None

    def results(self) -> None:
        """Attach the outputs; what was found is the label, wanted or not."""
        finished = [
            called
            for called in self.node.called
            if called.process_type == RedoxPwBaseWorkChain.build_process_type() and self._why_failed(called) is None
        ]
        datasets = {f"attempt_{index}": one.outputs.frames for index, one in enumerate(finished)}
        last = orm.load_node(self.ctx.labelled_pk).outputs
        self.out("frames", merge_datasets(**datasets) if len(datasets) > 1 else last.frames)
        self.out("oxidation_states", last.oxidation_states)
        self.out("verdict", orm.load_node(self.ctx.verdict_pk))
        self.out("parameters", last.output_parameters)
        if "output_structure" in last:
            self.out("structure", last.output_structure)


def _with_task(parameters: dict[str, Any], task: Task, settings: dict[str, Any]) -> dict[str, Any]:
    """Add what the task needs to pw.x's parameters."""
    if task == "scf":
        return merged(parameters, {"CONTROL": {"calculation": "scf"}})
    return merged(parameters, {"CONTROL": {"calculation": task, "nstep": settings["relax"]["nstep"]}})
