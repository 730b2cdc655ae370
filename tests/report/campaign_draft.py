"""Campaigns as provenance graphs, made by hand around real pw.x output."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from aiida import orm
from aiida_quantumespresso.data.hubbard_structure import HubbardStructureData
from ase.io import read

from aiida_redoxmlp.data.dataset import DatasetData
from aiida_redoxmlp.dataset.calibration import calibrate
from aiida_redoxmlp.dataset.frame import Frame
from aiida_redoxmlp.redox.species import Species
from aiida_redoxmlp.workchains.protocols import describe_protocol, load_protocol
from tests.report.process_draft import ProcessDraft, end

ROOT = Path(__file__).parents[2]
CHEMISTRY = {"total_charge": 0, "allowed_states": {"Mn": [2, 3]}, "fixed_states": {"Li": 1, "P": 5, "O": -2}}
PATTERNS = [{"states": states, "orbit": 0, "multiplicity": 2} for states in ([2, 3], [3, 2])]


def mirrored(frames: Sequence[Frame]) -> tuple[Frame, ...]:
    """The same frames with the roles of the two Mn exchanged."""
    swapped = []
    for frame in frames:
        states = frame.configuration.oxidation_states.copy()
        states[[0, 1]] = states[[1, 0]]
        positions = frame.configuration.positions + 0.001
        configuration = replace(frame.configuration, oxidation_states=states, positions=positions)
        swapped.append(
            replace(
                frame,
                configuration=configuration,
                eigenvalues=frame.eigenvalues[::-1],
                confidences=frame.confidences[::-1],
                energy=frame.energy + 0.002,
            )
        )
    return tuple(swapped)


class CampaignDraft(ProcessDraft):
    """A campaign's node to which stages are added as the real work chain would add them."""

    def __init__(self, frames: Sequence[Frame], *, protocol: str = "demo", label: str = "β-Li½MnPO4") -> None:
        super().__init__()
        self.frames = {(2, 3): tuple(frames), (3, 2): mirrored(frames)}
        atoms = read(ROOT / "examples" / "structures" / "beta-Li0.5MnPO4.cif")
        self.atoms = atoms
        self.structure = HubbardStructureData.from_structure(orm.StructureData(ase=atoms))
        settings = load_protocol("label", protocol)
        parameters = {section: dict(values) for section, values in settings["pw"].items()}
        parameters["ELECTRONS"]["conv_thr"] = settings["conv_thr_per_atom"] * len(atoms)
        parameters["SYSTEM"].setdefault("ecutwfc", 60.0)
        inputs = {
            "structure": self.structure,
            "redox": orm.Dict(CHEMISTRY),
            "relax__pw__pw__parameters": orm.Dict(parameters),
        }
        self.node = self.process(orm.WorkChainNode, "CampaignWorkChain", None, "", inputs)
        self.node.label = label
        self.node.description = describe_protocol(protocol)
        listing = orm.Dict(
            {
                "sites": [0, 1],
                "oxidation_states": [0, 0, 5, *[-2] * 4, 5, *[-2] * 4, 1],
                "patterns": PATTERNS,
                "n_patterns": 2,
                "n_distinct": 1,
            }
        )
        step = self.process(orm.CalcFunctionNode, "list_patterns", self.node, "patterns", {})
        self.create(step, result=listing)
        self.datasets: list[DatasetData] = []

    def label(
        self,
        stage: str,
        number: int,
        wanted: tuple[int, int],
        found: tuple[int, int] | None = None,
        *,
        frames: slice = slice(None),
        ambiguous: bool = False,
    ) -> orm.WorkChainNode:
        """Add a label that found ``found``, or that failed where None."""
        inputs = {"pattern": orm.List(list(wanted)), "structure": self.structure}
        caller = self.searching if stage == "check" else self.node
        label = self.process(orm.WorkChainNode, "LabelWorkChain", caller, f"{stage}_{number}", inputs)
        base = self.process(orm.WorkChainNode, "RedoxPwBaseWorkChain", label, "pw_1", {})
        job = self.process(orm.CalcJobNode, "RedoxPwCalculation", base, "iteration_01", {}, "redoxmlp.pw")
        if found is None:
            for node, status in ((job, 410), (base, 401)):
                end(node, status, "Convergence was not achieved")
            end(label, 300, "pw.x failed beyond repair (exit status 401).")
            return label
        labelled = [replace(frame, source=job.uuid, group=job.uuid) for frame in self.frames[found][frames]]
        dataset = DatasetData.from_frames(labelled)
        parameters = orm.Dict({"creator_version": "7.2"})
        self.create(job, frames=dataset, output_parameters=parameters)
        verdict = orm.Dict(
            {
                "wanted": list(wanted),
                "found": list(found),
                "landed": found == wanted,
                "ambiguous": ambiguous,
                "confidence": 0.998,
                "margin": None,
            }
        ).store()
        self.hand_over(label, frames=dataset, parameters=parameters, verdict=verdict)
        for node in (job, base, label):
            end(node)
        if stage != "check":
            self.datasets.append(dataset)
        return label

    def gather(self) -> None:
        """Join the labels' frames and hold the last quarter out."""
        frames = [frame for dataset in self.datasets for frame in dataset.frames]
        self.dataset, self.test = DatasetData.from_frames(frames), DatasetData.from_frames(frames[::4])
        split = orm.Dict({"warnings": ["There are too few trajectories of (3,2)."]}).store()
        self.hand_over(self.node, dataset=self.dataset.store(), test_dataset=self.test.store(), split=split)

    def train(self, *, failed: bool = False) -> None:
        """Add the trainings of both committees."""
        for name, level in (("train", 1.0), ("baseline", 2.5)):
            chain = self.process(orm.WorkChainNode, "TrainWorkChain", self.node, name, {})
            base = self.process(orm.WorkChainNode, "TrainBaseWorkChain", chain, "job_0", {})
            job = self.process(orm.CalcJobNode, "TrainCalculation", base, "iteration_01", {}, "redoxmlp.train")
            epochs = np.arange(1.0, 41.0)
            history = orm.ArrayData()
            history.set_array("member", np.repeat([0.0, 1.0, 2.0], len(epochs)))
            history.set_array("epoch", np.tile(epochs, 3))
            curve = level * np.concatenate([(1 + 0.2 * member) / epochs for member in range(3)])
            for key, factor in (
                ("loss_train", 0.5),
                ("loss_validation", 1.0),
                ("energy_mae_ev_per_atom", 0.01),
                ("force_mae_ev_per_angstrom", 0.5),
            ):
                history.set_array(key, factor * curve)
            if failed:
                self.create(job, history=history)
                self.hand_over(chain, history=history)
                for node in (job, base, chain):
                    end(node, 310, "The training diverged: loss is not a number")
                continue
            report = {
                "best_epochs": [40, 35, 38],
                "n_training_frames": 12,
                "versions": {"mace-torch": "0.3.16", "torch": "2.13.0"},
            }
            model = orm.FolderData()
            outputs = {"history": history, "model": model, "report": orm.Dict(report)}
            self.create(job, **outputs)
            self.hand_over(chain, **outputs)
            self.hand_over(self.node, **{"model" if name == "train" else "baseline": model})
            for node in (job, base, chain):
                end(node)

    def evaluate(self) -> None:
        """Add the evaluations of both committees on the held-out frames, the baseline three times as wrong."""
        for name, error in (("evaluate_aware", 0.02), ("evaluate_baseline", 0.06)):
            job = self.process(
                orm.CalcJobNode, "EvaluateCalculation", self.node, name, {"dataset": self.test}, "redoxmlp.evaluate"
            )
            random = np.random.default_rng(7)
            dft = np.concatenate([frame.forces for frame in self.test.frames])
            forces = orm.ArrayData()
            forces.set_array("dft", dft)
            forces.set_array("mlp", dft + error * random.normal(size=dft.shape))
            forces.set_array("mlp_std", np.full(dft.shape, error))
            species = [
                Species(symbol, int(state)).label
                for frame in self.test.frames
                for symbol, state in zip(
                    self.atoms.get_chemical_symbols(), frame.configuration.oxidation_states, strict=True
                )
            ]
            forces.base.attributes.set("species", species)
            self.create(job, report=orm.Dict(self._evaluation(error, sorted(set(species)))), forces=forces)
            end(job)

    def _evaluation(self, error: float, species: list[str]) -> dict[str, Any]:
        random = np.random.default_rng(11)
        spreads = error * np.exp(0.8 * random.normal(size=600))
        calibrations = {
            f"{quantity}_calibration": asdict(
                calibrate(scale * 1.5 * spreads * random.normal(size=600), scale * spreads)
            )
            for quantity, scale in (("energy", 0.1), ("force", 1.0))
        }
        return {
            "n_members": 3,
            **calibrations,
            "per_pattern": [
                {
                    "pattern": pattern,
                    "n_frames": n_frames,
                    "energy_mae_ev_per_atom": 0.1 * error,
                    "energy_rmse_ev_per_atom": 0.12 * error,
                    "force_mae_ev_per_angstrom": 0.8 * error,
                    "force_rmse_ev_per_angstrom": error,
                    "pattern_recovery": 0.75 if error < 0.05 else 0.0,
                }
                for pattern, n_frames in (("(2,3)", 4), ("(3,2)", 3))
            ],
            "n_recovery_frames": 7,
            "chance_recovery": 0.5,
            "warnings": [],
            "energy_mae_ev_per_atom": 0.1 * error,
            "energy_rmse_ev_per_atom": 0.12 * error,
            "force_mae_ev_per_angstrom": 0.8 * error,
            "force_rmse_ev_per_angstrom": error,
            "per_species": [
                {
                    "species": one,
                    "n_atoms": 4,
                    "force_mae_ev_per_angstrom": 0.8 * error,
                    "force_rmse_ev_per_angstrom": error,
                }
                for one in species
            ],
            "frames": [
                {
                    "group": frame.group,
                    "step": frame.step,
                    "source": frame.source,
                    "ambiguous": frame.ambiguous,
                    "energy_dft_ev": frame.energy,
                    "energy_mlp_ev": frame.energy + error,
                    "energy_mlp_std_ev": error,
                }
                for frame in self.test.frames
            ],
            "pattern_recovery": 0.75 if error < 0.05 else 0.0,
        }

    def search(self) -> list[dict[str, Any]]:
        """Add the search; the potential puts (3,2) 4 meV above (2,3)."""
        self.searching = self.process(orm.WorkChainNode, "SearchWorkChain", self.node, "search", {})
        base = self.process(orm.WorkChainNode, "SearchBaseWorkChain", self.searching, "search", {})
        job = self.process(orm.CalcJobNode, "SearchCalculation", base, "iteration_01", {}, "redoxmlp.search")
        patterns = [
            {**one, "energy_ev": energy, "energy_std_ev": 0.01, "energies_ev": [energy - 0.01, energy, energy + 0.01]}
            for one, energy in zip(PATTERNS, (-5431.000, -5430.996), strict=True)
        ]
        sentence = "The lowest configuration has no other to compare with; all configurations were relaxed."
        warnings = ["The committee has one member, so that nothing is known of its error."]
        report = orm.Dict({"patterns": patterns, "certainty": {"sentence": sentence}, "warnings": warnings})
        self.create(job, report=report)
        self.hand_over(self.searching, report=report)
        end(job)
        end(base)
        return patterns

    def conclude(self, patterns: list[dict[str, Any]], found: Sequence[list[int]]) -> None:
        """Add the conclusion: DFT found these patterns in the checks."""
        rows = [
            {
                **{key: one[key] for key in ("states", "orbit", "multiplicity")},
                "energy_mlp_ev": one["energy_ev"],
                "energy_mlp_std_ev": one["energy_std_ev"],
                "energy_dft_ev": -5430.9 + 0.003 * rank,
                "pattern_found_by_dft": found[rank],
                "dft_confidence": 0.998,
            }
            for rank, one in enumerate(patterns)
        ]
        landed = [row for row in rows if row["pattern_found_by_dft"] == row["states"]]
        conclusion = {
            "patterns": rows,
            "ground_state": (landed or rows)[0]["states"],
            "decided_by": "dft" if landed else "potential",
            "gap_ev": 0.003 if len(landed) == 2 else None,
        }
        self.hand_over(self.node, conclusion=orm.Dict(conclusion).store())
