"""Migrate the store before the functions are deployed, so that no function migrates during a request."""

from __future__ import annotations

from sqlalchemy import inspect, text
from sqlalchemy.exc import DBAPIError

from chalicelib.errors import StoreError
from chalicelib.postgresql import tls
from chalicelib.store import Store, schema

from .plan import Report, Step, step_for


def step(url: str, ca: str | None = None) -> Step:
    """Return the step that migrates the store; its server is verified with `ca`.

    Raises StoreError if the database cannot be reached, or its schema is newer than this Sauron knows.
    """
    store = Store(url, ca=ca)
    try:
        version = _version(store)
    finally:
        store.close()
    if version and version > schema.HEAD:
        raise StoreError(
            f"The store was made by a newer Sauron: its schema is {version}, this one knows {schema.HEAD}. "
            "Deploy the newer Sauron."
        )

    def do(report: Report) -> None:
        opened = Store(url, ca=ca)
        try:
            opened.migrate()
        finally:
            opened.close()
        report(f"The store is at schema {schema.HEAD}.")

    differs = [] if version == schema.HEAD else [f"from schema {version} to {schema.HEAD}"]
    where = store.url.host or store.url.query.get("host", "")
    return step_for(
        f"store {store.url.database} on {where}", exists=version is not None, differs=differs, do=do
    )


def connections(url: str, ca: str | None = None) -> int | None:
    """Return how many connections the database takes, None if it does not say (a proxy or a pooler)."""
    store = Store(url, ca=ca)
    try:
        with store.engine.connect() as connection:
            return int(connection.execute(text("SHOW max_connections")).scalar_one())
    except (DBAPIError, ValueError):
        return None
    finally:
        store.close()


def _version(store: Store) -> str | None:
    try:
        with store.engine.connect() as connection:
            if not inspect(connection).has_table("alembic_version"):
                return None
            found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
            return found
    except DBAPIError as error:
        where, reason = store.url.render_as_string(hide_password=True), tls.advised(str(error.orig).strip())
        raise StoreError(f"JOB_QUEUE_DB_URL: {where} cannot be used: {reason}") from error
