"""``upload-client verify``: hold a receipt against a folder, and against the bucket."""

from __future__ import annotations

import json
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from upload_client.cli.completion import folders, profiles
from upload_client.cli.help import Command, examples, exit_codes
from upload_client.cli.options import (
    Chosen,
    choice_options,
    debug_option,
    force_option,
    log_file_option,
    log_in,
    output_option,
    own_settings,
    patience_option,
    plain_http_option,
    waiting,
)
from upload_client.cli.reading_progress import ReadingProgress
from upload_client.core.opened import not_opened, sentence
from upload_client.core.text import counted, for_csv_cell, for_terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from upload_client.control.delivery_buckets import DeliveryBuckets
    from upload_client.core.receipt_differences import Difference, Findings
    from upload_client.receipts.custody import Custody
    from upload_client.receipts.dating import Dating
    from upload_client.receipts.proof import Proof
    from upload_client.receipts.retention import Retention
    from upload_client.receipts.signing import PublicKey
    from upload_client.receipts.verify import Checked

SCHEMA_VERSION = 1
"""Version of the lines of --json."""
NAMED = 10
"""Files that are named for each kind of difference."""


@click.command(
    cls=Command,
    short_help="Verify a delivery against its receipt.",
    sections=(
        examples(
            ("upload-client verify upload-client_D_Y_staging_00000001.receipt.json", ""),
            ("upload-client verify RECEIPT --source /data/survey7", ""),
            ("upload-client verify RECEIPT --online --profile archive.toml", ""),
            ("upload-client verify RECEIPT --key receiver.pem --require-signature", "for an auditor"),
            ("upload-client verify RECEIPT --key receiver.pem --chain", "what the receiver did afterwards"),
            ("upload-client verify RECEIPT --against LATER", "what has changed between two deliveries"),
        ),
        exit_codes(
            ("0", "all is as the receipt says; or the receiver has removed what is gone (--chain)"),
            ("2", "RECEIPT is not a receipt, or cannot be read; or wrong usage"),
            ("3", "something differs, or the signature is not valid: the message says what"),
            ("7", "not reachable: try again"),
        ),
    ),
)
@click.argument("receipt")
@click.option(
    "--source",
    metavar="DIR",
    type=click.Path(path_type=Path),
    shell_complete=folders,
    help="Read this folder, and compare it with what was delivered.",
)
@click.option("--online", is_flag=True, help="Check that the buckets still hold the files and their records.")
@click.option(
    "--download",
    is_flag=True,
    help="With --online: also read every object, and compare its content. This transfers all data.",
)
@click.option(
    "--profile",
    metavar="NAME|FILE",
    shell_complete=profiles,
    help="Settings from the receiver, a TOML file; for --online.",
)
@click.option(
    "--key",
    "key_files",
    metavar="FILE",
    multiple=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Trust this public key of the receiver (PEM; may hold several). The keys that the profile names"
    " are trusted, too.",
)
@click.option(
    "--signature",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The signature.  [default: the file beside RECEIPT that ends in .sig.json]",
)
@click.option(
    "--tsa-cert",
    "tsa_certificates",
    metavar="FILE",
    multiple=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Trust this time-stamping authority (PEM: its certificate, or the root it leads to) for the date"
    " that lies beside RECEIPT in a file that ends in .tsr.",
)
@click.option(
    "--require-signature", is_flag=True, help="Exit with 3 unless the receipt is signed by a trusted key."
)
@click.option(
    "--expect",
    metavar="SHA256",
    help="The receipt's SHA-256 as you know it from elsewhere: exit with 3 if it differs.",
)
@click.option(
    "--chain",
    is_flag=True,
    help="Also verify the custody chain: what the receiver did afterwards. It is read from the file beside"
    " RECEIPT that ends in .custody.jsonl; with --online, from the bucket.",
)
@click.option(
    "--expect-last",
    metavar="SHA256",
    help="With --chain: SHA-256 of its last line as you know it from elsewhere: exit with 3 if it differs.",
)
@click.option(
    "--against",
    metavar="OTHER",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A later receipt, or an index: list what was added, removed, changed or moved since.",
)
@patience_option
@plain_http_option
@click.option("--all", "names_all", is_flag=True, help="List all files that differ, not only the first ten.")
@output_option("Write all differences as CSV: difference, path, message.")
@force_option
@choice_options
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line on stdout, the last a summary.")
@log_file_option
@debug_option
def verify(
    *,
    receipt: str,
    source: Path | None,
    online: bool,
    download: bool,
    profile: str | None,
    key_files: tuple[Path, ...],
    signature: Path | None,
    tsa_certificates: tuple[Path, ...],
    require_signature: bool,
    expect: str | None,
    chain: bool,
    expect_last: str | None,
    against: Path | None,
    patience: str | None,
    names_all: bool,
    output: Path | None,
    force: bool,
    chosen: Chosen,
    as_json: bool,
) -> int:
    """Verify RECEIPT, a file or s3://bucket/key, and compare it with what is there now.

    Without --source or --online only the receipt itself is checked: its form, its totals, and that its parts
    agree. A forged receipt would pass that, too: to be sure that it is authentic, check the receiver's
    signature (--key), or a SHA-256 that you know from elsewhere (--expect).
    """
    from upload_client.support.inputs import one_reader  # noqa: PLC0415 # not for --help

    if download and not online:
        raise click.UsageError("--download reads objects in the bucket: give --online, too")
    if expect_last is not None and not chain:
        raise click.UsageError("--expect-last is about the custody chain: give --chain, too")
    differences = _Differences(names_all=names_all, as_json=as_json, keeps_gone=chain)
    with ExitStack() as stack:
        one_reader(
            receipt=receipt,
            exclude_from=chosen.exclude_from,
            profile=profile,
            key=key_files,
            signature=signature,
            against=against,
        )
        stored = _Chain()
        path = (
            _fetched(receipt, profile, patience, stack, stored if chain else None)
            if receipt.startswith("s3://")
            else _readable(Path(receipt), stack)
        )
        # What follows is long in loading: what is typed wrongly has been told.
        from upload_client.receipts.custody import accounted, read_chain, walk  # noqa: PLC0415 # imports boto3
        from upload_client.receipts.dating import dating_of  # noqa: PLC0415 # imports boto3
        from upload_client.receipts.heads import CLAIMED  # noqa: PLC0415 # imports boto3
        from upload_client.receipts.proof import prove  # noqa: PLC0415 # imports boto3
        from upload_client.receipts.signing import public_key_of_line, read_public_keys  # noqa: PLC0415 # the same
        from upload_client.receipts.verify import check_folder, compare_with, read_receipt  # noqa: PLC0415

        checked = read_receipt(path)
        keys = read_public_keys(key_files)
        if profile is not None:
            keys += [public_key_of_line(line, "the profile") for line in own_settings(profile).receipt_keys]
        proof = prove(path, checked, keys, signature)
        dating = dating_of(path, checked.sha256, tsa_certificates)
        expected = None if expect is None else expect.strip().lower() == checked.sha256
        if not as_json:
            _print_identity(checked)
            _print_proof(checked, proof, dating, expected)
        if output is not None:
            differences.write_to(output, stack, force=force)
        stored.lines = read_chain(path) if chain else []
        reading = stack.enter_context(ReadingProgress())
        kept: Retention | None = None
        is_named = False
        if against is not None:
            compare_with(path, _readable(against, stack, "list"), differences)
            differences.print_result(f"against {against}", same="the same files")
        if source is not None:
            choice = chosen.choice()
            check_folder(path, source, differences, choice=choice, on_progress=reading)
            reading.wipe()
            differences.print_result(f"folder {source}")
        if online:
            asked = partial(_ask_buckets, path, checked, differences, reading, download=download)
            kept, is_named = asked(stored if chain else None, keys, profile=profile, patience=patience)
        custody: Custody | None = None
        if chain:
            custody = stored.broken or walk(
                stored.lines, keys, path, checked.head, checked.sha256, expect_last, stored.foreign
            )
            if not as_json:
                _print_custody(custody, online=online)
        how = "no" if custody is None else accounted(custody, path, checked.head, differences.gone)
    claimed = () if proof.state == "signed" or expected or is_named else CLAIMED
    states = (proof.state, dating.state, *([] if custody is None else [custody.state]))
    signatures = (proof.state, *([] if custody is None else [custody.state]))
    n_accounted = 0 if how == "no" else len(differences.gone)
    unproven = (
        "refused" in states
        or expected is False
        or (require_signature and not {"signed", "none"}.issuperset(signatures))
    )
    code = 3 if differences.findings.n > n_accounted or unproven else 0
    if as_json:
        _print_line(
            "summary",
            exit_code=code,
            **_as_delivered(checked),
            source=None if source is None else str(source),
            online=online,
            downloaded=download,
            retained=None if kept is None else kept._asdict(),
            n_sha256=checked.n_sha256,
            opened=dict(checked.opened),
            delivered_by={"login": checked.head.delivered_by.login, "host": checked.head.delivered_by.host},
            counts=differences.findings.counts,
            accounted=n_accounted,
            accounted_how=how,
            signature=_as_fields(proof),
            dated=dating._asdict(),
            expected=expected,
            claimed=claimed,
            custody=None if custody is None else custody.as_fields(),
        )
    else:
        if claimed:
            click.echo(f"{'claimed':<9} by the client, and proven by nothing here: {', '.join(claimed)}")
        _print_differences(differences.findings, output)
        _print_accounted(how, differences, chain=chain)
    return code


