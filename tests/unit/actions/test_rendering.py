"""Rendering: values stand in slots whatever they contain, and nothing else does."""

from __future__ import annotations

import threading
from collections import ChainMap
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ebs_core.domain.actions import Action
from ebs_core.domain.errors import InputError, TemplateError, UnquotableValue
from ebs_core.domain.text import SLOT, Rendered, Secret
from tests.unit.actions import PROFILE, RENDERER, VALUES, render

HOSTILE = [
    "; reboot",
    '"',
    "'",
    "$(id)",
    "[find]",
    "\\",
    "\n",
    "\x01" + "0\x01",
    "{{ 7 }}",
    "$vlan",
    "\U0001f600",
    "x" * 512,
    " ",
]


@pytest.mark.parametrize(
    ("source", "skeleton", "values"),
    [
        ("a {{ username }} b", "a \0 b", ("a-0017-1",)),
        ("{{ 'constant' }}{{ 5 }}", "\0\0", ("constant", "5")),
        ("{{ username ~ '-' ~ vlan }}", "\0", ("a-0017-1-100",)),
        ("{{ username | upper }}", "\0", ("A-0017-1",)),
        ("{{ vlan + 1 }} {{ vlan * 2 }} {{ 2 ** 8 }}", "\0 \0 \0", ("101", "200", "256")),
        ("{{ 'yes' if vlan else 'no' }}", "\0", ("yes",)),
        (
            "{% macro m(x, y='d') %}<{{ x }}|{{ y }}>{% endmacro %}{{ m(vlan) }}{{ m(1, y=2) }}",
            "<\0|\0><\0|\0>",
            ("100", "d", "1", "2"),
        ),
        ("{% set b %}add {{ vlan }}{% endset %}{{ b }};{{ b }}", "add \0;add \0", ("100", "100")),
        ("{% set b %}add{% endset %}{{ b }}", "add", ()),
        ("{% macro m(x) %}[{{ x }}]{% endmacro %}{% set b %}{{ m(vlan) }}{% endset %}{{ m(b) }}", "[[\0]]", ("100",)),
        ("{% for i in range(3) %}{{ i }}{% if not loop.last %},{% endif %}{% endfor %}", "\0,\0,\0", ("0", "1", "2")),
        ("{% set ns = namespace(n=1) %}{% set ns.n = 2 %}{{ ns.n }}", "\0", ("2",)),
        ("{% with x = vlan %}{{ x }}{% endwith %}", "\0", ("100",)),
        ("{{ options.uplink }} {{ options['list'] }}", "\0 \0", ("eth1", "active")),
        ("{% if vlan %}\n  a\n{% else %}\n  b\n{% endif %}\n", "  a\n", ()),
        ("a\n\n", "a\n", ()),
        ("", "", ()),
    ],
)
def test_slots(source: str, skeleton: str, values: tuple[str, ...]) -> None:
    assert render(source) == Rendered(skeleton, values)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (True, "True"),
        (False, "False"),
        (0, "0"),
        (Decimal("10.00"), "10.00"),
        (Decimal("1E+3"), "1000"),
        (datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC), "2024-01-02T03:04:05+00:00"),
        (datetime(2024, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=3))), "2024-01-02T00:04:05+00:00"),
        (datetime(2024, 1, 2, 3, 4, 5), "2024-01-02T03:04:05+00:00"),
        (Action.ACCOUNT_ADD, "account_add"),
    ],
)
def test_values_as_text(value: object, text: str) -> None:
    (shown,) = render("{{ username }}", subacc_username=value).values
    assert shown == text
    assert type(shown) is str


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize(
    "source",
    [
        "x {{ username }} y",
        "x $username y",
        "{% macro m(v) %}x {{ v }} y{% endmacro %}{{ m(username) }}",
        "{% set b %}x {{ username }} y{% endset %}{{ b }}",
        "{% for v in [username] %}x {{ v }} y{% endfor %}",
    ],
)
def test_hostile_values_stay_values(source: str, hostile: str) -> None:
    assert render(source, subacc_username=hostile) == Rendered("x \0 y", (hostile,))


TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40)


@given(st.lists(TEXT, min_size=4, max_size=4))
def test_skeletons_do_not_depend_on_values(texts: list[str]) -> None:
    source = (
        "/a $username {{ subacc_comment }}; {% macro m(x) %}<{{ x }}>{% endmacro %}{{ m(acc_full_name) }} '{{ acc_comment }}'"
    )
    names = ("subacc_username", "subacc_comment", "acc_full_name", "acc_comment")
    rendered = render(source, **dict(zip(names, texts, strict=True)))
    assert rendered.skeleton == "/a \0 \0; <\0> '\0'"
    assert list(rendered.values) == texts


