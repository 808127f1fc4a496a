"""A look at a file finds what is wrong with it; a copy is whole; a smaller file says the same."""

import stat
from pathlib import Path

import pytest
import trio

from greenroom.actors.entries import AssistantEntry, SummaryEntry, ToolCall, ToolEntry, UserEntry
from greenroom.actors.stores.records import Fence, Fork, SessionName
from greenroom.actors.stores.sqlite import maintenance, schema
from greenroom.actors.stores.sqlite.schema import MIGRATIONS
from greenroom.actors.stores.sqlite.store import SqliteStore
from greenroom.actors.stores.store import CannotOpen
from tests.actors.stores.conftest import NAME, OTHER, accepted, say, talk
from tests.actors.stores.sqlite.conftest import inside

CALLS = AssistantEntry(None, (ToolCall("c1", "look", "{}"), ToolCall("c2", "look", "{}")))


@pytest.fixture
async def full(path: Path) -> Path:
    """A store in which everything has happened."""
    async with SqliteStore.open(path) as store:
        fence, entries = await talk(store, turns=3)
        fork = Fork(NAME, entries[3].seq, fence.head)
        mine, _ = await say(store, OTHER, Fence(), "u1", fork=fork, cut_from=entries[2].seq)
        await store.accept(OTHER, mine, accepted("u2"))
        fence, _ = await store.compact(NAME, fence, "t3", SummaryEntry("1"), entries[1].seq)
        fence, _ = await say(store, NAME, fence, "t4", cut_from=entries[4].seq)
        results = (ToolEntry("c2", "b"), ToolEntry("c1", "a"))
        fence, _ = await say(store, NAME, fence, "t5", entries=(UserEntry("Hi"), CALLS, *results))
        # Calls may be open at the end.
        await say(store, NAME, fence, "t6", entries=(CALLS, results[0]))
        gone = SessionName("main", "gone")
        other, _ = await talk(store, gone, 2)
        heir, fork = SessionName("b", "heir"), Fork(gone, 4, other.head)
        await store.accept(heir, Fence(), accepted("v1"), fork=fork)
        await store.delete(gone)
    return path


def problems(path: Path) -> list[str]:
    return list(maintenance.check(path).problems)


# Looks


async def test_a_sound_file_has_no_problem(full: Path) -> None:
    report = maintenance.check(full)
    assert report.problems == ()
    assert (report.sessions, report.turns) == (3, 9)
    assert report.entries == 6 + 2 + 1 + 2 + 4 + 2 + 2
    assert report.size == full.stat().st_size


async def test_a_file_can_be_looked_at_while_it_is_used(path: Path) -> None:
    async with SqliteStore.open(path) as store:
        await talk(store)
        assert problems(path) == []
        await talk(store, OTHER)
        assert maintenance.check(path).sessions == 2


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("UPDATE session SET epoch = 0 WHERE key = 'agent:main:it'", "its fence is 0, "),
        ("UPDATE session SET head = head - 1 WHERE key = 'agent:main:it'", "ends with the number"),
        ("UPDATE session SET turns = 9 WHERE key = 'heir'", "counts 9 turns and has 1"),
        ("UPDATE session SET live = 9 WHERE key = 'heir'", "counts 9 live entries and has 2"),
        ("UPDATE session SET size = 9 WHERE key = 'heir'", "counts 9 bytes and has"),
        ("UPDATE session SET base = 4 WHERE key = 'agent:main:it'", "is live, and none is up to 4"),
        ("DELETE FROM session WHERE key = 'heir'", "1 turns belong to nothing"),
        ("DELETE FROM session WHERE key = 'heir'", "1 loans belong to nothing"),
        ("DELETE FROM borrowed WHERE session = 4", "2 entries belong to nothing"),
        ("DELETE FROM turn WHERE turn = 't1'", "1 events belong to nothing"),
        ("UPDATE turn SET state = 'done' WHERE turn = 't1'", "turn 't1' has ended as 'done'"),
        ("UPDATE turn SET state = 'accepted' WHERE turn = 't1'", "has ended as 'accepted'"),
        ("UPDATE turn SET end_seq = 1 WHERE turn = 't1'", "turn 't1' ends with the number 1"),
        ("UPDATE turn SET seq = 99 WHERE turn = 'u2'", "turn 'u2' has the number 99, outside of"),
        ("UPDATE turn SET end_entries = 0 WHERE turn = 't1'", "is damaged"),
        ("DELETE FROM entry WHERE seq = 3", "turn 't1' has lost entries: 1 of 2"),
        ("UPDATE entry SET upto = 99 WHERE upto IS NOT NULL", "stands for what is up to 99"),
        ("UPDATE entry SET cut = 1 WHERE cut IS NOT NULL", "was cut at 1"),
        ("UPDATE entry SET seq = 99 WHERE seq = 20", "entry 99 is outside of"),
        ("UPDATE entry SET body = x'c1' WHERE seq = 3", "is damaged"),
        ("UPDATE turn SET ending = x'c1' WHERE turn = 't1'", "is damaged"),
        ("UPDATE replay SET body = x'01c1'", "are damaged"),
    ],
)
async def test_what_is_wrong_is_found(change: str, found: str, full: Path) -> None:
    with inside(full) as ask:
        ask(change)
    assert any(found in problem for problem in problems(full)), problems(full)


