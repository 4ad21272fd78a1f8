"""Orders: read those that are new, convert them, store them. Each step is a function that a test can call."""

from __future__ import annotations

import csv
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel

from sauron_jobs_loader import JobContext

TABLE = "CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, day TEXT, customer TEXT, cents INTEGER)"
STORE = "INSERT INTO orders VALUES (?, ?, ?, ?) ON CONFLICT (id) DO NOTHING"


class Params(BaseModel):
    """What a run may be told: `sauron run orders --param again=true`."""

    source: Path = Path("data/orders.csv")  # a file of this bundle; write where yours come from
    target: Path = Path("/tmp/orders.sqlite3")  # noqa: S108 - choose a folder that is kept
    again: bool = False  # from the first order on


class Order(NamedTuple):
    """An order as it is stored."""

    id: int
    day: str
    customer: str
    cents: int


def run(ctx: JobContext) -> dict[str, object]:
    """Store the orders after the last one that is known.

    The state moves only after the store has them, and the store takes each id once: a run that was
    interrupted in between does no harm when it is tried again.
    """
    params: Params = ctx.params
    last = 0 if params.again else ctx.state.get("last_id", 0)
    rows = [row for row in extract(params.source) if int(row["id"]) > last]
    ctx.progress(0.5, f"{len(rows)} orders read")
    orders = list(transform(rows))
    stored = load(params.target, orders)
    ctx.state["last_id"] = max([last, *(order.id for order in orders)])
    ctx.log.info("%d orders are new, %d stored", len(orders), stored)
    return {"status": "success", "summary": f"{stored} orders stored", "last_id": ctx.state["last_id"]}


def extract(source: Path) -> Iterator[dict[str, str]]:
    """Yield the rows of a file with a heading."""
    with source.open(newline="", encoding="utf-8") as file:
        yield from csv.DictReader(file)


def transform(rows: Iterable[dict[str, str]]) -> Iterator[Order]:
    """Yield the rows as orders: names without blanks around them, amounts in cents."""
    for row in rows:
        cents = int(Decimal(row["amount"]) * 100)
        yield Order(int(row["id"]), row["day"], row["customer"].strip(), cents)


def load(target: Path, orders: Iterable[Order]) -> int:
    """Store orders in one transaction; return how many were not there before."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(target)) as store, store:
        store.execute(TABLE)
        before = store.total_changes
        store.executemany(STORE, orders)
        return store.total_changes - before
