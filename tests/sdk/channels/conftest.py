"""A gateway before an upstream that speaks all three APIs, each of its models known to one of them."""

from collections.abc import Iterator

import pytest
from openai import OpenAI

from tests.sdk.channels.vendors import VENDORS, Ask, Vendor, helped, provider_of, streamed, whole
from tests.sdk.conftest import Gateway, StartConfigured, client_of
from tests.upstreams.upstream import Upstream


@pytest.fixture(scope="session")
def vendors() -> Iterator[Upstream]:
    """The upstream, to which nothing may be sent that a vendor would refuse."""
    with Upstream() as upstream:
        yield upstream
    assert [record.refusal for record in upstream.records if record.refusal is not None] == []


@pytest.fixture(scope="session")
def gateway(start_configured: StartConfigured, vendors: Upstream) -> Gateway:
    providers: dict[str, object] = {}
    for vendor in VENDORS:
        listed = [{"id": vendor.model, "cost": {"input": 2, "output": 4}}]
        providers[vendor.id] = provider_of(vendor, vendors, models=listed)
    entries: dict[str, dict[str, str]] = {"main": {}}
    for vendor in VENDORS:
        model = f"{vendor.id}/{vendor.model}"
        entries[vendor.id] = {"model": model, "instructions": "You are brief."}
    return start_configured({"providers": providers}, {"entries": entries})


@pytest.fixture(scope="session")
def client(gateway: Gateway) -> Iterator[OpenAI]:
    """A client of this gateway: the one of the tests above would be made of it, too, and kept for all."""
    with client_of(gateway) as opened:
        yield opened


@pytest.fixture(params=VENDORS, ids=lambda vendor: vendor.id)
def vendor(request: pytest.FixtureRequest) -> Vendor:
    one: Vendor = request.param
    return one


@pytest.fixture
def model(vendor: Vendor) -> str:
    return f"{vendor.id}/{vendor.model}"


@pytest.fixture(params=[whole, streamed, helped], ids=lambda ask: ask.__name__)
def ask(request: pytest.FixtureRequest) -> Ask:
    """Every way to ask for an answer."""
    way: Ask = request.param
    return way
