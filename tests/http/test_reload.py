"""Rules of what a running gateway takes over from its configuration, and what it says of the rest."""

from collections.abc import Callable
from pathlib import Path

import pytest
import trio
import trustme
from msgspec.structs import replace

from greenroom.actors.household import Closing
from greenroom.actors.settings import HouseSettings, Secret
from greenroom.http.config import Configuration, ConfigurationError, Problem, Tls, TokenAuth, load
from greenroom.http.credential import Credential
from greenroom.http.reload import Reloading
from greenroom.http.server.tls import Certificate, follow
from tests.conftest import Lines

IN_VIRTUAL_TIME = True


def configuration(word: str = "one", **gateway: object) -> Configuration:
    embedded = load(environ={}, cwd=Path("/nowhere"), home=Path("/nowhere"))
    auth = TokenAuth(Secret(word), "configuration")
    return replace(embedded, gateway=replace(embedded.gateway, auth=auth, **gateway))


class Running:
    """What a running gateway has, and a configuration that can be changed."""

    def __init__(self, first: Configuration, certificate: Certificate | None = None) -> None:
        self.next: Configuration | Exception = first
        self.lines = Lines()
        self.credential = Credential(first.gateway.auth, self.lines.log)
        self.taken: list[HouseSettings] = []
        self.trouble: Exception | None = None
        read: Callable[[], Configuration] = self._read
        self.reloading = Reloading(first, read, self.credential, certificate, self.lines.log)

    async def reload(self) -> None:
        await self.reloading.reload(self.take)

    async def take(self, settings: HouseSettings) -> None:
        await trio.lowlevel.checkpoint()
        if self.trouble is not None:
            raise self.trouble
        self.taken.append(settings)

    def _read(self) -> Configuration:
        if isinstance(self.next, Exception):
            raise self.next
        return self.next

    @property
    def needs_restart(self) -> list[str]:
        found: list[str] = self.lines.all("configuration.reloaded")[-1]["needs_restart"]
        return found


async def test_the_secret_is_taken_over_and_the_one_before_counts_no_more() -> None:
    running = Running(configuration("one"))
    running.next = configuration("two")
    await running.reload()
    assert running.credential.matches("two")
    assert not running.credential.matches("one")
    assert running.needs_restart == []
    assert "two" not in running.lines.text


async def test_what_else_is_different_is_named_and_not_done() -> None:
    running = Running(configuration())
    running.next = replace(
        configuration(port=1, cors=("https://a",), hosts=("a",)), store=Path("/x")
    )
    await running.reload()
    assert running.needs_restart == ["store", "gateway.port", "gateway.hosts", "gateway.cors"]


async def test_another_mode_is_not_taken_over(tmp_path: Path) -> None:
    running = Running(configuration("one"))
    running.next = load(environ={"OPENCLAW_GATEWAY_PASSWORD": "two"}, cwd=tmp_path, home=tmp_path)
    await running.reload()
    assert running.credential.matches("one")
    assert not running.credential.matches("two")
    assert "gateway.auth" in running.needs_restart


async def test_a_generated_token_stays(tmp_path: Path) -> None:
    def embedded() -> Configuration:
        return load(environ={}, cwd=tmp_path, home=tmp_path)

    first = embedded()
    running = Running(first)
    running.next = embedded()
    await running.reload()
    assert isinstance(first.gateway.auth, TokenAuth)
    assert running.credential.matches(first.gateway.auth.secret.reveal())


async def test_a_configuration_that_cannot_be_used_changes_nothing() -> None:
    running = Running(configuration("one"))
    running.next = ConfigurationError((Problem("f", 3, "gateway.port", "expected an integer"),))
    await running.reload()
    assert running.credential.matches("one")
    (line,) = running.lines.all("configuration.unusable")
    assert line["problems"] == ["f:3: gateway.port: expected an integer"]


def issue(folder: Path) -> Tls:
    issued = trustme.CA().issue_cert("localhost")
    files = Tls(folder / "certificate.pem", folder / "key.pem")
    issued.cert_chain_pems[0].write_to_path(files.certificate)
    issued.private_key_pem.write_to_path(files.key)
    return files


async def test_the_certificate_is_loaded_again_changed_or_not(tmp_path: Path) -> None:
    certificate = Certificate(issue(tmp_path))
    running = Running(configuration(), certificate)
    before = certificate.context
    await running.reload()
    assert certificate.context is not before
    (tmp_path / "key.pem").write_bytes(b"nonsense")
    kept = certificate.context
    await running.reload()
    assert certificate.context is kept
    assert running.lines.all("tls.certificate_kept")


async def test_the_files_of_a_certificate_are_looked_at_now_and_then(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    certificate, lines = Certificate(issue(tmp_path)), Lines()
    nursery.start_soon(follow, certificate, lines.log)
    await trio.sleep(30)
    assert not lines.all()
    issue(tmp_path)
    await trio.sleep(11)
    assert lines.all("tls.certificate_replaced")
    (tmp_path / "certificate.pem").unlink()
    await trio.sleep(31)
    assert len(lines.all("tls.certificate_kept")) == 1


@pytest.mark.parametrize("times", [1, 3])
async def test_a_reload_may_come_again(times: int) -> None:
    running = Running(configuration("0"))
    for n in range(times):
        running.next = configuration(str(n + 1))
        await running.reload()
    assert running.credential.matches(str(times))


async def test_the_house_is_given_what_was_read_before_the_secret_counts() -> None:
    running = Running(configuration("one"))
    running.next = replace(configuration("two"), house=replace(configuration().house, patience=7.0))
    await running.reload()
    assert [settings.patience for settings in running.taken] == [7.0]
    assert running.needs_restart == []


@pytest.mark.parametrize("trouble", [ZeroDivisionError(), Closing()])
async def test_what_the_house_cannot_take_changes_nothing(trouble: Exception) -> None:
    running = Running(configuration("one"))
    running.next, running.trouble = configuration("two"), trouble
    await running.reload()
    assert running.credential.matches("one")
    assert not running.lines.all("configuration.reloaded")
    event = "configuration.kept" if isinstance(trouble, Closing) else "configuration.not_started"
    assert len(running.lines.all(event)) == 1


async def test_parts_that_take_too_long_to_start_change_nothing() -> None:
    running = Running(configuration("one"))
    running.next = configuration("two")

    async def never(_: HouseSettings) -> None:
        await trio.sleep_forever()

    await running.reloading.reload(never)
    assert running.credential.matches("one")
    assert running.lines.all("configuration.not_started")


async def test_wishes_are_worked_off_one_by_one_until_the_stop(nursery: trio.Nursery) -> None:
    running, stop = Running(configuration("one")), trio.Event()
    under_way: list[int] = []

    async def take(settings: HouseSettings) -> None:
        under_way.append(len(under_way))
        await trio.sleep(5)
        await running.take(settings)

    nursery.start_soon(running.reloading.obey, take, stop)
    running.reloading.ask()
    await trio.sleep(1)
    running.next = configuration("two")
    running.reloading.ask()
    running.reloading.ask()
    await trio.sleep(20)
    assert (len(under_way), len(running.taken)) == (2, 2)
    assert running.credential.matches("two")
    stop.set()
    running.reloading.ask()
    await trio.sleep(1)
    assert len(under_way) == 2
    assert running.lines.all("configuration.kept")
