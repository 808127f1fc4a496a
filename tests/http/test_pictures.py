"""Images named by URL: off by default; where on, fetched within limits, and never from inside."""

import base64
import json
import ssl
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pytest
import trio
from trio.testing import MockClock, memory_stream_pair

from greenroom.actors.entries import Entry, MediaPart, TextPart, UserEntry
from greenroom.http.config import ImageLimits
from greenroom.http.errors import ApiError
from greenroom.http.pictures import Pictures, Remote, is_public
from tests.conftest import PlayedChannel
from tests.http.conftest import GATEWAY, Site, chat

IN_VIRTUAL_TIME = True

ON = ImageLimits(allow_url=True)
PUBLIC = "93.184.216.34"
PNG = b"\x89PNG\r\n"
URL = "https://pictures.example/a.png"


def answer(
    body: bytes = PNG, *headers: str, status: str = "200 OK", type_: str = "image/png"
) -> bytes:
    head = [
        f"HTTP/1.1 {status}",
        f"content-length: {len(body)}",
        f"content-type: {type_}",
        *headers,
    ]
    return "\r\n".join([*head, "", ""]).encode() + body


class Web:
    """Hosts by name, each with its addresses, and what is answered to each request in turn."""

    def __init__(
        self, *answers: bytes | float, hosts: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        self.hosts = {"pictures.example": [PUBLIC]} if hosts is None else hosts
        self._answers = list(answers)
        self.connections: list[tuple[str, int, str | None]] = []
        self.requests: list[bytes] = []
        self.lookups: list[str] = []
        self.nursery: trio.Nursery

    async def resolve(self, host: str, _: int) -> Sequence[str]:
        await trio.lowlevel.checkpoint()
        self.lookups.append(host)
        if host not in self.hosts:
            raise OSError("no such host")
        return self.hosts[host]

    async def connect(self, address: str, port: int, name: str | None) -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        self.connections.append((address, port, name))
        ours, theirs = memory_stream_pair()
        given = self._answers.pop(0)
        if not isinstance(given, bytes):
            await trio.sleep(given)
            raise OSError("refused")
        self.nursery.start_soon(self._serve, theirs, given)
        return ours

    async def _serve(self, stream: trio.abc.Stream, given: bytes) -> None:
        self.requests.append(bytes(await stream.receive_some()))
        await stream.send_all(given)
        await stream.aclose()


def asked(*urls: str) -> tuple[tuple[Entry, ...], list[Remote]]:
    """A message with those images, and where they are in it."""
    images = [
        MediaPart(
            "image_url",
            json.dumps(
                {"type": "image_url", "image_url": {"url": url, "detail": "low"}, "k": 1}
            ).encode(),
        )
        for url in urls
    ]
    entry = UserEntry((TextPart("Look:"), *images), name="Ann", pinned=True)
    return (entry,), [Remote(0, n, url) for n, url in enumerate(urls, 1)]


async def inline(web: Web, *urls: str, limits: ImageLimits = ON) -> list[dict[str, Any]]:
    """The images as they go on."""
    entries, remote = asked(*urls)
    async with trio.open_nursery() as nursery:
        web.nursery = nursery
        (entry,) = await Pictures(limits, web.resolve, web.connect).inline(entries, remote)
        nursery.cancel_scope.cancel()
    assert isinstance(entry, UserEntry)
    assert (entry.name, entry.pinned) == ("Ann", True)
    assert not isinstance(entry.content, str)
    text, *images = entry.content
    assert text == TextPart("Look:")
    return [json.loads(part.raw) for part in images if isinstance(part, MediaPart)]


async def why(web: Web, *urls: str, limits: ImageLimits = ON) -> str:
    """Why an image cannot be had; the error names it."""
    entries, remote = asked(*urls)
    caught: list[ApiError] = []
    async with trio.open_nursery() as nursery:
        web.nursery = nursery
        try:
            await Pictures(limits, web.resolve, web.connect).inline(entries, remote)
        except ApiError as error:
            caught.append(error)
        nursery.cancel_scope.cancel()
    (found,) = caught
    assert (found.status, found.body.code) == (400, "image_url_unavailable")
    assert found.body.param == remote[-1].param
    assert PUBLIC not in found.body.message
    return found.body.message.removeprefix(
        "Invalid image_url content in `messages`. The image cannot be fetched: "
    ).removesuffix(". Send it as a data:image/… URL.")


# What is fetched


async def test_an_image_takes_the_place_of_its_url_and_what_else_the_part_says_stays() -> None:
    web = Web(answer(type_="image/png; charset=x"))
    (part,) = await inline(web, URL + "?q=1#here")
    data = base64.b64encode(PNG).decode()
    assert part == {
        "type": "image_url",
        "image_url": {"url": f"data:image/png;base64,{data}", "detail": "low"},
        "k": 1,
    }
    assert web.connections == [(PUBLIC, 443, "pictures.example")]
    (request,) = web.requests
    assert request.startswith(b"GET /a.png?q=1 HTTP/1.1\r\nhost: pictures.example\r\n")
    assert b"authorization" not in request.lower()


async def test_plain_http_and_other_ports_are_asked_there() -> None:
    web = Web(answer())
    await inline(web, "http://pictures.example:8080")
    assert web.connections == [(PUBLIC, 8080, None)]
    assert web.requests[0].startswith(b"GET / HTTP/1.1\r\nhost: pictures.example:8080\r\n")


async def test_several_are_fetched_each_for_itself() -> None:
    web = Web(answer(b"one"), answer(b"two", type_="image/gif"))
    first, second = await inline(web, URL, URL)
    assert first["image_url"]["url"] == "data:image/png;base64,b25l"
    assert second["image_url"]["url"] == "data:image/gif;base64,dHdv"


async def test_a_redirect_is_followed_and_its_host_is_looked_up_as_well() -> None:
    hosts = {"pictures.example": [PUBLIC], "other.example": ["2606:4700::1"]}
    there = answer(b"", "location: https://other.example/b.png", status="302 Found")
    web = Web(there, answer(b"", "location: /c.png", status="307 X"), answer(), hosts=hosts)
    await inline(web, URL)
    assert [host for host, *_ in web.connections] == [PUBLIC, "2606:4700::1", "2606:4700::1"]
    assert web.requests[2].startswith(b"GET /c.png ")


# What is not


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"], ["10.0.0.1"], ["192.168.1.1"], ["169.254.169.254"], ["100.64.0.1"], ["0.0.0.1"],
        ["::1"], ["::"], ["fd00::1"], ["fe80::1%eth0"], ["::ffff:10.0.0.1"], ["::ffff:127.0.0.1"],
        ["64:ff9b::a00:1"], ["2002:a00:1::"], ["224.0.0.1"], ["ff02::1"], ["240.0.0.1"],
        [PUBLIC, "10.0.0.1"], [],
    ],
)  # fmt: skip
async def test_a_host_with_an_address_inside_is_not_asked(addresses: Sequence[str]) -> None:
    web = Web(hosts={"pictures.example": addresses})
    assert await why(web, URL) == "its host has an address that is not public"
    assert web.connections == []


