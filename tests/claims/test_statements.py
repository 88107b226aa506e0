"""Numbers outside the table are read only where something names them."""

from __future__ import annotations

import pytest

from grader.claims.reader import read_report
from grader.model.lab import Lab
from grader.model.report import Claim, ReportReading

MIB = 1 << 20


def read(text: str, lab: Lab) -> ReportReading:
    return read_report(text.encode(), lab, "")


def values(text: str, lab: Lab) -> dict[str, object]:
    return {c.id: c.value for c in read(text, lab).claims if c.preferred}


def only(text: str, lab: Lab) -> Claim:
    (claim,) = read(text, lab).claims
    return claim


@pytest.mark.parametrize(
    ("line", "claim_id", "value"),
    [
        ("The traditional binary size is 4.5 MiB.", "native.binary_size", 4.5 * MIB),
        ("- **WASM binary size (from `ls -lh app.wasm`):** 2.4 MiB", "wasm.binary_size", 2.4 * MIB),
        ("Traditional startup: 0.5 s (500 ms)", "native.startup_time", 0.5),
        ("WASM memory usage: 1.5 MiB out of 3.8 GiB", "wasm.memory_idle", 1.5 * MIB),
        ("Traditional container binary (extracted from the image): 4.5 MiB", "native.binary_size", 4.5 * MIB),
        ("Traditional binary: 4.5M (`4698112` bytes)", "native.binary_size", 4698112),
        ("- Traditional binary size - 4.5 MiB", "native.binary_size", 4.5 * MIB),
        ("The compiled WASM binary takes 2.4 MiB on disk", "wasm.binary_size", 2.4 * MIB),
        ("When idle, the traditional container takes 1.5 MiB of memory", "native.memory_idle", 1.5 * MIB),
        ("4.5 MiB traditional binary size", "native.binary_size", 4.5 * MIB),
        ("Cold start in the cloud: 185 ms", "cloud.cold_time", 0.185),
        ("Average startup of WASM over 5 runs is 0.342 seconds", "wasm.startup_time", 0.342),
    ],
)
def test_a_number_that_its_line_names_is_read(spoken: Lab, line: str, claim_id: str, value: float) -> None:
    found = values(line, spoken)
    assert list(found) == [claim_id]
    assert found[claim_id] == pytest.approx(value)


@pytest.mark.parametrize(
    "line",
    [
        "The binary size is 4.5 MiB.",  # of which side?
        "WASM starts in a sandbox within 5 ms.",  # of nothing that is named
        "Traditional startup (100-150 ms) sets up namespaces",  # a span is no measurement
        "WASM startup: 65 ms, 6 times faster than the traditional 400 ms",  # a comparison
        "WASM binary size reduction = ((4.5 MiB - 2.4 MiB) / 4.5 MiB) * 100",
        "Traditional memory limit: 3.8 GiB",
        "Traditional build: 77.7 s",
        "Cold start: 100 ms",  # of the cloud or of the container?
        "WASM and traditional startup: 0.5 s",
        "A cloud pays for a cold start " + "again and " * 16 + "again: 100 ms",  # a paragraph about the world
        "Total reclaimed space: 12.5 MB",
    ],
)
def test_a_number_that_may_be_something_else_is_left_alone(spoken: Lab, line: str) -> None:
    assert values(line, spoken) == {}


def test_the_side_is_the_nearest_that_is_named(spoken: Lab) -> None:
    text = "# Traditional against WASM\n\n## Task 2\n\nStartup: 0.5 s\n\n## Task 3\n\nStartup: 0.7 s\n"
    assert values(text, spoken) == {"native.startup_time": 0.5, "wasm.startup_time": 0.7}


def test_a_bare_average_belongs_to_the_command_above_it(spoken: Lab) -> None:
    native = "$ docker run --rm app\n0.51\n1.00\n0.49\nAverage: 0.50 seconds\n"
    text = f"```\n{native}$ wasmtime run app.wasm\nAverage: 0.3 seconds\n```\n"
    assert values(text, spoken) == {"native.startup_time": 0.5, "wasm.startup_time": 0.3}


def test_runs_are_told_from_their_average(spoken: Lab) -> None:
    reading = read("## Traditional startup\n\n0.51 s\n0.49 s\n\nAverage: 0.5 s\n", spoken)
    assert [c.value for c in reading.claims] == [0.5]
    assert {r.code for r in reading.rejected} == {"rejected.one-of-runs"}


