"""Query words of the API (`?name=value`, `?#|!`) turned into one condition.

Source: MikroTik documentation, "API", section "Queries": words push truth values on a stack that starts with infinitely many
true values; `?#` words combine them; the row matches when no false value is left.
"""

from __future__ import annotations

from collections.abc import Iterable

from nas_simulator.conditions import All, Always, Any, Compares, Condition, Equals, Not, Present


def compile_query(words: Iterable[str]) -> Condition | None:
    """`words` are without their leading `?`. None when there is nothing to check."""
    stack: list[Condition] = []
    for word in words:
        if word.startswith("#"):
            _operate(stack, word[1:])
        else:
            stack.append(_test(word))
    if not stack:
        return None
    return stack[0] if len(stack) == 1 else All(stack)


def _test(word: str) -> Condition:
    if word.startswith("="):
        word = word[1:]
    elif word.startswith(("<", ">")):
        name, _, value = word[1:].partition("=")
        return Compares(name, value, greater=word[0] == ">")
    elif word.startswith("-"):
        return Not(Present(word[1:]))
    name, equal, value = word.partition("=")
    return Equals(name, value) if equal else Present(name)


def _pop(stack: list[Condition]) -> Condition:
    return stack.pop() if stack else Always()


def _copy(stack: list[Condition], index: int) -> Condition:
    return stack[-1 - index] if index < len(stack) else Always()


def _operate(stack: list[Condition], operations: str) -> None:
    """`!` `&` `|` act on the top; digits are an index from the top: copied, or at the word's end left alone on the stack."""
    index = ""
    after_index = False
    for sign in operations:
        if sign.isdecimal():
            index += sign
            continue
        if index:
            stack.append(_copy(stack, int(index)))
        after_index, index = bool(index), ""
        _apply(stack, sign, after_index)
    if index:
        stack[:] = [_copy(stack, int(index))]


def _apply(stack: list[Condition], sign: str, after_index: bool) -> None:
    if sign == "!":
        stack.append(Not(_pop(stack)))
    elif sign == "&":
        stack.append(All((_pop(stack), _pop(stack))))
    elif sign == "|":
        stack.append(Any((_pop(stack), _pop(stack))))
    elif sign == "." and not after_index:
        stack.append(_copy(stack, 0))
