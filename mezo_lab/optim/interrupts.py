"""Signals wait while weights move: a Ctrl-C in the middle of a sweep is heard at its end.

Python runs the handlers of signals in the main thread, between any two of its instructions, and what they raise, as
KeyboardInterrupt, would tear a sweep from its count. Exceptions that other threads raise cannot be made to wait; for
them a move knows how far it has come (`mezo_lab.optim.displacement`).
"""

import signal
import threading
from contextlib import ExitStack
from typing import Any

NAMES = ("SIGINT", "SIGTERM", "SIGALRM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGVTALRM", "SIGPROF", "SIGBREAK")
SIGNALS = [getattr(signal, name) for name in NAMES if hasattr(signal, name)]  # a platform has some of them


class Waiting:
    """A handler in front of another: the first signal waits, the second goes through, for a sweep may take minutes."""

    def __init__(self, handler: Any):
        self.handler = handler
        self.came: tuple[Any, ...] | None = None

    def __call__(self, *signal_and_frame: Any) -> None:
        if self.came is None:
            self.came = signal_and_frame
        else:
            self.handler(*signal_and_frame)


def hold() -> None:
    """Let signals wait that Python code would handle. Elsewhere than in the main thread none would interrupt."""
    if threading.current_thread() is not threading.main_thread():
        return
    for number in SIGNALS:
        handler = signal.getsignal(number)
        if callable(handler) and not isinstance(handler, Waiting):
            signal.signal(number, Waiting(handler))


def release() -> None:
    """Let signals through again, and those that have waited: this raises what their handlers raise."""
    if threading.current_thread() is not threading.main_thread():
        return
    with ExitStack() as heard:
        for number in SIGNALS:
            waiting = signal.getsignal(number)
            if isinstance(waiting, Waiting):
                signal.signal(number, waiting.handler)
                if waiting.came is not None:
                    heard.callback(waiting.handler, *waiting.came)
