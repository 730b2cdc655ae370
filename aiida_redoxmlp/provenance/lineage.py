"""Ready-made questions to the provenance graph."""

from __future__ import annotations

from aiida import orm

from aiida_redoxmlp.data.model import ModelData

__all__ = ("teachers",)


def teachers(model: ModelData) -> list[orm.CalcJobNode]:
    """Return every pw.x calculation a model was taught by, in order of creation.

    A calculation taught the model if its frames are an ancestor of the dataset the training read, along data links
    only: a failed attempt, or a check done after the training, is not among them.
    """
    query = orm.QueryBuilder()
    query.append(orm.Node, filters={"uuid": model.uuid}, tag="model")
    query.append(
        orm.CalcJobNode,
        with_descendants="model",
        filters={"process_type": {"in": ["aiida.calculations:redoxmlp.pw", "aiida.calculations:quantumespresso.pw"]}},
        project="*",
    )
    found = {node.uuid: node for (node,) in query.all()}
    taught = [node for node in found.values() if _frames_reach(node, model)]
    return sorted(taught, key=lambda node: int(node.pk))


def _frames_reach(calculation: orm.CalcJobNode, model: ModelData) -> bool:
    """Whether the frames of a calculation, not just its final structure, lead to the model."""
    frames = calculation.base.links.get_outgoing(link_label_filter="frames").all_nodes()
    query = orm.QueryBuilder()
    query.append(orm.Node, filters={"uuid": {"in": [node.uuid for node in frames] or [""]}}, tag="frames")
    query.append(orm.Node, with_ancestors="frames", filters={"uuid": model.uuid})
    return query.count() > 0
