"""Names of images, and what manifests say."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upload_client.core.images import (
    LIST_TYPES,
    MANIFEST_TYPES,
    Blob,
    Challenge,
    ImageError,
    ImageName,
    Manifest,
    challenge_of,
    ecr_host,
    ecr_place,
    is_tag,
    parse_image,
    place_at_api,
    read_manifest,
)

A, B, C = (f"sha256:{letter * 64}" for letter in "abc")
HOST = "123456789012.dkr.ecr.eu-central-1.amazonaws.com"


@pytest.mark.parametrize(
    ("text", "name", "reference"),
    [
        ("tool", ImageName("", "tool"), "latest"),
        ("group/tool:1.2", ImageName("", "group/tool", "1.2"), "1.2"),
        (f"{HOST}/group/tool@{A}", ImageName(HOST, "group/tool", "", A), A),
        (f"localhost:5000/tool:x@{A}", ImageName("localhost:5000", "tool", "x", A), A),
        ("localhost/tool", ImageName("localhost", "tool"), "latest"),
        ("store:80/tool", ImageName("store:80", "tool"), "latest"),
        ("ghcr.io/a/b", ImageName("ghcr.io", "a/b"), "latest"),
    ],
)
def test_a_name_is_taken_apart_and_written_again(text, name, reference):
    assert parse_image(text) == name
    assert str(name) == text
    assert name.reference == reference


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Tool",
        "a:",
        "a@",
        "a@sha256:12",
        f"a@{A}x",
        "a//b",
        "a/../b",
        "/a",
        "a:b:c",
        "a:.x",
        "a b",
        "é",
        "a\n",
    ],
)
def test_what_is_no_name_is_refused(text):
    with pytest.raises(ImageError):
        parse_image(text)


@given(st.text(max_size=40))
def test_any_text_is_a_name_that_is_written_as_it_was_or_none(text):
    with contextlib.suppress(ImageError):
        assert str(parse_image(text)) == text


@pytest.mark.parametrize(
    ("host", "region"),
    [
        (HOST, "eu-central-1"),
        ("123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
        ("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        ("123456789012.dkr.ecr.eusc-de-east-1.amazonaws.eu", "eusc-de-east-1"),
        ("123456789012.dkr-ecr.eu-central-1.on.aws", "eu-central-1"),
        ("123456789012.dkr-ecr-fips.us-east-1.on.aws", "us-east-1"),
        ("123456789012.dkr-ecr.cn-north-1.on.amazonwebservices.com.cn", "cn-north-1"),
    ],
)
def test_a_registry_of_ecr_says_account_and_region(host, region):
    assert ecr_place(host) == ("123456789012", region)
    assert ecr_place(f"{host}.example.org") is None
    assert ecr_place(f"{host}:443") is None
    assert ecr_place("ghcr.io") is None


@pytest.mark.parametrize("region", ["eu-central-1", "us-gov-west-1", "cn-north-1", "eusc-de-east-1"])
def test_an_account_and_a_region_name_the_registry_that_says_both(region):
    assert ecr_place(ecr_host("123456789012", region)) == ("123456789012", region)
    assert ecr_host("123456789012", "eu-central-1") == HOST


@pytest.mark.parametrize(
    ("registry", "repository", "there"),
    [
        ("docker.io", "python", ("index.docker.io", "library/python")),
        ("index.docker.io", "group/tool", ("index.docker.io", "group/tool")),
        ("ghcr.io", "tool", ("ghcr.io", "tool")),
    ],
)
def test_docker_hub_is_asked_at_another_host_and_its_own_images_have_a_folder(registry, repository, there):
    assert place_at_api(registry, repository) == there


@pytest.mark.parametrize(
    ("header", "challenge"),
    [
        (
            (
                'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",'
                'scope="repository:a/b:pull,push"'
            ),
            Challenge("https://auth.docker.io/token", "registry.docker.io", "repository:a/b:pull,push"),
        ),
        ('bearer realm="https://h/t"', Challenge("https://h/t")),
        ("Bearer realm=https://h/t , service=s", Challenge("https://h/t", "s")),
        ('Basic realm="x", Bearer realm="https://h/t"', Challenge("https://h/t")),
        ('Bearer realm="https://h/t?a=\\"b\\"",realm="https://other"', Challenge('https://h/t?a="b"')),
        ('Basic realm="Bearer "', None),
        ('Bearer service="s"', None),
        ("Bearer", None),
        ("", None),
    ],
)
def test_a_registry_says_where_there_are_tokens(header, challenge):
    assert challenge_of(header) == challenge


@given(st.text())
def test_whatever_it_says_is_a_challenge_or_none(header):
    found = challenge_of(header)
    assert found is None or found.realm


def test_a_tag_is_no_path():
    assert is_tag("v1.2_x-3")
    assert not is_tag("../x")


def text_of(**read):
    return json.dumps(read).encode()


def part(digest, size=1, **more):
    return {"digest": digest, "size": size, **more}


@pytest.mark.parametrize("kind", sorted(set(MANIFEST_TYPES) - set(LIST_TYPES)))
def test_a_manifest_names_configuration_and_layers_each_once(kind):
    layers = [part(B, 2), part(B, 2), part(C, 3, mediaType="x.rootfs.foreign.diff.tar.gzip"), part(C, 0)]
    content = text_of(mediaType=kind, config=part(A), layers=layers)
    assert read_manifest(content) == Manifest(kind, (Blob(A, 1), Blob(B, 2), Blob(C, 0)))


@pytest.mark.parametrize("kind", LIST_TYPES)
def test_a_list_names_its_manifests(kind):
    content = text_of(manifests=[part(A), part(B), part(A)])
    assert read_manifest(content, kind) == Manifest(kind, children=(A, B))


@pytest.mark.parametrize("kind", LIST_TYPES)
def test_a_list_may_name_layers_by_themselves_as_a_cache_of_builds_does(kind):
    manifest, layer = MANIFEST_TYPES[0], "application/vnd.oci.image.layer.v1.tar+zstd"
    listed = [part(A, mediaType=manifest), part(B, 2, mediaType=layer), part(C, 3, mediaType=layer)]
    assert read_manifest(text_of(manifests=[*listed, listed[1]]), kind) == Manifest(
        kind, (Blob(B, 2), Blob(C, 3)), (A,)
    )


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"[" * 100_000,
        b"[]",
        text_of(),
        text_of(mediaType="application/vnd.docker.distribution.manifest.v1+json"),
        text_of(mediaType=LIST_TYPES[0]),
        text_of(mediaType=MANIFEST_TYPES[0], config=part(A), layers={}),
        text_of(mediaType=MANIFEST_TYPES[0], config=None, layers=[]),
        text_of(mediaType=MANIFEST_TYPES[0], config=part("sha512:x"), layers=[]),
        text_of(mediaType=MANIFEST_TYPES[0], config=part(A, -1), layers=[]),
        text_of(mediaType=MANIFEST_TYPES[0], config=part(A), layers=[part(B, True)]),
        text_of(mediaType=MANIFEST_TYPES[0], config=part(A), layers=["x"]),
    ],
    ids=lambda one: one[:40],
)
def test_what_is_no_manifest_is_refused(content):
    with pytest.raises(ImageError):
        read_manifest(content)
