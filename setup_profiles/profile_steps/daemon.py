"""The daemon of the private profile."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
from aiida.brokers.zeromq.service import ZeromqBrokerService
from aiida.engine.daemon.client import DaemonClient, DaemonException, get_daemon_client
from aiida.manage.configuration import get_config
from steps.progress import ALREADY_THERE, DONE, StepError

__all__ = ("describe_daemon", "ensure_daemon", "stop_daemon")

_WORKERS = 1  # SQLite takes one writer at a time
_STOP_SECONDS = 60


def ensure_daemon(profile: str, package: Path) -> str:
    """Start the daemon; one that runs older code or does not know the one-machine SLURM is started again.

    Args:
        profile: name of the profile.
        package: folder of the package's source.

    Raises:
        StepError: when the daemon does not start.
    """
    client = get_daemon_client(profile)
    outcome = DONE
    process = _process(client)
    if process is not None:
        reason = _reason_to_restart(process, package)
        if reason is None:
            return ALREADY_THERE
        stop_daemon(profile)
        outcome = f"started again, {reason}"
    _forget_broker(profile)
    try:
        client.start_daemon(_WORKERS)
        client.get_numprocesses()
    except DaemonException as error:
        raise StepError(
            f"The AiiDA daemon did not start: {error}.",
            f"see {client.daemon_log_file}; `verdi status` (after `bootstrap.py env`) tells what is missing",
        ) from error
    return outcome


def _forget_broker(profile: str) -> None:
    """Remove the address that a broker which was killed has left: a worker that reads it waits there for ever."""
    config = get_config()
    folder = config.filepaths(config.get_profile(profile))["broker_service"]["dir"]
    ZeromqBrokerService.FilepathLayout(folder).sockets_file.unlink(missing_ok=True)


def stop_daemon(profile: str) -> None:
    """Stop the daemon, if it runs; processes go on where they were when it starts again.

    Raises:
        StepError: when the daemon does not answer.
    """
    client = get_daemon_client(profile)
    if _process(client) is None:
        return
    try:
        client.stop_daemon(wait=True, timeout=_STOP_SECONDS)
    except DaemonException as error:
        raise StepError(
            f"The AiiDA daemon could not be stopped: {error}.",
            f"see {client.circus_log_file}, then try once more",
        ) from error


def describe_daemon(profile: str) -> str:
    """One line for ``status``."""
    process = _process(get_daemon_client(profile))
    return "not running" if process is None else f"running, process {process.pid}"


def _process(client: DaemonClient) -> psutil.Process | None:
    """The daemon's main process, or None; a number left by a machine that went down does not count."""
    number = client.get_daemon_pid()
    if number is None:
        return None
    try:
        process = psutil.Process(number)
        return process if "start-circus" in process.cmdline() else None
    except psutil.Error:
        return None


def _reason_to_restart(process: psutil.Process, package: Path) -> str | None:
    wanted = os.environ.get("SLURM_CONF")
    if process.environ().get("SLURM_CONF") != wanted:
        return "now with the one-machine SLURM" if wanted else "now without the one-machine SLURM"
    # Path.rglob does not enter the symbolic link of the work chains.
    roots = (package, (package / "workchains").resolve())
    newest = max(source.stat().st_mtime for root in roots for source in root.rglob("*.py"))
    return "the package's code is newer" if newest > process.create_time() else None
