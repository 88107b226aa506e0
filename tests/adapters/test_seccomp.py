"""The filter's decisions, by an interpreter of classic BPF for both machines; `test_sandbox` asks the kernel."""

from __future__ import annotations

import errno
import re
import struct
from pathlib import Path

import pytest

from grader.adapters import seccomp
from grader.errors import HostError

ALLOW, KILL = 0x7FFF0000, 0x80000000
REFUSED, MISSING = 0x00050000 | errno.EPERM, 0x00050000 | errno.ENOSYS
MACHINES = sorted(seccomp.ARCHITECTURES)
HEADERS = {
    "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    "aarch64": Path("/usr/include/asm-generic/unistd.h"),
}


def decide(machine: str, number: int, *arguments: int, audit: int | None = None) -> int:
    """Run the filter as the kernel does.  Source: Documentation/networking/filter.rst, linux/seccomp.h."""
    audit = seccomp.ARCHITECTURES[machine].audit if audit is None else audit
    data = struct.pack("<IIQ6Q", number, audit, 0, *(a & (1 << 64) - 1 for a in (*arguments, *([0] * 6))[:6]))
    code: list[tuple[int, int, int, int]] = list(struct.iter_unpack("=HBBI", seccomp.program(machine)))
    position = accumulator = 0
    while True:
        operation, yes, no, k = code[position]
        position += 1
        match operation:
            case 0x20:
                (accumulator,) = struct.unpack_from("<I", data, k)
            case 0x15:
                position += yes if accumulator == k else no
            case 0x35:
                position += yes if accumulator >= k else no
            case 0x45:
                position += yes if accumulator & k else no
            case 0x06:
                return k
            case _:
                pytest.fail(f"unknown instruction {operation:#x}")


def header_numbers(machine: str) -> dict[str, int]:
    path = HEADERS[machine]
    if not path.exists():
        pytest.skip(f"needs: linux: {path.name} of linux-libc-dev")
    found = re.findall(r"^#define __NR(?:3264)?_(\w+)\s+(\d+)$", path.read_text(), re.MULTILINE)
    return {name: int(number) for name, number in found}


@pytest.mark.parametrize("machine", MACHINES)
def test_numbers_are_the_kernels(machine: str) -> None:
    numbers = header_numbers(machine)
    table = seccomp.ARCHITECTURES[machine]
    ours = table.denied | {n: getattr(table, n) for n in ("clone", "clone3", "socket", "socketpair", "personality")}
    assert ours | {"ioctl": table.ioctl} == {name: numbers[name] for name in (*ours, "ioctl")}


@pytest.mark.parametrize("machine", MACHINES)
def test_every_call_of_the_list_is_refused_and_every_other_goes_on(machine: str) -> None:
    table = seccomp.ARCHITECTURES[machine]
    denied = set(table.denied.values())
    for number in range(600):
        if number == table.clone3:
            assert decide(machine, number) == MISSING
        elif number in (table.socket, table.socketpair):
            assert decide(machine, number) == REFUSED  # AF_UNSPEC
        else:
            assert decide(machine, number) == (REFUSED if number in denied else ALLOW), number


@pytest.mark.parametrize("machine", MACHINES)
def test_call_of_another_architecture_kills(machine: str) -> None:
    """A 32-bit program has other numbers, which would slip through."""
    i386 = 0x40000003
    assert decide(machine, 1, audit=i386) == KILL


def test_x32_calls_are_missing_on_x86_64() -> None:
    table = seccomp.ARCHITECTURES["x86_64"]
    for number in (0, table.denied["ptrace"], 512):
        assert decide("x86_64", 0x40000000 | number) == MISSING


@pytest.mark.parametrize("machine", MACHINES)
def test_threads_and_processes_may_be_made_but_no_namespace(machine: str) -> None:
    clone = seccomp.ARCHITECTURES[machine].clone
    thread, vfork = 0x50F00, 0x4111
    assert decide(machine, clone, thread) == decide(machine, clone, vfork) == ALLOW
    for flag in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
        assert decide(machine, clone, flag | 17) == REFUSED


@pytest.mark.parametrize("machine", MACHINES)
def test_sockets_are_of_four_families_only(machine: str) -> None:
    socket = seccomp.ARCHITECTURES[machine].socket
    allowed = {family for family in range(64) if decide(machine, socket, family) == ALLOW}
    assert allowed == {1, 2, 10, 16}


@pytest.mark.parametrize("machine", MACHINES)
def test_terminal_injection_is_refused_whatever_the_upper_half_holds(machine: str) -> None:
    """The kernel cuts the request to 32 bits; a filter that compared all 64 was CVE-2019-10063."""
    ioctl = seccomp.ARCHITECTURES[machine].ioctl
    for request in (0x5412, 0x541C):
        assert decide(machine, ioctl, 0, request) == decide(machine, ioctl, 0, request | 1 << 32) == REFUSED
    assert decide(machine, ioctl, 0, 0x5413) == ALLOW


@pytest.mark.parametrize("machine", MACHINES)
def test_personality_may_be_asked_but_not_changed(machine: str) -> None:
    personality = seccomp.ARCHITECTURES[machine].personality
    assert decide(machine, personality, 0xFFFFFFFF) == decide(machine, personality, 0) == ALLOW
    assert decide(machine, personality, 0x0040000) == REFUSED


def test_unknown_machine_is_an_error_that_names_the_known_ones() -> None:
    with pytest.raises(HostError) as caught:
        seccomp.program("riscv64")
    assert "riscv64" in caught.value.what
    assert "x86_64" in caught.value.what
