"""The store's schema, brought to this version from here, so that no function has to migrate while it answers."""

from __future__ import annotations

from sqlalchemy import inspect, text
from sqlalchemy.exc import DBAPIError

from chalicelib.errors import StoreError
from chalicelib.store import Store, schema

from .plan import Step, Tell, judged


def step(url: str) -> Step:
    """Return the step that migrates. Raises StoreError when the database cannot be reached or is newer than this Sauron."""
    store = Store(url)
    try:
        version = _version(store)
    finally:
        store.close()
    if version and version > schema.HEAD:
        raise StoreError(
            f"The store was made by a newer Sauron (schema {version}, this one knows {schema.HEAD}): deploy the newer one."
        )

    def do(tell: Tell) -> None:
        opened = Store(url)
        try:
            opened.migrate()
        finally:
            opened.close()
        tell(f"The store is at schema {schema.HEAD}.")

    differs = [] if version == schema.HEAD else [f"from schema {version} to {schema.HEAD}"]
    where = store.url.host or store.url.query.get("host", "")
    return judged(
        f"store {store.url.database} on {where}", exists=version is not None, differs=differs, do=do
    )


def _version(store: Store) -> str | None:
    try:
        with store.engine.connect() as connection:
            if not inspect(connection).has_table("alembic_version"):
                return None
            found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
            return found
    except DBAPIError as error:
        where = store.url.render_as_string(hide_password=True)
        raise StoreError(f"JOB_QUEUE_DB_URL: {where} cannot be used: {str(error.orig).strip()}") from error
