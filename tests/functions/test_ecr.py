"""Container images, copied with all that they are made of."""

from __future__ import annotations

import tracemalloc

import pytest
import urllib3
from registries import INDEX, OCI, PROGRAM, FakeRegistry, Tokens, digest_of, real_registry

from upload_client.functions import registry as registries
from upload_client.functions.ecr import ImageReplicatorHandler
from upload_client.functions.errors import InvalidRequest
from upload_client.functions.registry import DigestMismatch, LoginWanted, RegistryError, TooSlow

LAYERS = [b"first" * 100, b"second" * 100_000, b"x"]


@pytest.fixture(scope="module")
def _real(tmp_path_factory):
    if PROGRAM is None:
        pytest.skip("docker-registry is not installed")
    with (
        real_registry(tmp_path_factory.mktemp("source")) as source,
        real_registry(tmp_path_factory.mktemp("target")) as target,
    ):
        yield source, target


@pytest.fixture(params=["fake", "real"])
def pair(request):
    """A source and a target, empty or not."""
    if request.param == "real":
        yield request.getfixturevalue("_real")
    else:
        source, target = FakeRegistry(), FakeRegistry()
        yield source, target
        source.close()
        target.close()


@pytest.fixture
def fakes(monkeypatch):
    monkeypatch.setattr(registries.time, "sleep", lambda _: None)
    source, target = FakeRegistry(), FakeRegistry()
    yield source, target
    source.close()
    target.close()


def copy(source, to, *tags):
    event = {"source_image": source, "destination_repository": to, "destination_image_tags": list(tags)}
    return ImageReplicatorHandler.get_handler()(event)["destination_image"]


def test_an_image_is_there_with_every_layer_under_every_tag(pair):
    source, target = pair
    digest = source.push_image("group/tool", "1.0", *LAYERS)
    answer = copy(f"{source.host}/group/tool:1.0", f"{target.host}/archive/tool", "1.0", "latest")
    assert (answer["registry"], answer["repository_name"]) == (target.host, "archive/tool")
    assert answer["image_digest"] == digest
    for reference in ("1.0", "latest", digest):
        assert target.manifest("archive/tool", reference)[0] == digest
    for layer in [*LAYERS, b"{}"]:
        assert target.blob("archive/tool", digest_of(layer)) == layer


def test_without_a_tag_it_is_there_by_its_digest_and_a_digest_names_the_source(pair):
    source, target = pair
    digest = source.push_image("untagged", None, b"layer of it")
    source_image = {"registry": source.host, "repository_name": "untagged", "image_digest": digest}
    assert copy(source_image, f"{target.host}/untagged")["image_digest"] == digest
    assert target.manifest("untagged", digest)[0] == digest


def test_of_several_architectures_all_are_copied(pair):
    source, target = pair
    images = [source.push_image("multi", None, arch.encode()) for arch in ("amd64", "arm64")]
    index = {
        "schemaVersion": 2,
        "mediaType": INDEX,
        "manifests": [
            {"digest": digest, "size": 1, "mediaType": "application/vnd.oci.image.manifest.v1+json"}
            for digest in images
        ],
    }
    for n, digest in enumerate(images):
        index["manifests"][n]["size"] = len(
            source._ask(
                "GET",
                f"/v2/multi/manifests/{digest}",
                headers={"Accept": "application/vnd.oci.image.manifest.v1+json"},
            ).data
        )
    digest = source.push_manifest("multi", "all", index)
    assert copy(f"{source.host}/multi:all", f"{target.host}/multi", "all")["image_digest"] == digest
    assert target.manifest("multi", "all")[1] == index
    for arch, image in zip((b"amd64", b"arm64"), images, strict=True):
        assert target.manifest("multi", image)
        assert target.blob("multi", digest_of(arch)) == arch


