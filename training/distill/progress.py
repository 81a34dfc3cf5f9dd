"""A progress line with an estimate of the time left, for stages that take longer than a few seconds."""

import sys
import time


class Progress:
    """Prints at most one line every few seconds; on a terminal over the last one."""

    def __init__(self, what, total, every=5.0, seconds=float("inf")):
        """seconds: when it ends at the latest, whatever is left then."""
        self.what, self.total, self.every, self.seconds = what, total, every, seconds
        self.count, self.start, self.last = 0, time.monotonic(), 0.0

    def add(self, n, note=""):
        self.count += n
        now = time.monotonic()
        if now - self.last >= self.every:
            self.last = now
            self.line(note)

    def line(self, note=""):
        took = time.monotonic() - self.start
        left = min(took / max(self.count, 1) * max(self.total - self.count, 0), max(self.seconds - took, 0))
        end = "\r" if sys.stderr.isatty() else "\n"
        sys.stderr.write(f"{self.what}: {self.count} of {self.total}, {took:.0f} s, about {left:.0f} s left {note}{end}")
        sys.stderr.flush()

    def done(self):
        self.line()
        if sys.stderr.isatty():
            sys.stderr.write("\n")
