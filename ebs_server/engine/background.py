"""Everything of one process that runs in the background: the engine of its kind of database, the sweep, the knocking."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping

from ebs_core.domain.nas import Profile
from ebs_core.ports import Backends
from ebs_core.services.pauses import Schedule
from ebs_core.storage.database import Database
from ebs_core.storage.job_queue import JobQueue
from ebs_server.engine.distributed import Distributed
from ebs_server.engine.embedded import Embedded
from ebs_server.engine.prober import Prober
from ebs_server.engine.sweep import Sweep
from ebs_server.engine.work import Reconcile, Work


class Background:
    """``start``, then ``stop`` and ``join``. ``stopping`` is set by ``stop``: what works a NAS ends after the batch in flight."""

    def __init__(
        self,
        database: Database,
        queue: JobQueue | None,
        reconcile: Reconcile,
        profiles: Callable[[], Mapping[str, Profile]],
        backends: Backends,
        threads: int,
        schedule: Schedule,
    ) -> None:
        """``queue``: of a PostgreSQL site; None on SQLite, where this process does all the work. ``threads``: how many NASes are
        worked at a time."""
        self.stopping = threading.Event()
        work = Work(database, reconcile, self.stopping, schedule)

        def sweep(wake: Callable[[Mapping[int, int]], None]) -> Sweep:
            return Sweep(database, profiles, wake, self.stopping.is_set, schedule)

        self._engine: Embedded | Distributed
        if queue is None:
            self._engine = Embedded(database, work, sweep, self.stopping, threads)
        else:
            self._engine = Distributed(database, queue, work, sweep, self.stopping, threads)
        prober = Prober(database, backends, profiles, self.stopping, lambda: self._engine.leads)
        self._prober = threading.Thread(target=prober.run, name="prober", daemon=True)

    def start(self) -> None:
        self._engine.start()
        self._prober.start()

    def stop(self) -> None:
        """Nothing new is begun."""
        self._engine.stop()

    def join(self, seconds: float) -> bool:
        """Wait for what was begun; False if something still runs after so long."""
        deadline = time.monotonic() + seconds
        self._prober.join(seconds)
        return self._engine.join(max(0.0, deadline - time.monotonic())) and not self._prober.is_alive()