def artifact(registry) -> dict:
    """A bill of materials, as ORAS pushes it: the configuration is empty, the layer no archive."""
    empty = registry.push_blob("kinds", b"{}") | {"mediaType": "application/vnd.oci.empty.v1+json"}
    layer = registry.push_blob("kinds", b'{"spdxVersion": "SPDX-2.3"}') | {
        "mediaType": "application/spdx+json"
    }
    about = {"artifactType": "application/spdx+json", "annotations": {"org.opencontainers.image.title": "a"}}
    return {"schemaVersion": 2, "mediaType": OCI, "config": empty, "layers": [layer], **about}


def build_cache(registry) -> dict:
    """A cache of builds, as BuildKit pushes it: a list whose entries are layers and their description."""
    layer = registry.push_blob("kinds", b"\x28\xb5\x2f\xfd and so on") | {
        "mediaType": "application/vnd.oci.image.layer.v1.tar+zstd"
    }
    about = registry.push_blob("kinds", b'{"layers": []}') | {
        "mediaType": "application/vnd.buildkit.cacheconfig.v0"
    }
    return {"schemaVersion": 2, "mediaType": INDEX, "manifests": [layer, about]}


@pytest.mark.parametrize("make", [artifact, build_cache])
def test_what_is_no_image_is_copied_as_it_is(pair, make):
    source, target = pair
    kept = make(source)
    digest = source.push_manifest("kinds", make.__name__, kept)
    answer = copy(f"{source.host}/kinds:{make.__name__}", f"{target.host}/kinds/{make.__name__}", "t")
    assert answer["image_digest"] == digest
    assert target.manifest(f"kinds/{make.__name__}", "t") == (digest, kept)
    for each in kept.get("layers", kept.get("manifests")):
        assert digest_of(target.blob(f"kinds/{make.__name__}", each["digest"])) == each["digest"]


def test_what_is_there_is_not_sent_again(fakes, printed):
    source, target = fakes
    source.push_image("tool", "1", *LAYERS)
    target.push_blob("tool", LAYERS[1])
    names = f"{source.host}/tool:1", f"{target.host}/tool"
    target.requests.clear()
    copy(*names, "1")
    assert sum(method == "PATCH" for method, _, _ in target.requests) == len(LAYERS)  # one less, and "{}"
    target.requests.clear()
    copy(*names, "1")
    assert {method for method, _, _ in target.requests} == {"HEAD"}
    assert not any("/blobs/" in path for _, path, _ in target.requests)  # the manifest is there: all is
    assert [line["LayersCopied"] for line in printed()] == [[3.0], [0.0]]


def test_within_one_registry_nothing_is_sent_at_all(fakes):
    source, _ = fakes
    source.push_image("tool", "1", *LAYERS)
    source.requests.clear()
    copy(f"{source.host}/tool:1", f"{source.host}/copy", "1")
    assert "PATCH" not in {method for method, _, _ in source.requests}
    assert source.manifest("copy", "1")


@pytest.mark.parametrize("layer", LAYERS, ids=len)
def test_a_layer_that_is_not_what_its_digest_says_ends_it_and_the_copy_has_no_name(fakes, layer):
    source, target = fakes
    source.push_image("tool", "1", *LAYERS)
    source.damage.add(digest_of(layer))
    with pytest.raises(DigestMismatch, match="has another digest"):
        copy(f"{source.host}/tool:1", f"{target.host}/tool", "1")
    assert target.manifest("tool", "1") is None
    assert target.blob("tool", digest_of(layer)) is None


def test_a_manifest_that_is_not_what_its_digest_says_is_refused(fakes):
    source, target = fakes
    digest = source.push_image("tool", "1", *LAYERS)
    content, kind = source.manifests["tool", digest]
    source.manifests["tool", digest] = content + b" ", kind
    with pytest.raises(DigestMismatch):
        copy(f"{source.host}/tool@{digest}", f"{target.host}/tool", "1")


def test_what_is_cut_off_or_refused_for_a_moment_is_asked_for_again(fakes):
    source, target = fakes
    source.push_image("tool", "1", *LAYERS)
    source.cut[digest_of(LAYERS[1])] = 2
    target.fail_once += ["PATCH", "HEAD", "PUT"]
    copy(f"{source.host}/tool:1", f"{target.host}/tool", "1")
    assert target.blob("tool", digest_of(LAYERS[1])) == LAYERS[1]


