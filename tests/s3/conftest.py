"""Time that can be moved, and ways to lose an answer."""

from faults.lost import clock, lost_answer, lost_request

__all__ = ["clock", "lost_answer", "lost_request"]
