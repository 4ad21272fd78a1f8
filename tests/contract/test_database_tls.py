"""A password reaches the database that is meant, and no other: on every way that Sauron connects."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from chalicelib.errors import StoreError
from chalicelib.lifehub.connection import LifeHubError, Link, Patience
from chalicelib.lifehub.schema import migrate
from chalicelib.store import Store
from chalicelib.wakeup.notify import Notifier
from sauron.aws import store as aws_store
from tests import tls_servers
from tests.life_hub import Server, ask
from tests.tls_servers import Authority, Door

pytestmark = pytest.mark.postgresql

PASSWORD = "very-secret"
ROOT, OTHER = Authority.make(), Authority.make("Another Root")


def by_store(url: str, ca: str | None) -> None:
    store = Store(url, ca=ca)
    try:
        with store.engine.connect() as connection:
            connection.execute(text("SELECT 1"))
    finally:
        store.close()


def by_start(url: str, ca: str | None) -> None:
    store = Store(url, ca=ca)
    try:
        store.migrate()
    finally:
        store.close()


def by_notifier(url: str, ca: str | None) -> None:
    store = Store(url, ca=ca)
    try:
        Notifier(store).connected().close()
    finally:
        store.close()


def by_life_hub(url: str, ca: str | None) -> None:
    link = Link(url, Patience(5.0, 5.0), ca=ca)
    try:
        with link.transaction() as connection:
            connection.execute("SELECT 1")
    finally:
        link.close()


def by_life_hub_migration(url: str, ca: str | None) -> None:
    migrate(url, ca=ca)


def by_aws_up(url: str, ca: str | None) -> None:
    aws_store.step(url, ca)


WAYS: list[Callable[[str, str | None], None]] = [
    by_store,
    by_notifier,
    by_life_hub,
    by_life_hub_migration,
    by_aws_up,
]
every_way = pytest.mark.parametrize("connect", WAYS, ids=lambda way: way.__name__)
REFUSED = (psycopg.Error, OperationalError, LifeHubError, StoreError)


def refusal(connect: Callable[[str, str | None], None], url: str, ca: str | None) -> str:
    with pytest.raises(REFUSED) as caught:
        connect(url, ca)
    return str(caught.value)


def public(door: Door, more: str = "") -> str:
    """The address of a host out there, which is this door."""
    return f"postgresql+psycopg://u:{PASSWORD}@db.example.org:{door.port}/postgres?hostaddr=127.0.0.1{more}"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A PostgreSQL whose user `u` has a password."""
    made = Server()
    ask(made.url(), f"CREATE ROLE u SUPERUSER LOGIN PASSWORD '{PASSWORD}'")
    access = made.home / "pg/pg_hba.conf"
    access.write_text("local all u scram-sha-256\n" + access.read_text(encoding="utf-8"), encoding="utf-8")
    ask(made.url(), "SELECT pg_reload_conf()")
    yield made
    made.close()


def socket_of(server: Server) -> Path:
    (found,) = Path(server.url().partition("host=")[2]).glob(".s.PGSQL.*[0-9]")
    return found


@pytest.fixture(params=["without TLS", "of its own root", "of a root that is known"])
def impostor(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Door]:
    """A server that is not the one that is meant, and asks for the password in clear text."""
    context = None
    if request.param == "of its own root":
        context = OTHER.context(tmp_path, "db.example.org")
    elif request.param == "of a root that is known":
        context = ROOT.context(tmp_path, "impostor.example.org")
    made = tls_servers.impostor(context)
    yield made
    made.close()


@every_way
@pytest.mark.parametrize("ca", [None, ROOT.pem, "system"], ids=["nothing", "root", "system"])
def test_no_impostor_gets_the_password_of_a_public_host(
    connect: Callable[[str, str | None], None], ca: str | None, impostor: Door
) -> None:
    assert PASSWORD not in refusal(connect, public(impostor), ca)
    assert PASSWORD.encode() not in impostor.heard


