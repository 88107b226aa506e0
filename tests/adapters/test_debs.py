"""A real apt finds what packages depend on, and takes them from the bundle's repository as long as nothing changed."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from grader.adapters import debs
from grader.adapters.debs import Deb, closure, mirrors, write_repository
from grader.errors import HostError, UsageError
from grader.model.bundle import Distribution, Source

pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, ("apt-get", "dpkg-deb", "gpg"))), reason="needs: apt, dpkg-deb and gpg"
)


def package(folder: Path, name: str, depends: str = "") -> Deb:
    """Build a package and describe it as a distribution's list does."""
    tree = folder / f"{name}.tree"
    (tree / "DEBIAN").mkdir(parents=True)
    control = f"Package: {name}\nVersion: 1:2.0+x-1\nArchitecture: all\nMaintainer: nobody <n@example.org>\n"
    control += (f"Depends: {depends}\n" if depends else "") + "Description: for tests\n more\n"
    (tree / "DEBIAN/control").write_text(control, encoding="utf-8")
    file = folder / f"{name}_2.0+x-1_all.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "--build", tree, file], check=True, capture_output=True)
    shutil.rmtree(tree)
    data = file.read_bytes()
    return Deb(url=file.as_uri(), size=len(data), sha256=hashlib.sha256(data).hexdigest(), stanza=control.rstrip())


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a small distribution: `app` needs `lib`, nobody needs `other`."""
    folder = tmp_path_factory.mktemp("pool")
    made = (package(folder, "app", "lib (>= 1)"), package(folder, "lib"), package(folder, "other"))
    write_repository(folder, made, "sid")
    return folder


def distribution(pool: Path, keyring: Path | None = None) -> Distribution:
    return Distribution(
        name="Tests 1",
        python="3.13",
        keyring=str(keyring or pool / debs.KEY),
        keyring_package="tests-keyring",
        sources=(Source(label="Tests", suites=("./",), components=()),),
        packages={"role": ("app",)},
    )


def apt(root: Path, pool: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    """Run apt in a root of its own with the pool as its only source."""
    for name in ("etc/apt.conf.d", "etc/preferences.d", "lists/partial", "archives/partial", "state"):
        (root / name).mkdir(parents=True, exist_ok=True)
    (root / "status").touch()
    source = f"Types: deb\nURIs: file:{pool}\nSuites: ./\nSigned-By: {pool / debs.KEY}\n"
    (root / "lab.sources").write_text(source, encoding="utf-8")
    settings: Mapping[str, str] = {
        "Dir::Etc": "etc", "Dir::Etc::SourceList": "lab.sources", "Dir::State": "state",
        "Dir::State::Lists": "lists", "Dir::State::Status": "status", "Dir::Cache": "archives",
        "Dir::Cache::Archives": "archives",
    }  # fmt: skip
    text = "".join(f'{name} "{root / place}";\n' for name, place in settings.items())
    text += 'Dir::Etc::SourceParts "/dev/null";\nAPT::Sandbox::User "";\n'
    (root / "apt.conf").write_text(text, encoding="utf-8")
    environment = {**os.environ, "APT_CONFIG": str(root / "apt.conf"), "LC_ALL": "C.UTF-8"}
    return subprocess.run(["apt-get", "-q", *argv], env=environment, capture_output=True, text=True, check=False)


def test_packages_come_with_what_they_depend_on_and_with_the_lists_digests(pool: Path) -> None:
    found = closure(distribution(pool), "amd64", ["app"], {"Tests": f"file:{pool}"})
    assert [deb.file_name for deb in found] == ["app_2.0+x-1_all.deb", "lib_2.0+x-1_all.deb"]
    for deb in found:
        data = (pool / deb.file_name).read_bytes()
        assert (deb.size, deb.sha256) == (len(data), hashlib.sha256(data).hexdigest())
        assert "Filename" not in deb.stanza


def test_a_package_that_there_is_not_is_named(pool: Path) -> None:
    with pytest.raises(UsageError, match="Unable to locate package nothing"):
        closure(distribution(pool), "amd64", ["nothing"], {"Tests": f"file:{pool}"})


def test_lists_that_another_key_signed_are_refused(pool: Path, tmp_path: Path) -> None:
    write_repository(tmp_path, (), "sid")
    other = distribution(pool, tmp_path / debs.KEY)
    with pytest.raises(HostError, match="apt-get` failed"):
        closure(other, "amd64", ["app"], {"Tests": f"file:{pool}"})


def test_a_keyring_that_is_missing_is_told_with_its_package(pool: Path, tmp_path: Path) -> None:
    with pytest.raises(HostError, match="is missing") as caught:
        closure(distribution(pool, tmp_path / "none"), "amd64", ["app"], {"Tests": f"file:{pool}"})
    assert caught.value.hint == "install `tests-keyring`"


def test_a_label_without_an_address_is_told_with_the_option(pool: Path) -> None:
    with pytest.raises(UsageError, match="apt has no repository `Tests`") as caught:
        closure(distribution(pool), "amd64", ["app"], {})
    assert "--apt-mirror Tests=URL" in caught.value.hint


def test_a_mirror_that_was_named_goes_before_the_hosts_own() -> None:
    assert mirrors(["Debian=http://mirror.example.org/debian"])["Debian"] == "http://mirror.example.org/debian"


@pytest.mark.parametrize("text", ["", "Debian", "=http://example.org", "Debian=ftp://x", 'Debian=http://a"; b'])
def test_what_is_no_mirror_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no mirror"):
        mirrors([text])


def test_apt_takes_packages_from_the_repository_by_its_key_alone(pool: Path, tmp_path: Path) -> None:
    assert apt(tmp_path, pool, "update", "--error-on=any").returncode == 0
    done = apt(tmp_path, pool, "--yes", "--download-only", "install", "app")
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stdout + done.stderr


def test_apt_refuses_an_index_that_was_changed(pool: Path, tmp_path: Path) -> None:
    changed = tmp_path / "pool"
    shutil.copytree(pool, changed)
    index = (changed / "Packages").read_text(encoding="utf-8")
    (changed / "Packages").write_text(index.replace("for tests", "for guests"), encoding="utf-8")
    assert apt(tmp_path / "root", changed, "update", "--error-on=any").returncode != 0


def test_apt_refuses_a_package_that_was_changed(pool: Path, tmp_path: Path) -> None:
    changed = tmp_path / "pool"
    shutil.copytree(pool, changed)
    file = changed / "lib_2.0+x-1_all.deb"
    file.write_bytes(file.read_bytes()[:-1] + b"!")
    root = tmp_path / "root"
    assert apt(root, changed, "update", "--error-on=any").returncode == 0
    done = apt(root, changed, "--yes", "--download-only", "install", "app")
    assert done.returncode != 0, done.stdout


def test_the_same_packages_are_not_signed_again(pool: Path, tmp_path: Path) -> None:
    one = (package(tmp_path, "one"),)
    write_repository(tmp_path, one, "sid")
    before = {name: (tmp_path / name).read_bytes() for name in debs.INDEX}
    write_repository(tmp_path, one, "sid")
    assert {name: (tmp_path / name).read_bytes() for name in debs.INDEX} == before
    write_repository(tmp_path, (*one, package(tmp_path, "two")), "sid")
    assert all((tmp_path / name).read_bytes() != before[name] for name in debs.INDEX)


def test_no_private_key_is_left(pool: Path) -> None:
    assert "PRIVATE" not in "".join((pool / name).read_text(encoding="utf-8") for name in debs.INDEX)
