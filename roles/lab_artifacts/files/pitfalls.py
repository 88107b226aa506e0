"""Look on this host for what makes a lab's commands fail without saying why; changes nothing.

Standard library alone and one file, so that it is the same program that `grader doctor` runs here and
`playbooks/doctor.yml` on lab hosts.  Prints JSON: `checks`, each with the `id` of checks.json beside this file, `state`
(`ok` or `warning`), and what was `found` and `expected`.  What does not apply to the host is not told.

usage: pitfalls.py [SHIM...]        shims that must be there, such as containerd-shim-wasmtime-v1
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

TIMEOUT_S = 20
MOST_IMAGES = 50
SERVICE_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Of a service of systemd that says nothing else."""
SHIMS = ("containerd-shim-wasmtime-v1", "containerd-shim-wasmedge-v1", "containerd-shim-spin-v2")
SOCKET = "/run/containerd/containerd.sock"
WASM_TYPE = re.compile(r"io\.containerd\.(runtime\.)?(wasmtime|wasmedge|wasmer|spin|wws|slight|lunatic)\.")
ROOT = Path(os.environ.get("LAB_PITFALLS_ROOT", "/"))
"""Before every path that is looked at: the tests have a tree of their own."""


class Found(NamedTuple):
    """One line of the answer."""

    id: str
    state: str
    found: str
    expected: str


class Answer(NamedTuple):
    """What a program said; `ok` if it ended with 0."""

    ok: bool
    out: str
    err: str


class WasmImage(NamedTuple):
    """An image for WebAssembly in containerd; `wasm_layers` is the media type of such a layer, empty if none is."""

    name: str
    platform: str
    entry: str
    exposes: str
    wasm_layers: str
    indexed: bool


def judged(check: str, bad: bool, found: str, expected: str) -> Found:
    """Return a line: a warning if it is `bad`."""
    return Found(check, "warning" if bad else "ok", found, expected)


def ask(*argv: str) -> Answer:
    """Run a program that only looks; one that is absent or hangs has not answered."""
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=TIMEOUT_S,
            check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return Answer(False, "", str(error))
    return Answer(done.returncode == 0, done.stdout, done.stderr)


def version(text: str) -> tuple[int, ...]:
    """Return the first version in a text, empty if there is none."""
    match = re.search(r"\b[v]?(\d+)\.(\d+)(?:\.(\d+))?", text)
    return tuple(int(part or 0) for part in match.groups()) if match else ()


def dotted(numbers: tuple[int, ...]) -> str:
    """Return a version as text."""
    return ".".join(str(number) for number in numbers) or "of no known version"


def at(path: str) -> Path:
    """Return the file of this host that is meant by an absolute path."""
    return ROOT / path.removeprefix("/")


