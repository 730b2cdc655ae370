"""What other programs compute from exported files is what we compute."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("mace")

import torch
from ase.data import atomic_masses
from ase.io import read, write

from aiida_redoxmlp.engines.export import export_model
from aiida_redoxmlp.engines.mace.deployable import deployable_encoding
from aiida_redoxmlp.engines.mace.folding import fold_description, fold_network
from aiida_redoxmlp.engines.mace.foundation import load_foundation
from aiida_redoxmlp.engines.mace.graph import build_graph
from aiida_redoxmlp.engines.mace.potential import MaceCommittee
from aiida_redoxmlp.engines.registry import load_potential
from aiida_redoxmlp.errors import InputError, ModelIntegrityError
from aiida_redoxmlp.testing import toy_frames

pytestmark = pytest.mark.engine

CONFIGURATIONS = [frame.configuration for frame in toy_frames(3)]
FOUNDATION_LIKE = {"distance_transform": "Agnesi", "interaction_first": "RealAgnosticResidualInteractionBlock"}


def names_in(species_file, configuration):
    """The name of every atom's kind, as a user of the files reads it from species.json."""
    rows = json.loads(species_file.read_text())["species"]
    found = []
    spins = np.zeros(len(configuration), dtype=int) if configuration.spins is None else configuration.spins
    for symbol, state, spin in zip(configuration.to_ase().symbols, configuration.oxidation_states, spins, strict=True):
        (name,) = [
            row["name"]
            for row in rows
            if row["element"] == symbol
            and row["oxidation_state"] in (None, int(state))
            and row["spin"] in (None, int(spin))
        ]
        found.append(name)
    return found


def exported(committee, tmp_path, form, **options):
    committee.save(tmp_path / "model")
    target = tmp_path / form
    export_model(tmp_path / "model", target, form, **options)
    return target


@pytest.mark.parametrize(
    ("encoding", "architecture"),
    [("species", FOUNDATION_LIKE), ("embedding", {}), ("embedding", FOUNDATION_LIKE), ("none", {})],
    ids=["species-radii", "embedding", "embedding-radii", "none"],
)
def test_mace_calculates_the_same_energies_and_forces_from_the_model_files(
    make_committee, tmp_path, encoding, architecture
):
    from mace.calculators import MACECalculator  # noqa: PLC0415 - our backend sets torch up first

    committee = make_committee(encoding, **architecture)
    folder = exported(committee, tmp_path, "mace")
    table = {row["name"]: row for row in json.loads((folder / "species.json").read_text())["species"]}
    files = [str(folder / f"member_{member}.model") for member in (0, 1)]
    calculator = MACECalculator(files, device="cpu", default_dtype="float64")
    for one, ours in zip(CONFIGURATIONS, committee.evaluate(CONFIGURATIONS), strict=True):
        atoms = one.to_ase()
        atoms.numbers = [table[name]["atomic_number"] for name in names_in(folder / "species.json", one)]
        atoms.calc = calculator
        assert atoms.get_potential_energy() == pytest.approx(ours.energy, abs=1e-6)
        assert calculator.results["energy_comm"] == pytest.approx(ours.energies, abs=1e-6)
        np.testing.assert_allclose(calculator.results["forces_comm"], ours.forces, atol=1e-6)


def test_single_precision_loses_no_digits_of_the_energy_in_the_file(make_committee, tmp_path):
    from mace.calculators import MACECalculator  # noqa: PLC0415

    committee = make_committee(dtype="float32").member(1)
    folder = exported(committee, tmp_path, "mace")
    atoms = CONFIGURATIONS[0].to_ase()
    atoms.numbers = committee.encoding.encode(CONFIGURATIONS[0])
    atoms.calc = MACECalculator(str(folder / "member_0.model"), device="cpu", default_dtype="float64")
    (ours,) = committee.evaluate(CONFIGURATIONS[:1])
    assert ours.energy < -3500
    assert atoms.get_potential_energy() == pytest.approx(ours.energy, abs=1e-6)


