from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import CliRunner

from aiida_redoxmlp.cli import root
from aiida_redoxmlp.cli.occupations import EXIT_INCOMPLETE, occupations
from aiida_redoxmlp.errors import ClosureError, InputError
from aiida_redoxmlp.redox import trajectory_file

CHECKOUT = Path(__file__).parents[2]
_BLOCKS = re.compile(r" +-+ ATOM    1 -+\n(.*?) +-+ ATOM    2 -+\n(.*?\n)(?=\n)", re.DOTALL)
FIXTURES = CHECKOUT / "tests" / "fixtures" / "pw"
MD = FIXTURES / "md" / "pw.out"
GUIDE = CHECKOUT / "docs" / "how-to" / "occupations.md"


def _run(*arguments):
    return CliRunner().invoke(occupations, [str(one) for one in arguments])


def _written(folder, *names, source=MD):
    arguments = [word for name in names for word in ("-o", folder / name)]
    result = _run(source, *arguments)
    assert result.exit_code == 0, result.output
    return result


def _without_line_ends(text):
    return text.replace("\n", " ")


def test_arrays_are_what_the_json_says(tmp_path):
    _written(tmp_path, "md.npz")
    steps = json.loads(_run(MD, "--json").stdout)["steps"]
    with np.load(tmp_path / "md.npz", allow_pickle=False) as arrays:
        assert arrays["steps"].tolist() == [step["step"] for step in steps]
        assert arrays["states"].tolist() == [step["states"] for step in steps]
        assert arrays["naive_states"].tolist() == [step["naive_states"] for step in steps]
        assert arrays["confidences"].tolist() == [step["confidence"] for step in steps]
        assert arrays["eigenvalues"].tolist() == [step["eigenvalues"] for step in steps]
        assert arrays["energies_ev"].tolist() == [step["energy_ev"] for step in steps]
        assert arrays["temperatures_k"].tolist() == [step["temperature_k"] for step in steps]
        assert arrays["ambiguous"].tolist() == [step["ambiguous"] for step in steps]
        assert arrays["symbols"].tolist() == ["Mn", "Mn"]
        assert arrays["total_charge"] == 0
        assert arrays["complete"]


@pytest.mark.parametrize("name", ["md.h5", "md.hdf5"])
def test_hdf5_holds_the_same_arrays_with_units(tmp_path, name):
    _written(tmp_path, name, "md.npz")
    with np.load(tmp_path / "md.npz") as arrays, h5py.File(tmp_path / name) as file:
        assert file.attrs["total_charge"] == 0
        assert set(file) == set(arrays) - {"source", "total_charge", "complete"}
        for key, dataset in file.items():
            values = dataset.asstr()[...] if key == "symbols" else dataset[...]
            assert values.tolist() == arrays[key].tolist()
            assert dataset.attrs["meaning"]
        assert file["energies_ev"].attrs["unit"] == "eV"
        assert file["temperatures_k"].attrs["unit"] == "K"


def test_the_guide_names_every_array(tmp_path):
    _written(tmp_path, "md.npz")
    described = set(re.findall(r"`(\w+)`", GUIDE.read_text(encoding="utf-8")))
    with np.load(tmp_path / "md.npz") as arrays:
        assert described >= {*arrays, "times_fs", "conserved_ev"}


def test_switches_and_hops_are_in_every_file(tmp_path):
    source = tmp_path / "pw.out"
    source.write_text(_with_the_sites_exchanged(MD.read_text()))
    result = _written(tmp_path, "md.npz", "md.json", source=source)
    assert "Switched between steps 3 and 4: Mn 1 +2 → +3, Mn 2 +3 → +2." in _without_line_ends(result.stdout)
    document = json.loads((tmp_path / "md.json").read_text())
    assert [switch["site"] for switch in document["switches"]] == [0, 1]
    assert document["switches"][0]["temperature_k"] == pytest.approx((828.09 + 1077.03) / 2, abs=0.01)
    (hop,) = document["electron_hops"]
    assert (hop["from_site"], hop["to_site"], hop["last_step_before"], hop["first_step_after"]) == (0, 1, 2, 3)
    with np.load(tmp_path / "md.npz") as arrays:
        assert arrays["switch_sites"].tolist() == [0, 1]
        assert arrays["switch_before"].tolist() == [2, 3]
        assert np.isnan(arrays["switch_times_fs"]).all() == ("times_fs" not in arrays)
        assert (arrays["hop_from_sites"], arrays["hop_to_sites"]) == ([0], [1])


def test_the_json_file_is_what_is_printed(tmp_path):
    _written(tmp_path, "md.json")
    assert (tmp_path / "md.json").read_text() == _run(MD, "--json").stdout


@pytest.mark.parametrize(("suffix", "magic"), [("png", b"\x89PNG"), ("pdf", b"%PDF"), ("svg", b"<?xml")])
def test_plots_are_of_their_format(tmp_path, suffix, magic):
    _written(tmp_path, f"md.{suffix}")
    content = (tmp_path / f"md.{suffix}").read_bytes()
    assert content.startswith(magic)
    assert len(content) > 5_000


