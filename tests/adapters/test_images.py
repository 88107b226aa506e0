from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from pathlib import Path

import pytest

from grader.adapters import dockerbuild
from grader.adapters.buildah import Buildah
from grader.adapters.containerfile import host_platform
from grader.adapters.disk import usage
from grader.adapters.docker import Docker
from grader.adapters.images import ImageBuilding
from grader.adapters.ociarchive import OciArchive
from grader.adapters.owner import LABEL
from grader.errors import HostError, TimeLimitError
from grader.model.base import Message
from grader.model.image import ImageResult
from grader.model.lab import ImageSource
from grader.model.run import Artifact
from grader.ports import Call
from grader.recipes.oci import Platform
from grader.testing import FakeStore
from tests.engines.base import BASE, push_base
from tests.engines.engines import Engines
from tests.engines.keeper import wait_until
from tests.samplelab import small_lab

pytestmark = [pytest.mark.serial, pytest.mark.once]

LINUX = ImageSource(file="Dockerfile", platform="linux", bases=("golang", "busybox"), timeout_s=60)
WASM = ImageSource(file="Dockerfile.wasm", platform="wasi/wasm", artifact="main.wasm", timeout_s=60)
MODULE = b"\0asm\1\0\0\0" * 5000
ABSENT = Message(code="engine.no-container-engine")
BUSYBOX = Path("/bin/busybox").read_bytes()
SHELL = 'FROM scratch\nCOPY busybox /bin/busybox\nSHELL ["/bin/busybox", "sh", "-c"]\n'


@pytest.fixture
def building(docker: Docker, tmp_path: Path) -> ImageBuilding:
    return made_with(docker, tmp_path)


@pytest.fixture
def wasm_building(tmp_path: Path) -> ImageBuilding:
    found = made_with(ABSENT, tmp_path)
    problem = found.capabilities()["image:wasm"]
    if problem is not None:
        pytest.skip(f"needs: containers: {problem}")
    return found


def made_with(docker: Docker | Message, tmp_path: Path) -> ImageBuilding:
    lab = small_lab(images={"native": LINUX, "wasm": WASM})
    (tmp_path / "store").mkdir(exist_ok=True)
    store = FakeStore(tmp_path / "store")
    return ImageBuilding(lab, docker, Buildah.find("/usr/bin"), store)


def folder(tmp_path: Path, files: Mapping[str, bytes | str]) -> Path:
    place = tmp_path / "handed-in"
    for name, content in files.items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        path.chmod(0o755)
    return place


