"""The report of a delivery: one HTML page that needs nothing else, made from what an observer sees."""

from upload_client.reports.html.page import MAX_ROWS, render

__all__ = ["MAX_ROWS", "render"]