LITERALS = st.text(st.characters(exclude_characters="\0{}$#%\r", exclude_categories=["Cs"]), max_size=12).map(
    lambda text: text + "|"
)


@given(
    st.lists(st.tuples(LITERALS, st.sampled_from(["{{ username }}", "$username ", "${username}", "{{ 'c' }}"])), max_size=8), TEXT
)
def test_literal_text_comes_through_unchanged(parts: list[tuple[str, str]], value: str) -> None:
    rendered = render("".join(literal + tag for literal, tag in parts) + "|", subacc_username=value)
    expected = "".join(literal + SLOT + (" " if tag.endswith(" ") else "") for literal, tag in parts) + "|"
    assert rendered.skeleton == expected
    assert rendered.values == tuple("c" if "'c'" in tag else value for _, tag in parts)


@pytest.mark.parametrize(
    "expression",
    ["b[1:]", "b | upper", "b ~ username", "b + username", "b | reverse", "[b] | join(username)", "b | replace('a', username)",
     "'%s' | format(b)", "'{}'.format(b)", "b == 'x'", "b._pieces", "b.pieces()", "[b]", "b | list", "b | trim", "b | string"],
)  # fmt: skip
@pytest.mark.parametrize(
    "setup", ["{% set b %}a {{ vlan }}{% endset %}", "{% macro m() %}a {{ vlan }}{% endmacro %}{% set b = m() %}"]
)
def test_made_text_cannot_be_altered(setup: str, expression: str) -> None:
    """Were it text, a value could be pasted into it."""
    with pytest.raises(TemplateError):
        render(f"{setup}{{{{ {expression} }}}}")


@pytest.mark.parametrize(
    "source",
    ["{{ ''.__class__ }}", "{{ ''['__class__'] }}", "{{ ''.__class__.__mro__ }}", "{{ '{0.__class__}'.format(username) }}",
     "{{ range.__globals__ }}", "{{ username.__init__.__globals__ }}", "{{ (username | attr('__class__')) }}",
     "{{ options.update({'a': 1}) }}", "{{ cycler.__init__.__globals__ }}", "{% set x = [] %}{{ x.append(1) }}",
     "{{ namespace }}", "{{ options | map(attribute='__class__') | list }}", "{{ range(1) }}", "{{ username.upper }}"],
)  # fmt: skip
def test_sandbox(source: str) -> None:
    with pytest.raises(TemplateError):
        render(source)


@pytest.mark.parametrize(
    "tag",
    ["{% include 'x' %}", "{% extends 'x' %}", "{% import 'x' as x %}", "{% from 'x' import y %}", "{% block b %}{% endblock %}",
     "{% filter upper %}{% endfilter %}", "{% macro m() %}{% endmacro %}{% call m() %}{% endcall %}",
     "{% autoescape true %}{% endautoescape %}", "{% set x | upper %}{% endset %}", "{% for i in [] recursive %}{% endfor %}"],
)  # fmt: skip
def test_forbidden_tags(tag: str) -> None:
    with pytest.raises(TemplateError, match=r"not available in templates|takes no filter"):
        render(tag)


@pytest.mark.parametrize(
    "source",
    [
        "{% for i in range(200) %}{% for j in range(200) %}{% endfor %}{% endfor %}",
        "{% macro m(n) %}{{ m(n) }}{{ m(n) }}{% endmacro %}{{ m(1) }}",
        "{{ 'x' * 10000000 }}",
        "{{ 9 ** 99 }}",
        "{% for i in range(10000) %}" + "x" * 1000 + "{% endfor %}",
        "{% for i in range(9000) %}{{ i }}{{ i }}{% endfor %}",
        "{% set x0 %}" + "x" * 99 + "{% endset %}"
        + "".join(f"{{% set x{n + 1} %}}{f'{{{{ x{n} }}}}' * 20}{{% endset %}}" for n in range(6)) + "{{ x6 }}",
        "{% for i in range(1000000) %}{% endfor %}",
    ],
)  # fmt: skip
def test_bounds(source: str) -> None:
    with pytest.raises(TemplateError):
        render(source)


