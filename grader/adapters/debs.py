"""Packages with all that they depend on: ask apt in a root of its own, make a signed repository of the answer.

apt checks its lists against the distribution's key, and each file is fetched by the sha256 of those lists.  The
repository is signed with a key that is made for it and thrown away; the public half lies in it, and the digest of the
bundle covers both.  So hosts need no `trusted=yes`, and apt refuses a file that was changed on the way to it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from grader.errors import HostError, UsageError
from grader.model.base import digest
from grader.model.bundle import Distribution, Source
from grader.model.catalogue import Architecture

KEY = "lab-bundle.asc"
INDEX = ("InRelease", "Packages", "Release", KEY)
"""What makes a folder of packages a repository."""
_DATE = "Sat, 01 Jan 2000 00:00:00 UTC"
"""apt wants one; with the day of the making, the same packages would give another digest each day."""
_URI = re.compile(r"^'(?P<url>[^']+)' (?P<local>\S+) (?P<size>[0-9]+)(?: \S*)?$")
_ADDRESS = re.compile(r"^(https?://|file:/)[A-Za-z0-9._:/~+-]+$")
_FIELD = re.compile(r"^(?P<name>[A-Za-z0-9-]+): *(?P<value>.*)$")


@dataclass(frozen=True)
class Deb:
    """A package to fetch; `stanza` is what the signed lists say about it, without the place of the file."""

    url: str
    size: int
    sha256: str
    stanza: str

    @property
    def file_name(self) -> str:
        """As in the distribution's pool: without an epoch, so without a character that addresses escape."""
        return unquote(PurePosixPath(urlsplit(self.url).path).name)


def mirrors(said: Sequence[str] = ()) -> dict[str, str]:
    """Return label -> address of the repositories that this host's apt has, with `LABEL=URL` laid over it.

    Raises: UsageError.
    """
    found: dict[str, str] = {}
    if shutil.which("apt-get"):
        listed = _run(
            ["apt-get", "indextargets", "--format", "$(LABEL) $(REPO_URI)"], {**os.environ, "LC_ALL": "C.UTF-8"}
        )
        for line in listed.splitlines():
            label, _, uri = line.partition(" ")
            found.setdefault(label, uri)
    for text in said:
        label, equals, uri = text.partition("=")
        if not label or not equals or not _ADDRESS.match(uri):
            raise UsageError(
                f"`{text}` is no mirror",
                where="--apt-mirror",
                hint="write for example `Debian=http://mirror.example.org/debian`",
            )
        found[label] = uri
    return found


def closure(
    distribution: Distribution, architecture: Architecture, packages: Sequence[str], mirror: Mapping[str, str]
) -> tuple[Deb, ...]:
    """Return the packages with everything that they depend on, down to libc, by file name.

    The answer does not depend on what is installed here: apt starts from a root where nothing is.

    Args:
        mirror: Address by label, as `mirrors` gives it.
    Raises: UsageError, HostError.
    """
    if not Path(distribution.keyring).is_file():
        raise HostError(
            f"no key to check {distribution.name}'s packages with: `{distribution.keyring}` is missing",
            hint=f"install `{distribution.keyring_package}`",
        )
    with tempfile.TemporaryDirectory(prefix="grader-apt-") as scratch:
        root = Path(scratch)
        environment = _prepared(root, distribution, architecture, mirror)
        _run(["apt-get", "-q", "update", "--error-on=any"], environment)
        plan = _run(["apt-get", "-qq", "--print-uris", "--yes", "install", *packages], environment)
        found = [match for line in plan.splitlines() if (match := _URI.match(line))]
        wanted = [f"{name}={unquote(version)}" for name, version, _ in (m["local"].split("_") for m in found)]
        shown = _run(["apt-cache", "show", *wanted], environment) if wanted else ""
    return _joined([(m["url"], int(m["size"])) for m in found], shown)


def _prepared(
    root: Path, distribution: Distribution, architecture: Architecture, mirror: Mapping[str, str]
) -> dict[str, str]:
    """Write the configuration that keeps apt inside a folder; returns the environment that makes it read that."""
    for name in ("etc/apt.conf.d", "etc/preferences.d", "lists/partial", "archives/partial", "state"):
        (root / name).mkdir(parents=True)
    (root / "status").touch()
    sources = root / "lab.sources"
    sources.write_text("\n".join(_source(found, distribution, mirror) for found in distribution.sources), "utf-8")
    lines = {
        "Dir::Etc": root / "etc",
        "Dir::Etc::SourceList": sources,
        "Dir::Etc::SourceParts": "/dev/null",
        "Dir::State": root / "state",
        "Dir::State::Lists": root / "lists",
        "Dir::State::Status": root / "status",
        "Dir::Cache": root / "archives",
        "Dir::Cache::Archives": root / "archives",
        "APT::Architecture": architecture,
        "APT::Architectures": architecture,
        "APT::Install-Recommends": "false",
        "APT::Sandbox::User": "",
        "Acquire::Languages": "none",
    }
    text = "".join(f'{name} "{value}";\n' for name, value in lines.items())
    (root / "apt.conf").write_text("#clear APT::Architectures;\n" + text, "utf-8")
    # apt-get runs nothing of the host's hooks with this: its own folder of configuration is empty.
    return {**os.environ, "APT_CONFIG": str(root / "apt.conf"), "LC_ALL": "C.UTF-8"}


