"""The ``$name`` notation, and the positions of tokens."""

from __future__ import annotations

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from jinja2 import TemplateSyntaxError

from actions.environment import TemplateEnvironment
from actions.syntax import Source
from ebs_core.domain.errors import TemplateError
from tests.unit.actions import problems, render

ENVIRONMENT = TemplateEnvironment()


@pytest.mark.parametrize(
    ("source", "skeleton", "values"),
    [
        ("$subacc_vlan", "\0", ("100",)),
        ("${vlan}x", "\0x", ("100",)),
        ("$vlan-$vlan", "\0-\0", ("100", "100")),
        ("$$vlan $$$vlan", "$vlan $\0", ("100",)),
        ("$$", "$", ()),
        ("$", "$", ()),
        ("$(id) $? $1 $* $'x' $-", "$(id) $? $1 $* $'x' $-", ()),
        ("$${vlan}", "${vlan}", ()),
        ("{% raw %}$vlan {{ x }}{% endraw %} $vlan", "$vlan {{ x }} \0", ("100",)),
        ("{{ '$vlan' }}", "\0", ("$vlan",)),
        ("{# $nothing #}$vlan {{ vlan }}", "\0 \0", ("100", "100")),
        ("{% set x = 5 %}$x", "\0", ("5",)),
        ("a\r\n$vlan\r\n", "a\n\0", ("100",)),
    ],
)
def test_dollar(source: str, skeleton: str, values: tuple[str, ...]) -> None:
    rendered = render(source)
    assert (rendered.skeleton, rendered.values) == (skeleton, values)


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("a\n  $foo", "t.j2:2:3: unknown variable 'foo'; write $$foo for a literal dollar sign"),
        ("$vlan_", "t.j2:1:1: unknown variable 'vlan_'; did you mean 'vlan'?; write $$vlan_ for a literal dollar sign"),
        ("x ${vlan:-1}", "t.j2:1:3: '${' needs a name and '}' after it; write $${ for a literal dollar sign and brace"),
        ("x\n\n $true", "t.j2:3:2: unknown variable 'true'; write $$true for a literal dollar sign"),
        ("$sub", "t.j2:1:1: unknown variable 'sub'; write $$sub for a literal dollar sign"),
    ],
)
def test_dollar_mistakes(source: str, problem: str) -> None:
    assert problems(source) == [problem]


def test_unfit_sources() -> None:
    with pytest.raises(TemplateError, match="1:3: a template cannot contain the NUL character"):
        render("ab\0")
    assert problems("x" * 65_537) == ["t.j2: the template has 65,537 characters; at most 65,536 are allowed"]


PARTS = st.sampled_from(
    ["text", " ", "\n", "  \n\t", "$vlan", "$$", "${vlan}", "{{ vlan }}", "{{- vlan -}}", "{# c #}", "{#- c -#}", "{% if vlan %}",
     "{%- if vlan -%}", "{% endif %}", "{%+ endif -%}", "{% raw %}", "{% endraw %}", "{%- raw -%}", "{%- endraw -%}", "'", "{"]
)  # fmt: skip


@given(st.lists(PARTS, max_size=12).map("".join))
def test_tokens_stand_where_they_say(text: str) -> None:
    """Each token's text is found at its position, and only blanks and comments lie outside of tokens."""
    source = Source(text).text
    covered: set[int] = set()
    try:
        tokens = list(ENVIRONMENT._tokens(source))
    except TemplateSyntaxError:
        assume(False)
    for position, kind, value in tokens:
        at = position - 1
        length = len(value)
        if source[at : at + length] != value or source[at : at + 2] == "$$":  # $name, ${name} and $$ are longer than their tokens
            written = re.match(r"\$(\$|\{\w+\}|\w+)", source[at:])
            assert written and kind in ("data", "variable_begin", "name", "variable_end")
            length = max(length, written.end()) if kind == "data" else written.end()
        covered |= set(range(at, at + length))
    assert not "".join(char for at, char in enumerate(source) if at not in covered).strip()
