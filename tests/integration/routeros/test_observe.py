"""Reading a simulated router back: what the shipped templates made is found as folding predicts it, over both transports."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from actions.catalogue import load_profiles
from actions.renderer import TemplateRenderer
from actions.variables import SAMPLES
from ebs_core.domain.actions import Action
from ebs_core.domain.commands import Command, Job, Outcome
from ebs_core.domain.errors import NasError, NotPermitted
from ebs_core.domain.nas import Endpoint
from ebs_core.domain.records import DeviceModel, Reading, Record
from ebs_core.ports import Session
from nas_backends.backends import DeviceBackends
from nas_simulator import SimulatedNas
from nas_simulator.router import Router
from tests.integration.routeros.conftest import LOGIN, PASSWORD

BACKENDS = DeviceBackends()
PROFILE = load_profiles()["mikrotik"]
TEMPLATES = TemplateRenderer({"mikrotik": PROFILE}, BACKENDS.parse).templates(PROFILE, {})
OPTIONS = {name: option.default or "" for name, option in PROFILE.options.items()}
OPTIONS |= {"dhcp_server": "all", "arp_interface": "ether2"}
LIST, QUEUE, LEASE, ARP, SECRET = "ip firewall address-list", "queue simple", "ip dhcp-server lease", "ip arp", "ppp secret"
TABLES = {LIST, QUEUE, LEASE, ARP, SECRET}
HOSTILE = 'a"b\\c;d=e$(x)[y]{z}\t\r\n?# *1,2 %s Ж😀' + "x" * 300
BURST = {
    f"{name}_{way}": value
    for way in ("rx", "tx")
    for name, value in (("burst_limit", 30_000_000), ("burst_treshold", 15_000_000), ("burst_time", 90), ("min_limit", 64_000))
}
SUBSCRIBERS: dict[str, dict[str, object]] = {
    "ebs:1": {"access_type": "PPPoE", "subacc_username": HOSTILE, "subacc_password": HOSTILE, "priority": 3, **BURST},
    "ebs:2": {"access_type": "IPN", "subacc_ipn_mac_address": "aa-bb-cc-00-11-22", "subacc_ipn_ip_address": "10.77.0.77"},
    "ebs:3": {"access_type": "PPTP", "subacc_ipn_ip_address": "", "subacc_ipn_mac_address": "", "subacc_username": "o'neil"},
}
Change = Callable[[Router, str], None]


@pytest.fixture(params=["routeros_api", "ssh"])
def transport(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def clock() -> list[float]:
    """The router's, in seconds; it stands until it is set."""
    return [1000.0]


@pytest.fixture(params=["7.16.2", "7.18.1", "6.49.10", "6.42.12"])
def nas(request: pytest.FixtureRequest, clock: list[float]) -> Iterator[SimulatedNas]:
    with SimulatedNas("nas1", LOGIN, PASSWORD, request.param, clock=lambda: clock[0]) as router:
        yield router


@pytest.fixture
def connect(nas: SimulatedNas, transport: str) -> Iterator[Callable[[], Session]]:
    with ExitStack() as stack:

        def connected() -> Session:
            port, key = (nas.ssh_port, nas.host_key) if transport == "ssh" else (nas.api_port, None)
            endpoint = Endpoint("nas1", PROFILE, transport, "127.0.0.1", port, LOGIN, PASSWORD, host_key=key, options=OPTIONS)
            session = BACKENDS.open(endpoint)
            stack.callback(session.close)
            return session

        yield connected


@pytest.fixture
def session(connect: Callable[[], Session]) -> Session:
    return connect()


def commands(transport: str, tag: str, *steps: str) -> tuple[Command, ...]:
    values = {**SAMPLES, "tag": tag, "options": OPTIONS, **SUBSCRIBERS[tag]}
    return tuple(
        command
        for step in steps
        for command in BACKENDS.parse(PROFILE, transport, TEMPLATES.render(Action(f"subaccount_{step}"), values))
    )


def run(session: Session, *each: tuple[Command, ...]) -> None:
    replies = session.run([Job(number, commands) for number, commands in enumerate(each)])
    assert [reply for one in replies for reply in one if reply.outcome is not Outcome.OK] == []


@pytest.fixture
def model(session: Session, transport: str) -> DeviceModel:
    """Every subscriber on the router, and the records predicted for them."""
    found = DeviceModel()
    for tag in SUBSCRIBERS:
        one = commands(transport, tag, "add", "enable", "speed", *(["disable"] if tag == "ebs:3" else []))
        run(session, one)
        BACKENDS.fold(PROFILE, one, found)
    assert set(found.tables) == TABLES
    return found


def wanted(model: DeviceModel) -> dict[str, set[str]]:
    names: dict[str, set[str]] = {}
    for table, record in model:
        names.setdefault(table, set()).update(record)
    return names


