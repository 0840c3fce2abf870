"""RouterOS skeletons into statements."""

from __future__ import annotations

import pytest

from ebs_core.domain.errors import SkeletonError
from ebs_core.domain.text import SLOT, Word
from nas_backends.dialects.routeros import RouterosDialect
from nas_backends.dialects.routeros_opaque import RouterosScript
from nas_backends.dialects.routeros_statement import RouterosStatement

DIALECT = RouterosDialect()
API, SSH = "routeros_api", "ssh"


def one(skeleton: str, transport: str = API) -> RouterosStatement:
    (statement,) = DIALECT.parse(skeleton, transport)
    assert isinstance(statement, RouterosStatement)
    return statement


@pytest.mark.parametrize(
    "text",
    [
        "/ip firewall address-list add list=a",
        "/ip/firewall/address-list/add list=a",
        "/ip firewall/address-list add list=a",
        "/ip firewall address-list\nadd list=a",
        "/ip/firewall/address-list\r\n  add list=a\r\n",
        "/ip firewall\naddress-list add list=a",
        '/ip firewall address-list add \\\n  list="a" # no',
    ],
)
def test_path_forms(text: str) -> None:
    statement = one(text.removesuffix(" # no"))
    assert (statement.path, statement.verb) == (("ip", "firewall", "address-list"), "add")
    assert statement.args == (("list", Word(("a",))),)


def test_any_word_can_be_the_verb() -> None:
    first, second, third = DIALECT.parse(
        "/system reboot; /ip/dhcp-server/lease/release numbers=x\n/tool/wol mac=aa interface=b", SSH
    )
    assert [(s.path, s.verb) for s in (first, second, third) if isinstance(s, RouterosStatement)] == [
        (("system",), "reboot"),
        (("ip", "dhcp-server", "lease"), "release"),
        (("tool",), "wol"),
    ]


def test_find_items_properties_and_several_commands() -> None:
    skeleton = (
        f'# menu\n/queue simple\nset [find where name="{SLOT}" !dynamic disabled] max-limit={SLOT}/{SLOT}; remove foo\n'
        f'/ppp active remove [find name~"^{SLOT}" and service!=pppoe]\nprint'
    )
    change, gone, active, shown = DIALECT.parse(skeleton, API)
    assert isinstance(change, RouterosStatement) and change.find is not None
    assert [(c.name, c.operator) for c in change.find.conditions] == [("name", "="), ("dynamic", "unset"), ("disabled", "set")]
    assert change.args == (("max-limit", Word((1, "/", 2))),)
    assert change.slots == 3
    assert isinstance(gone, RouterosStatement) and (gone.path, gone.items, gone.slots) == (("queue", "simple"), "foo", 0)
    assert isinstance(active, RouterosStatement) and active.find is not None
    assert [(c.name, c.operator) for c in active.find.conditions] == [("name", "~"), ("service", "!=")]
    assert isinstance(shown, RouterosStatement) and (shown.path, shown.verb) == (("queue", "simple"), "print")


def test_find_of_another_menu_and_numbers() -> None:
    statement = one("/ip arp remove numbers=[/ip dhcp-server lease find comment=x]")
    assert statement.find is not None and statement.find.path == ("ip", "dhcp-server", "lease")


def test_a_value_as_item_is_a_find_by_name() -> None:
    statement = one(f"/queue simple set {SLOT} disabled=yes")
    assert statement.items is None and statement.find is not None
    assert statement.emit(("*5",)) == '/queue simple set [find name="*5"] disabled=yes'


def test_slot_order_follows_the_text_even_when_items_come_last() -> None:
    statement = one(f'/queue simple set comment={SLOT} [find name="{SLOT}"]')
    assert statement.emit(("c", "n")) == '/queue simple set [find name="n"] comment="c"'


def test_empty_value_is_written_as_empty_string() -> None:
    assert one("/ip arp add comment= interface=e").emit(()) == '/ip arp add comment="" interface=e'
    assert one(f"/ip arp add comment={SLOT} interface=e").emit(("",)) == '/ip arp add comment="" interface=e'


def test_strings_are_read_with_their_escapes() -> None:
    statement = one(r'/ip arp add comment="a\"\\\$\n\_\3F\D0\96%"')
    assert statement.args[0][1].literal == 'a"\\$\n ?Ж%'
    assert statement.emit(()) == r'/ip arp add comment="a\"\\\$\n \3FЖ%"'


