"""Signals that tell a job to stop, as schedulers send them before they kill a job."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ("STOP_SIGNALS", "StopRequest", "watch_for_stop")

STOP_SIGNALS = (signal.SIGTERM, signal.SIGUSR1)
"""SLURM sends the first at walltime and on scancel, and the second earlier where ``--signal=USR1@60`` asks for it."""


class StopRequest:
    """Whether a signal came.

    Attributes:
        name: name of the signal, empty before.
    """

    def __init__(self) -> None:
        self.name = ""


@contextmanager
def watch_for_stop() -> Iterator[StopRequest]:
    """Take note of the signals during the block instead of dying of them.

    Outside the main thread, where Python knows no signals, nothing is watched.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return

    def remember(number: int, _: FrameType | None) -> None:
        request.name = signal.Signals(number).name

    before = {number: signal.signal(number, remember) for number in STOP_SIGNALS}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
