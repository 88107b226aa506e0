#!/usr/bin/python
"""Ansible module: have containerd's configuration name some runtimes, by the rules of the generation that is here."""

from __future__ import annotations

DOCUMENTATION = r"""
module: containerd_config
short_description: Name runtimes in containerd's configuration
description:
  - Below 2.0 an import replaces the whole section of a plugin, so the file is written whole; from 2.0 on sections are
    merged, and each runtime has a file of its own.
  - Nothing is put in place that `containerd config dump` does not show, because containerd skips what it does not know.
options:
  program: {type: path, required: true, description: The daemon that is to read it.}
  directory: {type: path, default: /etc/containerd, description: Where the configuration lies.}
  runtimes: {type: list, elements: dict, default: [], description: Of `name`, `type` and perhaps `systemd_cgroup`.}
  socket: {type: path, default: /run/containerd/containerd.sock, description: Of the daemon that runs.}
author: [The grader authors]
"""
EXAMPLES = r"""
- name: Name the shim for Wasmtime
  containerd_config:
    program: /usr/bin/containerd
    runtimes: [{name: wasmtime, type: io.containerd.wasmtime.v1}]
"""
RETURN = r"""
generation: {type: str, returned: always, description: Version of the daemon.}
outdated: {type: bool, returned: always, description: Whether a daemon runs that is older than what it reads.}
"""

import re
import shutil
import subprocess
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

MARK = "# Written by the role `containerd`; what stood here before is in config.toml.lab-saved."
ROOT = "config.toml"
SAVED = "config.toml.lab-saved"
BROKEN = "config.toml.lab-broken"
DROP_INS = "conf.d"
OWN = "lab-"
"""How the names of our drop-ins begin."""
OLD_TABLE = "io.containerd.grpc.v1.cri"
NEW_TABLE = "io.containerd.cri.v1.runtime"
DEADLINE_S = 30


class ConfigError(Exception):
    """A configuration that must not be put in place."""


@dataclass(frozen=True)
class Runtime:
    """A runtime by the name that Kubernetes would use; `type` is what `ctr run --runtime` takes."""

    name: str
    type: str
    systemd_cgroup: bool | None = None

    def __post_init__(self) -> None:
        """Refuse what would end the string or the table that it is written into."""
        if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", self.name) or not re.fullmatch(r"[A-Za-z0-9./_-]+", self.type):
            raise ConfigError(
                f"`{self.name}` of type `{self.type}` is no runtime; hint: a name such as `wasmtime`, a type such as "
                "`io.containerd.wasmtime.v1`"
            )


def generation(said: str) -> tuple[int, ...]:
    """Return the version in what `containerd --version` says.  Raises: ConfigError."""
    found = re.search(r"\bv?(\d+)\.(\d+)(?:\.(\d+))?", said)
    if found is None:
        raise ConfigError(f"cannot tell the version of containerd from `{said.strip()}`")
    return tuple(int(part or 0) for part in found.groups())


def parsed(text: str | None) -> dict | None:
    """Return a file as TOML, None if it is not there or broken."""
    try:
        return None if text is None else tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return None


def plan(
    version: tuple[int, ...], present: Mapping[str, str], runtimes: Sequence[Runtime], directory: str
) -> dict[str, str | None]:
    """Return what each file is to be, None for one that is to go; other files stay as they are.

    Args:
        version: Of the daemon.
        present: Our files and the root file, by name; a drop-in as `conf.d/NAME`.
        runtimes: Beside runc, which every containerd knows.
        directory: Where the files lie, for the line that imports the drop-ins.
    """
    root = present.get(ROOT)
    ours = root is not None and MARK in root
    theirs = present.get(SAVED) if ours else root
    broken = root is not None and parsed(root) is None
    if broken and not ours:
        theirs = present.get(SAVED)  # whoever broke it may have written over ours
    files = dict.fromkeys(name for name in present if name.startswith(f"{DROP_INS}/{OWN}"))
    if not runtimes and not broken:
        files[ROOT] = theirs
        files[SAVED] = None
        return files
    if version < (2, 0):
        files[ROOT] = _whole(runtimes)
    else:
        files[ROOT] = _importing(theirs, version, directory)
        number = int((parsed(files[ROOT]) or {})["version"])
        files.update({f"{DROP_INS}/{OWN}{one.name}.toml": _drop_in(one, number) for one in runtimes})
    if broken and not ours:
        files[BROKEN] = root
    files[SAVED] = theirs if theirs != files[ROOT] else None
    return files


