"""The files to be sent: index, names, whether each is there and can be read, content."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

from upload_client.control.delivery_buckets import DeliveryBuckets
from upload_client.core.accidents import sentence as accident_sentence
from upload_client.core.expectations import Tally
from upload_client.core.left_out import sentence
from upload_client.core.parts import MAX_OBJECT
from upload_client.core.paths import check_relpaths, collisions
from upload_client.core.preflight import Finding
from upload_client.core.text import counted
from upload_client.errors import InvalidIndex, UsageError
from upload_client.expectations.expected import Expected
from upload_client.index import Choice, Files, check_index, left_out_of
from upload_client.index.accidents import growing, notice
from upload_client.index.files import READ_FROM
from upload_client.preflight.content import check_contents, unopened
from upload_client.preflight.packages import POINTER, check_packages, with_packages
from upload_client.preflight.run import SHOWN, Data, Run, Steps, more, quoted
from upload_client.s3.bucket import Bucket, StoreError
from upload_client.support import figures
from upload_client.support.local_file import FileRefused
from upload_client.transfer.dataroot import DataRoot
from upload_client.validator.expected import InvalidExpectations, read_expected

_Fix = "Fix them: the receiver's validator would judge them invalid."
_Fix_OTHERS = "Fix the others: the receiver's validator would judge them invalid."
_FETCH = (
    "Fetch what the pointers stand for (git lfs pull, datalad get): else they are delivered in its place."
)
_LOOKS = 512  # files looked at before progress is told


def look_at_files(run: Run, source: Path | Bucket) -> Steps[None]:
    """Look at the index, and at each file it names."""
    run.report("reading the index")
    try:
        index = run.request.read_files(source)
    except InvalidIndex as error:
        yield Finding(
            "index",
            "problem",
            f"{counted(error.n_problems, 'problem')} in {error.where}",
            error.hint,
            details=(*error.problems[:SHOWN], *more(error.n_problems)),
        )
        _no_files(run)
        return
    except UsageError as error:
        yield Finding("index", "problem", str(error), error.hint)
        _no_files(run)
        return
    paths = list(map(str, index.paths or ()))
    first_row = (
        2 if READ_FROM in index.attrs else 0
    )  # rows as a spreadsheet counts them, where there was a file
    unsafe = dict(check_relpaths(paths))
    checked = yield from _index(index, paths, unsafe)
    yield _names(paths, unsafe, first_row)
    expected = index.sizes if checked and index.sizes is not None else [None] * len(paths)
    yield from _look(run, source, paths, unsafe, expected)
    yield _accidents(index, source if isinstance(source, Path) else None)


def _no_files(run: Run) -> None:
    run.why_not = run.why_not or "not tried: the index cannot be read"


def _index(index: Files, paths: Sequence[str], unsafe: Mapping[int, str]) -> Steps[bool]:
    """Is each row of the index as it should be, whatever its file is like."""
    mark = secrets.token_hex(8)
    # Names have a finding of their own. What replaces them keeps the number of each row.
    stand_ins = [f"{mark}/{row}" if row in unsafe else path for row, path in enumerate(paths)]
    table = Files(stand_ins, index.checksums, others=index.others, attrs=index.attrs)
    try:
        check_index(table, dict.fromkeys(stand_ins, 0))
    except InvalidIndex as error:
        yield Finding(
            "index",
            "problem",
            f"{error.n_problems:,} of {counted(len(paths), 'row')} cannot be delivered",
            error.hint,
            details=(*error.problems[:SHOWN], *more(error.n_problems)),
        )
        return False
    given = sum(checksum is not None for checksum in index.checksums or ())
    how = (
        "with checksums"
        if given == len(paths)
        else "without checksums"
        if not given
        else f"{given} with checksums"
    )
    left = left_out_of(index)
    out = sentence(left.counts)
    shown = [f"{quoted(path)} {why}" for path, why in left.named[:SHOWN]]
    yield Finding(
        "index",
        "ok",
        f"{figures.files(len(paths))}, {how}" + f"; {out}" * bool(out),
        details=(*shown, *(more(left.n) if left.n else ())),
    )
    return True


def _names(paths: Sequence[str], unsafe: Mapping[int, str], first_row: int) -> Finding:
    if unsafe:
        shown = [
            f"row {first_row + row}: {quoted(paths[row])} {reason}"
            for row, reason in islice(unsafe.items(), SHOWN)
        ]
        return Finding(
            "names",
            "problem",
            f"{figures.files(len(unsafe))} with a name that cannot be delivered",
            "Rename these files, and write the index anew: `upload-client index DIR`.",
            details=(*shown, *more(len(unsafe))),
        )
    pairs = collisions(paths)
    if pairs:
        shown = [f"{quoted(paths[other])} and {quoted(paths[row])}" for row, other, _ in pairs[:SHOWN]]
        return Finding(
            "names",
            "warning",
            f"{figures.count(len(pairs))} differ from another only in case or Unicode form:"
            " some file systems take both for one",
            "Ask the receiver whether theirs does, or rename them.",
            details=(*shown, *more(len(pairs))),
        )
    return Finding("names", "ok", "all can be delivered, none can be taken for another")


def _accidents(index: Files, source: Path | None) -> Finding:
    found = notice(index, source)
    shown = [accident_sentence([accident]) for accident in found]
    if grows := growing(index):
        shown.append(grows)
    if not shown:
        return Finding("accidents", "ok", "none: no name looks like one, and no file is new")
    n = sum(accident.n for accident in found)
    return Finding(
        "accidents",
        "warning",
        f"{figures.files(n)} may lie there by accident" if n else "files may be being written still",
        "Make sure that they are meant; --exclude leaves them out, or an .uploadignore in the folder.",
        details=tuple(shown),
    )


def _look(
    run: Run,
    source: Path | Bucket,
    paths: Sequence[str],
    unsafe: Mapping[int, str],
    expected: Sequence[int | None],
) -> Steps[None]:
    look = _local(source, run.request.choice) if isinstance(source, Path) else _listed(source)
    run.data = data = Data()
    wrong: list[tuple[str, str]] = []
    rows = [row for row in range(len(paths)) if row not in unsafe]
    batches = [rows[start : start + _LOOKS] for start in range(0, len(rows), _LOOKS)]
    with ThreadPoolExecutor(8, "look") as pool:
        n = 0
        for batch, found in zip(
            batches, pool.map(lambda batch: [look(paths[row]) for row in batch], batches), strict=True
        ):
            for row, size in zip(batch, found, strict=True):
                path = paths[row]
                if isinstance(size, str):
                    wrong.append((path, size))
                    continue
                if size > MAX_OBJECT:
                    wrong.append((path, f"is larger than S3 can hold ({figures.size(MAX_OBJECT)})"))
                elif expected[row] not in (None, size):
                    wrong.append((path, f"has {size} bytes, and the index says {expected[row]}"))
                data.paths.append(path)
                data.sizes.append(size)
            n += len(batch)
            run.report(f"{figures.files(n)} of {figures.count(len(rows))} looked at")
    if wrong:
        yield Finding(
            "files",
            "problem",
            f"{figures.count(len(wrong))} of {figures.files(len(rows))} cannot be sent",
            "Fix these files, or take them out of the index: `upload-client index DIR` writes a new one.",
            details=_named(wrong),
        )
    else:
        of_size = figures.size(sum(data.sizes))
        yield Finding("files", "ok", f"{figures.files(len(data.paths))}, {of_size}, all there and readable")
    empty = [path for path, size in zip(data.paths, data.sizes, strict=True) if size == 0]
    if empty:
        shown = map(quoted, empty[:SHOWN])
        yield Finding(
            "empty",
            "warning",
            f"{figures.files(len(empty))}",
            "Make sure that they are meant to be empty; they are delivered as they are.",
            details=(*shown, *more(len(empty))),
        )
    else:
        yield Finding("empty", "ok", "none")


def _expected(buckets: DeliveryBuckets | None) -> tuple[Expected | None, str]:
    """The receiver's expectations, and the words for files that meet them."""
    if buckets is not None:
        try:
            expected = read_expected(buckets.control, buckets.layout)
        except StoreError:
            expected = None  # it may be there for the validator alone
        except InvalidExpectations:
            return None, "open as what their names say; the receiver's document cannot be used: tell them"
        if expected is not None:
            return expected, "as the receiver expects"
    return None, "open as what their names say"


