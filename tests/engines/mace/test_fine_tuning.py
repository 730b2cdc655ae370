from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("mace")

import torch

from aiida_redoxmlp.dataset.frame import Frame
from aiida_redoxmlp.engines.contract import TrainingResult
from aiida_redoxmlp.engines.fine_tuning import FineTuning
from aiida_redoxmlp.engines.mace.backend import o3
from aiida_redoxmlp.engines.mace.engine import MaceEngine
from aiida_redoxmlp.engines.mace.foundation import Foundation, load_foundation
from aiida_redoxmlp.engines.mace.start import Start
from aiida_redoxmlp.engines.mace.trainable import (
    count_trainable,
    layer_group,
    merge_adapters,
    part_directions,
    restrict,
    second_head,
)
from aiida_redoxmlp.engines.settings import TrainingSettings
from aiida_redoxmlp.errors import InputError, ModelIntegrityError
from aiida_redoxmlp.testing import toy_frames
from tests.engines.mace.foreign_models import foreign_model, written

pytestmark = pytest.mark.engine

FRAMES = toy_frames(6)


def settings(mode: str = "naive", *, encoding: str = "species", epochs: int = 2, **options: Any) -> TrainingSettings:
    return TrainingSettings(
        encoding=encoding,
        seeds=(1,),
        max_epochs=epochs,
        device="cpu",
        fine_tuning=FineTuning(mode=mode, trust_pickle=True, **options),
    )


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("foundation"), foreign_model())


@pytest.fixture(scope="module")
def parent(path: Path) -> Foundation:
    return load_foundation(path, trusted=True)


def start(parent: Foundation, chosen: TrainingSettings, **more: Any) -> Start:
    return Start(FRAMES[:4], FRAMES[4:], chosen, parents=(parent,), **more)


def fine_tuned(given: Path | Foundation, chosen: TrainingSettings, folder: Path, **more: Any) -> TrainingResult:
    return MaceEngine().train(FRAMES[:4], FRAMES[4:], chosen, checkpoint_folder=folder, foundation=given, **more)


def changes(first: torch.nn.Module, result: TrainingResult) -> dict[str, torch.Tensor]:
    """What training did to every weight."""
    last: Any = result.potential
    assert last.networks[0].state_dict().keys() == first.state_dict().keys()
    before = dict(first.named_parameters())
    return {name: weight - before[name].detach() for name, weight in last.networks[0].named_parameters()}


@pytest.mark.parametrize("groups", [("radial", "interactions"), ("readouts",), ("species", "products")])
def test_frozen_layers_do_not_move_and_all_others_do(
    parent: Foundation, tmp_path: Path, groups: tuple[str, ...]
) -> None:
    chosen = settings("frozen", encoding="embedding", frozen_layers=groups)
    network = start(parent, chosen).network(1)
    moved = {
        name: bool(change.abs().max() > 0)
        for name, change in changes(network, fine_tuned(parent, chosen, tmp_path)).items()
    }
    assert {layer_group(network, name) for name in moved} >= {"species", "radial", "interactions", "products", None}
    for name, it_moved in moved.items():
        assert it_moved == (layer_group(network, name) not in groups), name


def test_species_that_could_never_part_are_refused(parent: Foundation, tmp_path: Path) -> None:
    chosen = settings("frozen", frozen_layers=["species"])
    with pytest.raises(InputError, match=r"Mn2\+ and Mn3\+ start from the same weights"):
        fine_tuned(parent, chosen, tmp_path)


@pytest.mark.parametrize("whole", [True, False])
def test_low_rank_changes_shared_weights_by_matrices_of_that_rank(
    parent: Foundation, tmp_path: Path, whole: bool
) -> None:
    chosen = settings("low_rank", rank=1, alpha=2.0, train_species=whole)
    network = start(parent, chosen).network(1)
    moved = changes(network, fine_tuned(parent, chosen, tmp_path))
    ranks = []
    for name, module in network.named_modules():
        change = moved.get(f"{name}.weight")
        if change is None or layer_group(network, f"{name}.weight") == "species":
            continue
        if isinstance(module, o3.Linear):
            blocks = torch.split(change, [torch.Size(one.path_shape).numel() for one in module.instructions])
            shapes = [one.path_shape for one in module.instructions]
            ranks += [_rank(block.reshape(shape)) for block, shape in zip(blocks, shapes, strict=True)]
        elif change.dim() == 2:
            ranks.append(_rank(change))
    assert len(ranks) > 10
    assert set(ranks) == {1}
    contractions = [change for name, change in moved.items() if "symmetric_contractions" in name]
    assert all(bool(change.abs().max() > 0) == whole for change in contractions)


