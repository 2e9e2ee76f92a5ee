"""The custody chain where it lies: in the control bucket a record an object, beside the receipt a line each.

What a record says and how a chain is walked is `upload_client.core.custody`'s. The receiver writes it, with
the key that signs its receipts; no provider may.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
from collections.abc import Collection, Iterator, Sequence
from functools import partial
from importlib.metadata import version
from itertools import count, islice
from pathlib import Path
from typing import Literal, NamedTuple

from upload_client.core.attestation import BadSignature, Envelope, decode_envelope
from upload_client.core.custody import (
    MAX_LINE,
    MAX_LOOKED,
    MAX_RECORDS,
    BadChain,
    CustodyRecord,
    Happened,
    chain_name,
    check_chain,
    decode_record,
    encode_record,
    existing_record,
    line_sha256,
    next_record,
)
from upload_client.core.hand_over import archived_line
from upload_client.core.layout import Layout, number
from upload_client.core.receipt import ReceiptHead
from upload_client.core.text import for_log
from upload_client.core.times import timestamp
from upload_client.errors import DeliveryError, UsageError
from upload_client.receipts.retention import Mode, retain
from upload_client.receipts.signing import LibraryNeeded, PublicKey, SigningKey, sign_payload, signed_by
from upload_client.receipts.store import open_receipt
from upload_client.s3.bucket import (
    Bucket,
    NotFound,
    ObjectTooLarge,
    PreconditionFailed,
    StoreError,
    repeat_while_lost,
)
from upload_client.support.atomic import replacing
from upload_client.support.clock import SYSTEM, Clock

_log = logging.getLogger(__name__)
_TRIES = 5

Accounted = Literal["no", "by number", "by name"]
State = Literal["none", "not checked", "signed", "refused"]


class ChainBroken(DeliveryError):  # noqa: N818 - it reads as what it says
    """The custody chain of a delivery is broken, so that nothing can follow in it."""

    hint = "Nobody but the receiver may write there: see who did (`upload-client docs receipt`, Custody)."


class Recorder(NamedTuple):
    """The means of a receiver to record.

    Attributes:
        key: that signs.
        retain_days: days for which nobody can delete a record, by Object Lock; None: as the bucket says.
        retain_mode: how strictly.
        earlier: public keys that this receiver has signed with before.
    """

    key: SigningKey
    retain_days: int | None = None
    retain_mode: Mode = "GOVERNANCE"
    earlier: tuple[PublicKey, ...] = ()


class Custody(NamedTuple):
    """The state of a custody chain.

    Attributes:
        state: ``none``, there is no record; ``not checked``, since no key is trusted here; ``signed``, each
            record by a key that is; or ``refused``.
        why: it is refused; else empty.
        records: those that hold, in their order; of a chain that is refused, none.
        keys: the key that has signed each of them; empty where that was not checked.
        last: SHA-256 of the last line, hex; empty where there is none.
        foreign: what else lies there and is passed over: by keys that are not trusted, or no record at all.
    """

    state: State
    why: str = ""
    records: tuple[CustodyRecord, ...] = ()
    keys: tuple[PublicKey, ...] = ()
    last: str = ""
    foreign: tuple[str, ...] = ()

    def as_fields(self) -> dict[str, object]:
        """The same for programs."""
        return {
            "state": self.state,
            "why": self.why,
            "records": [
                {name: getattr(each, name) for name in CustodyRecord.__annotations__} for each in self.records
            ],
            "key_ids": [key.key_id for key in self.keys],
            "last": self.last,
            "foreign": list(self.foreign),
        }


class StoredChain(NamedTuple):
    """The objects at the place of a chain.

    Attributes:
        lines: those that may be records, by the number in their key, in the order of these.
        foreign: a sentence about each object that cannot be one.
        taken: numbers of all that has one.
    """

    lines: dict[int, bytes]
    foreign: tuple[str, ...] = ()
    taken: frozenset[int] = frozenset()


# ------------------------------------------------------------------------------------------------- writing


def record(
    control: Bucket,
    layout: Layout,
    head: ReceiptHead,
    sha256: str,
    happened: Happened,
    by: Recorder,
    clock: Clock = SYSTEM,
) -> CustodyRecord:
    """Record something that has happened to a delivery; where a record says so already, that one stands.

    Args:
        control: the control bucket, at the delivery's root.
        layout: where everything is.
        head: of the receipt.
        sha256: of the receipt, hex.
        happened: what.
        by: the receiver's key, and how a record is kept.
        clock: the signer's.

    What no key of the receiver has signed is passed over, with a warning: who can write there must not keep
    the receiver from recording. So the keys that were used before have to be known.

    Raises:
        ChainBroken: what the receiver has signed there is no chain.
        StoreError: something could not be read or written.
    """
    for attempt in range(_TRIES):
        stored = stored_chain(control, layout, head.epoch)
        own, foreign = _own_lines(stored, (by.key.public, *by.earlier))
        try:
            chain = [(line, decode_record(decode_envelope(line).payload)) for _, line in own]
            records = check_chain(chain, head, sha256)
        except (BadChain, BadSignature) as error:
            raise ChainBroken(
                f"the chain below {control.prefix}{layout.custody_prefix(head.epoch)} is broken: {error}"
            ) from None
        for each in foreign if not attempt else ():
            _log.warning("passed over in the custody chain: %s", each)
        if (found := existing_record(records, happened)) is not None:
            if attempt:  # it may be ours, of which the answer was lost
                _keep(control, layout.custody(head.epoch, own[found.n - 1][0]), by, clock)
            return found
        made = next_record(
            chain,
            head,
            sha256,
            happened,
            now=timestamp(clock.wall()),
            signer=f"upload-client {version('upload-client')}",
        )
        line = sign_payload(by.key, encode_record(made), one_line=True)
        if len(own) >= MAX_RECORDS:
            raise ChainBroken(f"its chain has {len(own):,} records, and none may have more")
        first = own[-1][0] + 1 if own else 1
        there = layout.custody(head.epoch, next(at for at in count(first) if at not in stored.taken))
        try:
            control.put(there, line, if_none_match=True, content_type="application/json")
        except (PreconditionFailed, NotFound):
            continue  # somebody else was quicker, or the answer to an attempt was lost
        _keep(control, there, by, clock)
        return made
    raise DeliveryError("others go on writing into the custody chain", hint="Run it again.")


def _own_lines(stored: StoredChain, keys: Sequence[PublicKey]) -> tuple[list[tuple[int, bytes]], list[str]]:
    """Number and line of what one of the keys has signed; and a sentence about each of the rest."""
    own: list[tuple[int, bytes]] = []
    foreign = list(stored.foreign)
    for n, line in stored.lines.items():
        envelope = decode_envelope(line)
        why = "" if _names_one_of(envelope, keys) else _by_another(envelope)
        try:
            if not why:
                signed_by(envelope, keys)
        except BadSignature as error:
            why = str(error)
        except LibraryNeeded:
            pass  # it is known by the key that it names alone
        if why:
            foreign.append(f"object {n:,}: {why}")
        else:
            own.append((n, line))
    return own, foreign


def _names_one_of(envelope: Envelope, keys: Sequence[PublicKey]) -> bool:
    return not {each.key_id for each in envelope.signatures}.isdisjoint(key.key_id for key in keys)


def _by_another(envelope: Envelope) -> str:
    named = ", ".join(sorted({for_log(each.key_id[:16]) for each in envelope.signatures}))
    return f"it names a key that is not trusted ({named})"


def _keep(control: Bucket, key: str, by: Recorder, clock: Clock) -> None:
    if by.retain_days is None:
        return
    try:
        retain(control, key, days=by.retain_days, mode=by.retain_mode, now=clock.wall())
    except StoreError as error:
        _log.warning("the record %s can be deleted by others: %s", key, for_log(str(error), 500))


# ------------------------------------------------------------------------------------------------- reading


def stored_chain(control: Bucket, layout: Layout, epoch: int) -> StoredChain:
    """The lines of a chain in the control bucket.

    Raises:
        ChainBroken: there are too many.
        StoreError: they could not be read.
    """
    return chain_in(control, layout.custody_prefix(epoch))


def chain_in(bucket: Bucket, prefix: str = "") -> StoredChain:
    """The lines of the chain below a prefix of a bucket; see `stored_chain`."""
    keys = sorted(
        info.key for info in repeat_while_lost(lambda: list(islice(bucket.list(prefix), MAX_LOOKED + 1)))
    )
    if len(keys) > MAX_LOOKED:
        raise ChainBroken(f"there are more than {MAX_LOOKED:,} objects below {bucket.prefix}{prefix}")
    lines: dict[int, bytes] = {}
    foreign: list[str] = []
    taken: set[int] = set()
    seen: dict[bytes, str] = {}
    for key in keys:
        n = number(key)
        if n is None or key != f"{prefix}{n:08d}.json":
            foreign.append(f"{for_log(key)}: no record has that name")
            continue
        taken.add(n)
        try:
            line = repeat_while_lost(partial(bucket.get, key, limit=MAX_LINE)).body
            decode_envelope(line)
        except NotFound:
            continue  # it was removed meanwhile: the next one will show
        except ObjectTooLarge:
            foreign.append(f"{for_log(key)}: it is too long for a record")
        except BadSignature as error:
            foreign.append(f"{for_log(key)}: {error}")
        else:
            if line.count(b"\n") != 1 or not line.endswith(b"\n"):
                foreign.append(f"{for_log(key)}: it is not one line")
            elif (first := seen.setdefault(line, key)) != key:
                foreign.append(f"{for_log(key)}: it is a copy of {for_log(first)}")
            else:
                lines[n] = line
    return StoredChain(lines, tuple(foreign), frozenset(taken))


def bring_chain(control: Bucket, layout: Layout, receipt_key: str, receipt: Path) -> Path | None:
    """Bring the custody chain of a receipt into a file beside it; None where there is none.

    Raises:
        ChainBroken: what is there is no chain.
        StoreError: it could not be read.
        OSError: it could not be written there.
    """
    epoch = number(receipt_key)
    lines = {} if epoch is None else stored_chain(control, layout, epoch).lines
    if not lines:
        return None
    path = receipt.with_name(chain_name(receipt.name))
    with replacing(path) as file:
        file.buffer.write(b"".join(lines.values()))
    return path


def read_chain(receipt: Path) -> list[bytes]:
    """The lines of the chain beside a receipt, as far as there may be any; none where there is no such file.

    Raises:
        UsageError: it cannot be read.
    """
    path = receipt.with_name(chain_name(receipt.name))
    lines: list[bytes] = []
    try:
        with path.open("rb") as file:
            while len(lines) <= MAX_LOOKED and (line := file.readline(MAX_LINE + 1)):
                lines.append(line)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UsageError(f"the custody chain {path} cannot be read: {error.strerror}") from None
    return lines


def walk(
    lines: Sequence[bytes],
    keys: Sequence[PublicKey],
    receipt: Path,
    head: ReceiptHead,
    sha256: str,
    expect_last: str | None = None,
    foreign: Sequence[str] = (),
) -> Custody:
    """Walk a chain from its receipt to its last record.

    The files of a hand-over are held against the receipt, each. Where keys are trusted, records that name
    others are passed over, as long as one of them is by a key that is.

    Args:
        lines: of the chain.
        keys: that are trusted.
        receipt: its file.
        head: of the receipt.
        sha256: of the receipt, hex.
        expect_last: SHA-256 of the last line, hex, as it is known from elsewhere.
        foreign: what lies beside the lines and is no record.

    Raises:
        UsageError: the receipt cannot be read.
    """
    chosen, passed_over = _by_trusted(lines, keys)
    others = (*foreign, *passed_over)
    last = line_sha256(chosen[-1][1]) if chosen else ""
    if expect_last is not None and expect_last.strip().lower() != last:
        ends = f"its last line has SHA-256 {last}" if chosen else "there is no record"
        return Custody(
            "refused",
            f"{ends}, and {expect_last.strip()[:64]} was expected: records are left out at its end",
            foreign=others,
        )
    if not chosen:
        return Custody("none", foreign=others)
    chain: list[tuple[bytes, CustodyRecord]] = []
    signers: list[PublicKey] = []
    try:
        for nth, (n, line) in enumerate(chosen, 1):
            with _at(n):
                chain.append((line, _record_of(nth, line, keys, signers)))
        records = check_chain(chain, head, sha256)
        _check_handed_over([each for each in records if each.event == "handed over"], receipt)
    except BadChain as error:
        return Custody("refused", str(error), foreign=others)
    return Custody(
        "signed" if keys else "not checked", "", tuple(records), tuple(signers), last, foreign=others
    )


def _by_trusted(
    lines: Sequence[bytes], keys: Sequence[PublicKey]
) -> tuple[list[tuple[int, bytes]], list[str]]:
    """Number and line of all that may be by a key that is trusted; and a sentence about each of the rest.

    Where none may be, nothing is passed over: it is told of the first why it does not hold.
    """
    everything = list(enumerate(lines, 1))
    chosen: list[tuple[int, bytes]] = []
    others: list[str] = []
    for n, line in everything:
        try:
            envelope = decode_envelope(line)
        except BadSignature:
            chosen.append((n, line))  # it is refused with what is wrong
            continue
        if not keys or _names_one_of(envelope, keys):
            chosen.append((n, line))
        else:
            others.append(f"line {n:,}: {_by_another(envelope)}")
    return (chosen, others) if chosen else (everything, [])


def begins_with(there: Sequence[bytes], before: Sequence[bytes], keys: Sequence[PublicKey]) -> bool:
    """Whether a chain goes on with what is there; what others have put in between is no matter."""
    now, then = ([line for _, line in _by_trusted(lines, keys)[0]] for lines in (there, before))
    return now[: len(then)] == then


@contextlib.contextmanager
def _at(n: int) -> Iterator[None]:
    try:
        yield
    except BadSignature as error:
        raise BadChain(n, str(error)) from None


def _record_of(n: int, line: bytes, keys: Sequence[PublicKey], signers: list[PublicKey]) -> CustodyRecord:
    if n > MAX_RECORDS:
        raise BadSignature(f"there are more than {MAX_RECORDS:,}, and no chain has as many")
    if len(line) > MAX_LINE:
        raise BadSignature(f"its line is longer than {MAX_LINE:,} bytes, and that of no record is")
    if not line.endswith(b"\n"):
        raise BadSignature("its line is cut off")
    envelope = decode_envelope(line)
    if keys:
        signers.append(signed_by(envelope, keys))
    return decode_record(envelope.payload)


def accounted(custody: Custody, receipt: Path, head: ReceiptHead, gone: Collection[str]) -> Accounted:
    """Tell whether the receiver's own records say of files that are gone from landing that they removed them.

    Args:
        custody: the chain, walked.
        receipt: its file.
        head: of the receipt.
        gone: paths of the files that are no longer there.

    Returns:
        ``by name``, where a record is of all files of the receipt, or of exactly these; ``by number``, where
        one from before records told which is of at least as many; else ``no``.

    Raises:
        UsageError: the receipt cannot be read.
    """
    if custody.state != "signed" or not gone:
        return "no"
    removals = [
        each
        for each in custody.records
        if each.event in ("removed", "withdrawn", "expired") and each.place == head.landing
    ]
    if any(each.n_files == head.n_files for each in removals):
        return "by name"
    named = {each.files_sha256 for each in removals if each.files_sha256 is not None}
    if named:
        digest = hashlib.sha256()
        with open_receipt(receipt) as files:
            for each in files:
                if each.path in gone:
                    digest.update(archived_line(each.path, each.size, each.crc32))
        if digest.hexdigest() in named:
            return "by name"
    unnamed = (each.n_files or 0 for each in removals if each.files_sha256 is None)
    return "by number" if len(gone) <= max(unnamed, default=0) else "no"


def _check_handed_over(records: Sequence[CustodyRecord], receipt: Path) -> None:
    if not records:
        return
    digest = hashlib.sha256()
    with open_receipt(receipt) as files:
        for each in files:
            digest.update(archived_line(each.path, each.size, each.crc32))
    for handed in records:
        if handed.files_sha256 != digest.hexdigest():
            raise BadChain(handed.n, "the files that were handed over are not those of the receipt")
