"""Commands about the process and its store: serving, copying the store, bringing it to the newest schema."""

from __future__ import annotations

from pathlib import Path

import click

from chalicelib.errors import SauronError

from .client import Client, command
from .output import show, show_json, waiting


@command("backup")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def backup(asked: Client, *, file: Path) -> None:
    """Write a consistent copy of the SQLite store to FILE, while Sauron runs."""
    asked.only_here("backup")
    with waiting("Copying the store"):
        asked.sauron().store.backup(file)
    size = file.stat().st_size
    if asked.json:
        show_json({"file": str(file.absolute()), "bytes": size})
    else:
        show(f"{file} holds the store ({size} bytes).")


@command("migrate")
@click.option(
    "--life-hub", "hub", is_flag=True, help="Make Life Hub's schema ops where it is missing, instead."
)
def migrate(asked: Client, *, hub: bool) -> None:
    """Bring the store to this version's schema. `serve` does the same at its start."""
    asked.only_here("migrate")
    if hub:
        _migrate_life_hub(asked)
        return
    from chalicelib.store import schema

    with waiting("Migrating the store"):
        store = asked.sauron().store
    where = str(store.path or store.url.render_as_string(hide_password=True))
    if asked.json:
        show_json({"store": where, "schema": schema.HEAD})
    else:
        show(f"{where} is at schema {schema.HEAD}.")


def _migrate_life_hub(asked: Client) -> None:
    from chalicelib.lifehub.schema import migrate as migrate_life_hub
    from chalicelib.settings import Settings, load_environ

    url = Settings.read(load_environ(Path.cwd())).life_hub_url
    if url is None:
        raise SauronError(
            "No Life Hub is configured. Set DATABASE_URL=postgresql://user:password@host:5432/database"
        )
    with waiting("Looking at Life Hub"):
        lines = migrate_life_hub(url)
    if asked.json:
        show_json({"tables": lines, "count": len(lines)})
        return
    for line in lines:
        show(line)


@command("serve")
def serve(asked: Client) -> int:
    """Start everything: API and page, clock and workers. Settings come from the environment and .env."""
    asked.only_here("serve")
    from sauron.main import main

    return main()