def test_a_comment_below_a_command_is_output_and_no_heading(spoken: Lab) -> None:
    text = "## Task 2\n\ndocker run --rm app\n# Average: 0.58 seconds\n# 2450459 app.wasm\n\nMemory usage: 1.5 MiB\n"
    assert values(text, spoken) == {
        "native.startup_time": 0.58,
        "wasm.binary_size": 2450459,
        "native.memory_idle": 1.5 * MIB,
    }


def test_what_stands_in_a_quote_is_read_as_text(spoken: Lab) -> None:
    text = "## Task 2\n\n> Startup: 0.5 s\n\n> > - Memory usage: 1.5 MiB\n\n> docker run --rm app |\n> cat\n"
    assert values(text, spoken) == {"native.startup_time": 0.5, "native.memory_idle": 1.5 * MIB}


def test_an_arrow_or_a_bound_in_a_line_is_no_quote(spoken: Lab) -> None:
    assert values("Traditional memory -> 1.5 MiB\n", spoken) == {"native.memory_idle": 1.5 * MIB}


def test_runs_before_their_average_in_one_line_are_no_readings(spoken: Lab) -> None:
    reading = read("Traditional startup: 0.4 s, 0.5 s, 0.9 s; average 0.6 s\n", spoken)
    assert [c.value for c in reading.claims] == [0.6]
    assert values("Traditional startup, average: 0.6 s, best average 0.4 s\n", spoken) == {"native.startup_time": 0.6}


def test_words_and_a_dash_before_a_number_are_no_range(spoken: Lab) -> None:
    assert values("- Traditional startup: average of 5 runs – 0.5 s\n", spoken) == {"native.startup_time": 0.5}
    assert values("Traditional startup: 0.4 s – 0.5 s\n", spoken) == {}


def test_each_number_belongs_to_the_tool_named_before_it(spoken: Lab) -> None:
    text = "Traditional image size from `docker images`: 4.7MB, from `docker image inspect`: 4.6 MiB\n"
    found = {c.notion: c.value for c in read(text, spoken).claims}
    assert found == {"docker_images": 4_700_000, "docker_inspect": pytest.approx(4.6 * MIB)}


def test_a_bare_time_below_its_name_is_in_seconds_and_a_count_is_not(spoken: Lab) -> None:
    text = "## Traditional\n\n**Startup benchmark:**\n```\n{}\n```\n"
    assert values(text.format("0.486"), spoken) == {"native.startup_time": 0.486}
    assert values(text.format("5"), spoken) == {}


def test_a_line_of_nothing_but_a_name_is_a_label(spoken: Lab) -> None:
    text = "# Traditional\nStartup\n```\n0.4\n0.6\nAverage: 0.5000 seconds\n```\n"
    assert values(text, spoken) == {"native.startup_time": 0.5}


def test_a_bare_number_beside_a_name_of_its_kind_has_the_unit_of_its_command(spoken: Lab) -> None:
    text = "## Cloud\n\n```\n$ docker run app | awk ...\nCold start: 1.087\nRetries: 3.5\n```\n"
    assert values(text, spoken) == {"cloud.cold_time": 1.087}


def test_a_size_above_what_the_metric_can_be_is_another_things(spoken: Lab) -> None:
    whole = spoken.model_dump(by_alias=True)
    memory = {**whole["metrics"]["memory_idle"], "ceiling": 1 << 30}
    lab = Lab.model_validate({**whole, "metrics": {**whole["metrics"], "memory_idle": memory}})
    assert values("Traditional memory: 16 GB\n", lab) == {}
    assert values("Traditional memory: 1.5 MiB\n", lab) == {"native.memory_idle": 1.5 * MIB}


def test_a_command_of_several_lines_is_one(spoken: Lab) -> None:
    text = "```\n$ docker run --rm \\\n    -e MODE=once \\\n    app\nAverage: 0.50 seconds\n```\n"
    assert values(text, spoken) == {"native.startup_time": 0.5}


def test_a_mean_is_read_without_its_spread(spoken: Lab) -> None:
    text = "```\n$ hyperfine 'docker run app'\n  Time (mean ± σ):     350.0 ms ±  12.1 ms    [User: 9 ms]\n```\n"
    assert values(text, spoken) == {"native.startup_time": 0.35}