@dataclass
class _Chain:
    """The custody chain as it was found, with the receipt or in the control bucket.

    Attributes:
        lines: its records.
        foreign: what lies there and is no record.
        broken: why it is none, where it is none.
    """

    lines: list[bytes] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    broken: Custody | None = None


class _Differences:
    """Differences as they are found: counted, printed, written down.

    Attributes:
        findings: how many there are of each kind, and the first of them.
        gone: objects that are not there any more, where the custody chain may say why.
    """

    def __init__(self, *, names_all: bool, as_json: bool, keeps_gone: bool) -> None:
        from upload_client.core.receipt_differences import Findings  # noqa: PLC0415 # not for --help

        self.findings = Findings(None if names_all else NAMED)
        self.gone: set[str] = set()
        self.as_json, self._keeps_gone = as_json, keeps_gone
        self._reports: list[Callable[[Difference], Any]] = [self.findings.add]
        self._n_printed = 0
        if as_json:
            self._reports.append(_print_json)

    def __call__(self, difference: Difference) -> None:
        if self._keeps_gone and difference.kind == "gone":
            self.gone.add(difference.path)
        for report in self._reports:
            report(difference)

    def write_to(self, output: Path, stack: ExitStack, *, force: bool) -> None:
        """Write those that come as CSV, too; the file is there when the stack is left."""
        from upload_client.support.atomic import check_free, replacing  # noqa: PLC0415 # not for --help
        from upload_client.support.in_use import note  # noqa: PLC0415 # not for --help

        check_free(output, "differences", force=force)
        note(output, "what this run writes")
        file = stack.enter_context(replacing(output))
        file.write("difference,path,message\r\n")
        self._reports.append(lambda each: file.write(_row(each)))

    def print_result(self, what: str, **same: str) -> None:
        """Say how many have come since it was last said, of what they were."""
        n, self._n_printed = self.findings.n - self._n_printed, self.findings.n
        _print_result(what, n, as_json=self.as_json, **same)


