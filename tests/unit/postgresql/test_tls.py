from __future__ import annotations

import re
import ssl
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.engine import make_url

from chalicelib.errors import SettingsError
from chalicelib.postgresql import tls
from chalicelib.settings import Settings
from tests.tls_servers import Authority

ROOT = Path(__file__).parents[3]
PEM = Authority.make().pem
PUBLIC, NEAR, SOCKET = "postgresql://u:p@db.example.org/x", "postgresql://u:p@db/x", "postgresql://u@/x"
SCRAM = {"require_auth": "scram-sha-256"}
FULL = {"sslmode": "verify-full"}


@pytest.mark.parametrize(
    ("url", "ca", "environ", "wanted"),
    [
        # no root is known
        (PUBLIC, None, {}, {"sslmode": "require"} | SCRAM),
        (NEAR, None, {}, {}),
        (SOCKET, None, {}, {}),
        ("postgresql://u:p@10.0.0.7/x", None, {}, {}),
        # the setting names one
        (PUBLIC, "/ca.pem", {}, FULL | {"sslrootcert": "/ca.pem"}),
        (NEAR, "/ca.pem", {}, FULL | {"sslrootcert": "/ca.pem"}),
        (f"{PUBLIC}?sslmode=verify-ca", "/ca.pem", {}, {"sslrootcert": "/ca.pem"}),
        # the address says it
        (f"{PUBLIC}?sslrootcert=/own.pem", None, {}, FULL),
        (f"{PUBLIC}?sslrootcert=/own.pem", "/ca.pem", {}, FULL),
        (f"{NEAR}?sslrootcert=/own.pem", None, {}, FULL),
        (f"{PUBLIC}?sslrootcert=/own.pem&sslmode=require", None, {}, {}),
        (f"{PUBLIC}?sslmode=verify-full", None, {}, {}),
        (f"{PUBLIC}?sslmode=require", None, {}, SCRAM),
        (f"{PUBLIC}?sslmode=require", "/ca.pem", {}, SCRAM),
        (f"{PUBLIC}?sslmode=disable", "/ca.pem", {}, SCRAM),
        (f"{NEAR}?sslmode=disable", "/ca.pem", {}, {}),
        (f"{PUBLIC}?require_auth=md5", None, {}, {"sslmode": "require"}),
        ("postgresql://u@db.example.org/x?sslcert=/me.pem", None, {}, {"sslmode": "require"}),
        ("postgresql://u:p@db.example.org/x?sslcert=/me.pem", None, {}, {"sslmode": "require"} | SCRAM),
        # libpq's own variables say it
        (PUBLIC, None, {"PGSSLMODE": "verify-full"}, {}),
        (PUBLIC, None, {"PGSSLMODE": "disable"}, SCRAM),
        (PUBLIC, None, {"PGREQUIREAUTH": "password"}, {"sslmode": "require"}),
        (PUBLIC, None, {"PGSSLROOTCERT": "/own.pem"}, FULL),
        (NEAR, None, {"PGSSLROOTCERT": "/own.pem"}, {}),
        (SOCKET, None, {"PGHOST": "db.example.org"}, {"sslmode": "require"} | SCRAM),
        (PUBLIC, None, {"PGSERVICE": "mine"}, {}),
        (f"{PUBLIC}?service=mine", "/ca.pem", {}, FULL | {"sslrootcert": "/ca.pem"}),
    ],
)
def test_a_server_is_verified_as_far_as_it_can_be_and_what_the_operator_wrote_is_kept(
    url: str, ca: str | None, environ: dict[str, str], wanted: dict[str, str]
) -> None:
    assert tls.arguments(make_url(url), ca, environ) == wanted


def test_libpq_s_usual_file_is_a_known_root(tmp_path: Path) -> None:
    (tmp_path / ".postgresql").mkdir()
    (tmp_path / ".postgresql/root.crt").write_text(PEM)
    environ = {"HOME": str(tmp_path)}
    assert tls.arguments(make_url(PUBLIC), None, environ) == FULL
    assert tls.arguments(make_url(NEAR), None, environ) == {}
    assert tls.unverified(make_url(PUBLIC), None, environ) is None


def test_the_roots_of_this_system_are_a_file_that_libpq_reads(tmp_path: Path) -> None:
    (tmp_path / "roots.pem").write_text(PEM)
    environ = {"SSL_CERT_FILE": str(tmp_path / "roots.pem")}
    for url, ca in ((PUBLIC, "system"), (f"{PUBLIC}?sslrootcert=system", None)):
        assert tls.arguments(make_url(url), ca, environ)["sslrootcert"] == str(tmp_path / "roots.pem")


