"""Servers that serve, lie, die, or fail as they should; all waits are the fake clock's."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from grader.errors import HostError, LockError
from grader.model.base import Message
from grader.model.grade import Fact
from grader.model.lab import HttpProbe, Lab
from grader.model.run import Answer, MemoryReading, ProbeResult
from grader.testing import (
    FakeClock,
    FakeHost,
    FakeLock,
    FakeNoiseMeter,
    FakeServer,
    completed,
    http_answer,
    no_answer,
)
from grader.workflow.waits import STANDARD, Waits
from tests.samplelab import NOW, engine, right_output, serving_lab
from tests.workflow.test_measure import Desk, facts

PAGE, TIME = http_answer("<p>"), http_answer(right_output(), "application/json")
RIGHT = {"/": PAGE, "/api/time": TIME}
KIB = 1024
Start = Callable[[], FakeServer]


def reading(size: int, notion: str = "cgroup") -> MemoryReading:
    return MemoryReading.model_validate({"notion": notion, "size_bytes": size, "method": "read"})


def still(size: int = 900 * KIB) -> Callable[[], tuple[MemoryReading, ...]]:
    return lambda: (reading(size), reading(2 * size, "smaps"))


def serves(**changes: object) -> FakeServer:
    return FakeServer(RIGHT, **{"memory": still(), **changes})  # type: ignore[arg-type]


def dies(said: str, **changes: object) -> FakeServer:
    end = completed("", outcome="failed", exit_code=2, stderr=said, **changes)
    return FakeServer({}, refusals=None, dies_after=0, end=end)


WAITS = Waits(patience_s=0.05, requests=20)


class Rig:
    """One desk and the servers that its engine starts."""

    def __init__(self, folder: Path, lab: Lab | None = None) -> None:
        self.desk = Desk(folder, lab or serving_lab())
        self.desk.waits = WAITS
        self.started: list[FakeServer] = []

    def facts(self, native: Start = serves, wasm: Start = lambda: dies("Netdev not set\n")) -> dict[str, list[Fact]]:
        """Measure with these servers; return the facts of servers by id."""
        self.started = []

        def start(make: Start) -> Start:
            def made() -> FakeServer:
                self.started.append(make())
                return self.started[-1]

            return made

        self.fake = engine(servers={"process": start(native), "wasmtime": start(wasm)})
        self.measured = self.desk.measure(self.fake)
        grouped = itertools.groupby(self.measured.facts, key=lambda fact: fact.id)
        return {fact_id: list(group) for fact_id, group in grouped}

    def probe(self, subject: str = "native") -> ProbeResult:
        return next(p for p in self.measured.probes if p.probe == "server" and p.subject == subject)


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


def test_a_server_is_asked_on_every_route_weighed_twice_and_timed(rig: Rig) -> None:
    found = rig.facts()
    (mode,) = found["native.server_mode@process"]
    assert (mode.state, mode.value) == ("measured", "valid")
    idle = {(f.notion, f.conditions): f.value for f in found["native.memory_idle@process"]}
    assert idle == {
        ("cgroup", "warm"): 900 * KIB,
        ("smaps", "warm"): 1800 * KIB,
        ("cgroup", "after-1000-requests"): 900 * KIB,
        ("smaps", "after-1000-requests"): 1800 * KIB,
    }
    (first,) = found["native.first_answer_time@process"]
    assert (first.state, first.n, first.unit, first.conditions) == ("measured", 7, "second", "warm")
    assert first.spread is not None
    assert (first.spread.n, first.interval) == (7, None)
    asked, *timed = [s for s in rig.started if s.asked]
    assert asked.asked == ["/", "/api/time", *["/", "/api/time"] * 10]
    assert [s.asked for s in timed] == [["/"]] * 7


def test_only_timed_starts_have_the_host_to_themselves(rig: Rig) -> None:
    rig.facts()
    events = rig.desk.lock.events
    assert events.count("+exclusive") == 2, "the server's starts, then the campaign"
    assert rig.desk.lock.events[events.index("+exclusive") - 1] == "-shared"


QUIET_S, BUSY_S = 0.0005, 0.005


def test_starts_that_noise_surrounds_are_made_again_and_the_quiet_ones_count(rig: Rig) -> None:
    rig.desk.host = FakeHost(FakeNoiseMeter(QUIET_S, BUSY_S, QUIET_S))
    facts = rig.facts()
    (first,) = facts["native.first_answer_time@process"]
    assert (first.state, first.n, first.noise) == ("measured", 7, ())
    assert len([s for s in rig.started if s.asked]) == 1 + 2 * 7


def test_starts_on_a_host_that_stays_busy_say_so_after_three_repeats(rig: Rig) -> None:
    rig.desk.host = FakeHost(FakeNoiseMeter(QUIET_S, BUSY_S))
    facts = rig.facts()
    (first,) = facts["native.first_answer_time@process"]
    assert (first.state, first.n) == ("measured", 7)
    assert {doubt.code for doubt in first.noise} == {"noise.spawn"}
    assert len([s for s in rig.started if s.asked]) == 1 + 4 * 7


class Late(FakeServer):
    """Listens so many seconds after its start, on the clock of who asks; each attempt to ask takes 0.1 ms."""

    def __init__(self, clock: FakeClock, after_s: float) -> None:
        super().__init__(RIGHT, memory=still())
        self.clock, self.began_ns, self.after_s = clock, clock.ticks_ns(), after_s

    def started_ns(self) -> int:
        return self.began_ns

    def ask(self, path: str, port: int, *, timeout_s: float, connect_s: float | None = None) -> Answer:
        self.clock.sleep(0.0001)
        if (self.clock.ticks_ns() - self.began_ns) / 1e9 < self.after_s:
            return no_answer(path, "answer.refused")
        return super().ask(path, port, timeout_s=timeout_s, connect_s=connect_s)


@pytest.mark.parametrize("after_s", [0.0, 0.0007, 0.05, 1.2345, 15.0])
def test_a_timed_start_is_at_most_a_millisecond_too_long(rig: Rig, after_s: float) -> None:
    rig.facts(lambda: Late(rig.desk.clock, after_s))
    served = rig.probe().server
    assert served is not None
    assert len(served.first_answers_s) == 7
    assert all(0 <= seconds - after_s <= 0.001 for seconds in served.first_answers_s)


def test_a_server_that_ignores_sigterm_does_not_keep_the_host_to_itself(rig: Rig) -> None:
    rig.facts(lambda: serves(how="killed"))
    asked, *timed = [s.grace_s for s in rig.started if s.asked]
    assert asked == WAITS.grace_s
    assert timed == [0.0] * 7


@pytest.mark.parametrize("routes", [1, 2, 50])
@pytest.mark.parametrize("expected", [{}, {"wasm": ("no",)}])
def test_a_server_may_live_longer_than_all_that_it_is_waited_for(routes: int, expected: dict[str, object]) -> None:
    probe = serving_lab().probes["server"]
    assert isinstance(probe, HttpProbe)
    probe = probe.model_copy(update={"get": probe.get[:1] * routes, "expect_failure": expected})
    ready_s = 60 if expected else STANDARD.ready_s
    asked_s = routes * STANDARD.request_s + STANDARD.requests_s
    after_s = 2 * STANDARD.settle_s + STANDARD.dying_s + STANDARD.grace_s
    assert STANDARD.life_s(probe, 60) > ready_s + asked_s + after_s


def test_every_server_is_stopped(rig: Rig) -> None:
    rig.facts()
    assert len(rig.started) == 9
    assert all(server.stops > 0 for server in rig.started)


def test_a_server_that_listens_late_is_waited_for(rig: Rig) -> None:
    assert rig.facts(lambda: serves(refusals=5))["native.server_mode@process"][0].state == "measured"


@pytest.mark.parametrize(
    ("native", "expected", "names"),
    [
        (lambda: FakeServer({}), "answer.status", "/"),
        (lambda: FakeServer({"/": PAGE}), "answer.status", "/api/time"),
        (lambda: FakeServer(RIGHT | {"/api/time": PAGE}), "answer.type", "/api/time"),
        (
            lambda: FakeServer(RIGHT | {"/api/time": http_answer(right_output(NOW - 99), "application/json")}),
            "answer.not-now",
            "/api/time",
        ),
        (lambda: FakeServer(RIGHT | {"/": "answer.not-http"}), "answer.not-http", "/"),
        (lambda: dies("panic: no port\n"), "server.exited", "/"),
        (lambda: FakeServer(RIGHT, dies_after=1), "server.exited", "/api/time"),
        (lambda: serves(dies_after=9), "server.exited-later", "/api/time"),
        (lambda: serves(dies_after=22), "server.exited-later", "/"),
        (lambda: FakeServer(RIGHT, dies_after=0), "server.exited", "/"),
        (
            lambda: FakeServer(RIGHT | {"/api/time": http_answer("{}", "application/json")}),
            "answer.key-missing",
            "/api/time",
        ),
        (lambda: FakeServer(RIGHT, refusals=None), "server.no-answer", "/"),
    ],
)  # fmt: skip
def test_a_broken_server_is_the_students_failure_and_the_route_is_named(
    rig: Rig, native: Start, expected: str, names: str
) -> None:
    found = rig.facts(native)
    for fact_id in ("native.server_mode@process", "native.memory_idle@process", "native.first_answer_time@process"):
        (fact,) = found[fact_id]
        assert fact.state == "failed"
        assert fact.reason is not None
        assert (fact.reason.code, fact.reason.params["path"]) == (expected, names)
    assert found["native.startup_time@process"][0].state == "measured"
    assert "+exclusive" not in rig.desk.lock.events[:-2], "what does not serve never had the host to itself"


class DiesSlowly(FakeServer):
    """Takes no connection any more, and yet a moment passes until its process is gone."""

    looks = 3

    def ask(self, path: str, port: int, *, timeout_s: float, connect_s: float | None = None) -> Answer:
        if super().ended():
            return no_answer(path, "answer.refused")
        return super().ask(path, port, timeout_s=timeout_s, connect_s=connect_s)

    def ended(self) -> bool:
        self.looks -= super().ended()
        return self.looks < 0


def test_a_server_that_hung_up_is_given_a_moment_to_end_by_itself(rig: Rig) -> None:
    def made() -> FakeServer:
        return DiesSlowly(RIGHT, memory=still(), dies_after=9)

    (fact,) = rig.facts(made)["native.server_mode@process"]
    assert fact.reason is not None
    assert fact.reason.code == "server.exited-later"


class Stalls(FakeServer):
    """Answers wrongly once, and says nothing to whoever asks again."""

    def __init__(self, clock: FakeClock, answer: Answer) -> None:
        super().__init__({"/": answer})
        self.clock = clock

    def ask(self, path: str, port: int, *, timeout_s: float, connect_s: float | None = None) -> Answer:
        if self.asked:
            return mute(path, timeout_s, self.clock)
        return super().ask(path, port, timeout_s=timeout_s, connect_s=connect_s)


def mute(path: str, timeout_s: float, clock: FakeClock) -> Answer:
    clock.sleep(timeout_s)
    return no_answer(path, "answer.timeout", seconds=timeout_s)


def test_a_wrong_answer_tells_more_than_the_end_of_the_wait_for_a_better_one(rig: Rig) -> None:
    (fact,) = rig.facts(lambda: Stalls(rig.desk.clock, http_answer("<p>", status=503)))["native.server_mode@process"]
    assert fact.reason is not None
    assert fact.reason == Message(code="answer.status", params={"path": "/", "found": 503})


class LateAndMute(Late):
    """Listens when the wait is nearly over, and never says a word."""

    def ask(self, path: str, port: int, *, timeout_s: float, connect_s: float | None = None) -> Answer:
        came = super().ask(path, port, timeout_s=timeout_s, connect_s=connect_s)
        return came if came.reason is not None else mute(path, timeout_s, self.clock)


def test_a_wait_that_is_cut_short_by_its_end_is_told_as_the_whole_wait(rig: Rig) -> None:
    (fact,) = rig.facts(lambda: LateAndMute(rig.desk.clock, 19.7))["native.server_mode@process"]
    assert fact.reason == Message(code="answer.timeout", params={"path": "/", "seconds": 20.0})


@pytest.mark.parametrize(("how", "told"), [("terminated", "at SIGTERM"), ("killed", "outlived SIGTERM")])
def test_how_it_ended_is_told_and_is_no_fault(rig: Rig, how: str, told: str) -> None:
    (mode,) = rig.facts(lambda: serves(how=how))["native.server_mode@process"]
    assert (mode.state, mode.value) == ("measured", "valid")
    assert told in (mode.method or "")


def test_a_limit_that_ended_a_server_is_its_reason_and_is_tried_again(rig: Rig) -> None:
    def limited() -> FakeServer:
        return dies("", reason={"code": "run.memory-limit", "params": {"bytes": 1}})

    (fact,) = rig.facts(limited)["native.server_mode@process"]
    assert fact.reason is not None
    assert (fact.state, fact.reason.code) == ("failed", "run.memory-limit")
    assert rig.facts()["native.server_mode@process"][0].state == "measured"


def test_a_start_that_fails_among_the_timed_ones_leaves_no_number(rig: Rig) -> None:
    starts = iter([serves(), serves(), *[dies("panic: flaky\n")] * 9])
    (fact,) = rig.facts(lambda: next(starts))["native.first_answer_time@process"]
    assert fact.reason is not None
    assert (fact.state, fact.value, fact.reason.code) == ("failed", None, "server.exited")


def test_a_boundary_that_breaks_is_our_fault_and_is_tried_again(rig: Rig) -> None:
    def broken() -> FakeServer:
        raise HostError("no namespaces")

    for fact_id in ("native.server_mode@process", "native.memory_idle@process", "native.first_answer_time@process"):
        (fact,) = rig.facts(broken)[fact_id]
        assert (fact.state, fact.reason) == (
            "not_run",
            Message(code="infra.run-broke", params={"detail": "no namespaces"}),
        )
    assert rig.facts()["native.server_mode@process"][0].state == "measured"


def test_a_second_time_no_server_is_started_and_the_facts_are_the_same(rig: Rig) -> None:
    first = rig.facts()
    assert rig.facts(broken_start, broken_start) == first
    assert rig.fake.served == []


def broken_start() -> FakeServer:
    raise AssertionError("started again")


def test_a_failure_that_is_expected_says_so_and_points_to_what_can_be_measured(rig: Rig) -> None:
    found = rig.facts()
    (mode,) = found["wasm.server_mode@wasmtime"]
    assert (mode.state, mode.value) == ("measured", "no server: Netdev not set")
    (idle,) = found["wasm.memory_idle@wasmtime"]
    assert (idle.state, idle.reason) == (
        "not_run",
        Message(code="fact.no-server-but", params={"said": "Netdev not set", "instead": "memory_peak"}),
    )
    assert found["wasm.first_answer_time@wasmtime"][0].state == "not_run"
    assert rig.fake.served.count("wasmtime") == 1
    files = rig.measured.step_files()
    assert files["probe-server-wasm-wasmtime/stderr"] == b"Netdev not set\n"
    assert json.loads(files["probe-server-wasm-wasmtime/meta.json"])["server"]["stopped"] == "by-itself"


def test_a_failure_that_is_expected_may_take_as_long_as_any_run(rig: Rig) -> None:
    """Compiling a large module does, on a host with other work."""

    class Compiling(FakeServer):
        attempts = 0

        def ask(self, path: str, port: int, *, timeout_s: float, connect_s: float | None = None) -> Answer:
            self.attempts += 1
            return super().ask(path, port, timeout_s=timeout_s, connect_s=connect_s)

        def ended(self) -> bool:
            return self.stops > 0 or self.attempts * WAITS.untimed_pause_s > 2 * WAITS.ready_s

    end = completed("", outcome="failed", exit_code=2, stderr="Netdev not set\n")
    (mode,) = rig.facts(wasm=lambda: Compiling(refusals=None, end=end))["wasm.server_mode@wasmtime"]
    assert (mode.state, mode.value) == ("measured", "no server: Netdev not set")


def test_the_expected_words_may_be_on_stdout(rig: Rig) -> None:
    def printed() -> FakeServer:
        return FakeServer(refusals=None, dies_after=0, end=completed("Netdev not set\n"))

    assert rig.facts(wasm=printed)["wasm.server_mode@wasmtime"][0].state == "measured"


def test_another_failure_than_the_expected_one_is_told_with_its_words(rig: Rig) -> None:
    (mode,) = rig.facts(wasm=lambda: dies("2025 starting\npanic: out of luck\n\ngoroutine 1\n"))[
        "wasm.server_mode@wasmtime"
    ]
    assert (mode.state, mode.reason) == (
        "failed",
        Message(
            code="server.other-failure",
            params={"expected": "Netdev not set, all goroutines are asleep", "said": "panic: out of luck"},
        ),
    )


def test_a_server_that_comes_up_where_nobody_expected_it_is_no_failure(rig: Rig) -> None:
    found = rig.facts(wasm=serves)
    (mode,) = found["wasm.server_mode@wasmtime"]
    assert (mode.state, mode.value) == ("measured", "valid")
    assert [f.state for f in found["wasm.memory_idle@wasmtime"]] == ["not_run"]
    assert rig.fake.served.count("wasmtime") == 1


def test_one_that_neither_fails_nor_answers_is_left_and_is_no_expected_failure(rig: Rig) -> None:
    def silent() -> FakeServer:
        return FakeServer(refusals=None, end=completed("", stderr="Netdev not set\n"))

    (mode,) = rig.facts(wasm=silent)["wasm.server_mode@wasmtime"]
    assert mode.reason is not None
    assert (mode.state, mode.reason.code) == ("failed", "server.no-answer")


def test_memory_that_moves_is_read_until_it_holds_still(rig: Rig) -> None:
    sizes = itertools.chain(range(900 * KIB, 300 * KIB, -100 * KIB), itertools.repeat(300 * KIB))
    found = rig.facts(lambda: serves(memory=lambda: (reading(next(sizes)),)))
    assert [f.value for f in found["native.memory_idle@process"]] == [300 * KIB] * 2


def test_memory_that_never_holds_still_says_so(rig: Rig) -> None:
    sizes = itertools.count(KIB, KIB)
    found = rig.facts(lambda: serves(memory=lambda: (reading(next(sizes)),)))
    assert "still moving" in (found["native.memory_idle@process"][0].method or "")


def test_a_host_that_reads_no_memory_leaves_a_reason(rig: Rig) -> None:
    found = rig.facts(lambda: serves(memory=tuple))
    (idle,) = found["native.memory_idle@process"]
    assert (idle.state, idle.reason) == ("not_run", Message(code="fact.no-reading"))
    assert found["native.server_mode@process"][0].state == "measured"


def test_too_few_requests_in_time_leave_the_idle_figure_and_a_reason(rig: Rig) -> None:
    rig.desk.waits = WAITS.model_copy(update={"requests_s": 0.0})
    by_condition = {f.conditions: f for f in rig.facts()["native.memory_idle@process"] if f.notion != "smaps"}
    assert by_condition["warm"].state == "measured"
    gap = by_condition["after-1000-requests"]
    assert gap.reason is not None
    assert (gap.state, gap.reason.code) == ("not_run", "fact.requests-unfinished")


class Breaking(FakeLock):
    """A lock that can be taken so many times."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.left = times

    def _hold(self, mode: str, timeout_s: float | None) -> Iterator[None]:
        if self.left == 0:
            raise LockError("the host lock is closed to this user")
        self.left -= 1
        yield from super()._hold(mode, timeout_s)


def test_a_lock_that_cannot_be_used_ends_the_run_whoever_wants_it(tmp_path: Path) -> None:
    """No later step would fare better, and a grade in which some are missing says less than the error."""
    whole = rig_in(tmp_path / "whole")
    whole.facts()
    times = len(whole.desk.lock.events) // 2
    assert times > 6, "builds, probes, servers, timed starts, peaks, the campaign"
    for taken in range(times):
        rig = rig_in(tmp_path / str(taken))
        rig.desk.lock = Breaking(taken)
        with pytest.raises(LockError):
            rig.facts()


def rig_in(folder: Path) -> Rig:
    folder.mkdir()
    return Rig(folder)


def test_what_the_engine_lacks_is_the_reason(rig: Rig) -> None:
    measured = rig.desk.measure(engine(servers={"process": serves}, missing={"probe:http": Message(code="no-http")}))
    found = facts(measured)
    assert found["native.first_answer_time@process"].reason == Message(code="no-http")
    assert found["native.memory_idle@process"].reason == Message(code="no-http")
