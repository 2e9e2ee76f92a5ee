"""Events with any text in them, as a stranger might have written it."""

from __future__ import annotations

from pathlib import Path

from hypothesis import strategies as st

from upload_client.core.files import STATES
from upload_client.events import Connected, FileChanged, Message, Planned, Progress, Summary

hostile = st.one_of(
    st.sampled_from(
        [
            "\x1b[2Jgone",
            "\x1b]0;title\x07",
            "a\rb",
            "line\nline",
            "\u202egnp.exe",
            "[bold]x[/bold]",
            "[/]",
            "\udcff",
            "=cmd|'/c calc'!A0",
            "\x9b31m",
            ":smile:",
            "\u200b",
        ]
    ),
    st.text(st.characters(codec=None), max_size=20),
)
states = st.sampled_from(STATES)
counts = st.fixed_dictionaries(dict.fromkeys(STATES, st.integers(0, 10**7)))
seconds = st.floats(0, 10**6)
figures = st.integers(0, 10**15)

any_event = st.one_of(
    st.builds(Message, hostile, st.sampled_from(["warning", "error", "info", "complete", "success"])),
    st.builds(
        Connected,
        dataset=st.just("survey"),
        delivery_id=st.just("d1"),
        transfer_type=st.just("staging"),
        agent_id=st.just("abcdefghijk"),
        epoch=st.integers(1, 9),
        source=hostile,
        landing=hostile,
        resumed=st.booleans(),
    ),
    st.builds(
        Planned, counts=st.dictionaries(hostile, figures, max_size=3), n_files=figures, n_bytes=figures
    ),
    st.builds(FileChanged, hostile, states, st.none() | hostile, st.integers(0, 3)),
    st.builds(
        Progress, counts=counts, bytes_sent=figures, bytes_total=figures, files_sent=figures, seconds=seconds
    ),
)
a_summary = st.builds(
    Summary,
    exit_code=st.sampled_from([0, 1, 3, 12, 130]),
    counts=counts,
    bytes_sent=figures,
    files_sent=figures,
    seconds=seconds,
    state_csv=st.none() | hostile.filter(lambda text: "\0" not in text).map(Path),
    headline=hostile,
)
a_delivery = st.builds(lambda events, end: [*events, end], st.lists(any_event, max_size=12), a_summary)