def _whole(runtimes: Sequence[Runtime]) -> str:
    """Return the whole file of 1.x: what Debian ships, and the runtimes."""
    tables = "\n".join(_table(one, OLD_TABLE) for one in (Runtime("runc", "io.containerd.runc.v2"), *runtimes))
    return f"""{MARK}
version = 2

[plugins."{OLD_TABLE}".cni]
  bin_dir = "/usr/lib/cni"
  conf_dir = "/etc/cni/net.d"

[plugins."{OLD_TABLE}".registry]
  config_path = "/etc/containerd/certs.d"

{tables}
[plugins."io.containerd.internal.v1.opt"]
  path = "/var/lib/containerd/opt"
"""


def _importing(theirs: str | None, version: tuple[int, ...], directory: str) -> str:
    """Return a root file that imports the drop-ins: the one that is there with that line, or one of ours.

    Without a root file the folder of drop-ins is not read at all, and one without a version is of the first format,
    in which Docker's package switches off what the runtimes belong to.
    """
    pattern = f"{directory}/{DROP_INS}/*.toml"
    content = parsed(theirs) or {}
    if int(content.get("version", 1)) < 2:
        return f'{MARK}\nversion = {4 if version >= (2, 3) else 3}\nimports = ["{pattern}"]\n'
    assert theirs is not None
    imports = [str(one) for one in content.get("imports", [])]
    if pattern in imports:
        return theirs
    line = "imports = [{}]".format(", ".join(f'"{one}"' for one in (*imports, pattern)))
    without = re.sub(r"^imports\s*=\s*\[[^\]]*\][ \t]*\n?", "", theirs, count=1, flags=re.MULTILINE)
    made = f"{MARK}\n{line}\n{without}"
    if (parsed(made) or {}).get("imports") != [*imports, pattern]:
        raise ConfigError(f"cannot add `{pattern}` to `imports` of {directory}/{ROOT}; hint: add it by hand")
    return made


def _drop_in(runtime: Runtime, number: int) -> str:
    """Return the file of one runtime; its version is the root's, or the daemon would not start or skip it."""
    return f"{MARK}\nversion = {number}\n\n{_table(runtime, OLD_TABLE if number < 3 else NEW_TABLE)}"


def _table(runtime: Runtime, plugin: str) -> str:
    """Return a table; no `BinaryName`, and no options unless asked for: shims refuse a list that is not whole."""
    head = f'[plugins."{plugin}".containerd.runtimes.{runtime.name}'
    text = f'{head}]\n  runtime_type = "{runtime.type}"\n'
    if runtime.systemd_cgroup is not None:
        text += f"{head}.options]\n  SystemdCgroup = {str(runtime.systemd_cgroup).lower()}\n"
    return text


def shown(dump: str) -> dict[str, str]:
    """Return name -> type of the runtimes that a `config dump` shows, of either generation."""
    plugins = (parsed(dump) or {}).get("plugins", {})
    found: dict[str, str] = {}
    for plugin in (OLD_TABLE, NEW_TABLE):
        tables = plugins.get(plugin, {}).get("containerd", {}).get("runtimes", {})
        found.update({name: table.get("runtime_type", "") for name, table in tables.items()})
    return found


def lacking(dump: str, runtimes: Sequence[Runtime]) -> list[str]:
    """Return which runtimes a dump does not show as they are to be; runc must be among them."""
    found = shown(dump)
    wanted = {"runc": "io.containerd.runc.v2", **{one.name: one.type for one in runtimes}}
    return sorted(name for name, kind in wanted.items() if found.get(name) != kind)


def read(directory: Path) -> dict[str, str]:
    """Return the root file, what we saved of it, and our drop-ins, by name."""
    places = [directory / ROOT, directory / SAVED, *directory.glob(f"{DROP_INS}/{OWN}*.toml")]
    return {
        path.relative_to(directory).as_posix(): path.read_text(encoding="utf-8", errors="replace")
        for path in places
        if path.is_file()
    }


