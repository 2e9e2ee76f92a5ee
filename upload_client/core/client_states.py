"""The states of a client, and the one table of its moves.

```
initializing → unconnected → ready → running → pending_validation → complete
```

From each of them a run may be `quit` before its end, or crash.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final, Literal, TypeAlias


def too_many_invalid(n_invalid_this_run: int, max_invalid: int) -> bool:
    """Whether a run must stop early; with `max_invalid` 0 none must."""
    return 0 < max_invalid < n_invalid_this_run


class ClientState(StrEnum):
    """The states of a client."""

    INITIALIZING = "initializing"
    UNCONNECTED = "unconnected"
    READY = "ready"
    """Connected: the plan is made."""
    RUNNING = "running"
    """The validator is started; files are being sent."""
    PENDING_VALIDATION = "pending_validation"
    """Nothing is left to send; verdicts are missing."""
    COMPLETE = "complete"
    """Every file is judged or given up."""
    CRASHED = "crashed"
    QUIT = "quit"
    """Ended before it was complete."""

    @property
    def terminal(self) -> bool:
        """No work is done any more."""
        return self in (ClientState.COMPLETE, ClientState.CRASHED, ClientState.QUIT)


ClientEvent: TypeAlias = Literal["built", "connected", "started", "all_sent", "all_judged", "crash", "quit"]
"""`all_judged`: every file is judged or given up, which may be so before a validator is started."""

_S = ClientState
CLIENT_TRANSITIONS: Final[Mapping[tuple[ClientState, ClientEvent], ClientState]] = MappingProxyType(
    {
        (_S.INITIALIZING, "built"): _S.UNCONNECTED,
        (_S.UNCONNECTED, "connected"): _S.READY,
        (_S.UNCONNECTED, "all_judged"): _S.COMPLETE,
        (_S.READY, "started"): _S.RUNNING,
        (_S.READY, "all_judged"): _S.COMPLETE,
        (_S.RUNNING, "all_sent"): _S.PENDING_VALIDATION,
        (_S.RUNNING, "all_judged"): _S.COMPLETE,
        (_S.PENDING_VALIDATION, "all_judged"): _S.COMPLETE,
        **{(state, "crash"): _S.CRASHED for state in _S if state not in (_S.CRASHED, _S.QUIT)},
        **{(state, "quit"): _S.QUIT for state in _S if not state.terminal},
        # How a run ended is not forgotten when its lock is given back and its state dumped.
        (_S.COMPLETE, "quit"): _S.COMPLETE,
        (_S.CRASHED, "quit"): _S.CRASHED,
    }
)
"""THE table of the client's moves: what is not in it raises `IllegalMove`."""


class IllegalMove(RuntimeError):  # noqa: N818 - it reads as what it says
    """A move that is not in `CLIENT_TRANSITIONS`."""


def next_client_state(state: ClientState, event: ClientEvent) -> ClientState:
    """The client's state after `event`.

    Raises:
        IllegalMove: it cannot happen in that state.
    """
    try:
        return CLIENT_TRANSITIONS[state, event]
    except KeyError:
        raise IllegalMove(f"no {event} for a client that is {state}") from None
