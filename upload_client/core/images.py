"""Names of container images, and what manifests say that an image is made of.

https://github.com/opencontainers/image-spec and https://github.com/opencontainers/distribution-spec
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from upload_client.core.partitions import ANY_DOMAIN, domain_of

LIST_TYPES: Final = (
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.index.v1+json",
)
"""Several images under one name, one for each architecture."""
MANIFEST_TYPES: Final = (
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    *LIST_TYPES,
)
MAX_MANIFEST: Final = 4 * 1024 * 1024
"""Bytes; registries take no larger ones."""

_HOST = re.compile(
    r"(?:[A-Za-z0-9-]+\.)+[A-Za-z0-9-]+(?::\d{1,5})?|localhost(?::\d{1,5})?|[A-Za-z0-9-]+:\d{1,5}"
)
_REPOSITORY = re.compile(r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_ECR = re.compile(
    rf"(\d{{12}})\.dkr(?:\.ecr(?:-fips)?\.([a-z0-9-]+)\.(?:{ANY_DOMAIN})"
    r"|-ecr(?:-fips)?\.([a-z0-9-]+)\.on\.(?:aws|amazonwebservices\.(?:com\.cn|eu)))"
)
_MAX_NAME: Final = 255
_DOCKER_HUB: Final = "index.docker.io"
_BEARER = re.compile(r"(?:^|,)\s*bearer\s+", re.IGNORECASE)
_PARAMETER = re.compile(r'\s*([A-Za-z]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))\s*(?:,|$)')


class ImageError(ValueError):
    """A name or a manifest that is none."""


@dataclass(frozen=True, slots=True)
class ImageName:
    """The name of an image.

    Attributes:
        registry: host, and port where one is named; empty: of a short name, which is in no registry yet.
        repository: the path of it there.
        tag: empty where none is named.
        digest: ``sha256:`` and 64 hexadecimal digits; empty where none is named.
    """

    registry: str
    repository: str
    tag: str = ""
    digest: str = ""

    @property
    def reference(self) -> str:
        """The digest, else the tag, else ``latest``."""
        return self.digest or self.tag or "latest"

    def __str__(self) -> str:
        place = f"{self.registry}/" if self.registry else ""
        tag = f":{self.tag}" if self.tag else ""
        return f"{place}{self.repository}{tag}{f'@{self.digest}' if self.digest else ''}"


def parse_image(text: str) -> ImageName:
    """Take the name of an image apart: ``[registry/]repository[:tag][@digest]``.

    Raises:
        ImageError: it is none.
    """
    rest, at, digest = text.partition("@")
    first, slash, path = rest.partition("/")
    registry, path = (first, path) if slash and _HOST.fullmatch(first) else ("", rest)
    repository, colon, tag = path.partition(":")
    if (
        len(repository) > _MAX_NAME
        or not _REPOSITORY.fullmatch(repository)
        or (colon and not is_tag(tag))
        or (at and not is_digest(digest))
    ):
        raise ImageError("it is no name of an image: [registry/]repository[:tag][@sha256:…]")
    return ImageName(registry, repository, tag, digest)


def is_tag(text: str) -> bool:
    """Whether a text may be a tag."""
    return _TAG.fullmatch(text) is not None


def is_digest(text: str) -> bool:
    """Whether a text is a digest as manifests have it, of SHA-256."""
    return _DIGEST.fullmatch(text) is not None


def ecr_place(registry: str) -> tuple[str, str] | None:
    """Account and region of a registry of ECR, under its name for IPv4 or for both, None of any other.

    https://docs.aws.amazon.com/AmazonECR/latest/userguide/ecr-requests.html
    """
    found = _ECR.fullmatch(registry)
    return (found[1], found[2] or found[3]) if found else None


def ecr_host(account_id: str, region: str) -> str:
    """The registry of ECR that an account has in a region."""
    return f"{account_id}.dkr.ecr.{region}.{domain_of(region)}"


def place_at_api(registry: str, repository: str) -> tuple[str, str]:
    """The host that speaks for a registry, and the repository's name there.

    They are as they are written, but at Docker Hub: ``docker.io/python`` is ``library/python`` at another
    host.
    https://github.com/distribution/reference/blob/main/normalize.go
    """
    if registry not in ("docker.io", _DOCKER_HUB):
        return registry, repository
    return _DOCKER_HUB, repository if "/" in repository else f"library/{repository}"


@dataclass(frozen=True, slots=True)
class Challenge:
    """A registry's wish to see a token before it answers, and where there is one.

    Attributes:
        realm: the URL that gives tokens.
        service: the registry, by the name that its tokens have.
        scope: what the token is for; may be empty.
    """

    realm: str
    service: str = ""
    scope: str = ""


def challenge_of(header: str) -> Challenge | None:
    """Read ``WWW-Authenticate`` (RFC 9110 section 11.6.1); None where it asks for no bearer token.

    https://distribution.github.io/distribution/spec/auth/token/
    """
    begins = _BEARER.search(header)
    if begins is None:
        return None
    found: dict[str, str] = {}
    at = begins.end()
    while (parameter := _PARAMETER.match(header, at)) is not None:
        name, quoted, plain = parameter.groups()
        found.setdefault(name.lower(), plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted))
        at = parameter.end()
    if not found.get("realm"):
        return None
    return Challenge(found["realm"], found.get("service", ""), found.get("scope", ""))


@dataclass(frozen=True, slots=True)
class Blob:
    """A layer, or the configuration of an image.

    Attributes:
        digest: of its content.
        size: bytes.
    """

    digest: str
    size: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """The parts of an image, or of a list of images.

    Attributes:
        media_type: its own.
        blobs: configuration and layers, each once; of a list those that it names itself, as BuildKit's
            cache does, which has no images in it.
        children: digests of the manifests in a list.
    """

    media_type: str
    blobs: tuple[Blob, ...] = ()
    children: tuple[str, ...] = ()


def read_manifest(content: bytes, media_type: str = "") -> Manifest:
    """Read a manifest or a list of them.

    Args:
        content: JSON of somebody else.
        media_type: as the registry has said it, where the manifest itself says nothing.

    Raises:
        ImageError: it is none of the four kinds, or names what no digest is.
    """
    try:
        read = json.loads(content)
    except (ValueError, RecursionError):
        raise ImageError("the manifest is no JSON") from None
    if not isinstance(read, dict):
        raise ImageError("the manifest is no JSON object")
    kind = read.get("mediaType") or media_type
    if kind not in MANIFEST_TYPES:
        raise ImageError("the manifest is of no kind that can be copied")
    if kind in LIST_TYPES:
        listed = _list(read, "manifests")
        children = [_blob(one).digest for one in listed if not _is_content(one)]
        blobs = [_blob(one) for one in listed if _is_content(one)]
        return Manifest(kind, _each_once(blobs), tuple(dict.fromkeys(children)))
    blobs = [
        _blob(read.get("config")),
        *(_blob(one) for one in _list(read, "layers") if not _is_foreign(one)),
    ]
    return Manifest(kind, _each_once(blobs))


def _each_once(blobs: list[Blob]) -> tuple[Blob, ...]:
    return tuple({one.digest: one for one in blobs}.values())


def _list(read: Mapping[str, Any], name: str) -> list[Any]:
    found = read.get(name)
    if not isinstance(found, list):
        raise ImageError(f"the manifest has no {name}")
    return found


def _blob(one: object) -> Blob:
    digest = one.get("digest") if isinstance(one, dict) else None
    size = one.get("size") if isinstance(one, dict) else None
    if not isinstance(digest, str) or not is_digest(digest) or type(size) is not int or size < 0:
        raise ImageError("the manifest names something without a digest of SHA-256 and a size")
    return Blob(digest, size)


def _is_content(one: object) -> bool:
    """Whether a list means a layer, and no manifest of one of the kinds that are copied."""
    kind = one.get("mediaType") if isinstance(one, dict) else None
    return isinstance(kind, str) and kind not in MANIFEST_TYPES


def _is_foreign(one: object) -> bool:
    """Whether a layer is to be had elsewhere, and is not pushed: parts of Windows."""
    kind = one.get("mediaType") if isinstance(one, dict) else None
    return isinstance(kind, str) and (".foreign." in kind or ".nondistributable." in kind)
