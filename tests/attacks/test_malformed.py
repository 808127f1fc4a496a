"""Thousands of bodies, each wrong in a way of its own: each the client's fault, none a crash."""

from collections import Counter

from tests.attacks.conftest import Target
from tests.attacks.malformed import KINDS, TEXT, attack
from tests.http.conftest import PATH
from tests.peer import post

COUNT = 3000


def test_the_body_that_they_are_made_from_is_right(target: Target) -> None:
    with target.connect() as peer:
        peer.send(post(PATH, TEXT.encode()))
        assert peer.answer().status == 200


def test_each_is_a_client_error(target: Target) -> None:
    told = attack(target.port, seed=1, count=COUNT)
    kinds = {kind.__name__ for kind in KINDS}
    assert {kind for kind, _ in told} == kinds
    assert Counter({status: 1 for _, status in told}).keys() <= {400, 404}
    assert sum(told.values()) == COUNT
