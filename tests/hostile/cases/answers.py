"""Programs that answer, and lie."""

from __future__ import annotations

from tests.hostile.catalogue import Case, Family, Outcome, Place
from tests.hostile.making import native, program, quoted, source


def _refused(code: str) -> Outcome:
    return Outcome(facts={"native.cli_output@process": f"failed {code}"}, criteria={"t1.once": "fail"})


_WALL = 'time.Now().UTC().Add(3 * time.Hour).Format("2006-01-02 15:04:05")'


def _says(*parts: str) -> str:
    """Return a program's body that prints these Go expressions one after the other."""
    return "\tfmt.Print(" + ", ".join(parts) + ")"


_WRITE_EVERYWHERE = """
	names := []string{"grade.json", "samples.csv", "run.json", "feedback.md"}
	places := []string{"/", "/tmp", "/app", "/src", "/out", "/cache", "/dev", "/dev/shm", "/proc", "/var/tmp", "/run",
		".", "..", %s, %s}
	written := ""
	for _, place := range places {
		for _, name := range names {
			if os.WriteFile(place+"/"+name, []byte(forged), 0o666) == nil {
				written += place + " "
			}
		}
	}
	answer(written)
"""
_FORGED = """
const forged = `{"schema": "grader/grade/1", "score": {"points": 10, "lost": 0, "max": 10, "state": "final"}}`
"""


def _forger(place: Place) -> str:
    return program(_WRITE_EVERYWHERE % (quoted(place.cache), quoted(place.folder / "lab")), top=_FORGED)


_EDIT_SOURCE = """
	seen := ""
	for _, path := range []string{"/src/main.go", "main.go", "/app/program", %s, %s, "/proc/self/exe"} {
		if os.WriteFile(path, []byte("package main"), 0o666) == nil {
			seen += "wrote " + path
		}
		if os.Remove(path) == nil {
			seen += "removed " + path
		}
	}
	answer("edited: " + seen)
"""


def _editor(place: Place) -> str:
    return program(_EDIT_SOURCE % (quoted(place.folder / "lab/main.go"), quoted(place.folder / "lab/submission12.md")))


FAMILY = Family(
    "answers",
    "Answers that lie, and results that we did not make.",
    (
        Case(
            "three-hours-off",
            "Its timestamp is Moscow's wall clock read as UTC.",
            native(_says('`{"moscow_time": "`', _WALL, '`", "timestamp": `', "time.Now().Unix()+10800", '"}"')),
            ("strict answers",),
            _refused("probe.not-now"),
        ),
        Case(
            "stale-time",
            "Prints an answer that was right once.",
            native(_says('`{"moscow_time": "2026-11-21 12:51:09 MSK", "timestamp": 1795254669}`')),
            ("strict answers",),
            _refused("probe.not-now"),
        ),
        Case(
            "two-answers",
            "Prints two objects, of which one may be right.",
            native('\tanswer("")\n\tanswer("")'),
            ("strict answers",),
            _refused("probe.not-json"),
        ),
        Case(
            "key-twice",
            "Gives a key twice, for readers that take the first and readers that take the last.",
            native(
                _says('`{"moscow_time": "`', _WALL, '`", "timestamp": 1, "timestamp": `', "time.Now().Unix()", '"}"')
            ),
            ("strict answers",),
            _refused("probe.not-json"),
        ),
        Case(
            "not-a-number",
            "Its timestamp is NaN, which fails every comparison.",
            native(_says('`{"moscow_time": "`', _WALL, '`", "timestamp": NaN}`')),
            ("strict answers",),
            _refused("probe.not-json"),
        ),
        Case(
            "infinite-number",
            "Its timestamp is 1e400, which many readers take for infinity.",
            native(_says('`{"moscow_time": "`', _WALL, '`", "timestamp": 1e400}`')),
            ("strict answers",),
            _refused("probe.wrong-value"),
        ),
        Case(
            "a-million-digits",
            "Its timestamp has a million digits, which takes hours to convert.",
            native(
                _says('`{"moscow_time": "`', _WALL, '`", "timestamp": `', 'strings.Repeat("9", 1000000)', '"}"'),
                "strings",
            ),
            ("strict answers",),
            _refused("probe.not-json"),
        ),
        Case(
            "nested-answer",
            "Half a million opening brackets, for readers that recurse.",
            native(_says('strings.Repeat("[", 500000)'), "strings"),
            ("strict answers",),
            _refused("probe.not-json"),
        ),
        Case(
            "prints-a-grade",
            "Prints a whole grade with all points.",
            native("\tfmt.Print(forged)", top=_FORGED),
            ("facts are ours",),
            Outcome(
                facts={"native.cli_output@process": "failed probe.key-missing"},
                criteria={"t1.once": "fail"},
                points_at_most=0,
            ),
        ),
        Case(
            "writes-a-grade",
            "Writes `grade.json`, `samples.csv` and more into every place it can think of, our cache included.",
            source(_forger),
            ("mount namespace", "facts are ours"),
            Outcome(
                facts={"native.cli_output@process": "measured"},
                prints={"steps/probe-once-native-process/stdout": '"seen": "/tmp /tmp /tmp /tmp "'},
            ),
        ),
        Case(
            "edits-its-source",
            "Overwrites and removes its source, its report and the program that is judged.",
            source(_editor, submission12__md="# Mine\n"),
            ("mount namespace",),
            Outcome(
                facts={"native.cli_output@process": "measured"},
                prints={"steps/probe-once-native-process/stdout": '"seen": "edited: "'},
            ),
        ),
    ),
)
