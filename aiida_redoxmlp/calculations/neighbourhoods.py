"""Label requests around given structures, where there is no potential to explore with."""

from __future__ import annotations

from aiida import orm
from aiida.engine import calcfunction

from aiida_redoxmlp.active_learning.neighbourhoods import Neighbourhoods, neighbour_requests
from aiida_redoxmlp.active_learning.records import LoopState
from aiida_redoxmlp.redox.chemistry import RedoxChemistry
from aiida_redoxmlp.redox.configuration import Configuration

__all__ = ("request_neighbours",)


@calcfunction
def request_neighbours(
    redox: orm.Dict, settings: orm.Dict, loop: orm.Dict, **structures: orm.StructureData
) -> dict[str, orm.Data]:
    """Choose rattled and strained cells around structures, with patterns of every symmetry orbit in turn.

    Args:
        redox: fields of :class:`~aiida_redoxmlp.redox.chemistry.RedoxChemistry`.
        settings: fields of :class:`~aiida_redoxmlp.active_learning.neighbourhoods.Neighbourhoods`.
        loop: fields of :class:`~aiida_redoxmlp.active_learning.records.LoopState`; what was asked is left out.
        structures: the structures by name.

    Returns:
        ``report`` with the ``requests``, as that of a selection, and their structures as ``request_N``.
    """
    found = neighbour_requests(
        {name: Configuration.from_ase(node.get_ase()) for name, node in sorted(structures.items())},
        RedoxChemistry.model_validate(redox.get_dict()),
        Neighbourhoods.model_validate(settings.get_dict()),
        LoopState.model_validate(loop.get_dict()).labels.keys,
    )
    requests = [
        {
            "name": one.request.name,
            "key": one.request.key,
            "structure": one.structure,
            "origin": one.request.origin,
            "wanted": list(one.request.wanted.states),
            "reason": "neighbour of a given structure",
            "belief": None,
        }
        for one in found
    ]
    made = {
        f"request_{number}": orm.StructureData(ase=one.request.structure.to_ase()) for number, one in enumerate(found)
    }
    return {"report": orm.Dict({"requests": requests}), **made}
