"""With nothing but the vendors' own variables, a model's name alone finds its upstream."""

import pytest

from tests.sdk.channels.vendors import Vendor
from tests.sdk.conftest import Gateway, StartConfigured, client_of
from tests.upstreams.api import KEY
from tests.upstreams.cues import echo
from tests.upstreams.upstream import Upstream


@pytest.fixture(scope="module")
def gateway(start_configured: StartConfigured, vendors: Upstream) -> Gateway:
    environment = {
        "OPENAI_API_KEY": KEY,
        "OPENAI_BASE_URL": f"{vendors.root}/v1",
        "ANTHROPIC_API_KEY": KEY,
        "ANTHROPIC_BASE_URL": vendors.root,
        "OLLAMA_HOST": f"127.0.0.1:{vendors.port}",
    }
    return start_configured({}, {}, environment=environment)


def test_a_bare_name_goes_to_its_vendor(
    gateway: Gateway, vendors: Upstream, vendor: Vendor
) -> None:
    with client_of(gateway) as client:
        answer = client.chat.completions.create(
            model=vendor.model, messages=[{"role": "user", "content": "hello"}]
        )
    assert answer.choices[0].message.content == echo("hello")
    assert answer.model == vendor.model
    assert vendors.records[-1].api == vendor.id
