from __future__ import annotations

import os
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aiida_redoxmlp.dataset.file import SCHEMA_VERSION, read_dataset, write_dataset
from aiida_redoxmlp.dataset.frame import Frame
from aiida_redoxmlp.errors import InputError, OutputFormatError
from aiida_redoxmlp.redox.configuration import Configuration
from aiida_redoxmlp.testing import toy_frames


@st.composite
def frames(draw: st.DrawFn) -> Frame:
    """A frame of any size and shape a plane-wave code could give, numbers down to the last digit."""
    n_atoms = draw(st.integers(1, 6))
    sites = tuple(sorted(draw(st.sets(st.integers(0, n_atoms - 1)))))
    orbital = draw(st.sampled_from([2, 3]))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    text = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=12)
    return Frame(
        configuration=Configuration(
            random.integers(1, 100, n_atoms),
            random.normal(size=(n_atoms, 3)),
            random.normal(size=(3, 3)),
            random.integers(-3, 5, n_atoms),
        ),
        energy=draw(st.floats(-1e6, 1e6)),
        forces=random.normal(size=(n_atoms, 3)),
        stress=random.normal(size=(3, 3)) if draw(st.booleans()) else None,
        redox_sites=sites,
        eigenvalues=tuple(random.uniform(size=(2, 2 * orbital + 1)) for _ in sites),
        confidences=random.uniform(size=len(sites)),
        margin=draw(st.floats(0, allow_infinity=True, allow_nan=False)),
        naive_closed=draw(st.booleans()),
        ambiguous=draw(st.booleans()),
        total_charge=draw(st.integers(-4, 4)),
        group=draw(text),
        step=draw(st.integers(0, 10_000)),
        source=draw(text),
    )


def assert_same(one: Frame, other: Frame) -> None:
    for field in fields(Configuration):
        left, right = getattr(one.configuration, field.name), getattr(other.configuration, field.name)
        np.testing.assert_array_equal(left, right, strict=True)
    for name in ("forces", "confidences"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), strict=True)
    assert (one.stress is None) == (other.stress is None)
    if one.stress is not None:
        np.testing.assert_array_equal(one.stress, other.stress, strict=True)
    assert len(one.eigenvalues) == len(other.eigenvalues)
    for left, right in zip(one.eigenvalues, other.eigenvalues, strict=True):
        np.testing.assert_array_equal(left, right, strict=True)
    arrays = ("configuration", "forces", "stress", "eigenvalues", "confidences")
    for field in fields(Frame):
        if field.name not in arrays:
            left, right = getattr(one, field.name), getattr(other, field.name)
            assert left == right
            assert type(left) is type(right)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(frames(), max_size=4))
def test_round_trip_keeps_every_digit(tmp_path: Path, written: list[Frame]) -> None:
    write_dataset(tmp_path / "dataset.npz", written)
    read = read_dataset(tmp_path / "dataset.npz")
    assert len(read) == len(written)
    for one, other in zip(written, read, strict=True):
        assert_same(one, other)
        assert one.content_hash == other.content_hash


def test_same_frames_give_the_same_bytes_at_any_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = toy_frames(5)
    write_dataset(tmp_path / "one.npz", written)
    monkeypatch.setattr("time.time", lambda: 2e9)
    monkeypatch.setattr("time.localtime", lambda *_: (2033, 5, 18, 3, 33, 20, 2, 138, 0))
    write_dataset(tmp_path / "two.npz", read_dataset(tmp_path / "one.npz"))
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()


def test_plain_numpy_reads_the_file(tmp_path: Path) -> None:
    write_dataset(tmp_path / "dataset.npz", toy_frames(3))
    with np.load(tmp_path / "dataset.npz") as archive:
        assert archive["n_atoms"].tolist() == [4, 4, 4]
        assert archive["forces"].shape == (12, 3)
        assert int(archive["schema_version"]) == SCHEMA_VERSION


def test_many_frames_are_one_small_file(tmp_path: Path) -> None:
    frames = toy_frames(1) * 1000
    write_dataset(tmp_path / "dataset.npz", frames)
    assert [path.name for path in tmp_path.iterdir()] == ["dataset.npz"]
    assert (tmp_path / "dataset.npz").stat().st_size < 1000 * 4 * 3 * 8


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_cut_file_is_refused(tmp_path: Path, share: float) -> None:
    path = tmp_path / "dataset.npz"
    write_dataset(path, toy_frames(3))
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(OutputFormatError, match=r"dataset\.npz is damaged or no dataset file"):
        read_dataset(path)


def test_every_damaged_byte_of_the_data_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "dataset.npz"
    write_dataset(path, toy_frames(1))
    content = path.read_bytes()
    start = content.index(b"forces.npy") + len(b"forces.npy") + 20
    for place in range(start, start + 60, 7):
        path.write_bytes(content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :])
        with pytest.raises(OutputFormatError):
            read_dataset(path)


def test_file_that_is_no_dataset_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", a=np.arange(3))
    (tmp_path / "text.npz").write_text("energy forces")
    np.save(tmp_path / "array.npy", np.arange(3))
    for name in ("other.npz", "text.npz", "array.npy"):
        with pytest.raises(OutputFormatError, match=name):
            read_dataset(tmp_path / name)


def test_arrays_that_do_not_fit_together_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "dataset.npz"
    write_dataset(path, toy_frames(2))
    with np.load(path) as archive:
        arrays = dict(archive)
    for name, wrong in (
        ("n_atoms", np.array([4, 5])),
        ("energies", np.array([1.0])),
        ("n_redox_sites", np.array([2, 1])),
    ):
        np.savez(path, **{**arrays, name: wrong})
        with pytest.raises(OutputFormatError, match="lengths disagree"):
            read_dataset(path)


def test_pickles_are_never_opened(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.system, (f"touch {tmp_path / 'exploded'}",)

    path = tmp_path / "dataset.npz"
    np.savez(path, schema_version=np.array(1), groups=np.array([Bomb()], dtype=object))
    with pytest.raises(OutputFormatError):
        read_dataset(path)
    assert not (tmp_path / "exploded").exists()


def test_missing_file_and_newer_schema_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"There is no dataset file .*missing\.npz"):
        read_dataset(tmp_path / "missing.npz")
    np.savez(tmp_path / "newer.npz", schema_version=np.array(99))
    with pytest.raises(InputError, match=r"schema version 99.*update aiida-redoxmlp"):
        read_dataset(tmp_path / "newer.npz")


def test_frames_of_different_cells_share_a_file(tmp_path: Path) -> None:
    small = toy_frames(1)[0]
    stressed = replace(small, stress=np.diag([0.1, 0.2, 0.3]), group="other")
    write_dataset(tmp_path / "dataset.npz", [small, stressed, small])
    read = read_dataset(tmp_path / "dataset.npz")
    assert [frame.stress is None for frame in read] == [True, False, True]
    assert [frame.group for frame in read] == ["toy", "other", "toy"]