def records(reading: Reading, table: str) -> list[Record]:
    return [reading.parse(table, line) for line in reading.lines[table]]


def differences(model: DeviceModel, reading: Reading) -> set[tuple[str, str, str]]:
    """``(table, tag, property)``; property is ``missing`` for a record that is not there."""
    found = set()
    for table, record in model:
        real = [one for one in records(reading, table) if one["comment"] == record["comment"]]
        assert len(real) < 2
        if not real:
            found.add((table, record["comment"], "missing"))
        else:
            found |= {(table, record["comment"], name) for name, value in record.items() if real[0].get(name) != value}
    return found


def test_everything_is_found_as_predicted(session: Session, model: DeviceModel, nas: SimulatedNas) -> None:
    reading = session.observe(wanted(model))
    assert differences(model, reading) == set()
    assert {table: len(lines) for table, lines in reading.lines.items()} == {
        table: len(each) for table, each in model.tables.items()
    }
    assert reading.secret == {SECRET}
    again = session.observe(wanted(model))
    assert again.lines == reading.lines
    assert all(line.isprintable() or "\t" in line for lines in again.lines.values() for line in lines)
    assert not any("\n" in line or "\0" in line for lines in again.lines.values() for line in lines)
    assert nas.router.items("/ppp/secret")[0]["name"] == HOSTILE


def change(table: str, **values: str) -> Change:
    path = "/" + table.replace(" ", "/")
    return lambda router, item: router.edit(path, item, **values)


@pytest.mark.parametrize(
    ("table", "act", "names"),
    [
        (LIST, change(LIST, address="10.77.0.99"), {"address"}),
        (LIST, change(LIST, disabled="yes"), {"disabled"}),
        (LIST, change(LIST, comment="mine"), {"missing"}),
        (QUEUE, change(QUEUE, max_limit="1M/2M"), {"max-limit"}),
        (QUEUE, change(QUEUE, burst_time="1m31s/90s", priority="3/4"), {"burst-time", "priority"}),
        (QUEUE, change(QUEUE, target="10.77.0.2/32,10.77.0.3/32"), {"target"}),
        (LEASE, change(LEASE, mac_address="02:00:00:00:00:09"), {"mac-address"}),
        (ARP, change(ARP, interface="ether3"), {"interface"}),
        (SECRET, change(SECRET, password="other"), {"password"}),
        (SECRET, change(SECRET, remote_address=""), {"remote-address"}),
        (SECRET, lambda router, item: router.remove("/ppp/secret", item), {"missing"}),
    ],
)
@pytest.mark.parametrize("nas", ["7.18.1", "6.42.12"], indirect=True)
def test_an_edit_by_hand_is_seen_exactly(
    session: Session, model: DeviceModel, nas: SimulatedNas, table: str, act: Change, names: set[str]
) -> None:
    before = session.observe(wanted(model))
    act(nas.router, "*1")
    after = session.observe(wanted(model))
    assert differences(model, after) == {(table, "ebs:1", name) for name in names}
    changed = {name for name in TABLES if set(before.lines[name]) != set(after.lines[name])}
    assert changed == {table}
    assert len(set(before.lines[table]) - set(after.lines[table])) == 1


@pytest.mark.parametrize("spelt", ["10M/20M", "10000k/20000k"])
def test_another_spelling_is_no_difference(session: Session, model: DeviceModel, nas: SimulatedNas, spelt: str) -> None:
    nas.router.edit("/queue/simple", "*2", max_limit=spelt, burst_time="00:00:08/8s")
    assert differences(model, session.observe(wanted(model))) == set()


def test_what_the_router_made_itself_is_left_out(session: Session, model: DeviceModel, nas: SimulatedNas) -> None:
    nas.router.add("/ip/dhcp-server/lease", address="10.77.0.200", mac_address="02:00:00:00:00:AA", dynamic="true")
    nas.router.add("/ip/firewall/address-list", list="ebs_active", address="10.9.9.9", comment="\r=dynamic=true\t=dynamic=true")
    reading = session.observe(wanted(model))
    assert len(reading.lines[LEASE]) == len(model.tables[LEASE])
    assert [one["address"] for one in records(reading, LIST)][-1] == "10.9.9.9"


def test_a_table_that_does_not_exist_is_missing_and_an_empty_one_is_empty(session: Session) -> None:
    reading = session.observe({"ip nonsense": ["name"], "ip dns nonsense static": [], ARP: ["address"], "ppp active": ["name"]})
    assert reading.lines == {ARP: []}


