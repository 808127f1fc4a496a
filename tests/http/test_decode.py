"""Rules of decoding: errors name their place; depth is what stands outside of strings."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.http.decode import check_depth, check_text, decode
from greenroom.http.errors import ApiError


class Leaf(msgspec.Struct):
    number: int


class Tree(msgspec.Struct):
    leaves: list[Leaf]
    name: str | None = None


_tree = msgspec.json.Decoder(Tree)


def refused(data: bytes, param: str = "") -> ApiError:
    with pytest.raises(ApiError) as caught:
        decode(data, _tree, param)
    assert caught.value.status == 400
    assert caught.value.body.type == "invalid_request_error"
    return caught.value


@pytest.mark.parametrize(
    ("data", "under", "param", "code"),
    [
        (b'{"leaves":[{"number":1},{"number":"x"}]}', "", "leaves[1].number", "invalid_type"),
        (b'{"leaves":[{"number":null}]}', "", "leaves[0].number", "invalid_type"),
        (b'{"leaves":[{}]}', "", "leaves[0].number", "missing_required_parameter"),
        (b"{}", "", "leaves", "missing_required_parameter"),
        (b"{}", "tools[3]", "tools[3].leaves", "missing_required_parameter"),
        (b'{"leaves":[{"number":1.5}]}', "a[1]", "a[1].leaves[0].number", "invalid_type"),
        (b'{"leaves":{}}', "a", "a.leaves", "invalid_type"),
        (b"[]", "", None, "invalid_type"),
        (b"[]", "messages[0]", "messages[0]", "invalid_type"),
    ],
)
def test_an_error_names_the_path_of_the_value_that_is_wrong(
    data: bytes, under: str, param: str | None, code: str
) -> None:
    error = refused(data, under)
    assert (error.body.param, error.body.code) == (param, code)
    if param is not None:
        assert f"'{param}'" in error.body.message


@pytest.mark.parametrize("data", [b"", b"{", b"nonsense", b'{"leaves":[]}x', b"\xff\xfe"])
def test_what_is_no_json_is_refused_without_a_field(data: bytes) -> None:
    error = refused(data)
    assert error.body.message.startswith("We could not parse the JSON body of your request")
    assert error.body.param is None


def test_text_that_is_no_utf_8_is_refused() -> None:
    refused(b'{"leaves":[],"name":"\xff"}')


@pytest.mark.parametrize(
    "body", [b"\xff", b'{"a":"\xc3"}', b'{"a":"\xed\xa0\x80"}', "ä".encode("utf-16")]
)
def test_a_body_is_utf_8_also_where_nobody_reads_it(body: bytes) -> None:
    with pytest.raises(ApiError) as caught:
        check_text(body)
    assert (caught.value.status, caught.value.body.param) == (400, None)


def test_a_lone_surrogate_is_refused() -> None:
    refused(b'{"leaves":[],"name":"\\ud800"}')


def test_what_the_decoder_finds_too_deep_is_refused_like_any_other_text() -> None:
    with pytest.raises(ApiError) as caught:
        decode(b"[" * 100_000 + b"]" * 100_000, msgspec.json.Decoder())
    assert caught.value.status == 400


def depth_of(body: bytes) -> int:
    """The slow way: a character at a time."""
    deepest = depth = place = 0
    in_string = False
    while place < len(body):
        char = body[place : place + 1]
        if in_string:
            place += char == b"\\"
            in_string = char != b'"'
        elif char == b'"':
            in_string = True
        elif char in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif char in b"]}":
            depth -= 1
        place += 1
    return deepest


def too_deep(body: bytes, limit: int) -> bool:
    try:
        check_depth(body, limit)
    except ApiError as error:
        return (error.status, error.body.code) == (400, "nesting_too_deep")
    return False


_texts = st.text(st.sampled_from('[]{}"\\n\n\tä a'), max_size=8)
_values = st.recursive(
    st.none() | st.integers() | _texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_texts, inner, max_size=3),
    max_leaves=12,
)


@given(_values, st.integers(1, 6), st.booleans())
def test_json_is_refused_exactly_when_it_is_nested_deeper_than_the_limit(
    value: object, limit: int, ascii_only: bool
) -> None:
    body = json.dumps(value, ensure_ascii=ascii_only).encode()
    assert too_deep(body, limit) == (depth_of(body) > limit)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100,
        "]" * 100,
        '"' * 3 + "[" * 100,
        "\\" * 3 + "[" * 100,
        "line\n[" * 100,
        '\\"[{' * 100,
    ],
)
def test_brackets_quotes_and_escapes_in_strings_never_count(text: str) -> None:
    body = json.dumps({"a": text, "b": [text], text: "\n"}).encode()
    assert not too_deep(body, 2)
    assert too_deep(body, 1)


@pytest.mark.parametrize("escape", ["n", "\\", '"', "/", "u0041", "t"])
def test_an_escape_hides_nothing_that_follows_its_string(escape: str) -> None:
    body = f'["\\{escape}", '.encode() + b"[" * 50 + b"]" * 50 + b', "x"]'
    assert too_deep(body, 50)
    assert not too_deep(body, 51)


@pytest.mark.parametrize("body", [b"[", b"{", b'["",', b'{"a":'])
def test_what_is_never_closed_counts_as_well(body: bytes) -> None:
    assert too_deep(body * 65, 64)
    assert not too_deep(body * 64, 64)


@pytest.mark.parametrize(
    "body",
    [b"[" * 2**20, b"]" * 2**20, b"[]" * 2**19, b"[" * 2**19 + b"]" * 2**19, b'"' * 2**20,
     b'"[' * 2**19, b"\\" * 2**20, b'\\"' * 2**19, b"[{}]," * 2**18, b"[[]" * 2**18],
    ids=range(10),
)  # fmt: skip
def test_a_mebibyte_of_brackets_and_quotes_is_judged_in_the_end(body: bytes) -> None:
    too_deep(body, 64)


@given(st.binary(max_size=60))
def test_garbage_is_judged_without_a_crash(body: bytes) -> None:
    too_deep(body, 2)
