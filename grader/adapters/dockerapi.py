"""Ask a Docker daemon over its socket: every call has a deadline as a whole, and trouble is a HostError.

What the lab times and builds is the `docker` program's affair; this is for all else, where that program would cost
tens of milliseconds, round what it prints, and misread a daemon of another age.  Not the `docker` package from PyPI:
its timeouts are for single reads, so that a daemon which trickles holds a grading for ever.

Source: Docker Engine API 1.41 (Docker 20.10) to 1.44, of which each has what is used here.
"""

from __future__ import annotations

import http.client
import json
import re
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote, urlencode

from grader.adapters.containerfolder import layer_folder, waits_ended
from grader.adapters.dockeranswers import (
    CONTAINERS,
    IMAGES,
    NETWORKS,
    ContainerInfo,
    DaemonInfo,
    Event,
    ImageInfo,
    ListedContainer,
    ListedImage,
    ListedNetwork,
    Memory,
    Progress,
    Stats,
    Usage,
    Versions,
    read,
    read_all,
)
from grader.adapters.interrupts import start_aside
from grader.errors import HostError
from grader.model.trouble import without_host_paths

VERSION = (1, 41)
ASK_S = 10.0
"""For a question that a daemon answers from memory: milliseconds, seconds where its disk is busy."""
CHANGE_S = 60.0
"""For making and removing objects, which waits for the disk and for a container's end."""
MOVE_S = 300.0
"""For an image on its way in or out: a base of 1 GiB from a mirror in the same room."""
_CHUNK = 1 << 16
_MAX_ANSWER = 16 << 20
_RESTART = "see what `docker info` says, and restart the daemon"

_ISOLATED_SINCE = 28
_NO_ADDRESS = {"com.docker.network.bridge.inhibit_ipv4": "true"}
_ISOLATED = {"com.docker.network.bridge.gateway_mode_ipv4": "isolated"}
"""What older daemons and newer ones call a bridge on which the host has no address; what is not known is ignored."""
_LOADED = re.compile(r"Loaded image(?: ID)?: (\S+)")