def test_roots_become_one_private_file_that_is_used_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    first = Path(tls.arguments(make_url(PUBLIC), PEM, {})["sslrootcert"])
    inode = first.stat().st_ino
    assert (first.parent, first.read_text(), first.stat().st_mode & 0o777) == (tmp_path, PEM, 0o600)
    assert Path(tls.arguments(make_url(NEAR), PEM, {})["sslrootcert"]) == first
    assert (first.stat().st_ino, list(tmp_path.iterdir())) == (inode, [first])
    first.write_text("of somebody else")
    assert Path(tls.arguments(make_url(PUBLIC), PEM, {})["sslrootcert"]).read_text() == PEM
    first.chmod(0o666)
    tls.arguments(make_url(PUBLIC), PEM, {})
    assert first.stat().st_mode & 0o777 == 0o600
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    with pytest.raises(psycopg.OperationalError, match="SAURON_DB_CA cannot be written as"):
        tls.arguments(make_url(PUBLIC), PEM, {})


def test_a_setting_is_certificates_or_a_word(tmp_path: Path) -> None:
    one_line = PEM.strip().replace("\n", "\\n")
    for text in (PEM, f"remark\n{PEM}\n\n", PEM.replace("\n", "\r\n"), one_line):
        ssl.PEM_cert_to_DER_cert(str(Settings.read({"SAURON_DB_CA": text}).db_ca))
    assert Settings.read({"SAURON_DB_CA": "System"}).db_ca == "system"
    (tmp_path / "ca.pem").write_text(PEM + PEM)
    assert Settings.read({"SAURON_DB_CA_FILE": str(tmp_path / "ca.pem")}).db_ca == PEM + PEM
    broken = PEM[:60] + "!!!!" + PEM[64:]
    for text in ("/etc/ssl/ca.pem", "root", broken, PEM.partition("\n")[0], PEM.replace("CERT", "KEY")):
        with pytest.raises(SettingsError, match="SAURON_DB_CA: not a certificate; write -----BEGIN"):
            Settings.read({"SAURON_DB_CA": text})


def test_amazon_s_roots_are_the_file_that_the_operator_saved(tmp_path: Path) -> None:
    bundle = tmp_path / "rds-bundle.pem"
    with pytest.raises(ValueError, match=f"save AWS's global-bundle.pem as {bundle}"):
        tls.roots("rds", bundle)
    bundle.write_text("not yet")
    with pytest.raises(ValueError, match=f"{bundle}: not a certificate"):
        tls.roots("rds", bundle)
    bundle.write_text(PEM)
    assert tls.roots("RDS", bundle) == str(bundle)


@pytest.mark.parametrize("name", ["JOB_QUEUE_DB_URL", "DATABASE_URL"])
@pytest.mark.parametrize(
    ("url", "more", "cure"),
    [
        (PUBLIC, {}, "set SAURON_DB_CA to the root of its certificate"),
        (f"{PUBLIC}?sslmode=require", {}, "of its certificate and write sslmode=verify-full in the address"),
        (f"{PUBLIC}?sslmode=require", {"SAURON_DB_CA": PEM}, "; write sslmode=verify-full in the address"),
        (PUBLIC, {"SAURON_DB_CA": PEM}, None),
        (PUBLIC, {"SAURON_DB_CA": "system"}, None),
        (f"{PUBLIC}?sslrootcert=/own.pem", {}, None),
        (f"{PUBLIC}?sslmode=verify-full", {}, None),
        (NEAR, {}, None),
        (SOCKET, {}, None),
    ],
)
def test_a_public_database_that_nothing_verifies_is_warned_of(
    name: str, url: str, more: dict[str, str], cure: str | None
) -> None:
    warnings = Settings.read({name: url} | more).warnings
    if cure is None:
        assert warnings == ()
    else:
        (warning,) = warnings
        assert warning.startswith(f"{name}: nothing verifies that the server is the one that is meant; ")
        assert warning.endswith(cure)
        assert "example" not in warning


def test_every_connection_is_made_with_these_arguments() -> None:
    """A new place that connects fails here until it uses them."""
    makes = re.compile(r"psycopg\.(Async)?(connect|Connection\.connect)\(|ConnectionPool\(|create_engine\(")
    for folder in ("chalicelib", "sauron_jobs_loader", "container"):
        for file in (ROOT / folder).rglob("*.py"):
            text = file.read_text(encoding="utf-8")
            if makes.search(text) and file.name != "sqlite_file.py":
                assert "tls.arguments(" in text, file


@pytest.mark.parametrize(
    "reason",
    [
        "FATAL:  Feature not supported: RDS Proxy currently doesn't support command-line options.",
        "FATAL:  unsupported startup parameter: options",
    ],
)
def test_a_pooler_that_refuses_the_connections_options_is_told_with_what_to_write(reason: str) -> None:
    assert "?prepare_threshold=0" in tls.advised(reason)