def test_what_is_cut_off_again_and_again_ends_it(fakes):
    source, target = fakes
    source.push_image("tool", "1", *LAYERS)
    source.cut[digest_of(LAYERS[1])] = 99
    with pytest.raises(RegistryError):
        copy(f"{source.host}/tool:1", f"{target.host}/tool", "1")
    assert target.manifest("tool", "1") is None


@pytest.mark.parametrize(
    ("side", "method", "part"),
    [
        ("source", "GET", "/manifests/"),
        ("source", "GET", "/blobs/"),
        ("source", "BODY", ""),
        ("target", "HEAD", "/manifests/"),
        ("target", "HEAD", "/blobs/"),
        ("target", "POST", "/uploads/"),
        ("target", "PATCH", "/uploads/"),
        ("target", "PUT", "/uploads/"),
        ("target", "PUT", "/manifests/"),
    ],
)
def test_a_registry_that_answers_a_byte_at_a_time_holds_nobody_for_ever(
    fakes, monkeypatch, side, method, part
):
    source, target = fakes
    source.push_image("tool", "1", b"x" * 5000)
    slow = source if side == "source" else target
    if method == "BODY":
        slow.drip = True
    else:
        slow.trickle.append((method, part))
    monkeypatch.setattr(registries, "_WHOLE", 0.3)
    with pytest.raises(TooSlow, match=r"answers so slowly that it is not done within 0 seconds"):
        copy(f"{source.host}/tool:1", f"{target.host}/copy", "1")
    assert target.manifest("copy", "1") is None
    monkeypatch.setattr(registries, "_WHOLE", 60.0)
    slow.trickle.clear()
    slow.drip = False
    copy(f"{source.host}/tool:1", f"{target.host}/copy", "1")
    assert target.manifest("copy", "1") == source.manifest("tool", "1")


def test_what_a_registry_says_is_told(fakes):
    source, target = fakes
    with pytest.raises(RegistryError, match="404 MANIFEST_UNKNOWN not here"):
        copy(f"{source.host}/nothing:1", f"{target.host}/tool")


def test_a_registry_that_does_not_answer_is_told(fakes):
    source, target = fakes
    source.push_image("tool", "1", *LAYERS)
    target.close()
    with pytest.raises(RegistryError, match=target.host):
        copy(f"{source.host}/tool:1", f"{target.host}/tool")
    target.server.server_close()


def test_credentials_go_to_the_registry_and_to_nobody_it_leads_to(fakes, monkeypatch):
    source, target = fakes
    bucket = FakeRegistry()
    source.push_image("tool", "1", *LAYERS)
    bucket.blobs = source.blobs
    source.redirect = f"http://{bucket.host}"
    monkeypatch.setattr(
        registries.Registry, "_authorization", lambda self: {"Authorization": "Basic " + self.host}
    )
    copy(f"{source.host}/tool:1", f"{target.host}/tool", "1")
    assert bucket.requests
    assert {login for _, _, login in bucket.requests} == {None}
    bucket.close()


def test_a_registry_that_wants_a_token_of_everybody_gets_one_for_each_thing(fakes):
    source, target = fakes
    source.push_image("tool", "1", *LAYERS)
    source.wants_tokens = target.wants_tokens = True
    copy(f"{source.host}/tool:1", f"{target.host}/copy", "1")
    source.wants_tokens = target.wants_tokens = False
    assert target.manifest("copy", "1") == source.manifest("tool", "1")
    for registry, scopes in ((source, 1), (target, 2)):  # one to look, one to write; layers come abreast
        asked = [login for _, path, login in registry.requests if path == "/token"]
        assert set(asked) == {None}
        assert scopes <= len(asked) <= scopes * 4


