"""Drafts an expectations document from a good sample.

What holds for every file of the sample and is likely to be meant becomes a rule: names and types of columns,
HDUs, arrays; which of them may be missing; that there are no missing values. What is a matter of this sample
alone becomes a comment: numbers of files and rows, sizes, ranges, single values.
"""

from __future__ import annotations

import contextlib
import gzip
import zlib
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, cast

from upload_client.core.hints import install
from upload_client.core.text import counted, for_terminal
from upload_client.errors import UsageError
from upload_client.expectations.content import LIBRARIES, is_installed, judge
from upload_client.expectations.document import InvalidExpectations, load
from upload_client.expectations.expected import Expected
from upload_client.expectations.findings import NotOpened, Undecided, reason_of
from upload_client.expectations.lines import flow, scalar
from upload_client.expectations.packaging import Part, is_chunk, metadata_places, packaging_of, part_of
from upload_client.expectations.sample_summary import SEEN, SampleSummary, ZarrSummary
from upload_client.expectations.strict_json import begins_as_lines
from upload_client.support.file_names import on_disk

_FORMATS = {
    "csv": "csv",
    "tsv": "tsv",
    "parquet": "parquet",
    "fits": "fits",
    "fit": "fits",
    "fts": "fits",
    "fz": "fits",
    "uvfits": "fits",
    "psrfits": "fits",
    "asdf": "asdf",
    "json": "json",
    "geojson": "json",
    "topojson": "json",
    "jsonld": "json",
    "ipynb": "json",
    "jsonl": "jsonl",
    "ndjson": "jsonl",
    "geojsonl": "jsonl",
    "png": "image",
    "jpg": "image",
    "jpeg": "image",
    "tif": "image",
    "tiff": "image",
    "gif": "image",
    "webp": "image",
    "bmp": "image",
    "npy": "npy",
    "npz": "npz",
}
_PACKED = frozenset({"csv", "tsv", "fits", "fit", "fts", "asdf", "json", "jsonl", "ndjson"})
_MAX_NAMED = 20
_ZARR = ".zarr/"  # within the path of what belongs to an array or group of Zarr
_MAX_MEMORY = 2 * 1024**3
_MAX_UNPACKED = 4 * 1024**3
_TOO_MUCH = f"reading it takes more than {_MAX_MEMORY:,} bytes of memory, which is what a validator has"
_MAX_SUFFIX = 30
_MAX_JSON = 32 * 1024 * 1024
_BLOCK = 256 * 1024


OpenFunction = Callable[[str], Callable[[BinaryIO, int], object] | None]
"""Gets a path, and gives what opens a file of that name, by its size in bytes: it raises for what is wrong.

None: nothing opens such a file.
"""


_NOT_HERE = (
    "Nothing is known to be wrong with these files: install what is missing, or leave them out of the sample."
)


class PoorSample(UsageError):  # noqa: N818 — as the errors of `upload_client.errors`
    """Files of the sample cannot be read, so nothing can be learned from them."""

    hint = "Fix these files or leave them out of the sample: what is drafted must hold for all of it."


