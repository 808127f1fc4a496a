"""A proxy that the environment names is never passed by; where there is none, nothing is in between."""

from collections.abc import Generator
from contextlib import contextmanager
from operator import attrgetter, methodcaller

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.actors.channels.transport.address import address_of
from greenroom.actors.channels.transport.choice import is_direct, transport_to
from greenroom.actors.channels.transport.direct import Direct
from greenroom.actors.channels.transport.proxied import Proxied
from greenroom.actors.channels.transport.tls import shared_context
from tests.actors.channels.conftest import LIMITS, Upstream, post, whole

PROXY = "http://proxy.example:3128"


@contextmanager
def environment(**variables: str) -> Generator[None]:
    """Have no proxies in the environment but those that these variables name."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
            patch.delenv(name, raising=False)
            patch.delenv(name.upper(), raising=False)
        for name, value in variables.items():
            patch.setenv(name, value)
        yield


def direct(url: str, **variables: str) -> bool:
    """Whether `url` is asked directly where these variables are set."""
    with environment(**variables):
        return is_direct(address_of(url).origin)


def direct_in_httpx2(url: str, **variables: str) -> bool:
    """Whether `httpx2` would ask `url` directly."""
    with environment(**variables):
        client = httpx2.AsyncClient(verify=shared_context())
    # Nothing public tells.
    found: object = methodcaller("_transport_for_url", httpx2.URL(url))(client)
    return found is attrgetter("_transport")(client)


def test_without_proxies_everything_is_direct() -> None:
    assert direct("http://h/")
    assert direct("https://h/")
    assert direct("https://h/", NO_PROXY="x")


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])
def test_a_proxy_for_https_is_one(name: str) -> None:
    assert not direct("https://h/", **{name: PROXY})
    assert direct("http://h/", **{name: PROXY}) == ("all" not in name.lower())


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
def test_a_proxy_for_http_is_one(name: str) -> None:
    assert not direct("http://h/", **{name: PROXY})
    assert direct("https://h/", **{name: PROXY}) == ("all" not in name.lower())


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.8.8", "[::1]"])
def test_this_machine_is_asked_directly_whatever_proxies_there_are(host: str) -> None:
    assert direct(f"http://{host}:8000/v1", ALL_PROXY=PROXY)


@pytest.mark.parametrize(
    ("entry", "named", "others"),
    [
        ("*", ["h", "a.example", "10.0.0.1"], []),
        ("a.example", ["a.example", "b.a.example"], ["ba.example", "example"]),
        ("A.Example", ["a.example", "A.EXAMPLE"], ["b.example"]),
        (".a.example", ["b.a.example", "c.b.a.example"], ["a.example"]),
        ("*.a.example", ["b.a.example"], ["a.example"]),
        (" b , a.example ,", ["b", "a.example"], ["c"]),
        ("10.1.2.3", ["10.1.2.3"], ["10.1.2.4", "h"]),
        ("10.0.0.0/8", ["10.1.2.3"], ["11.0.0.1", "h"]),
        ("10.1.2.3/8", ["10.9.9.9"], ["11.0.0.1"]),
        ("2001:db8::1", ["[2001:db8::1]"], ["[2001:db8::2]"]),
        ("2001:db8::/32", ["[2001:db8::7]"], ["[2001:db9::7]"]),
        ("", [], ["h"]),
        (",.,*.,", [], ["h", "h."]),
    ],
)
def test_no_proxy_names_whom_to_ask_directly(
    entry: str, named: list[str], others: list[str]
) -> None:
    for host in named:
        assert direct(f"https://{host}/v1", HTTPS_PROXY=PROXY, NO_PROXY=entry), host
        assert direct_in_httpx2(f"https://{host}/v1", HTTPS_PROXY=PROXY, NO_PROXY=entry), host
    for host in others:
        assert not direct(f"https://{host}/v1", HTTPS_PROXY=PROXY, NO_PROXY=entry), host


@pytest.mark.parametrize(
    "entry", ["a.example:443", "https://a.example", "[2001:db8::1]", "*a.example", "a.example/x"]
)
def test_what_is_not_certain_is_left_to_httpx2(entry: str) -> None:
    for host in ("a.example", "b.a.example", "[2001:db8::1]"):
        assert not direct(f"https://{host}/v1", HTTPS_PROXY=PROXY, NO_PROXY=entry)


labels = st.sampled_from(
    ["a", "b", "ab", "example", "localhost", "xn--bcher-kva", "1", "10", "*", ""]
)
names = st.lists(labels, min_size=1, max_size=3).map(".".join)
addresses = st.sampled_from(["10.1.2.3", "10.9.9.9", "[2001:db8::1]", "192.168.1.1"])
entries = st.one_of(
    names,
    names.map(lambda name: f".{name}"),
    names.map(lambda name: f"*.{name}"),
    names.map(lambda name: f"*{name}"),
    names.map(lambda name: f"{name}:443"),
    names.map(lambda name: f"http://{name}"),
    st.sampled_from(
        ["*", "10.0.0.0/8", "10.1.2.3", "2001:db8::/16", "::1", "[2001:db8::1]", "/", " "]
    ),
)
hosts = st.one_of(names.filter(lambda name: "*" not in name and ".." not in f".{name}."), addresses)
proxies = st.sampled_from(["", PROXY, "proxy.example:3128", "://"])


@given(
    st.sampled_from(["http", "https"]),
    hosts,
    st.lists(entries, max_size=3).map(",".join),
    st.fixed_dictionaries(
        {}, optional={"HTTP_PROXY": proxies, "https_proxy": proxies, "ALL_PROXY": proxies}
    ),
)
def test_what_is_asked_directly_would_httpx2_ask_directly(
    scheme: str, host: str, no_proxy: str, variables: dict[str, str]
) -> None:
    url = f"{scheme}://{host}/v1"
    if host == "localhost" or not direct(url, NO_PROXY=no_proxy, **variables):
        return
    try:
        agreed = direct_in_httpx2(url, NO_PROXY=no_proxy, **variables)
    except ValueError:
        return  # it cannot make sense of another variable, or of another entry
    assert agreed


@pytest.mark.parametrize("url", ["http://models.invalid/v1", "http://127.0.0.1/v1"])
async def test_the_proxy_hears_of_all_but_this_machine(
    upstream: Upstream, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{upstream.port}")
    url = url.replace("127.0.0.1", f"127.0.0.1:{upstream.port}")
    transport = transport_to(url, "local", LIMITS)
    async with transport.open(post(url)) as response:
        await whole(response)
    await transport.aclose()
    (request,) = upstream.requests
    assert request.target == ("/v1" if "127" in url else url)


@pytest.mark.parametrize("url", ["", "http://[::", "ftp://h/"])
def test_an_address_that_is_none_is_no_fault_of_the_choice(url: str) -> None:
    assert isinstance(transport_to(url, "local", LIMITS), Direct)


def test_the_environment_is_read_once() -> None:
    with environment():
        transport = transport_to("https://h/", "local", LIMITS)
    assert isinstance(transport, Direct)
    with environment(HTTPS_PROXY=PROXY):
        assert isinstance(transport_to("https://h/", "local", LIMITS), Proxied)
