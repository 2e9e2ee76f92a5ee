"""The checksums besides CRC32: their spelling, their values two ways, and what S3 says of them."""

from __future__ import annotations

import base64
import hashlib
import random
import sys

import crcmod.predefined
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from upload_client.core import digests
from upload_client.core.checksums import CRC32, crc32
from upload_client.core.digests import ALGORITHMS, CRCS, Digests, checksums_stated, combine, encode, parse

CHECK = b"123456789"
KNOWN = {  # the "check" values of the catalogue of CRCs, and of RFC 1321 and FIPS 180 by hashlib
    "crc32c": "e3069283",
    "crc64nvme": "ae8b14860a799888",
    **{name: hashlib.new(name, CHECK).hexdigest() for name in ("md5", "sha1", "sha256", "sha512")},
}


def without_awscrt(monkeypatch):
    monkeypatch.setitem(sys.modules, "awscrt", None)
    digests._crc.cache_clear()


@pytest.fixture(params=["fast", "slow"])
def either(request, monkeypatch):
    """Each way in which CRCs are computed."""
    digests._crc.cache_clear()
    if request.param == "fast":
        pytest.importorskip("awscrt")
    else:
        without_awscrt(monkeypatch)
    yield request.param
    digests._crc.cache_clear()


@pytest.mark.parametrize("name", ALGORITHMS)
def test_each_algorithm_gives_what_its_standard_says(either, name):
    found = Digests([name])
    for block in (CHECK[:4], memoryview(bytearray(CHECK))[4:]):
        found.update(block)
    assert found.digest(name).hex() == KNOWN[name]


def test_awscrt_is_used_where_it_is_installed_and_knows_the_algorithm(monkeypatch):
    aws = pytest.importorskip("awscrt.checksums")
    digests._crc.cache_clear()
    assert digests._crc("crc64nvme") is aws.crc64nvme
    monkeypatch.delattr(aws, "crc64nvme")
    digests._crc.cache_clear()
    assert digests._crc("crc64nvme").__module__.startswith("crcmod")
    digests._crc.cache_clear()


def test_crcmod_has_the_fast_ones_parameters():
    """Its own table of names is the oracle for one of them; the other is in none."""
    assert digests.slow_crc("crc32c")(CHECK, 0) == crcmod.predefined.mkCrcFun("crc-32c")(CHECK)


@given(st.binary(max_size=200), st.integers(0, 200), st.sampled_from(sorted(CRCS)))
def test_both_ways_agree_wherever_the_content_is_cut(data, cut, name):
    aws = pytest.importorskip("awscrt.checksums")
    fast, slow = getattr(aws, name), digests.slow_crc(name)
    assert fast(data[cut:], fast(data[:cut], 0)) == slow(data, 0)


@given(st.lists(st.binary(max_size=60), max_size=5), st.sampled_from(sorted(CRCS)))
@example([b"12345", b"6789"], "crc32c")
def test_a_crc_of_a_whole_is_put_together_from_those_of_its_parts(parts, name):
    def crc(data):
        found = Digests([name])
        found.update(data)
        return found.crc(name)

    whole = Digests([name])
    whole.update(b"".join(parts))
    assert combine(name, [(len(part), crc(part)) for part in parts]) == whole.digest(name)


def test_the_combination_is_that_of_crc32_too():
    assert CRC32.combine(crc32(b"12345"), crc32(b"6789"), 4) == crc32(CHECK)


@given(st.sampled_from(["crc32", *ALGORITHMS]), st.data())
def test_hexadecimal_base64_and_bytes_are_read_alike(name, data):
    size = digests._SIZES[name]
    value = data.draw(st.binary(min_size=size, max_size=size))
    assert parse(name, value) == parse(name, value.hex()) == parse(name, value.hex().upper()) == value
    assert parse(name, encode(value)) == value


def test_bytes_and_digits_are_a_checksum():
    assert parse("crc32c", b"1234") == parse("crc32c", "31323334") == b"1234"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("md5", ""),
        ("md5", "d41d8cd98f00b204e9800998ecf8427"),  # a digit is missing
        ("md5", "d41d8cd98f00b204e9800998ecf8427g"),
        ("md5", "1B2M2Y8AsgTpgAmY7PhCfg"),  # no padding
        ("md5", "1B2M2Y8AsgTpgAmY7PhCfh=="),  # another spelling of the same bytes
        ("md5", " 1B2M2Y8AsgTpgAmY7PhCfg=="),
        ("md5", "d41d8cd98f00b204e9800998ecf8427e-3"),  # an ETag of three parts
        ("md5", b"too short"),
        ("md5", 17),
        ("crc32c", "yH2GHgA="),
        ("crc32c", "ÿH2GHg=="),
        ("sha256", "da39a3ee5e6b4b0d3255bfef95601890afd80709"),  # a SHA-1
    ],
)
def test_what_is_no_checksum_of_that_kind_is_refused(name, value):
    with pytest.raises(ValueError, match=f"bytes of a {name}, in hexadecimal or base64"):
        parse(name, value)


def test_what_s3_says_of_an_object_is_read():
    sha = hashlib.sha256(CHECK).digest()
    said = checksums_stated(
        {
            "ETag": f'"{hashlib.md5(CHECK).hexdigest()}"',
            "ChecksumSHA256": base64.b64encode(sha).decode(),
            "ChecksumCRC64NVME": base64.b64encode(bytes.fromhex(KNOWN["crc64nvme"])).decode(),
            "ChecksumType": "FULL_OBJECT",
        }
    )
    assert {name: value.hex() for name, value in said.items()} == {
        name: KNOWN[name] for name in ("md5", "sha256", "crc64nvme")
    }


@pytest.mark.parametrize(
    "answer",
    [
        {"ChecksumSHA256": "AAAA", "ChecksumType": "FULL_OBJECT"},
        {"ChecksumSHA256": base64.b64encode(bytes(32)).decode() + "-3"},
        {"ChecksumSHA256": base64.b64encode(bytes(32)).decode(), "ChecksumType": "COMPOSITE"},
        {"ETag": f'"{"0" * 32}-2"'},
        {"ETag": f'"{"0" * 32}"', "ServerSideEncryption": "aws:kms"},
        {"ETag": f'"{"0" * 32}"', "SSECustomerAlgorithm": "AES256"},
        {},
    ],
)
def test_what_says_nothing_of_the_content_is_left_out(answer):
    assert checksums_stated(answer) == {}


def test_in_a_directory_bucket_no_etag_is_an_md5():
    answer = {"ETag": f'"{"0" * 32}"'}
    assert checksums_stated(answer, bucket="b--use1-az4--x-s3") == {}
    assert checksums_stated({**answer, "ServerSideEncryption": "AES256"}, bucket="b") == {"md5": bytes(16)}


def test_an_md5_that_s3_computed_goes_before_one_that_the_etag_may_be():
    md5 = random.Random(1).randbytes(16)
    answer = {"ETag": f'"{"0" * 32}"', "ChecksumMD5": base64.b64encode(md5).decode()}
    assert checksums_stated(answer) == {"md5": md5}
