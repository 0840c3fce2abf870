"""Runs requests on this machine, for a NAS that is the machine itself."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from typing import IO

from nas_backends.contract import Answer, Request
from nas_backends.transports.text_session_output import Output


class LocalExecutor:
    """See ``nas_backends.contract.Executor``. Each request is a process group of its own, killed when its time is over."""

    def __init__(self) -> None:
        self._open = True

    @property
    def alive(self) -> bool:
        return self._open

    def run(self, request: Request, timeout: float) -> Answer:
        """Run by ``/bin/sh -c``; ``timeout`` in seconds."""
        started = time.monotonic()
        try:
            process = subprocess.Popen(
                ["/bin/sh", "-c", request.command],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True, bufsize=0,
            )  # fmt: skip
        except (OSError, ValueError) as error:
            return Answer(f"sh could not be started: {error}", 126, 0.0)
        output = Output()
        with process:
            in_time = _exchange(process, request.stdin, output, started + timeout)
            if in_time:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(max(0.0, started + timeout - time.monotonic()))
            if process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
        duration = time.monotonic() - started
        if duration >= timeout and process.returncode < 0:
            return Answer(output.text(), None, duration, f"no end after {timeout:g} s: killed")
        status = process.returncode if process.returncode >= 0 else 128 - process.returncode
        return Answer(output.text(), status, duration, whole=output.whole)

    def close(self) -> None:
        self._open = False


def _exchange(process: subprocess.Popen[bytes], stdin: bytes, output: Output, deadline: float) -> bool:
    """Feed stdin and read the output at the same time, until its end (True) or the deadline (False)."""
    assert process.stdin is not None and process.stdout is not None  # noqa: S101
    left = memoryview(stdin)
    with selectors.DefaultSelector() as selector:
        os.set_blocking(process.stdin.fileno(), False)
        os.set_blocking(process.stdout.fileno(), False)
        selector.register(process.stdout, selectors.EVENT_READ)
        if left:
            selector.register(process.stdin, selectors.EVENT_WRITE)
        else:
            process.stdin.close()
        while (remaining := deadline - time.monotonic()) > 0:
            for key, _ in selector.select(remaining):
                if key.fileobj is process.stdin:
                    left = _feed(process.stdin, left, selector)
                elif data := os.read(process.stdout.fileno(), 65536):
                    output.add(data)
                else:
                    return True
    return False


def _feed(pipe: IO[bytes], left: memoryview, selector: selectors.BaseSelector) -> memoryview:
    try:
        left = left[os.write(pipe.fileno(), left[:65536]) :]
    except BrokenPipeError:  # it reads no more: its status will tell why
        left = left[:0]
    if not left:
        selector.unregister(pipe)
        pipe.close()
    return left