def prove(program: str, directory: Path, files: Mapping[str, str | None], runtimes: Sequence[Runtime]) -> None:
    """Have the daemon read the files from somewhere else.  Raises: ConfigError if it does not show all of it."""
    with tempfile.TemporaryDirectory(prefix="containerd-config-") as scratch:
        stage = Path(scratch)
        (stage / DROP_INS).mkdir()
        for path in directory.glob(f"{DROP_INS}/*.toml"):
            if not path.name.startswith(OWN):
                shutil.copyfile(path, stage / DROP_INS / path.name)
        for name, text in files.items():
            if text is not None and name not in (SAVED, BROKEN):
                moved = text.replace(f"{directory}/{DROP_INS}/", f"{stage}/{DROP_INS}/")
                (stage / name).write_text(moved, encoding="utf-8")
        named = ["-c", str(stage / ROOT)] if (stage / ROOT).exists() else ["-c", str(stage / "none.toml")]
        if not (stage / ROOT).exists():
            (stage / "none.toml").write_text("version = 2\n", encoding="utf-8")
        done = run([program, *named, "config", "dump"])
    if done.returncode != 0:
        raise ConfigError(f"containerd refuses the configuration: {done.stderr.strip()[-500:]}")
    if missing := lacking(done.stdout, runtimes):
        raise ConfigError(f"containerd does not show {', '.join(missing)} in its configuration, so it would not use it")


def run(argv: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a short command."""
    return subprocess.run(argv, capture_output=True, text=True, timeout=DEADLINE_S, check=False)


def put(directory: Path, files: Mapping[str, str | None]) -> None:
    """Write the files, each whole; what was saved comes first, so that a killed run has lost nothing."""
    (directory / DROP_INS).mkdir(parents=True, exist_ok=True)
    for name, text in sorted(files.items(), key=lambda item: (item[0] not in (SAVED, BROKEN), item[0] == ROOT)):
        path = directory / name
        if text is None:
            if name != SAVED:
                path.unlink(missing_ok=True)
        else:
            part = path.with_name(f".{path.name}.part")
            part.write_text(text, encoding="utf-8")
            part.chmod(0o644)
            part.replace(path)
    if files.get(SAVED) is None:
        (directory / SAVED).unlink(missing_ok=True)


def newest(directory: Path) -> float:
    """Return when the newest file that the daemon reads was written, or a drop-in was added or removed."""
    read_by_it = [directory / ROOT, directory / DROP_INS, *directory.glob(f"{DROP_INS}/*.toml")]
    return max((path.stat().st_mtime for path in read_by_it if path.exists()), default=0.0)


def outdates(directory: Path, socket: Path) -> bool:
    """Tell whether what runs behind the socket was started before its configuration was last written."""
    return socket.exists() and socket.stat().st_mtime < newest(directory)


def main() -> None:
    """Run as Ansible runs a module."""
    module = AnsibleModule(
        argument_spec={
            "program": {"type": "path", "required": True},
            "directory": {"type": "path", "default": "/etc/containerd"},
            "socket": {"type": "path", "default": "/run/containerd/containerd.sock"},
            "runtimes": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "name": {"type": "str", "required": True},
                    "type": {"type": "str", "required": True},
                    "systemd_cgroup": {"type": "bool"},
                },
            },
        },
        supports_check_mode=True,
    )
    program, directory = module.params["program"], Path(module.params["directory"])
    if not Path(program).exists() and module.check_mode:
        module.exit_json(changed=bool(module.params["runtimes"]), generation="", outdated=False)
    try:
        runtimes = [Runtime(**one) for one in module.params["runtimes"]]
        said = run([program, "--version"]).stdout
        present = read(directory)
        files = plan(generation(said), present, runtimes, str(directory))
        changed = {name: text for name, text in files.items() if present.get(name) != text and name != BROKEN}
        if changed:
            prove(program, directory, {**present, **files}, runtimes)
        if changed and not module.check_mode:
            put(directory, files)
    except (ConfigError, OSError, subprocess.TimeoutExpired) as error:
        module.fail_json(msg=f"containerd-config: {error}")
    diff = [
        {"before": present.get(name, ""), "after": text or "", "before_header": name, "after_header": name}
        for name, text in changed.items()
    ]
    outdated = outdates(directory, Path(module.params["socket"]))
    module.exit_json(changed=bool(changed), generation=said.strip(), outdated=outdated, diff=diff)


if __name__ == "__main__":
    main()
