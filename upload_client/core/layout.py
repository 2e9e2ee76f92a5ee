"""The keys of a delivery: the one place that spells them.

Everything of one delivery lives under `{control_prefix}{dataset}/{delivery_id}/` in the control bucket, its
root; its files under the landing prefix in the landing bucket. The keys made here are relative to the root.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from typing import Final

from upload_client.core.files import TRANSFER_TYPES, TransferType

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_PLACEHOLDER: Final = re.compile(r"\{([^{}]*)\}")
_SEGMENT_NAME: Final = re.compile(r"([0-9]{10})\.jsonl")
_SHARD: Final = re.compile(r"/log/validator/([0-9]{4})/\Z")
_NUMBERED: Final = re.compile(r"([0-9]{8})\.(?:csv|json)")

MAX_SHARDS: Final = 64
"""Validators that may be at work on one delivery at once. The client polls the log of each."""

OWNED: Final = "owned"
"""The client's lock. One per delivery: `staging` and `sample` never run at once."""


EXPECTATIONS: Final = "expectations.yaml"
"""The expectations of the receiver. The validator reads them, and nobody here writes them."""


class InvalidName(ValueError):  # noqa: N818 - it reads as what it says
    """A name, prefix or template that must not become part of a key."""


def check_name(name: str, what: str) -> str:
    """Return `name` if it may stand in a key; `what` says whose name it is.

    Raises:
        InvalidName: it does not match `[A-Za-z0-9][A-Za-z0-9._-]{0,62}`.
    """
    if not isinstance(name, str) or _NAME.fullmatch(name) is None:
        raise InvalidName(
            f"{what} {name!r}: 1 to 63 letters without accents, digits, '.', '_' and '-', the first a"
            " letter or digit"
        )
    return name


def fill_template(text: str, *, dataset: str, delivery_id: str, transfer_type: str) -> str:
    """`text` with `{dataset}`, `{delivery_id}` and `{transfer_type}` filled in.

    Raises:
        InvalidName: another placeholder, or a brace that stands alone.
    """
    names = {"dataset": dataset, "delivery_id": delivery_id, "transfer_type": transfer_type}

    def fill(match: re.Match[str]) -> str:
        try:
            return names[match[1]]
        except KeyError:
            raise InvalidName(f"{text!r}: no placeholder is called {match[0]!r}") from None

    if "{" in (rest := _PLACEHOLDER.sub("", text)) or "}" in rest:
        raise InvalidName(f"{text!r}: a brace stands alone")
    return _PLACEHOLDER.sub(fill, text)


