"""Any order of uploads, verdicts (true, late, twice, made up) and questions: only a true one counts."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from upload_client.core import verdicts
from upload_client.core.files import FileLedger
from upload_client.core.records import Found, Verdict
from upload_client.core.states import STATES
from upload_client.core.uploads import Upload

EPOCH = 3
N = 3
T = "2026-01-02T03:04:05.678Z"
CRCS = ("AAAAAA==", "AAAAAQ==", "AAAAAg==")


class AnyVerdicts(RuleBasedStateMachine):
    """A ledger, the real table of verdicts, and a memory of what was sent and what was said."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger = FileLedger([f"f{n}" for n in range(N)], abspaths="/", max_retries=1)
        self.now = 0.0
        self.uploads: dict[int, Upload] = {}
        self.said: dict[int, list[Verdict]] = {row: [] for row in range(N)}
        for row in range(N - 1):  # sent in an earlier run, and changed since
            self.uploads[row] = Upload(EPOCH - 1, row + 1, 5, CRCS[row], "e" * 32)
            self.ledger.place(row, "ready", upload=self.uploads[row])
        self.old = dict(self.uploads)
        self.n_uploads = 0

    @precondition(lambda self: self.ledger.order.next_row(self.now) is not None)
    @rule(size=st.integers(0, 2), crc=st.sampled_from(CRCS), again=st.booleans(), ok=st.booleans())
    def a_file_is_sent(self, size, crc, again, ok):
        row = self.ledger.order.next_row(self.now)
        self.ledger.queue(row)
        self.ledger.start(row)
        if not ok:
            self.ledger.fail(row, "why", now=self.now, again=again, delay=1.0)
            return
        self.n_uploads += 1
        upload = Upload(EPOCH, self.n_uploads, size, crc, f"{self.n_uploads:032x}")
        if self.ledger.transferred(row, upload, T):
            self.uploads[row] = upload
            self.said[row] = []

    @rule(
        row=st.integers(0, N - 1),
        which=st.sampled_from(["latest", "latest", "earlier", "never"]),
        status=st.sampled_from(["ok", "ok", "failure", "error"]),
        found=st.sampled_from(["right", "right", "wrong", "none"]),
        ask=st.integers(0, 2),
    )
    def somebody_says(self, row, which, status, found, ask):
        upload = self.uploads.get(row)
        if which == "earlier":
            upload = self.old.get(row)
        elif which == "never" or upload is None:
            upload = Upload(EPOCH, 99, 1, CRCS[0], "f" * 32)
        if upload is None:
            return
        seen = {
            "right": Found(upload.size, upload.crc32, upload.etag),
            "wrong": Found(upload.size + 1, upload.crc32, upload.etag),
            "none": None,
        }[found]
        verdict = Verdict(T, f"f{row}", upload.id, ask, status, "so there", seen, ())
        before = self.ledger.state(row)
        ruling = verdicts.apply(self.ledger, verdict, epoch=EPOCH, now=self.now)
        self.said[row].append(verdict)
        if ruling.action in ("ignore", "ask_again", "unjudged"):
            assert self.ledger.state(row) == before

    @rule(seconds=st.sampled_from([1.0, 6.0, 31.0, 121.0]))
    def time_passes_and_questions_are_asked(self, seconds):
        self.now += seconds
        while (row := self.ledger.asks.next(self.now)) is not None:
            assert self.ledger.state(row) == "done"

    @invariant()
    def what_is_valid_was_called_ok_as_it_is_and_by_no_one_anything_else(self):
        for row in range(N):
            if self.ledger.state(row) != "valid":
                continue
            upload = self.uploads[row]
            about = [verdict for verdict in self.said[row] if verdict.upload == upload.id]
            right = Found(upload.size, upload.crc32, upload.etag)
            assert upload.epoch == EPOCH
            assert any(verdict.status == "ok" and verdict.found == right for verdict in about)
            assert all(verdict.status != "failure" for verdict in about)

    @invariant()
    def what_was_never_sent_is_never_valid_and_what_was_made_up_is_never_believed(self):
        for row in range(N):
            if any(verdict.upload == f"{EPOCH}-99" for verdict in self.said[row]):
                assert self.ledger.state(row) not in ("valid", "done", "ready")

    @invariant()
    def the_counts_are_those_of_the_files(self):
        states = [self.ledger.state(row) for row in range(N)]
        assert self.ledger.counts() == {state: states.count(state) for state in STATES}


TestAnyVerdicts = AnyVerdicts.TestCase
TestAnyVerdicts.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
