from __future__ import annotations

import pytest
from sqlalchemy.engine import make_url

from chalicelib.postgresql import hosts


@pytest.mark.parametrize(
    "host",
    [
        *("", "/run/postgresql", "@abstract", "localhost", "LOCALHOST", "localhost.", "db", "postgres"),
        *("127.0.0.1", "127.9.9.9", "127.1", "0.0.0.0", "::1", "[::1]", "::ffff:10.1.2.3"),  # noqa: S104
        *("10.0.0.7", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.3.4"),
        *("fe80::1%eth0", "fd12:3456::1", "fc00::1"),
        *("host.docker.internal", "ip-10-0-0-1.ec2.internal", "printer.local", "db.localhost", "x.home.arpa"),
        "postgres.default.svc.cluster.local",
    ],
)
def test_sockets_this_machine_and_private_networks_are_not_public(host: str) -> None:
    assert not hosts.is_public(host)


@pytest.mark.parametrize(
    "host",
    [
        *("db.example.org", "DB.EXAMPLE.ORG.", "x.eu-central-1.rds.amazonaws.com", "local.example.org"),
        *("8.8.8.8", "172.32.0.1", "192.169.0.1", "100.64.0.1", "11.0.0.1", "134744072"),
        *("2001:4860:4860::8888", "[2001:4860:4860::8888]", "::ffff:8.8.8.8"),
        *("internal.example.org", "notlocal.notlocalhost"),
    ],
)
def test_everything_else_is_public(host: str) -> None:
    assert hosts.is_public(host)


@pytest.mark.parametrize(
    ("url", "environ", "found"),
    [
        ("postgresql://u@db.example.org/x", {}, "db.example.org"),
        ("postgresql://u@[2001:db8:1::1]:5432/x", {}, "2001:db8:1::1"),
        ("postgresql://u@/x?host=/run/pg", {}, None),
        ("postgresql://u@/x?host=db,db.example.org", {}, "db.example.org"),
        ("postgresql://u@/x?host=db:5432&host=db.example.org:5433", {}, "db.example.org"),
        ("postgresql://u@db.example.org/x?hostaddr=127.0.0.1", {}, "db.example.org"),
        ("postgresql://u@db/x?hostaddr=127.0.0.1,8.8.8.8", {}, "8.8.8.8"),
        ("postgresql://u@/x", {"PGHOST": "db.example.org"}, "db.example.org"),
        ("postgresql://u@/x", {"PGHOSTADDR": "8.8.8.8"}, "8.8.8.8"),
        ("postgresql://u@db/x", {"PGHOST": "db.example.org"}, None),
        ("postgresql://u@/x", {}, None),
    ],
)
def test_every_place_of_an_address_that_names_a_host_counts(
    url: str, environ: dict[str, str], found: str | None
) -> None:
    assert hosts.public(make_url(url), environ) == found