def _ask_buckets(
    path: Path,
    checked: Checked,
    differences: _Differences,
    reading: ReadingProgress,
    chain: _Chain | None,
    keys: Sequence[PublicKey],
    *,
    download: bool,
    profile: str | None,
    patience: str | None,
) -> tuple[Retention | None, bool]:
    """Hold the receipt against the buckets, and take the chain that lies there.

    Returns:
        Until when the receipt is kept there, None: nobody says; and whether the client's log names it.
    """
    from upload_client.receipts.retention import retained  # noqa: PLC0415 # imports boto3
    from upload_client.receipts.verify import check_buckets  # noqa: PLC0415 # imports boto3

    head = checked.head
    is_sample = head.transfer_type == "sample"
    _, buckets = log_in(head.dataset, head.delivery_id, sample=is_sample, profile=profile, patience=patience)
    is_named = check_buckets(path, checked, buckets, differences, download=download, on_progress=reading)
    reading.wipe()
    differences.print_result("buckets")
    if not differences.as_json:
        _print_hand_over(buckets, checked.sha256)
    kept = retained(buckets.control, buckets.layout.receipt(head.epoch))
    if kept is not None and not differences.as_json:
        click.echo(for_terminal(f"the receipt there is kept until {kept.until} ({kept.mode}, Object Lock)"))
    if chain is not None:
        _fetch_chain(chain, buckets, head.epoch, keys)
    return kept, is_named