def out(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def build(
    building: ImageBuilding, tmp_path: Path, dockerfile: str, *, timeout_s: float = 60, **files: bytes
) -> ImageResult:
    source = folder(tmp_path, {"Dockerfile": dockerfile, "busybox": BUSYBOX, **files})
    timed = LINUX.model_copy(update={"timeout_s": timeout_s})
    result = building.build_image("native", timed, source, None, out(tmp_path))
    kept = [path.name for path in (tmp_path / "out").iterdir()]
    assert kept == (["image.tar"] if result.image else [])
    return result


TWO_STAGES = f"""FROM {BASE} AS builder
WORKDIR /app
COPY main.sh .
RUN sed s/nobody/hello/ main.sh > hello && chmod 755 hello
FROM scratch
COPY --from=builder /app/hello /app/hello
ENTRYPOINT ["/app/hello"]
"""


def test_a_dockerfile_is_built_sized_in_every_notion_and_only_the_archive_stays(
    building: ImageBuilding, engines: Engines, tmp_path: Path
) -> None:
    push_base(engines)
    source = folder(tmp_path, {"Dockerfile": TWO_STAGES, "main.sh": "#!/bin/sh\necho nobody\n"})
    (base,) = building.image_bases(LINUX, source)
    assert base.startswith(f"{BASE}@sha256:")
    result = building.build_image("native", LINUX, source, None, out(tmp_path))
    assert result.image is not None, result.log
    image = result.image
    assert image.entrypoint == ("/app/hello",)
    assert image.program is not None
    sizes = {size.notion: size for size in image.sizes}
    assert set(sizes) == {"docker_inspect", "docker_images", "disk_usage", "unpacked"}
    assert {size.size_bytes for size in sizes.values()} == {image.program.size_bytes}
    with OciArchive.open(Path(image.artifact.path)) as archive:
        found = archive.image(host_platform(), host_platform())
        assert archive.extract(found, "/app/hello", tmp_path / "hello", 1 << 30) is None
    assert hashlib.sha256((tmp_path / "hello").read_bytes()).hexdigest() == image.program.sha256
    assert (tmp_path / "hello").read_text() == "#!/bin/sh\necho hello\n"
    loaded = engines.run(engines.docker, "load", "-i", image.artifact.path).stdout.split()[-1]
    try:
        printed = engines.run(engines.docker, "images", "--format", "{{.ID}} {{.Size}}").stdout
        assert loaded == f"sha256:{image.artifact.sha256}"
        assert f"{loaded.removeprefix('sha256:')[:12]} {sizes['docker_images'].printed}" in printed
    finally:
        engines.run(engines.docker, "rmi", loaded)
        engines.run(engines.docker, "rmi", BASE)


def test_a_build_has_no_way_out_and_lies_in_our_own_group(building: ImageBuilding, tmp_path: Path) -> None:
    run = "/bin/busybox ip -o link | /bin/busybox wc -l > /links; /bin/busybox cat /proc/self/cgroup > /group"
    result = build(building, tmp_path, f"{SHELL}RUN {run}\n")
    assert result.image is not None, result.log
    with OciArchive.open(Path(result.image.artifact.path)) as archive:
        found = archive.image(host_platform(), host_platform())
        for name in ("links", "group"):
            assert archive.extract(found, name, tmp_path / name, 10_000) is None
    assert (tmp_path / "links").read_text().strip() == "1"
    assert "/lab-grader-" in (tmp_path / "group").read_text()


@pytest.mark.parametrize(
    ("run", "state", "code"),
    [
        ("exit 3", "failed", "image.failed"),
        ("while :; do :; done", "failed", "image.timeout"),
        ("/bin/busybox yes", "failed", "run.output-limit"),
        ("/bin/busybox wget http://example.org/", "not_run", "image.needs-network"),
    ],
)
def test_a_build_that_fails_or_never_ends_leaves_nothing(
    building: ImageBuilding, tmp_path: Path, run: str, state: str, code: str
) -> None:
    recipe = f"{SHELL}RUN /bin/busybox touch /a\nRUN {run}\n"
    result = build(building, tmp_path, recipe, timeout_s=4 if code == "image.timeout" else 60)
    assert result.reason is not None
    assert (result.state, result.reason.code) == (state, code)


def test_a_disk_that_was_too_full_for_any_build_is_not_the_students(
    building: ImageBuilding, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    endless = dockerbuild._LIMITS.model_copy(update={"disk_bytes": 1 << 60})
    monkeypatch.setattr(dockerbuild, "_LIMITS", endless)
    result = build(building, tmp_path, f"{SHELL}RUN echo 'write /a: no space left on device' >&2; exit 1\n")
    assert result.reason is not None
    assert (result.state, result.reason.code) == ("error", "infra.builder-broke")


GROW = "/bin/busybox dd if=/dev/zero of={0} bs=1M count=60 conv=fsync 2>/dev/null"
"""Writes out this file only: all that a busy host has still to write may take longer than the build has."""
WAIT = "while :; do /bin/busybox sleep 1; done"


@pytest.mark.parametrize(
    "recipe",
    [
        f"RUN {GROW.format('/a')} && {GROW.format('/b')} && {WAIT}",
        f"RUN {GROW.format('/a')}\nRUN {GROW.format('/b')}\nRUN {WAIT}",
        f"VOLUME /v\nRUN {GROW.format('/v/a')} && {GROW.format('/v/b')} && {WAIT}",
        f"LABEL {LABEL}=somebody\nRUN {GROW.format('/a')} && {GROW.format('/b')} && {WAIT}",
        "RUN /bin/busybox truncate -s 100G /holes",
    ],
    ids=["at once", "in layers", "in a volume", "under another's label", "holes that the daemon writes out"],
)
def test_a_build_that_fills_the_disk_is_ended_and_the_daemon_writes_no_more(
    building: ImageBuilding, docker: Docker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recipe: str
) -> None:
    capped = dockerbuild._LIMITS.model_copy(update={"disk_bytes": 100 << 20})
    monkeypatch.setattr(dockerbuild, "_LIMITS", capped)
    result = build(building, tmp_path, f"{SHELL}{recipe}\n", timeout_s=120)
    assert result.reason is not None
    assert (result.state, result.reason.code) == ("failed", "run.disk-limit"), result.log
    assert wait_until(lambda: usage([docker.info.root], 1 << 40) < 50 << 20, 60)


def test_what_a_recipe_says_of_labels_hides_nothing_from_who_cleans_up(
    building: ImageBuilding, engines: Engines, tmp_path: Path
) -> None:
    listed = (engines.docker, "images", "--all", "--quiet")
    before = engines.run(*listed).stdout
    result = build(building, tmp_path, f"{SHELL}LABEL {LABEL}=somebody\nRUN /bin/busybox touch /a\nRUN exit 3\n")
    assert result.state == "failed"
    assert engines.run(*listed).stdout == before


@pytest.mark.parametrize("file", ["Dockerfile", "Dockerfile.wasm"])
def test_an_archive_is_not_unpacked(
    building: ImageBuilding, wasm_building: ImageBuilding, tmp_path: Path, file: str
) -> None:
    source = folder(
        tmp_path, {file: "FROM scratch\nCOPY a.tar.gz /\nADD a.tar.gz /\n", "a.tar.gz": gzip.compress(b"x")}
    )
    kind, builder = (LINUX, building) if file == "Dockerfile" else (WASM, wasm_building)
    result = builder.build_image("native", kind, source, None, out(tmp_path))
    assert result.reason is not None
    assert (result.state, result.reason.code, result.reason.params["line"]) == ("refused", "image.archive", 3)


def test_the_time_limit_of_a_run_ends_a_build_too(docker: Docker, tmp_path: Path) -> None:
    lab = small_lab(images={"native": LINUX})
    (tmp_path / "store").mkdir()
    left = FakeStore(tmp_path / "store")
    building = ImageBuilding(lab, docker, ABSENT, left, cap=lambda timeout_s: min(timeout_s, 3.0))
    source = folder(tmp_path, {"Dockerfile": f"{SHELL}RUN while :; do :; done\n", "busybox": BUSYBOX})
    with pytest.raises(TimeLimitError):
        building.build_image("native", LINUX, source, None, out(tmp_path))


@pytest.mark.parametrize("name", ["/x,type=bind,src=/", "/x:exec", "/proc/x", "/a/../b", "/", "/dev"])
def test_a_volume_that_no_container_can_be_given_is_refused(
    wasm_building: ImageBuilding, tmp_path: Path, name: str
) -> None:
    source = folder(tmp_path, {"Dockerfile.wasm": f'{WASM_FILE}VOLUME ["{name}"]\n'})
    result = wasm_building.build_image("wasm", WASM, source, artifact_of(tmp_path / "m", MODULE), out(tmp_path))
    assert result.reason is not None
    assert (result.state, result.reason.code) == ("refused", "image.volume")
    assert list((tmp_path / "out").iterdir()) == []


def test_what_the_checks_refuse_is_not_built(building: ImageBuilding, tmp_path: Path) -> None:
    result = build(building, tmp_path, "# syntax=evil/frontend\nFROM evil/base\nADD https://x /\n")
    assert [message.code for message in result.refusals] == ["image.syntax", "image.base", "image.remote-add"]
    assert (result.state, result.reason) == ("refused", result.refusals[0])
    call = building.image_call("native", LINUX, tmp_path / "handed-in")
    assert isinstance(call, Message)
    assert call.code == "image.syntax"
    assert building.image_bases(LINUX, tmp_path / "handed-in") == ()


def test_a_base_that_cannot_be_had_is_a_broken_host_and_named(building: ImageBuilding, tmp_path: Path) -> None:
    source = folder(tmp_path, {"Dockerfile": "FROM busybox:no-such-tag\n"})
    with pytest.raises(HostError, match="`busybox:no-such-tag` cannot be had: ") as raised:
        building.image_bases(LINUX, source)
    assert "--push-mirror" in str(raised.value.hint)


def test_without_a_daemon_the_reason_is_told(tmp_path: Path) -> None:
    building = made_with(ABSENT, tmp_path)
    assert building.capabilities()["image:native"] == ABSENT
    source = folder(tmp_path, {"Dockerfile": "FROM scratch\n"})
    assert building.image_call("native", LINUX, source) == ABSENT
    assert building.build_image("native", LINUX, source, None, out(tmp_path)).state == "not_run"


WASM_FILE = 'FROM scratch\nCOPY main.wasm /main.wasm\nENTRYPOINT ["/main.wasm"]\n'


def artifact_of(path: Path, data: bytes) -> Artifact:
    path.write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    return Artifact(
        subject="wasm", label="build", sha256=digest, size=len(data), path=str(path), compiler="Go 1", comparable=False
    )


def test_a_module_becomes_an_image_whose_content_is_counted_to_the_byte(
    wasm_building: ImageBuilding, tmp_path: Path
) -> None:
    source = folder(tmp_path, {"Dockerfile.wasm": WASM_FILE, "main.wasm": b"another one"})
    artifact = artifact_of(tmp_path / "module", MODULE)
    call = wasm_building.image_call("wasm", WASM, source)
    assert isinstance(call, Call)
    assert call.argv[:2] == ("buildah", "bud")
    result = wasm_building.build_image("wasm", WASM, source, artifact, out(tmp_path))
    assert result.image is not None, result.log
    image = result.image
    assert (image.platform, image.entrypoint) == ("wasi/wasm", ("/main.wasm",))
    assert (image.artifact.compiler, image.artifact.comparable) == ("Go 1", False)
    assert image.program is not None
    assert (image.program.size_bytes, image.program.sha256) == (len(MODULE), artifact.sha256)
    sizes = {size.notion: size.size_bytes for size in image.sizes}
    with OciArchive.open(Path(image.artifact.path)) as archive:
        blobs = [m.size for name, m in archive._members.items() if name.startswith("blobs/")]
    assert sizes["content"] == sizes["ctr_ls"] == sum(blobs)
    assert sizes["unpacked"] == len(MODULE)
    assert sizes["oci_archive"] == image.artifact.size


def test_the_same_module_gives_the_same_image(wasm_building: ImageBuilding, tmp_path: Path) -> None:
    source = folder(tmp_path, {"Dockerfile.wasm": WASM_FILE})
    artifact = artifact_of(tmp_path / "module", MODULE)
    digests = set()
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        result = wasm_building.build_image("wasm", WASM, source, artifact, tmp_path / name)
        assert result.image is not None
        digests.add(result.image.artifact.sha256)
    assert len(digests) == 1


def test_a_build_without_a_boundary_runs_nothing(wasm_building: ImageBuilding, tmp_path: Path) -> None:
    recipe = f'{WASM_FILE}COPY busybox /b\nRUN ["/b", "id"]\n'
    source = folder(tmp_path, {"Dockerfile.wasm": recipe, "busybox": BUSYBOX})
    result = wasm_building.build_image("wasm", WASM, source, artifact_of(tmp_path / "m", MODULE), out(tmp_path))
    assert result.reason is not None
    assert (result.state, result.reason.code) == ("refused", "image.run")


def test_a_file_that_is_not_there_is_the_recipes_mistake(wasm_building: ImageBuilding, tmp_path: Path) -> None:
    source = folder(tmp_path, {"Dockerfile.wasm": "FROM scratch\nCOPY other.wasm /\n"})
    result = wasm_building.build_image("wasm", WASM, source, artifact_of(tmp_path / "m", MODULE), out(tmp_path))
    assert result.reason is not None
    assert (result.state, result.reason.code) == ("failed", "image.failed")
    assert "other.wasm" in str(result.reason.params["said"])


def test_a_buildah_that_cannot_be_started_is_no_mistake_of_the_recipe(tmp_path: Path) -> None:
    recipe = folder(tmp_path, {"Dockerfile.wasm": WASM_FILE}) / WASM.file
    (tmp_path / "work").mkdir()
    with pytest.raises(HostError, match="cannot be started: No such file"):
        Buildah(tmp_path / "gone").build("wasm", WASM, recipe.parent, recipe, out(tmp_path), tmp_path / "work")


def test_platforms_are_read_back_from_the_archive(wasm_building: ImageBuilding, tmp_path: Path) -> None:
    source = folder(tmp_path, {"Dockerfile.wasm": WASM_FILE})
    result = wasm_building.build_image("wasm", WASM, source, artifact_of(tmp_path / "m", MODULE), out(tmp_path))
    assert result.image is not None
    with OciArchive.open(Path(result.image.artifact.path)) as archive:
        assert archive.image(Platform.parse("wasip1/wasm"), host_platform()).form == "layout"
