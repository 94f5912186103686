"""How an id becomes part of a path, and what of a foreign text comes into a message."""

import pytest

from integrations.answer import MAX_DEPTH, MAX_DETAIL, Answer, Unexpected, one_line
from integrations.peer_requests import path_segment


@pytest.mark.parametrize(
    ("value", "quoted"),
    [
        ("17", "17"),
        ("665f1c0a9b1e8a0012a40001", "665f1c0a9b1e8a0012a40001"),
        ("a/../b?c=1#d", "a%2F..%2Fb%3Fc%3D1%23d"),
        ("ä \n", "%C3%A4%20%0A"),
        ("...", "..."),
    ],
)
def test_an_id_is_quoted_as_one_segment(value: str, quoted: str) -> None:
    assert path_segment(value) == quoted


@pytest.mark.parametrize("value", ["", ".", "..", "x" * 201, "\ud800"])
def test_what_cannot_be_a_segment_is_none(value: str) -> None:
    assert path_segment(value) is None


def test_foreign_text_is_cut_to_one_printable_line() -> None:
    assert one_line("a\r\nERROR forged\x1b[31m") == "a  ERROR forged [31m"
    assert len(one_line("x" * 10_000)) == MAX_DETAIL


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b'{"detail": "Too few"}', "Too few"),
        (b'{"message": "Unknown"}', "Unknown"),
        (b'{"detail": [{"loc": ["path"]}]}', '{"detail": [{"loc": ["path"]}]}'),
        (b'{"detail": "\\ud800\\u0000."}', "."),
        (b'{"detail": 0e99999999999999999999}', '{"detail": 0e99999999999999999999}'),
        (b"{}", ""),
        (b"<h1>Bad Gateway</h1>", "<h1>Bad Gateway</h1>"),
        (b"\xff\xfe", "\N{REPLACEMENT CHARACTER}" * 2),
    ],
)
def test_the_words_of_a_refusal_are_found(body: bytes, detail: str) -> None:
    assert Answer(400, {}, body).detail() == detail


@pytest.mark.parametrize("depth", [49, 50, 900, 950, 990, 100_000])
def test_words_that_are_nested_are_found_at_any_depth(depth: int) -> None:
    body = b'{"detail": ' + b"[" * depth + b"]" * depth + b"}"
    assert Answer(400, {}, body).detail().startswith('{"detail": [[[')


def test_nesting_is_bounded_wherever_it_is_read_from() -> None:
    def nested(depth: int) -> bytes:
        return b'{"a": ' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"

    assert Answer(200, {}, nested(MAX_DEPTH)).json_object()
    with pytest.raises(Unexpected, match="nested too deeply"):
        Answer(200, {}, nested(MAX_DEPTH + 1)).json_object()
    many = b'{"a": [' + b", ".join([nested(3)] * 1000) + b"]}"
    assert len(Answer(200, {}, many).json_object()["a"]) == 1000
