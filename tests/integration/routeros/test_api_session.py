"""Jobs over the RouterOS API, against the simulated router and against peers that misbehave."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator

import pytest

from ebs_core.domain.commands import NOT_SENT, Job, Outcome, Reply
from ebs_core.domain.errors import Misconfigured
from nas_backends.dialects.routeros_sentence import encode_words
from nas_backends.transports.routeros_api import RouterosApiSession, open_session
from nas_backends.transports.routeros_pipeline import Pipeline
from nas_backends.transports.routeros_wire import Sentences, Wire
from nas_simulator import SimulatedNas
from tests.integration.routeros.conftest import commands, endpoint

LIST = "/ip/firewall/address-list"
HOSTILE = ['";/quit', "$(x) $[y]", "[find]", "a\\", "a\r\nb", "'", "Ж😀", "x" * 512, "yes", "true", "=.id=*1", "?#|", "*1"]
Peer = Callable[[Callable[[socket.socket], None]], int]


@pytest.fixture
def session(nas: SimulatedNas) -> Iterator[RouterosApiSession]:
    opened = open_session(endpoint(nas.api_port))
    yield opened
    opened.close()


def outcomes(replies: list[tuple[Reply, ...]]) -> list[list[str]]:
    return [[str(reply.outcome) for reply in each] for each in replies]


def test_the_whole_life_with_hostile_tags(nas: SimulatedNas, session: RouterosApiSession) -> None:
    nas.router.add(LIST, list="l", address="10.9.9.9", comment="stranger")
    life = f'{LIST}\nremove [find comment="\0"]\nadd list=l address=\0 comment="\0" disabled=yes\nenable [find comment="\0"]'
    jobs = [Job(n, commands(life, tag, f"10.0.0.{n}", tag, tag)) for n, tag in enumerate(HOSTILE)]
    assert outcomes(session.run(jobs)) == [["ok"] * 3] * len(jobs)
    assert outcomes(session.run(jobs)) == [["ok"] * 3] * len(jobs)
    rows = nas.router.items(LIST)
    assert sorted((row["comment"], row["disabled"]) for row in rows) == sorted((tag, "false") for tag in [*HOSTILE, "stranger"])
    gone = session.run([Job(n, commands(f'{LIST} remove [find comment="\0"]', tag)) for n, tag in enumerate(HOSTILE)])
    assert outcomes(gone) == [["ok"]] * len(HOSTILE)
    assert [row["comment"] for row in nas.router.items(LIST)] == ["stranger"]


def test_several_items_patterns_flags_and_output(nas: SimulatedNas, session: RouterosApiSession) -> None:
    for n in range(3):
        nas.router.add(LIST, list="l", address=f"10.0.0.{n}", comment="same" if n < 2 else "a.c")
    text = f'{LIST}\ndisable [find comment="same"]\nset [find comment~"^\0\\$" !disabled] comment=dot\n'
    text += "print where disabled=yes comment!=x"
    (replies,) = session.run([Job(1, commands(text, "a.c"))])
    assert [reply.outcome for reply in replies] == [Outcome.OK] * 3
    assert [(row["comment"], row["disabled"]) for row in nas.router.items(LIST)] == [
        ("same", "true"),
        ("same", "true"),
        ("dot", "false"),
    ]
    assert replies[2].output.count("comment=same") == 2 and "dot" not in replies[2].output
    ((none,),) = session.run([Job(1, commands(f'{LIST} set [find comment~"^\0\\$"] comment=x', "do."))])
    assert none.outcome is Outcome.OK and nas.router.items(LIST)[2]["comment"] == "dot"


def test_a_failure_stops_its_own_job_only(nas: SimulatedNas, session: RouterosApiSession) -> None:
    nas.router.add(LIST, list="l", address="10.0.0.1", comment="stranger")
    text = f"{LIST}\nadd list=l address=\0 comment=\0\nset [find comment=\0] timeout=1d"
    replies = session.run([Job(n, commands(text, f"10.0.0.{n}", f"ebs:{n}", f"ebs:{n}")) for n in (1, 2)])
    assert outcomes(replies) == [["failed", "not sent"], ["ok", "ok"]]
    assert replies[0][0].output == "failure: already have such entry"
    ((unknown,), (menu, after)) = session.run(
        [Job(1, commands(f"{LIST} add nonsense=1")), Job(2, commands("/ip nonsense remove [find comment=x]\n/ip arp print"))]
    )
    assert (unknown.outcome, unknown.output) == (Outcome.FAILED, "unknown parameter nonsense")
    assert menu.outcome is Outcome.FAILED and "no such command" in menu.output
    assert after == NOT_SENT


def test_values_and_statements_that_cannot_be_sent(nas: SimulatedNas, session: RouterosApiSession) -> None:
    good = Job(2, commands(f"{LIST} add list=l address=10.0.0.1"))
    (bad, fine) = session.run([Job(1, commands(f"{LIST} add list=l comment=\0", "a\0b")), good])
    assert (bad[0].outcome, fine[0].outcome) == (Outcome.FAILED, Outcome.OK)
    with pytest.raises(Misconfigured, match="nas1"):
        session.run([Job(1, commands(":foreach i in=[/ip arp find] do={}", transport="ssh"))])


@pytest.mark.parametrize(("when", "stored"), [("before", 700), ("after", 701)])
def test_a_cut_leaves_unknown_only_what_was_sent(nas: SimulatedNas, session: RouterosApiSession, when: str, stored: int) -> None:
    nas.faults.disconnect_after, nas.faults.disconnect_when = 700, when  # type: ignore[assignment]
    add = f"{LIST} add list=l address=\0 comment=\0\n{LIST} print count-only"
    replies = session.run([Job(n, commands(add, f"10.1.{n // 250}.{n % 250}", f"ebs:{n}")) for n in range(2000)])
    first = [reply for reply, _ in replies]
    assert len(nas.router.items(LIST)) == stored
    assert [reply.outcome for reply in first[:700]] == [Outcome.OK] * 700
    assert {reply.outcome for reply in first[700:]} == {Outcome.UNKNOWN, Outcome.NOT_SENT}
    assert first[700].outcome is Outcome.UNKNOWN and "nas1" in first[700].output
    assert sum(reply.outcome is Outcome.UNKNOWN for reply in first) <= 500
    assert {reply.outcome for _, reply in replies} == {Outcome.NOT_SENT}
    ((dead,),) = session.run([Job(1, commands("/system identity print"))])
    assert dead.outcome is Outcome.NOT_SENT and dead.output


def test_silence_and_a_connection_that_died_while_idle(nas: SimulatedNas) -> None:
    session = open_session(endpoint(nas.api_port, command_timeout=0.2))
    idle = open_session(endpoint(nas.api_port))
    nas.faults.stall = True
    ((reply,),) = session.run([Job(1, commands("/system identity set name=x"))])
    assert reply.outcome is Outcome.UNKNOWN and "did not answer" in reply.output
    ((found, _),) = session.run([Job(1, commands(f"{LIST} remove [find comment=x]\n{LIST} print"))])
    assert found.outcome is Outcome.NOT_SENT
    nas.stop()
    ((lost,),) = idle.run([Job(1, commands("/system identity set name=x"))])
    assert lost.outcome in (Outcome.NOT_SENT, Outcome.UNKNOWN)
    idle.close()


def scripted(peer: Peer, *answers: Callable[[bytes], bytes]) -> RouterosApiSession:
    """A session whose peer answers the n-th sentence with ``answers[n](tag word)`` and then closes."""

    def play(connection: socket.socket) -> None:
        reader = Sentences()
        left = list(answers)
        while left and (data := connection.recv(65536)):
            for words in reader.feed(data):
                if left:
                    connection.sendall(left.pop(0)(next(word for word in words if word.startswith(b".tag="))))

    return RouterosApiSession(Pipeline(Wire(socket.create_connection(("127.0.0.1", peer(play)))), 5.0), "nas1")


def words(*parts: str, tag: bytes) -> bytes:
    return encode_words(*parts, tag.decode()) + b"\0"


def test_replies_out_of_order_in_pieces_and_of_foreign_tags(peer: Peer) -> None:
    held: list[bytes] = []

    def hold(tag: bytes) -> bytes:
        held.append(tag)
        return words("!done", tag=b".tag=999") + encode_words("!done") + b"\0"

    def release(tag: bytes) -> bytes:
        trap = encode_words("!trap", held[0].decode(), "=message=one") + b"\0" + words("!trap", "=message=two", tag=held[0])
        return words("!empty", tag=tag) + words("!done", "=ret=*7", tag=tag) + trap + words("!done", tag=held[0])

    session = scripted(peer, hold, release)
    replies = session.run([Job(n, commands("/ip arp add address=\0", "10.0.0.1")) for n in (1, 2)])
    assert [(reply.outcome, reply.output) for (reply,) in replies] == [(Outcome.FAILED, "one; two"), (Outcome.OK, "*7")]
    session.close()


@pytest.mark.parametrize(
    ("ids", "outcome"), [(["*1"], Outcome.OK), (["*1", "*2"], Outcome.FAILED)], ids=["one vanished", "one of two vanished"]
)
def test_a_record_that_vanishes_between_find_and_remove(peer: Peer, ids: list[str], outcome: Outcome) -> None:
    def found(tag: bytes) -> bytes:
        rows = [words("!re", f"=.id={item}", "=comment=ebs:1", tag=tag) for item in ids]
        return b"".join(rows) + words("!done", tag=tag)

    def gone(tag: bytes) -> bytes:
        return words("!trap", "=message=no such item (4)", tag=tag) + words("!done", tag=tag)

    session = scripted(peer, found, gone)
    ((reply,),) = session.run([Job(1, commands("/ip arp remove [find comment=ebs:1]"))])
    assert reply.outcome is outcome
    session.close()


def test_rows_that_are_not_utf8(peer: Peer) -> None:
    def foreign(tag: bytes) -> bytes:
        return encode_words("!re", tag.decode(), "=.id=*1") + b"\x0c=comment=\xcf\xee\xe4" + b"\0" + words("!done", tag=tag)

    session = scripted(peer, foreign, foreign)
    (reply, printed) = session.run(
        [Job(1, commands("/ip arp remove [find comment=\0]", "Под")), Job(2, commands("/ip arp print"))]
    )
    assert reply[0].outcome is Outcome.OK and reply[0].output == "nothing found"
    assert printed[0].output == ".id=*1 comment=\\xcf\\xee\\xe4"
    session.close()


@pytest.mark.parametrize("junk", [encode_words("!fatal", "session terminated on request") + b"\0", b"\xff\xff\xff"])
def test_a_fatal_or_a_broken_stream_ends_the_session(peer: Peer, junk: bytes) -> None:
    session = scripted(peer, lambda tag: words("!done", tag=tag) + junk)
    (first, second) = session.run([Job(n, commands("/ip arp add address=10.0.0.1")) for n in (1, 2)])
    assert (first[0].outcome, second[0].outcome) == (Outcome.OK, Outcome.UNKNOWN)
    session.close()


def test_finds_are_looked_up_in_bulk_once_per_wave(nas: SimulatedNas, session: RouterosApiSession) -> None:
    for n in range(250):
        nas.router.add(LIST, list="l", address=f"10.0.{n}.1", comment=f"ebs:{n}", disabled="true")
    before = len(list(nas.router.journal))
    text = f"{LIST} enable [find comment=\0]\n/ip arp remove [find comment=\0]\n{LIST} set [find comment=\0] timeout=1d"
    replies = session.run([Job(n, commands(text, *[f"ebs:{n}"] * 3)) for n in range(250)])
    assert {reply.outcome for each in replies for reply in each} == {Outcome.OK}
    verbs = [operation.verb for operation in list(nas.router.journal)[before:]]
    # wave 1: three sentences per menu; wave 2, because enable changed the list: three again
    assert (verbs.count("print"), verbs.count("enable"), verbs.count("set"), verbs.count("remove")) == (9, 250, 250, 0)
    assert verbs.index("set") > max(index for index, verb in enumerate(verbs) if verb == "enable")
