"""A thousand subscribers on a router over its API: our session, librouteros in sequence, and a bare pipelined socket."""

from __future__ import annotations

from ebs_core.domain.commands import Job
from ebs_core.domain.nas import Endpoint
from nas_backends.transports import routeros_login
from nas_backends.transports.routeros_api import RouterosApiSession
from nas_backends.transports.routeros_pipeline import Pipeline
from nas_backends.transports.routeros_wire import Wire
from tests.bench.figures import medians, report, seconds
from tests.bench.routeros_rivals import Recorder, bare_socket, one_after_another, sentences_of
from tests.bench.routeros_router import router
from tests.bench.subscribers import SUBSCRIBERS, all_ok, backends, batch, profile

LATENCY = 0.005
FASTER, OVERHEAD = 60, 1.5
ROUNDS, SLOW_ROUNDS = 9, 3
SAMPLE = 100
"""Subscribers that librouteros is measured on."""


def run() -> None:
    work = batch(profile("mikrotik"), "routeros_api")
    commands = sum(len(job.commands) for job in work)

    def ours() -> float:
        with router(LATENCY) as endpoint:
            session = backends.open(endpoint)
            try:
                return seconds(lambda: all_ok(session.run(work)))
            finally:
                session.close()

    def bare() -> float:
        with router(LATENCY) as endpoint:
            return bare_socket(endpoint, sentences)

    def sequential() -> float:
        with router(LATENCY) as endpoint:
            return one_after_another(endpoint, work[:SAMPLE]) * SUBSCRIBERS / SAMPLE

    with router(LATENCY) as endpoint:
        sentences = _recorded(endpoint, work)
    sizes = {"commands": commands, "sentences": len(sentences), "latency": LATENCY}
    took = medians(ROUNDS, {"ours": ours, "bare_socket": bare})
    overhead = took["ours"] / took["bare_socket"]
    report("RouterOS API, 1,000 subscribers: times a bare pipeline", overhead, "ratio", "lower", OVERHEAD, **sizes, **took)
    took = medians(SLOW_ROUNDS, {"ours": ours, "librouteros": sequential})
    faster = took["librouteros"] / took["ours"]
    report("RouterOS API, 1,000 subscribers: faster than librouteros", faster, "ratio", "higher", FASTER, **sizes, **took)


def _recorded(endpoint: Endpoint, work: list[Job]) -> list[bytes]:
    """The sentences of our session; a fresh router numbers its items alike, so they can be sent again as they are."""
    recorder = Recorder(routeros_login.log_in(endpoint))
    session = RouterosApiSession(Pipeline(Wire(recorder), 60), endpoint.name)  # type: ignore[arg-type]
    try:
        recorder.sent.clear()
        all_ok(session.run(work))
        return sentences_of(recorder.sent)
    finally:
        session.close()
