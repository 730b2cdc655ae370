"""The search for a ground state: by a committee, checked with DFT, with a verdict."""

from __future__ import annotations

from typing import Any, cast

from aiida import orm
from aiida.common import AttributeDict
from aiida.engine import ProcessBuilder, ToContext, append_, while_
from aiida.engine.processes.workchains.workchain import WorkChainSpec
from aiida_quantumespresso.data.hubbard_structure import HubbardStructureData

from aiida_redoxmlp.calculations.conclusion import conclude
from aiida_redoxmlp.calculations.configurations import place_configuration, wanted_pattern
from aiida_redoxmlp.data.model import ModelData
from aiida_redoxmlp.redox.chemistry import RedoxChemistry
from aiida_redoxmlp.search.settings import SearchSettings, SpaceSettings
from aiida_redoxmlp.workchains.job_options import job_options
from aiida_redoxmlp.workchains.label import LabelWorkChain
from aiida_redoxmlp.workchains.part_inputs import inputs_of
from aiida_redoxmlp.workchains.protocols import default_protocol, describe_protocol, load_protocol
from aiida_redoxmlp.workchains.search_base import SearchBaseWorkChain
from aiida_redoxmlp.workchains.search_ports import declare_search_inputs, oxidation_states_of
from aiida_redoxmlp.workchains.submitting_once import SubmittingOnceWorkChain

__all__ = ("SearchWorkChain",)


