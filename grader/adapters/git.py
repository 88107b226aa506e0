"""Read one tree of a git repository as a submission, by plumbing: no checkout, hook, filter, submodule or LFS.

A repository is data of a stranger, its configuration included.  Local ones are read in place by commands that run
nothing from it; remote ones are fetched, one commit deep, into an empty repository of our own.
"""

from __future__ import annotations

import os
import re
import resource
import signal
import subprocess
import threading
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from grader.adapters.frozencopy import Copier
from grader.adapters.interrupts import start_aside
from grader.adapters.plainfile import CHUNK
from grader.errors import HostError, IntakeError
from grader.model.submission import Copied, IntakeCaps, shown

_TIMEOUT_S = 300.0  # one call of git, a fetch over a slow line included
_SCHEMES = ("https", "http", "ssh", "git")
_SCP_LIKE = re.compile(r"([A-Za-z0-9_][A-Za-z0-9_.-]*@)?[A-Za-z0-9_][A-Za-z0-9_.-]+:(?!:|//).+")  # [user@]host:path
_OBJECT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")

_CONFIG = {
    "core.hooksPath": "/dev/null",
    "safe.directory": "*",  # the owner is a student; nothing of the repository is run
    "safe.bareRepository": "all",
    "maintenance.auto": "false",  # after a fetch it would go on in the background
}


@dataclass(frozen=True)
class GitSpec:
    """`git:REPO@REF[:PATH]` taken apart; `path` is `` for the top."""

    repository: str
    ref: str
    path: str


def parse_spec(source: str) -> GitSpec:
    """Take `git:REPO@REF[:PATH]` apart at the last `@`, then at the next `:`.

    Raises: IntakeError for a missing part, a leading `-`, or a path that leaves the tree.
    """
    where = shown(source)
    repository, at, rest = source.removeprefix("git:").rpartition("@")
    ref, _, path = rest.partition(":")
    if not at or not repository or not ref:
        raise IntakeError("not of the form `git:REPO@REF[:PATH]`", where=where, hint="for example `git:.@HEAD:labs`")
    if repository.startswith("-") or ref.startswith("-"):
        raise IntakeError("REPO and REF may not begin with `-`", where=where, hint="write `./-name` for a folder")
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise IntakeError("PATH may not hold `..`", where=where, hint="name a folder of the repository from its top")
    return GitSpec(repository, ref, "/".join(parts))


@dataclass(frozen=True)
class _Listed:
    """One line of `ls-tree`."""

    mode: str
    kind: str
    object_id: str
    path: str


class GitSource:
    """Implements `ports.Source` for one commit."""

    packed = False

    def __init__(self, git: Git, commit: str, path: str, name: str) -> None:
        self._git = git
        self._commit = commit
        self._top = path
        self.kind = f"git:{commit}"
        self.name = name

    def copy(self, tree: Path, caps: IntakeCaps) -> Copied:
        """Copy every blob that the repository holds; links are settled from the copy."""
        copier = Copier(tree, caps)
        if self._top:
            self._git.folder(self._commit, self._top)
        wanted = []
        with closing(self._git.list_tree(self._treeish(self._top))) as tree_lines:
            for listed in tree_lines:
                if not copier.listed(listed.path):
                    continue
                if listed.kind == "commit":
                    copier.leave_out("intake.submodule", listed.path)
                else:
                    wanted.append(listed)
        sizes = self._git.sizes([listed.object_id for listed in wanted])
        self._copy_blobs(wanted, sizes, copier, caps)
        return copier.finish()

    def beside(self, path: str, caps: IntakeCaps) -> bytes | None:
        """Return a blob of the same commit outside PATH; a link or a missing object there is refused."""
        parts = [part for part in self._top.split("/") if part]
        for part in path.split("/"):
            if part == "..":
                if not parts:
                    return None
                parts.pop()
            else:
                parts.append(part)
        folder, name = "/".join(parts[:-1]), parts[-1]
        found = [entry for entry in self._git.list_folder(self._treeish(folder)) if entry.path == name]
        if not found or found[0].kind != "blob":
            return None
        if found[0].mode == "120000":
            raise IntakeError("a link, not a plain file", where=shown(path), hint="commit the report itself")
        return self._git.blob(found[0].object_id, path, caps)

    def entry_of(self, path: str) -> str | None:
        """Return `path` itself: names are relative to PATH."""
        return path.removeprefix("./")

    def _treeish(self, path: str) -> str:
        return f"{self._commit}:{path}" if path else self._commit

    def _copy_blobs(
        self, wanted: Sequence[_Listed], sizes: Mapping[str, int | None], copier: Copier, caps: IntakeCaps
    ) -> None:
        held = [listed for listed in wanted if sizes[listed.object_id] is not None]
        for listed in wanted:
            if sizes[listed.object_id] is None:
                copier.absent(listed.path, listed.object_id, listed.mode == "100755")
        with self._git.blobs([listed.object_id for listed in held]) as contents:
            for listed, content in zip(held, contents, strict=True):
                if listed.mode == "120000":
                    copier.link(listed.path, _link_target(content, listed.path, caps))
                else:
                    copier.file(listed.path, listed.mode == "100755", content)


