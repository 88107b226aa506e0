"""Start a server, ask it, look at its memory, and time its starts: the order of effects and a cap on every wait.

It is asked first and timed afterwards: what does not serve must not keep the host to itself, and the timed starts
find its file in the page cache, as the timed runs of the command line do.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from functools import partial

from grader.errors import HostError, LockError
from grader.judging.http import judge_answer
from grader.judging.probes import FAILED_AS_EXPECTED, VALID, WallClock
from grader.judging.server import printed_word, spread, unexpected_failure, why_no_answer
from grader.model.base import Message
from grader.model.lab import HttpGet, HttpProbe
from grader.model.run import Answer, Artifact, Command, MemoryReading, ProbeResult, ServerRun
from grader.model.trouble import trouble
from grader.ports import Clock, Server, Stopped
from grader.stats.experiment import PAUSES_S, REPEATS
from grader.stats.noise import doubts_about_readings, quiet_spawn
from grader.workflow.calibration import CalibratedMeter
from grader.workflow.firstanswer import First, first_answer
from grader.workflow.probing import Probed, Probing, start_probing
from grader.workflow.site import Site
from grader.workflow.waits import Waits

RECIPE = "8"
"""Raised when the same server would be asked, timed or judged otherwise."""


def probe_server(site: Site, name: str, probe: HttpProbe, arm: str, artifact: Artifact) -> Probed:
    """Ask a server and time its starts, or take what the same gave before on this host.

    Where its failure is expected it is started once and only asked.  A run that hit a limit, a wait that was too
    long and a broken host are not kept.
    """
    life_s = site.waits.life_s(probe, site.limits.timeout_s)
    limits = site.limits.model_copy(update={"timeout_s": life_s})
    command = site.engine.command(arm, artifact, probe, limits)
    host = site.host_of(arm).decode()
    probing = start_probing(site, name, probe, arm, artifact, (command,), RECIPE, host)
    stored = probing.earlier()
    expected = probe.expect_failure.get(artifact.subject)
    # What should fail is waited for as any run is: compiling a large module takes long while others work.
    ready_s = site.limits.timeout_s if expected else min(site.waits.ready_s, site.limits.timeout_s)
    serving = _Serving(probing, probe, command, ready_s)
    if stored is not None:
        again = site.remeasure and not expected and stored.result.state == "passed"
        return _starts_again(serving, stored) if again else stored
    site.progress.step(f"probe {name}", f"{artifact.subject} on {arm}")
    try:
        with site.lock.shared():
            result = serving.expect(expected) if expected else serving.serve()
        if expected or result.state != "passed":
            return probing.done(result, lasting=_lasting(result))
        with site.lock.exclusive():
            # Whoever held the lock before may have timed the same: equal inputs give equal facts.
            stored = probing.earlier()
            if stored is not None:
                return stored
            result = serving.time_starts(result)
            return probing.done(result, lasting=_lasting(result))
    except LockError:
        raise
    except HostError as error:
        return probing.broken(error)


def _starts_again(serving: _Serving, stored: Probed) -> Probed:
    """Time the starts of a server again that was asked before; what was kept stays unless all of them are right."""
    probing, site, served = serving.probing, serving.site, stored.result
    site.progress.step(f"probe {probing.name}", f"{probing.subject} on {probing.arm}, its starts again")
    try:
        with site.lock.exclusive():
            result = serving.time_starts(served)
    except LockError:
        raise
    except HostError as error:
        site.progress.note(f"the new starts are not whole, those of before stay: {error.what}")
        return stored.model_copy(update={"unrenewed": trouble("infra.run-broke", error)})
    if result.state != "passed":
        site.progress.note("the server did not answer at a new start: the starts of before stay")
        return stored
    return probing.done(result, lasting=True)


class _Serving:
    """The starts of one server, each from spawn to stop; the caller holds the host lock."""

    def __init__(self, probing: Probing, probe: HttpProbe, command: Command, ready_s: float) -> None:
        self.probing, self.probe, self.command, self.ready_s = probing, probe, command, ready_s
        self.site, self.clock, self.waits = probing.site, probing.site.clock, probing.site.waits

    def expect(self, words: Sequence[str]) -> ProbeResult:
        """Start a server that should fail, and see which of the words its failure prints."""
        with self.site.engine.serve(self.command, self.probe.port) as server:
            first = self._first_answer(server, self.waits.untimed_pause_s)
            answers = [first.answer]
            if first.answer.reason is None:
                answers += [self._ask(server, get, self.waits.request_s) for get in self.probe.get[1:]]
            stopped = server.stop(self.waits.grace_s)
        run, done = ServerRun(stopped=stopped.how), stopped.completed
        failed = answers[0].reason is not None and stopped.how == "by-itself"
        printed = printed_word(words, done) if failed else None
        if printed is not None:
            result = self.probing.judged(None, f"{FAILED_AS_EXPECTED}{printed}", done, answers=answers, server=run)
            return result.model_copy(update={"expected_failure": printed})
        reason = unexpected_failure(words, done) if failed else self._why(answers, stopped)
        return self.probing.judged(reason, VALID, done, answers=answers, server=run)

    def serve(self) -> ProbeResult:
        """Ask every route, and read the memory before and after many requests."""
        idle: tuple[MemoryReading, ...] = ()
        after: tuple[MemoryReading, ...] = ()
        asked = 0
        with self.site.engine.serve(self.command, self.probe.port) as server:
            answers = [self._first_answer(server, self.waits.untimed_pause_s).answer]
            for get in self.probe.get[1:]:
                if answers[-1].reason is None:
                    answers.append(self._ask(server, get, self.waits.request_s))
            if answers[-1].reason is None:
                idle = settled_memory(server, self.waits, self.clock)
                asked, wrong = self._ask_many(server)
                answers += [wrong] if wrong is not None else []
                after = settled_memory(server, self.waits, self.clock) if asked == self.waits.requests else ()
            if answers[-1].reason is None and server.ended():
                # It has answered all, and nobody told it to end: a server that is gone answers nobody.
                answers.append(self._ask(server, self.probe.get[0], self.waits.request_s))
            self._let_die(server, answers[-1])
            stopped = server.stop(self.waits.grace_s)
        run = ServerRun(idle=idle, after_requests=after, requests=asked, stopped=stopped.how)
        reason = self._why(answers, stopped, asked)
        return self.probing.judged(reason, VALID, stopped.completed, answers=answers, server=run)

    def time_starts(self, served: ProbeResult) -> ProbeResult:
        """Start a server that serves again and again, each time until its first valid answer.

        Starts that noise surrounds are made again, as often as the rounds of a campaign are; then they are marked.
        """
        assert served.server is not None
        meter = CalibratedMeter(self.site.listen(), self.site.store, self.site.host)
        began_s = self.clock.monotonic()
        before = meter.read(0.0)
        for pause_s in (*PAUSES_S[:REPEATS], None):
            starts = self._starts(served)
            after = meter.read(self.clock.monotonic() - began_s)
            noise = doubts_about_readings((before, after), quiet_spawn(meter.readings, meter.calibration))
            if not noise or pause_s is None or isinstance(starts, ProbeResult):
                break
            self.site.progress.note(f"the host is busy: waiting {pause_s:g} s, then the starts are made again")
            before = meter.read(self.clock.monotonic() - began_s, pause_s)
        if self.site.use_cache:
            meter.learn()
        if isinstance(starts, ProbeResult):
            return starts
        timed = served.server.model_copy(update={"first_answers_s": starts, "noise": noise})
        return served.model_copy(update={"server": timed})

    def _starts(self, served: ProbeResult) -> tuple[float, ...] | ProbeResult:
        """Return the seconds of each start, or what came instead of a right answer."""
        seconds: list[float] = []
        for number in range(self.probe.starts):
            self.site.progress.advance(number, self.probe.starts)
            with self.site.engine.serve(self.command, self.probe.port) as server:
                first = self._first_answer(server, self.waits.connect_pause_s)
                # That it ends when it is told to was seen before; the host is not kept waiting for it.
                stopped = server.stop(0.0)
            if first.answer.reason is not None:
                reason = self._why([first.answer], stopped)
                answers = (*served.answers, first.answer)
                return self.probing.judged(reason, VALID, stopped.completed, answers=answers, server=served.server)
            seconds.append(first.seconds)
        self.site.progress.advance(self.probe.starts, self.probe.starts)
        return tuple(seconds)

    def _first_answer(self, server: Server, pause_s: float) -> First:
        """Ask the first route until the answer is valid, the server has ended or the wait is over."""
        get = self.probe.get[0]
        return first_answer(
            server,
            get.path,
            self.probe.port,
            partial(judge_answer, get),
            within_s=self.ready_s,
            pause_s=pause_s,
            waits=self.waits,
            clock=self.clock,
        )

    def _ask_many(self, server: Server) -> tuple[int, Answer | None]:
        """Ask the routes in turn; return how many answers were right, and the first wrong one."""
        deadline = self.clock.monotonic() + self.waits.requests_s
        for number in range(self.waits.requests):
            if self.clock.monotonic() >= deadline:
                return number, None
            answer = self._ask(server, self.probe.get[number % len(self.probe.get)], self.waits.request_s)
            if answer.reason is not None:
                return number, answer
        return self.waits.requests, None

    def _ask(self, server: Server, get: HttpGet, timeout_s: float) -> Answer:
        before = self.clock.wall()
        answer = server.ask(get.path, self.probe.port, timeout_s=timeout_s)
        return judge_answer(get, answer, WallClock(before=before, after=self.clock.wall()))

    def _let_die(self, server: Server, answer: Answer) -> None:
        """Wait for the end of a server whose last answer looks as if it had died over it."""
        if answer.reason is None or answer.reason.code not in ("answer.closed", "answer.refused"):
            return
        deadline = self.clock.monotonic() + self.waits.dying_s
        while not server.ended() and self.clock.monotonic() < deadline:
            self.clock.sleep(self.waits.untimed_pause_s)

    def _why(self, answers: Sequence[Answer], stopped: Stopped, asked: int = 0) -> Message | None:
        wrong = next((a for a in answers if a.reason is not None), None)
        ended = stopped.how == "by-itself"
        if wrong is None:
            return None
        counts = {"asked": asked, "requests": self.waits.requests}
        return why_no_answer(wrong, stopped.completed, ended=ended, waited_s=self.ready_s, **counts)


def settled_memory(server: Server, waits: Waits, clock: Clock) -> tuple[MemoryReading, ...]:
    """Read the memory until it holds still; return the last readings, empty where this host can give none."""
    last: deque[tuple[MemoryReading, ...]] = deque(maxlen=waits.readings)
    for number in range(round(waits.settle_s / waits.read_every_s)):
        if number:
            clock.sleep(waits.read_every_s)
        readings = server.memory()
        if not readings:
            return ()
        last.append(readings)
        if len(last) == waits.readings and spread(last) <= waits.steady:
            return readings
    unsettled = f"; still moving after {waits.settle_s:g} s"
    return tuple(r.model_copy(update={"method": r.method + unsettled}) for r in last[-1])


def _lasting(result: ProbeResult) -> bool:
    """False if a limit or one of our waits ended it: the next run may go better."""
    waited = result.reason is not None and result.reason.code in ("server.no-answer", "answer.timeout")
    return not waited and (result.completed is None or result.completed.reason is None)
