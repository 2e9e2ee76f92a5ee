"""The states of a file in a delivery, the one table of its moves, and where all files stand.

```
ready → pending → transferring → done → valid | invalid
                       ↓
                    failed → pending   (while retries are left; to the END of the queue, with backoff)
```
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final, Literal, get_args

from upload_client.core.columns import put, taken

State = Literal["ready", "pending", "failed", "transferring", "done", "valid", "invalid"]
STATES: Final[tuple[State, ...]] = get_args(State)

Event = Literal["queue", "start", "sent", "fail", "accept", "reject", "abandon"]
"""Events of a file. `accept` and `reject` are verdicts, `abandon` is the end of a run."""

TRANSITIONS: Final[Mapping[tuple[State, Event], State]] = MappingProxyType(
    {
        ("ready", "queue"): "pending",
        ("pending", "start"): "transferring",
        ("transferring", "sent"): "done",
        ("transferring", "fail"): "failed",
        ("failed", "queue"): "pending",
        ("done", "accept"): "valid",
        ("done", "reject"): "invalid",
        # A run that ends leaves nothing on its way.
        ("pending", "abandon"): "ready",
        ("transferring", "abandon"): "ready",
        # An irregular verdict: before the transfer, or the contrary of an earlier one.
        ("ready", "reject"): "invalid",
        ("pending", "reject"): "invalid",
        ("transferring", "reject"): "invalid",
        ("failed", "reject"): "invalid",
        ("valid", "reject"): "invalid",
        ("invalid", "reject"): "invalid",
        # What was on its way when its irregular verdict came arrives later, and changes nothing.
        ("invalid", "start"): "invalid",
        ("invalid", "sent"): "invalid",
        ("invalid", "fail"): "invalid",
        ("invalid", "abandon"): "invalid",
    }
)
"""THE table of moves: what is not in it raises `IllegalTransition`."""

# A byte a file: the code of its state. For each event the code of the next state, by the code of the state.
CODES: Final[Mapping[State, int]] = MappingProxyType({state: code for code, state in enumerate(STATES)})
"""The code of each state: its place in `STATES`."""
_NOWHERE: Final = 255
_MOVES: Final[Mapping[Event, bytes]] = {
    event: bytes(
        CODES[TRANSITIONS[state, event]] if (state, event) in TRANSITIONS else _NOWHERE for state in STATES
    )
    for event in get_args(Event)
}


class IllegalTransition(RuntimeError):  # noqa: N818 - it reads as what it says
    """A move that is not in `TRANSITIONS`."""


class FileStates:
    """The state of each file, and how many are in which.

    Args:
        n: files, all of them ready.
    """

    def __init__(self, n: int) -> None:
        self.codes = bytearray((CODES["ready"],)) * n
        """The code of each file's state, to be read."""
        self._counts = [0] * len(STATES)
        self._counts[CODES["ready"]] = n

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, row: int) -> State:
        return STATES[self.codes[row]]

    def __iter__(self) -> Iterator[State]:
        return map(STATES.__getitem__, self.codes)

    def count(self, state: State) -> int:
        """Number of files in a state."""
        return self._counts[CODES[state]]

    def counts(self) -> dict[State, int]:
        """Number of files in each of the states."""
        return dict(zip(STATES, self._counts, strict=True))

    def move(self, row: int, event: Event) -> State:
        """Move a file as the table says; its state from then on.

        Raises:
            IllegalTransition: the table has no such move.
        """
        before = self.codes[row]
        code = _MOVES[event][before]
        if code == _NOWHERE:
            raise IllegalTransition(f"row {row}: no {event} for a file that is {STATES[before]}")
        self._counts[before] -= 1
        self._counts[code] += 1
        self.codes[row] = code
        return STATES[code]

    def place(self, row: int, state: State) -> None:
        """Have a file begin elsewhere.

        Raises:
            IllegalTransition: it has been placed or has moved already, or none begins there.
        """
        if self.codes[row] != CODES["ready"] or state not in ("ready", "done", "valid", "invalid"):
            raise IllegalTransition(f"row {row}: a file that is {self[row]} cannot start as {state}")
        self.set_all((row,), "ready", state)

    def are_all(self, rows: Sequence[int], state: State) -> bool:
        """Whether many files are all in a state."""
        return bytes(taken(self.codes, rows)) == bytes((CODES[state],)) * len(rows)

    def set_all(self, rows: Sequence[int], before: State, state: State) -> None:
        """Have many files, which are all in the state `before`, be in another one."""
        self._counts[CODES[before]] -= len(rows)
        self._counts[CODES[state]] += len(rows)
        put(self.codes, rows, bytes((CODES[state],)) * len(rows))