def _fetch_chain(chain: _Chain, buckets: DeliveryBuckets, epoch: int, keys: Sequence[PublicKey]) -> None:
    """Take the chain that lies in the control bucket; it has to go on with what lies beside the receipt."""
    from upload_client.receipts.custody import (  # noqa: PLC0415 # imports boto3
        ChainBroken,
        Custody,
        begins_with,
        stored_chain,
    )

    try:
        there = stored_chain(buckets.control, buckets.layout, epoch)
    except ChainBroken as error:
        chain.broken = Custody("refused", str(error))
        return
    found = list(there.lines.values())
    chain.broken = None if begins_with(found, chain.lines, keys) else Custody("refused", _CHAINS_DIFFER)
    chain.lines, chain.foreign = found, list(there.foreign)


def _as_delivered(checked: Checked) -> dict[str, Any]:
    head = checked.head
    return {
        "dataset": head.dataset,
        "delivery_id": head.delivery_id,
        "transfer_type": head.transfer_type,
        "finished_at": head.finished_at,
        "n_files": head.n_files,
        "n_bytes": head.n_bytes,
        "sha256": checked.sha256,
    }


def _print_accounted(how: str, differences: _Differences, *, chain: bool) -> None:
    """Say whether the receiver's records account for what is gone."""
    if how == "by name":
        click.echo(
            "the receiver has removed that, as the custody chain says: nothing is gone without a record"
        )
    elif how == "by number":
        click.echo(
            "the receiver has removed as many, as the custody chain says; its record does not say which"
        )
    elif chain and differences.gone:
        click.echo("no signed record of the receiver says that exactly these were removed")
    elif differences.findings.counts["gone"] and not chain:
        click.echo("whether the receiver has removed that, its signed records tell: --chain --key FILE")


def _print_hand_over(buckets: DeliveryBuckets, sha256: str) -> None:
    """Say where the receiver has brought what a receipt names, if they have, and this person may know."""
    from upload_client.receipts.hand_overs import last_hand_over  # noqa: PLC0415 # not for --help
    from upload_client.s3.bucket import AccessDenied  # noqa: PLC0415 # likewise

    with suppress(AccessDenied):
        record = last_hand_over(buckets.control, buckets.layout)
        if record is None or record.receipt_sha256 != sha256:
            return
        sentence = (
            f"the receiver has brought all of it to {record.archive}, proven there on {record.proven_at}"
        )
        if record.leaves_landing:
            done = "has removed it" if record.removed_at is not None else "is removing it"
            sentence += f", and {done} from the landing bucket"
        click.echo(for_terminal(sentence))


def _readable(receipt: Path, stack: ExitStack, what: str = "receipt") -> Path:
    """A receipt that can be read as often as is needed, whatever it comes from."""
    from upload_client.errors import UsageError  # noqa: PLC0415 # not for --help
    from upload_client.support.inputs import as_file, is_once  # noqa: PLC0415 # not for --help

    try:
        if not is_once(receipt):
            receipt.stat()
        return stack.enter_context(as_file(receipt, f"the {what}"))
    except OSError as error:
        why = error.strerror or error
        raise UsageError(
            f"the {what} {receipt} cannot be read: {why}", hint=f"Give the path of a {what}."
        ) from error


