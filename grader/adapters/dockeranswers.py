"""What a Docker daemon answers, as far as it is used here, and how it is read."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from grader.errors import HostError
from grader.model.base import first_mistake

_Model = TypeVar("_Model", bound=BaseModel)
_Several = TypeVar("_Several")


class _Answer(BaseModel):
    """A part of an answer; the keys that are not used here are none of our business."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class Versions(_Answer):
    """How new a daemon is, and the oldest API that it still speaks."""

    version: str = Field(alias="Version")
    oldest: str = Field(default="1.12", alias="MinAPIVersion")


class DaemonInfo(_Answer):
    """What a daemon is."""

    version: str = Field(alias="ServerVersion")
    driver: str = Field(alias="Driver")
    driver_status: tuple[tuple[str, str], ...] | None = Field(default=None, alias="DriverStatus")
    cgroup_driver: str = Field(default="", alias="CgroupDriver")
    root: str = Field(alias="DockerRootDir")
    os: str = Field(alias="OSType")

    @property
    def store(self) -> str:
        """`containerd` or `classic`: the same image has other sizes in the two."""
        return "containerd" if "io.containerd.snapshotter.v1" in str(self.driver_status) else "classic"


class _ImageConfig(_Answer):
    labels: dict[str, str] | None = Field(default=None, alias="Labels")


class ImageInfo(_Answer):
    """An image that the daemon has."""

    id: str = Field(alias="Id")
    size: int = Field(alias="Size")
    digests: tuple[str, ...] | None = Field(default=None, alias="RepoDigests")
    os: str = Field(default="", alias="Os")
    config: _ImageConfig | None = Field(default=None, alias="Config")

    @property
    def labels(self) -> dict[str, str]:
        return (self.config.labels if self.config else None) or {}


class ListedImage(_Answer):
    """An image as `docker images` lists it."""

    id: str = Field(alias="Id")
    size: int = Field(alias="Size")
    tags: tuple[str, ...] | None = Field(default=None, alias="RepoTags")
    labels: dict[str, str] | None = Field(default=None, alias="Labels")


class _State(_Answer):
    running: bool = Field(alias="Running")
    pid: int = Field(alias="Pid")


class ContainerInfo(_Answer):
    """A container; `state.pid` is 0 unless it runs."""

    id: str = Field(alias="Id")
    state: _State = Field(alias="State")


class _Mount(_Answer):
    kind: str = Field(default="", alias="Type")
    name: str = Field(default="", alias="Name")


class ListedContainer(_Answer):
    """A container as `docker ps` lists it."""

    id: str = Field(alias="Id")
    names: tuple[str, ...] | None = Field(default=None, alias="Names")
    labels: dict[str, str] | None = Field(default=None, alias="Labels")
    written: int = Field(default=0, alias="SizeRw", description="Bytes; 0 unless sizes were asked for.")
    mounts: tuple[_Mount, ...] | None = Field(default=None, alias="Mounts")

    @property
    def volumes(self) -> tuple[str, ...]:
        """The names of its volumes, which `written` does not count."""
        return tuple(mount.name for mount in self.mounts or () if mount.kind == "volume" and mount.name)


class ListedNetwork(_Answer):
    """A network as `docker network ls` lists it."""

    id: str = Field(alias="Id")
    name: str = Field(alias="Name")
    labels: dict[str, str] | None = Field(default=None, alias="Labels")


class Memory(_Answer):
    """What a container's cgroup holds, bytes; `stats` is the kernel's list, by cgroup version."""

    usage: int = 0
    stats: dict[str, int] | None = None


class Stats(_Answer):
    """A container's use of this host at one moment."""

    memory: Memory = Field(default=Memory(), alias="memory_stats")


class Usage(_Answer):
    """What `docker system df` counts."""

    images: tuple[ListedImage, ...] | None = Field(default=None, alias="Images")


class Event(_Answer):
    """One thing that happened to a container."""

    action: str = Field(alias="Action")


class Progress(_Answer):
    """A line of what a daemon says while it pulls or loads."""

    error: str | None = None
    stream: str | None = None


IMAGES = TypeAdapter(tuple[ListedImage, ...])
CONTAINERS = TypeAdapter(tuple[ListedContainer, ...])
NETWORKS = TypeAdapter(tuple[ListedNetwork, ...])


def read(model: type[_Model], answer: bytes | None) -> _Model:
    """Raises: HostError for what is no such answer."""
    try:
        return model.model_validate_json(answer or b"")
    except ValidationError as error:
        raise _unknown(error) from error


def read_all(adapter: TypeAdapter[_Several], answer: bytes | None) -> _Several:
    """Raises: HostError for what is no such list."""
    try:
        return adapter.validate_json(answer or b"")
    except ValidationError as error:
        raise _unknown(error) from error


def _unknown(error: ValidationError) -> HostError:
    return HostError(f"the Docker daemon's answer cannot be read: {first_mistake(error)}", where="docker")
