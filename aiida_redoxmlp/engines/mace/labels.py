"""Frames as graphs with what the network should say of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aiida_redoxmlp.dataset.frame import Frame
from aiida_redoxmlp.engines.encoding import Encoding
from aiida_redoxmlp.engines.mace.graph import Graph, build_graph
from aiida_redoxmlp.engines.mace.start import Start
from aiida_redoxmlp.engines.reference_energies import composition, fit_reference_energies

__all__ = ("LabelledGraph", "MemberData", "label_graphs", "replay_graphs")

_REPLAY_STREAM = 1


@dataclass(frozen=True, eq=False)
class LabelledGraph:
    """A graph with what the network should say of it.

    Attributes:
        graph: nodes and edges.
        energy: total energy less the reference energies, in eV.
        forces: eV/Å, shape (n_atoms, 3).
        stress: eV/Å³, shape (3, 3), or None where there is none.
        weight: weight in the loss.
        replayed: whether it is one the foundation model knows as well.
    """

    graph: Graph
    energy: float
    forces: NDArray[np.float64]
    stress: NDArray[np.float64] | None = None
    weight: float = 1.0
    replayed: bool = False


@dataclass(frozen=True, eq=False)
class MemberData:
    """What one member learns from.

    Attributes:
        training: frames of every epoch.
        validation: frames that are not trained on.
        replay: frames of which some are drawn anew for every epoch.
        n_replayed: how many.
    """

    training: Sequence[LabelledGraph]
    validation: Sequence[LabelledGraph]
    replay: Sequence[LabelledGraph] = ()
    n_replayed: int = 0

    def drawn(self, seed: int, epoch: int) -> list[LabelledGraph]:
        """Return the frames of an epoch in the order the member with this seed is trained on them."""
        frames = list(self.training)
        if self.replay:
            random = np.random.default_rng([seed, epoch, _REPLAY_STREAM])
            frames += [self.replay[index] for index in random.permutation(len(self.replay))[: self.n_replayed]]
        order = np.random.default_rng([seed, epoch]).permutation(len(frames))
        return [frames[index] for index in order]


def label_graphs(
    frames: Sequence[Frame],
    encoding: Encoding,
    reference_energies: NDArray[np.float64],
    r_max: float,
    *,
    weight: float = 1.0,
    replayed: bool = False,
) -> list[LabelledGraph]:
    """Turn frames into graphs with targets."""
    labelled = []
    for frame in frames:
        counts = composition(encoding.encode(frame.configuration), encoding.model_numbers)
        graph = build_graph(frame.configuration, encoding, r_max)
        energy = frame.energy - float(counts @ reference_energies)
        labelled.append(LabelledGraph(graph, energy, frame.forces, frame.stress, weight, replayed))
    return labelled


def replay_graphs(start: Start, replay: Sequence[Frame], seed: int) -> list[LabelledGraph]:
    """Return the frames the member with this seed is to keep in mind.

    Their zero of energy is the network's own, where the foundation model labels them, or that of reference energies
    fitted to their own labels as the foundation model's smallest change.
    """
    options = start.settings.fine_tuning
    if not replay or options is None:
        return []
    encoding, r_max = start.encoding, start.description.architecture.r_max
    first = start.bare_potential(seed)
    said = first.evaluate([frame.configuration for frame in replay], stress=True)
    if options.replay_labels == "own":
        reference = fit_reference_energies(
            replay,
            encoding,
            start=np.array(start.description.reference_energies),
            explained=np.array([one.energy for one in said]),
        )
        return label_graphs(replay, encoding, reference, r_max, weight=options.replay_weight, replayed=True)
    return [
        LabelledGraph(
            build_graph(frame.configuration, encoding, r_max),
            one.energy,
            one.mean_forces,
            None if one.stresses is None else one.stresses[0],
            options.replay_weight,
            replayed=True,
        )
        for frame, one in zip(replay, said, strict=True)
    ]