def _fetched(
    url: str,
    profile: str | None,
    patience: str | None,
    stack: ExitStack,
    chain: _Chain | None,
) -> Path:
    """A copy of a receipt that lies in a bucket, and of what lies there beside it.

    Args:
        url: of the receipt.
        profile: of the person.
        patience: as it is given.
        stack: forgets the copies.
        chain: has why the custody chain is none, and what lies there that is no record; None: it is not asked
            for, as not everybody may list it.
    """
    import tempfile  # noqa: PLC0415 # not for --help

    from upload_client.aws.auth import open_session  # noqa: PLC0415 # imports boto3
    from upload_client.cli.prompt import find_prompt  # noqa: PLC0415 # imports boto3
    from upload_client.core.attestation import signature_name, timestamp_name  # noqa: PLC0415
    from upload_client.core.custody import chain_name  # noqa: PLC0415 # not for --help
    from upload_client.errors import UsageError  # noqa: PLC0415 # not for --help
    from upload_client.index import sources  # noqa: PLC0415 # imports boto3
    from upload_client.receipts.custody import ChainBroken, Custody, chain_in  # noqa: PLC0415 # imports boto3
    from upload_client.receipts.dating import MAX_ANSWER  # noqa: PLC0415 # imports boto3
    from upload_client.receipts.store import fetch_receipt  # noqa: PLC0415 # imports boto3
    from upload_client.s3.bucket import NotFound  # noqa: PLC0415 # imports boto3
    from upload_client.support.atomic import naming  # noqa: PLC0415 # not for --help

    place, _, name = url.rpartition("/")
    settings = own_settings(profile, {"patience": patience})
    patiently = waiting(settings)
    session = open_session(settings, prompt=find_prompt(), patience=patiently)
    bucket = sources.bucket_of(place, session, settings)
    copy = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "receipt.json"
    try:
        patiently(lambda: fetch_receipt(bucket, name, copy))
    except NotFound:
        raise UsageError(f"there is no receipt {url}", hint="Look for it under …/receipt/.") from None
    signatures = sources.bucket_of(place.removesuffix("receipt") + "signature", session, settings)
    of_name = {name: signature_name(copy.name), timestamp_name(name): timestamp_name(copy.name)}
    for key, file in of_name.items():
        with suppress(NotFound):
            found = patiently(partial(signatures.get, key, limit=MAX_ANSWER))
            with naming(copy.parent):
                copy.with_name(file).write_bytes(found.body)
    if chain is not None:
        records = sources.bucket_of(
            f"{place.removesuffix('receipt')}custody/{name.removesuffix('.json')}", session, settings
        )
        try:
            stored = patiently(lambda: chain_in(records))
        except ChainBroken as error:
            chain.broken = Custody("refused", str(error))
        else:
            chain.foreign.extend(stored.foreign)
            with naming(copy.parent):
                copy.with_name(chain_name(copy.name)).write_bytes(b"".join(stored.lines.values()))
    return copy


def _print_identity(checked: Checked) -> None:
    from upload_client.support import figures  # noqa: PLC0415 # not for --help

    head = checked.head
    what = f"{head.dataset}/{head.delivery_id} ({head.transfer_type})"
    click.echo(f"receipt of {what}: {figures.files(head.n_files)}, {figures.size(head.n_bytes)}")
    click.echo(f"finished {head.finished_at}; SHA-256 {checked.sha256}")
    by = head.delivered_by
    if named := " on ".join(filter(None, (by.login, by.host))):
        click.echo(for_terminal(f"delivered by {named}, as the client says"))
    if why := sentence(not_opened(checked.opened)):
        click.echo(for_terminal(why))


def _print_proof(checked: Checked, proof: Proof, dating: Dating, expected: bool | None) -> None:
    """Say how far the receipt is proven, and by whom."""
    if proof.signed is not None:
        statement, key = proof.signed
        signed = f"by the key {key.key_id[:16]} ({key.source})"
        dated = f"{statement.signed_at}, by the signer's own clock"
    else:
        signed = {
            "unsigned": "by nobody: who could write it could change it" + f" ({proof.why})" * bool(proof.why),
            "not checked": f"by a key that is not trusted here ({proof.why}): name the receiver's with --key",
        }.get(proof.state, f"REFUSED: {proof.why}")
        dated = "by nobody but the client that wrote it"
    if dating.state == "dated":
        dated = f"{dating.at}, by a time-stamping authority that is trusted" + f" ({dating.why})" * bool(
            dating.why
        )
    elif dating.state == "refused":
        dated = f"REFUSED: {dating.why}"
    elif dating.state == "not checked":
        dated += "; by an authority that is not trusted here: name its certificate with --tsa-cert"
    n_files, n_sha256 = checked.head.n_files, checked.n_sha256
    content = "by CRC32"
    if n_sha256:
        content += " and SHA-256" if n_sha256 == n_files else f"; {n_sha256:,} of {n_files:,} by SHA-256, too"
    rows = [
        ("whole", "yes: its parts agree with each other"),
        ("content", content),
        ("signed", signed),
        ("dated", dated),
    ]
    if expected is not None:
        rows.append(
            ("expected", "yes: it has the SHA-256 that was given" if expected else "NO: another SHA-256")
        )
    for name, what in rows:
        click.echo(for_terminal(f"{name:<9} {what}"))


