"""The progress of reading many files, on a terminal."""

from __future__ import annotations

from upload_client.ui.progress_line import ProgressLine


class ReadingProgress(ProgressLine):
    """Says on a terminal how far reading is."""

    def __call__(self, n_files: int, n_bytes: int) -> None:
        """Take note of what is read so far."""
        from upload_client.support import figures  # noqa: PLC0415 # not for --help

        self.show(f"{figures.files(n_files)}, {figures.size(n_bytes)} read")
