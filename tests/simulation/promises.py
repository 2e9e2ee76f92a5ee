"""What must hold in every simulation, at every step: an oracle that asks the store, not the product."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, NamedTuple

from simulation.store import WRITES, Object

from upload_client.core import checksums
from upload_client.core.layout import shard_of
from upload_client.core.states import STATES

if TYPE_CHECKING:
    from simulation.scheduling import Process
    from simulation.world import World

    from upload_client.client import UploadClient
    from upload_client.events import FileChanged

_LOCK = "owned"
CLIENT_LOG = "staging/log/client/"
MAX_SHARDS = 3
_VALIDATOR_LOGS = tuple(f"staging/log/validator/{shard:04d}/" for shard in range(MAX_SHARDS))
_VALIDATOR_LOCKS = ("/validator", *(f"/validator-{shard:04d}" for shard in range(1, MAX_SHARDS)))
_RECEIPT = "staging/receipt/"
_CHECKPOINT = "staging/checkpoint/"
"""Derived from the logs and believed only by the hash that a log has of it."""


class Broken(AssertionError):  # noqa: N818 - it says what a promise is
    """A promise does not hold."""


class Announced(NamedTuple):
    """The latest upload of a file that counts."""

    upload: str
    size: int
    crc32: str
    etag: str


class Promises:
    """Watches a world.

    Attributes:
        spoilt: somebody has deleted or garbled the lock: a takeover then cannot be told from theft.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.spoilt = False
        self.meddled: dict[str, float] = {}
        """When a landing object was last changed by somebody else."""
        self._looked: dict[str, float] = {}
        """When a process last saw what has landed."""
        self._root = "sim/d1/"
        self._landing = "sim/d1/staging/"
        self._highest_epoch = 0
        self._n_shards: dict[tuple[int, str], int] = {}
        """How many share the files, by a validator's epoch and log."""
        self._owners: dict[tuple[str, int], str] = {}
        self._taken_over: dict[str, str] = {}
        """Agents whose lock somebody else has taken after their lease, and who that was."""
        self._lock_begun: dict[str, float] = {}
        self._sure: set[str] = set()
        """Processes that have looked at their lock since they last looked at what has landed."""
        self._unlocked: set[tuple[str, int]] = set()
        """Agents, and their epochs, whose lock somebody has taken and given back, and whose log was ended."""
        self._confirmed: dict[str, float] = {}
        """When an agent began the last write of its lock that was carried out."""
        self._next_seq: dict[str, int] = {}
        self._highest: dict[str, int] = {}
        self._ousted: set[tuple[str, int]] = set()
        world.store.observers.append(self._written)
        world.store.begun.append(self._begun)
        world.store.blind = self._blind

    def unlocked(self, agent: str, epoch: int) -> None:
        """A person has taken the lock of this agent, and given it back."""
        self._unlocked.add((agent, epoch))

    def _said_stop(self, agent: str) -> bool:
        said = False
        for seq in range(self._next_seq.get(CLIENT_LOG, 0)):
            header, *lines = [json.loads(line) for line in self._segment(CLIENT_LOG, seq).splitlines()]
            said |= header["agent_id"] == agent and any(line["kind"] == "stop" for line in lines)
        return said

    def broken(self, what: str) -> None:
        """Note what does not hold; the scheduler raises it."""
        scheduler = self.world.scheduler
        if scheduler.trouble is None:
            scheduler.trouble = Broken(f"seed {self.world.seed}: {what}")

    # --- when a request begins, and when it is carried out ---

    def answered(self, process: Process, operation: str, key: str) -> None:
        """A request has been carried out."""
        if operation == "ListObjectsV2" and key == self._landing:
            self._looked[process.name] = self.world.scheduler.now
            self._sure.discard(process.name)

    def _begun(self, process: Process, operation: str, key: str) -> None:
        """After the lease is lost, no new write begins."""
        client = process.client
        if client is None or operation not in WRITES:
            return
        if key == self._root + _LOCK:
            self._lock_begun[client.agent_id] = self.world.scheduler.now
            return
        if key.startswith(self._root + "probe/"):
            return
        if key.startswith(self._root + _RECEIPT) and process.name not in self._sure:
            self.broken(f"{process.name} begins {operation} {key}, and has not looked at its lock before")
        held = client._run.lock
        if held is None or not held.may_write:
            self.broken(f"{process.name} begins {operation} {key} although it may not write")
        age = self.world.scheduler.now - self._confirmed.get(client.agent_id, 0.0)
        if age >= client._run.lock._lease_seconds / 2:
            self.broken(f"{process.name} begins {operation} {key} {age:.1f} s after it last wrote its lock")
        if not self.spoilt and client.agent_id in self._taken_over:
            self.broken(
                f"{process.name} begins {operation} {key} although {self._taken_over[client.agent_id]}"
                " has its lock, and did not steal it"
            )

    # --- when something is written ---

    def _blind(self, bucket: str, key: str) -> None:
        """Nothing is overwritten unseen."""
        if not key.startswith(self._root + _CHECKPOINT):
            self.broken(f"{bucket}/{key} is written whatever is there")

    def _written(self, bucket: str, key: str, old: Object | None, new: Object | None, by: Process) -> None:
        if bucket == "landing":
            self._landed(key.removeprefix(self._landing), new, by)
            return
        name = key.removeprefix(self._root)
        if name.startswith(("probe/", _CHECKPOINT)):
            return
        if new is None:
            self.broken(f"{by.name} deletes {name}")
        elif name == _LOCK:
            self._sure.add(by.name)
            self._locked(old, new, by)
        elif old is not None and not name.endswith(
            (*_VALIDATOR_LOCKS, "/starting")
        ):  # locks are written anew
            self.broken(f"{by.name} overwrites {name}")
        elif name.startswith((CLIENT_LOG, *_VALIDATOR_LOGS)):
            self._appended(name, new, by)
        elif name.startswith(_RECEIPT):
            self.world.store.count("receipts")
            self._delivered(by, "writes the receipt")

    def _landed(self, path: str, new: Object | None, by: Process) -> None:
        """Only what somebody could read as a whole is ever an object."""
        if new is None:
            self.broken(f"{by.name} deletes the landing object {path}")
        elif new.body not in self.world.source.versions.get(path, ()):
            self.broken(f"{by.name} lands something that {path} never was: {new.body[:60]!r}")

    def _locked(self, old: Object | None, new: Object, by: Process) -> None:
        """Epochs only grow, and a lock that is held is taken only after its lease or from the dead."""
        body = json.loads(new.body)
        epoch, agent = body["epoch"], body["agent_id"]
        was = None if old is None or len(old.body) < 10 else json.loads(old.body)
        self._taken_over.pop(agent, None)
        if agent in self._lock_begun:
            self._confirmed[agent] = self._lock_begun[agent]
        if was is None or (was["agent_id"], was["epoch"]) != (agent, epoch):
            # A spoilt lock says nothing. Who then gets an epoch that was given before must not append.
            if epoch <= self._highest_epoch and not self.spoilt:
                self.broken(f"{by.name} takes the lock with epoch {epoch}, after {self._highest_epoch}")
            if was is not None and was["state"] == "held" and was["agent_id"] != agent:
                self.world.store.count("takeovers")
                self._took_over(by, was, old)
        self._highest_epoch = max(self._highest_epoch, epoch)

    def _took_over(self, by: Process, was: dict[str, Any], old: Object | None) -> None:
        assert old is not None
        loser = was["agent_id"]
        if by.steals == loser:
            return
        holder = next(p for p in self.world.owners if f"agent{p.pid}" == loser)
        gone = not holder.alive or holder.name in self.world.finished
        self._taken_over[loser] = by.name
        age = self.world.store.now - old.written
        if not gone and age < was["lease_seconds"]:
            self.broken(f"{by.name} takes the lock of {loser}, who lives, after {age:.1f} s")

    def _appended(self, name: str, new: Object, by: Process) -> None:
        """The chain is never broken, and no two writers ever append with the same rank."""
        prefix, seq = name[:-16], int(name[-16:-6])
        header = json.loads(new.body.split(b"\n", 1)[0])
        previous = self._segment(prefix, seq - 1) if seq else None
        if seq != self._next_seq.get(prefix, 0):
            self.broken(f"{by.name} appends {name} where {self._next_seq.get(prefix, 0)} comes next")
        self._next_seq[prefix] = seq + 1
        prev = None if previous is None else hashlib.sha256(previous).hexdigest()
        if (header["seq"], header["prev"]) != (seq, prev):
            self.broken(f"{by.name} breaks the chain with {name}")
        epoch = header["epoch"]
        late = self.spoilt and self.world.revenants and by.name != "revenant"
        if late and epoch <= self._highest.get(prefix, 0) and b"\n" not in new.body.rstrip():
            return  # a fence: whoever puts it up finds out then that its epoch was given before
        if by.name == "revenant":
            self._ousted.update({(prefix, epoch)} if epoch == self._highest[prefix] else ())
            return
        if (
            by.name != "revenant"
            and (header["agent_id"], header["epoch"]) in self._unlocked
            and b"\n" in new.body.rstrip()
        ):
            self.broken(f"{by.name} appends {name} after its log was ended by whoever took its lock")
        if (prefix, epoch) in self._ousted:
            self.broken(f"{by.name} appends {name} after another agent of its epoch")
        if epoch < self._highest.get(prefix, 0):
            self.broken(f"{by.name} appends {name} in epoch {epoch}, after {self._highest[prefix]}")
        if epoch > self._highest.get(prefix, 0) and b"\n" in new.body.rstrip():
            self.broken(f"{by.name} appends {name} with no fence before it")
        self._highest[prefix] = epoch
        if prefix in _VALIDATOR_LOGS and not self.world.liar:
            self._judged(prefix, new, by)
        owner = self._owners.setdefault((prefix, header["epoch"]), header["agent_id"])
        if owner != header["agent_id"]:
            self.broken(
                f"{owner} and {header['agent_id']} both append to {prefix} in epoch {header['epoch']}"
            )

    def _judged(self, prefix: str, segment: Object, by: Process) -> None:
        """What a validator says is about what was announced to it, and what it found was the same."""
        header = json.loads(segment.body.split(b"\n", 1)[0])
        uploads = {
            (record["path"], record["upload"]): (record["size"], record["crc32"], record["etag"])
            for record in self._counting(CLIENT_LOG)
            if record["kind"] == "transferred"
        }
        for line in segment.body.splitlines()[1:]:
            record = json.loads(line)
            if record["kind"] == "init":
                self._n_shards[header["epoch"], prefix] = record.get("shards", 1)
            if record["kind"] != "verdict":
                continue
            shards = self._n_shards[header["epoch"], prefix]
            if prefix != _VALIDATOR_LOGS[shard_of(record["path"], shards)]:
                self.broken(f"{by.name}, one of {shards}, judges {record['path']} in {prefix}")
            said = uploads.get((record["path"], record["upload"]))
            found = record["found"] and tuple(record["found"][name] for name in ("size", "crc32", "etag"))
            if said is None:
                self.broken(f"{by.name} judges {record['path']} as {record['upload']}, never announced")
            elif record["status"] == "ok" and found != said:
                self.broken(f"{by.name} calls {record['path']} ok, found {found}, announced {said}")
            elif record["status"] == "ok" and record["path"] in self.world.source.bad:
                self.broken(f"{by.name} calls {record['path']} ok")

    def tail(self, prefix: str) -> tuple[dict[str, Any] | None, bytes]:
        """Header and bytes of a log's last segment."""
        seq = self._next_seq.get(prefix, 0)
        if not seq:
            return None, b""
        data = self._segment(prefix, seq - 1)
        return json.loads(data.split(b"\n", 1)[0]), data

    def _segment(self, prefix: str, seq: int) -> bytes:
        return self.world.store.objects["control", f"{self._root}{prefix}{seq:010d}.jsonl"].body

    # --- what has been delivered ---

    def _counting(self, prefix: str) -> list[dict[str, Any]]:
        """The records of a log that count: none of a writer after a newer one has appended."""
        records: list[dict[str, Any]] = []
        highest = 0
        for seq in range(self._next_seq.get(prefix, 0)):
            header, *lines = [json.loads(line) for line in self._segment(prefix, seq).splitlines()]
            if header["epoch"] < highest:
                self.world.store.count("superseded segments read")
                continue
            highest = header["epoch"]
            records += lines
        return records

    def announced(self) -> dict[str, Announced]:
        """The latest upload of each file."""
        return {
            record["path"]: Announced(record["upload"], record["size"], record["crc32"], record["etag"])
            for record in self._counting(CLIENT_LOG)
            if record["kind"] == "transferred"
        }

    def verdicts(self, status: str) -> set[tuple[Any, ...]]:
        """Path, upload, size, CRC32 and ETag of each verdict of that kind."""
        return {
            (
                record["path"],
                record["upload"],
                *((record["found"] or {}).get(name) for name in ("size", "crc32", "etag")),
            )
            for log in _VALIDATOR_LOGS
            for record in self._counting(log)
            if record["kind"] == "verdict" and record["status"] == status
        }

    def _delivered(self, process: Process | None, does: str) -> None:
        """Every file is there, acknowledged, and judged ok under exactly that upload."""
        when = f"when {process.name} {does}" if process else does
        looked = self._looked.get(process.name, 0.0) if process else float("inf")
        ok = self.verdicts("ok")
        announced = self.announced()
        for path in self.world.source.paths:
            if self.meddled.get(path, 0.0) >= looked:
                continue  # nobody can tell what is done to it after the last look
            said = announced.get(path)
            there = self.world.store.objects.get(("landing", self._landing + path))
            if said is None or there is None:
                self.broken(f"{when}, {path} is not there, or was never announced")
                continue
            found = (len(there.body), checksums.encode(checksums.crc32(there.body)), there.etag)
            if found != (said.size, said.crc32, said.etag):
                self.broken(f"{when}, {path} is {found} and not {said}")
            if (path, said.upload, *found) not in ok:
                self.broken(f"{when}, {path} has no verdict for {said}")

    # --- what a client says ---

    def planned(self, client: UploadClient) -> None:
        """What a client knows of uploads when it begins is all that will ever count of earlier ones."""
        delivery = client._run.connected
        assert delivery is not None
        if delivery.lock.epoch < self._highest[CLIENT_LOG]:
            return  # it has been superseded while it looked
        announced = self.announced()
        for row in range(len(delivery.ledger)):
            upload, path = delivery.ledger.upload(row), delivery.ledger.relpath(row)
            said = announced.get(path)
            new = upload is not None and upload.epoch == delivery.lock.epoch
            if not new and (upload and upload.id) != (said and said.upload):
                self.broken(f"{client.agent_id} takes {upload} for the latest of {path}, which is {said}")

    def ruled(self, client: UploadClient, event: FileChanged) -> None:
        """No file is valid or invalid but by a verdict about its latest upload, or by the last look."""
        if event.state not in ("valid", "invalid") or self.world.liar:
            return
        delivery = client._run.connected
        assert delivery is not None
        row = delivery.ledger.row(event.relpath)
        assert row is not None
        upload = delivery.ledger.upload(row)
        last_look = event.state == "invalid" and "after it was judged" in (event.message or "")
        status = "ok" if event.state == "valid" else "failure"
        said = {each[:2] for each in self.verdicts(status)}
        if not last_look and (upload is None or (event.relpath, upload.id) not in said):
            self.broken(f"{client.agent_id} takes {event.relpath} for {event.state}: {event.message}")

    def recount(self, client: UploadClient) -> None:
        """The counts are those of the files."""
        delivery = client._run.connected
        if delivery is None:
            return
        ledger = delivery.ledger
        counts = dict.fromkeys(STATES, 0)
        for row in range(len(ledger)):
            counts[ledger.state(row)] += 1
        if counts != ledger.counts():
            self.broken(f"{client.agent_id} counts {ledger.counts()} where there are {counts}")

    def exits(self, process: Process, client: UploadClient, code: int) -> None:
        """Nobody says 0 when it is not so."""
        self.recount(client)
        if code == 0:
            self._delivered(process, "exits 0")
            if (client.agent_id, client._run.lock.epoch) in self._unlocked and not self._said_stop(
                client.agent_id
            ):
                self.broken(f"{process.name} exits 0 although its lock was taken before it had said its last")
        if not client.done:
            self.broken(f"{process.name} exits {code} as {client.state}")
        if code == 1:
            self.world.store.count("unexpected errors")

    def at_the_end(self) -> None:
        """All that lies there is what the provider has now; nobody has to be told twice."""
        source = self.world.source
        for path, versions in source.versions.items():
            there = self.world.store.objects.get(("landing", self._landing + path))
            if there is None or there.body != versions[-1]:
                self.broken(f"in the end, {path} is not what the provider has")
        if not source.bad:
            self._delivered(None, "in the end")
        if self.world.scheduler.trouble is not None:
            raise self.world.scheduler.trouble
