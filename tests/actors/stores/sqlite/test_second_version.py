"""A file of schema 1 has its turns and sessions after it was brought up to date, and takes requests."""

from contextlib import closing
from pathlib import Path

from greenroom.actors.stores.sqlite import codec, files, schema
from greenroom.actors.stores.sqlite.store import SqliteStore
from greenroom.actors.stores.store import Fence, StoredTurn
from tests.actors.stores.conftest import NAME, OTHER, accepted, finished


def make_old(path: Path) -> None:
    """Write a session of one open turn, as a program of schema 1 would have."""
    files.make(path)
    turn = accepted()
    with closing(files.connect(path, busy=1.0)) as db:
        schema.upgrade(db, 0, schema.MIGRATIONS[:1])
        added = b"".join(map(codec.encode_entry, turn.added))
        blob = codec.encode_accepted(turn)
        db.execute(
            "INSERT INTO session (agent, key, epoch, head, created, active, began, base, turns, live, "
            "size) VALUES (?, ?, 1, 1, 1000.0, 1000.0, 0, 0, 1, 0, ?)",
            (NAME.agent, NAME.key, len(blob) + len(added)),
        )
        db.execute(
            "INSERT INTO turn (session, seq, turn, accepted, added, adds) VALUES (1, 1, ?, ?, ?, 1)",
            (turn.id, blob, added),
        )


async def test_an_old_file_is_read_and_written_like_a_new_one(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    make_old(path)
    async with SqliteStore.open(path) as store:
        state = await store.load(NAME)
        assert state is not None
        assert state.open_turns == (accepted(),)
        await store.end(NAME, state.fence, (finished(),))
        assert await store.turn(NAME, "t1") == StoredTurn(accepted(), finished())
        await store.accept(OTHER, Fence(), accepted("t2", request=b"asked"))
        await store.annotate(OTHER, await fence_of(store), b"kept", 1.0)
    async with SqliteStore.open(path) as store:
        found, info = await store.turn(OTHER, "t2"), await store.info(OTHER)
        assert found is not None
        assert info is not None
        assert (found.accepted.request, info.attributes) == (b"asked", b"kept")
    assert path.with_name("store.db.schema-1").exists()


async def fence_of(store: SqliteStore) -> Fence:
    state = await store.load(OTHER)
    assert state is not None
    return state.fence
