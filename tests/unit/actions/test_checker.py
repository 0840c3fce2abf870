"""The checker finds every problem and says exactly where it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actions.renderer import TemplateRenderer
from ebs_core.domain.errors import InputError, SkeletonError
from ebs_core.domain.nas import Option, Profile
from ebs_core.domain.text import Rendered
from tests.unit.actions import PROFILE, RENDERER, problems

NO_OPTION = "profile test has no such option"
BAD = "'BAD' is not understood; write GOOD"


@pytest.mark.parametrize(
    ("source", "place"),
    [
        ("BAD", "1:1"),
        ("a $vlan BAD", "1:9"),
        ("$$ ${vlan} $$ BAD", "1:15"),
        ("a\nb\n  BAD\n", "3:3"),
        ("{% for i in range(9) %}\n  {{ i }},\n{% endfor %}\nx BAD", "4:3"),
        ("  {% if vlan %}\n  a\n  {% endif %}\n    BAD", "4:5"),
        ("{% if vlan %}\n  a {{ vlan }}\n  b BAD\n{% endif %}", "3:5"),
        ("{% if vlan %}x{% else %}\n\n BAD{% endif %}", "3:2"),
        ("{% if vlan %}a{% elif speed %}b{% elif username %}BAD{% endif %}", "1:51"),
        ("{% if vlan %}{% if speed %}{% if username %}a{% else %}BAD{% endif %}{% endif %}{% endif %}", "1:56"),
        ("{% if vlan %}a{% else %}{% if speed %}b{% else %}BAD{% endif %}{% endif %}", "1:50"),
        ("{% if not vlan %}BAD{% endif %}", "1:18"),
        ("{% for i in [] %}BAD{% endfor %}", "1:18"),
        ("{% for i in [1] %}a{% else %}BAD{% endfor %}", "1:30"),
        ("{% for i in [1] %}{% if not loop.last %}BAD{% endif %}{% endfor %}", "1:41"),
        ("{% for k, v in options.items() if k == 'zz' %}{{ k }}BAD{% endfor %}", "1:54"),
        ("{% macro m(x) %}{% if x %}a{% else %}BAD{% endif %}{% endmacro %}\n{{ m(1) }}", "1:38"),
        ("{% if vlan %}{% macro m() %}{% if speed %}a{% else %}BAD{% endif %}{% endmacro %}{{ m() }}{% endif %}", "1:54"),
        ("{% set b %}\nBAD{% endset %}{% if speed %}{{ b }}{% endif %}", "2:1"),
        ("{% macro m() %}BAD{% endmacro %}{{ 'x' if vlan else m() }}", "1:16"),
        ("{#- c -#}\n\n {%- if vlan -%}\n\n BAD {% endif %}", "5:2"),
        ("a\r\nb\r\nBAD", "3:1"),
        ("{% raw %}{{ $vlan BAD{% endraw %}", "1:19"),
    ],
)
def test_what_the_dialect_cannot_take(source: str, place: str) -> None:
    assert problems(source) == [f"t.j2:{place}: {BAD}"]


@pytest.mark.parametrize(("source", "place"), [("ab @{{ vlan | string }}", "1:8"), ("a\n@$vlan", "2:2"), ("@{{ 'c' }}", "1:5")])
def test_slots_have_places_too(source: str, place: str) -> None:
    assert problems(source) == [f"t.j2:{place}: '@\\x00' is not understood; write GOOD"]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a\n{% if x", ["t.j2:2:7: unexpected end of template, expected 'end of statement block'."]),
        ("a\n{% if vlan %}", ["t.j2:2:12: Unexpected end of template."]),
        ("a {{ 'b' }\n", ["t.j2:1:10: unexpected '}'"]),
        ("a\n {% foo %}", ["t.j2:2:5: Encountered unknown tag 'foo'."]),
        ("{{ vlan | ipp }}", ["t.j2:1:11: unknown filter 'ipp'; did you mean 'ip'?"]),
        ("{% if vlan is definde %}{% endif %}", ["t.j2:1:12: unknown test 'definde'; did you mean 'defined'?"]),
        ("x\n{% include 'x' %}", ["t.j2:2:4: the tag 'include' is not available in templates of commands"]),
        ("{% set speed = 1 %}", ["t.j2:1:8: 'speed' is a variable of EBS (subacc_speed); choose another name"]),
        ("{% for name in [1] %}{% endfor %}", ["t.j2:1:8: 'name' is a variable of EBS (nas_name); choose another name"]),
        ("{{ options }}", ["t.j2:1:4: 'options' is not a value itself; write {{ options.NAME }}"]),
        ("{{ options.uplnk }}", [f"t.j2:1:4: unknown variable 'options.uplnk': {NO_OPTION}; did you mean 'options.uplink'?"]),
        ("{{ options['zzz'] }}",
         [f"t.j2:1:4: unknown variable 'options.zzz': {NO_OPTION}; declare it in profile.toml as [options.zzz]"]),
        ("{% if vlan %}{% set y = 1 %}{% endif %}\n{{ y }}", ["t.j2:2:4: 'y' is undefined"]),
        ("{{ loop.index }}", ["t.j2:1:4: unknown variable 'loop'"]),
        ("\n{{ username + 1 }}", ['t.j2:2:4: can only concatenate str (not "int") to str']),
        ("\0", ["t.j2:1:1: a template cannot contain the NUL character"]),
    ],
)  # fmt: skip
def test_mistakes(source: str, expected: list[str]) -> None:
    found = problems(source)
    assert len(found) == len(expected)
    assert all(problem.startswith(start) for problem, start in zip(found, expected, strict=True))


def test_all_problems_sorted_and_once() -> None:
    source = "{{ zzz }}{{ zzz }}\n{% if vlan %}{{ vlan | ipp }}{% endif %}$yyy {% include 'x' %}"
    assert [problem.split(": ")[0] for problem in problems(source)] == [
        "t.j2:1:4",
        "t.j2:1:13",
        "t.j2:2:24",
        "t.j2:2:41",
        "t.j2:2:49",
    ]
    both = "{% if vlan %}BAD{% else %}a{% endif %}{% if vlan and speed %}b{% else %}c{% endif %}{% if not vlan %}\nBAD{% endif %}"
    assert problems(both) == [f"t.j2:1:14: {BAD}", f"t.j2:2:1: {BAD}"]


@pytest.mark.parametrize(
    "source",
    [
        "",
        "good $vlan {{ ipn_ip_address | net(32) }}",
        "{% if ipn_mac_address %}a{% elif vlan %}b{% else %}c{% endif %}",
        "{{ options.uplink | ip }}",
        "{{ options.uplink | bps }}",
        "{{ options.list }}",
        "{% for part in acc_full_name.split(' ') %}{{ part }}{% endfor %}",
    ],
)
def test_good_templates(source: str) -> None:
    assert problems(source) == []


def test_tests_that_read_the_same_go_the_same_way() -> None:
    def balanced(profile: Profile, transport: str, rendered: Rendered) -> None:
        if rendered.skeleton.count('"') % 2:
            raise SkeletonError("the quotation has no end", rendered.skeleton.rindex('"'))

    renderer = TemplateRenderer({}, balanced)
    good = '{% if vlan %}"{% endif %}a{% if not speed %}"{% else %}"{% endif %}"{% if not vlan %}{% else %}"{% endif %}'
    assert renderer.check(PROFILE, "ssh", "subaccount_add", good, "f") == []
    bad = '{% if vlan %}"{% endif %}a{% if speed %}"{% endif %}'
    assert [str(problem) for problem in renderer.check(PROFILE, "ssh", "subaccount_add", bad, "f")] == [
        "f:1:14: the quotation has no end",
        "f:1:41: the quotation has no end",
    ]


def test_transport_and_profile_reach_the_parser() -> None:
    seen = []
    renderer = TemplateRenderer({}, lambda profile, transport, rendered: seen.append((profile, transport, rendered)))
    assert renderer.check(PROFILE, "routeros_api", "account_add", "a {{ username }}", "f") == []
    assert seen == [(PROFILE, "routeros_api", Rendered("a \0", ("a-0017",)))]


def test_bootstrap() -> None:
    profile = Profile(
        "p", "P", ("opaque",), ("ssh",), options={"a": Option("a", default="x")}, templates={"bootstrap": "$name {{ options.a }}"}
    )
    assert RENDERER.bootstrap(profile, {"nas_name": "nas1", "options": {}}) == Rendered("\0 \0", ("nas1", "x"))
    assert RENDERER.bootstrap(PROFILE, {}) == Rendered("", ())
    assert problems("add $nas_name {{ options.uplink }}", "bootstrap") == []
    assert problems("$username", "bootstrap")[0].startswith("t.j2:1:1: unknown variable 'username': bootstrap prepares a NAS")
    with pytest.raises(InputError, match="no action 'boot'"):
        problems("", "boot")


BLOCKS = st.recursive(
    st.sampled_from(["x\n", "  y $vlan\n", "{{ username }}", " "]),
    lambda inner: st.tuples(inner, inner, st.sampled_from(["vlan", "not speed", "username == 'x'", "loop_"])).map(
        lambda parts: (
            f"{parts[0]}{{% for i in [1] %}}{parts[1]}{{% endfor %}}\n"
            if parts[2] == "loop_"
            else f"{{% if {parts[2]} %}}{parts[0]}{{% else %}}\n{parts[1]}{{% endif %}}\n"
        )
    ),
    max_leaves=8,
)


@given(st.lists(BLOCKS, max_size=4), st.lists(BLOCKS, max_size=4))
def test_a_bad_word_is_found_anywhere(before: list[str], after: list[str]) -> None:
    source = "".join(before) + "{% if switch_port %}a{% else %}\n BAD{% endif %}" + "".join(after)
    offset = source.index("BAD")
    line, column = source.count("\n", 0, offset) + 1, offset - source.rfind("\n", 0, offset)
    assert problems(source) == [f"t.j2:{line}:{column}: {BAD}"]
