"""Values must not reach a program that reads them as code, by whatever way the line takes."""

from __future__ import annotations

import pytest

from ebs_core.domain.errors import SkeletonError
from nas_backends.backends import parse

DIALECTS = ("nft", "tc", "ip", "shell")


@pytest.mark.parametrize(
    "line",
    [
        "sh -o errexit -c \0",
        "sh -eo pipefail -c \0",
        'echo "x \0" | sh',
        "echo \0 | grep x | bash -s",
        "printf %s \0 | xargs rm",
        "echo \0 | { sh; }",
        "(echo \0) | sh",
        "if true; then echo \0; fi | sh",
        "echo \0 | while read x; do sh; done",
        "echo \0 | ipset restore",
        "echo \0 | iptables-restore",
        "echo \0 | sudo -u x sh",
        "echo \0 | nft -f -",
        "echo \0 | tc -batch -",
        "echo \0 | python3",
        "echo \0 | ssh host",
        "echo \0 | at now",
        "$SHELL -c \0",
        "docker exec c sh -c \0",
        "systemd-run \0",
        "vtysh -c \0",
        "LD_PRELOAD=\0 ls",
        "PATH=\0 cmd",
    ],
)
def test_refused_at_the_value(line: str) -> None:
    with pytest.raises(SkeletonError) as caught:
        parse(DIALECTS, line, "ssh")
    assert caught.value.offset == line.index("\0")
    assert caught.value.remedy


@pytest.mark.parametrize(
    "line",
    [
        "echo \0 | grep x; sh /etc/x",
        "echo a | sh; echo \0",
        "printf %s \0 | python3 /usr/local/bin/x.py",
        'test ! -x "$hook" || "$hook" event login=\0',
        "echo \0 | sed s/a/b/ | tee /tmp/x",
        "sh -o errexit -c 'echo \"$1\"' _ \0",
        'X=\0; echo "$X"',
    ],
)
def test_taken(line: str) -> None:
    assert sum(statement.slots for statement in parse(DIALECTS, line, "ssh")) == 1