def test_a_token_that_is_taken_no_more_is_renewed_and_goes_to_nobody_else(fakes):
    source, target = fakes
    bucket = FakeRegistry()
    source.push_image("tool", "1", *LAYERS)
    source.wants_tokens, source.spent = True, {"1/repository:tool:pull"}
    bucket.blobs, source.redirect = source.blobs, f"http://{bucket.host}"
    registry = registries.Registry(source.host)
    registry._tokens["/v2/tool", False] = "1/repository:tool:pull", float("inf"), float("inf")
    source.requests.append(("GET", "/token", None))
    assert registry.manifest("tool", "1")
    blob = registries.Blob(digest_of(LAYERS[0]), len(LAYERS[0]))
    assert registries.Registry(target.host).copy_blob(registry, "tool", "copy", blob) == blob.size
    assert {login for _, _, login in bucket.requests} == {None}
    bucket.close()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((401, b""), "gives nobody a token without a login"),
        ((403, b"{}"), "gives nobody a token without a login"),
        ((404, b'{"errors": [{"code": "X", "message": "y"}]}'), "404 X y"),
        ((200, b"{}"), "has answered with none"),
        ((200, b"[]"), "has answered with none"),
        ((200, b'{"token": 1}'), "has answered with none"),
        ((200, b'{"token": "a\\r\\nX-Other: b"}'), "has answered with none"),
        ((200, b'{"token": "a", "expires_in": "soon"}'), "has answered with none"),
        ((200, b"\xff"), "has answered with none"),
        ((200, b'{"token": "none of its own", "expires_in": 1e999}'), "401 UNAUTHORIZED"),
    ],
)
def test_where_no_token_is_given_it_is_said_why(fakes, answer, said):
    source, target = fakes
    source.push_image("tool", "1", *LAYERS)
    source.wants_tokens, source.token_answer = True, answer
    with pytest.raises(RegistryError, match=said) as failed:
        copy(f"{source.host}/tool:1", f"{target.host}/copy", "1")
    if answer[0] in (401, 403) or "UNAUTHORIZED" in said:
        assert isinstance(failed.value, LoginWanted)
        assert "public" in failed.value.hint
    assert source.host in str(failed.value)


@pytest.mark.parametrize(
    "realm", ["http://elsewhere.example/token", "ftp://127.0.0.1/x", "file:///etc/passwd"]
)
def test_no_token_is_asked_for_where_there_is_no_tls(fakes, realm):
    source, target = fakes
    source.push_image("tool", "1", *LAYERS)
    source.wants_tokens, source.realm = True, realm
    with pytest.raises(RegistryError, match="without TLS"):
        copy(f"{source.host}/tool:1", f"{target.host}/copy", "1")


def test_a_place_for_tokens_that_does_not_answer_is_named(fakes):
    source, target = fakes
    source.push_image("tool", "1", *LAYERS)
    source.wants_tokens, source.realm = True, "http://127.0.0.1:1/token"
    with pytest.raises(RegistryError, match=r"^127\.0\.0\.1:1"):
        copy(f"{source.host}/tool:1", f"{target.host}/copy", "1")


def test_public_images_come_from_a_real_registry_that_wants_a_token_and_private_ones_do_not(tmp_path):
    if PROGRAM is None:
        pytest.skip("docker-registry is not installed")
    pytest.importorskip("jwt")
    for name in ("source", "target"):
        (tmp_path / name).mkdir()
    tokens = Tokens(tmp_path)
    with real_registry(tmp_path / "source", tokens) as source, real_registry(tmp_path / "target") as target:
        for name in ("public/tool", "private/tool"):
            source.push_image(name, "1", *LAYERS)
        copy(f"{source.host}/public/tool:1", f"{target.host}/copy", "1")
        assert target.manifest("copy", "1") == source.manifest("public/tool", "1")
        with pytest.raises(LoginWanted, match="401 UNAUTHORIZED"):
            copy(f"{source.host}/private/tool:1", f"{target.host}/copy", "2")
        with pytest.raises(LoginWanted):  # nobody writes there without a login
            copy(f"{target.host}/copy:1", f"{source.host}/public/tool", "2")
    tokens.close()


