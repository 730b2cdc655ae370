"""Self-consistent Hubbard parameters as provenance graphs, made by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from aiida import orm
from ase import Atoms
from ase.io import read
from ase.neighborlist import neighbor_list

from aiida_redoxmlp.calculations.hubbard import with_interactions
from aiida_redoxmlp.hubbard.interactions import Interaction
from aiida_redoxmlp.workchains.protocols import describe_protocol
from tests.report.process_draft import ProcessDraft, end

STRUCTURES = Path(__file__).parents[2] / "examples" / "structures"
CHEMISTRY = {"total_charge": 0, "allowed_states": {"Mn": [2, 3]}, "fixed_states": {"Li": 1, "P": 5, "O": -2}}
TOLERANCE_U, TOLERANCE_V = 0.1, 0.02


class HubbardDraft(ProcessDraft):
    """A HubbardWorkChain's node to which cycles are added as the real one would add them."""

    def __init__(
        self,
        sites: Mapping[int, float],
        *,
        v: float | None = None,
        caller: orm.ProcessNode | None = None,
        protocol: str = "balanced",
        atoms: Atoms | None = None,
    ) -> None:
        super().__init__()
        self.atoms = read(STRUCTURES / "beta-Li0.5MnPO4.cif") if atoms is None else atoms
        self.symbols = self.atoms.get_chemical_symbols()
        self.pairs = [] if v is None else ligands(self.atoms, sites)
        self.u, self.v = dict(sites), [v] * len(self.pairs)
        inputs = {
            "structure": self._structure(),
            "redox": orm.Dict(CHEMISTRY),
            "tolerance_u": orm.Float(TOLERANCE_U),
            "tolerance_v": orm.Float(TOLERANCE_V),
            "scf__pw__parameters": orm.Dict({"SYSTEM": {"ecutwfc": 25.0 if protocol == "demo" else 60.0}}),
        }
        self.node = self.process(orm.WorkChainNode, "HubbardWorkChain", caller, "hubbard", inputs)
        self.node.description = describe_protocol(protocol)
        self.records: list[orm.Dict] = []

    def cycle(
        self,
        u: Mapping[int, float],
        states: Sequence[int],
        *,
        v: Sequence[float] = (),
        pattern_changed: bool = False,
        ambiguous: bool = False,
        mixing: float = 1.0,
    ) -> None:
        """Add a cycle that found this U by site and this V by pair."""
        number = len(self.records) + 1
        self.pw(f"scf_{number}_1")
        tight, response = self.pw(f"tight_scf_{number}"), self.hp(f"hp_{number}", u)
        end(response)
        record = {
            "cycle": number,
            "sites": list(u),
            "elements": [self.symbols[site] for site in u],
            "manifolds": ["3d"] * len(u),
            "kinds": [self.symbols[site] if number == 1 else f"{self.symbols[site]}{site + 1}" for site in u],
            "new_kinds": [f"{self.symbols[site]}{site + 1}" for site in u],
            "u_in": [self.u[site] for site in u],
            "u_out": list(u.values()),
            "pairs": [
                {**pair, "v_in": before, "v_out": after}
                for pair, before, after in zip(self.pairs, self.v, v, strict=True)
            ],
            "oxidation_states": {
                "sites": list(u)[: len(states)],
                "states": list(states),
                "confidences": [0.997] * len(states),
                "moment_signs": [1, -1] * (len(states) // 2) + [1] * (len(states) % 2),
                "ambiguous": ambiguous,
            },
            "pattern_changed": pattern_changed,
            "change_u": max(abs(u[site] - self.u[site]) for site in u),
            "change_v": max((abs(after - before) for before, after in zip(self.v, v, strict=True)), default=0.0),
            "mixing": mixing,
            "gap": 2.13,
            "occupations": "fixed",
            "scf_uuid": tight.uuid,
            "hp_uuid": response.uuid,
        }
        self.u = {site: before + mixing * (u[site] - before) for site, before in self.u.items()}
        self.v = [before + mixing * (after - before) for before, after in zip(self.v, v, strict=True)]
        step = self.process(orm.CalcFunctionNode, "close_cycle", self.node, "CALL", {})
        self.records.append(orm.Dict(record))
        self.create(step, cycle=self.records[-1])
        end(step)

    def pw(self, label: str) -> orm.WorkChainNode:
        """Add a pw.x calculation."""
        base = self.process(orm.WorkChainNode, "RedoxPwBaseWorkChain", self.node, label, {})
        job = self.process(orm.CalcJobNode, "RedoxPwCalculation", base, "iteration_01", {}, "redoxmlp.pw")
        self.create(job, output_parameters=orm.Dict({"creator_version": "7.2"}))
        end(job)
        end(base)
        return base

    def hp(self, label: str, sites: Mapping[int, float]) -> orm.WorkChainNode:
        """Add a linear response that still runs: one job a perturbed site and one that gathers."""
        response = self.process(orm.WorkChainNode, "HpWorkChain", self.node, label, {})
        for name in (*(f"atom_{site + 1}" for site in sites), "gather"):
            base = self.process(orm.WorkChainNode, "HpBaseWorkChain", response, name, {})
            job = self.process(orm.CalcJobNode, "HpCalculation", base, "iteration_01", {}, "redoxmlp.hp")
            self.create(job, output_parameters=orm.Dict({"version": "7.2"}))
            end(job)
            end(base)
        return response

    def finish(self, *, limit_cycle: int | None = None) -> None:
        """Hand over what was found; it has converged if the last cycle says so."""
        last = self.records[-1].get_dict()
        converged = last["change_u"] <= TOLERANCE_U and last["change_v"] <= TOLERANCE_V
        reason = "The last cycle changed U."
        verdict = {
            "converged": converged,
            "reason": reason,
            "limit_cycle": limit_cycle,
            "tolerance_u": TOLERANCE_U,
            "tolerance_v": TOLERANCE_V,
            "cycles": [record.get_dict() for record in self.records],
        }
        self.hand_over(self.node, cycles=orm.Dict(verdict).store(), hubbard_structure=self._structure().store())
        end(self.node, *(() if converged else (410, f"U and V did not converge in 3 cycles: {reason}")))

    def _structure(self) -> Any:
        onsite = [Interaction(site, "3d", site, "3d", (0, 0, 0), value) for site, value in self.u.items()]
        intersite = [
            Interaction(pair["site"], "3d", pair["neighbour"], "2p", tuple(pair["translation"]), value)
            for pair, value in zip(self.pairs, self.v, strict=True)
        ]
        return with_interactions(orm.StructureData(ase=self.atoms), [*onsite, *intersite])


def ligands(atoms: Atoms, sites: Mapping[int, float], radius: float = 2.6) -> list[dict[str, Any]]:
    """The oxygen atoms around each site, as the records list them."""
    columns = zip(*neighbor_list("ijSd", atoms, radius), strict=True)
    return [
        {
            "site": int(site),
            "neighbour": int(other),
            "translation": [int(step) for step in shift],
            "manifolds": ["3d", "2p"],
            "distance": float(distance),
        }
        for site, other, shift, distance in columns
        if site in sites and atoms.symbols[other] == "O"
    ]