def lammps_input(module, configuration, numbers):
    """The dictionary that LAMMPS's pair style mace fills, in its mode without domain decomposition."""
    known = module.atomic_numbers.tolist()
    sites = [known.index(number) for number in numbers]
    graph = _neighbours(configuration, float(module.r_max))
    real = {
        "cell": configuration.cell,
        "node_attrs": np.eye(len(known))[sites],
        "positions": configuration.positions,
        "shifts": graph.unit_shifts @ configuration.cell,
        "unit_shifts": graph.unit_shifts,
        "energy": np.zeros(1),
        "forces": np.zeros((len(configuration), 3)),
        "weight": np.ones(1),
    }
    whole = {"batch": np.zeros(len(configuration)), "edge_index": graph.edges, "ptr": [0, len(configuration)]}
    return {key: torch.tensor(np.asarray(value), dtype=torch.float64) for key, value in real.items()} | {
        key: torch.tensor(np.asarray(value), dtype=torch.int64) for key, value in whole.items()
    }


def _neighbours(configuration, cutoff):
    from aiida_redoxmlp.engines.encoding import Encoding  # noqa: PLC0415

    return build_graph(configuration, Encoding.for_configurations("none", [configuration]), cutoff)


@pytest.mark.parametrize(
    ("encoding", "architecture"),
    [
        ("species", {**FOUNDATION_LIKE, "pair_repulsion": True}),
        ("embedding", {}),
        ("species+spin", {}),
        ("embedding+spin", {}),
        ("none", {}),
    ],
    ids=["species-repulsion", "embedding", "species+spin", "embedding+spin", "none"],
)
def test_lammps_file_gives_our_energy_forces_and_virial(make_committee, tmp_path, encoding, architecture):
    frames = [frame.configuration for frame in toy_frames(4)]
    committee = make_committee(encoding, **architecture)
    folder = exported(committee, tmp_path, "lammps", member=1)
    assert [path.name for path in folder.glob("*.pt")] == ["member_1-lammps.pt"]
    module = torch.jit.load(str(folder / "member_1-lammps.pt"))
    assert "model.node_embedding.linear.weight" in dict(module.named_parameters())  # where LAMMPS reads the type
    for one, ours in zip(frames, committee.evaluate(frames, stress=True), strict=True):
        numbers = deployable_encoding(committee).encode(one)
        everywhere = torch.ones(len(one), dtype=torch.bool)
        answer = module(lammps_input(module, one, numbers), everywhere, True)
        assert float(answer["total_energy_local"]) == pytest.approx(ours.energies[1], abs=1e-6)
        np.testing.assert_allclose(answer["forces"], ours.forces[1], atol=1e-6)
        volume = abs(np.linalg.det(one.cell))
        np.testing.assert_allclose(-answer["virials"][0] / volume, ours.stresses[1], atol=1e-7)
        half = module(lammps_input(module, one, numbers), torch.tensor([True, False, True, False]), False)
        assert float(half["total_energy_local"]) == pytest.approx(float(answer["node_energy"][[0, 2]].sum()), abs=1e-9)


def test_lammps_input_has_a_type_a_species_with_the_real_masses(make_committee, tmp_path):
    text = (exported(make_committee().member(0), tmp_path, "lammps") / "in.lammps").read_text()
    masses = [line.split() for line in text.splitlines() if line.startswith("mass ")]
    assert [(line[1], line[-1]) for line in masses] == [("1", "O2-"), ("2", "Mn2+"), ("3", "Mn3+")]
    assert [float(line[2]) for line in masses] == pytest.approx(atomic_masses[[8, 25, 25]])
    assert "pair_coeff * * member_0-lammps.pt O Mn Og" in text


@pytest.mark.parametrize("encoding", ["embedding", "embedding+spin"])
def test_folding_an_embedding_into_numbers_changes_no_energy(make_committee, encoding):
    committee = make_committee(encoding).member(0)
    network = fold_network(committee.networks[0], committee.description, "float64")
    folded = MaceCommittee(fold_description(committee.description), (network,), committee.seeds)
    assert folded.encoding.name == encoding.replace("embedding", "species")
    for one, other in zip(committee.evaluate(CONFIGURATIONS), folded.evaluate(CONFIGURATIONS), strict=True):
        np.testing.assert_allclose(other.energies, one.energies, atol=1e-9)
        np.testing.assert_allclose(other.forces, one.forces, atol=1e-12)


def test_spins_are_refused_by_files_that_are_evaluated_once(make_committee, tmp_path):
    with pytest.raises(InputError, match=r"mean over two directions of all spins.*export lammps, or folder"):
        exported(make_committee("embedding+spin"), tmp_path, "mace")
    assert not (tmp_path / "mace").exists()


