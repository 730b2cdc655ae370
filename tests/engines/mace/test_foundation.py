from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("mace")

import torch

from aiida_redoxmlp.engines.encoding import Encoding
from aiida_redoxmlp.engines.fine_tuning import FineTuning
from aiida_redoxmlp.engines.mace.backend import interaction_classes, reproducible
from aiida_redoxmlp.engines.mace.engine import MaceEngine
from aiida_redoxmlp.engines.mace.foundation import (
    Foundation,
    describe_from_foundation,
    load_foundation,
    network_from_foundation,
)
from aiida_redoxmlp.engines.mace.potential import MaceCommittee
from aiida_redoxmlp.engines.settings import TrainingSettings
from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.redox.configuration import Configuration
from aiida_redoxmlp.testing import toy_frames
from tests.engines.mace.foreign_models import foreign_model, written

# isort: split
# After our backend, which sets torch up for e3nn.
from mace.data import AtomicData, config_from_atoms
from mace.tools import AtomicNumberTable
from mace.tools.torch_geometric.dataloader import Collater

pytestmark = pytest.mark.engine


def original_answer(model: torch.nn.Module, one: Configuration, head: int = 0) -> tuple[float, np.ndarray]:
    """Energy and forces of the model itself, with mace-torch's own way to prepare its input."""
    atoms = one.to_ase()
    with reproducible("float64" if next(model.parameters()).dtype == torch.float64 else "float32"):
        table = AtomicNumberTable([int(number) for number in model.atomic_numbers])
        data = AtomicData.from_config(
            config_from_atoms(atoms), z_table=table, cutoff=float(model.r_max), heads=model.heads
        )
        batch = Collater([None], [None])([data]).to_dict()
        batch["head"] = torch.tensor([head])
        output = model(batch, training=False)
    return float(output["energy"]), output["forces"].detach().numpy()


def start(foundation: Foundation, encoding: str, seed: int = 3) -> MaceCommittee:
    frames = [frame.configuration for frame in toy_frames(4)]
    table = Encoding.for_configurations(encoding, frames)
    description = describe_from_foundation(foundation, table, dtype="float64", embedding_width=4)
    return MaceCommittee(description, (network_from_foundation(foundation, description, seed=seed),), (seed,))


@pytest.mark.parametrize("encoding", ["species", "embedding", "species+spin", "embedding+spin", "none"])
def test_every_species_starts_exactly_at_the_foundation_models_energies(tmp_path: Path, encoding: str) -> None:
    model = foreign_model()
    foundation = load_foundation(written(tmp_path, model), trusted=True)
    potential = start(foundation, encoding)
    for frame in toy_frames(4, seed=8):
        (answer,) = potential.evaluate([frame.configuration])
        energy, forces = original_answer(model, frame.configuration)
        assert answer.energy == pytest.approx(energy, abs=1e-10)
        np.testing.assert_allclose(answer.mean_forces, forces, atol=1e-10)


def test_training_moves_species_of_one_parent_apart(tmp_path: Path) -> None:
    foundation = load_foundation(written(tmp_path, foreign_model()), trusted=True)
    frames = toy_frames(6)
    here = frames[0].configuration
    swapped = frames[1].configuration.moved_to(here.positions)
    for encoding in ("species", "embedding"):
        settings = TrainingSettings(encoding=encoding, seeds=(1,), max_epochs=3, device="cpu", fine_tuning=FineTuning())
        before = start(foundation, encoding).evaluate([here])[0].energy
        after = MaceEngine().train(
            frames[:4], frames[4:], settings, checkpoint_folder=tmp_path / encoding, foundation=foundation
        )
        one, other = after.potential.evaluate([here, swapped])
        assert np.isfinite(before)
        assert abs(one.energy - other.energy) > 1e-4


def test_first_epoch_starts_from_the_labels_zero_of_energy(tmp_path: Path) -> None:
    foundation = load_foundation(written(tmp_path, foreign_model()), trusted=True)
    frames = toy_frames(6)  # about -1000 eV, where the foundation model says a few tens
    settings = TrainingSettings(seeds=(1,), max_epochs=1, learning_rate=1e-9, device="cpu", fine_tuning=FineTuning())
    result = MaceEngine().train(
        frames[:4], frames[4:], settings, checkpoint_folder=tmp_path / "c", foundation=foundation
    )
    assert result.history[0]["energy_mae_ev_per_atom"] < 1.0
    description = result.potential.description
    by_label = dict(zip(map(str, result.potential.encoding.model_species), description.reference_energies, strict=True))
    assert len(by_label) == 3
    assert description.training["foundation"] == foundation.sha256


def test_stored_fine_tuned_model_needs_no_foundation_file(tmp_path: Path) -> None:
    path = written(tmp_path, foreign_model())
    potential = start(load_foundation(path, trusted=True), "species+spin")
    path.unlink()
    potential.save(tmp_path / "model")
    here = toy_frames(1)[0].configuration
    (before,), (after,) = potential.evaluate([here]), MaceEngine().load(tmp_path / "model").evaluate([here])
    np.testing.assert_array_equal(before.energies, after.energies)