class DockerApi:
    """A daemon behind a unix socket.  Every method raises HostError if it does not answer, or cannot do it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._version = VERSION
        self._daemon = 0

    def negotiate(self) -> None:
        """Speak from now on the oldest version that has all that is used here and that the daemon still takes.

        Docker 29 refuses what is older than 1.44, and each newer version leaves something out.
        """
        found = read(Versions, self._json("GET", "/version", prefix=""))
        self._version = max(VERSION, _numbers(found.oldest))
        self._daemon = _numbers(found.version)[0]

    def info(self) -> DaemonInfo:
        """Return what the daemon is."""
        return read(DaemonInfo, self._json("GET", "/info"))

    def image(self, reference: str) -> ImageInfo | None:
        """Return an image by name or id, None if the daemon has none of it."""
        found = self._json("GET", f"/images/{_quoted(reference)}/json", missing=(404,))
        return None if found is None else read(ImageInfo, found)

    def images(self) -> tuple[ListedImage, ...]:
        """Return all images that have a name, and those that lie about without one."""
        return read_all(IMAGES, self._json("GET", "/images/json"))

    def disk_usage(self, image: str) -> int | None:
        """Return what `docker system df` counts for an image by id, None if the daemon does not list it."""
        found = read(Usage, self._json("GET", "/system/df", timeout_s=CHANGE_S))
        return next((one.size for one in found.images or () if one.id == image), None)

    def pull(self, reference: str) -> None:
        """Fetch an image with its tag or digest, through the mirrors that the daemon is set to."""
        name, _, tag = reference.partition("@") if "@" in reference else _tagged(reference)
        with self._call("POST", "/images/create", {"fromImage": name, "tag": tag}, timeout_s=MOVE_S) as response:
            for line in _lines(response):
                error = read(Progress, line).error
                if error is not None:
                    raise _refused(f"`{reference}` cannot be pulled: {error}")

    def save(self, reference: str, target: Path, cap: int) -> None:
        """Write an image as an archive.  Raises: HostError also if it has more than `cap` bytes, `target` then gone."""
        path = f"/images/{_quoted(reference)}/get"
        total = 0
        with self._call("GET", path, timeout_s=MOVE_S) as response, _written(target) as write:
            while total <= cap and (chunk := response.read(_CHUNK)):
                total += len(chunk)
                write(chunk)
        if total > cap:
            target.unlink()
            raise HostError(f"the image has more than {cap} bytes", hint="build a smaller one")

    def load(self, archive: Path) -> str:
        """Take in the image of an archive and return its id, or its name if the archive gives it one."""
        loaded = ""
        with archive.open("rb") as file:
            headers = {"Content-Type": "application/x-tar", "Content-Length": str(archive.stat().st_size)}
            call = self._call("POST", "/images/load", {"quiet": "1"}, body=file, headers=headers, timeout_s=MOVE_S)
            with call as response:
                for line in _lines(response):
                    said = read(Progress, line)
                    if said.error is not None:
                        raise _refused(f"an image cannot be loaded: {said.error}")
                    loaded = ((match := _LOADED.search(said.stream or "")) and match[1]) or loaded
        if not loaded:
            raise HostError("the Docker daemon took an image and named none", where="docker", hint=_RESTART)
        return loaded

    def tag(self, image: str, repository: str, tag: str) -> None:
        """Give an image one more name."""
        self._json("POST", f"/images/{_quoted(image)}/tag", {"repo": repository, "tag": tag})

    def remove_image(self, reference: str) -> None:
        """Take away a name, and the image with its last one; what is not there is removed already."""
        self._json("DELETE", f"/images/{_quoted(reference)}", {"force": "1"}, missing=(404, 409), timeout_s=CHANGE_S)

    def create_network(self, name: str, labels: Mapping[str, str]) -> None:
        """Make a bridge from which no packet leaves, and on which this host has no address of its own either."""
        options = _ISOLATED if self._daemon >= _ISOLATED_SINCE else _NO_ADDRESS
        body = {
            "Name": name,
            "CheckDuplicate": True,
            "Driver": "bridge",
            "Internal": True,
            "Options": options,
            "Labels": dict(labels),
        }
        self._json("POST", "/networks/create", body=body, timeout_s=CHANGE_S)

    def networks(self, label: str) -> tuple[ListedNetwork, ...]:
        """Return the networks that have a label."""
        return read_all(NETWORKS, self._json("GET", "/networks", _filters(label=[label])))

    def remove_network(self, name: str) -> None:
        """Remove a network; what is not there is removed already."""
        self._json("DELETE", f"/networks/{_quoted(name)}", missing=(404,), timeout_s=CHANGE_S)

    def container(self, name: str) -> ContainerInfo | None:
        """Return a container by name or id, None if there is none."""
        found = self._json("GET", f"/containers/{_quoted(name)}/json", missing=(404,))
        return None if found is None else read(ContainerInfo, found)

    def containers(self, label: str, *, sizes: bool = False) -> tuple[ListedContainer, ...]:
        """Return the containers that have a label, whatever state they are in; `sizes` makes the daemon count."""
        query = {"all": "1", **({"size": "1"} if sizes else {}), **_filters(label=[label])}
        return read_all(CONTAINERS, self._json("GET", "/containers/json", query, timeout_s=CHANGE_S))

    def signal(self, name: str, what: str) -> bool:
        """Send a signal to a container's program; False if it does not run."""
        path = f"/containers/{_quoted(name)}/kill"
        return self._json("POST", path, {"signal": what}, missing=(404, 409)) is not None

    def remove_container(self, name: str) -> None:
        """Kill and remove a container with its anonymous volumes; what is not there is removed already.

        The daemon reads some files of an image before it starts it, `/etc/passwd` among them.  One that is a pipe it
        waits at for ever, and meanwhile removes nothing of that container.
        """
        try:
            self._remove_container(name, ASK_S)
        except HostError:
            folder = self._mounted(name)
            if folder is None:
                raise
            with waits_ended(folder):
                self._remove_container(name, CHANGE_S)

    def _remove_container(self, name: str, timeout_s: float) -> None:
        query = {"force": "1", "v": "1"}
        self._json("DELETE", f"/containers/{_quoted(name)}", query, missing=(404, 409), timeout_s=timeout_s)

    def _mounted(self, name: str) -> Path | None:
        """Return the root folder of a container as the daemon sees it, None if that cannot be known."""
        listed = read_all(CONTAINERS, self._json("GET", "/containers/json", {"all": "1"}, timeout_s=ASK_S))
        found = next((one for one in listed if name == one.id or f"/{name}" in (one.names or ())), None)
        layer = layer_folder(self.info().root, found.id) if found is not None else None
        return Path(f"/proc/{self._process()}/root{layer}/merged") if layer is not None else None

    def _process(self) -> int:
        """Return the process that listens on the socket: it has the mounts of the daemon, if it is not the daemon."""
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(ASK_S)
                connection.connect(str(self._path))
                told = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        except OSError as error:
            raise HostError("the Docker daemon cannot be reached", where=str(self._path), hint=_RESTART) from error
        pid: int = struct.unpack("3i", told)[0]
        return pid

    def memory(self, name: str) -> int | None:
        """Return the memory that `docker stats` shows for a container; None if it does not run or tells nothing.

        Source: docker/cli, cli/command/container/stats_helpers.go `calculateMemUsageUnixNoCache`: usage less
        inactive file pages.
        """
        query = {"stream": "0", "one-shot": "1"}
        found = self._json("GET", f"/containers/{_quoted(name)}/stats", query, missing=(404, 409))
        memory = read(Stats, found).memory if found is not None else Memory()
        stats = memory.stats or {}
        inactive = stats.get("total_inactive_file", stats.get("inactive_file", 0))
        return memory.usage - inactive if inactive < memory.usage else memory.usage or None

    def events(self, container: str, since: float, until: float) -> frozenset[str]:
        """Return what happened to a container between two moments, Unix seconds: `create`, `start`, `oom`, `die`, …"""
        query = {"since": f"{since:.6f}", "until": f"{until:.6f}", **_filters(container=[container])}
        with self._call("GET", "/events", query) as response:
            return frozenset(read(Event, line).action for line in _lines(response))

    def _json(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        body: Mapping[str, object] | None = None,
        missing: tuple[int, ...] = (),
        prefix: str | None = None,
        timeout_s: float = ASK_S,
    ) -> bytes | None:
        """Return the whole answer, empty if there is nothing to say; None for one of the states in `missing`."""
        data = json.dumps(body).encode() if body is not None else None
        headers = {"Content-Type": "application/json"} if data is not None else {}
        call = self._call(
            method, path, query, body=data, headers=headers, missing=missing, prefix=prefix, timeout_s=timeout_s
        )
        with call as response:
            answer = response.read(_MAX_ANSWER)
            return None if response.status in missing else answer

    @contextmanager
    def _call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        body: bytes | BinaryIO | None = None,
        headers: Mapping[str, str] | None = None,
        missing: tuple[int, ...] = (),
        prefix: str | None = None,
        timeout_s: float = ASK_S,
    ) -> Iterator[http.client.HTTPResponse]:
        """Send a request; after `timeout_s` the connection is shut, whatever is going on on it."""
        connection = _Connection(self._path, timeout_s)
        version = f"/v{self._version[0]}.{self._version[1]}" if prefix is None else prefix
        target = f"{version}{path}" + (f"?{urlencode(query)}" if query else "")
        timer = threading.Timer(timeout_s, connection.shut)
        timer.daemon = True
        start_aside(timer)
        try:
            connection.request(method, target, body=body, headers=dict(headers or {}))
            response = connection.getresponse()
            if response.status >= 400 and response.status not in missing:
                raise _refused(_message(response.read(_CHUNK)))
            yield response
        except (OSError, http.client.HTTPException) as error:
            raise self._unreachable(error, timeout_s, over=connection.is_shut) from error
        finally:
            timer.cancel()
            connection.close()
        if connection.is_shut:  # what was read may be half of it: the end looked like an end
            raise self._unreachable(None, timeout_s, over=True)

    def _unreachable(self, error: Exception | None, timeout_s: float, *, over: bool) -> HostError:
        if over or isinstance(error, TimeoutError):
            what = f"the Docker daemon did not answer within {timeout_s:g} s"
        else:
            what = f"the Docker daemon cannot be reached: {(isinstance(error, OSError) and error.strerror) or error}"
        return HostError(what, where=str(self._path), hint=_RESTART)


