from __future__ import annotations

from pathlib import Path

import pytest

from actions.catalogue import load_directory, load_profiles
from ebs_core.domain.errors import BadFile
from ebs_core.domain.nas import Effect, Form, Read
from ebs_core.domain.text import Rendered

HEAD = """
title = "Good"
dialects = ["shell"]
transports = ["ssh"]
[options.directory]
default = "/x"
"""
READ = """
[[read]]
table = "users"
command = "list {{ options.directory }} | grep '{{options.directory}}'"
pattern = '^(?P<slot>[0-9]+) (?P<login>\\S+) (?P<state>up|down)$'
key = ["slot"]
adds = ['^add (?P<slot>\\S+) (?P<login>\\S+)$']
"""


def load(tmp_path: Path, toml: str) -> tuple[Read, ...]:
    folder = tmp_path / "good"
    folder.mkdir()
    (folder / "profile.toml").write_text(toml, encoding="utf-8")
    return load_directory(tmp_path)["good"].reads


def test_the_least(tmp_path: Path) -> None:
    (read,) = load(tmp_path, HEAD + READ)
    form = Form("list \0 | grep '\0'", ("directory", "directory"))
    assert read == Read(
        "users", form, r"^(?P<slot>[0-9]+) (?P<login>\S+) (?P<state>up|down)$", ("slot",),
        (Effect(r"^add (?P<slot>\S+) (?P<login>\S+)$"),),
    )  # fmt: skip
    assert form.rendered({"directory": "/y"}) == Rendered("list \0 | grep '\0'", ("/y", "/y"))


def test_everything(tmp_path: Path) -> None:
    more = """
sets = ['^state (?P<slot>\\S+) (?P<state>up|down)$', { match = '^enable (?P<slot>\\S+)$', state = "up" }]
removes = ['^del (?P<slot>\\S+)$']
complete = '^end$'
place = ["state"]
secret = ["login"]
alike = [["login"], ["slot", "state"]]
remove = "del {{ slot }}"
adopt = "comment {{ slot }} {{ tag }}"
[[read]]
table = "others"
command = "show"
pattern = 'x(?P<name>.)'
key = ["name"]
adds = [{ match = "^set$", name = "y" }]
"""
    read, other = load(tmp_path, HEAD + READ + more)
    assert read.sets == (
        Effect(r"^state (?P<slot>\S+) (?P<state>up|down)$"),
        Effect(r"^enable (?P<slot>\S+)$", (("state", "up"),)),
    )
    assert read.removes == (Effect(r"^del (?P<slot>\S+)$"),)
    assert (read.complete, read.place, read.secret) == ("^end$", ("state",), ("login",))
    assert read.alike == (("login",), ("slot", "state"))
    assert read.remove == Form("del \0", ("slot",)) and read.adopt == Form("comment \0 \0", ("slot", "tag"))
    assert (other.table, other.command, other.remove, other.adds) == (
        "others",
        Form("show"),
        None,
        (Effect("^set$", (("name", "y"),)),),
    )
    assert len({read, other}) == 2


def test_none_and_the_shipped(tmp_path: Path) -> None:
    assert load(tmp_path, HEAD) == ()
    profiles = load_profiles()
    assert profiles["generic_ssh"].reads and profiles["generic_ssh"].reads == profiles["localhost"].reads


def changed(old: str, new: str) -> str:
    assert old in READ
    return HEAD + READ.replace(old, new)


