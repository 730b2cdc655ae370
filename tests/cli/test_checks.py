from __future__ import annotations

import io
from pathlib import Path

import pytest
import yaml
from aiida import orm
from aiida.plugins import DataFactory
from ase.io import read

from aiida_redoxmlp.cli.checks import (
    check_physics,
    check_projectors,
    check_resources,
    check_same_computer,
    chosen_pattern,
)
from aiida_redoxmlp.cli.hubbard_config import HubbardRunConfig
from aiida_redoxmlp.cli.resources_config import Resources
from aiida_redoxmlp.cli.structure_inputs import hubbard_structure
from aiida_redoxmlp.errors import InputError

EXAMPLES = Path(__file__).parents[2] / "examples"
ORBITALS = '<UPF version="2.0.1"><PP_HEADER element="{0}" z_valence="7.0"/>{1}</UPF>'


def config_of(name, **changes):
    content = yaml.safe_load((EXAMPLES / f"{name}.yaml").read_text(encoding="utf-8"))
    content["structure"] = str(EXAMPLES / content["structure"])
    return HubbardRunConfig.model_validate({**content, **changes})


def atoms_of(config):
    return read(config.structure)


def pseudo_of(element, *labels):
    orbitals = "".join(f'<PP_CHI.{n} size="9"\n index="{n}" label="{label}">' for n, label in enumerate(labels, 1))
    return DataFactory("pseudo.upf")(io.BytesIO(ORBITALS.format(element, orbitals).encode()), filename=f"{element}.upf")


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("hubbard*.yaml")), ids=lambda path: path.stem)
def test_every_example_can_work(path, aiida_profile):
    config = config_of(path.stem)
    atoms = atoms_of(config)
    check_physics(config, atoms)
    symbols = atoms.get_chemical_symbols()
    assert config.redox.why_not(symbols, chosen_pattern(config.redox, atoms, config.pattern, "pattern")) is None
    assert hubbard_structure(atoms, config.hubbard).hubbard.parameters


def test_patterns_that_are_one_by_symmetry_need_no_choice():
    config = config_of("hubbard-limnpo4", pattern=None)
    assert chosen_pattern(config.redox, atoms_of(config), config.pattern, "pattern") == [2, 3]


def test_several_patterns_have_to_be_chosen_from():
    config = config_of("hubbard-nio", redox={"allowed_states": {"Ni": [1, 2, 3]}})
    with pytest.raises(InputError, match=r"^2 patterns .* \[1, 3\], \[2, 2\]; choose with `pattern`\.$"):
        chosen_pattern(config.redox, atoms_of(config), config.pattern, "pattern")
    chosen = config.model_copy(update={"pattern": [3, 1]})
    assert chosen_pattern(chosen.redox, atoms_of(config), chosen.pattern, "pattern") == [3, 1]


def test_a_pattern_that_does_not_close_the_charge_is_refused():
    config = config_of("hubbard-limnpo4", pattern=[3, 3])
    with pytest.raises(InputError, match=r"choose states that add up to \+5"):
        chosen_pattern(config.redox, atoms_of(config), config.pattern, "pattern")


def test_a_redox_element_without_u_is_refused():
    config = config_of("hubbard-licoo2", hubbard={"u": {"O-2p": 8.0}})
    with pytest.raises(InputError, match=r"Co has no U.*add Co-3d to hubbard\.u"):
        check_physics(config, atoms_of(config))


def test_a_v_of_an_element_that_is_not_there_is_named_with_its_key():
    hubbard = {"u": {"Co-3d": 5.0}, "v": [{"between": ["Co-3d", "F-2p"], "nearest": True}]}
    config = config_of("hubbard-licoo2", hubbard=hubbard)
    with pytest.raises(InputError, match=r"hubbard\.v\.0\.between names 'F-2p', but the structure has no F"):
        check_physics(config, atoms_of(config))


def test_a_v_rule_without_any_pair_is_refused(aiida_profile):
    hubbard = {"u": {"Co-3d": 5.0}, "v": [{"between": ["Co-3d", "O-2p"], "within": 1.0}]}
    config = config_of("hubbard-licoo2", hubbard=hubbard)
    with pytest.raises(InputError, match="no O within 1 Å of any Co"):
        hubbard_structure(atoms_of(config), config.hubbard)