def test_no_layer_is_sent_to_another_host_than_the_registry(fakes):
    source, target = fakes
    source.push_image("tool", "1", *LAYERS)
    target.uploads_to = "http://127.0.0.1:1"
    with pytest.raises(RegistryError, match="sends uploads to another host"):
        copy(f"{source.host}/tool:1", f"{target.host}/tool", "1")


def test_where_a_registry_leads_to_a_place_without_tls_nobody_follows(fakes):
    source, target = fakes
    source.push_image("tool", "1", *LAYERS)
    source.redirect = "http://bucket.example.org"
    with pytest.raises(RegistryError, match="without TLS"):
        copy(f"{source.host}/tool:1", f"{target.host}/tool", "1")


@pytest.mark.parametrize("host", ["dkr.ecr.eu-west-1.amazonaws.com", "dkr-ecr.eu-west-1.on.aws"])
def test_ecr_is_asked_for_credentials_of_its_region(host):
    pytest.importorskip("moto")
    from moto import mock_aws

    with mock_aws():
        login = registries.Registry(f"123456789012.{host}")._authorization()
        assert login["Authorization"].startswith("Basic ")
        assert registries.Registry("ghcr.io")._authorization() == {}


def test_ecr_is_named_by_account_and_region_or_by_its_host():
    from upload_client.functions.ecr import Image

    by_host = Image.model_validate("123456789012.dkr.ecr.eu-west-1.amazonaws.com/tool:1")
    by_account = Image.model_validate(
        {"account_id": "123456789012", "region": "eu-west-1", "repository_name": "tool", "image_tag": "1"}
    )
    assert by_host == by_account


@pytest.mark.parametrize(
    ("source", "to", "tags"),
    [
        ("tool:1", "h.org/t", []),
        ("h.org/t:1", "t", []),
        ("h.org/t:1", "h.org/../t", []),
        ("h.org/t:1", "h.org/t:1", []),
        ("h.org/t:1", f"h.org/t@sha256:{'0' * 64}", []),
        ("h.org/t:1", "h.org/t", ["../x"]),
        ({"registry": "h.org", "repository_name": "t", "image_digest": "x"}, "h.org/t", []),
        ({"registry": "h.org/../x", "repository_name": "t"}, "h.org/t", []),
        (1, "h.org/t", []),
    ],
)
def test_a_name_that_could_lead_elsewhere_is_refused(source, to, tags):
    with pytest.raises(InvalidRequest):
        copy(source, to, *tags)


def test_a_large_layer_takes_a_few_blocks_of_memory(fakes):
    source, target = fakes
    large = bytes(48 * 1024 * 1024)
    source.push_image("large", "1", large)
    blob = registries.Blob(digest_of(large), len(large))
    peak = 0

    class Watched(registries.Registry):
        def _ask(self, method, where, headers=None, *, body=None, missing=False):
            nonlocal peak
            if method == "PATCH":
                tracemalloc.start()
                n = sum(map(len, body))
                peak = tracemalloc.get_traced_memory()[1]
                tracemalloc.stop()
                assert n == len(large)
                return super()._ask(method, where, headers, body=large)
            return super()._ask(method, where, headers, body=body, missing=missing)

    to = Watched(target.host)
    assert to.copy_blob(registries.Registry(source.host), "large", "large", blob) == len(large)
    assert peak < 8 * 1024 * 1024


@pytest.mark.parametrize("to", ["http://elsewhere.example/x", "http://127.0.0.1:9001/2018-06-01/runtime"])
def test_a_registry_elsewhere_leads_to_no_place_without_tls_and_to_none_of_this_machine(to, monkeypatch):
    asked = []

    class Pool:
        def request(self, method, url, **_):
            asked.append(url)
            return urllib3.HTTPResponse(status=307, headers={"Location": to}, preload_content=False)

    registry = registries.Registry("registry.example")
    monkeypatch.setattr(registry, "_http", Pool())
    with pytest.raises(registries.RegistryError, match="without TLS"):
        registry.manifest("a", "latest")
    assert asked == ["https://registry.example/v2/a/manifests/latest"]