def _source(source: Source, distribution: Distribution, mirror: Mapping[str, str]) -> str:
    """Return a source as apt reads it."""
    if source.label not in mirror:
        raise UsageError(
            f"apt has no repository `{source.label}` here, which the packages of {distribution.name} are in",
            hint=f"name one: `--apt-mirror {source.label}=URL`",
        )
    return (
        f"Types: deb\nURIs: {mirror[source.label]}\nSuites: {' '.join(source.suites)}\n"
        f"Components: {' '.join(source.components)}\nSigned-By: {distribution.keyring}\n"
    )


def _joined(planned: Sequence[tuple[str, int]], shown: str) -> tuple[Deb, ...]:
    """Return the files of a plan with what the lists say about each."""
    stanzas: dict[str, str] = {}
    for stanza in filter(None, (part.strip() for part in shown.split("\n\n"))):
        stanzas.setdefault(PurePosixPath(_fields(stanza).get("Filename", "")).name, stanza)
    debs = {}
    for url, size in planned:
        name = unquote(PurePosixPath(urlsplit(url).path).name)
        stanza = stanzas.get(name, "")
        digest = _fields(stanza).get("SHA256", "")
        if not re.fullmatch("[0-9a-f]{64}", digest):
            raise HostError(f"the distribution's lists name no sha256 for `{name}`", where=url)
        debs[name] = Deb(url=url, size=size, sha256=digest, stanza=_without_place(stanza))
    return tuple(debs[name] for name in sorted(debs))


def _fields(stanza: str) -> dict[str, str]:
    return {match["name"]: match["value"] for line in stanza.splitlines() if (match := _FIELD.match(line))}


def _without_place(stanza: str) -> str:
    """Return a stanza without the fields that are about the file, and the lines that go on from them."""
    kept: list[str] = []
    skips = False
    for line in stanza.splitlines():
        match = _FIELD.match(line)
        if match:
            skips = match["name"] in ("Filename", "Size", "MD5sum", "SHA1", "SHA256", "SHA512", "Description-md5")
        if not skips:
            kept.append(line)
    return "\n".join(kept)


def write_repository(folder: Path, debs: Sequence[Deb], release: str) -> None:
    """Make a signed repository of the packages in a folder; one that is right already is left as it is.

    Raises: HostError.
    """
    packages = "\n".join(
        f"{deb.stanza}\nFilename: ./{deb.file_name}\nSize: {deb.size}\nSHA256: {deb.sha256}\n" for deb in debs
    ).encode("utf-8")
    release_text = (
        f"Origin: lab-bundle\nLabel: lab-bundle\nSuite: {release}\nCodename: {release}\n"
        f"Date: {_DATE}\nDescription: packages for lab hosts without a network\n"
        f"SHA256:\n {digest(packages)} {len(packages)} Packages\n"
    )
    if _is_signed(folder, packages, release_text):
        return
    (folder / "Packages").write_bytes(packages)
    (folder / "Release").write_text(release_text, "utf-8")
    with tempfile.TemporaryDirectory(prefix="grader-gpg-") as scratch:  # The private key ends with it.
        home = Path(scratch)
        gpg = ["gpg", "--batch", "--quiet", "--homedir", str(home), "--pinentry-mode", "loopback", "--passphrase", ""]
        environment = {**os.environ, "LC_ALL": "C.UTF-8"}
        try:
            _run([*gpg, "--quick-gen-key", "lab-bundle", "ed25519", "sign", "never"], environment)
            (folder / "InRelease").unlink(missing_ok=True)
            signed, source = str(folder / "InRelease"), str(folder / "Release")
            _run([*gpg, "--digest-algo", "SHA512", "--output", signed, "--clearsign", source], environment)
            (folder / KEY).write_text(_run([*gpg, "--armor", "--export", "lab-bundle"], environment), "ascii")
        finally:
            subprocess.run(
                ["gpgconf", "--homedir", str(home), "--kill", "all"], stdin=subprocess.DEVNULL, capture_output=True
            )


def _is_signed(folder: Path, packages: bytes, release_text: str) -> bool:
    """True if an earlier run made the same repository: signing again would give the bundle another digest."""
    try:
        same = (folder / "Packages").read_bytes() == packages and (folder / "Release").read_text(
            "utf-8"
        ) == release_text
        signed = (folder / "InRelease").read_text("utf-8")
    except OSError:
        return False
    return same and release_text in signed and "-----END PGP SIGNATURE-----" in signed and (folder / KEY).is_file()


def _run(argv: Sequence[str], environment: dict[str, str]) -> str:
    """Return what a program printed.  Raises: HostError with its last line."""
    if shutil.which(argv[0]) is None:
        package = {"gpg": "gnupg"}.get(argv[0], "apt")
        raise HostError(f"`{argv[0]}` is missing", hint=f"make the bundle on Debian or Ubuntu, and install `{package}`")
    done = subprocess.run(argv, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return done.stdout
    said = [line for line in (done.stderr + done.stdout).splitlines() if line.startswith("E: ")]
    reason = (said or (done.stderr or "it said nothing").strip().splitlines())[-1].removeprefix("E: ")
    if "Unable to locate package" in reason:
        raise UsageError(reason, hint="correct `roles/lab_artifacts/files/packages.yml`")
    raise HostError(f"`{argv[0]}` failed: {reason}", hint="see that this host reaches the distribution's servers")
