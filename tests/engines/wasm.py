"""Small WASI programs for tests, and images of them."""

from __future__ import annotations

from pathlib import Path

from wasmtime import wat2wasm

from grader.adapters.imagelayout import Layout, Member, Settings, Written

ECHO = """
(module
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $args_sizes (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_get" (func $args (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_sizes_get" (func $environ_sizes (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_get" (func $environ (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 2)
  ;; 0: count, 4: bytes, 8: where to write from, 12: how much, 16: written; 1024: pointers; 65536: the strings
  (func $print
    (i32.store (i32.const 8) (i32.const 65536))
    (i32.store (i32.const 12) (i32.load (i32.const 4)))
    (drop (call $write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 16))))
  (func (export "_start")
    (drop (call $environ_sizes (i32.const 0) (i32.const 4)))
    (drop (call $environ (i32.const 1024) (i32.const 65536)))
    (call $print)
    (drop (call $args_sizes (i32.const 0) (i32.const 4)))
    (drop (call $args (i32.const 1024) (i32.const 65536)))
    (call $print)
    (call $exit (i32.sub (i32.load (i32.const 0)) (i32.const 1))))
)
"""
"""Prints its environment, then its arguments, each text ended by NUL; exits with the number of arguments after it."""

TRAP = """(module (func (export "_start") unreachable))"""

ENDLESS = """(module (func (export "_start") (loop br 0)))"""

HOLDS = """
(module
  (memory 1600)
  (func (export "_start") (memory.fill (i32.const 0) (i32.const 1) (i32.const 104857600)) (loop br 0)))
"""
"""Fills 100 MiB and never ends."""


def wasm_image(layout: Layout, name: str, text: str, *, env: tuple[str, ...] = ()) -> Written:
    """Write the image of a program in WebAssembly's text format, as `Dockerfile.wasm` of the lab makes one."""
    layer = layout.layer([Member("app.wasm", bytes(wat2wasm(text)))])
    return layout.image(name, [layer], Settings(os="wasi", architecture="wasm", entrypoint=("/app.wasm",), env=env))


def wasm_archive(folder: Path, name: str, text: str, *, env: tuple[str, ...] = ()) -> Path:
    """Return an archive with that image, for `ctr images import`."""
    layout = Layout(folder)
    wasm_image(layout, name, text, env=env)
    archive = folder.with_suffix(".tar")
    layout.archive(archive)
    return archive
