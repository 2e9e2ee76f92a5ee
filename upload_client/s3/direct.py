"""`DirectWire`: PutObject and UploadPart over connections of our own, everything else through boto3.

(Its connections carry GetObject, HeadObject, CopyObject and DeleteObject as well, for a multiplexer:
`upload_client.s3.multiplexer`; and ranges of objects, for who has a thread to wait: `DirectWire.fetch`.)
What is answered in an unusual way (a redirect, a wrong clock, expired credentials, …) is asked once more
through boto3, whose answer then counts: botocore knows what to do about it.
"""

from __future__ import annotations

import contextlib
import functools
import selectors
import threading
from collections import Counter, deque
from collections.abc import Mapping
from typing import TYPE_CHECKING

import botocore.exceptions

from upload_client.errors import DeliveryError
from upload_client.s3.connection import Connection, Names, RateLimit, Waits
from upload_client.s3.responses import DirectRequest
from upload_client.s3.route import NoRoute, Route
from upload_client.s3.wire import Answer, BotoWire, GetObject, GetRange, PutObject, Request, UploadPart
from upload_client.support import failpoints
from upload_client.support.local_file import CAN_SEND_FILES

if TYPE_CHECKING:
    from upload_client.s3.bucket import Bucket

_RENEWED_EVERY = 10.0
# For one socket, and made for each request: poll needs no descriptor of its own.
_Selector: type[selectors.BaseSelector] = getattr(selectors, "PollSelector", selectors.DefaultSelector)


def is_unusual(answer: Answer) -> bool:
    """Whether botocore is to be asked what this answer means, by letting it make the request."""
    if answer.ok:  # as nearly all are
        return False
    return answer.meaning.unusual or 300 <= answer.status < 400 or (answer.status == 400 and not answer.code)


class DirectWire:
    """Carries requests to S3; see `upload_client.s3.wire.Wire`.

    Args:
        destination: Where objects are written.
        options: As for `BotoWire`.
        source: Where copies come from; None: none are made.
        deletes: As for `Route`.
        unsigned_payload: As for `Route`.

    Attributes:
        wait_for_rate: Of each connection that a thread carries; see `Connection`.

    Raises:
        NoRoute: Botocore would send PutObject in a way that is not known here.
    """

    def __init__(
        self,
        destination: Bucket,
        options: Mapping[str, str] | None = None,
        *,
        source: Bucket | None = None,
        deletes: bool = False,
        unsigned_payload: bool = False,
    ) -> None:
        self._given = destination, source, options
        try:
            self.route = Route(
                destination, options, source=source, deletes=deletes, unsigned_payload=unsigned_payload
            )
        except botocore.exceptions.BotoCoreError as error:
            raise NoRoute(str(error)) from error
        self._names = Names()
        self._idle: deque[Connection] = deque()
        self._busy: dict[int, tuple[str, Connection]] = {}  # by thread: the key, and what carries it
        self.wait_for_rate: RateLimit | None = None
        self._closed = threading.Event()
        threading.Thread(target=self._keep_keys_fresh, name="transfer-keys", daemon=True).start()

    @functools.cached_property
    def boto(self) -> BotoWire:
        """Boto3, for all that these connections do not carry."""
        return BotoWire(*self._given)

    @property
    def sends_files(self) -> bool:
        """Whether content can go from file to socket without passing through memory: not through TLS."""
        return CAN_SEND_FILES and self.route.address.tls is None

    def connection(self) -> Connection:
        """A new connection; the caller closes it."""
        kind = _Watched if failpoints.ARMED else Connection
        return kind(self.route, self._names)

    def perform(self, request: Request) -> Answer:
        """Carry out a request; see `Wire`. Raises what `PutObject.unchanged` raises."""
        if not isinstance(request, PutObject | UploadPart):
            return self.boto.perform(request)
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self.connection()
            connection.wait_for_rate = self.wait_for_rate
        connection.sent = 0
        self._busy[threading.get_ident()] = request.key, connection
        try:
            answer = carry(connection, request)
        except BaseException:
            connection.close()
            raise
        finally:
            del self._busy[threading.get_ident()]
        self._idle.append(connection)
        if self._closed.is_set():
            self.close()
        return self.second_opinion(request, answer) if is_unusual(answer) else answer

    def fetch(self, request: GetObject | GetRange) -> Answer:
        """Fetch an object, or a range of one, and wait for it."""
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self.connection()
        try:
            answer = carry(connection, request)
        except BaseException:
            connection.close()
            raise
        self._idle.append(connection)
        if self._closed.is_set():
            self.close()
        return answer

    def on_the_wire(self) -> Counter[str]:
        """Bytes of requests under way that have been sent, by key; of those that threads carry."""
        sent: Counter[str] = Counter()
        for key, connection in list(self._busy.values()):
            sent[key] += connection.sent
        return sent

    def second_opinion(self, request: PutObject | UploadPart, answer: Answer) -> Answer:
        """Let botocore repeat a request that was answered in an unusual way, and use its answer."""
        answer = self.boto.perform(request)
        if answer.ok:
            self.learn()
        return answer

    def learn(self) -> None:
        """Ask botocore again where the bucket is, as it got a better answer."""
        with contextlib.suppress(botocore.exceptions.BotoCoreError, NoRoute):
            self.route.learn()

    def close(self) -> None:
        """Close all connections that are not in use, and those in use when they no longer are."""
        self._closed.set()
        while self._idle:
            with contextlib.suppress(IndexError):
                self._idle.pop().close()

    def _keep_keys_fresh(self) -> None:
        """Botocore refreshes credentials when somebody asks for them: ask, so that no request has to wait."""
        while not self._closed.wait(_RENEWED_EVERY):
            # Refused: the requests will be, too, and say so.
            with contextlib.suppress(
                botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError, DeliveryError
            ):
                self.route.renew()


class _Watched(Connection):
    """A connection whose requests can be the last thing this process does."""

    __slots__ = ()

    def exchange(self, request: DirectRequest) -> Waits[Answer]:
        name = f"{type(request).__name__}:landing"
        failpoints.reach(f"before:{name}")
        answer = yield from super().exchange(request)
        failpoints.reach(f"after:{name}")
        return answer


def carry(connection: Connection, request: DirectRequest) -> Answer:
    """Carry out one exchange on this thread."""
    steps = connection.exchange(request)
    try:
        wanted = next(steps)
        with _Selector() as selector:
            sock = None
            while True:
                assert connection.sock is not None
                if sock is not connection.sock:
                    if sock is not None:
                        selector.unregister(sock)
                    sock = connection.sock
                    selector.register(sock, wanted)
                else:
                    selector.modify(sock, wanted)
                ready = selector.select(connection.patience)
                wanted = steps.send(ready[0][1] if ready else 0)
    except StopIteration as end:
        answer: Answer = end.value
        return answer
