"""Any store: an exported session is the same again where it is restored, and what is none is refused."""

from collections.abc import Callable

import msgspec
import pytest

from greenroom.actors.entries import SummaryEntry
from greenroom.actors.stores.records import (
    Fence,
    Fork,
    Query,
    Retention,
    SessionName,
)
from greenroom.actors.stores.store import Fenced, Store, StoreFailed
from tests.actors.stores.conftest import (
    NAME,
    OTHER,
    RICH,
    RICH_DELTAS,
    accepted,
    failed,
    given,
    lines_of,
    say,
    talk,
)


async def eventful(store: Store) -> Fence:
    """A session in which everything has happened."""
    fence, entries = await talk(store, turns=3)
    fence, _ = await store.compact(NAME, fence, "t3", SummaryEntry("1"), entries[1].seq)
    fence, _ = await say(store, NAME, fence, "t4", cut_from=entries[4].seq)
    fence = await store.reset(NAME, fence, 1500.0)
    fence, _ = await say(store, NAME, fence, "t5", entries=RICH, deltas=RICH_DELTAS, at=2000.0)
    fence = await store.accept(NAME, fence, accepted("t6", "A", "B", idempotency="key"))
    fence, _ = await store.end(NAME, fence, (failed("t6"),))
    await store.retain(Retention(replay=500.0), 1800.0)
    return await store.accept(NAME, fence, accepted("t7", "C", at=2100.0, keep_to=3))


async def test_a_restored_session_is_the_same(store: Store) -> None:
    await eventful(store)
    lines = await lines_of(store, NAME)
    before = await store.load(NAME), await store.info(NAME)
    turns = [await store.turn(NAME, f"t{n}") for n in range(1, 9)]
    everything = await store.transcript(NAME, cut=True)
    assert await store.delete(NAME)
    assert await store.restore(given(lines)) == NAME
    assert before[0] is not None
    after = await store.load(NAME)
    assert after is not None
    assert msgspec.structs.replace(after, fence=before[0].fence) == before[0]
    assert after.fence.head == before[0].fence.head
    assert await store.info(NAME) == before[1]
    assert [await store.turn(NAME, f"t{n}") for n in range(1, 9)] == turns
    assert await store.find(NAME, "key") == turns[5]
    assert await store.transcript(NAME, cut=True) == everything
    assert await lines_of(store, NAME) == lines
    fence, _ = await store.end(NAME, after.fence, (failed("t7"),))
    await say(store, NAME, fence, "t8")


async def test_a_restored_session_may_have_another_name(store: Store) -> None:
    await eventful(store)
    lines = await lines_of(store, NAME)
    assert await store.restore(given(lines), name=OTHER) == OTHER
    mine, theirs = await store.load(NAME), await store.load(OTHER)
    assert mine is not None
    assert theirs is not None
    assert msgspec.structs.replace(mine, name=OTHER, fence=theirs.fence) == theirs
    found = await store.find_turn("t1")
    assert found is not None
    assert found[0] == NAME
    assert await store.delete(NAME)
    found = await store.find_turn("t1")
    assert found is not None
    assert found[0] == OTHER


async def test_an_owner_of_the_session_before_does_not_own_the_restored_one(store: Store) -> None:
    fence = await eventful(store)
    lines = await lines_of(store, NAME)
    await store.delete(NAME)
    await store.restore(given(lines))
    with pytest.raises(Fenced):
        await store.reset(NAME, fence, 3000.0)


async def test_a_restored_fork_has_what_it_had_from_its_source(store: Store) -> None:
    fence, entries = await talk(store, turns=3)
    fork = Fork(NAME, entries[3].seq, fence.head)
    mine, _ = await say(store, OTHER, Fence(), "u1", fork=fork, cut_from=entries[2].seq)
    lines = await lines_of(store, OTHER)
    before, everything = await store.load(OTHER), await store.transcript(OTHER, cut=True)
    assert before is not None
    await store.delete(OTHER)
    await store.delete(NAME)
    await store.restore(given(lines))
    after = await store.load(OTHER)
    assert after is not None
    assert msgspec.structs.replace(before, fence=after.fence, fork=None) == after
    assert after.fence.head == mine.head
    assert await store.transcript(OTHER, cut=True) == everything
    assert await lines_of(store, OTHER) == lines


async def test_an_export_is_of_one_moment(store: Store) -> None:
    fence, entries = await talk(store, turns=3)
    fence = await store.accept(NAME, fence, accepted("t4"))
    expected = await lines_of(store, NAME)
    async with store.export(NAME) as lines:
        read = [await anext(lines)]
        fence, _ = await store.end(NAME, fence, (failed("t4"),))
        await say(store, NAME, fence, "t5", cut_from=entries[1].seq)
        read += [line async for line in lines]
    assert read == expected


async def test_an_export_of_a_fork_is_of_one_moment(store: Store) -> None:
    fence, entries = await talk(store, turns=3)
    fork = Fork(NAME, fence.head, fence.head)
    mine, _ = await say(store, OTHER, Fence(), "u1", fork=fork)
    expected = await lines_of(store, OTHER)
    async with store.export(OTHER) as lines:
        read = [await anext(lines)]
        await say(store, OTHER, mine, "u2", cut_from=entries[1].seq)
        await store.delete(NAME)
        read += [line async for line in lines]
    assert read == expected


async def test_a_session_that_is_deleted_meanwhile_is_not_exported_in_part(store: Store) -> None:
    await talk(store, turns=3)
    async with store.export(NAME) as lines:
        await anext(lines)
        await store.delete(NAME)
        await talk(store, turns=3)
        with pytest.raises(StoreFailed, match="was deleted"):
            await anext(lines)


