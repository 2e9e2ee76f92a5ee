"""Signing the receipt of a complete delivery, for what the receiver's own logs prove.

A client writes the receipt. It is signed only where each file of it, and no other of the index, is announced
in the client's log, was called valid by a validator, and still lies in the landing bucket as it was judged;
where the files together are the delivery that the expectations document asks for; and where the logs end as
the receipt says. Objects beside those of the receipt are no matter of the receipt. The same is proven before
anything is done with a delivery that a receipt calls complete.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib.metadata import version
from itertools import compress
from typing import cast

from upload_client.control.checkpoints import fold_validators
from upload_client.control.log import LogReader
from upload_client.core.attestation import MAX_ENVELOPE, BadSignature, Statement
from upload_client.core.columns import taken
from upload_client.core.expectations import Tally
from upload_client.core.history import DeliveryHistory
from upload_client.core.layout import Layout, number
from upload_client.core.receipt import BadReceipt, Delivered, Due, ReceiptHead, due
from upload_client.core.text import for_log
from upload_client.core.times import timestamp
from upload_client.expectations.document import MAX_BYTES
from upload_client.receipts.heads import (
    problem_of_content,
    problem_of_place,
    problem_of_runs,
    problem_of_tails,
)
from upload_client.receipts.signing import LibraryNeeded, PublicKey, Signed, SigningKey, check_signature, sign
from upload_client.receipts.store import last_receipt, open_stored_receipt, sha256_of
from upload_client.s3.bucket import Bucket, NotFound, ObjectTooLarge, pages_of
from upload_client.support.clock import SYSTEM, Clock
from upload_client.validator.expected import InvalidExpectations, read_expected
from upload_client.validator.rows import MalformedIndex, index_paths


class NotSigned(Exception):  # noqa: N818 - it reads as what it says
    """The receipt says something that the logs do not prove; the text says what."""


def folded(control: Bucket, layout: Layout, clock: Clock = SYSTEM) -> DeliveryHistory:
    """Read all logs of a delivery from their beginning. A checkpoint is a client's, and proves nothing.

    Raises:
        LogBroken: a log is no chain.
        StoreError: a log could not be read.
    """
    history = DeliveryHistory()
    client = LogReader(control, layout.client_log(), writer="client", clock=clock)
    for segment in client.read_all():
        history.add_client(segment)
    for _ in fold_validators(control, layout, history, client, {}, clock):
        pass
    return history


def countersign(
    control: Bucket,
    landing: Bucket,
    layout: Layout,
    key: SigningKey,
    epoch: int,
    history: DeliveryHistory | None = None,
    clock: Clock = SYSTEM,
) -> Statement:
    """Sign the receipt that the run of an epoch has written, and put the signature beside it.

    Where a signature by this key is there already, it stays.

    Args:
        control: the control bucket, at the delivery's root.
        landing: the landing bucket, at the delivery's prefix.
        layout: where everything is.
        key: to sign with.
        epoch: of the run.
        history: all logs, folded from their beginning; None: they are read.
        clock: the signer's.

    Returns:
        What is signed.

    Raises:
        NotSigned: the receipt says what is not proven, or there is none.
        LogBroken: a log is no chain.
        StoreError: something could not be read or written.
    """
    if history is None:
        history = folded(control, layout, clock)
    head, sha256 = _proven(control, landing, layout, epoch, history)
    signed = _signed(control, layout, key.public, head, sha256)
    if signed is not None:
        return signed.statement
    statement = Statement.of(
        head,
        sha256,
        signed_at=timestamp(clock.wall()),
        signer=f"upload-client {version('upload-client')}",
        expectations_sha256=_sha256_of_document(control, layout),
    )
    control.put(layout.signature(epoch), sign(key, statement), content_type="application/json")
    return statement


def check_proven(
    control: Bucket,
    landing: Bucket,
    layout: Layout,
    head: ReceiptHead,
    sha256: str,
    key: PublicKey | None = None,
    clock: Clock = SYSTEM,
    *,
    may_be_gone: bool = False,
) -> None:
    """Make sure that the receiver's own logs prove a receipt: whoever may write a receipt is the provider.

    Args:
        control: the control bucket, at the delivery's root.
        landing: the landing bucket, at the delivery's prefix.
        layout: where everything is.
        head: of the receipt.
        sha256: of the receipt, hex.
        key: the receiver's own: what it has signed was proven; None: the logs are read.
        clock: the machine's.
        may_be_gone: whether files need not lie in the landing bucket any more.

    Raises:
        NotSigned: it says what is not proven.
        LogBroken: a log is no chain.
        StoreError: something could not be read.
    """
    if key is not None and _signed(control, layout, key, head, sha256) is not None:
        return
    history = folded(control, layout, clock)
    _, found = _proven(control, landing, layout, head.epoch, history, may_be_gone=may_be_gone)
    if found != sha256:
        raise NotSigned("the receipt was exchanged while it was read")


def is_signed(control: Bucket, layout: Layout, key: PublicKey, epoch: int) -> bool:
    """Whether a key has signed the receipt that the run of an epoch has written; no log is read.

    Raises:
        StoreError: the store does not answer.
    """
    if control.head(layout.signature(epoch), checksum=False) is None:
        return False
    try:
        with open_stored_receipt(control, layout.receipt(epoch)) as reader:
            for _ in reader:
                pass
            return _signed(control, layout, key, reader.head, reader.sha256) is not None
    except (NotFound, BadReceipt):
        return False


def _signed(control: Bucket, layout: Layout, key: PublicKey, head: ReceiptHead, sha256: str) -> Signed | None:
    """The signature of a receipt by a key; None where none is known to hold: then the logs are read."""
    try:
        found = control.get(layout.signature(head.epoch), limit=MAX_ENVELOPE).body
        return check_signature(found, [key], head, sha256)
    except (NotFound, ObjectTooLarge, BadSignature):
        return None  # what is there, and does not hold, has been put there by somebody else
    except LibraryNeeded:
        return None


def countersign_last(
    control: Bucket, landing: Bucket, layout: Layout, key: SigningKey, clock: Clock = SYSTEM
) -> Statement:
    """Sign the last receipt of a delivery; see `countersign`."""
    last = last_receipt(control, layout)
    epoch = None if last is None else number(last)
    if epoch is None:
        raise NotSigned("there is no receipt: the delivery is not complete")
    return countersign(control, landing, layout, key, epoch, clock=clock)


def _proven(
    control: Bucket,
    landing: Bucket,
    layout: Layout,
    epoch: int,
    history: DeliveryHistory,
    *,
    may_be_gone: bool = False,
) -> tuple[ReceiptHead, str]:
    """The head of the receipt and its SHA-256, once all it says is proven."""
    there, seen = bytearray(len(history)), bytearray(len(history))
    for keys, sizes, etags in () if may_be_gone else pages_of(landing):
        found = history.rows(keys)
        known = [at for at, row in enumerate(found) if row is not None]
        of_ours = cast("Sequence[int]", taken(found, known))
        lie = history.uploads.lie(of_ours, taken(sizes, known), taken(etags, known))
        for row in compress(of_ours, lie):
            there[row] = 1
    receipt, whole = layout.receipt(epoch), _expected(control, layout)
    try:
        with open_stored_receipt(control, receipt) as reader:
            head = reader.head
            _refuse(problem_of_place(head, control, landing, layout, epoch))
            _refuse(problem_of_runs(head, history))
            # Nearly all its lines are those that the logs would make: only others are taken apart.
            for each in reader.against(due(history.valid(), head.schema_version)):
                some = each if isinstance(each, Due) else _judged(each, history)
                for path, row in zip(some.paths, some.rows, strict=True):
                    if not (there[row] or may_be_gone):
                        raise NotSigned(f"{_named(path)} is no longer in the landing bucket as it was judged")
                    seen[row] = 1
                if whole is not None:
                    for path, size in zip(some.paths, some.sizes, strict=True):
                        whole.add(path, size)
            sha256 = reader.sha256
            _refuse(problem_of_content(head, sha256, history))
    except NotFound:
        raise NotSigned(f"there is no receipt {receipt}: the delivery is not complete") from None
    except BadReceipt as error:
        raise NotSigned(f"{receipt} is no receipt that can be used: {error}") from None
    _check_judges(head, history, seen)
    _refuse(problem_of_tails(head, control, layout))
    _check_index(head, control, history, seen)
    # What the start function has asked for before may have been another index, or nobody was asked.
    if whole is not None and (problems := whole.problems(complete=layout.transfer_type == "staging")):
        raise NotSigned(f"it is not the delivery that was agreed on: {'; '.join(problems)}")
    return head, sha256


def _expected(control: Bucket, layout: Layout) -> Tally | None:
    try:
        expected = read_expected(control, layout)
    except InvalidExpectations as error:
        raise NotSigned(f"the expectations document cannot be used: {for_log(str(error), 1000)}") from None
    return None if expected is None else Tally(expected.rules)


def _refuse(problem: str | None) -> None:
    if problem is not None:
        raise NotSigned(problem)


def _check_judges(head: ReceiptHead, history: DeliveryHistory, seen: bytearray) -> None:
    """Every validator that has judged a file of the receipt is named: by its rules the file was judged."""
    named = {(run.shard, run.epoch) for run in head.validators}
    for life in history.judges(seen):
        if (life.shard, life.epoch) not in named:
            raise NotSigned(f"it does not name the validator {life.agent_id}, which has judged files of it")


def _judged(each: Delivered, history: DeliveryHistory) -> Due:
    """A file whose verdict is what the receipt says, by its row."""
    row = history.row(each.path)
    upload = None if row is None else history.uploads[row]
    if row is None or upload is None:
        raise NotSigned(f"no log knows {_named(each.path)}")
    if not history.is_ok(row):
        raise NotSigned(f"no validator has called {_named(each.path)} valid")
    stated = (each.upload, each.size, each.crc32, each.etag, each.version_id)
    due = (upload.id, upload.size, upload.crc32, upload.etag, upload.version_id)
    if stated != due or each.sha256 not in (None, upload.sha256):
        raise NotSigned(f"the logs differ from the receipt about {_named(each.path)}")
    logged = (history.transferred_at[row], history.judged_at[row], history.judge(row))
    if (each.sent_at, each.judged_at, each.judged_by) != logged:
        raise NotSigned(f"the logs have another time or another validator for {_named(each.path)}")
    if each.opened not in (None, history.opened[row]):
        raise NotSigned(f"the logs have another judgement of {_named(each.path)}")
    return Due((each.path,), (each.size,), (row,), ())


def _check_index(head: ReceiptHead, control: Bucket, history: DeliveryHistory, seen: bytearray) -> None:
    """Every file of the run's own index is in the receipt, and no other."""
    n_files = 0
    try:
        if sha256_of(control, head.index.key) != head.index.sha256:
            raise NotSigned(f"{head.index.key} is not the index that the receipt names by its SHA-256")
        for paths in index_paths(control, head.index.key):
            for path, row in zip(paths, history.rows(paths), strict=True):
                if row is None or not seen[row]:
                    raise NotSigned(f"the index names {_named(path)}, and the receipt does not")
            n_files += len(paths)
    except NotFound:
        raise NotSigned(f"there is no index {head.index.key}") from None
    except MalformedIndex as error:
        raise NotSigned(f"{head.index.key} is no index: {for_log(str(error))}") from None
    if n_files != head.n_files:
        raise NotSigned(f"the index names {n_files:,} files, and the receipt {head.n_files:,}")


def _sha256_of_document(control: Bucket, layout: Layout) -> str | None:
    try:
        return hashlib.sha256(control.get(layout.expectations, limit=MAX_BYTES).body).hexdigest()
    except (NotFound, ObjectTooLarge):  # one too large is not judged by
        return None


def _named(path: str) -> str:
    return repr(for_log(path, 500))
