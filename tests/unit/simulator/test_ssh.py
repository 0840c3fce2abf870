from __future__ import annotations

import threading
from collections.abc import Iterator

import paramiko
import pytest

from nas_simulator import Faults, SimulatedNas
from nas_simulator.ssh_keys import new_host_key, public_line
from tests.unit.simulator.conftest import MakeNas, ssh_to


@pytest.fixture
def nas(make_nas: MakeNas) -> SimulatedNas:
    return make_nas(api=False, ssh=True)


@pytest.fixture
def ssh(nas: SimulatedNas) -> Iterator[paramiko.SSHClient]:
    with ssh_to(nas) as client:
        yield client


def run(client: paramiko.SSHClient, script: str, *, pty: bool = False) -> tuple[str, int]:
    _, output, _ = client.exec_command(script, timeout=10, get_pty=pty)
    return output.read().decode(), output.channel.recv_exit_status()


def read_until(channel: paramiko.Channel, mark: str) -> str:
    channel.settimeout(10)
    text = ""
    while mark not in text:
        data = channel.recv(4096).decode()
        assert data, f"the shell ended before {mark!r}: {text!r}"
        text += data
    return text


def test_exec_runs_lines_in_order_and_an_error_is_text_with_status_0(nas: SimulatedNas, ssh: paramiko.SSHClient) -> None:
    script = ':put "=1="\n/ip arp add address=10.0.0.1 interface=ether1\n:put "=2="\n/ip arp add x=1\n:put "=3="'
    assert run(ssh, script) == ("=1=\r\n=2=\r\nexpected end of command (line 4 column 13)\r\n", 0)
    assert len(nas.router.items("/ip/arp")) == 1
    assert [(one.door, one.login, one.verb) for one in nas.router.journal] == [("ssh", "ebs", "add")]


def test_exec_with_and_without_a_terminal(ssh: paramiko.SSHClient) -> None:
    run(ssh, '/ip pool add name=p ranges=10.0.0.2-10.0.0.9 comment="Ж"')
    assert run(ssh, "/ip pool print as-value")[0] == ".id=*1;comment=Ж;name=p;ranges=10.0.0.2-10.0.0.9\r\n"
    assert run(ssh, "/ip pool print as-value", pty=True) == ("", 0)
    assert run(ssh, ":put [/ip pool print count-only]", pty=True) == ("1\r\n", 0)


def test_a_waiting_exec_does_not_hold_up_another(ssh: paramiko.SSHClient) -> None:
    _, slow, _ = ssh.exec_command(":delay 2s; :put slow")
    assert run(ssh, ":put quick") == ("quick\r\n", 0)
    assert not slow.channel.exit_status_ready()
    slow.channel.close()


def test_logins(nas: SimulatedNas) -> None:
    key = new_host_key()
    with pytest.raises(paramiko.AuthenticationException), ssh_to(nas, password="wrong"):
        pass
    with pytest.raises(paramiko.AuthenticationException), ssh_to(nas, pkey=key):
        pass
    nas.authorise_key("ebs", public_line(key) + " operator@example")
    with ssh_to(nas, pkey=key) as client:
        assert run(client, ":put in") == ("in\r\n", 0)
    nas.faults.refuse_login = True
    with pytest.raises(paramiko.AuthenticationException), ssh_to(nas):
        pass


def test_shell_with_the_size_question_turned_off(nas: SimulatedNas) -> None:
    with ssh_to(nas, "ebs+ct200w") as client:
        channel = client.invoke_shell()
        assert "MikroTik RouterOS 7.16.2" in read_until(channel, "[ebs@nas1] > ")
        channel.send(b"/ip firewall\r")
        read_until(channel, "[ebs@nas1] /ip/firewall> ")
        channel.send(b"filter print count-only\x7f\x7f\x7f\x7fonly\r")
        assert "\r\n0\r\n" in read_until(channel, "/ip/firewall> ")
        channel.send(b"/quit\r")
        while channel.recv(4096):
            pass
        assert channel.closed or channel.eof_received


def test_shell_shows_nothing_until_the_terminal_has_told_its_size(nas: SimulatedNas) -> None:
    with ssh_to(nas) as client:
        channel = client.invoke_shell()
        assert read_until(channel, "\x1b[6n").endswith("\x1b[6n")
        channel.send(b":put unseen\r\x1b[24;80R:put seen\r")
        text = read_until(channel, "seen\r\n")
        assert "unseen" not in text


def test_login_failures_are_echoed_into_idle_shells(nas: SimulatedNas) -> None:
    with ssh_to(nas, "ebs+t") as client:
        channel = client.invoke_shell()
        read_until(channel, "> ")
        with pytest.raises(paramiko.AuthenticationException), ssh_to(nas, "mallory", "x"):
            pass
        line = "echo: system,error,critical login failure for user mallory from 127.0.0.1 via ssh"
        assert line in read_until(channel, "via ssh")


def test_an_empty_password_is_nagged_about_until_ctrl_c() -> None:
    with SimulatedNas("nas1", "admin", "") as nas, ssh_to(nas, "admin+t", "") as client:
        channel = client.invoke_shell()
        assert "Change your password" in read_until(channel, "new password> ")
        channel.send(b"\x03")
        assert read_until(channel, "[admin@nas1] > ")


def test_faults_over_ssh(make_nas: MakeNas) -> None:
    faults = Faults(disconnect_after=1, disconnect_when="after")
    nas = make_nas(faults=faults, ssh=True)
    with ssh_to(nas) as client:
        channel = client.get_transport().open_session(timeout=10)
        channel.settimeout(10)
        channel.exec_command("/ip pool\nadd name=a ranges=10.0.0.1\n:put one\nadd name=b ranges=10.0.0.2\n:put two")
        assert channel.recv(1) == b""
    assert [row["name"] for row in nas.router.items("/ip/pool")] == ["a", "b"]
    faults.disconnect_after, faults.fail = None, lambda op: "action failed (6)" if op.verb == "remove" else None
    with ssh_to(nas) as client:
        assert run(client, "/ip pool remove [find]; :put never") == ("action failed (6)\r\n", 0)


def test_stop_ends_every_thread(make_nas: MakeNas) -> None:
    nas = make_nas(ssh=True)
    with ssh_to(nas, "ebs+t") as client:
        read_until(client.invoke_shell(), "> ")
        nas.stop()
        assert nas.router.session_count == 0
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("nas-")] == []