def _local(folder: Path, choice: Choice) -> Callable[[str], int | str]:
    """Opens files: the only way to know that they can be read."""
    root = DataRoot(folder, follow=choice.symlinks == "follow")

    def look(path: str) -> int | str:
        try:
            with root.open(path) as file:
                return file.fingerprint.size
        except FileRefused as error:
            return str(error)
        except OSError as error:
            return f"cannot be opened: {error.strerror or error}"

    return look


def _listed(bucket: Bucket) -> Callable[[str], int | str]:
    sizes = {entry.key: entry.size for entry in bucket.list()}
    return lambda path: sizes.get(path, "is not there")


def _named(files: Sequence[tuple[str, str]], between: str = " ") -> tuple[str, ...]:
    """The first of these files, each with what is said of it."""
    shown = [f"{quoted(path)}{between}{reason}" for path, reason in sorted(files)[:SHOWN]]
    return (*shown, *more(len(files)))


def look_at_content(run: Run, source: Path | None, buckets: DeliveryBuckets | None) -> Steps[None]:
    """Judge the files as the validator will: by the receiver's document, where it can be read.

    Args:
        run: the files were looked at.
        source: the folder with the files; None: they are in a bucket.
        buckets: the receiver's, if they are known.
    """
    data = run.data
    if data is None:
        return
    if not run.request.content:
        yield Finding("content", "skipped", "not looked at: --content opens each file as the validator will")
        return
    if source is None:
        yield Finding(
            "content", "skipped", "not looked at: the bytes of a bucket do not pass through this machine"
        )
        return
    expected, by = _expected(buckets)
    if expected is not None:
        tally = Tally(expected.rules)
        for path, size in zip(data.paths, data.sizes, strict=True):
            tally.add(path, size)
        if problems := tally.problems(complete=run.request.transfer_type == "staging"):
            yield Finding(
                "content",
                "problem",
                "as a whole it is not the delivery that the receiver expects",
                "Fix it: the receiver's pipeline would refuse to start.",
                details=(*problems[:SHOWN], *more(len(problems))),
            )
            return
    why = {path: unopened(path, size, expected) for path, size in zip(data.paths, data.sizes, strict=True)}
    files = [(path, size) for path, size in zip(data.paths, data.sizes, strict=True) if why[path] is None]
    done = 0

    def opened(n: int) -> None:
        nonlocal done
        done += n
        run.report(f"{figures.files(done)} of {figures.count(len(files))} opened")

    opened(0)
    agreed = None if expected is None else expected.expectations
    follow = run.request.choice.symlinks == "follow"
    undecided: list[tuple[str, str]] = []
    wrong = list(
        check_contents(
            source,
            files,
            expectations=agreed,
            follow=follow,
            on_progress=opened,
            on_undecided=lambda path, reason: undecided.append((path, reason)),
        )
    )
    sizes = dict(zip(data.paths, data.sizes, strict=True))
    compared = 0

    def held() -> None:
        nonlocal compared
        compared += 1
        if compared < 100 or not compared % 100:
            run.report(f"{figures.files(compared)} held against manifests")

    packages = list(
        check_packages(
            source,
            sizes,
            follow=follow,
            complete=run.request.transfer_type == "staging",
            expected=expected,
            on_file=held,
        )
    )
    wrong = with_packages(wrong, packages)
    n_pointers = sum(problem == POINTER for _, problem in wrong)
    left = sorted({reason for reason in why.values() if reason})
    tail = f"; {figures.files(len(why) - len(files))} not opened ({', '.join(left)})" if left else ""
    if undecided and not wrong:
        yield Finding(
            "content",
            "warning",
            f"{figures.files(len(undecided))} cannot be judged here; nothing is wrong with the others",
            "Nothing is to be fixed. If the receiver's validator cannot judge them, ask the receiver.",
            details=_named(undecided, ": "),
        )
        return
    tail += f"; {figures.files(len(undecided))} cannot be judged here" if undecided else ""
    if not wrong:
        yield Finding("content", "ok", f"{figures.files(len(files))} {by}{tail}")
        return
    n, one = len({path for path, _ in (*files, *wrong)}), len(wrong) == 1
    if agreed is not None:
        what = f"{'is' if one else 'are'} not as the receiver expects"
    elif one:
        what = "does not open as what its name says, or does not go with the delivery"
    else:
        what = "do not open as what their names say, or do not go with the delivery"
    yield Finding(
        "content",
        "problem",
        f"{figures.count(len(wrong))} of {figures.files(n)} {what}{tail}",
        _Fix if not n_pointers else _FETCH if n_pointers == len(wrong) else f"{_FETCH} {_Fix_OTHERS}",
        details=_named(wrong, ": "),
    )