@pytest.mark.parametrize(
    "source",
    [
        "scf_afm/pw.out",
        "scf_fm/data-file-schema.xml",
        "mno_relax_afm_6.7/pw.out",
        "mno_md_6.7/pw.out",
        "mno_relax_7.2/pw.out",
        "mno_vc_relax_7.2/pw.out",
        "mno_unpolarised_7.2/pw.out",
        "mno_hubbard_v_6.7/pw.out",
    ],
)
def test_every_kind_of_run_can_be_written(tmp_path, source):
    _written(tmp_path, "run.npz", "run.h5", "run.png", "run.json", source=FIXTURES / source)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run.h5", "run.json", "run.npz", "run.png"]


def test_instead_of_the_table_there_is_a_summary(tmp_path):
    result = _written(tmp_path, "md.npz")
    assert "eigenvalues" not in result.stdout
    assert result.stdout.splitlines()[:2] == [
        "Ionic steps: 8, ambiguous: 2, total charge: +0.",
        "No site switched.",
    ]
    assert f"Written: {tmp_path / 'md.npz'}" in result.stdout


def test_json_can_be_printed_and_files_written_at_once(tmp_path):
    result = _run(MD, "--json", "-o", tmp_path / "md.npz")
    assert len(json.loads(result.stdout)["steps"]) == 8
    assert (tmp_path / "md.npz").exists()


def test_of_an_output_that_is_cut_the_whole_steps_are_written(tmp_path):
    text = MD.read_text()
    source = tmp_path / "pw.out"
    source.write_text(text[: text.index("Entering Dynamics:    iteration =     4")])
    result = _run(source, "-o", tmp_path / "md.npz", "-o", tmp_path / "md.png")
    assert result.exit_code == EXIT_INCOMPLETE
    with np.load(tmp_path / "md.npz") as arrays:
        assert arrays["steps"].tolist() == [0, 1, 2]
        assert not arrays["complete"]


def test_without_a_whole_step_nothing_is_drawn(tmp_path):
    text = MD.read_text()
    source = tmp_path / "pw.out"
    source.write_text(text[: text.index("!    total energy")])
    result = _run(source, "-o", tmp_path / "md.png", "-o", tmp_path / "md.json")
    assert result.exit_code == EXIT_INCOMPLETE
    assert "md.png is not written, since no ionic step is whole" in result.stderr
    assert json.loads((tmp_path / "md.json").read_text())["steps"] == []
    assert not (tmp_path / "md.png").exists()


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["md.xyz"], "md.xyz has an ending that says no format; let it end with .npz, .h5,"),
        (["md"], "says no format"),
        (["nowhere/md.npz"], "name a file in a folder that exists"),
        (["md.npz", "md.npz"], "named twice"),
        (["source.json"], "is the file that is read"),
    ],
)
def test_files_that_cannot_be_written_are_refused_before_reading(tmp_path, names, message):
    source = tmp_path / "source.json"
    source.write_text("no output of pw.x, which reading would find")
    result = _run(source, *[word for name in names for word in ("-o", tmp_path / name)])
    assert isinstance(result.exception, InputError)
    assert message in str(result.exception)
    assert [path.name for path in tmp_path.iterdir()] == ["source.json"]


def test_a_known_ending_may_be_in_capitals(tmp_path):
    _written(tmp_path, "MD.NPZ")
    assert (tmp_path / "MD.NPZ").exists()


def test_without_h5py_the_way_out_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(trajectory_file, "find_spec", lambda name: None)
    caught = _run(MD, "-o", tmp_path / "md.h5").exception
    assert isinstance(caught, InputError)
    assert "pip install 'aiida-redoxmlp[hdf5]'" in str(caught)


def test_wrong_input_leaves_no_file_and_keeps_the_one_that_was_there(tmp_path):
    (tmp_path / "md.json").write_text("mine")
    result = _run(MD, "--charge", "20", "-o", tmp_path / "md.json", "-o", tmp_path / "md.npz")
    assert isinstance(result.exception, ClosureError)
    assert [path.name for path in tmp_path.iterdir()] == ["md.json"]
    assert (tmp_path / "md.json").read_text() == "mine"


def test_an_unknown_ending_is_one_sentence_and_exit_code_2(tmp_path):
    result = CliRunner().invoke(root, ["occupations", str(MD), "-o", str(tmp_path / "md.xyz")])
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: ")
    assert len(result.stderr.splitlines()) == 1


def test_drawing_is_imported_only_for_plots(tmp_path):
    code = (
        "import sys; from click.testing import CliRunner; from aiida_redoxmlp.cli.occupations import occupations; "
        "CliRunner().invoke(occupations, sys.argv[1:]); sys.exit('matplotlib' in sys.modules or 'aiida' in sys.modules)"
    )
    command = [sys.executable, "-c", code, MD, "-o", tmp_path / "md.npz"]
    assert subprocess.run(command, check=False).returncode == 0
    assert (tmp_path / "md.npz").exists()


def _with_the_sites_exchanged(text):
    """The first six steps of the run, in the last three of them with the occupations of the two Mn exchanged."""
    starts = [found.start() for found in re.finditer("Self-consistent Calculation", text)]
    end = text.rindex("Writing all to output data dir")
    return text[: starts[3]] + _BLOCKS.sub(_exchanged, text[starts[3] : starts[6]]) + text[end:]


def _exchanged(block):
    first, second = block.groups()
    return "".join(
        f"     ------------------------ ATOM    {number} ------------------------\n"
        + re.sub(r"(ns\(|atom)( +)\d", rf"\g<1>\g<2>{number}", body)
        for number, body in ((1, second), (2, first))
    )
