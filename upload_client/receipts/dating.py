"""The date of a receipt, by a third party: a time-stamp of RFC 3161 over its SHA-256, kept beside it.

An authority signs that it has seen this hash at this moment. It is asked for once, by whoever has the
receipt; afterwards nobody needs to be asked, and nobody who can write the receipt can set it back.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import secrets
import tempfile
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

from upload_client.core.attestation import timestamp_name
from upload_client.core.hints import install
from upload_client.core.layout import Layout, number
from upload_client.core.redaction import sanitized
from upload_client.core.times import from_milliseconds
from upload_client.errors import NotReachable, UsageError
from upload_client.receipts.store import fetch_receipt
from upload_client.s3.bucket import Bucket, NotFound, ObjectTooLarge, PreconditionFailed
from upload_client.s3.network import proxies_for
from upload_client.support.atomic import replacing
from upload_client.support.deadline import within
from upload_client.support.inputs import read_once

_SECONDS = 30.0
"""For the next bytes of the authority."""
_WHOLE_SECONDS = 90.0
"""For its whole answer, however it trickles."""
MAX_ANSWER: Final = 256 * 1024
"""Bytes of a time-stamp, as far as it is read; those of authorities have some 10 KiB."""
_SHA256 = "2.16.840.1.101.3.4.2.1"  # RFC 5754, 2.2

State = Literal["undated", "not checked", "dated", "refused"]


class Dating(NamedTuple):
    """The state of a receipt's time-stamp.

    Attributes:
        state: ``undated``; ``not checked``, since no authority is trusted here; ``dated``; or ``refused``.
        at: the moment, UTC with milliseconds; else empty.
        why: it is refused; or the authority, as its certificate names it.
    """

    state: State
    at: str = ""
    why: str = ""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """The authority is asked, and nobody whom it names: a POST cannot be led on, a GET asks for nothing."""

    def redirect_request(self, *_: object) -> None:
        return None


def timestamp_path(receipt: Path) -> Path:
    """Where the time-stamp of a receipt lies."""
    return receipt.with_name(timestamp_name(receipt.name))


def date(receipt: Path, url: str) -> Path:
    """Have an authority date a receipt, and write what it says beside it.

    Args:
        receipt: its file.
        url: of the authority, http or https.

    Returns:
        The path of the time-stamp.

    Raises:
        NotReachable: the authority does not answer.
        UsageError: what answers is no such authority, or will not date it.
        OSError: the time-stamp cannot be written.
    """
    library = _library()
    with receipt.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").digest()
    # The library makes a request of the data alone, all in memory: of a stand-in, whose hash is exchanged.
    stand_in = secrets.token_bytes(32)
    asked = (
        library.TimestampRequestBuilder().data(stand_in).hash_algorithm(library.HashAlgorithm.SHA256).build()
    )
    body = asked.as_bytes().replace(hashlib.sha256(stand_in).digest(), digest)
    if not url.lower().startswith(("http://", "https://")):
        raise UsageError(f"{url!r} is no URL of a time-stamping authority", hint="http://… or https://…")
    try:
        request = urllib.request.Request(  # noqa: S310 - http or https
            url, body, {"Content-Type": "application/timestamp-query"}
        )
    except ValueError:
        raise UsageError(
            "that is no URL of a time-stamping authority", hint="http://… or https://…"
        ) from None
    client = urllib.request.build_opener(urllib.request.ProxyHandler(proxies_for(url)), _NoRedirect())

    def ask() -> bytes:
        with client.open(request, timeout=_SECONDS) as answer:
            content: bytes = answer.read(MAX_ANSWER + 1)
            return content

    try:
        received = within(_WHOLE_SECONDS, ask)
    except TimeoutError:
        raise NotReachable("the time-stamping authority does not answer in time") from None
    except (OSError, http.client.HTTPException, UnicodeError) as error:  # the last: a host that cannot be one
        why = sanitized(str(getattr(error, "reason", error)) or type(error).__name__)
        raise NotReachable(f"the time-stamping authority does not answer: {why}") from None
    try:
        response = library.decode_timestamp_response(received)
        due = (0, digest, asked.nonce)
        granted = (response.status, _sha256_in(response), response.tst_info.nonce) == due
    except (ValueError, AttributeError):
        granted = False
    if not granted:
        raise UsageError(
            "what answers there is no time-stamping authority, or will not date the receipt",
            hint="Ask for the URL of an authority of RFC 3161.",
        )
    path = timestamp_path(receipt)
    with replacing(path) as file:
        file.buffer.write(received)
    return path


def date_stored(control: Bucket, layout: Layout, epoch: int, url: str) -> str:
    """Have an authority date a receipt where it lies, and put what it says beside its signature; that key.

    A time-stamp that is there already stays: it is the earlier one.

    Raises:
        DeliveryError: as of `date`.
        StoreError: the receipt cannot be read, or the time-stamp not be written.
    """
    key = layout.time_stamp(epoch)
    if control.head(key, checksum=False) is not None:
        return key
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "receipt.json"
        fetch_receipt(control, layout.receipt(epoch), copy)
        data = date(copy, url).read_bytes()
    with contextlib.suppress(PreconditionFailed):  # somebody was quicker
        control.put(key, data, if_none_match=True, content_type="application/timestamp-reply")
    return key


def bring_time_stamp(control: Bucket, layout: Layout, receipt_key: str, receipt: Path) -> Path | None:
    """Bring the time-stamp of a receipt into a file beside it; None where there is none, or one is here.

    Raises:
        StoreError: it could not be read.
        OSError: it could not be written there.
    """
    epoch, path = number(receipt_key), timestamp_path(receipt)
    if epoch is None or path.exists():
        return None
    try:
        found = control.get(layout.time_stamp(epoch), limit=MAX_ANSWER)
    except (NotFound, ObjectTooLarge):
        return None
    with replacing(path) as file:
        file.buffer.write(found.body)
    return path


def dating_of(receipt: Path, sha256: str, certificates: Sequence[Path]) -> Dating:
    """Verify a receipt's time-stamp.

    Args:
        receipt: its file; the time-stamp lies beside it.
        sha256: of the receipt, hex.
        certificates: of the authorities that are trusted, PEM: their own, or the roots they lead to.

    Raises:
        UsageError: a certificate or the time-stamp cannot be read.
    """
    path = timestamp_path(receipt)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_ANSWER + 1)
    except FileNotFoundError:
        return Dating("undated")
    except OSError as error:
        raise UsageError(f"the time-stamp {path} cannot be read: {error.strerror}") from None
    if not certificates:
        return Dating("not checked")
    library = _library()
    roots = _certificates(certificates)
    try:
        response = library.decode_timestamp_response(data)
        if _sha256_in(response) is None:  # the library compares the bytes, whatever hash they are said to be
            return Dating("refused", "", "it is over another hash than SHA-256: have the receipt dated again")
        builder = library.VerifierBuilder()
        for root in roots:
            builder = builder.add_root_certificate(root)
        builder.build().verify(response, bytes.fromhex(sha256))
    except Exception as error:  # noqa: BLE001 - the library's, and that of the library below it
        why = "it is the time-stamp of something else" if "Mismatch between messages" in str(error) else ""
        return Dating("refused", "", why or f"it does not hold: {sanitized(str(error))}")
    moment = response.tst_info.gen_time
    return Dating("dated", from_milliseconds(int(moment.timestamp() * 1000)), sanitized(_name(response)))


def _sha256_in(response: Any) -> bytes | None:  # noqa: ANN401 - the library is untyped
    """The hash that was dated; None where it is said to be of another kind."""
    imprint = response.tst_info.message_imprint
    message: bytes = imprint.message
    return message if imprint.hash_algorithm.dotted_string == _SHA256 else None


def _name(response: Any) -> str:  # noqa: ANN401 - the library is untyped
    name = response.tst_info.name
    return "" if name is None else str(name)


def _certificates(paths: Sequence[Path]) -> list[Any]:
    from cryptography.x509 import load_pem_x509_certificates  # noqa: PLC0415 - an extra

    found: list[Any] = []
    for path in paths:
        try:
            found += load_pem_x509_certificates(read_once(path, "a certificate"))
        except OSError as error:
            raise UsageError(f"the certificate {path} cannot be read: {error.strerror}") from None
        except ValueError:
            raise UsageError(f"{path} holds no certificate in PEM") from None
    return found


def _library() -> Any:  # noqa: ANN401 - a module
    try:
        import rfc3161_client  # noqa: PLC0415 - an extra
    except ImportError:
        raise UsageError(
            "time-stamps need the library rfc3161-client, which is not installed here",
            hint=install("signing"),
        ) from None
    return rfc3161_client
