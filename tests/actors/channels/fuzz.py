"""Answers with faults, cut anywhere: what a network and a broken server make of a transcript."""

from hypothesis import strategies as st


def pieces(body: bytes, data: st.DataObject) -> list[bytes]:
    """Draw reads that `body` may come in."""
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=8)))
    return [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True)]


@st.composite
def mutations(draw: st.DrawFn, transcript: bytes) -> bytes:
    """Draw a transcript with some of its bytes changed, lost, doubled or put elsewhere."""
    body = bytearray(transcript)
    for _ in range(draw(st.integers(1, 6))):
        start = draw(st.integers(0, len(body)))
        end = min(len(body), start + draw(st.integers(0, 40)))
        piece = body[start:end]
        match draw(st.sampled_from(["change", "lose", "double", "move"])):
            case "change":
                body[start:end] = draw(st.binary(max_size=40))
            case "lose":
                del body[start:end]
            case "double":
                body[start:start] = piece
            case _:
                del body[start:end]
                at = draw(st.integers(0, len(body)))
                body[at:at] = piece
    return bytes(body)
