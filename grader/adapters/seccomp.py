"""Assemble a system call filter that refuses what no build and no lab program needs.

A deny list, not an allow list: Go and wasmtime may call anything harmless, in any version.  It stands behind the
namespaces, the lost capabilities and the unprivileged user; each entry takes away a part of the kernel that exploits
have come through, or a channel between sandboxes.  Refused calls fail with EPERM, so that programs can go on.
"""

from __future__ import annotations

import errno
import platform
import struct
from dataclasses import dataclass

from grader.errors import HostError

# Instruction codes and return values: linux/bpf_common.h, linux/seccomp.h, linux/audit.h.
_LOAD, _JUMP_EQUAL, _JUMP_AT_LEAST, _JUMP_ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_KILL, _ERRNO, _ALLOW = 0x80000000, 0x00050000, 0x7FFF0000
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16
_X32_BIT = 0x40000000

_NEW_NAMESPACES = 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000
"""CLONE_NEW{NS,CGROUP,UTS,IPC,USER,PID,NET} of linux/sched.h; NEWTIME shares its bit with clone's exit signal."""

_FAMILIES = (1, 2, 10, 16)
"""AF_UNIX, AF_INET, AF_INET6, AF_NETLINK; no vsock to the hypervisor, no kernel crypto, no raw packets."""

_PERSONALITIES = (0, 0xFFFFFFFF)
_TERMINAL_INJECTION = (0x5412, 0x541C)
"""TIOCSTI and TIOCLINUX of asm-generic/ioctls.h: typing into a terminal on somebody's behalf."""


@dataclass(frozen=True)
class Architecture:
    """An audit architecture and its system call numbers.  `denied` holds those refused whatever the arguments."""

    audit: int
    denied: dict[str, int]
    clone: int
    clone3: int
    socket: int
    socketpair: int
    personality: int
    ioctl: int
    x32: bool = False


# Numbers: arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h (aarch64) of Linux 6.12;
# from 424 on they are the same everywhere.
_COMMON = {
    "io_uring_setup": 425,
    "io_uring_enter": 426,
    "io_uring_register": 427,
    "open_tree": 428,
    "move_mount": 429,
    "fsopen": 430,
    "fsconfig": 431,
    "fsmount": 432,
    "fspick": 433,
    "pidfd_getfd": 438,
    "mount_setattr": 442,
    "quotactl_fd": 443,
}
_X86_64 = Architecture(
    audit=0xC000003E,
    denied=_COMMON
    | {
        "ptrace": 101,
        "syslog": 103,
        "pivot_root": 155,
        "adjtimex": 159,
        "acct": 163,
        "settimeofday": 164,
        "mount": 165,
        "umount2": 166,
        "swapon": 167,
        "swapoff": 168,
        "reboot": 169,
        "iopl": 172,
        "ioperm": 173,
        "create_module": 174,
        "init_module": 175,
        "delete_module": 176,
        "quotactl": 179,
        "clock_settime": 227,
        "kexec_load": 246,
        "add_key": 248,
        "request_key": 249,
        "keyctl": 250,
        "unshare": 272,
        "perf_event_open": 298,
        "name_to_handle_at": 303,
        "open_by_handle_at": 304,
        "clock_adjtime": 305,
        "setns": 308,
        "process_vm_readv": 310,
        "process_vm_writev": 311,
        "kcmp": 312,
        "finit_module": 313,
        "kexec_file_load": 320,
        "bpf": 321,
        "userfaultfd": 323,
    },
    clone=56,
    clone3=435,
    socket=41,
    socketpair=53,
    personality=135,
    ioctl=16,
    x32=True,
)
_AARCH64 = Architecture(
    audit=0xC00000B7,
    denied=_COMMON
    | {
        "umount2": 39,
        "mount": 40,
        "pivot_root": 41,
        "quotactl": 60,
        "acct": 89,
        "unshare": 97,
        "kexec_load": 104,
        "init_module": 105,
        "delete_module": 106,
        "clock_settime": 112,
        "syslog": 116,
        "ptrace": 117,
        "reboot": 142,
        "settimeofday": 170,
        "adjtimex": 171,
        "add_key": 217,
        "request_key": 218,
        "keyctl": 219,
        "swapon": 224,
        "swapoff": 225,
        "perf_event_open": 241,
        "name_to_handle_at": 264,
        "open_by_handle_at": 265,
        "clock_adjtime": 266,
        "setns": 268,
        "process_vm_readv": 270,
        "process_vm_writev": 271,
        "kcmp": 272,
        "finit_module": 273,
        "bpf": 280,
        "userfaultfd": 282,
        "kexec_file_load": 294,
    },
    clone=220,
    clone3=435,
    socket=198,
    socketpair=199,
    personality=92,
    ioctl=29,
)
ARCHITECTURES = {"x86_64": _X86_64, "aarch64": _AARCH64}


