"""The file index as a DataFrame, for who works with pandas."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

import numpy as np
import pandas as pd

from upload_client.index.files import Files


def frame_of(files: Files) -> pd.DataFrame:
    """An index as a DataFrame, as the head of `upload_client.index` says; its attributes are there, too."""
    n = len(files)
    texts = {"path": files.paths or [], "checksum": files.checksums or [None] * n}
    frame = pd.DataFrame(
        {
            **{name: pd.Series(list(values), dtype=object, index=range(n)) for name, values in texts.items()},
            "size": pd.Series(_sizes(files.sizes, n), index=range(n)),
            **{
                name: pd.Series(list(values), dtype=object, index=range(n))
                for name, values in files.others.items()
            },
        }
    )
    frame.attrs.update(files.attrs)
    return frame


def _sizes(sizes: Sequence[int | None] | None, n: int) -> pd.arrays.IntegerArray:
    if sizes is None:
        return pd.arrays.IntegerArray(np.zeros(n, np.int64), np.ones(n, np.bool_))
    if isinstance(sizes, array):
        return pd.arrays.IntegerArray(np.frombuffer(sizes, dtype=np.int64).copy(), np.zeros(n, np.bool_))
    unknown = np.fromiter((size is None for size in sizes), np.bool_, n)
    return pd.arrays.IntegerArray(np.fromiter((size or 0 for size in sizes), np.int64, n), unknown)


def known_sizes(frame: pd.DataFrame) -> Sequence[int | None]:
    """The column ``size`` of a checked index; None where it is not known."""
    unknown = frame["size"].isna().to_numpy(dtype=np.bool_)
    sizes = frame["size"].fillna(0).to_numpy(dtype=np.int64).tolist()
    if not unknown.any():
        return array("q", sizes)
    return [None if no_size else size for size, no_size in zip(sizes, unknown.tolist(), strict=True)]
