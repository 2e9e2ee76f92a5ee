"""The product, broken on purpose, one rule at a time: a simulation that does not notice is worth nothing."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from unittest import mock


@dataclass(frozen=True)
class Mutation:
    """A rule that is dropped: in the source of `where` (``module:Class.function``), `old` becomes `new`."""

    name: str
    where: str
    old: str
    new: str

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        """The product with this fault.

        Raises:
            LookupError: The product no longer has that text: the mutation has to be written anew.
        """
        module_name, _, path = self.where.partition(":")
        module = importlib.import_module(module_name)
        *owners, name = path.split(".")
        owner: Any = module
        for part in owners:
            owner = getattr(owner, part)
        found = inspect.getattr_static(owner, name)
        call = found.fget if isinstance(found, property) else found
        source = textwrap.dedent(inspect.getsource(call))
        if source.count(self.old) != 1:
            raise LookupError(f"{self.where} does not hold {self.old!r} once: mutation {self.name!r}")
        names: dict[str, Any] = {}
        code = compile(
            "from __future__ import annotations\n" + source.replace(self.old, self.new), self.where, "exec"
        )
        # The module's own globals, so that what a simulation puts in place there is seen.
        before = dict(vars(module))
        exec(code, vars(module), names)
        assert vars(module).keys() == before.keys()
        users = [(owner, name)]
        if not owners:  # a function others have imported by name
            users += [
                (other, name)
                for other in list(_product())
                if other is not module and vars(other).get(name) is found
            ]
        with contextlib.ExitStack() as stack:
            for user, attribute in users:
                stack.enter_context(mock.patch.object(user, attribute, names[name]))
            yield


def _product() -> Iterator[Any]:
    import sys

    return (module for name, module in sys.modules.items() if name.startswith("upload_client"))


_LOCK = "upload_client.control.lock"
_LOG = "upload_client.control.log"
_UPLOAD = "upload_client.transfer.upload"
_WIRE = "upload_client.s3.wire"
_CORE = "upload_client.core"

MUTATIONS = (
    Mutation(
        "no fence: nothing is appended before the logs are read",
        f"{_LOG}:LogWriter.fence",
        "self._in_flight = self._made(())\n            repeat_while_lost(self._send, self._clock)",
        "pass",
    ),
    # Log and engine ask before that, too; here, where all goes through botocore, one of the two is enough.
    Mutation(
        "a write is sent, or sent again, although the lease is not confirmed",
        "upload_client.s3.write_guard:check",
        "if may_write is not None and not may_write():",
        "if False:",
    ),
    Mutation(
        "an equal epoch of another agent is not taken for a newer owner",
        f"{_CORE}.records:SegmentHeader.outranks",
        "self.epoch == epoch",
        "False",
    ),
    Mutation(
        "a superseded writer goes on",
        f"{_LOG}:LogWriter._check_rank",
        "if header.outranks(self._epoch, self._agent_id):",
        "if False:",
    ),
    Mutation(
        "a dead owner's late records count",
        f"{_CORE}.segments:LogChain.accept",
        "superseded=True",
        "superseded=False",
    ),
    Mutation(
        "an append refused by 412 is taken for done",
        f"{_LOG}:LogWriter._send",
        "if occupant != append.data:",
        "if False:",
    ),
    Mutation(
        "a lock is taken before its lease has ended",
        f"{_CORE}.lease:may_take",
        "left = body.lease_seconds + GRACE - age",
        "left = body.lease_seconds / 2 - age",
    ),
    Mutation(
        "a lock is taken from a process that runs on this machine",
        f"{_CORE}.lease:may_take",
        "not is_running(body.pid, body.started)",
        "True",
    ),
    Mutation(
        "the lease counts by the monotonic clock alone",
        f"{_CORE}.lease:Lease.age",
        "max(monotonic - self.monotonic, wall - self.wall)",
        "monotonic - self.monotonic",
    ),
    Mutation(
        "the lease counts by the wall clock alone",
        f"{_CORE}.lease:Lease.age",
        "max(monotonic - self.monotonic, wall - self.wall)",
        "wall - self.wall",
    ),
    Mutation(
        "the lease counts from the answer",
        f"{_LOCK}:Lock._confirmed",
        'sent if body.state == "held"',
        "Lease(sent.seconds, self._clock.monotonic(), self._clock.wall()) if body.state == 'held'",
    ),
    Mutation(
        "writes go on when the lease was not confirmed for half its time",
        f"{_CORE}.lease:Lease.status",
        "age >= self.seconds / 2",
        "False",
    ),
    Mutation(
        "a new owner does not count the epoch on",
        f"{_CORE}.lease:next_epoch",
        "epoch = 1 + max(",
        "epoch = max(1, ",
    ),
    Mutation(
        "a lock is written without a condition",
        f"{_LOCK}:Lock._write",
        "if_none_match=etag is None,\n                if_match=etag,",
        "",
    ),
    Mutation(
        "a lost answer of the lock is not read back, and taken for a yes",
        f"{_CORE}.lease:read_back",
        "if found is None or (found.agent_id, found.epoch) != (wrote.agent_id, wrote.epoch):",
        "if found is not None:\n        return ReadBack.MINE\n    if found is None:",
    ),
    Mutation(
        "a landing write expects nothing",
        f"{_WIRE}:_fence",
        "return",
        "return {}\n    return",
    ),
    Mutation(
        "a landing write that is refused by 412 is taken for done",
        f"{_UPLOAD}:write",
        "(found.size, found.crc32) == (size, crc32)",
        "True",
    ),
    Mutation(
        "a file that changes while it is sent is sent all the same",
        "upload_client.transfer.dataroot:LocalFile.check_unchanged",
        "if same is False:",
        "if False:",
    ),
    Mutation(
        "a file of the same size is taken for unchanged",
        f"{_CORE}.resume:_unchanged",
        "local.mtime_ns == upload.mtime_ns",
        "True",
    ),
    Mutation(
        "an object found after a crash is taken for the file by its size",
        f"{_CORE}.resume:_unannounced",
        "if local_crc32 == head.crc32",
        "if True",
    ),
    Mutation(
        "a file stays valid although its object was replaced",
        f"{_CORE}.resume:decide",
        "if listed != (upload.size, upload.etag):",
        "if False:",
    ),
    Mutation(
        "a verdict about an earlier upload counts",
        f"{_CORE}.verdicts:judge",
        "if latest is None or judged != issued or state not in",
        "if latest is None or state not in",
    ),
    Mutation(
        "a verdict counts whatever was found",
        f"{_CORE}.verdicts:judge",
        'return Ruling("invalid", SOMETHING_ELSE, verdict="ok", code=FileCode.JUDGED_SOMETHING_ELSE)',
        "return _VALID",
    ),
    Mutation(
        "the validator does not compare",
        "upload_client.validator.checks:_compare",
        "if wrong:",
        "if False:",
    ),
    Mutation(
        "the validator does not open",
        "upload_client.validator.opening:format_of",
        "return _SUFFIXES",
        "return None\n    return _SUFFIXES",
    ),
    Mutation(
        "the validator answers for what has taken the place of what it judged",
        "upload_client.validator.pipeline:Validator._harvest",
        "if asked is None or asked[:2] != (upload.epoch, upload.n):",
        "upload = upload if asked is None else self._history.latest(path).upload\n        if asked is None:",
    ),
    Mutation(
        "a validator judges what is another's",
        "upload_client.validator.pipeline:Validator._is_mine",
        "shard_of(path, self._shards) == self._shard",
        "True",
    ),
    Mutation(
        "of several validators only the first is heard",
        "upload_client.delivery.validation:Validation._share",
        "range(len(self._shards), shards)",
        "range(0)",
    ),
    Mutation(
        "what is read of the logs holds what does not count",
        f"{_CORE}.history:DeliveryHistory.add_client",
        "if segment.superseded:",
        "if False:",
    ),
    Mutation(
        "there is no last look before the receipt",
        "upload_client.delivery.final_check:not_in_place",
        "if what < 2 and ledger",
        "if False and ledger",
    ),
    Mutation(
        "the lock is not looked at before the receipt",
        "upload_client.delivery.finish:complete",
        "connected.patiently(connected.lock.refresh)",
        "pass",
    ),
    Mutation(
        "an unlock puts up no fence",
        "upload_client.control.fence:fence_logs",
        "writer.fence()",
        "continue",
    ),
    Mutation(
        "a count is forgotten",
        f"{_CORE}.states:FileStates.move",
        "self._counts[code] += 1",
        'self._counts[code] += STATES[code] != "failed"',
    ),
)
"""All of them. Where the product's text changes, the row has to follow."""
