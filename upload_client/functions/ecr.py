"""Container images, copied from one repository to another: between accounts, regions, registries.

`ImageReplicatorHandler` copies what is missing: layers first, of several architectures too, the manifest
last. So an image is there as a whole, or under no name at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from pydantic import ConfigDict, Field, field_validator, model_validator

from upload_client.core.images import (
    Blob,
    ImageError,
    Manifest,
    ecr_host,
    ecr_place,
    is_tag,
    parse_image,
    place_at_api,
    read_manifest,
)
from upload_client.functions.base import InvalidRequest, LambdaHandler
from upload_client.functions.models import Model
from upload_client.functions.registry import Registry, RegistryError, digest_of

_AT_ONCE = 4
"""Layers under way, each with two blocks in memory."""
_DEEPEST = 3
_MOST_CHILDREN = 500


class Repository(Model):
    """A repository: ``registry/path``, or ``{account_id, region, repository_name}`` of ECR, as an object.

    Attributes:
        registry: host, and port where one is named.
        repository_name: the path of it there.
        account_id: of the account, where it is ECR's.
        region: likewise.
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    registry: str
    repository_name: str
    account_id: str | None = None
    region: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _of_text(cls, data: Any) -> Any:  # noqa: ANN401 - a text or an object
        if isinstance(data, str):
            image = parse_image(data)
            place: dict[str, Any] = {"registry": image.registry, "repository_name": image.repository}
            if image.tag or image.digest:
                if "image_tag" not in cls.model_fields:  # the copy would be under no such name
                    raise ImageError("a repository has neither tag nor digest; write destination_image_tags")
                place |= {"image_tag": image.tag, "image_digest": image.digest}
            data = place
        if isinstance(data, Mapping):
            data = dict(data)
            if not data.get("registry") and data.get("account_id") and data.get("region"):
                data["registry"] = ecr_host(str(data["account_id"]), str(data["region"]))
            if not isinstance(data.get("repository_name"), str):
                return data  # which is told of the field
            if not data.get("registry"):
                raise ImageError("it names no registry, and not both account_id and region")
            name = parse_image(f"{data['registry']}/{data['repository_name']}")
            if not name.registry or name.tag or name.digest:
                raise ImageError("it names no registry, or no repository of one")
            if place_of := ecr_place(name.registry):
                data["account_id"], data["region"] = place_of
        return data


class Image(Repository):
    """An image: a name with a tag or a digest, or the object of a repository with ``image_digest``.

    Attributes:
        image_digest: of its manifest; empty where a tag is meant.
        image_tag: its tag, where no digest is named; ``latest`` where neither is.
    """

    image_digest: str = Field(default="", pattern=r"^(sha256:[0-9a-f]{64})?$")
    image_tag: str = Field(default="", pattern=r"^([A-Za-z0-9_][A-Za-z0-9._-]{0,127})?$")


class ReplicateImageRequest(Model):
    """An image, and where a copy of it goes.

    Attributes:
        source_image: a name or an object.
        destination_repository: likewise; it is there already.
        destination_image_tags: the tags of the copy; without one it is there by its digest alone.
    """

    source_image: Image
    destination_repository: Repository
    destination_image_tags: list[str] = Field(default_factory=list)

    @field_validator("destination_image_tags")
    @classmethod
    def _are_tags(cls, tags: list[str]) -> list[str]:
        if not all(map(is_tag, tags)):
            raise ValueError("there is something that is no tag")
        return tags


class ReplicateImageResponse(Model):
    """The copy.

    Attributes:
        destination_image: with ``image_digest``, which is the source's.
    """

    destination_image: Image


class ImageReplicatorHandler(LambdaHandler[ReplicateImageRequest, ReplicateImageResponse]):
    """Copies an image into another repository; what is there already is not sent again."""

    def handle(self, request: ReplicateImageRequest) -> ReplicateImageResponse:
        """Copy the image.

        Raises:
            DigestMismatch: something at the source is not what its digest says. The copy has no name then.
            RegistryError: a registry has refused something, or does not answer.
            ServiceError: ECR gives no credentials.
        """
        image, to = request.source_image, request.destination_repository
        host, name = place_at_api(image.registry, image.repository_name)
        to_host, to_name = place_at_api(to.registry, to.repository_name)
        copy = _Copy(Registry(host), name, Registry(to_host), to_name)
        digest = copy.image(image.image_digest or image.image_tag or "latest", request.destination_image_tags)
        self.add_count_metric("LayersCopied", copy.n_blobs)
        self.add_count_metric("LayerBytesCopied", copy.n_bytes)
        place = to.model_dump(exclude_none=True)
        return ReplicateImageResponse(destination_image=Image(**place, image_digest=digest))


class _Copy:
    """One image on its way.

    Attributes:
        n_blobs: layers that were sent.
        n_bytes: bytes of them.
    """

    def __init__(self, source: Registry, source_repository: str, target: Registry, repository: str) -> None:
        self.source, self.source_repository = source, source_repository
        self.target, self.repository = target, repository
        self.n_blobs = self.n_bytes = 0

    def image(self, reference: str, tags: list[str]) -> str:
        """Copy what a tag or a digest means, give it tags, and answer its digest."""
        content, kind = self.source.manifest(self.source_repository, reference)
        digest = digest_of(content)
        manifest = self._read(content, kind)
        if not self.target.has_manifest(self.repository, digest, digest):
            self._all_below(manifest, 1)
            if not tags:
                self.target.put_manifest(self.repository, digest, content, manifest.media_type)
        for tag in dict.fromkeys(tags):
            if not self.target.has_manifest(self.repository, tag, digest):
                self.target.put_manifest(self.repository, tag, content, manifest.media_type)
        return digest

    def _all_below(self, manifest: Manifest, depth: int) -> None:
        """Copy all that a manifest names: layers, or the images of a list."""
        if depth > _DEEPEST or len(manifest.children) > _MOST_CHILDREN:
            raise InvalidRequest("the image is a list of lists, or of too many images, which nobody means")
        for digest in manifest.children:
            if self.target.has_manifest(self.repository, digest, digest):
                continue
            content, kind = self.source.manifest(self.source_repository, digest)
            child = self._read(content, kind)
            self._all_below(child, depth + 1)
            self.target.put_manifest(self.repository, digest, content, child.media_type)
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="layers") as pool:
            try:
                for n in pool.map(self._blob, manifest.blobs):
                    if n is not None:
                        self.n_blobs += 1
                        self.n_bytes += n
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise

    def _blob(self, blob: Blob) -> int | None:
        if self.target.has_blob(self.repository, blob):
            return None
        return self.target.copy_blob(self.source, self.source_repository, self.repository, blob)

    def _read(self, content: bytes, kind: str) -> Manifest:
        try:
            return read_manifest(content, kind)
        except ImageError as error:
            raise RegistryError(f"{self.source.host}: {error}") from None