async def test_a_redirect_to_the_inside_is_not_followed() -> None:
    there = answer(b"", "location: http://10.0.0.1/", status="302 Found")
    web = Web(there, hosts={"pictures.example": [PUBLIC], "10.0.0.1": ["10.0.0.1"]})
    assert await why(web, URL) == "its host has an address that is not public"
    assert len(web.connections) == 1


async def test_a_host_is_looked_up_once_and_the_connection_goes_to_what_was_found() -> None:
    web = Web(answer())
    await inline(web, URL)
    assert web.lookups == ["pictures.example"]


@pytest.mark.parametrize("address", [PUBLIC, "8.8.8.8", "2606:4700::1", "64:ff9b::808:808"])
def test_addresses_of_the_internet_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (answer(status="404 X"), "its server answers 404"),
        (answer(type_="text/html"), "it is none of image/jpeg, image/png, image/gif, image/webp"),
        (answer(type_="image/svg+xml"), "it is none of"),
        (b"nonsense\r\n\r\n", "its server cannot be reached, or breaks off"),
        (answer()[:-2], "its server cannot be reached, or breaks off"),
        (b"", "its server cannot be reached, or breaks off"),
        (answer(b"x" * 2000), "the images of a request have at most 1500 bytes"),
        (
            b"HTTP/1.1 200 X\r\ncontent-type: image/png\r\n\r\n" + b"x" * 2000,
            "the images of a request have at most 1500 bytes",
        ),
        (0.5, "its server cannot be reached, or breaks off"),
        (20.0, "it took longer than 10 s"),
    ],
)
async def test_what_is_no_image_within_the_limits_is_refused(
    given: bytes | float, told: str, autojump_clock: MockClock
) -> None:
    limits = msgspec.structs.replace(ON, max_bytes=1500)
    assert (await why(Web(given), URL, limits=limits)).startswith(told)


