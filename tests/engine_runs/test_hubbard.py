"""U and V by real pw.x and hp.x: self-consistent examples, by hand, in parallel, and after a killed job."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
from aiida import orm
from aiida.engine import run_get_node

from aiida_redoxmlp.calculations.hubbard import with_interactions
from aiida_redoxmlp.cli.config_file import load_config
from aiida_redoxmlp.cli.hubbard_config import HubbardRunConfig
from aiida_redoxmlp.cli.structure_inputs import hubbard_structure, read_structure
from aiida_redoxmlp.hubbard.interactions import Interaction
from aiida_redoxmlp.workchains.hp import HpWorkChain
from aiida_redoxmlp.workchains.hubbard import HubbardWorkChain

EXAMPLES = Path(__file__).parents[2] / "examples"
COARSE = {"kpoints_distance": None, "pw": {"SYSTEM": {"ecutwfc": 25.0, "ecutrho": 150.0}}}

pytestmark = pytest.mark.engine


@pytest.fixture
def codes(pw_executable, aiida_code_installed):
    executables = {name: str(Path(pw_executable).with_name(f"{name}.x")) for name in ("pw", "hp")}
    plugins = {"pw": "quantumespresso.pw", "hp": "redoxmlp.hp"}
    return {
        name: aiida_code_installed(
            label=f"{name}-hubbard", default_calc_job_plugin=plugins[name], filepath_executable=executables[name]
        )
        for name in plugins
    }


@pytest.fixture
def example(family, codes):
    def run(name, **overrides):
        config = load_config(EXAMPLES / f"hubbard-{name}.yaml", HubbardRunConfig)
        builder = HubbardWorkChain.get_builder_from_protocol(
            pw_code=codes["pw"],
            hp_code=codes["hp"],
            structure=hubbard_structure(read_structure(config), config.hubbard),
            redox=config.redox.model_dump(mode="json"),
            pseudo_family=family,
            pattern=config.pattern,
            protocol=config.protocol,
            overrides={**config.overrides, **overrides},
            magnetic_order=config.magnetic_order,
        )
        return run_get_node(builder)

    return run


def called(node, link_label):
    return node.base.links.get_outgoing(link_label_filter=link_label).one().node


def by_hand(calculations, hp_input, folder, executables):
    """Run the inputs of pw.x calculations and one of hp.x in one folder, outside AiiDA."""
    (folder / "pseudo").mkdir()
    for pseudo in calculations[0].inputs.pseudos.values():
        (folder / "pseudo" / pseudo.filename).write_bytes(pseudo.get_content(mode="rb"))
    inputs = {f"pw_{n}": one.base.repository.get_object_content("aiida.in") for n, one in enumerate(calculations)}
    for name, text in {**inputs, "hp": hp_input}.items():
        (folder / f"{name}.in").write_text(text, encoding="utf-8")
        with (folder / f"{name}.out").open("w", encoding="utf-8") as stdout:
            subprocess.run([executables[name[:2]], "-in", f"{name}.in"], cwd=folder, stdout=stdout, check=True)
    text = (folder / "aiida.Hubbard_parameters.dat").read_text(encoding="utf-8")
    matrix = text.split("Hubbard matrix :")[1].split()
    size = round(len(matrix) ** 0.5)
    return np.array([float(word) for word in matrix]).reshape(size, size)


def test_licoo2_is_self_consistent_and_equals_a_run_by_hand(example, codes, tmp_path):
    # An error of 1e-5/eV in χ of 0.1/eV is one of 1 meV in U, and the number of hp.x's steps hangs on the last digits.
    outputs, node = example("licoo2", hp={"parameters": {"conv_thr_chi": 1.0e-7}})
    assert node.is_finished_ok, node.exit_message
    content = outputs["cycles"].get_dict()
    assert content["converged"]
    first, *_, last = content["cycles"]
    assert 6.0 < last["u_out"][0] < 10.0
    assert last["change_u"] < 0.1
    assert all(cycle["oxidation_states"]["states"] == [3] for cycle in content["cycles"])
    assert all(cycle["occupations"] == "fixed" and cycle["gap"] > 1.0 for cycle in content["cycles"])
    handed_back = outputs["hubbard_structure"]
    assert handed_back.get_ase().get_chemical_symbols() == node.inputs.structure.get_ase().get_chemical_symbols()
    np.testing.assert_allclose(handed_back.get_ase().positions, node.inputs.structure.get_ase().positions, atol=1e-6)
    assert [one.atom_index for one in handed_back.hubbard.parameters] == last["sites"]

    runs = [called(called(node, label), "iteration_01") for label in ("scf_1_1", "tight_scf_1")]
    executables = {name: str(code.filepath_executable) for name, code in codes.items()}
    hp_input = "&inputhp\n prefix='aiida', outdir='./out/'\n nq1=1, nq2=1, nq3=1\n conv_thr_chi=1d-7, iverbosity=2\n/\n"
    assert by_hand(runs, hp_input, tmp_path, executables)[0, 0] == pytest.approx(first["u_out"][0], abs=1e-4)


def test_antiferromagnetic_nio_is_self_consistent(example):
    outputs, node = example("nio")
    assert node.is_finished_ok, node.exit_message
    content = outputs["cycles"].get_dict()
    assert content["converged"]
    for cycle in content["cycles"]:
        assert cycle["oxidation_states"]["states"] == [2, 2]
        assert sorted(cycle["oxidation_states"]["moment_signs"]) == [-1, 1]
        assert cycle["new_kinds"] == ["Ni1", "Ni2"]
        assert cycle["u_out"][0] == pytest.approx(cycle["u_out"][1], abs=1e-3)
    assert 6.0 < content["cycles"][-1]["u_out"][0] < 10.0


@pytest.fixture
def ground_state():
    """A ground state of LiCoO2 with U on Co 3d and O 2p, of which hp.x has to perturb one atom each."""
    config = load_config(EXAMPLES / "hubbard-licoo2.yaml", HubbardRunConfig)
    atoms = read_structure(config)
    values = {"Co": ("3d", 7.0), "O": ("2p", 8.0)}
    return with_interactions(
        orm.StructureData(ase=atoms[[2, 1, 3, 0]]),
        [
            Interaction(site, values[symbol][0], site, values[symbol][0], (0, 0, 0), values[symbol][1])
            for site, symbol in enumerate(["Co", "O", "O"])
        ],
    )


@pytest.fixture
def parent(ground_state, family, codes):
    builder = HubbardWorkChain.get_builder_from_protocol(
        pw_code=codes["pw"],
        hp_code=codes["hp"],
        structure=ground_state,
        redox={"allowed_states": {"Co": [3]}, "fixed_states": {"Li": 1, "O": -2}, "low_spin": ["Co3+"]},
        pseudo_family=family,
        protocol="demo",
        overrides={"scf": COARSE, "max_cycles": 1, "hp": {"parallelize": {"over": "none"}}},
    )
    _, node = run_get_node(builder)
    assert node.is_finished_ok, node.exit_message
    return called(node, "tight_scf_1").outputs.remote_folder, called(node, "hp_1").inputs.hp.hp.hubbard_structure


@pytest.fixture
def linear_response(parent, codes):
    remote, structure = parent

    def run(over, *, code=None, jobs_per_atom=1):
        builder = HpWorkChain.get_builder_from_protocol(
            code or codes["hp"],
            structure,
            parent_scf=remote,
            protocol="demo",
            overrides={"mesh": [2, 1, 1], "parallelize": {"over": over, "jobs_per_atom": jobs_per_atom}},
        )
        builder.hp.hp.hubbard_structure = structure
        outputs, node = run_get_node(builder)
        assert node.is_finished_ok, node.exit_message
        return outputs, node

    return run


def computed_responses(node):
    """Responses that calculations under a process finished, with repetitions."""
    return [
        (one["atom"], one["q_point"])
        for calculation in node.called_descendants
        if calculation.process_label == "HpCalculation" and "output_parameters" in calculation.outputs
        for one in calculation.outputs.output_parameters["responses"]
        if one["converged"]
    ]


def killing(executable: Path, folder: Path) -> Path:
    """A wrapper of hp.x that is killed once, as soon as one response to a wave vector is there."""
    script = folder / "hp-killed-once"
    script.write_text(
        f"""#!/bin/bash