class Git:
    """The git program, aimed at one repository.

    Args:
        directory: The repository (bare, or with `.git`).
        environ: Where PATH, HOME, proxies and agents are taken from; its `GIT_*` are not.

    Raises: from every method HostError if git is missing, IntakeError if it fails or is too slow.
    """

    def __init__(self, directory: Path, environ: Mapping[str, str]) -> None:
        self._directory = directory
        self._environ = _environment(environ, _CONFIG) | {"GIT_CEILING_DIRECTORIES": str(directory.parent)}

    def commit(self, ref: str) -> str:
        """Return the id of the commit that `ref` names."""
        try:
            found = self._output("rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}").decode().strip()
        except IntakeError as error:
            raise IntakeError(
                f"the repository has no commit `{shown(ref)}`{_because(error)}",
                where=shown(str(self._directory)),
                hint="list what it has with `git for-each-ref`",
            ) from error
        if not _OBJECT.fullmatch(found):
            raise IntakeError(
                f"`{shown(ref)}` names no commit",
                where=shown(str(self._directory)),
                hint="name a branch, a tag or a commit",
            )
        return found

    def folder(self, commit: str, path: str) -> None:
        """Raise IntakeError unless the commit holds a folder at `path`; a folder's blobs may still be missing."""
        found, cause = "nothing", None
        try:
            found = self._output("cat-file", "-t", f"{commit}:{path}").decode().strip()
        except IntakeError as error:
            cause = error
        if found != "tree":
            kind = {"blob": "a file", "commit": "a submodule"}.get(found, "nothing")
            raise IntakeError(
                f"`{shown(path)}` is {kind} in this commit, not a folder",
                where=shown(str(self._directory)),
                hint=f"list what it holds with `git ls-tree -r --name-only {commit[:12]}`",
            ) from cause

    def list_tree(self, treeish: str) -> Generator[_Listed, None, None]:
        """Yield all blobs and submodules below a tree; a caller that stops stops git."""
        with self._running("ls-tree", "-r", "-z", "--full-tree", treeish) as process:
            yield from _lines(process)

    def list_folder(self, treeish: str) -> list[_Listed]:
        """Return what lies directly in a tree."""
        with self._running("ls-tree", "-z", "--full-tree", treeish) as process:
            return list(_lines(process))

    def sizes(self, object_ids: Sequence[str]) -> dict[str, int | None]:
        """Return the size of each object in bytes, None for one that a partial clone does not hold."""
        request = "".join(f"{object_id}\n" for object_id in object_ids).encode()
        answer = self._output("cat-file", "--batch-check=%(objectname) %(objectsize)", stdin=request).decode()
        sizes: dict[str, int | None] = {}
        for line in answer.splitlines():
            object_id, _, size = line.partition(" ")
            sizes[object_id] = int(size) if size.isdigit() else None
        return sizes

    @contextmanager
    def blobs(self, object_ids: Sequence[str]) -> Iterator[Iterator[Iterator[bytes]]]:
        """Return the contents of these objects, in order, each as chunks to be read before the next."""
        with self._running("cat-file", "--batch") as process:
            yield self._contents(process, object_ids)

    def blob(self, object_id: str, path: str, caps: IntakeCaps) -> bytes:
        """Return one object whole."""
        size = self.sizes([object_id])[object_id]
        if size is None:
            raise missing_object(path)
        if size > caps.file_bytes:
            raise IntakeError(
                f"the file has more than {caps.file_bytes} bytes", where=shown(path), hint="commit a smaller one"
            )
        with self.blobs([object_id]) as contents:
            return b"".join(next(contents))

    def fetch(self, url: str, ref: str, caps: IntakeCaps) -> None:
        """Make this a bare repository and fetch one commit into `refs/grader/head`."""
        self._directory.mkdir()
        self._output("init", "--quiet", "--bare", "--template=")
        self._output(
            *("fetch", "--quiet", "--depth=1", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head"),
            *(url, f"+{ref}:refs/grader/head"),
            protocol=url.partition("://")[0] if "://" in url else "ssh",
            file_bytes=2 * caps.total_bytes,
        )

    def refuse_redirection(self) -> None:
        """Refuse a `.git` that is a pointer: a folder from a stranger could name any repository of this host.

        Raises: IntakeError.
        """
        for place in self._output("rev-parse", "--git-common-dir", "--git-path", "objects").decode().splitlines():
            if not (self._directory / place).resolve().is_relative_to(self._directory):
                raise IntakeError(
                    f"the repository's data lie outside it, in `{shown(place)}`",
                    where=shown(str(self._directory)),
                    hint="name the repository that it points to",
                )

    def _contents(self, process: subprocess.Popen[bytes], object_ids: Sequence[str]) -> Iterator[Iterator[bytes]]:
        assert process.stdin is not None
        assert process.stdout is not None
        for object_id in object_ids:
            # One request at a time: with all of them at once git and we would wait for each other on full pipes.
            with suppress(BrokenPipeError):
                process.stdin.write(f"{object_id}\n".encode())
                process.stdin.flush()
            answer = process.stdout.readline().split()
            if len(answer) != 3 or answer[0].decode() != object_id or answer[1] != b"blob":
                raise _damaged(self._directory)
            content = _exact_chunks(process.stdout, int(answer[2]), self._directory)
            yield content
            for _ in content:
                pass
            process.stdout.read(1)

    def _output(self, *arguments: str, stdin: bytes = b"", protocol: str = "", file_bytes: int | None = None) -> bytes:
        """Return what a command printed; `protocol` is the one transport that it may use."""
        with self._started(arguments, protocol) as process:
            if file_bytes is not None:
                resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (file_bytes, file_bytes))
            stdout, stderr = process.communicate(stdin)
        self._check(arguments, process.returncode, stderr)
        return stdout

    @contextmanager
    def _running(self, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
        """Run a command whose output is read as it comes; its failure is raised at the end."""
        with self._started(arguments, protocol="") as process:
            yield process
            _, stderr = process.communicate()
        self._check(arguments, process.returncode, stderr)

    @contextmanager
    def _started(self, arguments: Sequence[str], protocol: str) -> Iterator[subprocess.Popen[bytes]]:
        """Start git in a process group of its own, which is killed at the deadline and when this returns."""
        try:
            process = subprocess.Popen(
                ["git", "--no-pager", "-C", str(self._directory), *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**self._environ, "GIT_ALLOW_PROTOCOL": protocol},
                start_new_session=True,
            )
        except FileNotFoundError as error:
            raise HostError("`git` is not installed", hint="run `apt-get install git`") from error
        deadline = threading.Timer(_TIMEOUT_S, _kill_group, [process.pid])
        start_aside(deadline)
        with process:
            try:
                yield process
            finally:
                deadline.cancel()
                _kill_group(process.pid)

    def _check(self, arguments: Sequence[str], returncode: int, stderr: bytes) -> None:
        where = shown(str(self._directory))
        if returncode == -signal.SIGKILL:
            raise IntakeError(
                f"`git {arguments[0]}` gave no answer in {_TIMEOUT_S:.0f} s",
                where=where,
                hint="clone the repository yourself, and name the clone",
            )
        if returncode:
            raise IntakeError(
                f"`git {arguments[0]}` failed{_last_line(stderr)}",
                where=where,
                hint="check its address and your access, or clone it yourself and name the clone",
            )


@contextmanager
def open_git(spec: GitSpec, scratch: Path, caps: IntakeCaps, environ: Mapping[str, str]) -> Iterator[GitSource]:
    """Open a local repository in place, or fetch a remote one into `scratch`."""
    local = Path(spec.repository)
    if local.is_dir():
        resolved = local.resolve()
        git = Git(resolved, environ)
        git.refuse_redirection()
        commit = git.commit(spec.ref)
        name = resolved.name
    else:
        _refuse_transport(spec.repository)
        git = Git(scratch / "fetched.git", environ)
        git.fetch(spec.repository, spec.ref, caps)
        commit = git.commit("refs/grader/head")
        name = re.split(r"[/:]", spec.repository.rstrip("/"))[-1]
    yield GitSource(git, commit, spec.path, name.removesuffix(".git"))


def missing_object(path: str) -> IntakeError:
    """Return the error for a needed file that a partial clone lists but does not hold."""
    return IntakeError(
        "the repository lists this file but does not hold its content",
        where=shown(path),
        hint="fetch it, for example with `git fetch --refetch --no-filter`, and run again",
    )


def _refuse_transport(repository: str) -> None:
    """Allow only network protocols: `ext` runs a command, `file` and unknown helpers read from this host."""
    scheme, separator, _ = repository.partition("://")
    if (separator and scheme.lower() in _SCHEMES) or (not separator and _SCP_LIKE.fullmatch(repository)):
        return
    raise IntakeError(
        "this is no local folder, and no address by an allowed protocol",
        where=shown(repository),
        hint=f"give a path, or an address that begins with {', '.join(f'`{s}://`' for s in _SCHEMES)}",
    )


def _environment(environ: Mapping[str, str], config: Mapping[str, str]) -> dict[str, str]:
    """Return git's environment.

    A repository's own configuration can name programs in `core.sshCommand`, `remote.*.uploadpack`, credential
    helpers and the like; they only run on a transport, and none is allowed.  Replacement refs would make an object
    id stand for other bytes.  A lazy fetch would reach the network for an object that a partial clone lacks.
    """
    kept = {name: value for name, value in environ.items() if not name.startswith("GIT_")}
    kept |= {
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "/bin/false",
        "GIT_SSH_COMMAND": "ssh -oBatchMode=yes",
        "GIT_OPTIONAL_LOCKS": "0",
        "LC_ALL": "C",
        "GIT_CONFIG_COUNT": str(len(config)),
    }
    for number, (name, value) in enumerate(config.items()):
        kept |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    return kept


def _lines(process: subprocess.Popen[bytes]) -> Iterator[_Listed]:
    """Yield the entries of `ls-tree -z`: mode, kind, id, then a tab and the path, ended by NUL."""
    assert process.stdout is not None
    pending = b""
    while chunk := os.read(process.stdout.fileno(), CHUNK):
        *whole, pending = (pending + chunk).split(b"\0")
        for line in whole:
            about, _, path = line.partition(b"\t")
            mode, kind, object_id = about.decode().split(" ")
            yield _Listed(mode, kind, object_id, path.decode("utf-8", "surrogateescape"))


def _exact_chunks(stream: IO[bytes], size: int, directory: Path) -> Iterator[bytes]:
    while size:
        chunk = stream.read(min(size, CHUNK))
        if not chunk:
            raise _damaged(directory)
        size -= len(chunk)
        yield chunk


def _link_target(content: Iterator[bytes], path: str, caps: IntakeCaps) -> str:
    target = b""
    for chunk in content:
        target += chunk
        if len(target) > caps.path_bytes:
            raise IntakeError("the link's target is too long", where=shown(path), hint="leave the link out")
    return target.decode("utf-8", "surrogateescape")


def _damaged(directory: Path) -> IntakeError:
    return IntakeError("the repository is damaged", where=shown(str(directory)), hint="run `git fsck` there")


def _kill_group(leader: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


def _because(error: IntakeError) -> str:
    return error.what.partition("failed")[2]


def _last_line(stderr: bytes) -> str:
    lines = stderr.decode("utf-8", "replace").strip().splitlines()
    return f": {shown(lines[-1])}" if lines else ""