async def test_the_bytes_are_counted_for_all_images_of_a_request() -> None:
    limits = msgspec.structs.replace(ON, max_bytes=1500)
    web = Web(answer(b"x" * 1000), answer(b"x" * 1000))
    assert (await why(web, URL, URL, limits=limits)).startswith("the images of a request")


async def test_redirects_have_an_end() -> None:
    there = answer(b"", f"location: {URL}", status="301 X")
    assert await why(Web(*[there] * 4), URL) == "it is redirected more than 3 times"


@pytest.mark.parametrize(
    "url",
    [
        "https://", "https:///a", "https://u:p@pictures.example/", "https://pictures.example:99999/",
        "https://pictures.example/a b", "https://pictures.example/ä", "https://pictures.example/\r\nx: y",
        "https://[", "http://pictures.example:x/",
    ],
)  # fmt: skip
async def test_a_url_that_is_more_than_a_host_and_a_path_is_refused(url: str) -> None:
    web = Web()
    assert (await why(web, url)).startswith("it is no http or https URL")
    assert web.lookups == []


async def test_an_unknown_host_is_refused() -> None:
    assert await why(Web(hosts={}), URL) == "its host is not known"


@pytest.mark.parametrize(
    ("host", "is_allowed"),
    [("a.example", True), ("x.b.example", True), ("b.example", False), ("xa.example", False)],
)
async def test_an_allowlist_has_hosts_and_domains(host: str, is_allowed: bool) -> None:
    limits = msgspec.structs.replace(ON, url_allowlist=("A.example", "*.b.example"))
    web = Web(answer(), hosts={host: [PUBLIC]})
    if is_allowed:
        await inline(web, f"https://{host}/", limits=limits)
    else:
        told = await why(web, f"https://{host}/", limits=limits)
        assert told.startswith("its host is not in `gateway.http")


async def test_tls_that_proves_nothing_is_no_answer() -> None:
    class Liar(Web):
        async def connect(self, address: str, port: int, name: str | None) -> trio.abc.Stream:
            raise ssl.SSLCertVerificationError("a stranger")

    assert (await why(Liar(), URL)).startswith("its server cannot be reached")


# In a request


def picture(url: str) -> dict[str, object]:
    part = {"type": "image_url", "image_url": {"url": url}}
    return chat(messages=[{"role": "user", "content": [part]}])


async def test_by_default_a_url_is_refused_and_a_data_url_is_not() -> None:
    async with Site() as site:
        refused = await site.post(picture(URL))
        taken = await site.post(picture("data:image/png;base64,AA=="))
    assert (refused.status, refused.error()["code"]) == (400, "unsupported_image_url")
    assert refused.error()["param"] == "messages[0].content[0].image_url.url"
    assert "allowUrl" in (refused.error()["message"] or "")
    assert taken.status == 200


async def test_where_they_are_on_the_model_gets_the_image(
    monkeypatch: pytest.MonkeyPatch, nursery: trio.Nursery
) -> None:
    web = Web(answer(), answer(status="404 X"))
    web.nursery = nursery

    def pictures(limits: ImageLimits) -> Pictures:
        return Pictures(limits, web.resolve, web.connect)

    monkeypatch.setattr("greenroom.http.completions.Pictures", pictures)
    channel = PlayedChannel()
    async with Site(channel, gateway=msgspec.structs.replace(GATEWAY, images=ON)) as site:
        assert (await site.post(picture(URL))).status == 200
        gone = await site.post(picture(URL))
        many = chat(messages=[{"role": "user", "content": [
            {"type": "image_url", "image_url": {"url": URL}} for _ in range(9)
        ]}])  # fmt: skip
        too_many = await site.post(many)
    (prompt,) = channel.prompts
    (entry,) = prompt.entries
    assert isinstance(entry, UserEntry)
    assert not isinstance(entry.content, str)
    (part,) = entry.content
    assert isinstance(part, MediaPart)
    assert b"data:image/png;base64," in part.raw
    assert (gone.status, gone.error()["code"]) == (400, "image_url_unavailable")
    assert too_many.error()["param"] == "messages[0].content[8].image_url.url"