def test_committee_of_this_package_hands_its_species_on(tmp_path: Path) -> None:
    parent = start(load_foundation(written(tmp_path, foreign_model()), trusted=True), "embedding", seed=1)
    with torch.no_grad():
        for row in parent.networks[0].joint_embedding.parameters():
            row.normal_(generator=torch.Generator().manual_seed(2))
    here = toy_frames(1)[0].configuration
    child = start(Foundation.from_committee(parent), "embedding+spin", seed=9)
    assert child.evaluate([here])[0].energy == pytest.approx(parent.evaluate([here])[0].energy, abs=1e-10)
    with pytest.raises(InputError, match="embeds oxidation_states, which the encoding 'species' does not"):
        start(Foundation.from_committee(parent), "species")


def test_nearest_state_is_the_parent(tmp_path: Path) -> None:
    parent = start(load_foundation(written(tmp_path, foreign_model()), trusted=True), "species", seed=1)
    energies = dict(zip([one.label for one in parent.encoding.model_species], (-7.0, -8.0, -9.0), strict=True))
    changed = parent.description.model_copy(update={"reference_energies": tuple(energies.values())})
    foundation = Foundation.from_committee(MaceCommittee(changed, parent.networks, (1,)))
    here = toy_frames(1)[0].configuration
    states = [np.array(states) for states in ([2, 4, -2, -2], [1, 3, -2, -2])]
    wanted = Encoding.for_configurations(
        "species", [Configuration(here.numbers, here.positions, here.cell, one) for one in states]
    )
    description = describe_from_foundation(foundation, wanted, dtype="float64")
    found = dict(zip([one.label for one in wanted.model_species], description.reference_energies, strict=True))
    assert found["Mn+"] == found["Mn2+"] == energies["Mn2+"]
    assert found["Mn4+"] == found["Mn3+"] == energies["Mn3+"]


def test_single_precision_model_starts_in_double_precision(tmp_path: Path) -> None:
    model = foreign_model(dtype="float32")
    here = toy_frames(1)[0].configuration
    potential = start(load_foundation(written(tmp_path, model), trusted=True), "species")
    assert potential.evaluate([here])[0].energy == pytest.approx(original_answer(model, here)[0], abs=1e-4)


def test_one_head_of_several_is_taken(tmp_path: Path) -> None:
    model = foreign_model(heads=2)
    path = written(tmp_path, model)
    with pytest.raises(InputError, match="has the heads one, two; choose one of them"):
        load_foundation(path, trusted=True)
    here = toy_frames(1)[0].configuration
    potential = start(load_foundation(path, trusted=True, head="two"), "species")
    assert potential.evaluate([here])[0].energy == pytest.approx(original_answer(model, here, head=1)[0], abs=1e-10)


@pytest.mark.parametrize(
    "changes",
    [
        {"interaction_cls_first": interaction_classes["RealAgnosticDensityInteractionBlock"]},
        {"interaction_cls": interaction_classes["RealAgnosticDensityResidualInteractionBlock"], "use_so3": True},
        {"use_agnostic_product": True, "distance_transform": "None", "pair_repulsion": False},
        {"num_interactions": 1, "gate": None},
        {"use_reduced_cg": False, "apply_cutoff": False, "gate": torch.tanh},
    ],
)
def test_variants_of_the_architecture_are_rebuilt(tmp_path: Path, changes: dict[str, Any]) -> None:
    model = foreign_model(**changes)
    here = toy_frames(1)[0].configuration
    potential = start(load_foundation(written(tmp_path, model), trusted=True), "species")
    assert potential.evaluate([here])[0].energy == pytest.approx(original_answer(model, here)[0], abs=1e-9)


def test_pickle_is_not_touched_unless_trusted(tmp_path: Path) -> None:
    class Malicious:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "executed",))

    torch.save(Malicious(), tmp_path / "foundation.model")
    with pytest.raises(InputError, match=r"is a pickle, and loading it runs the code in it"):
        load_foundation(tmp_path / "foundation.model")
    assert not (tmp_path / "executed").exists()


def test_element_the_foundation_lacks_is_named(tmp_path: Path) -> None:
    foundation = load_foundation(written(tmp_path, foreign_model()), trusted=True)
    here = toy_frames(1)[0].configuration
    iron = Configuration(np.array([26, 25, 8, 8]), here.positions, here.cell, here.oxidation_states)
    with pytest.raises(InputError, match="does not know the element Fe; it knows Li, Mn, O, P"):
        describe_from_foundation(foundation, Encoding.for_configurations("species", [iron]), dtype="float64")


def test_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.model").write_text("nothing")
    with pytest.raises(InputError, match="cannot be loaded as a MACE model"):
        load_foundation(tmp_path / "text.model", trusted=True)
    with pytest.raises(InputError, match="There is no model file"):
        load_foundation(tmp_path / "none.model", trusted=True)
    torch.save(torch.nn.Linear(1, 1), tmp_path / "linear.model")
    with pytest.raises(InputError, match="holds a Linear"):
        load_foundation(tmp_path / "linear.model", trusted=True)


def test_model_whose_architecture_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"architecture of .* cannot be read"):
        load_foundation(written(tmp_path, foreign_model(radial_type="gaussian")), trusted=True)


def test_tampered_constant_of_a_model_is_noticed(tmp_path: Path) -> None:
    model = foreign_model()
    model.interactions[1].avg_num_neighbors = 1.0  # one number for all layers is what an architecture has
    with pytest.raises(InputError, match="gives other energies than the file's own"):
        load_foundation(written(tmp_path, model), trusted=True)
