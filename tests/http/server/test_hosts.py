"""Rules of the names that a gateway answers for."""

import pytest

from greenroom.http.server.hosts import Hosts

LOOPBACK = [
    "localhost",
    "localhost:18789",
    "LOCALHOST:1",
    "localhost.",
    "127.0.0.1",
    "127.0.0.1:18789",
    "[::1]",
    "[::1]:18789",
]
FOREIGN = [
    "evil.example",
    "evil.example:18789",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "evil.example.",
    "127.0.0.2",
    "[::2]:80",
    "",
    ":80",
    "[",
    "localhost@evil.example",
    "ÿ",
]


@pytest.mark.parametrize("bound", ["127.0.0.1", "::1"])
def test_a_gateway_on_loopback_answers_for_loopbacks_names_alone(bound: str) -> None:
    hosts = Hosts(bound)
    for _ in range(2):
        assert all(map(hosts.answer_for, LOOPBACK))
        assert not any(map(hosts.answer_for, FOREIGN))


def test_it_answers_for_the_address_that_it_has() -> None:
    assert Hosts("127.0.0.2").answer_for("127.0.0.2:1")


def test_it_answers_for_the_names_that_it_was_told() -> None:
    hosts = Hosts("127.0.0.1", ["Gateway.example", "*.apps.example", "[2001:db8::1]"])
    assert hosts.answer_for("gateway.example:443")
    assert hosts.answer_for("a.apps.example")
    assert hosts.answer_for("a.b.apps.example")
    assert hosts.answer_for("[2001:DB8::1]:1")
    assert all(map(hosts.answer_for, LOOPBACK))
    for host in [*FOREIGN, "apps.example", "xapps.example", "a.gateway.example"]:
        assert not hosts.answer_for(host)


@pytest.mark.parametrize("bound", ["0.0.0.0", "192.0.2.7", "::"])  # noqa: S104 - asked for
def test_on_another_address_it_cannot_know_its_names(bound: str) -> None:
    assert all(map(Hosts(bound).answer_for, [*LOOPBACK, *FOREIGN]))
    told = Hosts(bound, ["gateway.example"])
    assert told.answer_for("gateway.example")
    assert told.answer_for("localhost")
    assert not told.answer_for("evil.example")


def test_a_star_is_every_name() -> None:
    assert all(map(Hosts("127.0.0.1", ["*"]).answer_for, FOREIGN))


def test_what_is_remembered_is_bounded() -> None:
    hosts = Hosts("127.0.0.1")
    assert all(hosts.answer_for(f"localhost:{port}") for port in range(1000))
    assert len(vars(hosts)["_known"]) <= 64
