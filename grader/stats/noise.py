"""Whether the host was quiet: each reading and each block of rounds set against a calibration.  Pure.

What was run says nothing here: a round is never doubted for its own times, or slow runs of one arm would be dropped
by being repeated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from grader.model.base import Message
from grader.model.bench import BlockDone, Calibration, NoiseReading

SPAWN_LIMIT = 2.0
"""Times the quiet median that the median of a reading may reach: 0.42 ms when quiet, 3.5 ms under two busy loops."""

TAIL_LIMIT = 3.0
"""Times the quiet median that one in ten starts may reach.  A fair scheduler lets most short programs pass even where
eight tasks share two CPUs: the median then stayed below its limit in 19 of 30 readings, the tail in 2.  When quiet,
95 % of starts are within 1.3 times the median."""

PRESSURE_LIMIT = 0.25
"""Share of the time above that of the campaign's calmest block.  Our own load alone makes 0.2 to 0.5, about the same in
every block since each runs the same arms; two busy loops add 0.3 (recorded series of `ctr run` and `docker run`)."""

PRESSURE_WINDOW_S = 0.5
"""Runs that took less together have no pressure to speak of: one time slice of another task would decide the share."""

FOREIGN_LIMIT = 0.75
"""Share of all CPUs that others may keep busy while we pause: on two CPUs, one busy loop leaves us the other."""

CALM = 0.25
"""Share of all CPUs that others may keep busy at a reading that calibrates."""

Calmest = Mapping[frozenset[str], float]
"""Shares of pressure by the arms that ran: when one leaves, our own load changes."""


def doubts_about_reading(reading: NoiseReading, quiet_s: float) -> tuple[Message, ...]:
    """Return why the host is not quiet at this moment; empty if it is."""
    doubts = []
    quiet_ms = round(quiet_s * 1e3, 2)
    if reading.median_s > SPAWN_LIMIT * quiet_s:
        found_ms = round(reading.median_s * 1e3, 2)
        doubts.append(Message(code="noise.spawn", params={"found_ms": found_ms, "quiet_ms": quiet_ms}))
    elif reading.tail_s > TAIL_LIMIT * quiet_s:
        found_ms = round(reading.tail_s * 1e3, 2)
        doubts.append(Message(code="noise.spawn-tail", params={"found_ms": found_ms, "quiet_ms": quiet_ms}))
    if reading.foreign_load is not None and reading.foreign_load > FOREIGN_LIMIT:
        doubts.append(Message(code="noise.foreign-load", params={"percent": round(reading.foreign_load * 100)}))
    return tuple(doubts)


def doubts_about_readings(readings: Sequence[NoiseReading], quiet_s: float) -> tuple[Message, ...]:
    """Return why the host was not quiet at one of these moments, each kind of reason once; empty if it was."""
    doubts: dict[str, Message] = {}
    for reading in readings:
        for doubt in doubts_about_reading(reading, quiet_s):
            doubts.setdefault(doubt.code, doubt)
    return tuple(doubts.values())


def doubts_about_block(
    before: NoiseReading | None, done: BlockDone, quiet_s: float, calmest: Calmest
) -> tuple[Message, ...]:
    """Return why the runs of a block are contaminated; empty if they are not.

    Args:
        before: The reading that the block began with, None for the first of all.
        quiet_s: As `quiet_spawn` returns it.
        calmest: As `calmest_pressure` returns it.
    """
    doubts = [*doubts_about_reading(before, quiet_s)] if before is not None else []
    doubts += doubts_about_reading(done.reading, quiet_s)
    pressure, own = pressure_of(done), calmest.get(done.arms, 0.0)
    if pressure is not None and done.arms in calmest and pressure - own > PRESSURE_LIMIT:
        params = {"percent": round(pressure * 100), "own": round(own * 100)}
        doubts.append(Message(code="noise.pressure", params={**params}))
    return tuple(doubts)


def quiet_spawn(readings: Sequence[NoiseReading], calibration: Calibration | None) -> float:
    """Return how fast a no-op program starts when it is quiet: the best median there is, seconds.

    Others' load never makes a program start faster, so the best is the quietest.  Without a calibration, load that
    was there from the first reading to the last is only seen as `foreign_load`.
    """
    known = [calibration.spawn_s] if calibration is not None else []
    return min([*known, *(reading.median_s for reading in readings)])


def calmest_pressure(done: Sequence[BlockDone]) -> Calmest:
    """Return the least share of pressure of all blocks that ran the same arms: at least what our own load makes."""
    calmest: dict[frozenset[str], float] = {}
    for d in done:
        if (pressure := pressure_of(d)) is not None:
            calmest[d.arms] = min(pressure, calmest.get(d.arms, pressure))
    return calmest


def pressure_of(done: BlockDone) -> float | None:
    """Return the share of pressure during the runs of a timed block; None where that says nothing."""
    if done.block.phase != "timed" or done.running_s < PRESSURE_WINDOW_S:
        return None
    return done.reading.pressure


def calibrated(old: Calibration | None, readings: Sequence[NoiseReading]) -> Calibration | None:
    """Return the calibration that these readings of the same host improve or confirm.

    A reading under others' load teaches nothing, one that cannot tell is believed: the quietest counts anyway.

    Returns: None if there is no calibration and no reading that may make one.
    """
    usable = [r for r in readings if r.foreign_load is None or r.foreign_load <= CALM]
    if not usable:
        return old
    return Calibration(
        spawn_s=quiet_spawn(usable, old), readings=len(usable) + (old.readings if old is not None else 0)
    )
