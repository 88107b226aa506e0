"""Rows of tools are read by their shape, with the range that the tool's rounding leaves."""

from __future__ import annotations

import pytest

from grader.claims.listings import Listings, file_size
from grader.claims.parse import Reading
from grader.claims.vocabulary import vocabulary
from grader.model.lab import Lab

MIB, KIB = 1 << 20, 1 << 10


def rows(lab: Lab, *lines: str) -> list[tuple[str, Reading, str]]:
    listings = Listings(vocabulary(lab))
    return [row for number, line in enumerate(lines) for row in listings.read(number, line) or ()]


@pytest.mark.parametrize(
    ("line", "claim_id", "low", "high"),
    [
        ("-rwxr-xr-x 1 u g 4.5M Apr  9 13:24 app", "native.binary_size", 4.4 * MIB, 4.55 * MIB),
        ("-rwxr-xr-x@ 1 u  staff   4.4M Nov 15 22:57 app", "native.binary_size", 4.35 * MIB, 4.45 * MIB),
        ("-rwxr-xr-x  1 u  staff   2,3M 18 апр 14:58 ./out/app.wasm", "wasm.binary_size", 2.25 * MIB, 2.35 * MIB),
        ("-rw-r--r-- 1 u g 2450459 Apr  9 07:42 app.wasm", "wasm.binary_size", 2450459, 2450459),
        ("-rw-r--r-- 1 u Domain Users 2450459 Apr  9 07:42 app.wasm", "wasm.binary_size", 2450459, 2450459),
        ("-a----        11/15/2025   9:42 PM        2450459 app.wasm", "wasm.binary_size", 2450459, 2450459),
        ("15.11.2025  21:42         2 450 459 app.wasm", "wasm.binary_size", 2450459, 2450459),
        ("-rw-r--r--. 1 u g 2.4M Apr  9 07:42 app.wasm", "wasm.binary_size", 2.3 * MIB, 2.45 * MIB),
        ("2450459 app.wasm", "wasm.binary_size", 2450459, 2450459),
        ("2.4M\tapp.wasm", "wasm.binary_size", 2.3 * MIB, 2.45 * MIB),
    ],
)
def test_a_listing_of_files_gives_size_and_range(
    spoken: Lab, line: str, claim_id: str, low: float, high: float
) -> None:
    ((found, reading, notion),) = rows(spoken, line)
    assert (found, notion) == (claim_id, "file")
    assert (reading.low, reading.high) == pytest.approx((low, high))


def test_the_smallest_size_that_ls_rounds_up_lies_in_the_range() -> None:
    reading = file_size("8.1M", nearest=False)
    assert reading is not None
    assert reading.low is not None
    assert 8 * MIB - 1 < reading.low <= 8 * MIB + 1


def test_other_files_are_no_claims(spoken: Lab) -> None:
    shim = "-rwxr-xr-x 1 u g 31M Apr 24 21:00 /usr/local/bin/shim"
    assert rows(spoken, shim, "drwxr-xr-x 2 u g 4.0K Apr 9 12:00 app") == []
    assert Listings(vocabulary(spoken)).read(0, "5 runs") is None


def test_both_forms_of_docker_images_are_told_apart_and_counted_in_thousands(spoken: Lab) -> None:
    header = "REPOSITORY  TAG     IMAGE ID       CREATED   SIZE"
    old = rows(spoken, header, "app  latest  b032d297d0ea  2 hours ago  4.7MB")
    assert [(i, r.value, r.low, r.high, n) for i, r, n in old] == [
        ("native.image_size", 4_700_000, 4_650_000, 4_750_000, "docker_images")
    ]
    header = "IMAGE        ID             DISK USAGE   CONTENT SIZE   EXTRA"
    new = rows(spoken, header, "app:latest   95584fa0a456   6.52MB   1.91MB   U")
    assert [(r.value, n) for _, r, n in new] == [(6_520_000, "disk_usage"), (1_910_000, "content")]


def test_a_row_without_its_header_is_known_by_its_shape(spoken: Lab) -> None:
    """As `docker images | grep app` prints it."""
    ((_, reading, notion),) = rows(spoken, "app  latest  b032d297d0ea  2 hours ago  4.7MB")
    assert (reading.value, notion) == (4_700_000, "docker_images")
    assert rows(spoken, "app weighs 4.7MB") == []


def test_a_chosen_format_of_docker_images_is_read_below_its_header(spoken: Lab) -> None:
    ((_, reading, _notion),) = rows(spoken, "REPOSITORY   SIZE", "app   4.7MB")
    assert reading.value == 4_700_000


def test_of_docker_stats_the_memory_is_read_and_not_the_limit(spoken: Lab) -> None:
    found = rows(
        spoken,
        "CONTAINER ID   NAME   CPU %     MEM USAGE / LIMIT    MEM %     NET I/O",
        "17a7d6a0aafd   test   0.00%     1.09MiB / 3.824GiB   0.03%     1.76kB / 2.22kB",
    )
    ((claim_id, reading, notion),) = found
    assert (claim_id, notion) == ("native.memory_idle", "docker_stats")
    assert reading.value == pytest.approx(1.09 * MIB)


def test_ctr_counts_in_1024s_and_its_platform_is_no_size(spoken: Lab) -> None:
    line = (
        "docker.io/library/app-wasm:latest application/vnd.oci.image.manifest.v1+json sha256:54 819.9 KiB wasi/wasm -"
    )
    ((claim_id, reading, notion),) = rows(spoken, line)
    assert (claim_id, notion) == ("wasm.image_size", "ctr_ls")
    assert reading.value == pytest.approx(819.9 * KIB)


def test_lines_of_a_build_are_no_listing(spoken: Lab) -> None:
    assert rows(spoken, " => => sha256:2a6022646f09 64.11MB / 64.11MB   65.2s") == []


def test_what_docker_cp_prints_is_no_size_of_the_file(spoken: Lab) -> None:
    """It is that of the archive that it sends."""
    assert Listings(vocabulary(spoken)).read(0, "Successfully copied 4.7MB to /home/u/app") == ()


def test_the_size_column_never_breaks() -> None:
    assert file_size("9" * 40, nearest=False) is None
    zero = file_size("0K", nearest=False)
    assert zero is not None
    assert zero.value == 0