_CHAINS_DIFFER = (
    "the bucket's chain does not begin with the records beside the receipt: some were exchanged or removed"
    " there, or these are another's"
)


def _print_custody(custody: Custody, *, online: bool) -> None:
    """Say what the receiver did with the delivery afterwards, and what each record proves."""
    from upload_client.core.custody import EVENTS  # noqa: PLC0415 # not for --help
    from upload_client.support import figures  # noqa: PLC0415 # not for --help

    for foreign in custody.foreign[:NAMED]:
        click.echo(for_terminal(f"foreign   {foreign}: passed over"))
    if (more := len(custody.foreign) - NAMED) > 0:
        click.echo(f"foreign   and {more:,} more: passed over")
    if custody.state == "refused":
        click.echo(for_terminal(f"custody   REFUSED: {custody.why}"))
        return
    n = len(custody.records)
    if not n:
        where = "in the bucket" if online else "beside the receipt: nothing is known of what came later"
        click.echo(f"custody   no record {where}")
        return
    signed = (
        "each signed" if custody.state == "signed" else "signed by keys that are not trusted here: give --key"
    )
    click.echo(f"custody   {counted(n, 'record')}, none missing between them, {signed}")
    for at, each in enumerate(custody.records):
        place = (
            "" if each.place is None else f" {'to' if each.event == 'handed over' else 'from'} {each.place}"
        )
        click.echo(for_terminal(f"  {each.n}  {each.recorded_at}  {each.event}{place}"))
        what = f"says: {EVENTS[each.event]}"
        if each.n_files is not None and each.n_bytes is not None:
            what += f" ({figures.files(each.n_files)}, {figures.size(each.n_bytes)})"
        click.echo(for_terminal(f"     {what}"))
        if each.note:
            click.echo(for_terminal(f"     note: {each.note}"))
        if custody.keys:
            key = custody.keys[at]
            click.echo(for_terminal(f"     signed by the key {key.key_id[:16]} ({key.source})"))
    click.echo(f"  SHA-256 of the last one {custody.last}")
    if not online:
        click.echo("  whether more has followed only the bucket knows: --online")


def _as_fields(proof: Proof) -> dict[str, object]:
    fields: dict[str, object] = {"state": proof.state, "why": proof.why}
    if proof.signed is not None:
        statement, key = proof.signed
        fields |= {
            "key_id": key.key_id,
            "signed_at": statement.signed_at,
            "signer": statement.signer,
            "expectations_sha256": statement.expectations_sha256,
        }
    return fields


def _print_result(what: str, n: int, *, as_json: bool, same: str = "as the receipt says") -> None:
    if not as_json:
        n_differ = counted(n, "difference")
        click.echo(for_terminal(f"{what}: {n_differ if n else same}"))


def _print_differences(findings: Findings, output: Path | None) -> None:
    from upload_client.core.receipt_differences import DIFFERENCES  # noqa: PLC0415 # not for --help
    from upload_client.support import figures  # noqa: PLC0415 # not for --help

    for kind, n in findings.counts.items():
        if not n:
            continue
        what = counted(n, "record") if kind.startswith("record") else figures.files(n)
        click.echo(f"{what} {DIFFERENCES[kind]}")
        for each in findings.first[kind]:
            click.echo(for_terminal(f"  {each.path}" + f": {each.message}" * bool(each.message)))
        if more := n - len(findings.first[kind]):
            where = f"see {output}" if output is not None else "--all names all, -o FILE writes them down"
            click.echo(for_terminal(f"  and {more:,} more ({where})"))


def _row(each: Difference) -> str:
    cells = (for_csv_cell(text).replace('"', '""') for text in (each.kind, each.path, each.message))
    return '"' + '","'.join(cells) + '"\r\n'


def _print_json(each: Difference) -> None:
    _print_line("difference", difference=each.kind, path=each.path, message=each.message)


def _print_line(kind: str, **fields: object) -> None:
    line: dict[str, object] = {"schema_version": SCHEMA_VERSION, "kind": kind}
    for name, value in fields.items():
        # A lone surrogate, of a name that is not UTF-8, is not for every reader of JSON.
        line[name] = value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value
    click.echo(json.dumps(line))
