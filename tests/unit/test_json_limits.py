"""JSON from outside is measured as text, before anything is made of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bioimg_fiji.errors import ProtocolError
from bioimg_fiji.server import answers
from bioimg_fiji.server.answers import DEPTH, VALUES, RefusedError

_TEXT = st.text(st.sampled_from('[]{}",\\:aµ \n'), max_size=12)
_JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | _TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXT, inner, max_size=4),
    max_leaves=20,
)


def nested(value: Any) -> int:
    if isinstance(value, dict):
        value = list(value.values())
    return 1 + max(map(nested, value), default=0) if isinstance(value, list) else 0


@given(_JSON, st.booleans(), st.integers(0, 8))
def test_brackets_in_texts_do_not_count(value: Any, plain: bool, limit: int) -> None:
    body = json.dumps(value, ensure_ascii=plain).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(answers, "DEPTH", limit)
        if nested(value) <= limit:
            answers._check_structure(body)
        else:
            with pytest.raises(ProtocolError, match="deeper"):
                answers._check_structure(body)


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_depth(opening: bytes) -> None:
    answers._check_structure(opening * DEPTH)
    with pytest.raises(ProtocolError, match="64 levels"):
        answers._check_structure(opening * (DEPTH + 1))


@pytest.mark.parametrize("part", [b"[],", b"{},", b"1,", b'"",'])
def test_number_of_values(part: bytes) -> None:
    answers._check_structure(b"[" + part * (VALUES // 2 - 2))
    with pytest.raises(RefusedError) as caught:
        answers._check_structure(b"[" + part * (VALUES + 1))
    assert caught.value.status == 413


def test_an_unclosed_text_is_read_once() -> None:
    answers._check_structure(b'"' + b'\\"' * 2_000_000)  # by the square of its length it would take hours
    answers._check_structure(b'"abc\\')
