"""The private AiiDA profile: SQLite and the ZeroMQ broker, no service needed."""

from __future__ import annotations

import logging
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from aiida.manage.configuration import create_profile, get_config, load_profile
from aiida.plugins import BrokerFactory
from steps.progress import ALREADY_THERE, DONE, StepError

__all__ = ("OPTIONS", "ensure_profile")

# Jobs of a demonstration take seconds, and everything on a private profile may be reused.
OPTIONS: dict[str, Any] = {
    "runner.poll.interval": 1,
    "daemon.default_workers": 1,
    "daemon.timeout": 30,
    "daemon.worker_process_slots": 200,
    # A scheduler that does not answer is asked again after 5, 10, 20, … s: for 21 minutes, instead of 75 s.
    "transport.task_retry_initial_interval": 5,
    "transport.task_maximum_attempts": 9,
    "caching.default_enabled": True,
    "warnings.showdeprecations": False,
    "warnings.development_version": False,
}


def ensure_profile(name: str, aiida_path: Path) -> str:
    """Create the profile, or load the one that is there.

    Args:
        name: name of the profile.
        aiida_path: AiiDA's configuration folder, the value of ``AIIDA_PATH``.

    Raises:
        StepError: when the profile belongs to another place or cannot be opened.
    """
    logging.disable(logging.WARNING - 1)  # AiiDA reports its migrations in the middle of progress lines
    config = get_config(create=True)
    if Path(config.dirpath).resolve() != aiida_path.resolve():
        raise StepError(
            f"AiiDA uses {config.dirpath} instead of this checkout's {aiida_path}.",
            "unset AIIDA_PATH, then start this program through setup_profiles/bootstrap.py",
        )
    outcome = ALREADY_THERE
    if name not in config.profile_names:
        broker = "core.zeromq"
        create_profile(
            config,
            name=name,
            email="redoxmlp@localhost",
            storage_backend="core.sqlite_dos",
            storage_config={},
            broker_backend=broker,
            broker_config=BrokerFactory(broker).get_default_config(),
        )
        config.set_default_profile(name, overwrite=True)
        outcome = DONE
    storage = Path(config.get_profile(name).storage_config["filepath"])
    if aiida_path.resolve() not in storage.resolve().parents:
        raise StepError(
            f"The profile {name} keeps its data in {storage}, so this checkout was copied or moved.",
            f"move it back, or remove {aiida_path} to start with an empty profile",
        )
    for option, value in OPTIONS.items():
        if config.get_option(option, scope=name) != value:
            config.set_option(option, value, scope=name)
    config.store()
    try:
        load_profile(name, allow_switch=True).storage_cls.migrate(config.get_profile(name))
    except Exception as error:
        raise StepError(
            f"The AiiDA profile {name} cannot be opened: {error}.",
            "stop every program that uses it (`make stop`) and run this again",
        ) from error
    _write_ahead(storage)
    return outcome


def _write_ahead(storage: Path) -> None:
    """Have SQLite append what it commits to a log: one flush to the disk a commit instead of several.

    The database remembers it. Where another program uses the database just now, it stays as it is until next time.
    """
    for database in storage.glob("*.sqlite"):
        with closing(sqlite3.connect(database)) as connection, suppress(sqlite3.OperationalError):
            connection.execute("PRAGMA journal_mode = WAL")
