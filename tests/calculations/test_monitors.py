from __future__ import annotations

import json
from pathlib import Path

import pytest
from aiida import orm

from aiida_redoxmlp.calculations.monitors import watch_dynamics, watch_training, why_gone_wrong

MD = Path(__file__).parents[1] / "fixtures" / "pw" / "md" / "pw.out"
LIMITS = {"n_atoms": 13, "timestep": 2.9, "maximum_drift": 0.5, "maximum_temperature": 3000.0}


def test_a_run_as_it_should_be_goes_on():
    assert why_gone_wrong(MD.read_text(), **LIMITS) is None
    assert why_gone_wrong("", **LIMITS) is None


def test_a_run_that_gets_too_hot_is_stopped():
    assert why_gone_wrong(MD.read_text(), **{**LIMITS, "maximum_temperature": 610.0}) == (
        "step 2 has a temperature of 638 K, above 610 K"
    )


def test_an_energy_that_drifts_stops_the_run():
    says = why_gone_wrong(MD.read_text(), **{**LIMITS, "maximum_drift": 0.005})
    assert says.startswith("up to step 2 the conserved quantity drifts by 0.007 eV per atom and ps")


@pytest.mark.parametrize("text", ["     temperature           =     ************ K\n", "     temperature = NaN K\n"])
def test_numbers_that_do_not_fit_their_field_stop_the_run(text):
    assert "temperature of nan K" in why_gone_wrong(text, **LIMITS)


def test_no_limit_is_no_reason():
    assert why_gone_wrong(MD.read_text(), **{**LIMITS, "maximum_drift": None, "maximum_temperature": None}) is None


def test_the_watch_reads_the_text_of_the_running_job(make_calculation, demo_structure, aiida_localhost, tmp_path):
    node = make_calculation(
        "redoxmlp.pw",
        {},
        inputs={"structure": demo_structure, "parameters": orm.Dict({"CONTROL": {"dt": 60.0}})},
        output_filename="aiida.out",
    )
    node.set_remote_workdir(str(tmp_path))
    with aiida_localhost.get_transport() as transport:
        assert watch_dynamics(node, transport, maximum_temperature=610.0) is None  # nothing is printed yet
        (tmp_path / "aiida.out").write_bytes(MD.read_bytes())
        assert "638 K" in watch_dynamics(node, transport, maximum_temperature=610.0)
        assert watch_dynamics(node, transport, maximum_drift=0.5, maximum_temperature=3000.0) is None


def test_the_watch_over_a_training_leaves_the_exit_code_to_the_parser(make_calculation, aiida_localhost, tmp_path):
    node = make_calculation("redoxmlp.train", {})
    node.set_remote_workdir(str(tmp_path))
    losses = [1.0, 5.0, 6.0]
    lines = [{"member": 0, "epoch": number, "loss_validation": loss} for number, loss in enumerate(losses, start=1)]
    with aiida_localhost.get_transport() as transport:
        assert watch_training(node, transport) is None  # nothing is written yet
        (tmp_path / "progress.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        assert watch_training(node, transport) is None
        result = watch_training(node, transport, maximum_growth=4.0, patience=2)
    assert "validation loss 6 has been more than 4 times its best 1" in result.message
    assert not result.override_exit_code
