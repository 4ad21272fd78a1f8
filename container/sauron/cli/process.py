"""Commands about the process and its store: serve, backup, migrate."""

from __future__ import annotations

from pathlib import Path

import click

from chalicelib.errors import SauronError

from .client import Client, command
from .examples import examples
from .output import show, show_json, waiting


@command(
    "backup", epilog=examples("sauron backup /srv/backup/sauron.sqlite3", "sauron backup copy.sqlite3 --json")
)
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def backup(client: Client, *, file: Path) -> None:
    """Write a consistent copy of the SQLite store to FILE. Sauron may be running."""
    client.local_only("backup")
    with waiting("Copying the store"):
        client.sauron().store.backup(file)
    size = file.stat().st_size
    if client.json:
        show_json({"file": str(file.absolute()), "bytes": size})
    else:
        show(f"Copied the store to {file} ({size} bytes).")


@command("migrate", epilog=examples("sauron migrate", "sauron migrate --life-hub"))
@click.option(
    "--life-hub", "hub", is_flag=True, help="Instead, create the missing tables of Life Hub's schema ops."
)
def migrate(client: Client, *, hub: bool) -> None:
    """Migrate the store to this version's schema. `serve` does so when it starts."""
    client.local_only("migrate")
    if hub:
        _migrate_life_hub(client)
        return
    from chalicelib.store import schema

    with waiting("Migrating the store"):
        store = client.sauron().store
    where = str(store.path or store.url.render_as_string(hide_password=True))
    if client.json:
        show_json({"store": where, "schema": schema.HEAD})
    else:
        show(f"{where} is at schema {schema.HEAD}.")


def _migrate_life_hub(client: Client) -> None:
    from chalicelib.lifehub.schema import migrate as migrate_life_hub
    from chalicelib.settings import Settings

    settings = Settings.load(Path.cwd())
    if settings.life_hub_url is None:
        raise SauronError(
            "No Life Hub is configured. Set DATABASE_URL=postgresql://user:password@host:5432/database"
        )
    with waiting("Migrating Life Hub"):
        lines = migrate_life_hub(settings.life_hub_url, ca=settings.db_ca)
    if client.json:
        show_json({"tables": lines, "count": len(lines)})
        return
    for line in lines:
        show(line)


@command("serve", epilog=examples("sauron serve", "API_PORT=8090 SAURON_WORKERS=4 sauron serve"))
def serve(client: Client) -> int:
    """Start Sauron: API, page, clock and workers. Settings are read from the environment and .env."""
    client.local_only("serve")
    from sauron.main import main

    return main()
