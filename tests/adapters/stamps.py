"""A program that proves when its first byte and its end were seen: it looks at the same clock as who times it."""

from __future__ import annotations

import sys

from grader.model.base import Record

_PROGRAM = """
import array, fcntl, os, sys, termios, time
now = time.perf_counter_ns
began = now()
time.sleep(0.02)
wrote = now()
os.write(1, b"first")
waiting = array.array("i", [1])
while waiting[0]:
    fcntl.ioctl(1, termios.FIONREAD, waiting)
read = now()
time.sleep(0.02)
print(began, wrote, read, now(), file=sys.stderr)
"""

TELLING = [sys.executable, "-I", "-S", "-c", _PROGRAM]


class Told(Record):
    """What the program saw, nanoseconds of its clock: `read` is when the byte had left the pipe."""

    began: int
    wrote: int
    read: int
    ended: int

    @classmethod
    def parse(cls, stderr: str) -> Told:
        began, wrote, read, ended = map(int, stderr.split())
        return cls(began=began, wrote=wrote, read=read, ended=ended)

    def agrees(self, first_output_s: float | None, total_s: float) -> bool:
        """Whether the first byte was stamped after it was written and before it was taken, the end after the end."""
        if first_output_s is None:
            return False
        first_ns, total_ns = round(first_output_s * 1e9), round(total_s * 1e9)
        return first_ns >= self.wrote - self.began and total_ns - first_ns >= self.ended - self.read
