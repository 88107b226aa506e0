#!/usr/bin/python
"""Ansible module: have exactly the named release of a tool on this host, whatever an earlier run left behind."""

from __future__ import annotations

DOCUMENTATION = r"""
module: lab_artifact
short_description: Fetch, verify, unpack and link releases of tools
description:
  - All items are looked up in the catalogue before the first is touched.
  - Nothing is unpacked before its sha256 is right, and nothing is linked before it is unpacked whole.
  - A release is compared with what was recorded when it was unpacked; one that was changed since, cut off or lost
    a run bit is put there again, from the cache if the archive is still there.
options:
  items: {type: list, elements: dict, required: true, description: C(name), C(version), perhaps C(state).}
  tools: {type: dict, required: true, description: The catalogue's, by name.}
  overrides: {type: dict, default: {}, description: Releases by tool, laid over the catalogue's.}
  architecture: {type: str, required: true, description: Debian's name of it.}
  mirror_url: {type: str, default: '', description: A mirror in which the original domain is the top folder.}
  fetch_only: {type: bool, default: false, description: Fill the cache with what is to be present, and no more.}
  bin_dir: {type: path, required: true, description: Where commands are linked.}
  plugin_dir: {type: path, required: true, description: Where plugins of Docker's command are linked.}
  root: {type: path, required: true, description: Releases lie in C(root/name/version).}
  cache_dir: {type: path, required: true, description: Files lie in C(cache_dir/name/version).}
  facts: {type: str, default: '', description: The file that lists all releases of the host.}
  offline: {type: bool, default: false, description: Use the cache alone.}
  retries: {type: int, default: 3, description: Tries of a download.}
  timeout_s: {type: int, default: 60, description: Of silence, in seconds.}
  ca_path: {type: path, description: Certificates of a mirror.}
author: [The grader authors]
"""
EXAMPLES = r"""
- name: Install hyperfine
  lab_artifact:
    items: [{name: hyperfine, version: "1.20.0"}]
    tools: "{{ (lookup('ansible.builtin.file', 'artifacts.yml') | from_yaml).tools }}"
    architecture: amd64
    bin_dir: /usr/local/bin
    plugin_dir: /usr/local/lib/docker/cli-plugins
    root: /opt/lab
    cache_dir: /var/cache/lab-artifacts
"""
RETURN = r"""
releases:
  type: list
  elements: dict
  returned: always
  description: >-
    Of each item, in order: C(name), C(version), C(archive) (the file in the cache), C(changed), C(downloaded) (bytes
    that were fetched), C(mended) (what was not as it should be), and C(diff) where there is one.
"""

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import re
import shutil
import stat
import tarfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.urls import open_url

RECORD = ".lab-artifact.json"
SAVED = ".lab-saved"
"""Appended to the name of a program of somebody else's that stood where a link is to be."""
CHUNK = 1 << 20
PAUSE_S = 1.0
"""Before the second try of a download; twice as long before each further one."""


class ArtifactError(Exception):
    """What keeps the release from being there, with what to do about it."""


@dataclass(frozen=True)
class Wanted:
    """The release that is to be here."""

    name: str
    root: Path
    cache_dir: Path
    link_dir: Path
    version: str = ""
    url: str = ""
    sha256: str = ""
    size: int | None = None
    format: str = "tar.gz"
    strip: int = 0
    links: dict[str, str] = field(default_factory=dict)
    facts: str = ""
    offline: bool = False
    retries: int = 3
    timeout_s: int = 60
    ca_path: str | None = None

    @property
    def home(self) -> Path:
        """Of all releases of the tool."""
        return self.root / self.name

    @property
    def release(self) -> Path:
        """Where this release lies once it is whole."""
        return self.home / self.version

    @property
    def archive(self) -> Path:
        """Where the file lies once its digest is right."""
        return self.cache_dir / self.name / self.version / PurePosixPath(self.url).name


def mistakes(wanted: Wanted) -> list[str]:
    """Return how the host differs from what is wanted; empty if it does not."""
    return [*_mistakes_of_release(wanted), *_mistakes_of_links(wanted), *_leftovers(wanted)]


