"""Whatever is made, gone on from and deleted, in any order: each response knows its own past alone."""

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import run_to_an_end
from tests.http.conftest import Site
from tests.http.responses.conftest import CONVERSATIONS, ROOT, SERVING, create, get, said

OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(["begin", "go on", "talk", "unstored", "look", "delete"]),
        st.integers(0, 99),
    ),
    min_size=3,
    max_size=12,
)


@settings(max_examples=40)
@given(OPERATIONS)
def test_each_response_knows_its_own_past_alone(operations: list[tuple[str, int]]) -> None:
    async def tried() -> None:
        async with Site(gateway=SERVING) as site:
            await run(site, operations)

    run_to_an_end(tried, clock=None, instruments=())


async def run(site: Site, operations: list[tuple[str, int]]) -> None:
    conversation = (await site.post({}, path=CONVERSATIONS)).json()["id"]
    talked = 0
    depths: dict[str, int] = {}
    shown: dict[str, object] = {}
    for operation, number in operations:
        known = sorted(depths)
        before = known[number % len(known)] if known else None
        match operation:
            case "talk":
                talked += 1
                response = await create(site, "Hi", conversation=conversation)
                depth = talked
            case "look" | "delete" if before is None:
                continue
            case "look":
                assert await get(site, f"{ROOT}/{before}") == shown[str(before)]
                continue
            case "delete":
                path = f"{ROOT}/{before}"
                assert (await site.post(b"", method="DELETE", path=path)).status == 200
                assert (await site.get(path)).status == 404
                del depths[str(before)]
                continue
            case _:
                fields: dict[str, object] = {"store": operation != "unstored"}
                if operation != "begin" and before is not None:
                    fields["previous_response_id"] = before
                response = await create(site, "Hi", **fields)
                depth = 1 + depths.get(str(fields.get("previous_response_id")), 0)
        told = re.search(r"your (\d+)", said(response))
        assert told is not None
        assert int(told[1]) == depth
        if response["store"]:
            depths[response["id"]], shown[response["id"]] = depth, response
    items = await get(site, f"{CONVERSATIONS}/{conversation}/items", "limit=100")
    assert len(items["data"]) == 2 * talked, "only what names a conversation is in it"