class SearchWorkChain(SubmittingOnceWorkChain):
    """Search the lowest configurations with a committee, check them with DFT and say which is the ground state.

    A check that fails leaves its configuration without one; the verdict is made of the others.
    """

    @classmethod
    def define(cls, spec: WorkChainSpec) -> None:  # type: ignore[override]
        """Define inputs, outline, outputs and exit codes."""
        super().define(spec)
        declare_search_inputs(spec)
        spec.outline(cls.run_search, cls.inspect_search, while_(cls.checks_left)(cls.run_checks), cls.results)
        spec.output("report", valid_type=orm.Dict, help="Fields of `aiida_redoxmlp.runners.search_job.SearchOutput`.")
        spec.output_namespace(
            "structures", valid_type=orm.StructureData, dynamic=True, help="The lowest, `rank_0` the lowest."
        )
        spec.output("conclusion", valid_type=orm.Dict, help="Ranking of the configurations, by potential and by DFT.")
        spec.exit_code(310, "ERROR_SEARCH_FAILED", message="The search failed: {message}")

    @classmethod
    def get_builder_from_protocol(  # noqa: PLR0913 - mostly keywords, one a thing the search needs
        cls,
        code: orm.AbstractCode,
        structure: HubbardStructureData,
        *,
        redox: dict[str, Any],
        model: ModelData | None = None,
        space: dict[str, Any] | None = None,
        lattice: orm.StructureData | None = None,
        pw_code: orm.AbstractCode | None = None,
        pseudo_family: str | None = None,
        protocol: str | None = None,
        overrides: dict[str, Any] | None = None,
        magnetic_order: str | list[int] = "antiferromagnetic",
        options: dict[str, Any] | None = None,
        dft_options: dict[str, Any] | None = None,
    ) -> ProcessBuilder:
        """Return a builder with the settings of a protocol.

        Args:
            code: a code whose executable is ``redoxmlp-run``.
            structure: structure with an atom on every site, and Hubbard parameters.
            redox: fields of :class:`~aiida_redoxmlp.redox.chemistry.RedoxChemistry`.
            model: the committee; to be set later if not given.
            space: fields of :class:`~aiida_redoxmlp.search.settings.SpaceSettings`; by default the oxidation states of
                the redox sites.
            lattice: undistorted structure to take the symmetry from.
            pw_code: a pw.x code; without it nothing is checked with DFT.
            pseudo_family: label of an installed aiida-pseudo family, for the checks.
            protocol: ``demo``, ``fast``, ``balanced`` or ``stringent``.
            overrides: settings laid over the protocol's, with the keys of ``protocols/search.yaml``; ``settings`` holds
                the fields of :class:`~aiida_redoxmlp.search.settings.SearchSettings`.
            magnetic_order: order of the moments on the redox sites in the checks.
            options: scheduler options of the search.
            dft_options: scheduler options of the checks.

        Raises:
            InputError: for an unknown protocol or setting, or a family without an element's pseudopotential or cutoff.
            pydantic.ValidationError: for settings of the search that are not allowed.
        """
        protocol = protocol or default_protocol("search")
        content = load_protocol("search", protocol, overrides)
        builder: Any = cls.get_builder()
        builder.metadata.description = describe_protocol(protocol)
        builder.structure = structure
        builder.redox = orm.Dict(redox)
        for name, node in {"model": model, "lattice": lattice}.items():
            if node is not None:
                builder[name] = node
        if space is not None:
            builder.space = orm.Dict(space)
        builder.n_check = orm.Int(content["n_check"])
        builder.max_concurrent = orm.Int(content["max_concurrent"])
        settings = SearchSettings.model_validate(content["settings"]).model_dump(mode="json")
        builder.search.max_iterations = orm.Int(content["max_restarts"] + 1)
        builder.search.clean_workdir = orm.Bool(content["clean_workdir"])
        builder.search.job.code = code
        builder.search.job.settings = orm.Dict(settings)
        builder.search.job.metadata.options = job_options(options)
        if pw_code is not None and content["n_check"] > 0:
            builder.check = inputs_of(
                LabelWorkChain,
                pw_code,
                structure,
                redox=redox,
                pseudo_family=pseudo_family,
                task="scf",
                protocol=protocol,
                overrides=content["label"],
                magnetic_order=magnetic_order,
                options=dft_options,
            )
        return cast("ProcessBuilder", builder)

    @property
    def _chemistry(self) -> RedoxChemistry:
        return RedoxChemistry.model_validate(self.inputs.redox.get_dict())

    @property
    def _symbols(self) -> list[str]:
        symbols: list[str] = self.inputs.structure.get_ase().get_chemical_symbols()
        return symbols

    def run_search(self) -> dict[str, Any]:
        """Search with the committee, in as many jobs as it takes."""
        self.ctx.checks = []
        self.ctx.labels = []
        chemistry, symbols = self._chemistry, self._symbols
        inputs = AttributeDict(self.exposed_inputs(SearchBaseWorkChain, namespace="search"))
        job = AttributeDict(inputs.job)
        job.structure = self.inputs.structure
        job.model = self.inputs.model
        job.oxidation_states = orm.List(oxidation_states_of(symbols, chemistry, self.inputs.get("space")))
        usual = "space" not in self.inputs
        space = SpaceSettings.of_redox_states(symbols, chemistry).model_dump(mode="json") if usual else None
        job.space = orm.Dict(space) if usual else self.inputs.space
        if "lattice" in self.inputs:
            job.lattice = self.inputs.lattice
        inputs.job = job
        inputs.metadata.call_link_label = "search"
        return ToContext(search=self.submit(SearchBaseWorkChain, **inputs))

    def inspect_search(self) -> Any:
        """Take the lowest configurations to the DFT check, and say how sure the search is."""
        node = self.ctx.search
        if not node.is_finished_ok:
            return self.exit_codes.ERROR_SEARCH_FAILED.format(message=node.exit_message)
        outputs = node.outputs
        self.out("report", outputs.report)
        self.out("structures", dict(outputs.structures))
        report = outputs.report.get_dict()
        for sentence in (report["certainty"]["sentence"], *report["warnings"]):
            self.report(sentence)
        if "check" not in self.inputs:
            return None
        for rank in range(min(self.inputs.n_check.value, len(report["patterns"]), len(outputs.structures))):
            placed = place_configuration(
                self.inputs.structure, outputs.structures[f"rank_{rank}"], outputs.report, orm.Int(rank)
            )
            self.ctx.checks.append([wanted_pattern(self._symbols, report, rank, self._chemistry), placed.pk])
        return None

    def checks_left(self) -> bool:
        """Whether configurations wait for their DFT check."""
        return bool(self.ctx.checks)

    def run_checks(self) -> dict[str, Any]:
        """Check the next configurations with DFT at the potential's geometry, as many at a time as allowed."""
        count = self.inputs.max_concurrent.value
        batch, self.ctx.checks = self.ctx.checks[:count], self.ctx.checks[count:]
        first = len(self.ctx.labels)
        for number, (states, pk) in enumerate(batch, first):
            inputs = AttributeDict(self.exposed_inputs(LabelWorkChain, namespace="check"))
            inputs.structure = orm.load_node(pk)
            inputs.pattern = orm.List(states)
            inputs.redox = self.inputs.redox
            inputs.metadata.call_link_label = f"check_{number}"
            self.to_context(labels=append_(self.submit(LabelWorkChain, **inputs)))
        return ToContext()

    def results(self) -> None:
        """Put the potential's ranking beside DFT's answers."""
        checks: dict[str, orm.Data] = {}
        for rank, label in enumerate(self.ctx.labels):
            if label.is_finished_ok:
                checks[f"rank_{rank}_verdict"] = label.outputs.verdict
                checks[f"rank_{rank}_frames"] = label.outputs.frames
            else:
                self.report(f"the check of rank {rank} failed ({label.exit_message}); it stays without one")
        self.out("conclusion", conclude(self.ctx.search.outputs.report, **checks))
