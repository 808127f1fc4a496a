"""Rules of who may call: the forms of a secret, and what guessing costs."""

import pytest
import trio

from greenroom.actors.settings import Secret
from greenroom.http import auth
from greenroom.http.auth import Authenticator, presented
from greenroom.http.config import Auth, FailureLimits, NoAuth, PasswordAuth, TokenAuth
from greenroom.http.credential import Credential
from greenroom.http.errors import ApiError
from tests.http.conftest import exchange_of

REMOTE = "192.0.2.7"


SECRET = "s3cret"


def authenticator(
    secret: str = SECRET,
    limits: FailureLimits | None = None,
    mode: type[TokenAuth | PasswordAuth] = TokenAuth,
) -> Authenticator:
    given: Auth = mode(Secret(secret), "configuration")
    return Authenticator(Credential(given), limits or FailureLimits())


async def check(
    who: Authenticator, headers: dict[str, str] | None, address: str | None = REMOTE
) -> ApiError | None:
    client = None if address is None else (address, 50_000)
    try:
        await who.check(exchange_of(headers, client))
    except ApiError as error:
        return error
    return None


async def guess(who: Authenticator, address: str | None = REMOTE) -> int:
    """Present a wrong secret; the status that it gave."""
    error = await check(who, {"authorization": "Bearer wrong"}, address)
    assert error is not None
    return error.status


RIGHT = {"authorization": "Bearer s3cret"}


@pytest.mark.parametrize(
    ("headers", "secret"),
    [
        ({"authorization": "Bearer s3cret"}, "s3cret"),
        ({"authorization": "bearer s3cret"}, "s3cret"),
        ({"authorization": "BEARER   s3cret "}, "s3cret"),
        ({"authorization": "Bearer a b"}, "a b"),
        ({"api-key": "s3cret"}, "s3cret"),
        ({"x-api-key": "s3cret"}, "s3cret"),
        ({"authorization": "Basic s3cret"}, None),
        ({"authorization": "s3cret"}, None),
        ({"authorization": "Bearer"}, ""),
        ({"authorization": "Basic x", "api-key": "s3cret"}, None),
        ({"authorization": "Bearer x", "api-key": "s3cret"}, "x"),
        ({"authorization": ""}, None),
        ({}, None),
    ],
)
def test_a_secret_comes_as_a_bearer_or_as_azures_clients_send_it(
    headers: dict[str, str], secret: str | None
) -> None:
    assert presented(exchange_of(headers)) == secret


@pytest.mark.parametrize("mode", [TokenAuth, PasswordAuth])
@pytest.mark.parametrize("name", ["authorization", "api-key", "x-api-key"])
async def test_the_right_secret_passes(name: str, mode: type[TokenAuth | PasswordAuth]) -> None:
    value = "Bearer s3cret" if name == "authorization" else "s3cret"
    assert await check(authenticator(mode=mode), {name: value}) is None


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer "},
        {"authorization": "Bearer s3cre"},
        {"authorization": "Bearer s3cret!"},
        {"authorization": "Bearer S3CRET"},
        {"authorization": "Basic s3cret"},
        {"authorization": "Bearer " + "x" * 60_000},
        {"authorization": "Bearer sécret"},
        {"authorization": "Bearer \xff\xfe\x00"},
        {"api-key": "ÿ"},
    ],
)
async def test_any_other_secret_is_refused_in_the_products_words(headers: dict[str, str]) -> None:
    error = await check(authenticator(), headers)
    assert error is not None
    assert (error.status, error.body.type, error.body.code) == (
        401,
        "unauthorized",
        "invalid_api_key",
    )
    assert error.body.message == "Unauthorized"
    assert error.headers["www-authenticate"] == "Bearer"


async def test_without_authentication_everybody_passes() -> None:
    everybody = Authenticator(Credential(NoAuth()), FailureLimits())
    assert await check(everybody, {"authorization": "Bearer ÿ"}) is None


@pytest.mark.parametrize("secret", ["pässwörd", "パス", "a b"])
async def test_a_secret_that_is_not_ascii_is_its_utf_8(secret: str) -> None:
    who = authenticator(secret)
    sent = f"Bearer {secret}".encode().decode("latin-1")
    assert await check(who, {"authorization": sent}) is None
    assert await check(who, {"authorization": "Bearer p\xe4ssw\xf6rt"}) is not None


async def test_a_secret_in_latin_1_is_understood_where_it_is_no_utf_8() -> None:
    assert await check(authenticator("p\xe4ss"), {"authorization": "Bearer p\xe4ss"}) is None


