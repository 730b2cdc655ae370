"""The last step of a search: the potential's ranking beside DFT's answers."""

from __future__ import annotations

from typing import Any

from aiida import orm
from aiida.engine import calcfunction

from aiida_redoxmlp.data.dataset import DatasetData

__all__ = ("conclude",)


@calcfunction
def conclude(search: orm.Dict, **checks: orm.Data) -> orm.Dict:
    """Join the ranking of a search with the DFT checks of its lowest patterns.

    Args:
        search: report of a search, patterns in ascending energy.
        checks: for every checked rank ``rank_N_verdict`` (what DFT found) and ``rank_N_frames`` (its frames, of which
            the last is the answer).

    Returns:
        ``patterns`` with the energies of potential and DFT at the same geometry (eV), ``ground_state`` (states of the
        lowest by DFT among the checked patterns that landed, else of the lowest by the potential), its
        ``ground_state_species`` and ``rank`` in the search, ``decided_by``, ``gap_ev`` to the runner-up by the same
        judge (null with a single pattern), and the ``certainty`` of the search.
    """
    patterns: list[dict[str, Any]] = []
    for rank, found in enumerate(search.get_dict()["patterns"]):
        node = checks.get(f"rank_{rank}_verdict")
        verdict = node.get_dict() if isinstance(node, orm.Dict) else None
        frames = checks.get(f"rank_{rank}_frames")
        patterns.append(
            {
                "states": found["states"],
                "species": found.get("species"),
                "orbit": found["orbit"],
                "multiplicity": found["multiplicity"],
                "energy_mlp_ev": found["energy_ev"],
                "energy_mlp_std_ev": found["energy_std_ev"],
                "energy_dft_ev": frames.frames[-1].energy if isinstance(frames, DatasetData) else None,
                "pattern_found_by_dft": verdict["found"] if verdict else None,
                "confirmed": verdict["landed"] if verdict else None,
                "dft_confidence": verdict["confidence"] if verdict else None,
            }
        )
    landed = [one for one in patterns if one["confirmed"]]
    judge, ranked = ("dft", "energy_dft_ev") if landed else ("potential", "energy_mlp_ev")
    order = sorted(landed or patterns, key=lambda one: one[ranked])
    return orm.Dict(
        {
            "patterns": patterns,
            "ground_state": order[0]["states"],
            "ground_state_species": order[0]["species"],
            "rank": patterns.index(order[0]),
            "certainty": search.get_dict().get("certainty"),
            "decided_by": judge,
            "gap_ev": order[1][ranked] - order[0][ranked] if len(order) > 1 else None,
        }
    )