@every_way
def test_no_impostor_on_this_machine_gets_the_password_where_a_root_is_known(
    connect: Callable[[str, str | None], None], impostor: Door
) -> None:
    refusal(connect, f"postgresql+psycopg://u:{PASSWORD}@localhost:{impostor.port}/postgres", ROOT.pem)
    assert PASSWORD.encode() not in impostor.heard


@every_way
def test_an_operator_s_sslmode_is_kept_and_the_password_is_not_told_in_clear_all_the_same(
    connect: Callable[[str, str | None], None], impostor: Door
) -> None:
    for mode in ("require", "prefer", "disable"):
        refusal(connect, public(impostor, f"&sslmode={mode}"), None)
    assert PASSWORD.encode() not in impostor.heard


@every_way
def test_a_server_whose_certificate_is_verified_is_used(
    connect: Callable[[str, str | None], None],
    server: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    door = tls_servers.tls_before(socket_of(server), ROOT.context(tmp_path, "db.example.org"))
    connect(public(door), ROOT.pem)
    connect(public(door), f"a remark\n{OTHER.pem}\n{ROOT.pem}")
    written = tmp_path / "root.pem"
    written.write_text(ROOT.pem)
    connect(public(door, f"&sslrootcert={written}"), None)
    connect(public(door, f"&sslrootcert={written}"), OTHER.pem)
    assert "certificate verify failed" in refusal(connect, public(door), OTHER.pem)
    assert "certificate verify failed" in refusal(connect, public(door), "system")
    monkeypatch.setenv("SSL_CERT_FILE", str(written))
    connect(public(door), "system")
    connect(public(door, "&sslrootcert=system"), None)
    door.close()


@every_way
def test_a_public_server_without_a_known_root_is_used_with_tls_and_scram(
    connect: Callable[[str, str | None], None], server: Server, tmp_path: Path
) -> None:
    door = tls_servers.tls_before(socket_of(server), OTHER.context(tmp_path, "elsewhere.example.org"))
    connect(public(door), None)
    door.close()
    bare = tls_servers.tls_before(socket_of(server), None)
    assert "server does not support SSL" in refusal(connect, public(bare), None)
    connect(public(bare, "&sslmode=disable"), None)
    bare.close()


@pytest.mark.parametrize("connect", [by_start, by_life_hub, by_aws_up])
def test_a_refused_server_is_told_with_what_to_write(
    connect: Callable[[str, str | None], None], tmp_path: Path
) -> None:
    bare = tls_servers.impostor(None)
    assert "write ?sslmode=disable" in refusal(connect, public(bare), None)
    assert "set SAURON_DB_CA" in refusal(connect, public(bare, "&sslmode=disable"), None)
    other = tls_servers.impostor(OTHER.context(tmp_path, "db.example.org"))
    assert "SAURON_DB_CA must hold the root" in refusal(connect, public(other), ROOT.pem)
    for door in (bare, other):
        door.close()


@every_way
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_server_of_this_machine_or_a_private_network_needs_no_tls(
    connect: Callable[[str, str | None], None], server: Server, host: str
) -> None:
    bare = tls_servers.tls_before(socket_of(server), None)
    connect(f"postgresql+psycopg://u:{PASSWORD}@{host}:{bare.port}/postgres", None)
    bare.close()
    connect(server.url(), None)
    connect(server.url(), ROOT.pem)  # nobody listens in on a socket file


def test_the_roots_are_written_again_when_their_file_was_cleaned_away(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tempfile

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    door = tls_servers.tls_before(socket_of(server), ROOT.context(tmp_path, "db.example.org"))
    store = Store(public(door), ca=ROOT.pem)
    for _ in range(2):
        with store.engine.connect() as connection:
            connection.execute(text("SELECT 1"))
        store.engine.dispose()
        (written,) = tmp_path.glob("sauron-*.pem")
        assert written.stat().st_mode & 0o777 == 0o600
        assert written.stat().st_uid == os.geteuid()
        written.unlink()
    door.close()
