"""What a campaign saves while it runs, one record a line: its header, then its blocks as they go.

A block is a `BlockBegun`, its samples, and the `BlockClosed` with the reading of the noise that ends it.

History of the stored format
    grader/samples/1   a header and samples
    grader/samples/2   blocks with their readings
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from grader.model.base import Record
from grader.model.bench import Block, BlockDone, NoiseReading
from grader.model.run import Sample


class SampleHeader(Record):
    """Which campaign a file of raw samples belongs to.  `key` stands for all that its runs depend on."""

    schema_: Annotated[Literal["grader/samples/2"], Field(alias="schema")] = "grader/samples/2"
    key: str
    rounds: int
    began: float = Field(description="When the campaign began, Unix seconds.")


class BlockBegun(Record):
    """What is about to run."""

    block: Block


class SampleTaken(Record):
    """One run of the block that was begun last."""

    sample: Sample


class BlockClosed(Record):
    """The end of the block that was begun last."""

    reading: NoiseReading
    cut: bool = False


LogLine = BlockBegun | SampleTaken | BlockClosed


class SavedSamples(Record):
    """What a campaign that was cut off has left, up to the first whole line that cannot be read, `damaged`.

    `loose` are runs of a block that has no reading: nobody knows what the host was like, so they do not count.
    """

    header: SampleHeader
    blocks: tuple[BlockDone, ...] = ()
    loose: tuple[Sample, ...] = ()
    damaged: int | None = None

    @property
    def samples(self) -> tuple[Sample, ...]:
        """All runs that were saved, warm-ups and loose ones too."""
        return (*(sample for done in self.blocks for sample in done.samples), *self.loose)

    @property
    def timed(self) -> int:
        """How many timed runs were saved."""
        return sum(sample.phase == "timed" for sample in self.samples)