@pytest.mark.parametrize(
    ("skeleton", "at", "says"),
    [
        (f"/ip {SLOT} add a=b", 4, "path or verb"),
        (f"/ip arp ad{SLOT} a=b", 10, "path or verb"),
        (f"{SLOT}", 0, "path or verb"),
        (f"/ip arp add na{SLOT}=b", 14, "name"),
        (f"/ip arp add {SLOT}=b", 12, "without a name"),
        (f'/ip arp add comment="x"{SLOT}', 23, "glued"),
        (f"/ip arp remove [find {SLOT}=x]", 21, "name"),
        (f"/ip arp remove [find com{SLOT}=x]", 24, "name"),
        (f"# {SLOT}\n/ip arp print", 2, "comment"),
        ('/ip arp add comment="x', 20, "never closed"),
        ("/ip arp remove [find comment=x", 15, "never closed"),
        ("/ip arp remove find]", 19, "closes nothing"),
        (r'/ip arp add comment="\q"', 21, "no such escape"),
        (f'/ip arp add comment="$[{SLOT}]"', 23, "expression inside a string"),
        (f'/ip arp add comment="${SLOT}"', 22, "variable's name"),
        (f'/ip arp add comment="$ab{SLOT}"', 24, "variable's name"),
        (f'/ip arp add comment="\\{SLOT}"', 22, "half an escape"),
        (f'/ip arp add comment="\\4{SLOT}"', 23, "half an escape"),
        (f'/system script add name=x source="/log info {SLOT}"', 26, "would be run"),
        ("/ip arp add comment=x comment=y", 22, "twice"),
        ("/ip arp add comment=x # y", 22, "line of its own"),
        ("/ip arp print; set a comment=x", 15, "which menu"),
    ],
)
@pytest.mark.parametrize("transport", [API, SSH])
def test_refused_with_the_place(skeleton: str, at: int, says: str, transport: str) -> None:
    with pytest.raises(SkeletonError) as caught:
        DIALECT.parse(skeleton, transport)
    assert says in str(caught.value)
    assert caught.value.offset == at


@pytest.mark.parametrize(
    ("skeleton", "at", "says"),
    [
        (f":foreach i in=[find] do={{ :put x{SLOT} }}", 32, "glued"),
        (f":foreach i in=[find] do={{ {SLOT} x }}", 26, "cannot stand"),
        (f":foreach i in=[find] do={{ /ip {SLOT} add }}", 30, "cannot stand"),
        (f":local {SLOT} 5", 7, "cannot stand"),
        (f':execute "/log info {SLOT}"', 20, "run as a script"),
        (f':if (1=1) do={{ /system script add source="{SLOT}" }}', 42, "run as a script"),
    ],
)
def test_values_in_scripts_are_refused_where_they_would_be_more_than_a_string(skeleton: str, at: int, says: str) -> None:
    with pytest.raises(SkeletonError) as caught:
        DIALECT.parse(skeleton, SSH)
    assert says in str(caught.value)
    assert caught.value.offset == at


@pytest.mark.parametrize(
    ("skeleton", "at"),
    [
        (":foreach i in=[/ip arp find] do={ /ip arp remove $i }", 0),
        ("/ip arp remove [find comment=x or comment=y]", 31),
        ("/ip arp set 0 comment=x", 0),
        ("/ip arp add address=[:pick x 0 1]", 20),
        ('/ip arp add comment="a $b"', 23),
        ("/ip arp add comment=$b", 20),
        ('/log info "text"', 0),
        ("/ip arp export", 0),
        ("\n\n  :if (true) do={}", 4),
    ],
)
def test_only_for_the_command_line(skeleton: str, at: int) -> None:
    with pytest.raises(SkeletonError) as caught:
        DIALECT.parse(skeleton, API)
    assert caught.value.offset == at
    assert caught.value.remedy
    assert DIALECT.parse(skeleton, SSH)


def test_scripts_keep_their_text_and_quote_each_value_in_place() -> None:
    skeleton = (
        f'/ip arp\n:foreach i in=[find comment~"^{SLOT}"] do={{\n  # why\n  set $i comment="a {SLOT}" address={SLOT}\n}}; print'
    )
    loop, shown = DIALECT.parse(skeleton, SSH)
    assert isinstance(loop, RouterosScript) and loop.slots == 3
    assert loop.emit(("a.b", 'x"$y', "10.0.0.1")) == (
        '/ip arp\n:foreach i in=[find comment~"^a\\\\.b"] do={\n  # why\n  set $i comment="a x\\"\\$y" address="10.0.0.1"\n}'
    )
    assert shown.emit(()) == "/ip arp print"


def test_nothing_is_nothing() -> None:
    assert DIALECT.parse(" \n# only a comment\n;;\n", API) == ()