def _rank(change: torch.Tensor) -> int:
    values = torch.linalg.svdvals(change)
    return int((values > 1e-9 * max(float(values.max()), 1e-12)).sum())


def test_states_part_even_where_only_adapters_may_change(parent: Foundation, tmp_path: Path) -> None:
    chosen = settings("low_rank", train_species=False, epochs=6).model_copy(update={"learning_rate": 0.05})
    potential = fine_tuned(parent, chosen, tmp_path).potential
    here = FRAMES[0].configuration
    one, other = potential.evaluate([here, FRAMES[1].configuration.moved_to(here.positions)])
    assert abs(one.energy - other.energy) > 1e-5


def test_merged_adapters_are_the_network_that_was_trained(parent: Foundation) -> None:
    chosen = settings("low_rank", rank=2)
    there = start(parent, chosen)
    network = there.network(1)
    n_weights = count_trainable(network)
    assert chosen.fine_tuning is not None
    restrict(network, chosen.fine_tuning, dtype="float64", seed=1)
    assert count_trainable(network) < n_weights
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if "lora_" in name:
                weight.normal_(generator=torch.Generator().manual_seed(len(name)))
    bare = there.bare_potential(1)
    with_adapters = replace(bare, networks=(network,)).evaluate([one.configuration for one in FRAMES], stress=True)
    plain = bare.evaluate([FRAMES[0].configuration])[0]
    merged = replace(bare, networks=(merge_adapters(network),))
    assert merged.networks[0].state_dict().keys() == bare.networks[0].state_dict().keys()
    for one, other in zip(with_adapters, merged.evaluate([f.configuration for f in FRAMES], stress=True), strict=True):
        np.testing.assert_allclose(other.energies, one.energies, rtol=1e-11)
        np.testing.assert_allclose(other.forces, one.forces, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(other.stresses, one.stresses, rtol=1e-9, atol=1e-9)
    assert abs(plain.energy - with_adapters[0].energy) > 1e-3


@pytest.mark.parametrize("mode", ["naive", "frozen", "low_rank"])
def test_restricting_a_network_changes_none_of_its_energies(parent: Foundation, mode: str) -> None:
    chosen = settings(mode)
    bare = start(parent, chosen).bare_potential(1)
    network = start(parent, chosen).network(1)
    assert chosen.fine_tuning is not None
    restrict(network, chosen.fine_tuning, dtype="float64", seed=1)
    here = FRAMES[0].configuration
    (before,), (after,) = bare.evaluate([here]), replace(bare, networks=(network,)).evaluate([here])
    np.testing.assert_allclose(after.energies, before.energies, atol=1e-12)
    np.testing.assert_allclose(after.forces, before.forces, atol=1e-12)


def drift(parent: Foundation, result: TrainingResult, frames: Sequence[Frame]) -> tuple[float, float]:
    """How far energies (eV, but for their zero) and forces (eV/Å) are from the foundation model's."""
    configurations = [one.configuration for one in frames]
    said = start(parent, settings(encoding="none")).bare_potential(1).evaluate(configurations)
    pairs = list(zip(said, result.potential.evaluate(configurations), strict=True))
    forces = float(np.mean([np.abs(one.forces - other.forces).mean() for one, other in pairs]))
    return float(np.std([one.energy - other.energy for one, other in pairs])), forces


def test_replay_keeps_what_the_foundation_said_better_than_naive_training(parent: Foundation, tmp_path: Path) -> None:
    known = [replace(one, configuration=_stretched(one)) for one in toy_frames(4, seed=9)]
    naive = fine_tuned(parent, settings(epochs=8), tmp_path / "naive")
    replayed = fine_tuned(parent, settings("replay", epochs=8, replay_weight=5.0), tmp_path / "replay", replay=known)
    before, after = drift(parent, naive, known), drift(parent, replayed, known)
    assert after[0] < 0.5 * before[0]
    assert after[1] < 0.5 * before[1]
    assert replayed.potential.description.training["n_replay_frames"] == 4  # type: ignore[attr-defined]


def _stretched(frame: Frame) -> Any:
    here = frame.configuration
    return replace(here, positions=1.15 * here.positions, cell=1.15 * here.cell)


def test_replayed_labels_of_their_own_have_a_zero_of_energy_of_their_own(parent: Foundation, tmp_path: Path) -> None:
    chosen = settings("replay", epochs=3, replay_labels="own").model_copy(update={"learning_rate": 1e-3})
    known = toy_frames(4, seed=9)
    far = [replace(one, energy=one.energy - 5000.0) for one in known]
    results = [fine_tuned(parent, chosen, tmp_path / str(i), replay=one) for i, one in enumerate((known, far))]
    for one, other in zip(results[0].history, results[1].history, strict=True):
        assert one["loss_train"] == pytest.approx(other["loss_train"], rel=1e-6)


def test_labels_of_another_functional_are_learned_in_a_second_head(parent: Foundation, tmp_path: Path) -> None:
    known = [replace(one, energy=-one.energy, forces=-one.forces) for one in FRAMES[:4]]
    losses = {}
    for readouts in ("shared", "own"):
        chosen = settings("replay", epochs=20, replay_labels="own", replay_readouts=readouts)
        chosen = chosen.model_copy(update={"learning_rate": 0.03})
        result = fine_tuned(parent, chosen, tmp_path / readouts, replay=known)
        losses[readouts] = result.history[-1]["loss_train"]
    assert losses["own"] < losses["shared"]


def test_second_head_starts_as_the_first_and_shares_all_but_readouts(parent: Foundation) -> None:
    first = start(parent, settings("replay"), replay=FRAMES[:1]).bare_potential(1)
    twin = second_head(first.networks[0])
    here = [FRAMES[0].configuration]
    before = first.evaluate(here)[0].energy
    assert replace(first, networks=(twin,)).evaluate(here)[0].energy == before
    weights = dict(first.networks[0].named_parameters())
    assert {name for name, one in twin.named_parameters() if one is not weights[name]} == {
        name for name in weights if name.startswith("readouts.")
    }
    with torch.no_grad():
        for weight in twin.get_submodule("readouts").parameters():
            weight.zero_()
    assert first.evaluate(here)[0].energy == before


def test_training_with_a_second_head_goes_on_where_it_was_stopped(parent: Foundation, tmp_path: Path) -> None:
    chosen = settings("replay", epochs=4, replay_readouts="own")
    unbroken = fine_tuned(parent, chosen, tmp_path / "unbroken", replay=FRAMES[:2])

    def stop(entry: dict[str, Any]) -> None:
        if entry["epoch"] == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fine_tuned(parent, chosen, tmp_path / "broken", replay=FRAMES[:2], on_epoch=stop)
    restarted = fine_tuned(parent, chosen, tmp_path / "broken", replay=FRAMES[:2])
    assert restarted.history == unbroken.history


def test_architecture_that_is_not_the_foundations_is_told_of(parent: Foundation, tmp_path: Path) -> None:
    events: list[dict[str, Any]] = []
    own = parent.description.architecture.r_max
    chosen = settings(epochs=1).model_copy(update={"architecture": {"num_channels": 77, "r_max": own}})
    fine_tuned(parent, chosen, tmp_path, on_event=events.append)
    (event,) = events
    assert event["message"] == (
        "The architecture is the foundation model's; num_channels: 77 of the settings is not used."
    )


def test_replayed_element_that_is_not_trained_on_keeps_its_reference_energy(parent: Foundation) -> None:
    here = toy_frames(1)[0]
    lithium = replace(
        here.configuration, numbers=np.array([3, 3, 8, 15]), oxidation_states=np.array([1, 1, -2, 5]), spins=None
    )
    known = replace(
        here, configuration=lithium, redox_sites=(), eigenvalues=(), confidences=np.zeros(0), total_charge=5
    )
    there = start(parent, settings("replay"), replay=[known])
    energies = dict(
        zip([one.label for one in there.encoding.model_species], there.description.reference_energies, strict=True)
    )
    assert (energies["Li+"], energies["P5+"]) == pytest.approx((-1.9, -5.3))
    assert energies["Mn2+"] < -100


def stored(parent: Foundation, folder: Path) -> Path:
    """A committee of two that differ, as if trained."""
    there = start(parent, settings())
    networks = (there.network(1), there.network(2))
    with torch.no_grad():
        for weight in networks[1].parameters():
            weight.mul_(1.1)
    replace(there.bare_potential(1), networks=networks, seeds=(1, 2)).save(folder)
    return folder


def test_members_of_a_stored_committee_are_parents_in_turn(parent: Foundation, tmp_path: Path) -> None:
    folder = stored(parent, tmp_path / "model")
    chosen = TrainingSettings(seeds=(4, 5), max_epochs=1, device="cpu", learning_rate=1e-14, fine_tuning=FineTuning())
    result = fine_tuned(folder, chosen, tmp_path / "both")
    here = FRAMES[5].configuration
    (before,), (after,) = MaceEngine().load(folder).evaluate([here]), result.potential.evaluate([here])
    np.testing.assert_allclose(after.forces, before.forces, atol=1e-9)
    alone = fine_tuned(folder, chosen.model_copy(update={"seeds": (5,)}), tmp_path / "alone").potential
    np.testing.assert_array_equal(alone.evaluate([here])[0].energies, after.energies[1:])


def test_models_that_cannot_be_started_from_are_refused(parent: Foundation, tmp_path: Path) -> None:
    folder = stored(parent, tmp_path / "model")
    plain = settings().model_copy(update={"fine_tuning": FineTuning()})
    text = (folder / "model.json").read_text()
    (folder / "model.json").write_text(json.dumps({**json.loads(text), "engine": "deepmd"}))
    with pytest.raises(InputError, match="holds a model of the engine 'deepmd'"):
        fine_tuned(folder, plain, tmp_path)
    (folder / "model.json").write_text(text.replace('"shift": ', '"shift": 1'))
    with pytest.raises(ModelIntegrityError, match="was changed after it was saved"):
        fine_tuned(folder, plain, tmp_path)
    (folder / "model.json").unlink()
    with pytest.raises(InputError, match=r"holds no model\.json"):
        fine_tuned(folder, plain, tmp_path)
    with pytest.raises(InputError, match="There is no model file"):
        fine_tuned(tmp_path / "none.model", settings(), tmp_path)


def test_name_that_cannot_be_fetched_is_told_in_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(name: str) -> str:
        raise OSError("<urlopen error [Errno -3] Temporary failure in name resolution>")

    monkeypatch.setattr("aiida_redoxmlp.engines.mace.parents.download_mace_mp_checkpoint", no_network)
    for name, message in (
        ("medium-mpa-0", r"'medium-mpa-0' is not on this machine and cannot be fetched .*https://"),
        ("tiny", "knows no foundation model 'tiny'; it knows small, medium"),
    ):
        chosen = settings(foundation_name=name)
        with pytest.raises(InputError, match=message):
            MaceEngine().train(FRAMES[:4], FRAMES[4:], chosen, checkpoint_folder=tmp_path)


def test_name_is_fetched_on_the_jobs_side_only(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(
        "aiida_redoxmlp.engines.mace.parents.download_mace_mp_checkpoint", lambda name: asked.append(name) or str(path)
    )
    chosen = settings(foundation_name="medium-mpa-0", epochs=1)
    assert asked == []
    MaceEngine().train(FRAMES[:4], FRAMES[4:], chosen, checkpoint_folder=tmp_path)
    assert asked == ["medium-mpa-0"]


def test_up_and_down_leave_the_point_where_no_gradient_parts_them(parent: Foundation, tmp_path: Path) -> None:
    frames = toy_frames(6, exchange=0.1)
    here = frames[0].configuration
    orders = [replace(here, spins=np.array(spins)) for spins in ([5, 4, 0, 0], [5, -4, 0, 0])]
    chosen = settings(encoding="species+spin", epochs=1).model_copy(update={"learning_rate": 1e-14})
    there = Start(frames[:4], frames[4:], chosen, parents=(parent,))
    same = there.bare_potential(1).evaluate(orders)
    assert same[0].energy == pytest.approx(same[1].energy, abs=1e-12)
    network = there.network(1)
    first = {name: weight.detach().clone() for name, weight in network.named_parameters()}
    part_directions(network, there.encoding, seed=1)
    moved = {name for name, weight in network.named_parameters() if not torch.equal(weight, first[name])}
    assert moved
    assert {layer_group(network, name) for name in moved} == {"species"}
    one, other = replace(there.bare_potential(1), networks=(network,)).evaluate(orders)
    assert abs(one.energy - other.energy) > 1e-3
    apart = {name: weight.detach().clone() for name, weight in network.named_parameters()}
    part_directions(network, there.encoding, seed=2)
    assert all(torch.equal(weight, apart[name]) for name, weight in network.named_parameters())


def test_directions_that_could_never_part_are_refused(parent: Foundation, tmp_path: Path) -> None:
    chosen = settings("frozen", encoding="embedding+spin", frozen_layers=["species"])
    with pytest.raises(InputError, match=r"Mn2\+ with spin [+-]\d and Mn\d\+ with spin [+-]\d start from the same"):
        fine_tuned(parent, chosen, tmp_path)