def _mistakes_of_release(wanted: Wanted) -> list[str]:
    if not wanted.release.is_dir():
        return [f"{wanted.version} is not installed"]
    record = read_record(wanted.release)
    if record is None:
        return [f"{wanted.version} has no record"]
    if record.get("sha256") != wanted.sha256 or record.get("links") != wanted.links:
        return [f"{wanted.version} is of another archive"]
    if record.get("tree") != tree_digest(wanted.release):
        return [f"files of {wanted.version} were changed, cut off or lost their run bit"]
    changed = [
        program
        for program, digest in record.get("programs", {}).items()
        if file_digest(wanted.release / program) != digest
    ]
    return [f"`{program}` of {wanted.version} has another content" for program in changed]


def _mistakes_of_links(wanted: Wanted) -> list[str]:
    return [
        f"`{wanted.link_dir / name}` does not lead to {wanted.version}"
        for name, target in wanted.links.items()
        if _target(wanted.link_dir / name) != str(wanted.release / target)
    ]


def _leftovers(wanted: Wanted) -> list[str]:
    """Return what else there is of this tool: other versions, what a killed run left, links that are not wanted."""
    found = [f"`{path}` is left over" for path in _other_releases(wanted)]
    return found + [f"`{path}` is left over" for path in _own_links(wanted) if path.name not in wanted.links]


def _other_releases(wanted: Wanted) -> list[Path]:
    if not wanted.home.is_dir():
        return []
    return sorted(path for path in wanted.home.iterdir() if path.name != wanted.version)


def _own_links(wanted: Wanted) -> list[Path]:
    """Return the links into the releases of this tool."""
    if not wanted.link_dir.is_dir():
        return []
    return sorted(path for path in wanted.link_dir.iterdir() if (_target(path) or "").startswith(f"{wanted.home}/"))


def _target(path: Path) -> str | None:
    return str(path.readlink()) if path.is_symlink() else None


