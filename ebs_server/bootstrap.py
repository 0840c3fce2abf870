"""The composition root: the only module that knows every part."""

from __future__ import annotations

from functools import cached_property

from actions.catalogue import load_profiles
from actions.renderer import TemplateRenderer
from ebs_core.config import Config
from ebs_core.crypto import SecretBox
from ebs_core.services.applier import Applier, utc_now
from ebs_core.services.editor import Editor
from ebs_core.services.importer import Importer
from ebs_core.services.nases import NasCatalogue
from ebs_core.services.planner import Planner
from ebs_core.services.setup import NasSetup
from ebs_core.services.trial import Trial
from ebs_core.storage import schema
from ebs_core.storage.database import Database
from nas_backends.backends import DeviceBackends


class Site:
    """One provider's EBS: its database, its key, its kinds of NAS. Parts are made when first used."""

    def __init__(self, config: Config) -> None:
        self.config = config

    @cached_property
    def database(self) -> Database:
        """Raises StorageError unless it has this program's schema."""
        database = Database(self.config.database)
        schema.check_current(database)
        return database

    @cached_property
    def secrets(self) -> SecretBox:
        return self.config.secrets()

    @cached_property
    def backends(self) -> DeviceBackends:
        return DeviceBackends()

    @cached_property
    def renderer(self) -> TemplateRenderer:
        return TemplateRenderer(load_profiles(self.config.profiles), self.backends.parse)

    @cached_property
    def catalogue(self) -> NasCatalogue:
        return NasCatalogue(self.renderer, self.secrets)

    @cached_property
    def trial(self) -> Trial:
        return Trial(self.catalogue, self.backends, self.secrets)

    @cached_property
    def planner(self) -> Planner:
        return Planner(self.database, self.catalogue, self.backends, self.secrets)

    @cached_property
    def applier(self) -> Applier:
        return Applier(self.database, self.planner, self.catalogue, self.backends, utc_now)

    @cached_property
    def importer(self) -> Importer:
        return Importer(self.database, self.renderer, self.secrets, self.trial, utc_now)

    @cached_property
    def editor(self) -> Editor:
        return Editor(self.database, self.renderer, self.secrets, self.trial, utc_now)

    @cached_property
    def setup(self) -> NasSetup:
        return NasSetup(self.database, self.catalogue, self.backends, self.secrets, utc_now)

    def close(self) -> None:
        if "database" in self.__dict__:
            self.database.dispose()
