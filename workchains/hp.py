"""Hubbard parameters of one ground state, its independent perturbations as concurrent jobs."""

from __future__ import annotations

from itertools import pairwise
from math import prod
from typing import Any, cast

from aiida import orm
from aiida.common import AttributeDict
from aiida.engine import ProcessBuilder, ToContext, if_, while_
from aiida.engine.processes.workchains.workchain import WorkChainSpec

from aiida_redoxmlp.calculations.hp import mesh_of
from aiida_redoxmlp.workchains.hp_base import HpBaseWorkChain
from aiida_redoxmlp.workchains.job_options import job_options
from aiida_redoxmlp.workchains.protocols import default_protocol, describe_protocol, load_protocol
from aiida_redoxmlp.workchains.submitting_once import SubmittingOnceWorkChain

__all__ = ("HpWorkChain",)

_WAYS = ("none", "atoms", "q_points")
_TRIES = 2


def _validate_parallelize(node: orm.Dict, _: Any) -> str | None:
    content = node.get_dict()
    if unknown := sorted(set(content) - {"over", "jobs_per_atom"}):
        return f"The key {unknown[0]!r} of `parallelize` is not known; known are over and jobs_per_atom."
    if content.get("over", "atoms") not in _WAYS:
        return f"hp.x cannot be parallelised over {content['over']!r}; choose one of {', '.join(_WAYS)}."
    jobs = content.get("jobs_per_atom", 1)
    if not isinstance(jobs, int) or jobs < 1:
        return f"jobs_per_atom is {jobs!r}; give a number of jobs from 1."
    return None


def _validate_max_concurrent(node: orm.Int | None, _: Any) -> str | None:
    if node is None or node.value >= 1:
        return None
    return f"max_concurrent is {node.value}; give a number of jobs from 1."


def _validate_inputs(inputs: Any, _: Any) -> str | None:
    """Refuse more jobs than there are wave vectors."""
    if "parallelize" not in inputs or "hp" not in inputs or "qpoints" not in inputs["hp"].get("hp", {}):
        return None
    content, mesh = inputs["parallelize"].get_dict(), mesh_of(inputs["hp"]["hp"]["qpoints"])
    jobs = content.get("jobs_per_atom", 1)
    if content.get("over") == "q_points" and jobs > prod(mesh):
        return (
            f"The mesh of wave vectors {'×'.join(map(str, mesh))} does not divide into {jobs} jobs an atom; ask for at "
            f"most {prod(mesh)}."
        )
    return None


