"""The shell dialect against real shells: a value arrives as exactly its characters, or the template is refused."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ebs_core.domain.errors import SkeletonError, UnquotableValue
from nas_backends.dialects.shell import ShellDialect

SHELLS = [shell for shell in ("dash", "bash") if shutil.which(shell)] or ["sh"]
HOSTILE = [
    ";",
    '"',
    "'",
    "$(id)",
    "`id`",
    "[find]",
    "a\\",
    "\\'",
    "a\nb",
    "🙂",
    "",
    " ",
    "*",
    "~root",
    "$HOME",
    "!!",
    "#x",
    "x" * 512,
    "a\r\nb",
]
VALUES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30) | st.sampled_from(HOSTILE)


def parse(text: str):
    return ShellDialect().parse(text, "ssh")


def output(shell: str, command: str) -> str:
    return subprocess.run([shell, "-c", command], capture_output=True, check=True).stdout.decode()


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("skeleton", "expected"),
    [
        ("printf '[%s]' -- x\0 y", "[--][x{}][y]"),
        ("printf '[%s]' 'a \0 b'", "[a {} b]"),
        ("printf '[%s]' \"a \0 b\"", "[a {} b]"),
        ("printf '[%s]' a\0b\"\"'c'", "[a{}bc]"),
        ("X=\0; printf '[%s]' \"$X\"", "[{}]"),
        ('sh -c \'printf "[%s]" "$1"\' _ \0', "[{}]"),
        ("if true; then printf '[%s]' \"\0\"; fi", "[{}]"),
        ("case \0 in zzzzzz) ;; *) printf '[%s]' \0-;; esac", "[{}-]"),
        ("for x in \0; do printf '[%s]' \"$x\"; done", "[{}]"),
    ],
)
@settings(max_examples=25, deadline=None)
@given(value=VALUES)
def test_value_arrives_exactly(shell: str, skeleton: str, expected: str, value: str) -> None:
    (statement,) = parse(skeleton)
    assert output(shell, statement.emit([value] * statement.slots)) == expected.format(value)


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("shell", SHELLS)
def test_listed_hostile_values(shell: str, value: str) -> None:
    (statement,) = parse("printf '%s|%s|%s' \0 'a\0' \"b\0\"")
    assert output(shell, statement.emit([value] * 3)) == f"{value}|a{value}|b{value}"


@pytest.mark.parametrize(
    "skeleton",
    [
        "\0 x",
        "a\0 x",
        "X\0=1 y",
        "echo $(id \0)",
        "echo `id \0`",
        "echo $((1+\0))",
        "echo ${X:-\0}",
        "echo $\0",
        'echo "$\0"',
        "echo \\\0",
        'echo "\\\0"',
        'echo "$X\0"',
        "echo # \0",
        "cat <<E\n\0\nE",
        "eval echo \0",
        "sh -c \0",
        "bash -ec 'echo \0'",
        "su -c \0 bob",
        "sudo sh -c \0",
        "env X=1 sh -c \0",
        "timeout 5 \0",
        "xargs sh -c \0",
        "find . -exec sh -c \0 \\;",
        "ssh host \0",
        "python3 -c \0",
        "perl -e 'print' -e \0",
        "awk '{print \0}'",
        "sed s/x/\0/",
        "sed -e p -e \0",
        "printf \0",
        "nft add element x \0",
        "export \0=1",
        "read \0",
        "for \0 in a; do :; done",
        ". \0",
        "trap \0 EXIT",
        "[[ x -eq \0 ]]",
        "((\0))",
        "echo $'\0'",
        "echo x >&\0",
        "ip netns exec x \0",
        "cat <(\0)",
        "nohup nice -n 5 \0",
    ],
)
def test_value_in_code_is_refused_at_its_offset(skeleton: str) -> None:
    with pytest.raises(SkeletonError) as caught:
        parse(skeleton)
    assert skeleton[caught.value.offset] == "\0" or skeleton[caught.value.offset] in "<$\\("


@pytest.mark.parametrize(
    "skeleton",
    ["echo 'x", 'echo "x', "if true; then x", "( x", "echo )", "fi", "a &&", "case x in a) b", "{ x", "echo `x", ";; x"],
)
def test_incomplete_text_is_refused(skeleton: str) -> None:
    with pytest.raises(SkeletonError):
        parse(skeleton)


def test_logical_lines() -> None:
    text = "a 1\n\n# note\n"
    text += "b \\\n 2 &&\n  c | # why\n d\nif x; then\n  y; fi\nf() {\n z; }\n'p\nq' r; s\ncase $1 in\n a|b) c;;\nesac\nu & v"
    assert [statement.emit([]) for statement in parse(text)] == [
        "a 1",
        "b \\\n 2 &&\n  c | # why\n d",
        "if x; then\n  y; fi",
        "f() {\n z; }",
        "'p\nq' r; s",
        "case $1 in\n a|b) c;;\nesac",
        "u & v",
    ]


@pytest.mark.parametrize(
    ("skeleton", "value", "taken"),
    [
        ("rm \0", "-rf", False),
        ("rm -- \0", "-rf", True),
        ("rm ./\0", "-rf", True),
        ("x --n=\0", "-1a", True),
        ("x \0", "-15", True),
        ("x \0y", "-15", False),
        ("x '\0'", "-", False),
        ("sh -c 'x' _ \0", "-e", True),
        ("sed p \0", "-es/x/y/e", False),
        ("x > \0", "-f", True),
        ("[ \0 = x ]", "-f", True),
        ("sudo rm \0", "-rf", False),
    ],
)
def test_values_that_would_become_options(skeleton: str, value: str, taken: bool) -> None:
    (statement,) = parse(skeleton)
    if taken:
        assert value in statement.emit([value])
    else:
        with pytest.raises(UnquotableValue, match="option"):
            statement.emit([value])
        assert repr(value) in statement.show([value])


def test_nul_is_refused() -> None:
    with pytest.raises(UnquotableValue, match="NUL"):
        parse("echo \0")[0].emit(["a\0b"])
