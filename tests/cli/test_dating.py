"""A receipt dated by a time-stamping authority: OpenSSL's, on this machine."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import subprocess
import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from authority import Authority
from cli.test_verify import receipt_of

from upload_client.core.layout import Layout
from upload_client.receipts.dating import bring_time_stamp, date, date_stored
from upload_client.receipts.store import bring_receipt
from upload_client.s3.bucket import Bucket

pytest.importorskip("rfc3161_client")
if shutil.which("openssl") is None:
    pytest.skip("needs openssl", allow_module_level=True)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    made = Authority(tmp_path_factory.mktemp("tsa") / "one")
    yield made
    made.close()


@pytest.fixture
def receipt(data, tmp_path):
    return receipt_of(data, tmp_path)[0]


@pytest.fixture
def dated(run, authority, receipt):
    said = run("receipt", "date", receipt, "--tsa", authority.url)
    assert said.code == 0, said
    return receipt


def test_a_receipt_is_dated_and_verified_without_asking_anybody(run, authority, dated):
    said = run("verify", dated, "--tsa-cert", authority.root, "--json")
    assert said.code == 0, said
    found = json.loads(said.out.splitlines()[-1])["dated"]
    assert found["state"] == "dated"
    assert found["at"].endswith("Z")
    assert (
        "by a time-stamping authority that is trusted"
        in run("verify", dated, "--tsa-cert", authority.root).out
    )


def test_beside_the_data_it_is_no_part_of_them(run, dated, data):
    from upload_client.index import scan

    stamp = dated.with_name(dated.name.replace(".json", ".tsr"))
    before = scan(data)
    (data / stamp.name).write_bytes(stamp.read_bytes())
    (data / dated.name).write_bytes(dated.read_bytes())
    assert scan(data).equals(before)
    assert run("verify", data / dated.name, "--source", data).code == 0
    (data / "theirs.receipt.tsr").write_bytes(stamp.read_bytes())  # of something else, as far as can be told
    (data / stamp.name).write_bytes(b"0" * 500)
    assert set(scan(data)["path"]) - set(before["path"]) == {"theirs.receipt.tsr", stamp.name}


def test_openssl_verifies_it_as_well(authority, dated):
    stamp = dated.with_name(dated.name.replace(".json", ".tsr"))
    command = ["openssl", "ts", "-verify", "-data", dated, "-in", stamp, "-CAfile", authority.root]
    assert "Verification: OK" in subprocess.run(command, capture_output=True, text=True, check=False).stdout


def test_without_a_certificate_it_is_said_that_nobody_is_trusted(run, dated):
    said = run("verify", dated)
    assert said.code == 0
    assert "--tsa-cert" in said.out


def test_a_receipt_that_was_written_later_is_refused(run, authority, dated, data, tmp_path):
    (data / "a.csv").write_text("other")
    receipt_of(data, tmp_path)
    said = run("verify", dated, "--tsa-cert", authority.root)
    assert said.code == 3
    assert "time-stamp of something else" in said.out


@pytest.mark.parametrize("hashed", ["its SHA-512", "its SHA-256, called SHA3-256"])
def test_a_time_stamp_over_another_hash_is_refused(run, authority, dated, tmp_path, hashed):
    digest = hashlib.file_digest(dated.open("rb"), "sha256").hexdigest()
    of = ["-data", dated, "-sha512"] if hashed == "its SHA-512" else ["-digest", digest, "-sha3-256"]
    query = tmp_path / "query"
    subprocess.run(["openssl", "ts", "-query", *of, "-cert", "-out", query], check=True, capture_output=True)
    dated.with_name(dated.name.replace(".json", ".tsr")).write_bytes(authority.reply(query.read_bytes()))
    said = run("verify", dated, "--tsa-cert", authority.root)
    assert (said.code, "REFUSED: it is over another hash than SHA-256" in said.out) == (3, True)


def test_another_authority_and_a_damaged_time_stamp_are_refused(run, dated, tmp_path, authority):
    other = Authority(tmp_path / "other")
    other.close()
    said = run("verify", dated, "--tsa-cert", other.root)
    assert (said.code, "REFUSED" in said.out) == (3, True)
    stamp = dated.with_name(dated.name.replace(".json", ".tsr"))
    whole = stamp.read_bytes()
    stamp.write_bytes(whole[:-9])
    said = run("verify", dated, "--tsa-cert", authority.root)
    assert (said.code, "REFUSED" in said.out) == (3, True)
    stamp.write_bytes(whole)
    assert run("verify", dated, "--tsa-cert", dated).code == 2  # no certificate


@pytest.mark.parametrize("answers", [b"", b"<html>a portal</html>", b"0" * 300_000])
def test_what_is_no_authority_is_told_and_nothing_is_written(run, authority, receipt, monkeypatch, answers):
    monkeypatch.setattr(authority, "answers", answers)
    said = run("receipt", "date", receipt, "--tsa", authority.url)
    assert said.code == 2
    assert "no time-stamping authority" in said.err
    assert not receipt.with_name(receipt.name.replace(".json", ".tsr")).exists()


def test_an_answer_to_another_question_is_no_date(run, authority, receipt, dated, monkeypatch):
    stamp = dated.with_name(dated.name.replace(".json", ".tsr"))
    monkeypatch.setattr(authority, "answers", stamp.read_bytes())  # the right hash, asked for before
    assert run("receipt", "date", receipt, "--tsa", authority.url).code == 2


def test_an_authority_that_does_not_answer_is_not_reachable(run, receipt):
    assert run("receipt", "date", receipt, "--tsa", "http://127.0.0.1:9/").code == 7
    assert run("receipt", "date", receipt, "--tsa", "file:///etc/hostname").code == 2


@pytest.fixture
def odd_authority():
    """One that leads elsewhere, or says a byte at a time; the paths that were asked for."""
    asked, ends = [], threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            asked.append(self.path)
            self.send_response(302 if self.path == "/leads" else 200)
            self.send_header("Location", "/elsewhere")
            self.end_headers()
            while self.path == "/trickles" and not ends.wait(0.02):
                self.wfile.write(b"0")

        do_GET = do_POST  # noqa: N815 - the library's names

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    ends.set()
    server.shutdown()
    server.server_close()


def test_an_authority_that_trickles_for_ever_holds_nobody(run, receipt, odd_authority, monkeypatch):
    monkeypatch.setattr("upload_client.receipts.dating._WHOLE_SECONDS", 0.5)
    said = run("receipt", "date", receipt, "--tsa", f"{odd_authority[0]}/trickles")
    assert (said.code, "does not answer in time" in said.err) == (7, True)


def test_an_authority_leads_nobody_elsewhere(run, receipt, odd_authority):
    url, asked = odd_authority
    assert run("receipt", "date", receipt, "--tsa", f"{url}/leads").code == 7
    assert asked == ["/leads"]


def test_a_receipt_is_dated_in_memory_that_does_not_grow_with_it(authority, tmp_path):
    large = tmp_path / "large.receipt.json"
    with large.open("wb") as file:
        file.truncate(256 * 1024**2)
    tracemalloc.start()
    try:
        date(large, authority.url)
        assert tracemalloc.get_traced_memory()[1] < 16 * 1024**2
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("url", "code"), [("http://[", 2), ("http://a..b/", 7), ("http://host/\u00e9", 7)])
def test_a_url_that_can_be_none_is_told_in_words(run, receipt, url, code):
    said = run("receipt", "date", receipt, "--tsa", url)
    assert (said.code, "time-stamping authority" in said.err) == (code, True)


def test_the_receiver_dates_what_lies_in_its_bucket_once_and_it_is_brought_beside(
    run, authority, receipt, tmp_path, bucket
):
    layout = Layout("D", "Y", "staging")
    control = Bucket(bucket.name, prefix=layout.root, client=bucket.client)
    control.put(layout.receipt(1), receipt.read_bytes())
    key = date_stored(control, layout, 1, authority.url)
    first = control.get(key).body
    assert (date_stored(control, layout, 1, authority.url), control.get(key).body) == (key, first)
    stamp = bring_time_stamp(control, layout, layout.receipt(1), receipt)
    assert stamp.read_bytes() == first
    assert bring_time_stamp(control, layout, layout.receipt(1), receipt) is None  # what is there stays
    assert bring_time_stamp(control, layout, layout.receipt(2), tmp_path / "other.json") is None
    said = run("verify", receipt, "--tsa-cert", authority.root)
    assert (said.code, "by a time-stamping authority that is trusted" in said.out) == (0, True)


def test_what_lay_beside_a_receipt_goes_with_it_when_another_one_is_fetched(run, dated, tmp_path, bucket):
    control, layout = Bucket(bucket.name, prefix="D/Y/", client=bucket.client), Layout("D", "Y", "staging")
    control.put(layout.receipt(1), dated.read_bytes())
    stamp = dated.with_name(dated.name.replace(".json", ".tsr"))
    bring_receipt(control, layout.receipt(1), dated, force=True)
    assert stamp.exists()  # it is of this receipt
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "a.csv").write_text("x")
    control.put(layout.receipt(2), receipt_of(tmp_path / "other", tmp_path / "other")[0].read_bytes())
    bring_receipt(control, layout.receipt(2), dated, force=True)
    assert not stamp.exists()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
def test_a_receipt_goes_into_a_pipe_which_nobody_reads_before(receipt, tmp_path, bucket):
    control, layout = Bucket(bucket.name, prefix="D/Y/", client=bucket.client), Layout("D", "Y", "staging")
    control.put(layout.receipt(1), receipt.read_bytes())
    os.mkfifo(tmp_path / "pipe")
    with ThreadPoolExecutor(1) as pool:
        read = pool.submit((tmp_path / "pipe").read_bytes)
        _, sha256 = bring_receipt(control, layout.receipt(1), tmp_path / "pipe")
        assert hashlib.sha256(read.result(60)).hexdigest() == sha256


def test_the_password_of_a_proxy_may_hold_what_ends_a_name(run, receipt, monkeypatch):
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("http_proxy", "http://robot:s3cr#t@/pw@127.0.0.1:9")
    said = run("receipt", "date", receipt, "--tsa", "http://example.org/tsa")
    assert said.code == 7
    assert "does not answer: " in said.err
    assert "refused" in said.err
    assert "s3cr" not in said.err


def test_what_does_not_speak_http_is_told_as_no_answer(run, receipt):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer():
            connection, _ = server.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"220 mail.example.org\r\n")

        threading.Thread(target=answer, daemon=True).start()
        said = run("receipt", "date", receipt, "--tsa", f"http://127.0.0.1:{server.getsockname()[1]}/")
    assert said.code == 7
    assert "the time-stamping authority does not answer" in said.err