def infer(
    root: Path,
    files: Iterable[tuple[str, int]],
    *,
    open_function: OpenFunction = lambda _: None,
    on_progress: Callable[[int], None] | None = None,
) -> str:
    """Draft a document.

    Args:
        root: the directory of the sample.
        files: path and size in bytes of each file.
        open_function: of files of which there are no rules beyond that they open.
        on_progress: called with the number of files read since its last call.

    Returns:
        YAML with comments, of which every file of the sample is accepted.

    Raises:
        PoorSample: files cannot be read.
        UsageError: there is no file, or a library is missing.
    """
    sample = sorted(files)
    if not sample:
        raise UsageError("there is no file in the sample", hint="Name a folder with files as they should be.")
    groups: dict[str, list[tuple[str, int]]] = {}
    report = on_progress or (lambda _: None)
    of_zarr = [(path, size) for path, size in sample if _ZARR in path]
    for path, size in sample:
        if _ZARR not in path:
            groups.setdefault(_suffix(path), []).append((path, size))
    problems: list[str] = []
    drafts = [_draft_of_zarr(root, of_zarr, problems)] if of_zarr else []
    report(len(of_zarr))
    plain: list[tuple[str, int]] = []
    for suffix, group in sorted(groups.items()):
        if not suffix:
            plain = group
            continue
        kind = _FORMATS.get(suffix.removesuffix(".gz"))
        if kind is None and _FORMATS.get(suffix.lower().removesuffix(".gz")) is None:
            opens = any(open_function(path) is not None or packaging_of(path) for path, _ in group)
            report(len(group))
            drafts.append(_Draft(suffix, [f"*.{suffix}"], group, None, opens=opens))
            continue
        drafts += _drafts_of(root, suffix, kind, group, problems, report)
    if problems:
        lead = f"{counted(len(problems), 'file')} of the sample cannot be read"
        raise PoorSample("\n  ".join([lead, *problems[:_MAX_NAMED]]))
    if plain and len({_name(path) for path, _ in plain}) <= _MAX_NAMED:
        names = sorted({_name(path) for path, _ in plain})
        opens = any(packaging_of(path) for path, _ in plain)
        drafts.append(_Draft("plain names", names, plain, None, opens=opens))
        plain = []
    text = "".join(f"{line}\n" for line in _document(sample, drafts, others=bool(plain)))
    _try_out(text, root, sample, open_function)
    return text


def _try_out(text: str, root: Path, sample: Sequence[tuple[str, int]], open_function: OpenFunction) -> None:
    """Judge the whole sample by its own draft.

    Raises:
        PoorSample: files are not as their own draft says.
    """
    try:
        expected = Expected(load(text.encode(), "the draft"))
    except InvalidExpectations as error:
        raise PoorSample(f"no draft can be made of this sample: {error}") from None
    problems, at_fault = [], False
    there = {path for path, _ in sample if _ZARR in path}
    for path, size in sample:
        reason = expected.refusal(path, size)
        rules = expected.content(path)
        if reason is None and rules is None:
            reason = _why_not(root / on_disk(path), size, open_function(path))
        elif reason is None and rules is not None and rules.format != "opaque":
            try:
                part = _part(root, path, there) if rules.format == "zarr" else None
                with (root / on_disk(path)).open("rb") as file, _memory():
                    judged = judge(rules.content, file, size, max_unpacked=_MAX_UNPACKED, part=part)
                    reason = str(judged) or None
            except NotOpened:
                continue  # it may be sound
            except Undecided as error:  # through no fault of its own
                problems.append(for_terminal(f"{path}: {error}"))
            except (OSError, MemoryError) as error:
                reason = str(error) or _TOO_MUCH
        if reason is not None:
            at_fault = True
            problems.append(for_terminal(f"{path}: {reason}"))
    if problems:
        files = counted(len(problems), "file")
        lead = f"{files} of the sample would not pass by the draft"
        hint = None if at_fault else _NOT_HERE
        raise PoorSample("\n  ".join([lead, *problems[:_MAX_NAMED]]), hint=hint)


def _part(root: Path, path: str, there: Container[str]) -> Part | None:
    """A file of the sample as a part of a folder of Zarr."""
    place = next((one for one in metadata_places(path) if one in there), "") if is_chunk(path) else ""
    return part_of(path, place, (root / on_disk(place)).read_bytes() if place else b"")


def _why_not(path: Path, size: int, opens: Callable[[BinaryIO, int], object] | None) -> str | None:
    """Why a file does not open."""
    if opens is None:
        return None
    try:
        with path.open("rb") as file, _memory():
            opens(file, size)
    except (NotOpened, Undecided, ImportError):
        return None  # it may be sound
    except Exception as error:  # noqa: BLE001 — whatever a library raises
        return f"it does not open: {reason_of(error)}"
    return None


