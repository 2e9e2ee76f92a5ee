"""Prints the share of damage to whole packages that is noticed, by a provider and by a validator: Markdown.

    python tests/corpus/packages.py

The packages are made by the libraries of their fields, where there is one. A validator is what `judge` says
of each manifest against the files as an index lists them, and what opening each file says, manifests first.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np

from upload_client.expectations.findings import NotOpened
from upload_client.expectations.packaging import judge, metadata_places, packaging_of
from upload_client.expectations.packed import Budget
from upload_client.preflight.content import check_contents, unopened
from upload_client.preflight.packages import check_packages
from upload_client.validator import listing as of_validator
from upload_client.validator.opening import CHUNK, format_of, open_as

N = 5


def tables(folder: Path) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(N):
        (folder / f"t{i}.csv").write_text("a,b\n" + "".join(f"{j},{j * i}\n" for j in range(200)))
    return sorted(folder.glob("*.csv"))


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def make_bag(folder: Path) -> None:
    import bagit

    tables(folder)
    bagit.make_bag(str(folder), checksums=["md5", "sha256"])


def make_crate(folder: Path) -> None:
    from rocrate.rocrate import ROCrate

    crate = ROCrate()
    for path in tables(folder.with_name("source")):
        more = {"contentSize": str(path.stat().st_size), "sha256": sha256(path)}
        crate.add_file(str(path), path.name, properties=more)
    crate.write(str(folder))


def make_data_package(folder: Path) -> None:
    resources = [
        {"name": path.stem, "path": path.name, "bytes": path.stat().st_size, "hash": f"sha256:{sha256(path)}"}
        for path in tables(folder)
    ]
    (folder / "datapackage.json").write_text(json.dumps({"name": "a", "resources": resources}))


def make_croissant(folder: Path) -> None:
    distribution = [
        {
            "@type": "cr:FileObject",
            "@id": path.name,
            "name": path.name,
            "contentUrl": path.name,
            "contentSize": f"{path.stat().st_size} B",
            "encodingFormat": "text/csv",
            "sha256": sha256(path),
        }
        for path in tables(folder)
    ]
    described = {"@type": "sc:Dataset", "conformsTo": "http://mlcommons.org/croissant/1.0", "name": "a"}
    (folder / "croissant.json").write_text(json.dumps(described | {"distribution": distribution}))


def make_pds4(folder: Path) -> None:
    from expectations.test_packaging import LABEL

    folder.mkdir()
    data = b"\0" * 16 + np.arange(30, dtype="<f4").tobytes() + np.arange(3, dtype=">i4").tobytes()
    says = f'<file_size unit="byte">{len(data)}</file_size>'
    says += f"<md5_checksum>{hashlib.md5(data).hexdigest()}</md5_checksum>"
    for i in range(N):
        (folder / f"a{i}.dat").write_bytes(data)
        (folder / f"a{i}.xml").write_text(LABEL.format(file=says).replace("a.dat", f"a{i}.dat"))


def make_zarr(version: int, how: Callable[[], dict]) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        import zarr

        group = zarr.open_group(str(folder / "x.zarr"), mode="w", zarr_format=version)
        values = np.random.default_rng(1).normal(size=(70, 50))
        group.create_array("a", shape=(70, 50), chunks=(10, 10), dtype="f4", **how())[...] = values

    return make


def by_gzip() -> dict:
    import numcodecs

    return {"compressors": numcodecs.GZip()}


def in_shards() -> dict:
    from zarr.codecs import GzipCodec

    return {"shards": (40, 30), "compressors": GzipCodec()}


PACKAGES: dict[str, Callable[[Path], None]] = {
    "BagIt": make_bag,
    "RO-Crate": make_crate,
    "data package": make_data_package,
    "Croissant": make_croissant,
    "PDS4": make_pds4,
    "Zarr 2, gzip": make_zarr(2, by_gzip),
    "Zarr 3, Zstandard": make_zarr(3, dict),
    "Zarr 3, shards of gzip": make_zarr(3, in_shards),
}


def files_of(folder: Path) -> dict[str, int]:
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in found}


def provider_notices(folder: Path) -> bool:
    files = files_of(folder)
    if not all(is_kept for _, _, is_kept in check_packages(folder, files)):
        return True
    looked_at = [(path, size) for path, size in files.items() if unopened(path, size) is None]
    return any(True for _ in check_contents(folder, looked_at, n_processes=1))


def validator_notices(folder: Path) -> bool:
    files = files_of(folder)
    of_validator.index_rows = lambda *_: iter(files.items())  # type: ignore[assignment]
    landing = SimpleNamespace(
        get=lambda path, limit: SimpleNamespace(body=(folder / path).read_bytes()[:limit])
    )
    listing = of_validator.IndexListing(None, "index.csv", complete=True, landing=landing)  # type: ignore[arg-type]
    for path in sorted(files, key=lambda path: packaging_of(path) is None):
        data = (folder / path).read_bytes()
        judged = judge(path, data, listing)
        if judged is not None and judged.findings.n:
            return True
        kind, promised = format_of(path), listing.promised(path)
        place = next((place for place in metadata_places(path) if place in files), None)
        if kind is None or (kind == CHUNK and place is None):
            continue
        try:
            metadata = b"" if kind != CHUNK or place is None else (folder / place).read_bytes()
            open_as(kind, io.BytesIO(data), len(data), Budget(10**9), metadata=metadata)
        except NotOpened:
            pass
        except Exception:  # noqa: BLE001 — whatever a library raises
            return True
        if promised and not hashlib.new(promised.algorithm, data).digest().startswith(promised.start):
            return True
    return False


def remove(path: Path) -> None:
    path.unlink()


def add(path: Path) -> None:
    shutil.copy(path, path.with_name(f"zz{path.name}"))


def cut(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) * 3 // 5] ^= 1
    path.write_bytes(data)


def shares(whole: Path, paths: list[str], damage: Callable[[Path], None]) -> str:
    """The share that a provider notices, and a validator."""
    found: list[tuple[bool, bool]] = []
    for path in paths:
        copy = whole.with_name("copy")
        shutil.copytree(whole, copy)
        damage(copy / path)
        found.append((provider_notices(copy), validator_notices(copy)))
        shutil.rmtree(copy)
    return ", ".join(f"{100 * sum(each) // len(found)} %" for each in zip(*found, strict=True))


def rows() -> Iterator[str]:
    for name, make in PACKAGES.items():
        with tempfile.TemporaryDirectory() as folder:
            whole = Path(folder, "whole")
            make(whole)
            files = files_of(whole)
            data = [path for path in files if packaging_of(path) is None and files[path] > 100][:N]
            ours = ("bagit.txt", "bag-info.txt")
            manifests = [path for path in files if packaging_of(path) is not None and files[path] > 60]
            manifests = [path for path in manifests if not path.endswith(ours)][:N]
            cells = [f"{not provider_notices(whole)}, {not validator_notices(whole)}"]
            cells += [shares(whole, data, damage) for damage in (remove, add, cut, flip)]
            yield f"| {name} | {' | '.join([*cells, shares(whole, manifests, cut)])} |"


if __name__ == "__main__":
    print("| package | whole | a file missing | one more | a file cut | a byte changed | a manifest cut |")
    print("|---|---|---|---|---|---|---|")
    for row in rows():
        print(row, flush=True)
