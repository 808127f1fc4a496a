"""A URL points to a server and a resource of it, or nowhere."""

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.actors.channels.transport.address import Address, Origin, address_of


@pytest.mark.parametrize(
    ("url", "origin", "authority", "target"),
    [
        ("http://h", Origin(False, "h", 80), "h", "/"),
        ("https://h/v1", Origin(True, "h", 443), "h", "/v1"),
        (
            "HTTPS://Models.Example:443/V1",
            Origin(True, "models.example", 443),
            "models.example",
            "/V1",
        ),
        ("http://h:8000/v1?a=b&c", Origin(False, "h", 8000), "h:8000", "/v1?a=b&c"),
        ("http://h?a", Origin(False, "h", 80), "h", "/?a"),
        ("http://127.0.0.1:1/", Origin(False, "127.0.0.1", 1), "127.0.0.1:1", "/"),
        ("http://[::1]:8000/v1", Origin(False, "::1", 8000), "[::1]:8000", "/v1"),
        ("https://[2001:db8::1]", Origin(True, "2001:db8::1", 443), "[2001:db8::1]", "/"),
        (
            "http://bücher.example/ä b",
            Origin(False, "xn--bcher-kva.example", 80),
            "xn--bcher-kva.example",
            "/%C3%A4%20b",
        ),
        ("https://u:hunter2@h/#part", Origin(True, "h", 443), "h", "/"),
    ],
)
def test_a_url_is_a_server_and_a_resource(
    url: str, origin: Origin, authority: str, target: str
) -> None:
    assert address_of(url) == Address(origin, authority, target)


@pytest.mark.parametrize(
    "url",
    ["", "models", "/v1", "ftp://h/", "http://", "http://[::", "http://h:0/", "http://h:99999/",
     "http://h:port/", "http://h/\r\nx: y", "http://h\x00/", "ws://h/", "http:h/hunter2",
     "http://./", "http://.h/", "http://h..i/", f"http://{'h' * 64}/"],
)  # fmt: skip
def test_what_points_nowhere_is_refused_without_being_quoted(url: str) -> None:
    with pytest.raises(ValueError, match=r"^not ") as caught:
        address_of(url)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@given(st.text(st.characters(codec="utf-8"), max_size=20), st.text(max_size=20))
def test_no_url_brings_a_line_of_its_own(host: str, rest: str) -> None:
    try:
        address = address_of(f"http://{host}/{rest}")
    except ValueError:
        return
    for part in (address.authority, address.target, address.origin.host):
        assert part.isascii()
        assert part.isprintable()
        assert " " not in part
    assert httpx2.URL(f"http://{address.authority}{address.target}").host


@given(
    st.from_regex(
        r"https?://[a-z0-9.-]{1,12}(:[0-9]{1,5})?(/[a-zA-Z0-9._~%-]{0,6}){0,3}", fullmatch=True
    )
)
def test_a_usual_url_is_what_the_other_transport_takes_it_for(url: str) -> None:
    try:
        address = address_of(url)
    except ValueError:
        return
    parts = httpx2.URL(url)
    assert address.origin.host == parts.host
    assert address.origin.port == (parts.port or {"http": 80, "https": 443}[parts.scheme])
    assert address.authority == parts.netloc.decode()
    assert address.target == parts.raw_path.decode()
