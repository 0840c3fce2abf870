"""The renderer: the templates in force on a NAS, compiled once and shared (implements ``ebs_core.ports.Renderer``)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from types import MappingProxyType

from actions.checker import Checker, Parse
from actions.environment import TemplateEnvironment
from actions.program import Program
from actions.variables import BOOTSTRAP, SCOPES, action_named, scope_of
from ebs_core.domain.actions import Action, Level
from ebs_core.domain.errors import Problem, TemplateError
from ebs_core.domain.nas import Profile
from ebs_core.domain.text import Rendered

CACHE_SIZE = 4096
"""Compiled templates kept; each takes some 20 kB."""

_MAKES_RECORDS = tuple(
    Action.of(level, step) for level in (Level.ACCOUNT, Level.SUBACCOUNT) for step in ("add", "enable", "disable", "speed")
)
_COMMENTS = re.compile(r"\{#.*?#\}|^[ \t]*#[^\n]*$", re.DOTALL | re.MULTILINE)

Compile = Callable[[str, str], Program]
"""From source and scope name."""


class TemplateRenderer:
    """Compiles and renders templates of the given ``profiles``. Thread-safe.

    ``parse`` is ``Backends.parse``: it raises SkeletonError for text that no dialect of the profile takes.
    """

    def __init__(self, profiles: Mapping[str, Profile], parse: Parse) -> None:
        self._profiles = MappingProxyType(dict(profiles))
        environment = TemplateEnvironment()

        @lru_cache(maxsize=CACHE_SIZE)
        def compiled(source: str, scope: str) -> Program:
            return Program(source, SCOPES[scope], environment)

        self._compile: Compile = compiled
        self._checker = Checker(parse)

    def profiles(self) -> Mapping[str, Profile]:
        return self._profiles

    def templates(self, profile: Profile, overrides: Mapping[str, str]) -> NasTemplates:
        """``overrides`` by action name, ours or the original's; an empty one switches the profile's off. Raises InputError."""
        own = {action_named(name).value: source for name, source in overrides.items()}
        return NasTemplates(profile, own, self._compile)

    def bootstrap(self, profile: Profile, values: Mapping[str, object]) -> Rendered:
        """Raises TemplateError, UnquotableValue."""
        return NasTemplates(profile, {}, self._compile).render_named(BOOTSTRAP, values)

    def check(self, profile: Profile, transport: str, action: str, source: str, file: str) -> list[Problem]:
        """Everything wrong with a template, by line and column. ``action`` may be ``bootstrap``. Raises InputError."""
        return self._checker.check(profile, transport, scope_of(action), source, file)


class NasTemplates:
    """The templates in force on one NAS (implements ``ebs_core.ports.Templates``). Cheap to make; compiled at first use."""

    def __init__(self, profile: Profile, overrides: Mapping[str, str], compile_: Compile) -> None:
        self._sources: dict[str, str] = {**profile.templates, **overrides}
        self._files = {name: f"{profile.name}/{name}.j2" for name in profile.templates} | {
            name: f"{name} (this NAS's own)" for name in overrides
        }
        self._compile = compile_
        self._programs: dict[str, Program] = {}
        self._defaults = {name: option.default for name, option in profile.options.items() if option.default is not None}
        self._revision = ""

    @property
    def revision(self) -> str:
        if not self._revision:
            digest = hashlib.sha256()
            for action in _MAKES_RECORDS:
                source = self._sources.get(action, "").encode("utf-8", "surrogatepass")
                digest.update(b"%s %d\n%s" % (action.encode(), len(source), source))
            self._revision = digest.hexdigest()[:16]
        return self._revision

    def variables(self, *actions: Action) -> frozenset[str]:
        """Canonical names, ``options`` among them. Raises TemplateError."""
        return frozenset().union(*(self._program(action).usage.variables for action in actions))

    def is_empty(self, action: Action) -> bool:
        """Blank, or nothing but comments (``{# … #}``, and lines that begin with ``#``)."""
        return not _COMMENTS.sub("", self._sources.get(action, "")).strip()

    def render(self, action: Action, values: Mapping[str, object]) -> Rendered:
        return self.render_named(action, values)

    def render_named(self, name: str, values: Mapping[str, object]) -> Rendered:
        program = self._programs.get(name) or self._program(name)
        return program.render(values, self._files.get(name, name), self._defaults)

    def _program(self, name: str) -> Program:
        if name not in self._programs:
            try:
                self._programs[name] = self._compile(self._sources.get(name, ""), scope_of(name).name)
            except TemplateError as error:
                file = self._files.get(name, name)
                raise TemplateError(
                    f"the template {file} cannot be used", [replace(problem, file=file) for problem in error.problems]
                ) from None
        return self._programs[name]
