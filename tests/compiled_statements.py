"""Statements that are compiled once for all engines of a process of the tests.

SQLAlchemy keeps what it compiled with each engine, and each test has an engine of its own: a quarter of the
time of a test went into compiling the same statements again.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Engine, event

MOST = 5000


class Statements(dict[Any, Any]):
    """Compiled statements by kind of database, where SQLAlchemy has them by engine."""

    def get(self, key: Any, default: Any = None) -> Any:
        """Return what was compiled for an engine of the same kind."""
        return super().get(_for_all(key), default)

    def __setitem__(self, key: Any, compiled: Any) -> None:
        """Keep what was compiled."""
        if len(self) >= MOST:
            self.clear()
        super().__setitem__(_for_all(key), compiled)


def _for_all(key: tuple[Any, ...]) -> tuple[Any, ...]:
    """Name the kind of database in the place of the engine's own description of it."""
    dialect, *statement = key
    return (type(dialect), dialect.server_version_info, *statement)


STATEMENTS = Statements()


@event.listens_for(Engine, "engine_connect")
def _compile_once(connection: Connection) -> None:
    connection.execution_options(compiled_cache=STATEMENTS)
