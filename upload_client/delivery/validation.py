"""The client's view of the validators of a delivery: starts them, follows their logs, starts them again.

There is one, or several share the files, each a shard of them with a log of its own. The rules are
`upload_client.core.validator_watch.ValidatorWatch`'s, for each of them.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass

from upload_client.aws.pipeline import Started
from upload_client.control.log import AT_ONCE_SECONDS, LogReader
from upload_client.core.records import IndexJudged
from upload_client.core.segments import LogChain, Segment
from upload_client.core.validator_watch import ValidatorWatch, Watch
from upload_client.errors import NotReachable, PipelineBusy, PipelineRefused, ValidatorSilent
from upload_client.s3.bucket import AnswerLost, StoreError
from upload_client.support.background import call_in_thread
from upload_client.support.clock import Clock

_log = logging.getLogger(__name__)

BUSY_RETRY = 5.0
"""Seconds between attempts to start a validator while an old one is leaving."""
_LOOK = 0.02  # seconds between two looks whether a log has something new


@dataclass(frozen=True, slots=True)
class Request:
    """A request to the starter.

    Attributes:
        attempt: number of this attempt.
        shard: which validator; where it is not known that there are several, as many as the receiver wants.
        shards: how many share the files; None until the starter, or one of them, has said so.
    """

    attempt: int
    shard: int
    shards: int | None


class Validation:
    """Keeps as many validators running for one client as its receiver has configured.

    Args:
        readers: of the logs that there are, by shard.
        open_reader: makes the reader of the log of another shard.
        make_watch: makes the rules for one validator.
        ask: asks the starter. Raises `PipelineRefused`, or what else becomes of a request.
        clock: time.

    Attributes:
        chains: the log of each shard that wrote anything ever, as far as it was listened to.
    """

    def __init__(
        self,
        readers: Mapping[int, LogReader],
        open_reader: Callable[[int], LogReader],
        make_watch: Callable[[], ValidatorWatch],
        ask: Callable[[Request], Started],
        clock: Clock,
    ) -> None:
        self._readers = readers
        self._open_reader = open_reader
        self._make_watch = make_watch
        self._ask = ask
        self._clock = clock
        self._n_shards: int | None = None
        self._soon_until = -math.inf
        self.chains = {shard: reader.chain.copy() for shard, reader in readers.items()}
        self._shards: list[_Shard] = []
        self._shards.append(self._make_shard(0))

    @property
    def reader(self) -> LogReader:
        """The chain of the first shard's log, where most deliveries have their only one."""
        return self._shards[0].reader

    @property
    def watch(self) -> ValidatorWatch:
        """The watch over the validator that there is most reason to look at."""
        return max((shard.watch for shard in self._shards), key=lambda watch: watch.concern)

    @property
    def cursor(self) -> int:
        """Number of the client's segment up to which all say that all is judged; -1 until all do."""
        if self._n_shards is not None and len(self._shards) < self._n_shards:
            return -1
        return min(shard.watch.cursor for shard in self._shards)

    @property
    def passed_over(self) -> tuple[int, str]:
        """Lines of the client's log that they could not read, and why, of the first of them."""
        watches = [shard.watch for shard in self._shards]
        return max(watch.passed_over for watch in watches), next(
            (w.problem for w in watches if w.problem), ""
        )

    @property
    def index_refused(self) -> IndexJudged | None:
        """The judgement of the first that calls this client's index another delivery than was agreed on."""
        judged = [shard.watch.index for shard in self._shards]
        return next((one for one in judged if one is not None and one.problems), None)

    def awaits_judgement_of_index(self, *, must: bool, asked: bool) -> bool:
        """Whether one of them is still to say something of this client's index as a whole.

        Args:
            must: whether it has to say so although it does not say that it will.
            asked: whether it is there for that alone, so that it has to come.
        """
        if (must or asked) and self._n_shards is not None and len(self._shards) < self._n_shards:
            return True
        watches = [shard.watch for shard in self._shards]
        return any(
            watch.index is None and (must or watch.judges_index or (asked and watch.validator_id is None))
            for watch in watches
        )

    @property
    def trouble(self) -> Exception | None:
        """Why one of the logs cannot be read at this moment; None where all can."""
        return next((shard.reader.trouble for shard in self._shards if shard.reader.trouble), None)

    @property
    def n_segments(self) -> int:
        """Segments in all logs, as far as they were listened to."""
        return sum(chain.next_seq for chain in self.chains.values())

    def start(self, wait: Callable[[], None]) -> bool:
        """Ask for validators, and wait for the answer.

        Args:
            wait: called again and again while there is none; lets a little time pass. What it raises ends the
                waiting, not the request.

        Returns:
            Whether they run; False if an old one is still leaving: ask again, `BUSY_RETRY` seconds later.

        Raises:
            PipelineRefused: none will.
            NotReachable: the starter was not reached; to be asked again.
        """
        first = self._shards[0]
        if not first.start(wait):
            return False
        if first.shards is not None:
            self._share(first.shards)
        return True

    def listen(self) -> Iterator[tuple[int, Segment]]:
        """The segments that the validators have written since the last time, with the shard of each."""
        for shard in self._shards.copy():
            for segment in shard.listen():
                self.chains.setdefault(shard.number, LogChain("validator")).follow(segment)
                if shard.watch.validator_id is not None:
                    self._share(shard.watch.shards)  # the answer that said so may have been lost
                yield shard.number, segment

    def keep(self) -> None:
        """Start a validator again where that is right, without waiting for the answer.

        Raises:
            ValidatorSilent: one is gone for good, or they do not agree on whose file is whose.
        """
        for shard in self._shards:
            shard.keep()
            shard.check_share(self._n_shards)
        if (shards := self._shards[0].shards) is not None:
            self._share(shards)  # the answer that said so may have been to a later attempt

    def poll_now(self) -> None:
        """All is sent: nothing is left to do but to listen."""
        self._soon_until = self._clock.monotonic() + AT_ONCE_SECONDS
        for shard in self._shards:
            shard.reader.poll_now()

    def wait(self, timeout: float) -> None:
        """Wait for so many seconds; soon after all is sent, no longer than nothing new is in the logs."""
        if self._clock.monotonic() >= self._soon_until:
            self._clock.sleep(timeout)
            return
        while timeout > 0 and not any(shard.reader.has_found for shard in self._shards):
            self._clock.sleep(min(_LOOK, timeout))
            timeout -= _LOOK

    def follow(self) -> None:
        """Begin to follow the logs."""
        for shard in self._shards:
            shard.reader.start()

    def stop(self) -> None:
        """Follow the logs no longer."""
        for shard in self._shards:
            shard.reader.stop()

    def _share(self, shards: int) -> None:
        """The number of validators that were started together with the first."""
        self._n_shards = max(shards, len(self._shards))
        for number in range(len(self._shards), shards):
            shard = self._make_shard(number)
            shard.watch.attempt = self._shards[0].watch.attempt
            shard.watch.started()
            shard.reader.start()
            self._shards.append(shard)

    def _make_shard(self, number: int) -> _Shard:
        reader = self._readers.get(number) or self._open_reader(number)
        return _Shard(
            number,
            reader,
            self._make_watch(),
            lambda attempt: Request(attempt, number, self._n_shards),
            self._ask,
            self._clock,
        )


