"""``upload-client receipt show``: a receipt in words, with all who took part, and what it says of a file."""

from __future__ import annotations

from collections import Counter
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

import click

from upload_client.cli.help import Command, examples, exit_codes
from upload_client.cli.options import debug_option
from upload_client.core.text import counted, for_terminal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from upload_client.core.receipt import Delivered, ReceiptHead
    from upload_client.core.receipt_reading import ReceiptReader

_NAMED = 10
"""Files that are shown, runs of a kind, and ways of being judged."""
_PROGRAMS = 4  # of which a run tells its version
_KINDS = 1000  # ways of being judged that are distinguished
_JUDGES = 100_000  # validators, likewise: of 64 at once, each for a quarter of an hour, that is half a month


@click.command(
    cls=Command,
    short_help="Show what it says.",
    sections=(
        examples(
            ("upload-client receipt show RECEIPT", ""),
            ("upload-client receipt show RECEIPT a.fits 'raw/*.csv'", "what it says of these files"),
            ("upload-client verify RECEIPT --key receiver.pem", "whether it is authentic"),
        ),
        exit_codes(("0", "shown"), ("2", "RECEIPT is not a receipt, names no such file, or wrong usage")),
    ),
)
@click.argument("receipt_file", metavar="RECEIPT", type=click.Path(path_type=Path))
@click.argument("patterns", metavar="[PATH]...", nargs=-1)
@debug_option
def show(*, receipt_file: Path, patterns: tuple[str, ...]) -> None:
    """Show what RECEIPT says: of the delivery, of all runs that took part, and of single files.

    PATH is the path of a file in it, or a pattern (* and ?). Nothing is verified: `upload-client verify` does
    that.
    """
    from upload_client.errors import UsageError  # noqa: PLC0415 # not for --help
    from upload_client.receipts.store import open_receipt  # noqa: PLC0415 # imports boto3
    from upload_client.support.inputs import as_file  # noqa: PLC0415 # not for --help

    seen = _ReceiptFiles(patterns)
    with as_file(receipt_file, "the receipt") as readable, open_receipt(readable) as reader:
        seen.read(reader)
        head, sha256 = reader.head, reader.sha256
    if patterns and not seen.n_wanted:
        raise UsageError(
            f"the receipt names no file {' or '.join(map(repr, patterns))}",
            hint="Give a path as it stands there, or a pattern: 'raw/*.csv'.",
        )
    for line in (*_of_delivery(head, sha256), *_of_runs(head, seen), *_of_files(seen)):
        click.echo(for_terminal(line))
    click.echo("not verified: `upload-client verify` checks whether it is authentic", err=True)


class _ReceiptFiles:
    """The files of a receipt, counted, and those that are asked for.

    Attributes:
        by: files by the validator that judged them.
        opened: files by how they were judged.
        n_versions: files of which it names a version of the object.
        n_sha256: files of which it names the SHA-256.
        wanted: the first that are asked for.
        n_wanted: how many these are.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        self.by, self.opened = Counter[str](), Counter[str]()
        self.n_versions = self.n_sha256 = self.n_wanted = 0
        self.wanted: list[Delivered] = []
        self._patterns = patterns

    def read(self, files: ReceiptReader) -> None:
        """Take in all files."""
        for each in files:
            for counts, text, most in (
                (self.by, each.judged_by, _JUDGES),
                (self.opened, each.opened or "not recorded how", _KINDS),
            ):
                if text in counts or len(counts) < most:
                    counts[text] += 1
            self.n_versions += each.version_id is not None
            self.n_sha256 += each.sha256 is not None
            if any(each.path == one or fnmatchcase(each.path, one) for one in self._patterns):
                self.n_wanted += 1
                if self.n_wanted <= _NAMED:
                    self.wanted.append(each)


def _of_delivery(head: ReceiptHead, sha256: str) -> Iterator[str]:
    from upload_client.support import figures  # noqa: PLC0415 # not for --help

    what = f"{head.dataset}/{head.delivery_id} ({head.transfer_type})"
    yield f"receipt of {what}: {figures.files(head.n_files)}, {figures.size(head.n_bytes)}"
    yield f"finished  {head.finished_at}, by run {head.epoch:,} of the client"
    by = head.delivered_by
    if named := " on ".join(filter(None, (by.login, by.host))):
        yield f"delivered by {named}, as the client says"
    yield f"to        {head.landing}"
    yield f"logs      {head.control}"
    yield f"index     {head.index.key}"
    if head.store is not None:
        yield f"store     {head.store}"
    yield f"SHA-256   {sha256}, of this receipt (schema {head.schema_version})"


def _of_runs(head: ReceiptHead, seen: _ReceiptFiles) -> Iterator[str]:
    yield f"{counted(len(head.clients), 'run')} of the client{_last(len(head.clients))}"
    for client in head.clients[-_NAMED:]:
        yield f"  {client.epoch:,}  {client.agent_id}{_versions(client.versions)}"
    yield f"{counted(len(head.validators), 'run')} of the validator{_last(len(head.validators))}"
    for run in head.validators[-_NAMED:]:
        share = f", shard {run.shard}" if run.shard else ""
        is_counted = run.validator_id in seen.by or len(seen.by) < _JUDGES
        n = counted(seen.by[run.validator_id], "file") if is_counted else "files not counted,"
        judged = f"{n} judged for client {run.client_epoch:,}"
        rules = f"by expectations {run.expectations_sha256}" if run.expectations_sha256 else "by no document"
        yield f"  {run.epoch:,}  {run.validator_id}{share}: {judged}, {rules}{_versions(run.versions)}"


def _last(n: int) -> str:
    return f"; the last {_NAMED}:" if n > _NAMED else ""


def _of_files(seen: _ReceiptFiles) -> Iterator[str]:
    yield "judged as"
    for text, n in seen.opened.most_common(_NAMED):
        yield f"  {counted(n, 'file')}: {text}"
    if (more := len(seen.opened) - _NAMED) > 0:
        least = "at least " if len(seen.opened) >= _KINDS else ""
        yield f"  and in {least}{more:,} more ways (export it --as csv)"
    yield f"with      SHA-256: {counted(seen.n_sha256, 'file')}; version of the object: {seen.n_versions:,}"
    for each in seen.wanted:
        yield ""
        yield each.path
        yield f"  content   {each.size:,} bytes, CRC32 {each.crc32}"
        yield f"  SHA-256   {each.sha256 or 'not recorded'}"
        yield f"  object    ETag {each.etag}, version {each.version_id or 'not recorded'}"
        yield f"  sent      {each.sent_at}, as upload {each.upload}"
        yield f"  judged    {each.judged_at}, by {each.judged_by}: {each.opened or 'not recorded how'}"
    if (more := seen.n_wanted - len(seen.wanted)) > 0:
        yield ""
        yield f"and {counted(more, 'more file')} (export it --as csv for all)"


def _versions(versions: Mapping[str, str]) -> str:
    """The programs that took part, with their versions, this one first; of others some."""
    names = sorted(versions, key=lambda name: (name != "upload-client", name))
    more = len(names) - _PROGRAMS
    named = "".join(f", {name} {versions[name]}" for name in names[:_PROGRAMS])
    return named + (f" and {more:,} more" if more > 0 else "")