def test_nul_is_refused_and_named() -> None:
    with pytest.raises(UnquotableValue, match=r"subaccount_add \(this NAS's own\):1:6: .* NUL character \(subacc_username\)"):
        render("a {{ username }}", subacc_username="x\0y")
    with pytest.raises(UnquotableValue, match="NUL"):
        render(r"{{ '\0' }}")
    assert render("a {{ vlan }}", subacc_username="x\0y").values == ("100",)


def test_missing_value_is_named() -> None:
    templates = RENDERER.templates(PROFILE, {"subaccount_add": "{% if vlan %}{{ username }}{% endif %}"})
    with pytest.raises(TemplateError, match=r"subaccount_add .*: no value was given for subacc_username"):
        templates.render(Action.SUBACCOUNT_ADD, {"subacc_vlan": None})


def test_other_mappings_serve_as_values() -> None:
    templates = RENDERER.templates(PROFILE, {"subaccount_add": "$vlan {{ range(3) | sum }}"})
    assert templates.render(Action.SUBACCOUNT_ADD, ChainMap({"subacc_vlan": 7}, VALUES)).values == ("7", "3")


def test_errors_name_line_and_column() -> None:
    with pytest.raises(TemplateError, match=r":3:11: 'dict object' has no attribute 'nothing'"):
        render("a\n$vlan\n{{ options.nothing }}")
    with pytest.raises(TemplateError, match=r":2:21: .*zero"):
        render("a\n{{ vlan }} bcdef {{ vlan // 0 }}")
    with pytest.raises(TemplateError, match="a mapping cannot be put into a command"):
        render("{% set o = options %}{{ o }}")


def test_templates_in_force() -> None:
    profile = RENDERER.profiles()["test"]
    assert profile is PROFILE
    own = {"subaccount_add": "a $vlan", "account_speed": "$max_limit_rx {{ options.uplink }}", "subaccount_delete": "d $username"}
    templates = RENDERER.templates(profile, own)
    assert templates.variables(Action.SUBACCOUNT_ADD, Action.ACCOUNT_SPEED) == {"subacc_vlan", "max_limit_rx", "options"}
    assert templates.variables(Action.SESSION_RESET) == templates.variables() == frozenset()
    original = RENDERER.templates(profile, {"subacc_add_action": "a $vlan"})
    assert original.render(Action.SUBACCOUNT_ADD, VALUES) == Rendered("a \0", ("100",))
    with pytest.raises(InputError, match="no action 'bootstrap'"):
        RENDERER.templates(profile, {"bootstrap": ""})


@pytest.mark.parametrize("source", ["", " \n", "{# a\nb #}\n", "# nothing\n  # at all", "{# a #}\n# b {{ x }}\n"])
def test_empty(source: str) -> None:
    assert RENDERER.templates(PROFILE, {"account_add": source}).is_empty(Action.ACCOUNT_ADD)


@pytest.mark.parametrize("source", ["a", "# a\nb", "$vlan", "{# a #}b", "{% broken"])
def test_not_empty(source: str) -> None:
    assert not RENDERER.templates(PROFILE, {"account_add": source}).is_empty(Action.ACCOUNT_ADD)


def test_revision() -> None:
    def revision(**own: str) -> str:
        return RENDERER.templates(PROFILE, own).revision

    base = revision(subaccount_add="a")
    assert base == revision(subaccount_add="a", subaccount_delete="d", session_speed="s", account_delete="x")
    others = [
        revision(**{f"{level}_{step}": "a"}) for level in ("account", "subaccount") for step in ("enable", "disable", "speed")
    ]
    assert len({base, revision(), revision(subaccount_add="b"), revision(account_add="a"), *others}) == 10


def test_broken_template_names_its_file() -> None:
    templates = RENDERER.templates(PROFILE, {"subaccount_add": "a\n{{ vlam }}"})
    with pytest.raises(
        TemplateError, match=r"subaccount_add \(this NAS's own\):2:4: unknown variable 'vlam'; did you mean 'vlan'"
    ):
        templates.variables(Action.SUBACCOUNT_ADD)


def test_threads_share_compiled_templates() -> None:
    results: list[Rendered] = []
    threads = [
        threading.Thread(
            target=lambda number=number: results.extend(
                render(f"{{% macro m(x) %}}{{{{ x }}}}{{% endmacro %}}{{{{ m(vlan) }}}}{each % 7}", subacc_vlan=number)
                for each in range(50)
            )
        )
        for number in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(int(rendered.values[0]) for rendered in results) == [number for number in range(4) for _ in range(50)]


def test_secret_given_as_such_stays_one() -> None:
    (value,) = render("{{ username }}", subacc_username=Secret("x")).values
    assert type(value) is Secret