class _Shard:
    """Keeps one validator at work.

    Args:
        number: its shard.
        reader: of its log.
        watch: the rules.
        request: what to ask of the starter, under the number of this attempt.
        ask: asks it, perhaps in a thread of its own.
        clock: time.

    Attributes:
        shards: how many share the files, as the starter said; None where it has not.
    """

    def __init__(
        self,
        number: int,
        reader: LogReader,
        watch: ValidatorWatch,
        request: Callable[[int], Request],
        ask: Callable[[Request], Started],
        clock: Clock,
    ) -> None:
        self.number = number
        self.reader = reader
        self.watch = watch
        self.shards: int | None = None
        self._request = request
        self._ask = ask
        self._clock = clock
        self._start_at = -math.inf  # before this moment of the monotonic clock none is started again
        self._starting: Future[Exception | None] | None = None

    def start(self, wait: Callable[[], None]) -> bool:
        asked = call_in_thread(self._make_request(), "start validator")
        while not asked.done():
            wait()
        refusal = asked.result()
        if isinstance(refusal, NotReachable) and not isinstance(refusal, AnswerLost):
            raise refusal
        return self._answered(refusal)

    def listen(self) -> list[Segment]:
        reader, watch = self.reader, self.watch
        if reader.trouble is not None:
            watch.poll_failed()
        elif reader.polls_ok_at is not None:
            watch.polled(reader.polls_ok_at)
        segments = reader.update()
        for segment in segments:
            watch.receive(segment)
        return segments

    def keep(self) -> None:
        if self._starting is not None:
            if not self._starting.done():
                return
            refusal, self._starting = self._starting.result(), None
            try:
                if not self._answered(refusal):
                    self._start_at = self._clock.monotonic() + BUSY_RETRY
            except PipelineRefused as error:
                raise ValidatorSilent(f"{self._who} has left and cannot be started again: {error}") from error
        advice = self.watch.advice()
        if advice is Watch.START_AGAIN:
            if self._clock.monotonic() >= self._start_at:
                _log.info("%s is started again", self._who)
                self._starting = call_in_thread(self._make_request(), "start validator")
        elif advice is Watch.SILENT:
            raise ValidatorSilent(
                f"no sign of life from {self._who} for {self.watch.unheard_for:.0f} seconds,"
                " though it was asked for twice"
            )
        elif advice is Watch.LEFT:
            raise ValidatorSilent(f"{self._who} has left before all was judged: {self.watch.gone}")

    def check_share(self, shards: int | None) -> None:
        """Raise `ValidatorSilent` if it judges another share of the files than the client thinks.

        Some files would never be judged, although all validators are at work.
        """
        if self.watch.validator_id is not None and self.watch.shards != shards:
            raise ValidatorSilent(
                f"{self._who} is one of {self.watch.shards} that share the files, and others are of {shards}:"
                " the receiver has to start all of them with the same number"
            )

    @property
    def _who(self) -> str:
        several = self.number or self.watch.shards > 1
        return f"the validator of shard {self.number}" if several else "the validator"

    def _make_request(self) -> Callable[[], Exception | None]:
        """The next request, made up here, to be sent in whatever thread; what that gives is the refusal."""
        request = self._request(self.watch.starting())

        def invoke() -> Exception | None:
            try:
                self.shards = self._ask(request).shards
            except (PipelineRefused, NotReachable, StoreError) as error:
                return error
            return None

        return invoke

    def _answered(self, refusal: Exception | None) -> bool:
        """Read the starter's answer: whether a validator runs. Raises the refusal if it is final."""
        if refusal is None or isinstance(refusal, NotReachable):
            self.watch.started()  # where no answer came, the validator's log tells
            return True
        if isinstance(refusal, PipelineBusy) and self.watch.busy(self._clock.monotonic()):
            _log.info("%s is not started yet: %s", self._who, refusal)
            return False
        _log.info("%s is not started: %s", self._who, refusal)
        raise refusal