if [ -e {folder}/killed ] || grep -q determine aiida.in; then exec {executable} "$@"; fi
{executable} "$@" &
while kill -0 $! 2> /dev/null; do
  if ls out/HP/aiida.dns.pert_*.dat > /dev/null 2>&1; then touch {folder}/killed; kill -9 $!; fi
  sleep 0.2
done
""",
        encoding="utf-8",
    )
    script.chmod(0o755)
    return script


def test_parallel_equals_serial_and_a_killed_job_repeats_nothing(
    parent, linear_response, codes, aiida_code_installed, tmp_path
):
    saved = Path(parent[0].get_remote_path()) / "out" / "aiida.save"
    before = {path.name: (path.stat().st_mtime_ns, path.stat().st_size) for path in saved.iterdir()}
    serial, whole = linear_response("none")
    expected = serial["hubbard"].get_array("hubbard")
    everything = sorted(set(computed_responses(whole)))
    assert len(everything) == 4  # Co and O, two wave vectors each
    for over, jobs in (("atoms", 1), ("q_points", 2)):
        outputs, node = linear_response(over, jobs_per_atom=jobs)
        np.testing.assert_allclose(outputs["hubbard"].get_array("hubbard"), expected, atol=1e-3)
        assert sorted(computed_responses(node)) == everything

    script = killing(codes["hp"].filepath_executable, tmp_path)
    fragile = aiida_code_installed(
        label="hp-killed-once", default_calc_job_plugin="redoxmlp.hp", filepath_executable=str(script)
    )
    outputs, node = linear_response("none", code=fragile)
    assert (tmp_path / "killed").exists()
    np.testing.assert_allclose(outputs["hubbard"].get_array("hubbard"), expected, atol=1e-3)
    calculations = [one for one in node.called_descendants if one.process_label == "HpCalculation"]
    assert len(calculations) > 1
    begun = [
        (one["atom"], one["q_point"])
        for calculation in calculations[1:]
        for one in calculation.outputs.output_parameters["responses"]
    ]
    assert sorted(begun) == everything[1:]  # the killed run's first response is not repeated

    linked = Path(calculations[0].outputs.remote_folder.get_remote_path()) / "out" / "aiida.save"
    assert linked.is_symlink()
    assert {path.name: (path.stat().st_mtime_ns, path.stat().st_size) for path in saved.iterdir()} == before