def read(path: str) -> str:
    """Return the text of a file, empty if it is not there or not ours to read."""
    try:
        return at(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def containerd_path() -> str:
    """Return the PATH of the daemon; for root its own, else that of a service."""
    for process in at("/proc").glob("[0-9]*"):
        if read(f"/proc/{process.name}/comm").strip() == "containerd":
            for entry in read(f"/proc/{process.name}/environ").split("\0"):
                if entry.startswith("PATH="):
                    return entry.removeprefix("PATH=")
    return SERVICE_PATH


def cgroup() -> Iterator[Found]:
    """Upstream tests shims on cgroup v2 only."""
    if not at("/sys/fs/cgroup").is_dir():
        return
    unified = at("/sys/fs/cgroup/cgroup.controllers").exists()
    yield judged("host-cgroup", not unified, "cgroup v2" if unified else "cgroup v1", "cgroup v2")


def shims(wanted: tuple[str, ...]) -> Iterator[Found]:
    """The name of a runtime becomes that of a program, which containerd looks for on its own PATH."""
    if not shutil.which("containerd"):
        return
    path = containerd_path()
    service = [at(folder) for folder in path.split(":")]
    elsewhere = [*(Path(folder) for folder in os.environ.get("PATH", "").split(":")), Path.home() / ".cargo/bin"]
    good: list[str] = []
    bad: list[str] = []
    for shim in SHIMS:
        there = [folder / shim for folder in service if (folder / shim).is_file()]
        away = [folder / shim for folder in elsewhere if (folder / shim).is_file()]
        if any(os.access(file, os.X_OK) for file in there):
            good.append(shim)
        elif there:
            bad.append(f"{there[0]} without its run bit")
        elif away:
            bad.append(f"{away[0]}, where containerd does not look")
        elif shim in wanted:
            bad.append(f"no {shim}")
    if good or bad:
        yield judged("containerd-shim", bool(bad), listed(bad or good), f"shims with their run bit in {path}")


def configuration() -> Iterator[Found]:
    """What containerd makes of its configuration: a path of another generation is ignored without a word."""
    if not shutil.which("containerd"):
        return
    said = ask("containerd", "config", "dump")
    expected = "a configuration that containerd reads, with runc and every runtime that the files name"
    if not said.ok:
        yield judged("containerd-config", True, last_line(said.err), expected)
        return
    try:
        dump = tomllib.loads(said.out)
    except tomllib.TOMLDecodeError as error:
        yield judged("containerd-config", True, f"a dump that is no TOML: {error}", expected)
        return
    plugins = dump.get("plugins", {})
    runtime = plugins.get("io.containerd.cri.v1.runtime") or plugins.get("io.containerd.grpc.v1.cri") or {}
    known = runtime.get("containerd", {}).get("runtimes", {})
    files = [
        "/etc/containerd/config.toml",
        *(f"/etc/containerd/conf.d/{file.name}" for file in at("/etc/containerd/conf.d").glob("*.toml")),
    ]
    named = {
        name for file in files for name in re.findall(r"""runtimes\.["']?([\w-]+)["']?\]""", uncommented(read(file)))
    }
    lost = sorted((named | {"runc"}) - set(known))
    yield judged(
        "containerd-config",
        bool(lost) and bool(known),
        f"runtimes {', '.join(sorted(known)) or 'none'}" + (f"; not {', '.join(lost)}" if lost else ""),
        expected,
    )
    wasm = {name: table for name, table in known.items() if WASM_TYPE.match(str(table.get("runtime_type", "")) + ".")}
    yield from wasm_runtimes(wasm, known, plugins)


def wasm_runtimes(wasm: dict[str, Any], known: dict[str, Any], plugins: dict[str, Any]) -> Iterator[Found]:
    """Options of the shims' runtimes, which only CRI reads."""
    if not wasm:
        return
    options = {name: table.get("options") or {} for name, table in wasm.items()}
    bad = [name for name, said in options.items() if said.get("BinaryName") and "SystemdCgroup" not in said]
    yield judged(
        "containerd-shim-options",
        bool(bad),
        f"`BinaryName` without `SystemdCgroup` for {', '.join(bad)}" if bad else "no `BinaryName`",
        "no options, or `SystemdCgroup` alone",
    )
    driver = bool((known.get("runc", {}).get("options") or {}).get("SystemdCgroup"))
    mixed = [name for name, said in options.items() if bool(said.get("SystemdCgroup")) != driver]
    yield judged(
        "containerd-cgroup-driver",
        bool(mixed),
        f"SystemdCgroup = {str(driver).lower()} for runc, and not for {', '.join(mixed)}" if mixed else "one driver",
        "the same `SystemdCgroup` for runc and the shims",
    )
    images = plugins.get("io.containerd.cri.v1.images")
    if images is not None and version(ask("containerd", "--version").out) >= (2, 1):
        local = bool(images.get("use_local_image_pull"))
        yield judged(
            "containerd-cri-pull",
            not local,
            f"use_local_image_pull = {str(local).lower()}",
            "use_local_image_pull = true",
        )


def uncommented(text: str) -> str:
    """Return TOML without its comments; a `#` in a string is of no matter here."""
    return "\n".join(line.partition("#")[0] for line in text.splitlines())


def last_line(text: str) -> str:
    """Return the last line that says something."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "no answer")


def sockets() -> Iterator[Found]:
    """Docker may run a containerd of its own, at a socket where no other command looks."""
    if not shutil.which("docker"):
        return
    own = at("/run/docker/containerd/containerd.sock").exists()
    common = at(SOCKET).exists()
    found = "Docker's own at /run/docker/containerd" if own else "none" if not common else "the host's"
    yield judged("containerd-socket", own and not common, found, f"a containerd at {SOCKET}")


def docker() -> Iterator[Found]:
    """`--output type=oci` needs more than Docker's default builder and store."""
    said = ask("docker", "info", "--format", "{{json .DriverStatus}}") if shutil.which("docker") else None
    if said is None or not said.ok or not ask("docker", "buildx", "version").ok:
        return
    store = "io.containerd.snapshotter.v1" in said.out
    driver = re.search(r"^Driver:\s+(\S+)", ask("docker", "buildx", "inspect").out, re.MULTILINE)
    builder = driver[1] if driver else "docker"
    yield judged(
        "docker-oci-output",
        not store and builder == "docker",
        f"the builder `{builder}`, {'with' if store else 'without'} the containerd image store",
        "the containerd image store, or a builder of the driver `docker-container`",
    )


def programs() -> Iterator[Found]:
    """Programs that are another than their name says, or do otherwise than the lab's text."""
    if shutil.which("nerdctl"):
        yield judged(
            "nerdctl-hook", True, "nerdctl is installed", "modules run by `ctr`: nerdctl's hook fails with shims"
        )
    if shutil.which("spin"):
        said = ask("spin", "--version")
        wrong = not re.match(r"spin \d", said.out)
        yield judged("spin-version", wrong, last_line(said.out or said.err), "Spin's command, `spin X.Y.Z`")
    if shutil.which("ctr"):
        local = re.search(r"\s--local\b", ask("ctr", "images", "import", "--help").out) is not None
        shown = dotted(version(ask("ctr", "--version").out))
        yield judged(
            "ctr-import",
            not local,
            f"ctr {shown} {'with' if local else 'without'} `import --local`",
            "containerd 2.0 or later, or `ctr images import` without `--local`",
        )


def in_containerd() -> Iterator[Found]:
    """What lies in the daemon's namespaces."""
    # Without its socket `ctr` would wait ten seconds for it.
    if not shutil.which("ctr") or not at(SOCKET).exists():
        return
    said = ask("ctr", "version")
    if not said.ok:
        if "permission denied" in said.err:
            yield judged(
                "containerd-access",
                True,
                "a socket that is closed to this user",
                "root: images and containers are not looked at otherwise",
            )
        return
    daemon = version(said.out.partition("Server")[2])
    own = os.environ.get("CONTAINERD_NAMESPACE", "default")
    images = wasm_images("default")
    away = sorted(
        {image.name for space in ("moby", "k8s.io", own) for image in wasm_images(space)}
        - {image.name for image in images}
    )
    yield judged(
        "image-namespace",
        bool(away) or own != "default",
        f"only elsewhere: {listed(away)}" if away else f"the namespace `{own}`",
        "images in the namespace `default`, and CONTAINERD_NAMESPACE not set",
    )
    yield from image_checks(images, daemon)
    yield leftovers()


def image_checks(images: list[WasmImage], daemon: tuple[int, ...]) -> Iterator[Found]:
    """What is known of an image before it is run."""
    if not images:
        return
    old = daemon < (1, 6, 25) or (1, 7) <= daemon < (1, 7, 7)
    rows = (
        ("image-platform", "wasi/wasm", [f"{i.name} is {i.platform}" for i in images if i.platform != "wasi/wasm"]),
        ("image-entrypoint", "an entry point that begins with `/`",
         [f"{i.name} has `{i.entry}`" for i in images if not i.entry.startswith("/")]),
        ("image-index", "no index: SIZE is that of the list alone", [i.name for i in images if i.indexed]),
        ("image-expose", "no EXPOSE: a module in a shim has no sockets",
         [f"{i.name} has {i.exposes}" for i in images if i.exposes]),
        ("image-layers", f"ordinary layers for containerd {dotted(daemon)}",
         [f"{i.name} has {i.wasm_layers}" for i in images if i.wasm_layers and old]),
        ("image-compiled", "a time that names the compiler: the module of an ordinary layer is compiled at every start",
         [i.name for i in images if not i.wasm_layers]),
    )  # fmt: skip
    for check, expected, bad in rows:
        yield judged(check, bool(bad), listed(bad) if bad else f"{len(images)} images as expected", expected)


def leftovers() -> Found:
    """An id is used once: a container that has ended keeps its own until it is removed."""
    containers = ask("ctr", "--namespace", "default", "containers", "ls", "--quiet").out.split()
    tasks = ask("ctr", "--namespace", "default", "tasks", "ls").out.splitlines()
    running = {line.split()[0] for line in tasks if line.split()[2:3] == ["RUNNING"]}
    ended = [name for name in containers if name not in running]
    return judged("ctr-leftovers", bool(ended), listed(ended) if ended else "none", "no container that has ended")


def listed(names: list[str]) -> str:
    """Return names in one line, not all of many."""
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def wasm_images(space: str) -> list[WasmImage]:
    """Return the images of a namespace that are for WebAssembly."""
    found: list[WasmImage] = []
    for line in ask("ctr", "--namespace", space, "images", "ls").out.splitlines()[1:]:
        words = line.split()
        if len(words) >= 3 and re.search(r"\b(wasi\w*|wasm\w*)\b", " ".join(words[3:])):
            found += images_of(space, words[0], words[2], indexed="index" in words[1] or "list" in words[1])
    return found[:MOST_IMAGES]


def images_of(space: str, name: str, digest: str, *, indexed: bool) -> Iterator[WasmImage]:
    """Read an image's documents; the manifest of another platform may not be here."""
    document = content(space, digest)
    for entry in document.get("manifests") or ():
        yield from images_of(space, name, str(entry.get("digest", "")), indexed=True)
    described = document.get("config") or {}
    if not described.get("digest"):
        return
    config = content(space, str(described["digest"]))
    platform = f"{config.get('os')}/{config.get('architecture')}"
    if "was" not in platform:
        return
    run = config.get("config") or {}
    entry_point = run.get("Entrypoint") or run.get("Cmd") or [""]
    types = [str(layer.get("mediaType", "")) for layer in document.get("layers") or ()]
    yield WasmImage(
        name=name,
        platform=platform,
        entry=str(entry_point[0]),
        exposes=", ".join(sorted(run.get("ExposedPorts") or {})),
        wasm_layers=next((kind for kind in types if "wasm" in kind), ""),
        indexed=indexed,
    )


def content(space: str, digest: str) -> dict[str, Any]:
    """Return a document of containerd's store, empty if it has none of that digest."""
    if not re.fullmatch(r"sha256:[0-9a-f]{64}", digest):
        return {}
    try:
        document = json.loads(ask("ctr", "--namespace", space, "content", "get", digest).out)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def main(wanted: tuple[str, ...]) -> None:
    """Print every line."""
    looks = (cgroup(), shims(wanted), configuration(), sockets(), docker(), programs(), in_containerd())
    checks = [found._asdict() for look in looks for found in look]
    sys.stdout.write(json.dumps({"schema": "grader/pitfalls/1", "checks": checks}, indent=1) + "\n")


if __name__ == "__main__":
    main(tuple(sys.argv[1:]))
