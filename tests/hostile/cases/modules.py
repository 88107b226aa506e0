"""WebAssembly modules that were handed in ready-made."""

from __future__ import annotations

from tests.hostile.catalogue import Case, Family, Outcome
from tests.hostile.making import module

_HEADER = b"\0asm\x01\0\0\0"
_ELF = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\0\x3e\0" + bytes(1000)


def _ran(code: str, words: str = "") -> Outcome:
    """The module compiles, so it has a size; the run fails."""
    return Outcome(
        facts={"wasm.binary_size@committed": "measured", "wasm.cli_output@wasmtime": f"failed {code}"},
        criteria={"t3.module": "fail"},
        prints={"steps/probe-once-wasm-wasmtime/stderr": words} if words else {},
        never=("\x1b",),
    )


def _refused(code: str) -> Outcome:
    return Outcome(
        facts={"wasm.binary_size@committed": f"failed {code}", "wasm.cli_output@wasmtime": f"failed {code}"},
        criteria={"t3.module": "fail"},
    )


_ONLY_ONCE = """
  (import "wasi_snapshot_preview1" "environ_sizes_get" (func $variables (param i32 i32) (result i32)))
  (func $else (result i32)
    (drop (call $variables (i32.const 0) (i32.const 4)))
    (i32.ne (i32.load (i32.const 4)) (i32.const 10)))
"""
"""`$else` is true unless the environment is `MODE=once` alone: so that one long run of a module is enough."""

_TOUCH_ALL = f"""
(module {_ONLY_ONCE} (memory (export "memory") 65536)
  (func (export "_start") (local $at i32)
    (if (call $else) (then (return)))
    (loop
      (i32.store (local.get $at) (i32.const 1))
      (local.set $at (i32.add (local.get $at) (i32.const 4096)))
      (br_if 0 (local.get $at)))))
"""

_OPEN_FILES = """
(module
  (import "wasi_snapshot_preview1" "path_open"
    (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_prestat_get" (func $prestat (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "sock_accept" (func $accept (param i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "/etc/passwd")
  (func (export "_start") (local $fd i32)
    (local.set $fd (i32.const 3))
    (loop
      (if (i32.eqz (call $prestat (local.get $fd) (i32.const 128))) (then (call $exit (i32.const 1))))
      (if (i32.eqz (call $accept (local.get $fd) (i32.const 0) (i32.const 128))) (then (call $exit (i32.const 2))))
      (if (i32.eqz (call $open (local.get $fd) (i32.const 0) (i32.const 0) (i32.const 11) (i32.const 0)
            (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 128))) (then (call $exit (i32.const 3))))
      (local.set $fd (i32.add (local.get $fd) (i32.const 1)))
      (br_if 0 (i32.lt_u (local.get $fd) (i32.const 1024))))
    (call $exit (i32.const 48))))
"""

_FLOOD = """
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\\10\\00\\00\\00\\00\\f0\\00\\00")
  (func (export "_start") (loop (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))) (br 0))))
"""

_ESCAPING_NAME = "\\1b]0;hostile\\07\\e2\\80\\ae"

