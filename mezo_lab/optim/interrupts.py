"""Signals wait while weights move: a Ctrl-C in the middle of a sweep takes effect at its end.

Python runs signal handlers in the main thread, between any two of its instructions. What they raise, such as
KeyboardInterrupt, would separate a write from its count. Exceptions that other threads raise here cannot be delayed;
for them each move records its progress (`mezo_lab.optim.displacement`).
"""

import importlib
import signal
import threading
from contextlib import ExitStack
from typing import Any

NAMES = ("SIGINT", "SIGTERM", "SIGALRM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGVTALRM", "SIGPROF", "SIGBREAK")
SIGNALS = [int(getattr(signal, name)) for name in NAMES if hasattr(signal, name)]  # a platform has some of them
_native: Any = importlib.import_module("_signal")  # without `signal`'s names for what is returned: ten times as fast
_held: list[int] = []  # the signals whose handler may be a `Delayed`


class Delayed:
    """Stands in for a handler: the first signal waits, a second one passes, because a sweep may take minutes."""

    def __init__(self, handler: Any):
        self.handler = handler
        self.waiting: tuple[Any, ...] | None = None

    def __call__(self, *signal_and_frame: Any) -> None:
        if self.waiting is None:
            self.waiting = signal_and_frame
        else:
            self.handler(*signal_and_frame)


def hold() -> None:
    """Delay the signals that Python code handles. Only the main thread is interrupted by them."""
    if threading.current_thread() is not threading.main_thread():
        return
    for number in SIGNALS:
        handler = _native.getsignal(number)
        if callable(handler) and not isinstance(handler, Delayed):
            _held.append(number)  # first: an exception may come between the two lines
            _native.signal(number, Delayed(handler))


def release() -> None:
    """Stop delaying signals. Raises: what the handlers of delayed signals raise."""
    if threading.current_thread() is not threading.main_thread():
        return
    waiting: list[Delayed] = []
    try:
        for number in _held:
            current = _native.getsignal(number)
            if isinstance(current, Delayed):
                _native.signal(number, current.handler)
                if current.waiting is not None:
                    waiting.append(current)
        _held.clear()
    finally:
        if waiting:
            _handle(waiting)


def _handle(waiting: list[Delayed]) -> None:
    """Call the handlers of all, also where one of them raises."""
    with ExitStack() as handlers:
        for delayed in waiting:
            assert delayed.waiting is not None
            handlers.callback(delayed.handler, *delayed.waiting)