def test_a_command_that_was_timed_by_itself_gives_its_real_time(spoken: Lab) -> None:
    text = "```\n$ time cloud deploy\nUploading...\nreal    0m14.382s\nuser    0m0.9s\nsys 0m0.2s\n```\n"
    assert values(text, spoken) == {"cloud.deploy_time": 14.382}
    runs = "```\n$ time docker run app\nreal    0m0.5s\n$ time docker run app\nreal 0m0.6s\n```\n"
    assert values(runs, spoken) == {}


@pytest.mark.parametrize(
    ("command", "printed", "value"),
    [
        ("docker image inspect app --format '{{.Size}}'", "4698112", 4698112),
        ("docker image inspect app | awk '{print $1/1024/1024}'", "4.48047", 4.48047 * MIB),
        ("docker image inspect app | awk '{print $1/1024/1024 \" MB\"}'", "4.48047 MB", 4.48047 * MIB),
        ("docker image inspect app | awk '{print $1/1024/1024 \" MB\"}'", "4,48047 MB", 4.48047 * MIB),
    ],
)
def test_a_bare_number_has_the_unit_of_its_command(spoken: Lab, command: str, printed: str, value: float) -> None:
    claim = only(f"```\n$ {command}\n{printed}\n```\n", spoken)
    assert (claim.id, claim.notion) == ("native.image_size", "docker_inspect")
    assert claim.value == pytest.approx(value)


def test_a_table_of_another_form_is_read_by_its_words(spoken: Lab) -> None:
    text = (
        "## Traditional\n\n| What | Value |\n|---|---|\n| Startup | 0.5 s |\n| Memory | 1.5 MiB / 7 GiB |\n\n"
        "## WASM\n\n| Run | Startup |\n|---|---|\n| 1 | 0.4 s |\n| 2 | 0.2 s |\n| Average | 0.3 s |\n"
    )
    found = {c.id: c.value for c in read(text, spoken).claims}
    assert found == {"native.startup_time": 0.5, "wasm.startup_time": 0.3, "native.memory_idle": 1.5 * MIB}


def test_a_table_whose_columns_are_the_quantities_is_read_by_its_header(spoken: Lab) -> None:
    text = "## Cloud\n\n| Run | Cold start | Deployment |\n|---|---|---|\n| Response | 1.05 s | 12 s |\n"
    assert values(text, spoken) == {"cloud.cold_time": 1.05, "cloud.deploy_time": 12}


def test_a_line_below_a_table_is_text(spoken: Lab) -> None:
    text = "## Cloud\n\n| Run | Cold start |\n|---|---|\n| 1 | 1.05 s |\nDeployment took 12 s\n"
    assert values(text, spoken) == {"cloud.deploy_time": 12}


def test_not_available_is_an_answer(spoken: Lab) -> None:
    claim = only("## Task 3\n\n- **Memory usage:** N/A, the shim has no such figure\n", spoken)
    assert (claim.id, claim.value, claim.qualifier) == ("wasm.memory_idle", None, "N/A")


def test_lines_of_the_template_state_nothing(spoken: Lab) -> None:
    template = "## Task 2\n\nStartup: 0.5 s is usual\n"
    assert read_report(template.encode(), spoken, template).claims == ()


def test_files_beside_the_report_are_read_by_their_name_and_come_last(spoken: Lab) -> None:
    evidence = {
        "out/wasm-startup-seconds.txt": b"0.31\n",
        "out/traditional-startup.txt": b"Average: 0.50 seconds\n",
        "out/binary.txt": b"-rwxr-xr-x 1 u g 4.5M Apr  9 13:24 app\n",
        "out/picture.png": b"\x89PNG\x00",
    }
    reading = read_report(b"Traditional startup: 0.51 s\n", spoken, "", evidence=evidence)
    found = {c.id: (c.value, c.source, c.file) for c in reading.claims if c.preferred}
    assert found == {
        "native.startup_time": (0.51, "text", None),
        "wasm.startup_time": (0.31, "file", "out/wasm-startup-seconds.txt"),
        "native.binary_size": (4.5 * MIB, "file", "out/binary.txt"),
    }
    assert [(r.code, r.file) for r in reading.rejected] == [("rejected.no-text", "out/picture.png")]


def test_a_small_k_before_bytes_has_one_meaning_in_text_as_in_a_table(lab: Lab) -> None:
    claim = only("The WASM binary size is 840 kB.", lab)
    assert (claim.low, claim.value, claim.high, claim.meaning) == (839_500, 840_000, 840_500, None)
