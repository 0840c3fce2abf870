"""An independent reader of emitted RouterOS text: splits a script into commands of words, strings unescaped. For tests only."""

from __future__ import annotations

import re

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\];\n]|[ \t]+|[^"\[\];\s]+', re.DOTALL)
_ESCAPE = re.compile(r'\\([0-9A-F]{2}|["\\nrt$?_])')
_MEANING = {'"': '"', "\\": "\\", "n": "\n", "r": "\r", "t": "\t", "$": "$", "?": "?", "_": " "}


def unescape(text: str) -> str:
    return _ESCAPE.sub(lambda match: _MEANING.get(match[1]) or chr(int(match[1], 16)), text)


def commands(script: str) -> list[list[str]]:
    """Words per command; a value is what its quotes mean. Fails on a bare ``$`` in a string and on what is no token."""
    out: list[list[str]] = [[]]
    glue = False
    at = 0
    while at < len(script):
        match = _TOKEN.match(script, at)
        assert match is not None, f"not RouterOS at {at}: {script[at : at + 30]!r}"
        at, token = match.end(), match[0]
        if token in (";", "\n"):
            out.append([])
            glue = False
        elif token.isspace():
            glue = False
        else:
            if token[0] == '"':
                inner = token[1:-1]
                assert not re.search(r"(?<!\\)(?:\\\\)*\$", inner), "an unescaped $ is a variable"
                token = unescape(inner)
            if glue:
                out[-1][-1] += token
            else:
                out[-1].append(token)
            glue = True
    return [words for words in out if words]
