"""The private profile: made once, found again, and never mixed with another place's."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import pytest
from aiida import orm
from profile_steps.computers import ensure_code, ensure_computer, render
from profile_steps.family import ensure_family
from steps.checkout import Checkout
from steps.progress import ALREADY_THERE, DONE, StepError

CHECKOUT = Checkout.of_this_file()
LOCALHOST = CHECKOUT.setup_profiles / "localhost"
CUTOFFS = CHECKOUT.recipes / "cutoffs.json"


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """Something that can stand for pw.x where it is not run."""
    path = tmp_path / "pw.x"
    path.touch(mode=0o755)
    return path


@pytest.fixture
def pseudopotentials(tmp_path: Path) -> Path:
    """Files with the header of every element, enough for a family."""
    folder = tmp_path / "pseudopotentials"
    folder.mkdir()
    for element in ("Co", "Li", "Mn", "Ni", "O", "P"):
        header = f'<UPF version="2.0.1">\n<PP_HEADER\nelement="{element}"\nz_valence="6.0"\n/>\n</UPF>\n'
        (folder / f"{element}.redoxmlp-demo.pbesol.UPF").write_text(header, encoding="utf-8")
    return folder


def _pw_setup(program: Path, **changes: Any) -> dict[str, Any]:
    values = {"pw_executable": program, "with_mpi": "false"}
    return {**render(LOCALHOST / "code-pw.yaml", values), **changes}


@pytest.fixture
def computer(aiida_profile_clean: Any, tmp_path: Path) -> orm.Computer:
    setup = render(LOCALHOST / "computer.yaml", {"work_dir": str(tmp_path / "work")})
    configure = render(LOCALHOST / "computer-configure.yaml", {})
    assert ensure_computer(setup, configure) == DONE
    assert ensure_computer(setup, configure) == ALREADY_THERE
    return orm.load_computer("localhost")


def test_localhost_starts_jobs_without_waiting_and_looks_at_them_now_and_then(computer: orm.Computer) -> None:
    assert computer.scheduler_type == "core.direct"
    assert 1 <= computer.get_minimum_job_poll_interval() <= 5
    assert computer.get_authinfo(orm.User.collection.get_default()).get_auth_params() == {
        "use_login_shell": False,
        "safe_interval": 0.0,
    }


def test_a_code_is_made_once(computer: orm.Computer, program: Path) -> None:
    assert ensure_code(_pw_setup(program)) == DONE
    assert ensure_code(_pw_setup(program)) == ALREADY_THERE
    code = orm.load_code("pw@localhost")
    assert (str(code.filepath_executable), code.with_mpi) == (str(program), False)
    assert code.default_calc_job_plugin == "quantumespresso.pw"


def test_another_program_takes_the_label_and_the_former_code_keeps_its_data(
    computer: orm.Computer, program: Path
) -> None:
    ensure_code(_pw_setup(program))
    former = orm.load_code("pw@localhost")
    other = program.with_name("other-pw.x")
    other.touch(mode=0o755)
    assert ensure_code(_pw_setup(other)) == DONE
    assert str(orm.load_code("pw@localhost").filepath_executable) == str(other)
    assert orm.load_node(former.pk).is_hidden
    assert str(orm.load_node(former.pk).filepath_executable) == str(program)


def test_a_code_without_program_is_refused(computer: orm.Computer, tmp_path: Path) -> None:
    with pytest.raises(StepError, match=r"absent-pw\.x of the code pw is not there"):
        ensure_code(_pw_setup(tmp_path / "absent-pw.x"))


def test_family_brings_the_recommended_cutoffs(aiida_profile_clean: Any, pseudopotentials: Path) -> None:
    assert ensure_family(CUTOFFS, pseudopotentials) == DONE
    assert ensure_family(CUTOFFS, pseudopotentials) == ALREADY_THERE
    family = orm.load_group("redoxmlp-demo/PBEsol")
    assert family.get_cutoffs_unit() == "Ry"
    assert family.get_recommended_cutoffs(elements=("Mn", "O"), unit="Ry") == (43.0, 316.0)
    assert family.get_recommended_cutoffs(elements=("Mn", "O"), stringency="demo", unit="Ry") == (30.0, 180.0)


def test_family_with_other_files_is_not_mixed(aiida_profile_clean: Any, pseudopotentials: Path) -> None:
    ensure_family(CUTOFFS, pseudopotentials)
    changed = pseudopotentials / "Mn.redoxmlp-demo.pbesol.UPF"
    changed.write_text(changed.read_text(encoding="utf-8") + "<!-- other -->\n", encoding="utf-8")
    with pytest.raises(StepError, match="differ") as failure:
        ensure_family(CUTOFFS, pseudopotentials)
    assert "verdi group delete" in failure.value.remedy


class Bootstrap:
    """Runs aiida_profile.py on an AIIDA_PATH of its own."""

    def __init__(self, aiida_path: Path, pw: Path) -> None:
        aiida_path.mkdir()
        self._pw = pw
        environment = {name: value for name, value in os.environ.items() if name != "SLURM_CONF"}
        path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
        self.environment = {**environment, "AIIDA_PATH": str(aiida_path), "PATH": path}

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        program = CHECKOUT.setup_profiles / "aiida_profile.py"
        return subprocess.run(
            [sys.executable, program, *arguments, f"--pw={self._pw}"],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def bootstrap(tmp_path: Path, program: Path) -> Iterator[Bootstrap]:
    run = Bootstrap(tmp_path / ".aiida", program)
    yield run
    run("stop")


@pytest.mark.daemon
def test_profile_and_daemon_are_there_after_setup_and_found_again(bootstrap: Bootstrap, tmp_path: Path) -> None:
    first = bootstrap("setup")
    assert first.returncode == 0, first.stdout + first.stderr
    assert first.stderr == ""
    assert "running, process" in bootstrap("status").stdout
    (database,) = (tmp_path / ".aiida").rglob("database.sqlite")
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    second = bootstrap("setup")
    outcomes = [line.rsplit("… ", 1)[1] for line in second.stdout.splitlines() if "family" not in line]
    assert outcomes == [ALREADY_THERE] * 3
    assert bootstrap("stop").returncode == 0
    assert bootstrap("status").stdout == "not running\n"


@pytest.mark.daemon
def test_a_daemon_that_was_killed_comes_back_with_a_worker_that_knows_its_broker(
    bootstrap: Bootstrap, tmp_path: Path
) -> None:
    bootstrap("setup")
    daemon = psutil.Process(int(bootstrap("status").stdout.split()[-1]))
    for process in (daemon, *daemon.children(recursive=True)):
        process.kill()
    again = bootstrap("setup")
    assert again.returncode == 0, again.stdout + again.stderr
    (status,) = (tmp_path / ".aiida" / "broker").glob("*/broker.status")
    deadline = time.monotonic() + 60
    while not json.loads(status.read_text() or "{}").get("task_subscribers"):
        assert time.monotonic() < deadline, status.read_text()
        time.sleep(0.5)


@pytest.mark.daemon
def test_a_copied_profile_is_refused_instead_of_writing_into_the_original(
    bootstrap: Bootstrap, tmp_path: Path, program: Path
) -> None:
    bootstrap("setup")
    bootstrap("stop")
    copy = Bootstrap(tmp_path / "elsewhere", program)
    (tmp_path / "elsewhere" / ".aiida").mkdir()
    (tmp_path / "elsewhere" / ".aiida" / "config.json").write_bytes((tmp_path / ".aiida" / "config.json").read_bytes())
    copy.environment["AIIDA_PATH"] = str(tmp_path / "elsewhere" / ".aiida")
    refused = copy("setup")
    assert refused.returncode == 1
    assert "copied or moved" in refused.stderr