def test_cobalt_gets_u_and_v_to_its_six_oxygens(aiida_profile):
    v = {"between": ["Co-3d", "O-2p"], "nearest": True, "value": 0.4}
    config = config_of("hubbard-licoo2-uv", hubbard={"u": {"Co-3d": 5.0}, "v": [v]})
    structure = hubbard_structure(atoms_of(config), config.hubbard)
    parameters = structure.hubbard.parameters
    symbols = structure.get_ase().get_chemical_symbols()
    cobalt = symbols.index("Co")
    on_site = [one for one in parameters if one.hubbard_type == "U"]
    assert [(one.atom_index, one.neighbour_index, one.value) for one in on_site] == [(cobalt, cobalt, 5.0)]
    between = [one for one in parameters if one.hubbard_type == "V"]
    assert len(between) == 6
    assert {(one.atom_index, symbols[one.neighbour_index], one.value) for one in between} == {(cobalt, "O", 0.4)}
    assert structure.hubbard.projectors == "ortho-atomic"


def test_a_manifold_needs_its_atomic_orbital_in_the_pseudopotential(aiida_profile):
    config = config_of("hubbard-licoo2")
    check_projectors(config.hubbard, {"Co": pseudo_of("Co", "4S", "4P", "3D")})
    check_projectors(config.hubbard, {"Co": pseudo_of("Co")})
    with pytest.raises(InputError, match=r"hubbard\.u\.Co-3d .* Co\.upf has the atomic orbitals 4s, 4p only"):
        check_projectors(config.hubbard, {"Co": pseudo_of("Co", "4S", "4P")})


def test_codes_on_two_computers_are_refused(aiida_profile_clean, aiida_localhost, aiida_computer):
    other = aiida_computer(label="elsewhere")
    pw, hp = (
        orm.InstalledCode(label=label, computer=computer, filepath_executable="/bin/true")
        for label, computer in (("pw", aiida_localhost), ("hp", other))
    )
    with pytest.raises(InputError, match="hp@elsewhere on elsewhere; choose codes on one computer"):
        check_same_computer((pw, hp))
    check_same_computer((pw, pw))


@pytest.fixture
def code_of(aiida_profile_clean, aiida_computer):
    """A code on a computer with a scheduler; that of HyperQueue need not be installed."""

    def make(scheduler, *, with_mpi=True):
        computer = aiida_computer(label="cluster", scheduler_type="core.direct")
        computer.backend_entity.set_scheduler_type(scheduler)
        return orm.InstalledCode(label="pw", computer=computer, filepath_executable="/bin/true", with_mpi=with_mpi)

    return make


@pytest.mark.parametrize(
    ("scheduler", "resources", "with_mpi"),
    [
        ("hyperqueue", {"num_cpus": 8, "memory_mb": 16000, "walltime_s": 3600}, True),
        ("hyperqueue", {"num_cpus": 8, "cores_per_process": 8}, False),
        ("core.slurm", {"nodes": 2, "partition": "cpu", "gpus": 1}, True),
        ("core.direct", {}, True),
    ],
)
def test_resources_that_fit_their_scheduler_are_taken(code_of, scheduler, resources, with_mpi):
    check_resources(code_of(scheduler, with_mpi=with_mpi), Resources(**resources), "resources.dft")


@pytest.mark.parametrize(
    ("scheduler", "resources", "said"),
    [
        (
            "hyperqueue",
            {"nodes": 2},
            r"resources\.dft\.num_cpus is not given, .* hyperqueue, which counts CPUs; give num_",
        ),
        (
            "core.slurm",
            {"num_cpus": 8},
            r"resources\.dft\.num_cpus is 8, .* core\.slurm, which counts nodes; give nodes",
        ),
        ("core.direct", {"num_cpus": 8}, r"core\.direct, which counts nodes; give nodes"),
        ("hyperqueue", {"num_cpus": 8, "partition": "cpu"}, r"partition is 'cpu', .* which knows no such thing"),
        ("hyperqueue", {"num_cpus": 8, "cores_per_process": 4}, r"each of its 8 CPUs; leave it out"),
    ],
)
def test_resources_of_another_scheduler_are_refused(code_of, scheduler, resources, said):
    with pytest.raises(InputError, match=said):
        check_resources(code_of(scheduler), Resources(**resources), "resources.dft")