def program(machine: str = platform.machine()) -> bytes:
    """Return the filter as the kernel reads it, an array of `struct sock_filter`.

    Raises: HostError for a machine that has no table here.
    """
    architecture = ARCHITECTURES.get(machine)
    if architecture is None:
        raise HostError(
            f"no system call filter for `{machine}`; there is one for {', '.join(ARCHITECTURES)}",
            hint="grade on a machine of one of these kinds",
        )
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in _assemble(architecture))


_Instruction = tuple[int, int, int, int]


def _assemble(arch: Architecture) -> list[_Instruction]:
    """Chain the blocks; each decides or falls through to the next, so jumps never leave a block."""
    refuse, missing = _ERRNO | errno.EPERM, _ERRNO | errno.ENOSYS
    code = [_load(_ARCHITECTURE), (_JUMP_EQUAL, 1, 0, arch.audit), _give(_KILL), _load(_NUMBER)]
    if arch.x32:
        code += [(_JUMP_AT_LEAST, 0, 1, _X32_BIT), _give(missing)]
    for number in sorted(arch.denied.values()):
        code += _for(number, [_give(refuse)])
    # Its flags lie in memory, where a filter cannot look; libc then falls back to `clone`.
    code += _for(arch.clone3, [_give(missing)])
    code += _for(arch.clone, [_load(_argument(0)), (_JUMP_ANY_BIT, 0, 1, _NEW_NAMESPACES), _give(refuse)])
    for number in (arch.socket, arch.socketpair):
        code += _for(number, [_load(_argument(0)), *_only(_FAMILIES), _give(refuse)])
    code += _for(arch.personality, [_load(_argument(0)), *_only(_PERSONALITIES), _give(refuse)])
    ioctl = [_load(_argument(1))]
    for request in _TERMINAL_INJECTION:
        ioctl += [(_JUMP_EQUAL, 0, 1, request), _give(refuse)]
    code += _for(arch.ioctl, ioctl)
    return [*code, _give(_ALLOW)]


def _load(offset: int) -> _Instruction:
    return (_LOAD, 0, 0, offset)


def _argument(index: int) -> int:
    """Offset of the lower half of an argument; both architectures are little-endian.

    The kernel takes all these arguments as 32-bit numbers, clone's flags excepted, whose upper half has no
    namespace in it.
    """
    return _ARGUMENTS + 8 * index


def _give(value: int) -> _Instruction:
    return (_RETURN, 0, 0, value)


def _only(values: tuple[int, ...]) -> list[_Instruction]:
    """Allow these values of the loaded argument, fall through for any other."""
    code: list[_Instruction] = []
    for value in values:
        code += [(_JUMP_EQUAL, 0, 1, value), _give(_ALLOW)]
    return code


def _for(number: int, block: list[_Instruction]) -> list[_Instruction]:
    """Run `block` for one system call, then allow; skip it for every other, with the number still loaded."""
    whole = [*block, _give(_ALLOW)] if block[-1][0] != _RETURN or len(block) > 1 else block
    return [(_JUMP_EQUAL, 0, len(whole), number), *whole]