@dataclass(frozen=True, slots=True)
class Layout:
    """The keys of one delivery.

    Attributes:
        dataset: name of the data set.
        delivery_id: name of the delivery.
        transfer_type: `staging` or `sample`.
        control_prefix: what stands before the root in the control bucket; empty, or ends in `/`.
        landing_prefix: what stands before each file's path in the landing bucket; empty, or ends in `/`.

    Both prefixes may hold the placeholders of `fill_template`.

    Raises:
        InvalidName: a name or a prefix cannot be part of a key.
    """

    dataset: str
    delivery_id: str
    transfer_type: TransferType
    control_prefix: str = ""
    landing_prefix: str = ""

    def __post_init__(self) -> None:
        check_name(self.dataset, "dataset")
        check_name(self.delivery_id, "delivery id")
        if self.transfer_type not in TRANSFER_TYPES:
            raise InvalidName(
                f"transfer type {self.transfer_type!r}: it is one of {', '.join(TRANSFER_TYPES)}"
            )
        _check_prefix(self.fill(self.control_prefix), "control prefix")
        _check_prefix(self.landing, "landing prefix")

    def fill(self, text: str) -> str:
        """`text` with this delivery's names in place of the placeholders."""
        return fill_template(
            text, dataset=self.dataset, delivery_id=self.delivery_id, transfer_type=self.transfer_type
        )

    def check_places(self, control_bucket: str, landing_bucket: str) -> None:
        """Refuse places where two deliveries could meet, or files and control objects.

        Args:
            control_bucket: name of the control bucket (a template is filled in).
            landing_bucket: the same of the landing bucket.

        Raises:
            InvalidName: the landing bucket and prefix do not name dataset and delivery, two names stand in
                one part of them (`a-b` and `c` would land with `a` and `b-c`), or control and landing nest.
        """
        parts = f"{landing_bucket}/{self.landing_prefix}".split("/")
        for placeholder, name in (("{dataset}", self.dataset), ("{delivery_id}", self.delivery_id)):
            if not any(placeholder in part or part == name for part in parts):
                raise InvalidName(f"landing bucket and prefix must contain {placeholder}")
        if any("{dataset}" in part and "{delivery_id}" in part for part in parts):
            raise InvalidName(
                "{dataset} and {delivery_id} must not stand in one part of the landing bucket and prefix"
            )
        if self.fill(control_bucket) == self.fill(landing_bucket) and (
            self.root.startswith(self.landing) or self.landing.startswith(self.root)
        ):
            raise InvalidName(f"control ({self.root!r}) and landing ({self.landing!r}) must not overlap")

    @property
    def root(self) -> str:
        """The start of every control key of this delivery; the prefix of the control `Bucket`."""
        return f"{self.fill(self.control_prefix)}{self.dataset}/{self.delivery_id}/"

    @property
    def landing(self) -> str:
        """The start of every landing key; the prefix of the landing `Bucket`."""
        return self.fill(self.landing_prefix)

    @property
    def owned(self) -> str:
        """The client's lock."""
        return OWNED

    @property
    def expectations(self) -> str:
        """The document that says what belongs in the delivery."""
        return EXPECTATIONS

    def validator_lock(self, shard: int = 0) -> str:
        """The lock of the validator of a shard."""
        return f"{self.transfer_type}/validator" + (f"-{shard:04d}" if shard else "")

    @property
    def starting(self) -> str:
        """The lock of the starter: a delivery has one start at a time."""
        return f"{self.transfer_type}/starting"

    @property
    def index_prefix(self) -> str:
        """The start of all index keys."""
        return f"{self.transfer_type}/index/"

    def index(self, epoch: int) -> str:
        """The file index as the run of `epoch` understood it."""
        return f"{self.index_prefix}{epoch:08d}.csv"

    @property
    def receipt_prefix(self) -> str:
        """The start of all receipt keys."""
        return f"{self.transfer_type}/receipt/"

    def receipt(self, epoch: int) -> str:
        """The receipt of a delivery that the run of `epoch` finished."""
        return f"{self.receipt_prefix}{epoch:08d}.json"

    def signature(self, epoch: int) -> str:
        """The receiver's signature of that receipt."""
        return f"{self.transfer_type}/signature/{epoch:08d}.json"

    def time_stamp(self, epoch: int) -> str:
        """The time-stamp of that receipt, by an authority that the receiver has asked."""
        return f"{self.transfer_type}/signature/{epoch:08d}.tsr"

    def custody_prefix(self, epoch: int) -> str:
        """The start of the keys of all records of what became of the delivery after that receipt."""
        return f"{self.transfer_type}/custody/{epoch:08d}/"

    def custody(self, epoch: int, n: int) -> str:
        """The n-th of these records."""
        return f"{self.custody_prefix(epoch)}{n:08d}.json"

    @property
    def closed(self) -> str:
        """The receiver's note that the delivery is closed; no client may write it."""
        return f"{self.transfer_type}/closed.json"

    @property
    def hand_over_prefix(self) -> str:
        """The start of the keys of all records of hand-overs."""
        return f"{self.transfer_type}/handover/"

    def hand_over(self, epoch: int) -> str:
        """The record that what the receipt of `epoch` names was handed over."""
        return f"{self.hand_over_prefix}{epoch:08d}.json"

    @property
    def handing_over(self) -> str:
        """The lock of who hands a delivery over: one at a time."""
        return f"{self.transfer_type}/handing-over"

    @property
    def checkpoint_prefix(self) -> str:
        """The start of all checkpoint keys."""
        return f"{self.transfer_type}/checkpoint/"

    def checkpoint(self, seq: int) -> str:
        """The state folded up to client log segment `seq`."""
        return f"{self.checkpoint_prefix}{seq:010d}"

    def client_log(self, transfer_type: TransferType | None = None) -> str:
        """The start of the keys of the client log's segments, of this or of the named transfer type."""
        return f"{transfer_type or self.transfer_type}/log/client/"

    @property
    def validator_logs(self) -> str:
        """The start of the keys of every shard's log."""
        return f"{self.transfer_type}/log/validator/"

    def validator_log(self, shard: int = 0) -> str:
        """The start of the keys of a shard's log."""
        return f"{self.validator_logs}{shard:04d}/"

    def aside(self, at: str, key: str) -> str:
        """Where the receiver sets a key aside that no run can have written, at some moment."""
        return f"aside/{at}/{key}"

    def probe(self, name: str) -> str:
        """The key of an attempt to find out whether the store keeps its promises; a name as an agent has."""
        return f"probe/{check_name(name, 'agent id')}"

    @property
    def store_profile(self) -> str:
        """The profile of the store, written down for the next runs; no agent has such a short name."""
        return "probe/store"


def shard_in(log: str) -> int | None:
    """The shard whose log begins with `log` (`Layout.validator_log`), None where that is no shard's."""
    match = _SHARD.search(log)
    shard = int(match[1]) if match else MAX_SHARDS
    return shard if shard < MAX_SHARDS else None


def shard_of(path: str, shards: int) -> int:
    """Which of so many validators judges the file: by hash of its path, so that all agree without a word."""
    return zlib.crc32(path.encode("utf-8", "surrogatepass")) % shards


def segment_key(log_prefix: str, seq: int) -> str:
    """The key of segment `seq` of the log under `log_prefix`."""
    return f"{log_prefix}{seq:010d}.jsonl"


def segment_seq(log_prefix: str, key: str) -> int | None:
    """The number of the segment at `key`, or None where `key` is no segment of that log."""
    if not key.startswith(log_prefix):
        return None
    match = _SEGMENT_NAME.fullmatch(key, len(log_prefix))
    return int(match[1]) if match else None


def number(key: str) -> int | None:
    """The epoch in an index or receipt key (the last part of the key is read), None where there is none."""
    match = _NUMBERED.fullmatch(key, key.rfind("/") + 1)
    return int(match[1]) if match else None


def _check_prefix(prefix: str, what: str) -> None:
    if prefix == "":
        return
    if not prefix.endswith("/"):
        raise InvalidName(f"{what} {prefix!r} must end in '/'")
    parts = prefix[:-1].split("/")
    if any(part in ("", ".", "..") for part in parts) or not prefix.isascii() or not prefix.isprintable():
        raise InvalidName(f"{what} {prefix!r}: plain names with a '/' after each")
