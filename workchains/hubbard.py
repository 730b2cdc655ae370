"""Self-consistent Hubbard U and V that keep the redox pattern."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, cast

from aiida import orm
from aiida.common import AttributeDict
from aiida.engine import ExitCode, ProcessBuilder, ToContext, if_, while_
from aiida.engine.processes.workchains.workchain import WorkChainSpec
from aiida_quantumespresso.data.hubbard_structure import HubbardStructureData

from aiida_redoxmlp.calculations.electrons import describe_electrons
from aiida_redoxmlp.calculations.hubbard import (
    close_cycle,
    collect_cycles,
    interactions_of,
    order_for_hp,
    restore_order,
    seed_from_labels,
)
from aiida_redoxmlp.calculations.structures import compare_with_wanted, list_patterns, seed_structure, with_positions
from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.hubbard.band_gap import why_not_insulator
from aiida_redoxmlp.hubbard.convergence import cycle_length
from aiida_redoxmlp.hubbard.relabelling import why_not_one_state
from aiida_redoxmlp.redox.chemistry import RedoxChemistry
from aiida_redoxmlp.redox.magnetic_order import moment_signs
from aiida_redoxmlp.workchains.hp import HpWorkChain
from aiida_redoxmlp.workchains.hubbard_inputs import continued, fill_builder, tightened
from aiida_redoxmlp.workchains.hubbard_ports import declare_inputs, declare_outputs
from aiida_redoxmlp.workchains.protocols import default_protocol, describe_protocol, load_protocol, merged
from aiida_redoxmlp.workchains.pw_base import RedoxPwBaseWorkChain
from aiida_redoxmlp.workchains.submitting_once import SubmittingOnceWorkChain

__all__ = ("HubbardWorkChain",)

_RETRY_STRENGTH = 2.0
_MIXED = 0.5  # share of the new values once they run in a circle


class HubbardWorkChain(SubmittingOnceWorkChain):
    """Compute U and V by linear response until they agree with those the ground state was computed with.

    A cycle is an optional relaxation, an SCF with smearing, a tight SCF (with fixed occupations for an insulator), and
    hp.x on that. Every SCF after the first goes on from the density and the occupation matrices of the one before, and
    the oxidation states of every cycle are read and compared, so the redox pattern is kept or its change is reported.
    """

    @classmethod
    def define(cls, spec: WorkChainSpec) -> None:  # type: ignore[override]
        """Define inputs, outline, outputs and exit codes."""
        super().define(spec)
        declare_inputs(spec)
        spec.outline(
            cls.setup,
            while_(cls.should_cycle)(
                if_(cls.should_relax)(cls.run_relax, cls.inspect_relax),
                while_(cls.should_attempt)(cls.run_scf, cls.inspect_scf),
                cls.run_tight_scf,
                cls.inspect_tight_scf,
                cls.run_hp,
                cls.inspect_hp,
            ),
            cls.results,
        )
        declare_outputs(spec)

    @classmethod
    def get_builder_from_protocol(
        cls,
        *,
        pw_code: orm.AbstractCode,
        hp_code: orm.AbstractCode,
        structure: HubbardStructureData,
        redox: dict[str, Any],
        pseudo_family: str,
        pattern: list[int] | None = None,
        protocol: str | None = None,
        overrides: dict[str, Any] | None = None,
        magnetic_order: str | list[int] = "antiferromagnetic",
        dft_options: dict[str, Any] | None = None,
        hp_options: dict[str, Any] | None = None,
    ) -> ProcessBuilder:
        """Return a builder with the settings of a protocol.

        Args:
            pw_code: a pw.x code.
            hp_code: an hp.x code on the same computer.
            structure: structure with starting values of U, and of V for the pairs that are to have one.
            redox: fields of :class:`~aiida_redoxmlp.redox.chemistry.RedoxChemistry`.
            pseudo_family: label of an installed aiida-pseudo family.
            pattern: wanted oxidation states of the redox sites.
            protocol: ``demo``, ``fast``, ``balanced`` or ``stringent``.
            overrides: settings laid over the protocol's, with the keys of ``protocols/hubbard.yaml``; ``scf`` and
                ``relax`` hold those of ``protocols/label.yaml``, ``hp`` those of ``protocols/hp.yaml``.
            magnetic_order: order of the moments on the redox sites.
            dft_options: scheduler options of the pw.x jobs.
            hp_options: scheduler options of the hp.x jobs.

        Raises:
            InputError: for an unknown protocol or setting, or a family without an element's pseudopotential or cutoff.
        """
        builder: Any = cls.get_builder()
        protocol = protocol or default_protocol("hubbard")
        builder.metadata.description = describe_protocol(protocol)
        fill_builder(
            builder,
            load_protocol("hubbard", protocol, overrides),
            pw_code=pw_code,
            hp_code=hp_code,
            structure=structure,
            redox=redox,
            pseudo_family=pseudo_family,
            pattern=pattern,
            protocol=protocol,
            magnetic_order=magnetic_order,
            dft_options=dft_options,
            hp_options=hp_options,
        )
        return cast("ProcessBuilder", builder)

    def setup(self) -> None:
        """Seed the pattern and put the Hubbard atoms first, as hp.x wants them."""
        pattern = self._wanted_pattern()
        chemistry = RedoxChemistry.model_validate(self.inputs.redox.get_dict())
        atoms = self.inputs.structure.get_ase()
        sites, _ = chemistry.sites_and_background(atoms.get_chemical_symbols())
        signs = moment_signs(atoms, sites, self.inputs.seed["magnetic_order"], states=pattern)
        seeded = self._seeded(self.inputs.structure, pattern, list(signs), 1.0)
        ordered = order_for_hp(seeded["structure"])
        order = ordered["order"].get_list()
        by_site = dict(zip(sites, zip(pattern, signs, strict=True), strict=True))
        in_order = [by_site[site] for site in order if site in by_site]
        self.ctx.order_pk = ordered["order"].pk
        self.ctx.structure_pk = ordered["structure"].pk
        self.ctx.seed_pk = seeded["parameters"].pk
        self.ctx.wanted = [state for state, _ in in_order]
        self.ctx.signs = [sign for _, sign in in_order]
        self.ctx.start_pk = None
        self.ctx.cycle = 0
        self.ctx.attempt = 0
        self.ctx.mixing = 1.0
        self.ctx.cycle_pks = []
        self.ctx.history = []
        self.ctx.converged = False

    def _wanted_pattern(self) -> list[int]:
        """The pattern the user wants, or the first that closes the charge."""
        if "pattern" in self.inputs:
            return list(self.inputs.pattern.get_list())
        content = list_patterns(self.inputs.structure, self.inputs.redox, orm.Int(1)).get_dict()
        first: list[int] = content["patterns"][0]["states"]
        if (number := content["n_patterns"]) > 1:
            self.report(f"no pattern was asked for; taking {first}, the first of {number} that close the charge")
        return first

    def _seeded(
        self, structure: HubbardStructureData, pattern: list[int], signs: list[int], strength: float
    ) -> dict[str, Any]:
        """Seed a structure; later attempts leave the ions alone and hold the occupations for a while."""
        seed = {
            "magnetic_order": signs,
            "pre_distortion": self.inputs.seed["pre_distortion"] if strength == 1 else 0.0,
            "strength": strength,
            "pseudo_electrons": {element: pseudo.z_valence for element, pseudo in self.inputs.pseudos.items()},
        }
        return cast("dict[str, Any]", seed_structure(structure, orm.List(pattern), self.inputs.redox, orm.Dict(seed)))

    def should_cycle(self) -> bool:
        """Go on until U and V agree with what they were computed with, or the cycles are used up."""
        if self.ctx.converged or self.ctx.cycle >= self.inputs.max_cycles.value:
            return False
        self.ctx.cycle += 1
        self.ctx.attempt = 0
        self.ctx.landed = False
        return True

    def should_relax(self) -> bool:
        """Whether every cycle starts with a relaxation."""
        return "relax" in self.inputs

    def run_relax(self) -> dict[str, Any]:
        """Relax with the current U and V, from the occupations found last."""
        return ToContext(relax=self._submit_pw("relax", f"relax_{self.ctx.cycle}"))

    def inspect_relax(self) -> Any:
        """Take over the geometry; the density too, unless the cell changed."""
        node = self.ctx.relax
        if not node.is_finished_ok:
            return self._failed("ERROR_RELAX_FAILED", node)
        relaxed = with_positions(self._structure, node.outputs.output_structure)
        fixed_cell = self.inputs.relax.pw.parameters["CONTROL"]["calculation"] == "relax"
        self.ctx.start_pk = node.outputs.remote_folder.pk if fixed_cell else None
        self.ctx.structure_pk = relaxed.pk
        if "frames" in node.outputs:
            self._seed_from(node)
        return None

    def should_attempt(self) -> bool:
        """Go on until the SCF is on the wanted pattern, or the attempts are spent."""
        return not self.ctx.landed and self.ctx.attempt < self.inputs.max_attempts.value

    def run_scf(self) -> dict[str, Any]:
        """Find the ground state with smearing; a repeated attempt starts from scratch with a stronger seed."""
        self.ctx.attempt += 1
        if self.ctx.attempt > 1:
            seeded = self._seeded(self._structure, self.ctx.wanted, self.ctx.signs, _RETRY_STRENGTH)
            self.ctx.structure_pk = seeded["structure"].pk
            self.ctx.seed_pk = seeded["parameters"].pk
            self.ctx.start_pk = None
        return ToContext(scf=self._submit_pw("scf", f"scf_{self.ctx.cycle}_{self.ctx.attempt}"))

    def inspect_scf(self) -> Any:
        """Compare the pattern found with the wanted one."""
        node = self.ctx.scf
        if not node.is_finished_ok:
            return self._failed("ERROR_SCF_FAILED", node)
        if "oxidation_states" not in node.outputs:
            return self.exit_codes.ERROR_NO_OCCUPATIONS.format(cycle=self.ctx.cycle)
        verdict = compare_with_wanted(node.outputs.oxidation_states, orm.List(self.ctx.wanted)).get_dict()
        self.ctx.landed = verdict["landed"] and not verdict["ambiguous"]
        self.ctx.found = verdict["found"]
        if not self.ctx.landed:
            self.report(
                f"cycle {self.ctx.cycle}, attempt {self.ctx.attempt}: wanted {self.ctx.wanted}, "
                f"DFT found {self.ctx.found}{' with doubt' if verdict['ambiguous'] else ''}"
            )
        return None

    def run_tight_scf(self) -> Any:
        """Converge the ground state that hp.x perturbs, with fixed occupations for an insulator."""
        refused = self._refuse_pattern()
        if refused is not None:
            return refused
        scf = self.ctx.scf
        electrons = describe_electrons(scf.outputs.output_band, scf.outputs.output_parameters)
        self.ctx.electrons_pk = electrons.pk
        content = electrons.get_dict()
        metal = why_not_insulator(content["gap"], content["total_magnetization"], self.inputs.minimum_gap.value)
        wish = self.inputs.insulator.value
        if wish == "true" and metal is not None:
            return self.exit_codes.ERROR_METAL.format(cycle=self.ctx.cycle, reason=metal)
        self.ctx.insulator = metal is None and wish != "false"
        inputs = self._pw_inputs("scf")
        inputs.pw.parameters = orm.Dict(
            tightened(
                inputs.pw.parameters.get_dict(),
                content,
                insulator=self.ctx.insulator,
                conv_thr=self.inputs.tight_conv_thr.value,
            )
        )
        inputs.pw.parent_folder = scf.outputs.remote_folder
        inputs.metadata.call_link_label = f"tight_scf_{self.ctx.cycle}"
        return ToContext(tight=self.submit(RedoxPwBaseWorkChain, **inputs))

    def inspect_tight_scf(self) -> Any:
        """The pattern that hp.x will perturb is the one that counts."""
        node = self.ctx.tight
        if not node.is_finished_ok:
            return self._failed("ERROR_SCF_FAILED", node)
        if "oxidation_states" not in node.outputs:
            return self.exit_codes.ERROR_NO_OCCUPATIONS.format(cycle=self.ctx.cycle)
        self.ctx.found = list(node.outputs.oxidation_states.pattern().states)
        return self._refuse_pattern()

    def run_hp(self) -> dict[str, Any]:
        """Compute U and V of this ground state."""
        inputs = AttributeDict(self.exposed_inputs(HpWorkChain, namespace="hp"))
        inputs.hp.hp.parent_scf = self.ctx.tight.outputs.remote_folder
        inputs.hp.hp.hubbard_structure = self._structure
        inputs.metadata.call_link_label = f"hp_{self.ctx.cycle}"
        return ToContext(hp=self.submit(HpWorkChain, **inputs))

    def inspect_hp(self) -> Any:
        """Compare U and V with those the ground state was computed with, and prepare the next cycle."""
        node = self.ctx.hp
        if not node.is_finished_ok:
            return self._failed("ERROR_HP_FAILED", node)
        structure = self._structure
        states = self.ctx.tight.outputs.oxidation_states
        if not self.inputs.relabel.value:
            kinds = [site.kind_name for site in structure.sites]
            found = states.pattern()
            sentence = why_not_one_state(kinds, dict(zip(found.sites, found.states, strict=True)))
            if sentence is not None:
                return self.exit_codes.ERROR_KIND_OF_MIXED_STATES.format(sentence=sentence)
        self._damp_limit_cycle(node.outputs.hubbard_structure)
        try:
            closed = close_cycle(
                structure,
                node.outputs.hubbard_structure,
                states,
                orm.load_node(self.ctx.electrons_pk),
                orm.load_node(self.ctx.order_pk),
                orm.Dict(
                    {
                        "cycle": self.ctx.cycle,
                        "relabel": self.inputs.relabel.value,
                        "kind_tolerance": self.inputs.kind_tolerance.value,
                        "mixing": self.ctx.mixing,
                        "pattern_changed": self.ctx.found != self.ctx.wanted,
                        "occupations": "fixed" if self.ctx.insulator else "smearing",
                        "scf_uuid": self.ctx.tight.uuid,
                        "hp_uuid": node.uuid,
                    }
                ),
            )
        except InputError as error:
            return self.exit_codes.ERROR_TOO_MANY_KINDS.format(sentence=str(error))
        cycle = closed["cycle"].get_dict()
        self.ctx.cycle_pks.append(closed["cycle"].pk)
        self.ctx.structure_pk = closed["structure"].pk
        self.ctx.start_pk = self.ctx.tight.outputs.remote_folder.pk
        self._seed_from(self.ctx.tight)
        self.ctx.wanted = self.ctx.found
        self.ctx.converged = (
            cycle["change_u"] <= self.inputs.tolerance_u.value and cycle["change_v"] <= self.inputs.tolerance_v.value
        )
        self.report(
            f"cycle {self.ctx.cycle}: U changed by {cycle['change_u']:.3f} eV, V by {cycle['change_v']:.3f} eV; "
            f"pattern {self.ctx.found}"
        )
        return None

    def _seed_from(self, node: orm.ProcessNode) -> None:
        """Seed what follows with the occupations of a calculation, by the kinds of the current structure."""
        electrons = orm.Dict({element: pseudo.z_valence for element, pseudo in self.inputs.pseudos.items()})
        self.ctx.seed_pk = seed_from_labels(self._structure, node.outputs.frames, electrons).pk

    def _damp_limit_cycle(self, found: HubbardStructureData) -> None:
        """Mix from now on if the values run in a circle."""
        rows = interactions_of(found)
        self.ctx.history.append([one.value for one in rows])
        tolerances = [(self.inputs.tolerance_u if one.is_onsite else self.inputs.tolerance_v).value for one in rows]
        period = cycle_length(self.ctx.history, tolerances)
        if period is not None and self.ctx.mixing == 1.0:
            self.ctx.mixing = _MIXED
            self.report(
                f"U and V come back every {period} cycles; from now on {_MIXED:.0%} of the new values are taken"
            )

    def results(self) -> Any:
        """Hand U and V back in the user's order of atoms."""
        order = orm.load_node(self.ctx.order_pk)
        cycles = [orm.load_node(pk) for pk in self.ctx.cycle_pks]
        collected = collect_cycles(
            self.inputs.tolerance_u,
            self.inputs.tolerance_v,
            **{f"cycle_{number:02d}": cycle for number, cycle in enumerate(cycles, start=1)},
        )
        self.out("hubbard_structure", restore_order(self._structure, order))
        self.out("cycles", collected)
        self.out("oxidation_states", self.ctx.tight.outputs.oxidation_states)
        if not self.ctx.converged and self.inputs.must_converge.value:
            return self.exit_codes.ERROR_NOT_CONVERGED.format(
                cycles=self.ctx.cycle, reason=collected.get_dict()["reason"]
            )
        return None

    def on_terminated(self) -> None:
        """Empty the remote folders if that was asked for."""
        super().on_terminated()
        if not self.inputs.clean_workdir.value:
            return
        for called in self.node.called_descendants:
            if isinstance(called, orm.CalcJobNode) and "remote_folder" in called.outputs:
                with suppress(OSError, KeyError):
                    called.outputs.remote_folder._clean()  # noqa: SLF001 - how aiida-quantumespresso does it

    @property
    def _structure(self) -> HubbardStructureData:
        """The structure of this cycle, in hp.x's order."""
        return orm.load_node(self.ctx.structure_pk)

    def _failed(self, name: str, node: orm.ProcessNode) -> ExitCode:
        """The exit code for a failed part of this cycle."""
        failure: ExitCode = self.exit_codes[name]
        return failure.format(cycle=self.ctx.cycle, message=f"{node.process_label}<{node.pk}> {node.exit_message}")

    def _refuse_pattern(self) -> ExitCode | None:
        """The exit code for a pattern that changed, if that is to be refused."""
        if self.ctx.found == self.ctx.wanted or self.inputs.on_pattern_change.value != "refuse":
            return None
        refused: ExitCode = self.exit_codes.ERROR_PATTERN_CHANGED
        return refused.format(cycle=self.ctx.cycle, found=self.ctx.found, wanted=self.ctx.wanted)

    def _pw_inputs(self, namespace: str) -> AttributeDict:
        """Inputs of pw.x for this cycle: from the density found last where there is one, else from seeds."""
        inputs = AttributeDict(self.exposed_inputs(RedoxPwBaseWorkChain, namespace=namespace))
        structure = self._structure
        parameters = merged(inputs.pw.parameters.get_dict(), orm.load_node(self.ctx.seed_pk).get_dict())
        if self.ctx.start_pk is not None:
            parameters = continued(parameters)
            inputs.pw.parent_folder = orm.load_node(self.ctx.start_pk)
        inputs.pw.structure = structure
        inputs.pw.parameters = orm.Dict(parameters)
        inputs.pw.redox = self.inputs.redox
        inputs.pw.pseudos = {kind.name: self.inputs.pseudos[kind.symbol] for kind in structure.kinds}
        return inputs

    def _submit_pw(self, namespace: str, label: str) -> orm.ProcessNode:
        """Submit pw.x for this cycle."""
        inputs = self._pw_inputs(namespace)
        inputs.metadata.call_link_label = label
        return self.submit(RedoxPwBaseWorkChain, **inputs)
