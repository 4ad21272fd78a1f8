"""A store moved into the past: to a Sauron that starts on it, it has been down for that long.

Every instant in every table is moved, so the ledger still agrees with schedules that repeat daily. Nothing
may run meanwhile.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import and_, select, update

from chalicelib.settings import Settings
from chalicelib.store import Store
from chalicelib.store.schema import Instant, metadata


def age(store_url: str, by: timedelta) -> None:
    """Move all that a store holds into the past."""
    store = Store(Settings.read({"JOB_QUEUE_DB_URL": store_url}).store_url)
    with store.write() as tx:
        for table in metadata.sorted_tables:
            instants = [column.name for column in table.columns if isinstance(column.type, Instant)]
            keys = list(table.primary_key.columns)
            for row in tx.execute(select(table)).mappings().all() if instants else ():
                moved = {name: row[name] - by for name in instants if row[name] is not None}
                if moved:
                    tx.execute(
                        update(table).where(and_(*(key == row[key.name] for key in keys))).values(moved)
                    )
    store.close()
