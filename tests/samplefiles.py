"""Files of raw samples as a campaign leaves them."""

from __future__ import annotations

from grader.adapters.output import SampleFile
from grader.model.bench import Block
from grader.model.run import Sample
from grader.model.samplelog import SampleHeader


def save_runs(log: SampleFile, *, began: float, runs: int = 3) -> None:
    """Save good runs of a campaign that began then, Unix seconds, and was cut off in its first block."""
    writer = log.begin(SampleHeader(key="0" * 64, rounds=runs, began=began), ())
    writer.begin_block(Block(orders=(("a",),) * runs))
    for index in range(runs):
        good = {"arm": "a", "outcome": "ok", "total_s": 0.1, "first_output_s": None, "exit_code": 0, "started_s": 0}
        writer.add(Sample.model_validate(good | {"round_index": index}))
    log.close()
