"""What a loop refuses before anything is submitted."""

from __future__ import annotations

import pytest
from aiida import orm
from aiida.plugins import WorkflowFactory

from aiida_redoxmlp.workchains.active_learning import ActiveLearningWorkChain


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        ({"budget": {"iterations": 0}}, "nothing can start"),
        ({"select": {"selection": {"band": {"floor": 3.0, "ceiling": 1.0}}}}, "holds no candidate"),
        ({"band": 1}, "'band' of the workflow active_learning is not known"),
    ],
)
def test_what_contradicts_itself_is_refused(build, overrides, says):
    with pytest.raises(ValueError, match=says):
        build(overrides=overrides)


def test_a_structure_whose_charges_never_close_is_refused_by_name(build, demo_structure):
    builder = build()
    builder.redox = orm.Dict({"allowed_states": {"Mn": [2]}, "fixed_states": {"Li": 1, "P": 5, "O": -2}})
    ports = ActiveLearningWorkChain.spec().inputs
    assert "The structure 'half': No allowed states" in str(ports.validate(ports.pre_process(builder._inputs(True))))


def test_ions_that_cannot_hop_are_refused_before_anything_is_labelled(build):
    builder = build(overrides={"explore": {"ion_hops": {"element": "Na"}}})
    ports = ActiveLearningWorkChain.spec().inputs
    refused = str(ports.validate(ports.pre_process(builder._inputs(True))))
    assert "No structure has Na with a vacant site within 4 Å; give ion_hops.sites" in refused


def test_it_loads_by_entry_point():
    assert WorkflowFactory("redoxmlp.active_learning") is ActiveLearningWorkChain