async def test_calls_without_results_and_results_without_calls_are_found(path: Path) -> None:
    async with SqliteStore.open(path) as store:
        await say(store, NAME, Fence(), "t1", entries=(CALLS, UserEntry("Hi")))
        await say(store, OTHER, Fence(), "t2", entries=(ToolEntry("c1", "found"), UserEntry("Hi")))
    first, second = problems(path)
    assert first.endswith("entry 4 follows calls without results: c1, c2")
    assert second.endswith("entry 3 is the result of 'c1', which waits for none")
    assert first.startswith(f"session {NAME.key!r} of agent 'main': ")


async def test_damage_of_the_file_itself_is_found(full: Path) -> None:
    with inside(full) as ask:
        ((page,),) = ask("SELECT rootpage FROM sqlite_schema WHERE name = 'turn_by_name'")
    assert isinstance(page, int)
    with full.open("r+b") as file:
        file.seek((page - 1) * 4096 + 8)
        file.write(b"\x00\x13\x7f" * 300)
    assert any("the file is damaged: " in problem for problem in problems(full))


async def test_problems_are_told_up_to_a_bound(full: Path) -> None:
    with inside(full) as ask:
        ask("UPDATE entry SET cut = 1")
    assert len(maintenance.check(full, most=3).problems) == 3


# Copies


async def test_a_copy_says_the_same_while_the_store_is_written(path: Path) -> None:
    target = path.with_name("copy.db")
    async with SqliteStore.open(path) as store, trio.open_nursery() as nursery:
        await talk(store, turns=50)
        before = await store.load(NAME)

        async def write() -> None:
            fence = Fence()
            for n in range(1000):
                fence, _ = await say(store, OTHER, fence, f"o{n}")

        nursery.start_soon(write)
        size = await trio.to_thread.run_sync(maintenance.backup, path, target)
        nursery.cancel_scope.cancel()
    assert size == target.stat().st_size
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert problems(target) == []
    assert {file.name for file in path.parent.glob("copy*")} == {"copy.db"}
    async with SqliteStore.open(target) as store:
        assert await store.load(NAME) == before


async def test_a_copy_overwrites_nothing(full: Path) -> None:
    target = full.with_name("copy.db")
    target.write_bytes(b"mine")
    with pytest.raises(CannotOpen, match="is there already"):
        maintenance.backup(full, target)
    assert target.read_bytes() == b"mine"


async def test_a_copy_that_cannot_be_made_leaves_nothing(full: Path) -> None:
    target = full.parent / "missing" / "copy.db"
    with pytest.raises(CannotOpen, match=r"copy\.db"):
        maintenance.backup(full, target)
    assert not target.parent.exists()


async def test_of_a_damaged_file_there_is_no_copy(full: Path) -> None:
    with inside(full) as ask:
        ((page,),) = ask("SELECT rootpage FROM sqlite_schema WHERE name = 'entry'")
    assert isinstance(page, int)
    with full.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\xa5" * 4096)
    target = full.with_name("copy.db")
    with pytest.raises(CannotOpen, match="damaged"):
        maintenance.backup(full, target)
    assert list(full.parent.glob("copy*")) == []


# Smaller files


async def test_a_vacuum_gives_space_back_and_says_the_same(full: Path) -> None:
    async with SqliteStore.open(full) as store:
        before = await store.load(NAME)
        big = SessionName("main", "big")
        await say(store, big, Fence(), "t1", said="x" * 1_000_000)
        await store.delete(big)
    sizes = maintenance.vacuum(full)
    assert sizes[0] > 900_000
    assert sizes[1] == full.stat().st_size < 200_000
    assert problems(full) == []
    async with SqliteStore.open(full) as store:
        assert await store.load(NAME) == before
    with inside(full) as ask:
        assert ask("PRAGMA auto_vacuum") == [(2,)]


async def test_no_vacuum_while_the_store_is_used(path: Path) -> None:
    async with SqliteStore.open(path):
        with pytest.raises(CannotOpen, match="is in use by another Greenroom"):
            maintenance.vacuum(path)
    maintenance.vacuum(path)


# Which files


@pytest.mark.parametrize("work", [maintenance.check, maintenance.vacuum])
async def test_what_is_not_there_is_not_made(work: object, path: Path) -> None:
    assert callable(work)
    with pytest.raises(CannotOpen, match="there is no store"):
        work(path)
    assert list(path.parent.glob("store.db")) == []


async def test_a_file_of_another_version_is_left_alone(
    full: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "MIGRATIONS", (*MIGRATIONS, ()))
    with pytest.raises(CannotOpen, match="written by an older Greenroom"):
        maintenance.check(full)
    with inside(full) as ask:
        ask(f"PRAGMA user_version = {len(MIGRATIONS) + 2}")
    with pytest.raises(CannotOpen, match="written by a newer Greenroom"):
        maintenance.check(full)