def read_record(release: Path) -> dict | None:
    """Return what was recorded when a release was unpacked, None if that cannot be read."""
    try:
        found = json.loads((release / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def tree_digest(folder: Path) -> str:
    """Return a digest over names, kinds, sizes, modes and link targets below a folder, its record left out.

    Contents are not read: a whole toolchain is compared in a fraction of a second.
    """
    lines = []
    for path, folders, files in os.walk(folder):
        for name in (*folders, *files):
            full = Path(path, name)
            found = full.lstat()
            place = full.relative_to(folder).as_posix()
            if place == RECORD:
                continue
            size = found.st_size if stat.S_ISREG(found.st_mode) else 0
            lines.append(f"{place}\0{found.st_mode:o}\0{size}\0{_target(full) or ''}\n")
    return hashlib.sha256("".join(sorted(lines)).encode("utf-8", "surrogateescape")).hexdigest()


def file_digest(path: Path) -> str | None:
    """Return the sha256 of a file, None if there is none."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                digest.update(chunk)
    except OSError:
        return None
    return digest.hexdigest()


def install(wanted: Wanted) -> int:
    """Have the release, its links and nothing else of the tool; returns the number of bytes fetched.

    Raises: ArtifactError, OSError.
    """
    downloaded = 0
    if _mistakes_of_release(wanted):
        for path in _half_done(wanted):
            _remove(path)
        downloaded = fetch(wanted)
        _unpack_whole(wanted)
    _link(wanted)
    for path in (*_other_releases(wanted), *_other_archives(wanted)):
        _remove(path)
    for path in _own_links(wanted):
        if path.name not in wanted.links:
            path.unlink()
    return downloaded


def _half_done(wanted: Wanted) -> list[Path]:
    return [path for path in _other_releases(wanted) if path.name.startswith(".")]


def _other_archives(wanted: Wanted) -> list[Path]:
    folder = wanted.cache_dir / wanted.name
    found = list(folder.iterdir()) if folder.is_dir() else []
    beside = list(wanted.archive.parent.iterdir()) if wanted.archive.parent.is_dir() else []
    return [path for path in found if path.name != wanted.version] + [path for path in beside if path != wanted.archive]


def fetch(wanted: Wanted) -> int:
    """Have the file in the cache, with the right digest; returns the number of bytes fetched, 0 if it was there.

    Raises: ArtifactError.
    """
    if file_digest(wanted.archive) == wanted.sha256:
        return 0
    if wanted.offline:
        raise ArtifactError(
            f"`{wanted.archive}` is not there or not the right file, and nothing may be fetched; "
            f"hint: put {wanted.url} there, or unset `lab_artifacts_offline`"
        )
    wanted.archive.parent.mkdir(parents=True, exist_ok=True)
    part = wanted.archive.with_name(f".{wanted.archive.name}.part")
    try:
        _download(wanted, part)
        found = file_digest(part)
        if found != wanted.sha256:
            raise ArtifactError(
                f"{wanted.url} has sha256 {found} ({part.stat().st_size} bytes), expected {wanted.sha256}; "
                "hint: the file was cut off or changed; look at the mirror, and never at the check"
            )
        size = part.stat().st_size
        part.replace(wanted.archive)
        return size
    finally:
        part.unlink(missing_ok=True)


def _download(wanted: Wanted, part: Path) -> None:
    free = shutil.disk_usage(part.parent).free
    if wanted.size is not None and free < wanted.size:
        raise ArtifactError(f"`{part.parent}` has {free} bytes free, {wanted.size} are needed; hint: free some space")
    pause_s = PAUSE_S
    for last in [False] * (wanted.retries - 1) + [True]:
        try:
            with _opened(wanted) as answer, part.open("wb") as file:
                shutil.copyfileobj(answer, file, CHUNK)
            return
        except Exception as error:  # of urllib, http.client, ssl and socket: all the same here
            if isinstance(error, OSError) and error.errno == errno.ENOSPC:
                raise
            if last:
                raise ArtifactError(f"cannot fetch {wanted.url}: {error}; hint: {_hint(wanted.url)}") from error
            time.sleep(pause_s)
            pause_s *= 2


def _hint(url: str) -> str:
    if url.startswith("file:"):
        return "a bundle has the versions that the group of its edition names, not those that a host names for itself"
    return "check the network of the host, or set `lab_artifacts_mirror_url`"


def _opened(wanted: Wanted) -> BinaryIO:
    return open_url(wanted.url, timeout=wanted.timeout_s, ca_path=wanted.ca_path, use_netrc=False)


def _unpack_whole(wanted: Wanted) -> None:
    """Unpack beside, then swap: who looks sees the old release or the new one, whole."""
    new = wanted.home / f".new-{wanted.version}"
    old = wanted.home / f".old-{wanted.version}"
    new.mkdir(parents=True)
    try:
        if wanted.format == "file":
            (target,) = wanted.links.values()
            shutil.copyfile(wanted.archive, new / target)
        else:
            unpack(wanted.archive, new, wanted.strip)
        _record(wanted, new)
        if wanted.release.exists():
            wanted.release.rename(old)
        new.rename(wanted.release)
    finally:
        for path in (new, old):
            _remove(path)


def _record(wanted: Wanted, folder: Path) -> None:
    programs = {}
    for target in sorted(set(wanted.links.values())):
        program = folder / target
        if not program.is_file():
            raise ArtifactError(f"{wanted.url} holds no `{target}`; hint: `layout` in the catalogue does not fit it")
        program.chmod(0o755)
        programs[target] = file_digest(program)
    record = {
        "name": wanted.name,
        "version": wanted.version,
        "sha256": wanted.sha256,
        "links": wanted.links,
        "programs": programs,
        "tree": tree_digest(folder),
    }
    write_whole(folder / RECORD, json.dumps(record, indent=1, sort_keys=True) + "\n")


def unpack(archive: Path, folder: Path, strip: int) -> None:
    """Unpack files, folders and links; everything belongs to who unpacks it, and nobody else may write it.

    Raises: ArtifactError at a name or link that leads out of the folder, or at another kind of entry.
    """
    with tarfile.open(archive, "r|*") as tar:
        for member in tar:
            name = _inside(member.name, strip)
            if name is None:
                continue
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if member.isdir():
                path.mkdir(exist_ok=True)
            elif member.isreg():
                _write(tar, member, path)
            elif member.issym():
                _inside(str(PurePosixPath(name).parent / member.linkname), 0)
                path.symlink_to(member.linkname)
            elif member.islnk():
                path.hardlink_to(folder / (_inside(member.linkname, strip) or ""))
            else:
                raise ArtifactError(f"the archive holds `{member.name}`, which is no file, folder or link")


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    source = tar.extractfile(member)
    assert source is not None
    with path.open("xb") as file:
        shutil.copyfileobj(source, file, CHUNK)
    path.chmod(0o755 if member.mode & 0o111 else 0o644)
    os.utime(path, (member.mtime, member.mtime))


def _inside(name: str, strip: int) -> str | None:
    """Return a name without its leading folders; None for what is left out."""
    depth = 0
    parts = [part for part in PurePosixPath(name).parts if part != "."]
    for part in parts:
        depth += -1 if part == ".." else 1
        if depth < 0 or part == "/":
            raise ArtifactError(f"the archive holds `{name}`, which leads out of its folder")
    return "/".join(parts[strip:]) or None


def _link(wanted: Wanted) -> None:
    wanted.link_dir.mkdir(parents=True, exist_ok=True)
    for name, target in wanted.links.items():
        path = wanted.link_dir / name
        if _target(path) == str(wanted.release / target):
            continue
        if path.is_dir() and not path.is_symlink():
            raise ArtifactError(f"`{path}` is a folder; hint: take it away, the command `{name}` is to be there")
        if path.exists() and not path.is_symlink():
            path.replace(path.with_name(name + SAVED))
        new = path.with_name(f".{name}.new")
        new.unlink(missing_ok=True)
        new.symlink_to(wanted.release / target)
        new.replace(path)


def remains(wanted: Wanted) -> list[str]:
    """Return what there is of a tool that is to be absent."""
    places = [*_own_links(wanted), wanted.home, wanted.cache_dir / wanted.name]
    return [f"`{path}` is there" for path in places if path.is_symlink() or path.exists()]


def uninstall(wanted: Wanted) -> None:
    """Remove links, releases and cached files of a tool."""
    for path in _own_links(wanted):
        path.unlink()
    _remove(wanted.home)
    _remove(wanted.cache_dir / wanted.name)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def facts_text(root: Path) -> str:
    """Return the list of all releases under a root, as JSON; empty if there is none."""
    found = {}
    for folder in sorted(root.glob("*/[!.]*")):
        record = read_record(folder)
        if record is not None:
            found[record["name"]] = {"version": record["version"], "sha256": record["sha256"]}
    return json.dumps(found, indent=1, sort_keys=True) + "\n" if found else ""


def facts_are_stale(wanted: Wanted) -> bool:
    """Return whether the list of releases is not that of the releases."""
    path = Path(wanted.facts)
    present = path.read_text(encoding="utf-8") if path.is_file() else ""
    return bool(wanted.facts) and facts_text(wanted.root) != present


def write_facts(wanted: Wanted) -> None:
    """Bring the list of releases up to date."""
    path = Path(wanted.facts)
    if text := facts_text(wanted.root):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, text)
    else:
        path.unlink()


def write_whole(path: Path, text: str) -> None:
    """Write a file so that nobody sees half of it; a file of that name may have any owner or mode."""
    part = path.with_name(f".{path.name}.part")
    part.write_text(text, encoding="utf-8")
    part.chmod(0o644)
    part.replace(path)


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep a second run on the same host waiting."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def apply(wanted: Wanted, state: str, *, check: bool) -> dict:
    """Bring the host to a state; returns what Ansible prints.  Raises: ArtifactError, OSError."""
    if state == "fetched":
        found = [] if file_digest(wanted.archive) == wanted.sha256 else [f"`{wanted.archive}` is not in the cache"]
    else:
        found = remains(wanted) if state == "absent" else mistakes(wanted)
    result = {"changed": bool(found), "mended": found, "downloaded": 0, "archive": str(wanted.archive)}
    if found:
        before = "\n".join(found) + "\n"
        result["diff"] = {"before": before, "after": f"{wanted.name} {wanted.version or ''} {state}\n"}
    elif state != "fetched" and facts_are_stale(wanted):
        result["changed"] = True
    if check or not result["changed"]:
        return result
    with locked(wanted.cache_dir):
        if found and state == "absent":
            uninstall(wanted)
        elif found:
            result["downloaded"] = fetch(wanted) if state == "fetched" else install(wanted)
        if state != "fetched" and facts_are_stale(wanted):
            write_facts(wanted)
    return result


def wanted_item(item: dict, given: dict) -> tuple[Wanted, str]:
    """Look an item up in the catalogue; returns what is wanted of the host, and in which state.

    Raises: ArtifactError if the catalogue has no such tool, version or file.
    """
    name, version, state = item["name"], item.get("version", ""), item.get("state", "present")
    tools = given["tools"]
    if name not in tools:
        raise ArtifactError(f"artifact-known: no tool `{name}` in the catalogue; it has {', '.join(tools)}")
    layout = tools[name]["layout"]
    link_dir = given["plugin_dir"] if layout.get("into", "bin") == "plugins" else given["bin_dir"]
    common = {key: given[key] for key in ("facts", "offline", "retries", "timeout_s", "ca_path")}
    places = {"root": Path(given["root"]), "cache_dir": Path(given["cache_dir"]), "link_dir": Path(link_dir)}
    if state == "absent":
        return Wanted(name=name, **places, **common), state
    releases = overridden(name, tools[name]["releases"], given["overrides"].get(name, {}))
    if version not in releases:
        raise ArtifactError(
            f"artifact-known: no version `{version}` of `{name}` in the catalogue; it has {', '.join(releases)}; "
            "hint: write the version as text, or add it to `lab_artifacts_overrides`"
        )
    file = _file(f"`{name}` {version} for {given['architecture']}", releases[version].get(given["architecture"], {}))
    url = file["url"]
    if given["mirror_url"]:
        url = f"{given['mirror_url'].rstrip('/')}/{url.removeprefix('https://')}"
    wanted = Wanted(
        name=name, version=version, url=url, sha256=file["sha256"], size=file.get("size"),
        format=layout["format"], strip=layout.get("strip", 0), links=layout["links"], **places, **common,
    )  # fmt: skip
    return wanted, "fetched" if given["fetch_only"] else state


def overridden(name: str, releases: dict, overrides: dict) -> dict:
    """Return releases with a course's own laid over them, file by file; what those do not say stays as it was.

    Raises: ArtifactError if they are not `version: architecture: {url, sha256}`.
    """
    laid = dict(releases)
    for version, files in overrides.items() if isinstance(overrides, dict) else [("", None)]:
        if not isinstance(files, dict) or not all(isinstance(file, dict) for file in files.values()):
            raise ArtifactError(
                f"artifact-known: `lab_artifacts_overrides` of `{name}` is not as expected; "
                "hint: write `version: architecture: {url: ..., sha256: ...}`, as docs/catalogue.md does"
            )
        before = laid.get(version, {})
        laid[version] = before | {
            architecture: {key: value for key, value in before.get(architecture, {}).items() if key != "absent"} | file
            for architecture, file in files.items()
        }
    return laid


def _file(what: str, file: dict) -> dict:
    """Return what the catalogue says of a file, if somebody vouches for it."""
    vouched = re.fullmatch("[0-9a-f]{64}", file.get("sha256", "")) and file.get("url", "").startswith("https://")
    if "absent" not in file and vouched:
        return file
    lacks = "the catalogue names no `https` address or no sha256 of 64 hexadecimal digits"
    why = file.get("absent") or (lacks if file else "there is none for this architecture")
    raise ArtifactError(f"artifact-known: {what} cannot be installed: {why}")


def apply_all(given: dict, *, check: bool) -> list[dict]:
    """Bring the host to the state of all items, none of which is touched before all are looked up.

    Raises: ArtifactError, which names the tool.
    """
    everything = [wanted_item(item, given) for item in given["items"]]
    results = []
    for wanted, state in everything:
        if given["fetch_only"] and state == "absent":
            continue
        try:
            done = apply(wanted, state, check=check)
        except (ArtifactError, tarfile.TarError, EOFError, OSError) as error:
            full = isinstance(error, OSError) and error.errno == errno.ENOSPC
            hint = "; hint: free some space and run again" if full else ""
            raise ArtifactError(f"{wanted.name} {wanted.version}: {error}{hint}") from error
        results.append({"name": wanted.name, "version": wanted.version, **done})
    return results


def main() -> None:
    """Run as Ansible runs a module."""
    module = AnsibleModule(
        argument_spec={
            "items": {"type": "list", "elements": "dict", "required": True},
            "tools": {"type": "dict", "required": True},
            "overrides": {"type": "dict", "default": {}},
            "architecture": {"type": "str", "required": True},
            "mirror_url": {"type": "str", "default": ""},
            "fetch_only": {"type": "bool", "default": False},
            "bin_dir": {"type": "path", "required": True},
            "plugin_dir": {"type": "path", "required": True},
            "root": {"type": "path", "required": True},
            "cache_dir": {"type": "path", "required": True},
            "facts": {"type": "str", "default": ""},
            "offline": {"type": "bool", "default": False},
            "retries": {"type": "int", "default": 3},
            "timeout_s": {"type": "int", "default": 60},
            "ca_path": {"type": "path"},
        },
        supports_check_mode=True,
    )
    os.umask(0o022)
    try:
        results = apply_all(module.params, check=module.check_mode)
    except ArtifactError as error:
        module.fail_json(msg=str(error))
    module.exit_json(
        changed=any(result["changed"] for result in results),
        releases=results,
        diff=[result["diff"] for result in results if "diff" in result],
    )


if __name__ == "__main__":
    main()
