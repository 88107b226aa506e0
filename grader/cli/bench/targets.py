"""The files that a comparison is asked to write."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from grader.adapters.output import replace_file
from grader.cli.bench.samples import refuse_no_samples
from grader.errors import HostError, UsageError
from grader.model.base import Language, Record
from grader.model.bench import Bench


class Targets(Record):
    """What is to be written, None for what is not."""

    export_json: Path | None
    export_csv: Path | None
    export_hyperfine: Path | None
    plot: Path | None
    samples: Path | None

    def check(self) -> None:
        """Refuse early what could not be written at the end, or would replace something else.  Raises: UsageError."""
        named: dict[Path, str] = {}
        for name, target in self.model_dump().items():
            if target is None:
                continue
            option = f"--{name.replace('_', '-')}"
            _refuse(target, option)
            if name == "plot" and target.suffix.lower() not in ("", ".svg"):
                raise UsageError(f"`{target}` would hold SVG", where=option, hint="name a file that ends in `.svg`")
            if target.is_file() or not target.exists():  # A device, such as a terminal, takes more than one.
                other = named.setdefault(target.resolve(), option)
                if other != option:
                    raise UsageError(f"`{target}` is that of `{other}` too", where=option, hint="name two files")
        if self.samples is not None:
            refuse_no_samples(self.samples)

    def write(self, bench: Bench, language: Language, kept: Path) -> None:
        """Write all but the samples, which are there: in `kept`.

        Raises: HostError naming all that cannot be written, after the others are.
        """
        errors = [error for made in self._files(bench, language) if (error := _written(*made)) is not None]
        if errors:
            hint = f"name another file; every run is kept in `{kept}`"
            raise HostError("; ".join(error.what for error in errors), hint=hint) from errors[0]

    def _files(self, bench: Bench, language: Language) -> Iterator[tuple[str, Path, bytes]]:
        if self.export_json is not None:
            from grader.exports.bench import bench_json

            yield "--export-json", self.export_json, bench_json(bench)
        if self.export_csv is not None:
            from grader.exports.bench import bench_csv

            yield "--export-csv", self.export_csv, bench_csv(bench)
        if self.export_hyperfine is not None:
            from grader.exports.hyperfine import hyperfine_json

            yield "--export-hyperfine", self.export_hyperfine, hyperfine_json(bench)
        if self.plot is not None:
            from grader.render.benchplot import bench_svg

            yield "--plot", self.plot, bench_svg(bench, language)


def _refuse(target: Path, option: str) -> None:
    if str(target) == "-":
        hint = "`--json` prints the result on stdout, `/dev/stdout` is a file name for it"
        raise UsageError("`-` is no file here", where=option, hint=hint)
    folder = target.parent
    if target.is_dir() or not folder.is_dir():
        what = "is a folder" if target.is_dir() else f"lies in `{folder}`, which is no folder"
        raise UsageError(f"`{target}` {what}", where=option, hint="name a file in a folder that is there")
    if not os.access(target if target.exists() else folder, os.W_OK):
        raise UsageError(f"`{target}` cannot be written", where=option, hint="name a file that you may write")


def _written(option: str, target: Path, data: bytes) -> HostError | None:
    """Write a file; return what kept it from being written."""
    try:
        if target.exists() and not target.is_file():
            target.write_bytes(data)  # A pipe or a device cannot be replaced.
        else:
            replace_file(target, data)
    except OSError as error:
        return HostError(f"{option} `{target}`: cannot write results: {error.strerror}")
    except HostError as error:
        return HostError(f"{option} `{target}`: {error.what}")
    return None