async def test_an_export_may_be_left_in_the_middle(store: Store) -> None:
    await talk(store, turns=3)
    async with store.export(NAME) as lines:
        await anext(lines)
        await anext(lines)
    assert len(await lines_of(store, NAME)) == 1 + 3 + 6 + 1


async def test_what_is_not_there_cannot_be_exported(store: Store) -> None:
    with pytest.raises(ValueError, match="no session"):
        async with store.export(NAME):
            pass


async def test_an_export_is_lines(store: Store) -> None:
    await eventful(store)
    lines = await lines_of(store, NAME)
    assert all(line.count(b"\n") == 1 and line.endswith(b"\n") for line in lines)
    kinds = [msgspec.json.decode(line)["type"] for line in lines]
    assert (kinds[0], kinds[-1]) == ("session", "end")
    assert kinds[1:-1] == ["turn"] * 7 + ["entry"] * (kinds.count("entry"))
    assert msgspec.json.decode(lines[0])["version"] == 1


async def test_a_session_that_exists_is_not_overwritten(store: Store) -> None:
    await eventful(store)
    lines = await lines_of(store, NAME)
    before = await store.load(NAME)
    with pytest.raises(ValueError, match="already"):
        await store.restore(given(lines))
    assert await store.load(NAME) == before


async def test_empty_lines_and_line_breaks_mean_nothing(store: Store) -> None:
    await talk(store)
    lines = await lines_of(store, NAME)
    await store.restore(given([b"\n", *(line.strip() for line in lines), b" "]), name=OTHER)
    assert await store.transcript(OTHER) == await store.transcript(NAME)


# What is no export


Change = Callable[[list[dict[str, object]]], object]


def drop(index: int) -> Change:
    return lambda lines: lines.pop(index)


def put(index: int, **values: object) -> Change:
    return lambda lines: lines[index].update(values)


def put_in(index: int, key: str, **values: object) -> Change:
    def change(lines: list[dict[str, object]]) -> None:
        inner = msgspec.convert(lines[index][key], dict[str, object])
        lines[index][key] = inner | values

    return change


CHANGES: list[tuple[Change, str]] = [
    (lambda lines: lines.clear(), "begins with a line"),
    (drop(0), "begins with a line"),
    (drop(-1), "a part is missing"),
    (drop(1), "a part is missing"),
    (drop(4), "a part is missing"),
    (lambda lines: lines.append(dict(lines[1])), "a part is missing"),
    (lambda lines: lines.insert(1, dict(lines[0])), "a part is missing"),
    (put(0, version=2), "version 2"),
    (put(0, head="x"), "line 1 is none"),
    (put(0, head=3), "not one of 1 to 3"),
    (put(0, head=10**30), "not one of 1"),
    (put_in(1, "accepted", created=10**30), r"too large|line 2 is none"),
    (put(1, type="tune"), "line 2 is none"),
    (put(1, seq=0), "not one of 1"),
    (put(1, seq=3), "twice"),
    (put_in(1, "accepted", id="t2"), "twice"),
    (put_in(1, "end", id="t9"), "not its own"),
    (put_in(1, "end", state="accepted"), "not its own"),
    (put_in(1, "end", state="done"), "line 2 is none"),
    (lambda lines: lines[1].pop("end"), "half an end"),
    (put(1, end_seq=1, seq=2), "before it begins"),
    (put(1, end_entries=7), "counts entries"),
    (put(1, end_entries=3), "lacks one of its entries"),
    (put(1, adds=3), "counts entries"),
    (put(1, adds=-1), "counts entries"),
    (put(1, forgotten=True), "has forgotten"),
    (put(4, turn="t2"), "lacks one of its entries"),
    (put(4, cut=2), "was cut"),
    (put(4, cut=99), "was cut"),
    (put(4, upto=1), "stands for"),
    (put(5, entry={"type": "summary", "text": "1"}), "stands for"),
    (put(4, entry={"type": "summary", "text": "1"}, upto=2), "has added a summary"),
    (put(4, entry={"type": "tool", "call_id": "c", "content": "x"}), "waits for none"),
    (put(4, entry={"type": "robot"}), "line 5 is none"),
]


@pytest.mark.parametrize(("change", "why"), CHANGES)
async def test_what_is_no_session_is_refused_and_nothing_is_created(
    change: Change, why: str, store: Store
) -> None:
    await talk(store, turns=3)
    decoded = [
        msgspec.json.decode(line, type=dict[str, object]) for line in await lines_of(store, NAME)
    ]
    change(decoded)
    with pytest.raises(ValueError, match=why):
        await store.restore(given(map(msgspec.json.encode, decoded)), name=OTHER)
    assert [info.name for info in (await store.list(Query())).sessions] == [NAME]


@pytest.mark.parametrize("line", [b"{", b"null", b"[]", b"\xff", b"[" * 100_000])
async def test_a_line_that_is_none_is_named(line: bytes, store: Store) -> None:
    await talk(store)
    lines = await lines_of(store, NAME)
    lines.insert(1, line)
    with pytest.raises(ValueError, match="line 2 is none of an exported session"):
        await store.restore(given(lines), name=OTHER)


@pytest.mark.parametrize("cut", range(0, 1800, 97))
async def test_an_export_that_was_cut_is_refused(cut: int, store: Store) -> None:
    await talk(store, turns=2)
    text = b"".join(await lines_of(store, NAME))
    assert cut < len(text) - 2
    with pytest.raises(ValueError, match=r"line|begins|missing"):
        await store.restore(given(text[:cut].splitlines()), name=OTHER)
    assert await store.load(SessionName(OTHER.agent, OTHER.key)) is None