class HpWorkChain(SubmittingOnceWorkChain):
    """Run hp.x whole, or one job an atom, or several jobs an atom that share its wave vectors.

    A first run of seconds lists the atoms to perturb. Jobs then run in waves of at most ``max_concurrent``; one that
    fails is run once more while the others' results are kept; at last hp.x joins them.
    """

    @classmethod
    def define(cls, spec: WorkChainSpec) -> None:  # type: ignore[override]
        """Define inputs, outline, outputs and exit codes."""
        super().define(spec)
        spec.expose_inputs(HpBaseWorkChain, namespace="hp", exclude=("hp.responses",))
        spec.input(
            "parallelize",
            valid_type=orm.Dict,
            default=lambda: orm.Dict({"over": "atoms", "jobs_per_atom": 1}),
            validator=_validate_parallelize,
            help="`over` (none, atoms or q_points) and `jobs_per_atom`, into how many jobs an atom's wave vectors go.",
        )
        spec.input(
            "max_concurrent",
            valid_type=orm.Int,
            default=lambda: orm.Int(4),
            validator=_validate_max_concurrent,
            help="Jobs at a time.",
        )
        spec.inputs.validator = _validate_inputs
        spec.outline(
            cls.setup,
            if_(cls.is_divided)(
                cls.run_listing,
                cls.inspect_listing,
                if_(cls.is_divided_by_q)(cls.run_meshes, cls.inspect_meshes),
                while_(cls.jobs_left)(cls.run_jobs, cls.inspect_jobs),
                cls.check_jobs,
                if_(cls.is_divided_by_q)(
                    cls.plan_sums, while_(cls.jobs_left)(cls.run_jobs, cls.inspect_jobs), cls.check_jobs
                ),
            ),
            cls.run_last,
            cls.inspect_last,
        )
        spec.expose_outputs(HpBaseWorkChain)
        spec.exit_code(300, "ERROR_LISTING_FAILED", message="hp.x could not list its perturbations: {message}")
        spec.exit_code(
            310, "ERROR_PERTURBATION_FAILED", message="{count} of {total} jobs failed, the first of {name}: {message}"
        )
        spec.exit_code(320, "ERROR_LAST_RUN_FAILED", message="{message}")

    @classmethod
    def get_builder_from_protocol(
        cls,
        code: orm.AbstractCode,
        structure: orm.StructureData,
        *,
        parent_scf: orm.RemoteData | None = None,
        protocol: str | None = None,
        overrides: dict[str, Any] | None = None,
        options: dict[str, Any] | None = None,
    ) -> ProcessBuilder:
        """Return a builder with the settings of a protocol.

        Args:
            code: an hp.x code.
            structure: gives the mesh of wave vectors its axes.
            parent_scf: remote folder of the ground state; may be set on the builder later.
            protocol: ``demo``, ``fast``, ``balanced`` or ``stringent``.
            overrides: settings laid over the protocol's, with the keys of ``protocols/hp.yaml``.
            options: scheduler options of every job.

        Raises:
            InputError: for an unknown protocol or setting.
        """
        protocol = protocol or default_protocol("hp")
        settings = load_protocol("hp", protocol, overrides)
        qpoints = orm.KpointsData()
        qpoints.set_cell_from_structure(structure)
        if settings["mesh"] is not None:
            qpoints.set_kpoints_mesh(settings["mesh"])
        else:
            qpoints.set_kpoints_mesh_from_density(settings["qpoints_distance"])
        builder: Any = cls.get_builder()
        builder.metadata.description = describe_protocol(protocol)
        builder.hp.hp.code = code
        builder.hp.hp.parameters = orm.Dict(settings["parameters"])
        builder.hp.hp.qpoints = qpoints
        if parent_scf is not None:
            builder.hp.hp.parent_scf = parent_scf
        builder.hp.hp.metadata.options = job_options({"withmpi": bool(code.with_mpi)}, settings["options"], options)
        builder.parallelize = orm.Dict(settings["parallelize"])
        builder.max_concurrent = orm.Int(settings["max_concurrent"])
        return cast("ProcessBuilder", builder)

    def setup(self) -> None:
        """Start with nothing to do and nothing done."""
        self.ctx.jobs = []
        self.ctx.wave = []
        self.ctx.failed = []
        self.ctx.responses = []
        self.ctx.atoms = []
        self.ctx.n_q_points = {}
        self.ctx.total = 0

    def is_divided(self) -> bool:
        """Whether perturbations are jobs of their own."""
        return bool(self.inputs.parallelize.get_dict().get("over", "atoms") != "none")

    def is_divided_by_q(self) -> bool:
        """Whether wave vectors are shared among jobs too."""
        return bool(self.inputs.parallelize.get_dict().get("over") == "q_points")

    def run_listing(self) -> dict[str, Any]:
        """Ask hp.x which atoms have to be perturbed."""
        return ToContext(listing=self._submit({"determine_num_pert_only": True}, "listing"))

    def inspect_listing(self) -> Any:
        """One job an atom, unless there is only one."""
        node = self.ctx.listing
        if not node.is_finished_ok:
            return self.exit_codes.ERROR_LISTING_FAILED.format(message=node.exit_message)
        self.ctx.atoms = node.outputs.output_parameters["perturbed"]
        if not self.is_divided_by_q() and len(self.ctx.atoms) > 1:
            self._plan([(f"atom_{atom + 1}", {"perturb_only_atom": [atom + 1]}) for atom in self.ctx.atoms])
        return None

    def run_meshes(self) -> dict[str, Any]:
        """Ask hp.x for the wave vectors of every atom."""
        return ToContext(
            **{
                f"mesh_{atom + 1}": self._submit(
                    {"perturb_only_atom": [atom + 1], "determine_q_mesh_only": True}, f"mesh_{atom + 1}"
                )
                for atom in self.ctx.atoms
            }
        )

    def inspect_meshes(self) -> Any:
        """Share the wave vectors of every atom among its jobs."""
        jobs_per_atom = self.inputs.parallelize.get_dict().get("jobs_per_atom", 1)
        planned = []
        for atom in self.ctx.atoms:
            node = self.ctx[f"mesh_{atom + 1}"]
            if not node.is_finished_ok:
                return self.exit_codes.ERROR_LISTING_FAILED.format(message=node.exit_message)
            count = node.outputs.output_parameters["n_q_points"][str(atom)]
            if count < jobs_per_atom:
                self.report(
                    f"atom {atom + 1} has {count} wave vectors by symmetry, so as many jobs, not {jobs_per_atom}"
                )
            shares = min(jobs_per_atom, count)
            edges = [1 + count * share // shares for share in range(shares + 1)]
            planned += [
                (
                    f"atom_{atom + 1}_q_{first}_to_{end - 1}",
                    {"perturb_only_atom": [atom + 1], "start_q": first, "last_q": end - 1},
                )
                for first, end in pairwise(edges)
            ]
        self._plan(planned)
        return None

    def plan_sums(self) -> None:
        """One job of seconds an atom sums its response over the wave vectors."""
        self._plan(
            [(f"sum_{atom + 1}", {"perturb_only_atom": [atom + 1], "sum_pertq": True}) for atom in self.ctx.atoms]
        )

    def _plan(self, jobs: list[tuple[str, dict[str, Any]]]) -> None:
        self.ctx.jobs = [{"name": name, "changes": changes, "tries": 0} for name, changes in jobs]
        self.ctx.total = len(jobs)

    def jobs_left(self) -> bool:
        """Whether jobs wait."""
        return bool(self.ctx.jobs)

    def run_jobs(self) -> dict[str, Any]:
        """Run the next jobs, as many at a time as allowed."""
        count = self.inputs.max_concurrent.value
        self.ctx.wave, self.ctx.jobs = self.ctx.jobs[:count], self.ctx.jobs[count:]
        submitted = {}
        for job in self.ctx.wave:
            job["tries"] += 1
            label = job["name"] if job["tries"] == 1 else f"{job['name']}_again"
            submitted[job["name"]] = self._submit(job["changes"], label)
        return ToContext(**submitted)

    def inspect_jobs(self) -> None:
        """Keep what is finished, and put what failed back once."""
        for job in self.ctx.wave:
            node = self.ctx[job["name"]]
            if node.is_finished_ok:
                self.ctx.responses.append(node.outputs.retrieved.pk)
            elif job["tries"] < _TRIES:
                self.report(f"{job['name']} failed and is run once more: {node.exit_message}")
                self.ctx.jobs.append(job)
            else:
                self.ctx.failed.append([job["name"], node.exit_message])
        self.ctx.wave = []

    def check_jobs(self) -> Any:
        """Stop when a perturbation failed for good; what the others found is in the cache."""
        if not self.ctx.failed:
            return None
        name, message = self.ctx.failed[0]
        return self.exit_codes.ERROR_PERTURBATION_FAILED.format(
            count=len(self.ctx.failed), total=self.ctx.total, name=name, message=message
        )

    def run_last(self) -> dict[str, Any]:
        """Join the responses, or run hp.x whole where nothing was divided."""
        changes = {"compute_hp": True} if self.ctx.responses else {}
        return ToContext(last=self._submit(changes, "last"))

    def inspect_last(self) -> Any:
        """Attach U and V."""
        node = self.ctx.last
        if not node.is_finished_ok:
            return self.exit_codes.ERROR_LAST_RUN_FAILED.format(message=node.exit_message)
        self.out_many(self.exposed_outputs(node, HpBaseWorkChain))
        return None

    def _submit(self, changes: dict[str, Any], label: str) -> orm.ProcessNode:
        """Submit hp.x with a few keys changed and all finished responses at hand."""
        inputs = AttributeDict(self.exposed_inputs(HpBaseWorkChain, namespace="hp"))
        inputs.hp.parameters = orm.Dict({**inputs.hp.parameters.get_dict(), **changes})
        if changes.get("sum_pertq") or changes.get("compute_hp"):
            inputs.hp.responses = {
                f"response_{number:03d}": orm.load_node(pk) for number, pk in enumerate(self.ctx.responses)
            }
        inputs.metadata.call_link_label = label
        return self.submit(HpBaseWorkChain, **inputs)
