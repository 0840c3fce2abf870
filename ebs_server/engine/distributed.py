"""The background job on PostgreSQL: any number of processes on any number of machines, woken by Procrastinate.

A commit puts one job per NAS into the queue (``JobQueue``); a worker of some process takes it and works the NAS. The queue may
lose or double jobs: one process at a time sweeps, and puts what is due into the queue again. No retries and no locks of the
engine are used: a failure is in the NAS's row, and the lease keeps workers apart.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from procrastinate import App, PsycopgConnector
from procrastinate.connector import Notify
from procrastinate.exceptions import ConnectorException

from ebs_core.domain.errors import StorageError
from ebs_core.storage.database import Database, remedy_for
from ebs_core.storage.job_queue import QUEUE, TASK, JobQueue, connect_arguments
from ebs_server.engine.leader import Leader
from ebs_server.engine.sweep import SWEEP_SECONDS, Sweep
from ebs_server.engine.work import Outage, Work

_POLL_SECONDS = 2.0
"""Besides LISTEN, which tells of a job within milliseconds: for what was put while nobody listened."""
_LISTEN_PAUSE_SECONDS = 0.5
_GRACE_SECONDS = 6.0
_log = logging.getLogger("ebs")


class Distributed:
    """One worker process of a PostgreSQL site. ``start``, then ``stop`` and ``join``."""

    def __init__(
        self,
        database: Database,
        queue: JobQueue,
        work: Work,
        sweep: Callable[[Callable[[Mapping[int, int]], None]], Sweep],
        stopping: threading.Event,
        threads: int,
    ) -> None:
        """``sweep`` makes the sweep, given how to wake NASes."""
        self._database = database
        self._queue = queue
        self._work = work
        self._sweep = sweep(queue.put)
        self._stopping = stopping
        self._concurrency = threads
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="work")
        self._leader = Leader(database)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._worker: asyncio.Task[None] | None = None
        self._threads = [
            threading.Thread(target=self._supervise, name="worker", daemon=True),
            threading.Thread(target=self._look, name="sweep", daemon=True),
        ]

    @property
    def leads(self) -> bool:
        """This process is the one that sweeps."""
        return self._leader.leads

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Nothing new is begun."""
        self._stopping.set()
        if (loop := self._loop) is not None:
            with suppress(RuntimeError):  # it has just ended
                loop.call_soon_threadsafe(self._cancel)

    def _cancel(self) -> None:
        if self._worker is not None:
            self._worker.cancel()

    def join(self, seconds: float) -> bool:
        """Wait for what is being worked; False if something still runs after so long."""
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads) and self._work.idle

    # -- the worker

    def _supervise(self) -> None:
        """Procrastinate's worker ends when PostgreSQL restarts: then it is started again."""
        outage = Outage("the worker")
        while not self._stopping.is_set():
            try:
                asyncio.run(self._run(outage))
            except asyncio.CancelledError:
                continue
            except Exception as error:  # whatever ended it, it has to run
                self._stopping.wait(outage.failed(self._explained(error)))

    async def _run(self, outage: Outage) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(_note_quietly)
        self._worker = asyncio.current_task()
        if self._stopping.is_set():  # it came before there was anything to cancel
            return
        connector = _Connector(kwargs=connect_arguments(self._database), min_size=1, max_size=4, timeout=10)
        app = App(connector=connector)
        app.task(name=TASK, queue=QUEUE)(self._job)
        try:
            await app.open_async()
            self._loop.call_later(_POLL_SECONDS, outage.over)  # if it runs so long, it runs
            await app.run_worker_async(
                queues=[QUEUE],
                concurrency=self._concurrency,
                fetch_job_polling_interval=_POLL_SECONDS,
                delete_jobs="always",
                install_signal_handlers=False,
                shutdown_graceful_timeout=_GRACE_SECONDS,
            )
        finally:  # "async with" would leave the pool's tasks behind when it is cancelled while it opens
            await app.close_async()
        if not self._stopping.is_set():
            raise StorageError(f"database {self._database.name}: the connection of the job queue was lost")

    def _explained(self, error: Exception) -> Exception:
        """Procrastinate's errors say what went wrong only in their cause."""
        if isinstance(error, ConnectorException) and error.__cause__ is not None:
            reason = str(error.__cause__).strip()
            return StorageError(f"database {self._database.name}: job queue: {reason}", remedy=remedy_for(reason))
        return error

    async def _job(self, nas_id: int) -> None:
        await asyncio.get_running_loop().run_in_executor(self._pool, self._work, nas_id)

    # -- the sweep

    def _look(self) -> None:
        """Whatever happens to the database, this goes on."""
        outage, pause = Outage("the sweep"), 0.0
        while not self._stopping.wait(pause):
            pause = SWEEP_SECONDS
            try:
                if self._leader.try_to_lead():
                    self._sweep()
                    self._queue.clear_lost()
                outage.over()
            except StorageError as error:
                pause = outage.failed(error)
            except Exception as error:
                _log.exception("the sweep: an error of this program; it is tried again")
                pause = outage.failed(error)
        self._leader.close()


class _Connector(PsycopgConnector):
    """Listens again after a lost connection. Procrastinate's worker goes on without listening when that task of it fails (seen in
    3.10: only the first side task that ends is looked at, and the one for periodic tasks ends at once)."""

    async def listen_notify(self, on_notification: Notify, channels: Iterable[str]) -> None:
        while True:
            with suppress(ConnectorException):
                await super().listen_notify(on_notification, channels)
            await asyncio.sleep(_LISTEN_PAUSE_SECONDS)


def _note_quietly(_loop: asyncio.AbstractEventLoop, context: Mapping[str, object]) -> None:
    """What the worker says of a lost connection is said once by the supervisor."""
    _log.debug("job queue: %s: %r", context.get("message"), context.get("exception"))
