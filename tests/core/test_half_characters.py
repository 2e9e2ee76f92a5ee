r"""Half a character (a lone surrogate): ``\ud800`` in JSON, ``&#xD800;`` in XML; UTF-8 cannot hold it.

Whatever reads texts of others either refuses it or has it harmless: else it would end the program where it is
written down, in a CSV, a log, a page or a terminal.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, is_dataclass

import pytest
from core.test_hand_over import RECORD
from core.test_lease import HELD
from core.test_own_files import STATEMENT
from core.test_store_profile import profile
from hypothesis import given
from hypothesis import strategies as st

from upload_client.core.attestation import (
    Envelope,
    Signature,
    decode_envelope,
    decode_statement,
    encode_envelope,
    encode_statement,
)
from upload_client.core.closing import Closed
from upload_client.core.hand_over import HandOver
from upload_client.core.lease import LockBody
from upload_client.core.redaction import xml_text
from upload_client.core.store_profile import StoreProfile
from upload_client.core.text import for_csv_cell, for_log, for_terminal, is_whole

HALVES = st.integers(0xD800, 0xDFFF).map(chr)


def texts(thing: object) -> Iterator[str]:
    """All texts in it."""
    if isinstance(thing, str):
        yield thing
    elif isinstance(thing, dict):
        for key, each in thing.items():
            yield from texts(key)
            yield from texts(each)
    elif isinstance(thing, list | tuple | set | frozenset):
        for each in thing:
            yield from texts(each)
    elif is_dataclass(thing) and not isinstance(thing, type):
        yield from texts(asdict(thing))
    elif slots := getattr(thing, "__slots__", ()):
        yield from texts([getattr(thing, slot, None) for slot in slots])


def places(thing: object, way: tuple[object, ...] = ()) -> Iterator[tuple[object, ...]]:
    """The ways to all texts of a JSON document."""
    if isinstance(thing, str):
        yield way
    elif isinstance(thing, dict | list):
        for key, each in thing.items() if isinstance(thing, dict) else enumerate(thing):
            yield from places(each, (*way, key))


def put(thing: object, way: tuple[object, ...], change: Callable[[str], str]) -> object:
    """A JSON document with one of its texts changed."""
    if not way:
        return change(thing)
    copy = dict(thing) if isinstance(thing, dict) else list(thing)
    copy[way[0]] = put(copy[way[0]], way[1:], change)
    return copy


ENTRANCES = {
    "lock": (HELD.encode(), LockBody.decode),
    "hand-over": (RECORD.encode(), HandOver.decode),
    "closed": (Closed("2026-01-02T03:04:05.678Z", "a note").encode(), Closed.decode),
    "store": (profile().encode(), StoreProfile.decode),
    "statement": (encode_statement(STATEMENT), decode_statement),
    "envelope": (
        encode_envelope(Envelope(encode_statement(STATEMENT), (Signature("k", b"s"),))),
        decode_envelope,
    ),
}


@pytest.mark.parametrize("entrance", ENTRANCES)
@given(data=st.data())
def test_no_entrance_lets_half_a_character_in(entrance, data):
    valid, read = ENTRANCES[entrance]
    document = json.loads(valid)
    way = data.draw(st.sampled_from(list(places(document))))
    half, at = data.draw(HALVES), data.draw(st.integers(0, 3))
    hurt = put(document, way, lambda text: text[:at] + half + text[at:])
    try:
        found = read(json.dumps(hurt).encode("ascii"))
    except ValueError:
        return
    for text in texts(found):
        assert is_whole(text)


@given(half=HALVES, before=st.text(max_size=3), after=st.text(max_size=3))
def test_no_reference_of_xml_becomes_half_a_character(half, before, after):
    for reference in (f"&#{ord(half)};", f"&#x{ord(half):x};"):
        assert xml_text(f"{before}&lt;{reference}{after}").encode()


@given(text=st.text(st.one_of(HALVES, st.characters(codec="utf-8"))))
def test_half_a_character_leaves_in_no_cell_line_or_terminal(text):
    """It is what names of files have in them, by PEP 383, that are not UTF-8."""
    for exit_ in (for_csv_cell, for_log, for_terminal):
        exit_(text).encode()


@given(text=st.text(st.one_of(HALVES, st.characters(codec="utf-8"))))
def test_a_text_is_whole_where_utf_8_can_hold_it(text):
    try:
        text.encode()
    except UnicodeEncodeError:
        assert not is_whole(text)
    else:
        assert is_whole(text)