OPAQUE = HEAD.replace('"shell"', '"opaque"')


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ("read = 3\n" + HEAD, "'read' must be a list of tables"),
        (changed('table = "users"', ""), "'read.1.table' is missing; add it as a text"),
        (changed("key = [", "keys = ["), "'read.users.key' is missing; add it as a list of texts"),
        (changed("key = [", "keys = ["), "'read.users.keys' is unknown; remove it or correct it (known: table, command"),
        (changed("adds =", "sets ="), "'read.users.adds' is missing; add it as a list"),
        (changed('key = ["slot"]', "key = 'slot'"), "'read.users.key' must be a list of texts"),
        (changed("adds = [", "adds = [3, "), "'read.users.adds' must be a list of regular expressions, or of tables { match ="),
        (changed("adds = [", "adds = [{ slot = '1' }, "), "'read.users.adds' must be a list of regular expressions"),
        (HEAD + READ + "alike = ['login']", "'read.users.alike' must be a list of lists of properties"),
        (HEAD + READ + READ, "'read.users.table': two tables have this name; choose another"),
        (changed('command = "list', 'command = "" # '), "'read.users.command' is empty; fill it in"),
        (changed('key = ["slot"]', "key = []"), "'read.users.key' is empty; fill it in"),
        (changed("pattern = '^(", "pattern = '^(("), "'read.users.pattern' has a bad regular expression '^((?P<slot>"),
        (changed("adds = ['^add (", "adds = ['^add (("), "'read.users.adds' has a bad regular expression"),
        (HEAD + READ + "complete = '['", "'read.users.complete' has a bad regular expression '['"),
        (changed("?P<slot>[0-9]+) (?P<login>\\S+) (?P<state>", "[0-9]+) (\\S+) ("), "'read.users.pattern' has no named group"),
        (changed("pattern = '^", "pattern = '|^"), "'read.users.pattern' matches an empty text"),
        (changed('["slot"]', '["id"]'), "'read.users.key': 'id' is no group of 'pattern'; correct it or add the group"),
        (HEAD + READ + "secret = ['password']", "'read.users.secret': 'password' is no group"),
        (HEAD + READ + "place = ['list']", "'read.users.place': 'list' is no group"),
        (HEAD + READ + "alike = [['mac']]", "'read.users.alike': 'mac' is no group"),
        (changed("^add (?P<slot>", "^add (?P<id>"), "'read.users.adds': 'id' is no group of 'pattern'"),
        (changed("^add (?P<slot>", "^add (?:"), "'read.users.adds' '^add (?:\\\\S+) (?P<login>\\\\S+)$' does not tell 'slot'"),
        (HEAD + READ + "sets = [{ match = 'x', state = 'up' }]", "'read.users.sets' 'x' does not tell 'slot'"),
        (HEAD + READ + "removes = ['x']", "'read.users.removes' 'x' tells nothing of the record"),
        (changed("{{options.directory}}", "{{ options.dir }}"), "'read.users.command': there is no 'options.dir'; use one of"),
        (changed("{{options.directory}}", "{{ slot }}"), "'read.users.command': there is no 'slot'"),
        (changed("{{options.directory}}", "{{ options.directory|upper }}"), "'read.users.command' can only have {{ name }}"),
        (HEAD + READ + "remove = 'del {{ options.directory }}'", "'read.users.remove': there is no 'options.directory'"),
        (HEAD + READ + "remove = 'del {% if x %}'", "'read.users.remove' can only have {{ name }}"),
        (HEAD + READ + 'remove = "del \\u0000"', "'read.users.remove' contains a NUL character"),
        (HEAD + READ + "adopt = 'x {{ slot }}'", "'read.users.adopt' does not use {{ tag }}"),
        (OPAQUE + READ, "'read.users.complete' is missing; name what only a whole print has"),
        (OPAQUE + READ.replace('"list', '"a\\nlist'), "'read.users.command' must be one line"),
        (HEAD.replace("shell", "routeros") + READ, "'read.users.table': only profiles of the dialects shell and opaque"),
    ],
)  # fmt: skip
def test_mistakes(tmp_path: Path, toml: str, message: str) -> None:
    with pytest.raises(BadFile) as caught:
        load(tmp_path, toml)
    file = tmp_path / "good" / "profile.toml"
    assert any(str(problem).startswith(f"{file}: {message}") for problem in caught.value.problems), caught.value.problems
