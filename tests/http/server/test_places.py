"""Rules of how many connections there may be."""

import pytest

from greenroom.http.server.places import Places


def test_there_are_so_many_places_and_one_more_once_somebody_leaves() -> None:
    places = Places(2, 9)
    assert places.take("192.0.2.1") is None
    assert places.take("192.0.2.2") is None
    refused = places.take("192.0.2.3")
    assert refused is not None
    assert (refused.status, refused.code) == (503, "too_many_connections")
    assert b"retry-after: 1\r\n" in refused.encode()
    places.leave("192.0.2.1")
    assert places.take("192.0.2.3") is None


def test_one_address_has_its_share() -> None:
    places = Places(9, 1)
    assert places.take("192.0.2.1") is None
    refused = places.take("192.0.2.1")
    assert refused is not None
    assert refused.status == 429
    assert places.take("192.0.2.2") is None
    places.leave("192.0.2.1")
    assert places.take("192.0.2.1") is None


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("fe80::1%eth0", "fe80::2%eth0", True),
        ("::1", "::2", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("192.0.2.1", "192.0.2.2", False),
    ],
)
def test_a_network_of_64_bits_is_one_address(one: str, other: str, same: bool) -> None:
    places = Places(9, 1)
    assert places.take(one) is None
    assert (places.take(other) is not None) is same


def test_nothing_is_left_of_those_who_have_left() -> None:
    places = Places(10**6, 10**6)
    for n in range(1000):
        assert places.take(f"10.0.{n // 256}.{n % 256}") is None
    for n in range(1000):
        places.leave(f"10.0.{n // 256}.{n % 256}")
    assert vars(places)["_by_address"] == {}
    assert vars(places)["_taken"] == 0