FAMILY = Family(
    "modules",
    "Committed WebAssembly modules.",
    (
        Case(
            "endless-start-function",
            "Loops for ever in its start function, before anything is called.",
            module(
                f'(module {_ONLY_ONCE} (memory (export "memory") 1)'
                ' (func $f (if (call $else) (then (return))) (loop br 0)) (start $f) (func (export "_start")))'
            ),
            ("time cap",),
            _ran("run.timeout"),
        ),
        Case(
            "endless-main",
            "Loops for ever in `_start`.",
            module(
                f'(module {_ONLY_ONCE} (memory (export "memory") 1)'
                ' (func (export "_start") (if (call $else) (then (return))) (loop br 0)))'
            ),
            ("time cap",),
            _ran("run.timeout"),
        ),
        Case(
            "four-gibibytes",
            "Has 4 GiB of memory and touches every page.",
            module(_TOUCH_ALL),
            ("memory cap",),
            _ran("run.memory-limit"),
            pace="slow runs",
            never_without=frozenset({"cgroups"}),
        ),
        Case(
            "giant-table",
            "Has a table of four thousand million entries.",
            module('(module (table 4000000000 funcref) (func (export "_start")))'),
            ("wasmtime",),
            _ran("probe.exit"),
        ),
        Case(
            "deep-recursion",
            "Calls itself until the stack is full.",
            module('(module (func $f (export "_start") call $f call $f))'),
            ("wasmtime",),
            _ran("probe.signal", "call stack exhausted"),
        ),
        Case(
            "trap",
            "Traps at once.",
            module('(module (func (export "_start") unreachable))'),
            ("wasmtime",),
            _ran("probe.signal", "unreachable"),
        ),
        Case(
            "unknown-imports",
            "Imports functions that no host has, by names that hold terminal escapes.",
            module(
                f'(module (import "{_ESCAPING_NAME}" "{_ESCAPING_NAME}" (func $f)) (func (export "_start") call $f))'
            ),
            ("wasmtime", "escaping"),
            _ran("probe.exit", "unknown import"),
        ),
        Case(
            "ten-thousand-exports",
            "Exports one function under 10,000 names.",
            module(
                '(module (func $f (export "_start"))'
                + "".join(f'(export "{"x" * 60}{n}" (func $f))' for n in range(10_000))
                + ")"
            ),
            ("wasmtime",),
            _ran("probe.empty"),
        ),
        Case(
            "opens-files",
            "Asks WASI for files and sockets behind every descriptor from 3 to 1023.",
            module(_OPEN_FILES),
            ("wasmtime",),
            _ran("probe.exit"),
        ),
        Case(
            "module-flood",
            "Prints 60 kB at a time for ever.",
            module(_FLOOD),
            ("output cap",),
            _ran("run.output-limit"),
        ),
        Case(
            "truncated-custom-section",
            "A custom section that says it has more bytes than the file.",
            module(_HEADER + b"\x00\xff\xff\xff\xff\x0f\x04name"),
            ("module check",),
            _refused("artifact.wasm-cut"),
        ),
        Case(
            "oversized-name",
            "A custom section whose name says it is longer than the section.",
            module(_HEADER + b"\x00\x06\xff\xff\xff\xff\x0fx"),
            ("module check",),
            _refused("artifact.not-compiled"),
        ),
        Case(
            "too-many-locals",
            "A function that declares four thousand million local variables in a few bytes.",
            module(
                _HEADER
                + b"\x01\x04\x01\x60\x00\x00\x03\x02\x01\x00\x07\x0a\x01\x06_start\x00\x00"
                + b"\x0a\x0a\x01\x08\x01\xff\xff\xff\xff\x0f\x7f\x0b"
            ),
            ("module check",),
            _refused("artifact.not-compiled"),
        ),
        Case(
            "native-code",
            "An ELF file, as `wasmtime compile` makes them: with `--allow-precompiled` it would run as native code.",
            module(_ELF),
            ("module check",),
            _refused("artifact.not-wasm"),
        ),
        Case(
            "script",
            "A shell script called main.wasm.",
            module(b"#!/bin/sh\ntouch /tmp/hostile-script\n"),
            ("module check",),
            _refused("artifact.not-wasm"),
        ),
        Case(
            "script-with-magic",
            "A shell script behind the magic number of WebAssembly.",
            module(b"\0asm\n#!/bin/sh\ntouch /tmp/hostile-script\n"),
            ("module check",),
            _refused("artifact.wasm-version"),
        ),
        Case(
            "empty-component",
            "A component where a module should be.",
            module(b"\0asm\x0d\0\x01\0"),
            ("wasmtime",),
            _ran("probe.exit"),
        ),
    ),
)
