"""Whether a trusted key has signed a receipt."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from upload_client.core.attestation import BadSignature, decode_envelope, signature_name
from upload_client.receipts.signing import PublicKey, Signed, check_signature, read_signature
from upload_client.receipts.verify import Checked

State = Literal["unsigned", "not checked", "signed", "refused"]


class Proof(NamedTuple):
    """The state of a receipt's signature.

    Attributes:
        state: ``unsigned``; ``not checked``, since no key is trusted here; ``signed``, by a key that is; or
            ``refused``.
        why: it is refused, or which key it names that is not trusted; else empty.
        signed: the signature that holds.
    """

    state: State
    why: str = ""
    signed: Signed | None = None


def prove(receipt: Path, checked: Checked, keys: Sequence[PublicKey], signature: Path | None = None) -> Proof:
    """Verify a receipt's signature.

    Args:
        receipt: its file; its signature lies beside it (`upload_client.core.attestation.signature_name`).
        checked: what was found in it.
        keys: that are trusted.
        signature: where the signature lies instead.

    Raises:
        UsageError: the signature cannot be read; or it is named, and not there.
    """
    data = read_signature(signature or receipt.with_name(signature_name(receipt.name)))
    if data is None:
        return Proof("unsigned", f"there is no {signature}" if signature is not None else "")
    try:
        signed = check_signature(data, keys, checked.head, checked.sha256)
        if signed is None:
            named = ", ".join(sorted({each.key_id[:16] for each in decode_envelope(data).signatures}))
            return Proof("not checked", named)
    except BadSignature as error:
        return Proof("refused", str(error))
    return Proof("signed", "", signed)
