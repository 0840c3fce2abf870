"""The composition root: the only module that knows every part."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from actions.catalogue import load_profiles
from actions.renderer import TemplateRenderer
from ebs_core.config import Config
from ebs_core.crypto import SecretBox
from ebs_core.services.adoption import Adopter
from ebs_core.services.applier import utc_now
from ebs_core.services.audit import SYSTEM, Actor
from ebs_core.services.editor import Editor
from ebs_core.services.importer import Importer
from ebs_core.services.nas_editor import NasEditor
from ebs_core.services.nases import NasCatalogue
from ebs_core.services.observer import Observer
from ebs_core.services.pauses import Schedule
from ebs_core.services.planner import Planner
from ebs_core.services.reconciler import Reconciler
from ebs_core.services.rollouts import Rollouts
from ebs_core.services.setup import NasSetup
from ebs_core.services.trial import Trial
from ebs_core.storage import job_queue, schema
from ebs_core.storage.database import Database
from nas_backends.backends import DeviceBackends

if TYPE_CHECKING:
    from ebs_server.engine.background import Background


class Site:
    """One provider's EBS: its database, its key, its kinds of NAS. Parts are made when first used."""

    def __init__(self, config: Config, actor: Actor = SYSTEM) -> None:
        self.config = config
        self.actor = actor
        """On whose behalf it edits."""
        self.jobs: job_queue.JobQueue | None = None
        """Of a PostgreSQL site, once its database is open."""

    @cached_property
    def database(self) -> Database:
        """Raises StorageError unless it has this program's schema."""
        database = Database(self.config.database)
        schema.check_current(database)
        if job_queue.uses_queue(database):
            self.jobs = job_queue.JobQueue(database)
            database.on_commit.append(self.jobs.wake)
        return database

    def background(self, threads: int) -> Background:
        """The background job of this process. Raises StorageError where its queue is missing."""
        from ebs_server.engine.background import Background  # Procrastinate takes long to import, and one command needs it

        database = self.database
        if self.jobs is not None:
            job_queue.check_current(database)
        reconcile, profiles = self.reconciler.reconcile, self.renderer.profiles
        background = Background(database, self.jobs, reconcile, profiles, self.backends, threads, self.schedule)
        self.reconciler.stopping = background.stopping.is_set
        return background

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
    def observer(self) -> Observer:
        return Observer(self.database, self.planner, self.setup, self.backends, self.secrets)

    @cached_property
    def adopter(self) -> Adopter:
        return Adopter(self.database, self.planner, self.catalogue, self.backends, self.observer, utc_now)

    @cached_property
    def schedule(self) -> Schedule:
        return Schedule(self.config.resync_seconds, self.config.pulse_seconds)

    @cached_property
    def reconciler(self) -> Reconciler:
        return Reconciler(
            self.database, self.planner, self.catalogue, self.backends, self.observer, self.setup, utc_now, self.schedule
        )

    @cached_property
    def importer(self) -> Importer:
        return Importer(self.database, self.renderer, self.secrets, self.trial, utc_now, self.actor)

    @cached_property
    def editor(self) -> Editor:
        return Editor(self.database, self.renderer, self.secrets, self.trial, utc_now, self.actor)

    @cached_property
    def nas_editor(self) -> NasEditor:
        return NasEditor(self.database, self.renderer, self.secrets, utc_now, self.actor)

    @cached_property
    def rollouts(self) -> Rollouts:
        return Rollouts(self.database, self.renderer, self.trial, utc_now, self.actor)

    @cached_property
    def setup(self) -> NasSetup:
        return NasSetup(self.database, self.catalogue, self.backends, self.secrets, utc_now)

    def close(self) -> None:
        if "database" in self.__dict__:
            if self.jobs is not None:
                self.jobs.close()
            self.database.dispose()
