"""Events with any text in them, as a stranger might have written it."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from hypothesis import strategies as st

from upload_client.core.states import STATES
from upload_client.events import (
    Connected,
    FileChanged,
    Health,
    InFlight,
    Message,
    Phase,
    PhaseName,
    Planned,
    Problem,
    Progress,
    Summary,
    ValidatorState,
)

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
            "銀河/" * 40,
            "e\u0301" * 60,
            "\u2764\ufe0f" * 50,
            "👩‍👩‍👧‍👦" * 30,
            "x" * 5000,
        ]
    ),
    st.text(st.characters(codec=None), max_size=20),
)
states = st.sampled_from(STATES)
counts = st.fixed_dictionaries(dict.fromkeys(STATES, st.integers(0, 10**7)))
seconds = st.floats(0, 10**6)
figures = st.integers(0, 10**15)
in_flight = st.builds(InFlight, hostile, figures, figures, st.integers(0, 10**4), st.integers(0, 10**4))
phases = st.builds(Phase, st.sampled_from(get_args(PhaseName)))
progress = st.builds(
    Progress,
    counts=counts,
    bytes_sent=figures,
    bytes_total=figures,
    bytes_done=figures,
    bytes_kept=figures,
    bytes_before=figures,
    files_sent=figures,
    files_total=figures,
    seconds=seconds,
    in_flight=st.lists(in_flight, max_size=4).map(tuple),
)
health = st.builds(
    Health,
    lease_left=st.none() | seconds,
    validator=st.sampled_from(get_args(ValidatorState)),
    validator_heard=st.none() | seconds,
    trouble=st.none() | hostile,
    seconds=seconds,
)
problems = st.builds(
    Problem,
    st.sampled_from(["failed", "invalid", "done"]),
    hostile,
    hostile,
    st.integers(10, 10**6),
    st.lists(hostile, min_size=1, max_size=10).map(tuple),
)

any_event = st.one_of(
    st.builds(Message, hostile, st.sampled_from(["warning", "error", "info", "complete", "success"])),
    phases,
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
    st.builds(FileChanged, hostile, states, st.none() | hostile, st.integers(0, 3), st.booleans()),
    progress,
    # Twice the same: only who stays for a while is shown.
    progress,
    health,
)
a_summary = st.builds(
    Summary,
    exit_code=st.sampled_from([0, 1, 2, 3, 4, 5, 6, 10, 11, 12, 13, 14, 130]),
    counts=counts,
    bytes_sent=figures,
    files_sent=figures,
    seconds=seconds,
    state_csv=st.none() | hostile.filter(lambda text: "\0" not in text).map(Path),
    headline=hostile,
    hint=hostile,
    problems=st.lists(problems, max_size=8).map(tuple),
    not_opened=st.dictionaries(hostile, st.integers(1, 10**6), max_size=5),
)
a_delivery = st.builds(lambda events, end: [*events, end], st.lists(any_event, max_size=12), a_summary)