def test_nuclear_charges_are_not_taken_from_stand_in_numbers(make_committee, tmp_path):
    with pytest.raises(InputError, match=r"repulsion of the nuclei.*export the format lammps"):
        exported(make_committee(pair_repulsion=True).member(0), tmp_path, "torch-sim")


def test_exported_model_file_is_a_foundation_model_again(make_committee, tmp_path):
    committee = make_committee("none").member(0)
    folder = exported(committee, tmp_path, "mace")
    foundation = load_foundation(folder / "member_0.model", trusted=True)
    again = MaceCommittee(foundation.description, (foundation.network,), (0,))
    (ours,), (theirs,) = committee.evaluate(CONFIGURATIONS[:1]), again.evaluate(CONFIGURATIONS[:1])
    assert theirs.energy == pytest.approx(ours.energies[0], abs=1e-6)


def test_example_beside_the_files_runs(make_committee, tmp_path, monkeypatch, capsys):
    committee = make_committee("embedding").member(0)
    folder = exported(committee, tmp_path, "mace")
    one = CONFIGURATIONS[0]
    monkeypatch.chdir(tmp_path)
    write("structure.cif", one.to_ase())
    Path("names.json").write_text(json.dumps(names_in(folder / "species.json", one)))
    runpy.run_path(str(folder / "example.py"))
    (ours,) = committee.evaluate([type(one).from_ase(_with_states(read("structure.cif"), one))])
    assert float(capsys.readouterr().out.splitlines()[-1]) == pytest.approx(ours.energy, abs=1e-5)


def _with_states(atoms, configuration):
    atoms.set_array("oxidation_states", configuration.oxidation_states)
    return atoms


def test_torch_sim_computes_the_same_energies(make_committee, tmp_path):
    torch_sim = pytest.importorskip("torch_sim")
    from torch_sim.models.mace import MaceModel  # noqa: PLC0415

    committee = make_committee("embedding")
    folder = exported(committee, tmp_path, "torch-sim", member=0)
    network = torch.load(folder / "member_0.model", weights_only=False)
    model = MaceModel(network, device=torch.device("cpu"), dtype=torch.float64)
    batch = []
    for one in CONFIGURATIONS:
        atoms = one.to_ase()
        masses = atoms.get_masses()
        atoms.numbers = deployable_encoding(committee).encode(one)
        atoms.set_masses(masses)
        batch.append(atoms)
    state = torch_sim.io.atoms_to_state(batch, device=torch.device("cpu"), dtype=torch.float64)
    ours = [result.energies[0] for result in committee.evaluate(CONFIGURATIONS)]
    np.testing.assert_allclose(model(state)["energy"], ours, atol=1e-6)
    assert float(state.masses.max()) == pytest.approx(atomic_masses[25])


def test_our_own_folder_is_copied_byte_for_byte_and_one_member_is_a_committee_of_one(make_committee, tmp_path):
    committee = make_committee()
    whole = exported(committee, tmp_path, "folder")
    assert {path.name: path.read_bytes() for path in whole.iterdir()} == {
        path.name: path.read_bytes() for path in (tmp_path / "model").iterdir()
    }
    export_model(tmp_path / "model", tmp_path / "second", "folder", member=1)
    second = load_potential(tmp_path / "second")
    assert (second.n_members, second.seeds, second.description.training["best_epochs"]) == (1, (2,), [5])
    (ours,), (theirs,) = committee.evaluate(CONFIGURATIONS[:1]), second.evaluate(CONFIGURATIONS[:1])
    np.testing.assert_array_equal(theirs.energies, ours.energies[1:])


@pytest.mark.parametrize(
    ("format_name", "member", "told"),
    [
        ("mace", 2, "no member 2; the committee has the members 0 to 1"),
        ("gap", None, "no format 'gap'; its formats are folder, mace, torch-sim, lammps"),
    ],
)
def test_what_is_not_there_cannot_be_exported(saved_model, tmp_path, format_name, member, told):
    with pytest.raises(InputError, match=told):
        export_model(saved_model, tmp_path / "out", format_name, member)
    assert not (tmp_path / "out").exists()


def test_nothing_is_overwritten_and_nothing_broken_is_copied(saved_model, tmp_path):
    with pytest.raises(InputError, match="not an empty folder"):
        export_model(saved_model, saved_model, "mace")
    (saved_model / "member_1.safetensors").write_bytes(b"\0" * 100)
    for format_name in ("folder", "lammps"):
        with pytest.raises(ModelIntegrityError, match="member_1"):
            export_model(saved_model, tmp_path / "out", format_name)