def test_near_reads_only_what_concerns_the_records(session: Session, model: DeviceModel, nas: SimulatedNas) -> None:
    for number in range(300):
        address = f"10.8.{number >> 8}.{number & 255}"
        nas.router.add("/ip/firewall/address-list", list="other", address=address, comment=f"x{number}")
    near = {table: [one for one in each if one["comment"] != "ebs:2"] for table, each in model.tables.items()}
    reading = session.observe(wanted(model), near)
    assert {one["comment"] for table in TABLES for one in records(reading, table)} == {"ebs:1", "ebs:3"}
    whole = session.observe(wanted(model))
    assert all(set(reading.lines[table]) < set(whole.lines[table]) for table in (LIST, QUEUE, LEASE))
    many = [{"comment": f"x{number}"} for number in range(300)]
    assert len(session.observe({LIST: ["list"]}, {LIST: many[:150]}).lines[LIST]) == 150
    assert len(session.observe({LIST: ["list"]}, {LIST: many}).lines[LIST]) == len(nas.router.items("/ip/firewall/address-list"))
    assert session.observe({LIST: ["list"]}, {}).lines == {LIST: []}
    left = session.observe({QUEUE: ["name"]}, {LIST: [{"comment": "ebs:3"}]})
    assert [one["name"] for one in records(left, QUEUE)] == ["ebs:3"]


def test_near_takes_hostile_tags(session: Session, nas: SimulatedNas) -> None:
    tag = HOSTILE.replace("\r", "")
    nas.router.add("/ip/firewall/address-list", list="l", address="10.0.0.1", comment=tag)
    nas.router.add("/ip/firewall/address-list", list="l", address="10.0.0.2", comment="other")
    reading = session.observe({LIST: ["address"]}, {LIST: [{"comment": tag}]})
    assert [(one["address"], one["comment"]) for one in records(reading, LIST)] == [("10.0.0.1", tag)]


def test_removal_and_adoption_touch_one_record(session: Session, transport: str, nas: SimulatedNas) -> None:
    for number in (1, 2, 3):
        nas.router.add("/ip/arp", interface="ether1", address=f"10.0.0.{number}", mac_address="02:00:00:00:00:01")
    first, second, _ = records(session.observe({ARP: ["address"]}), ARP)
    run(
        session,
        BACKENDS.removal(PROFILE, transport, ARP, first),
        BACKENDS.adoption(PROFILE, transport, ARP, second, HOSTILE.replace("\r", "")),
    )
    assert [(row["address"], row.get("comment", "")) for row in nas.router.items("/ip/arp")] == [
        ("10.0.0.2", HOSTILE.replace("\r", "")),
        ("10.0.0.3", ""),
    ]
    assert BACKENDS.table(PROFILE, "ppp active") is None


def test_passwords_that_are_not_shown_are_missing(session: Session, model: DeviceModel, nas: SimulatedNas) -> None:
    nas.faults.hide_secrets = True
    assert differences(model, session.observe(wanted(model))) == {(SECRET, tag, "password") for tag in ("ebs:1", "ebs:3")}
    assert not any("password" in one for one in records(session.observe(wanted(model)), SECRET))


def test_a_router_that_stores_nothing_is_found_out(session: Session, transport: str, nas: SimulatedNas) -> None:
    nas.faults.accept_and_forget = True
    found = DeviceModel()
    run(session, one := commands(transport, "ebs:1", "add", "enable", "speed"))
    BACKENDS.fold(PROFILE, one, found)
    assert {name for _, _, name in differences(found, session.observe(wanted(found)))} == {"missing"}


def test_uptime_starts_again_at_a_reboot(
    nas: SimulatedNas, clock: list[float], connect: Callable[[], Session], model: DeviceModel
) -> None:
    clock[0] += 788_645
    vitals = connect().vitals()
    assert (vitals.boot, vitals.uptime) == ("", 788_645)
    nas.router.reboot()
    again = connect()
    assert again.vitals().uptime == 0
    reading = again.observe(wanted(model))
    assert (differences(model, reading), reading.vitals.uptime) == (set(), 0)
    nas.router.wipe()
    assert [line for lines in connect().observe(wanted(model)).lines.values() for line in lines] == []


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_cut_in_the_middle_is_an_error(session: Session, model: DeviceModel, nas: SimulatedNas, when: str) -> None:
    nas.faults.disconnect_after, nas.faults.disconnect_when = 3, when  # type: ignore[assignment]
    with pytest.raises(NasError, match="nas1") as caught:
        session.observe(wanted(model))
        session.observe(wanted(model))
    assert "reading it back" in str(caught.value)


def test_a_table_that_the_login_may_not_read_is_an_error(session: Session, nas: SimulatedNas, transport: str) -> None:
    nas.faults.fail = lambda operation: "not enough permissions (9)" if operation.path == "/ip/arp" else None
    with pytest.raises(NotPermitted if transport == "routeros_api" else NasError, match=re.escape("/ip")):
        session.observe({LIST: ["list"], ARP: ["address"]})
    nas.faults.fail = None
    assert session.observe({ARP: ["address"]}).lines == {ARP: []}
