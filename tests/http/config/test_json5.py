import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenroom.http.config.json5 import MAX_DEPTH, SyntaxFault, read
from greenroom.http.config.nodes import Array, Object, Scalar, Value, locate


def plain(value: Value) -> object:
    match value:
        case Object(members=members):
            return {key: plain(member.value) for key, member in members.items()}
        case Array(items=items):
            return [plain(item) for item in items]
        case Scalar(value=leaf):
            return leaf


def fault(text: str) -> str:
    with pytest.raises(SyntaxFault) as caught:
        read(text)
    return f"{caught.value.line}: {caught.value.message}"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**60), 10**60) | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@settings(deadline=None)
@given(JSON, st.booleans())
def test_every_json_document_means_what_it_means_as_json(value: object, ascii_only: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=1)
    assert repr(plain(read(text).root)) == repr(json.loads(text))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{a: 1, $b_2: 2, 'c d': 3, \"e\": 4,}", {"a": 1, "$b_2": 2, "c d": 3, "e": 4}),
        ("{true: 1, null: 2, Infinity: 3, NaN: 4, e1: 5}",
         {"true": 1, "null": 2, "Infinity": 3, "NaN": 4, "e1": 5}),
        ("{\\u0061b: 1}", {"ab": 1}),
        ("[1, 2,]", [1, 2]),
        ("// one\n/* two\n */ 3 // four", 3),
        ("\ufeff\u00a0 1 \u2028", 1),
        ("[+1, -1, 0x1F, -0X1f, 1e3, .5, 5., 1.5E-1]", [1, -1, 31, -31, 1000.0, 0.5, 5.0, 0.15]),
        ("[Infinity, -Infinity, +Infinity]", [float("inf"), float("-inf"), float("inf")]),
        (r"'it\'s \x41\u0042\n\0\v\q'", "it's AB\n\0\vq"),
        ("'one \\\ntwo \\\r\nthree'", "one two three"),
        (r"'\ud83d\ude00'", "😀"),
        (r'"C:\\xampp \\u0041 \\"', "C:\\xampp \\u0041 \\"),
        ("'\u2028'", "\u2028"),
    ],
)  # fmt: skip
def test_what_json5_adds_is_read(text: str, value: object) -> None:
    assert plain(read(text).root) == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "1: expected a value, found the end of the file (column 1)"),
        ("// nothing\n", "2: expected a value, found the end of the file (column 1)"),
        ("{\n  a", '2: expected ":", found the end of the file (column 4)'),
        ("{a: 1\n b: 2}", '2: expected "," or "}", found a bare word (column 2)'),
        ("[1 2]", '1: expected "," or "]", found a number (column 4)'),
        ("[1,,2]", '1: expected a value, found "," (column 4)'),
        ("{,}", '1: expected a key or "}", found "," (column 2)'),
        ("{1: 2}", '1: expected a key or "}", found a number (column 2)'),
        ("{a: 1}}", '1: expected the end of the file, found "}" (column 7)'),
        ("{}\n{}", '2: expected the end of the file, found "{" (column 1)'),
        ("{a: word}", "1: expected a value, found a bare word; strings need quotes (column 5)"),
        ("{a: 012}", "1: expected a value, found a bare word; strings need quotes (column 5)"),
        ("{a: 1a}", "1: expected a value, found a bare word; strings need quotes (column 5)"),
        ("{1a: 1}", "1: a bare word that is no name; put it in quotes (column 2)"),
        ("{a: #}", '1: unexpected character "#" (column 5)'),
        ("{a: - 1}", '1: unexpected character "-" (column 5)'),
        ("{a: \0}", '1: unexpected character "\\u0000" (column 5)'),
        ("1\n/* two\nthree", "2: this comment is never closed (column 1)"),
        ("{a: 'one\ntwo'}", "1: this string is never closed (column 5)"),
        ('{a: "one}', "1: this string is never closed (column 5)"),
        (r"'\x4'", "1: an escape that does not exist after a backslash (column 1)"),
        (r"'\u004'", "1: an escape that does not exist after a backslash (column 1)"),
        (r"'\1'", "1: an escape that does not exist after a backslash (column 1)"),
        (r"'\01'", "1: an escape that does not exist after a backslash (column 1)"),
        (r"'\ud83d'", "1: a string with half of a surrogate pair (column 1)"),
        ("1" * 65, "1: a number of more than 64 characters (column 1)"),
    ],
)  # fmt: skip
def test_what_is_not_json5_is_refused_on_one_line_and_by_its_place(text: str, message: str) -> None:
    assert fault(text) == message


@pytest.mark.parametrize("opening", ["[", "{a:"])
def test_depth_is_bounded(opening: str) -> None:
    closing = {"[": "]", "{a:": "}"}[opening]
    read(opening * MAX_DEPTH + "1" + closing * MAX_DEPTH)
    assert "nested more than 64 levels deep" in fault(opening * (MAX_DEPTH + 1))
    assert "nested more than 64 levels deep" in fault(opening * 100_000)


def test_a_comment_that_is_never_closed_takes_no_time() -> None:
    assert fault("/*" + "\n" * 100_000) == "1: this comment is never closed (column 1)"


def test_every_value_and_key_knows_its_line() -> None:
    root = read('{\n  a: [\n 1,\n {b:\n 2}],\r\n  // c\r  "c": 3}').root
    assert [locate(root, path)[0] for path in [(), ("a",), ("a", 0), ("a", 1), ("a", 1, "b")]] == [
        1, 2, 3, 4, 4,
    ]  # fmt: skip
    assert locate(root, ("c",))[0] == 7
    assert locate(root, ("a", 1, "b")) == (4, Scalar(5, 2))


def test_what_is_not_there_is_located_at_what_is_there_of_it() -> None:
    root = read("{\n a: {\n b: [1]}}").root
    assert locate(root, ("a", "x", "y"))[0] == 2
    assert locate(root, ("a", "b", 7))[0] == 3


def test_a_repeated_key_keeps_its_first_value_and_is_reported() -> None:
    reading = read("{a: {b: 1,\n b: 2},\n a: 3}")
    assert plain(reading.root) == {"a": {"b": 1}}
    assert [tuple(repetition) for repetition in reading.repetitions] == [
        (("a", "b"), 2),
        (("a",), 3),
    ]


def test_the_repr_of_a_document_holds_no_value() -> None:
    assert "hush" not in repr(read("{a: ['hush', {b: 'hush'}]}").root)


@settings(deadline=None)
@given(st.text(alphabet="{}[]:,'\"\\/*\n ae01.+-u$x#", max_size=40))
def test_no_text_raises_anything_but_a_syntax_fault(text: str) -> None:
    try:
        read(text)
    except SyntaxFault as error:
        line, message = error.line, error.message
    else:
        return
    assert 1 <= line <= text.count("\n") + 1
    assert len(message.splitlines()) == 1
