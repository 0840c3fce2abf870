"""Alembic migrations; run by ``ebs init``, or by hand with ``alembic``."""