async def test_who_brings_no_secret_guesses_none() -> None:
    who = authenticator()
    for _ in range(20):
        assert await check(who, {}) is not None
    assert await check(who, RIGHT) is None


async def test_ten_failures_within_a_minute_lock_an_address_out_for_five(
    autojump_clock: trio.testing.MockClock,
) -> None:
    who = authenticator()
    for _ in range(10):
        assert await guess(who) == 401
        await trio.sleep(5)
    error = await check(who, RIGHT)
    assert error is not None
    assert (error.status, error.body.type) == (429, "rate_limited")
    assert error.body.message == (
        "Too many failed authentication attempts. Please try again later."
    )
    assert error.headers["retry-after"] == "295"
    await trio.sleep(294)
    assert (await check(who, RIGHT)) is not None
    await trio.sleep(1)
    assert await check(who, RIGHT) is None


async def test_waiting_out_of_a_lockout_does_not_prolong_it(
    autojump_clock: trio.testing.MockClock,
) -> None:
    who = authenticator()
    for _ in range(10):
        await guess(who)
    for _ in range(29):
        await trio.sleep(10)
        assert await guess(who) == 429
    await trio.sleep(10)
    assert await guess(who) == 401


async def test_failures_spread_over_more_than_a_minute_lock_nobody_out(
    autojump_clock: trio.testing.MockClock,
) -> None:
    who = authenticator()
    for _ in range(50):
        assert await guess(who) == 401
        await trio.sleep(7)
    assert await check(who, RIGHT) is None


async def test_a_success_forgets_the_failures_before_it() -> None:
    who = authenticator()
    for _ in range(5):
        for _ in range(9):
            assert await guess(who) == 401
        assert await check(who, RIGHT) is None


async def test_one_addresss_failures_are_its_own() -> None:
    who = authenticator()
    for _ in range(10):
        await guess(who)
    assert await guess(who) == 429
    assert await check(who, RIGHT, "192.0.2.8") is None


async def test_who_has_a_network_guesses_no_more_often_than_who_has_an_address() -> None:
    who = authenticator()
    for number in range(10):
        assert await guess(who, f"2001:db8::{number}") == 401
    assert await guess(who, "2001:db8::ffff") == 429
    assert await guess(who, "2001:db8:0:1::1") == 401
    for _ in range(10):
        await guess(who, "::ffff:192.0.2.9")
    assert await guess(who, "192.0.2.9") == 429


@pytest.mark.parametrize("address", [None, "", "a:b", "not an address", "fe80::1%eth0"])
async def test_an_address_of_any_form_is_counted(address: str | None) -> None:
    who = authenticator()
    for _ in range(10):
        assert await guess(who, address) == 401
    assert await guess(who, address) == 429


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.0.1", "::1"])
async def test_loopback_is_slowed_down_and_never_locked_out(
    address: str, autojump_clock: trio.testing.MockClock
) -> None:
    who = authenticator()
    for _ in range(9):
        await guess(who, address)
    assert trio.current_time() == 0
    for _ in range(10):
        assert await guess(who, address) == 401
    assert trio.current_time() == 5
    assert await check(who, RIGHT, address) is None
    assert trio.current_time() == 5


async def test_loopback_is_locked_out_where_it_has_no_exemption() -> None:
    who = authenticator(limits=FailureLimits(attempts=2, exempt_loopback=False))
    for _ in range(2):
        assert await guess(who, "127.0.0.1") == 401
    assert await guess(who, "127.0.0.1") == 429


async def test_the_limits_are_the_configurations(autojump_clock: trio.testing.MockClock) -> None:
    who = authenticator(limits=FailureLimits(attempts=1, window=5, lockout=7))
    assert await guess(who) == 401
    error = await check(who, RIGHT)
    assert error is not None
    assert error.headers["retry-after"] == "7"
    await trio.sleep(7)
    assert await check(who, RIGHT) is None


async def test_the_tables_of_failures_and_of_lockouts_are_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(auth, "_TABLE_SIZE", 3)
    who = authenticator(limits=FailureLimits(attempts=2))
    for address in ("a", "b", "c", "d"):
        assert await guess(who, address) == 401
    assert await guess(who, "a") == 401, "its first failure is forgotten"
    for address in ("e", "f", "g", "h"):
        await guess(who, address)
        await guess(who, address)
    assert [await guess(who, address) for address in "efgh"] == [401, 429, 429, 429]
    assert len(vars(who)["_failures"]) <= 3
    assert len(vars(who)["_locked"]) <= 3