class _Connection(http.client.HTTPConnection):
    """HTTP over a unix socket that another thread may shut."""

    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__("docker", timeout=timeout_s)
        self._path = path
        self._seconds = timeout_s
        self.is_shut = False

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self._seconds)
        self.sock.connect(str(self._path))

    def shut(self) -> None:
        """End every read and write on it, now and later."""
        self.is_shut = True
        connected = self.sock
        if connected is not None:
            try:
                connected.shutdown(socket.SHUT_RDWR)
            except OSError:
                return


@contextmanager
def _written(target: Path) -> Iterator[Callable[[bytes], None]]:
    """Open a file of ours for writing; trouble with it is no trouble of the daemon's."""

    def write(data: bytes) -> None:
        try:
            file.write(data)
        except OSError as error:
            raise HostError(
                f"cannot be written: {error.strerror}", where=str(target), hint="free some space"
            ) from error

    with target.open("wb", buffering=0) as file:
        yield write


def _refused(said: str) -> HostError:
    """Return what a daemon's refusal means; a full disk is told apart, as it is mended elsewhere."""
    told = without_host_paths(said)
    if "no space left" in said:
        return HostError(f"the Docker daemon's disk is full: {told}", where="docker", hint="free some space there")
    return HostError(f"the Docker daemon refuses: {told}", where="docker", hint=_RESTART)


def _message(answer: bytes) -> str:
    try:
        found = json.loads(answer)
        return str(found["message"])
    except (ValueError, KeyError, TypeError):
        return answer.decode("utf-8", "replace").strip()[:200] or "no reason given"


def _lines(response: http.client.HTTPResponse) -> Iterator[bytes]:
    """Yield the JSON objects of a stream, which a daemon writes one a line."""
    while line := response.readline(_MAX_ANSWER):
        if line.strip():
            yield line


def _tagged(reference: str) -> tuple[str, str, str]:
    """Split at the colon of the tag, not that of a registry's port."""
    name, colon, tag = reference.rpartition(":")
    return (reference, ":", "latest") if not colon or "/" in tag else (name, colon, tag)


def _numbers(version: str) -> tuple[int, int]:
    """Return the first two numbers of a version; what is none counts as 0."""
    found = [int(word) for word in re.findall(r"\d+", version)[:2]]
    return (*found, 0, 0)[0], (*found, 0, 0)[1]


def _filters(**wanted: list[str]) -> dict[str, str]:
    return {"filters": json.dumps(wanted)}


def _quoted(reference: str) -> str:
    return quote(reference, safe="/:@")
