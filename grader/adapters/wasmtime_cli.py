"""The `wasmtime` program: how it is called to compile a module and to run one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from grader.adapters.libraries import program_binds
from grader.adapters.toolchains import Installed
from grader.model.run import Artifact, Bind, Command, Limits
from grader.ports import Call

_PROGRAM = "/tool/wasmtime"
_MODULE = "/app/main.wasm"
COMPILED = "module.cwasm"
COMPILE = Call(argv=(_PROGRAM, "compile", "-C", "cache=n", "-o", f"/out/{COMPILED}", _MODULE), env={"HOME": "/tmp"})


class WasmtimeCli:
    """Commands of one installed `wasmtime`.  Its own cache is always off: with it a run would be 14 times faster."""

    def __init__(self, wasmtime: Installed) -> None:
        self._binds = program_binds(wasmtime.program, _PROGRAM)

    def compile(self, module: Path, out_dir: Path, timeout_s: float) -> Command:
        """Return the command that compiles `module` to `out_dir/COMPILED`, and so proves that it is one."""
        return Command(
            argv=COMPILE.argv,
            env=COMPILE.env,
            binds=(
                *self._binds,
                Bind(source=str(module), target=_MODULE),
                Bind(source=str(out_dir), target="/out", writable=True),
            ),
            limits=Limits(timeout_s=timeout_s),
        )

    def run(
        self, artifact: Artifact, env: dict[str, str], args: Sequence[str], limits: Limits, *, compiled: bool
    ) -> Command:
        """Return the command that runs a module, compiled by the run itself or ahead of time by `compile`."""
        options = ["-C", "cache=n", *(["--allow-precompiled"] if compiled else [])]
        options += [part for name, value in env.items() for part in ("--env", f"{name}={value}")]
        target = f"/app/{COMPILED}" if compiled else _MODULE
        return Command(
            argv=(_PROGRAM, "run", *options, target, *args),
            env={"HOME": "/tmp"},
            binds=(*self._binds, Bind(source=artifact.path, target=target)),
            limits=limits,
        )
