"""Active-learning loops as provenance graphs, made by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from aiida import orm
from ase.io import read

from aiida_redoxmlp.active_learning.label_book import LabelBook, LabelRecord
from aiida_redoxmlp.active_learning.records import BandCounts, FreshErrors, IterationRecord, LoopState, Usage
from aiida_redoxmlp.active_learning.uncertainty import SpreadFactors
from aiida_redoxmlp.data.dataset import DatasetData
from aiida_redoxmlp.dataset.frame import Frame
from aiida_redoxmlp.workchains.protocols import describe_protocol
from tests.report.campaign_draft import CHEMISTRY, ROOT
from tests.report.process_draft import ProcessDraft, end

Answer = tuple[str, tuple[int, ...], tuple[int, ...] | None, str]
"""Formula, pattern wanted, pattern found and outcome of a label."""

BAND, DOUBT = {"floor": 0.05, "ceiling": 0.5}, 0.1
HALF, FULL, EMPTY = "LiMn2O8P2", "Li2Mn2O8P2", "Mn2O8P2"


class LoopDraft(ProcessDraft):
    """An ActiveLearningWorkChain's node to which iterations are added as the real one would add them."""

    def __init__(
        self,
        frames: Sequence[Frame] = (),
        *,
        protocol: str = "balanced",
        budget: Mapping[str, float] | None = None,
        rules: Mapping[str, Any] | None = None,
        earlier: LoopState | None = None,
    ) -> None:
        super().__init__()
        half = read(ROOT / "examples" / "structures" / "beta-Li0.5MnPO4.cif")
        empty = half[[atom.symbol != "Li" for atom in half]]
        inputs: dict[str, Any] = {
            "structures__half": orm.StructureData(ase=half),
            "structures__empty": orm.StructureData(ase=empty),
            "redox": orm.Dict(CHEMISTRY),
            "budget": orm.Dict(dict(budget or {"labels": 60, "core_hours": 500.0, "iterations": 10})),
            "rules": orm.Dict(dict(rules or {})),
            "label__pw__pw__parameters": orm.Dict({"SYSTEM": {"ecutwfc": 25.0 if protocol == "demo" else 60.0}}),
        }
        if frames:
            inputs["dataset"] = DatasetData.from_frames(frames)
        if earlier is not None:
            inputs["loop"] = orm.Dict(earlier.model_dump(mode="json"))
        self.node = self.process(orm.WorkChainNode, "ActiveLearningWorkChain", None, "", inputs)
        self.node.label = "LixMnPO4"
        self.node.description = describe_protocol(protocol)
        self.state = earlier or LoopState()
        self.n_frames = len(frames)
        self.band = band_counts(np.zeros(0), np.zeros(0))

    @property
    def number(self) -> int:
        """Number of the next iteration."""
        return len(self.state.iterations)

    def select(self, centre: float, n_candidates: int = 300, *, doubtful: float = 0.2) -> None:
        """Add an exploration with its selection, with force spreads around a centre in eV/Å."""
        explore = self.process(orm.WorkChainNode, "ExploreBaseWorkChain", self.node, f"explore_{self.number}", {})
        inputs = {
            "selection__settings": orm.Dict({"selection": {"band": BAND, "doubt": DOUBT}}),
            "selection__memory": orm.Dict(self.state.memory.model_dump(mode="json")),
        }
        job = self.process(orm.CalcJobNode, "ExploreCalculation", explore, "iteration_01", inputs, "redoxmlp.explore")
        random = np.random.default_rng(self.number)
        spreads = centre * np.exp(0.7 * random.normal(size=n_candidates))
        doubts = np.where(random.random(n_candidates) < doubtful, random.random(n_candidates), 0.01)
        self.band = band_counts(spreads, doubts)
        report = {
            "strategy": "redox_aware",
            "counts": self.band.model_dump(),
            "n_explored": 4 * n_candidates,
            "requests": [{"name": "a request"}] * 4,
            "force_spreads_ev_per_angstrom": spreads.tolist(),
            "doubts": doubts.tolist(),
        }
        self.create(job, selection=orm.Dict(report))
        for node in (job, explore):
            end(node)

    def labels(self, n_ended: int, n_running: int = 0) -> None:
        """Add DFT labels."""
        for place in range(n_ended + n_running):
            label = self.process(orm.WorkChainNode, "LabelWorkChain", self.node, f"label_{place}_{self.number}", {})
            base = self.process(orm.WorkChainNode, "RedoxPwBaseWorkChain", label, "pw_1", {})
            job = self.process(orm.CalcJobNode, "RedoxPwCalculation", base, "iteration_01", {}, "redoxmlp.pw")
            if place < n_ended:
                self.create(job, output_parameters=orm.Dict({"creator_version": "7.2"}))
                for node in (job, base, label):
                    end(node)

    def close(self, answers: Sequence[Answer], *, force_error: float = 0.1, warnings: Sequence[str] = ()) -> None:
        """Add the training and the record of an iteration with these answers."""
        book, number = self._book(answers), self.number
        counts = book.counts(number)
        self.n_frames += counts.clear
        train = self.process(orm.WorkChainNode, "TrainWorkChain", self.node, f"train_{number}", {})
        job = self.process(orm.CalcJobNode, "TrainCalculation", train, "iteration_01", {}, "redoxmlp.train")
        for node in (job, train):
            end(node)
        record = IterationRecord(
            number=number,
            strategy="redox_aware",
            band=self.band,
            labels=counts,
            n_frames=self.n_frames,
            errors_before=FreshErrors(
                n_labels=counts.clear,
                force_mae_ev_per_angstrom=force_error,
                energy_mae_ev_per_atom=0.03 * force_error,
                pattern_recovery=counts.landed / counts.clear,
            )
            if counts.clear
            else None,
            errors_after=FreshErrors(
                n_labels=5, force_mae_ev_per_angstrom=0.6 * force_error, energy_mae_ev_per_atom=0.02 * force_error
            ),
            factors=SpreadFactors(forces=1.8, energies=1.2, electrons=1.5, n_labels=counts.clear),
            ground_states={"half": f"{HALF} (2,3)", "empty": f"{EMPTY} (3,3)"},
            used=Usage(labels=counts.asked, core_hours=42.5, days=0.3),
            warnings=list(warnings),
        )
        self._write(self.state.with_iteration(record, book), "close_iteration")

    def write(self, books: Sequence[LabelBook]) -> None:
        """Add iterations that did nothing but label, one a book."""
        for book in books:
            record = IterationRecord(
                number=self.number,
                strategy="neighbourhoods",
                band=self.band,
                labels=book.counts(self.number),
                n_frames=self.n_frames,
            )
            self._write(self.state.with_iteration(record, book), "close_iteration")

    def finish(self, status: str, reason: str, *, exit_status: int = 0) -> None:
        """Write down how the loop ended, and end it."""
        self._write(self.state.model_copy(update={"status": status, "reason": reason}), "end_loop")
        self.hand_over(self.node, loop=self.record)
        end(self.node, exit_status, reason if exit_status else None)

    def _write(self, state: LoopState, name: str) -> None:
        self.state, self.record = state, orm.Dict(state.model_dump(mode="json"))
        step = self.process(orm.CalcFunctionNode, name, self.node, name, {})
        self.create(step, loop=self.record)
        end(step)

    def _book(self, answers: Sequence[Answer]) -> LabelBook:
        records = dict(self.state.labels.records)
        for formula, wanted, found, outcome in answers:
            key = f"{len(records):064x}"
            pattern = f"({','.join(map(str, wanted))})"
            records[key] = LabelRecord(
                name=f"{formula} {pattern} {key[-10:]}",
                key=key,
                origin="half, walk 0 step 120",
                iteration=self.number,
                attempts=2 if outcome == "failed" else 1,
                outcome=outcome,
                wanted=list(wanted),
                found=None if found is None else list(found),
                reason="pw.x failed beyond repair." if outcome == "failed" else "",
                set_aside=outcome == "failed",
            )
        return LabelBook(records=records)


def band_counts(spreads: np.ndarray, doubts: np.ndarray) -> BandCounts:
    """Where candidates lie."""
    inside, too_far = (spreads >= BAND["floor"]) & (spreads <= BAND["ceiling"]), spreads > BAND["ceiling"]
    electrons = (doubts >= DOUBT) & ~too_far
    return BandCounts(
        n_candidates=len(spreads),
        n_known=int((~inside & ~too_far & ~electrons).sum()),
        n_uncertain_forces=int(inside.sum()),
        n_uncertain_electrons=int(electrons.sum()),
        n_uncertain=int((inside | electrons).sum()),
        n_too_far=int(too_far.sum()),
    )