@contextlib.contextmanager
def _memory() -> Iterator[None]:
    """Have no more memory than a validator's reader has by default, where the system sees to it (Linux).

    What this process has taken already, a notebook with its data, say, does not count.
    """
    try:
        import resource  # noqa: PLC0415 — POSIX only
    except ImportError:
        yield
        return
    before = resource.getrlimit(resource.RLIMIT_DATA)
    limit = _data_in_use() + _MAX_MEMORY
    if before[1] != resource.RLIM_INFINITY:
        limit = min(limit, before[1])
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_DATA, (limit, before[1]))
    try:
        yield
    except Exception as error:
        if "MemoryError" in type(error).__name__:  # numpy and pyarrow have their own
            raise MemoryError(_TOO_MUCH) from None
        raise
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


def _data_in_use() -> int:
    """Bytes of this process that the limit counts."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0
    return int(status.partition("VmData:")[2].split()[0]) * 1024 if "VmData:" in status else 0


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _suffix(path: str) -> str:
    """The suffix as it is spelled; ``csv.gz`` for packed files; empty where no glob can name it."""
    name = _name(path).lstrip(".")
    stem, dot, suffix = name.rpartition(".")
    if not dot or len(suffix) > _MAX_SUFFIX or any(one in suffix for one in "*?"):
        return ""
    if suffix == "gz" and (inner := stem.rpartition(".")[2]) in _PACKED and "." in stem:
        return f"{inner}.gz"
    return suffix


class _Draft:
    """One type, as it is drafted."""

    def __init__(
        self,
        name: str,
        globs: Sequence[str],
        files: Sequence[tuple[str, int]],
        seen: SampleSummary | None,
        *,
        opens: bool = False,
        lines: list[str] | None = None,
    ) -> None:
        self.name, self.globs, self.files, self.opens = name, list(globs), files, opens
        self._seen, self._lines = seen, lines

    def lines(self) -> list[str] | None:
        """The rules for their content; None: there are none."""
        return self._lines if self._seen is None else self._seen.lines()


def _draft_of_zarr(root: Path, files: Sequence[tuple[str, int]], problems: list[str]) -> _Draft:
    """The type that folders of Zarr make."""
    seen = ZarrSummary() if is_installed(LIBRARIES["zarr"]) else None
    for path, size in files:
        if seen is None or packaging_of(path) != "Zarr" or size > _MAX_JSON:
            continue
        try:
            seen.read(path, (root / on_disk(path)).read_bytes())
        except OSError as error:
            problems.append(for_terminal(f"{path}: {error.strerror or error}"))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            problems.append(for_terminal(f"{path}: it is no metadata of Zarr: {error}"[:200]))
    return _Draft(
        "zarr", ["**/*.zarr/**"], files, None, opens=True, lines=None if seen is None else seen.lines()
    )


def _drafts_of(
    root: Path,
    suffix: str,
    kind: str | None,
    files: list[tuple[str, int]],
    problems: list[str],
    report: Callable[[int], None],
) -> list[_Draft]:
    """The types that files with one suffix make: one, but for tables that have little in common."""
    lower = suffix.lower().removesuffix(".gz")
    kind = kind or _FORMATS[lower]
    if kind == "json" and _are_lines(root / on_disk(files[0][0]), suffix):
        kind = "jsonl"
    library = LIBRARIES[kind]
    if kind not in ("json", "jsonl") and not is_installed(library):
        raise UsageError(
            f"what {kind} files hold cannot be learned without {library}, which is not installed",
            hint=install("formats"),
        )
    by_folder: dict[str, SampleSummary] = {}
    for path, _ in files:
        folder = path.rpartition("/")[0]
        key = folder if kind in ("csv", "tsv", "parquet") else ""
        seen = by_folder.setdefault(key, SEEN[kind](kind, packed=suffix.endswith(".gz")))
        try:
            with (root / on_disk(path)).open("rb") as file, _unpacked(file, suffix) as content, _memory():
                seen.read(content)
        except OSError as error:
            problems.append(for_terminal(f"{path}: {error.strerror or error}"))
        except Exception as error:  # noqa: BLE001 — whatever a library raises means that it does not open
            problems.append(for_terminal(f"{path}: {reason_of(error)}"[:200]))
        report(1)
    groups: list[tuple[list[str], SampleSummary]] = []
    for folder, seen in by_folder.items():
        for folders, other in groups:
            if other.is_like(seen):
                other.merge(seen)
                folders.append(folder)
                break
        else:
            groups.append(([folder], seen))
    if len(groups) == 1:
        return [_Draft(suffix, [f"*.{suffix}"], files, groups[0][1])]
    drafts = []
    for folders, seen in groups:
        globs = [f"{folder}/*.{suffix}" if folder else f"*.{suffix}" for folder in folders]
        mine = [(path, size) for path, size in files if path.rpartition("/")[0] in folders]
        # The folder at the top has a glob that matches everywhere, so it stands last.
        drafts.append(_Draft(f"{suffix} in {folders[0] or 'the top folder'}"[:100], globs, mine, seen))
    return sorted(drafts, key=lambda draft: f"*.{suffix}" in draft.globs)


def _are_lines(path: Path, suffix: str) -> bool:
    """Whether a file that is called JSON has JSON on each line."""
    try:
        with path.open("rb") as file, _unpacked(file, suffix) as content:
            return begins_as_lines(content.read(_BLOCK))
    except (OSError, EOFError, zlib.error):
        return False  # who reads it tells


@contextlib.contextmanager
def _unpacked(file: BinaryIO, suffix: str) -> Iterator[BinaryIO]:
    if suffix.lower().endswith(".gz"):
        with gzip.GzipFile(fileobj=file) as packed:
            yield cast("BinaryIO", packed)
    else:
        yield file


def _document(sample: Sequence[tuple[str, int]], drafts: Sequence[_Draft], *, others: bool) -> Iterator[str]:
    n, size = len(sample), sum(size for _, size in sample)
    yield "# What belongs in a delivery: a draft, made by `upload-client expectations infer` of a sample of"
    yield f"# {counted(n, 'file')}, {size:,} bytes. Every rule holds for all of the sample; what may be"
    yield "# chance is a comment. Read it, and make it say what you mean."
    yield "version: 1"
    yield ""
    yield "delivery:"
    note = "files that no type below matches; refuse: they are judged invalid"
    yield f"  others: {'allow' if others else 'refuse'}  # {note}"
    yield f"  # files: {{min: {n}, max: {n}}}  # how many in all"
    yield f"  # bytes: {{max: {size}}}  # of all files; may be written as 2 GB or 64 MiB"
    yield "  # required: [README.md]  # paths or globs, each of which must match a file"
    yield '  # forbidden: ["*.tmp", ".*"]  # and globs that must match none'
    yield ""
    yield "types:  # of two that match a file, the first one counts"
    for draft in drafts:
        sizes = [size for _, size in draft.files]
        many = f"{len(draft.files):,} in the sample"
        yield f"  - name: {scalar(draft.name)}"
        yield f"    files: {flow(draft.globs) if len(draft.globs) > 1 else scalar(draft.globs[0])}"
        yield f"    # count: {{min: {len(draft.files)}, max: {len(draft.files)}}}  # {many}"
        yield f"    # bytes: {{min: {min(sizes)}, max: {max(sizes)}}}  # of each, in the sample"
        lines = draft.lines()
        if lines is None and draft.opens:
            yield "    # without content each is opened as its name says; {format: opaque}: not looked at"
            continue
        yield "    content:"
        lines = ["format: opaque  # it is not looked at"] if lines is None else lines
        yield from (f"      {line}" for line in lines)
    if not drafts:
        yield "  []"
