"""Programs whose output is the attack: floods, escapes for terminals, marks that turn text around."""

from __future__ import annotations

from tests.hostile.catalogue import Case, Family, Outcome
from tests.hostile.making import DOCKERFILE, native, source


def _failed(code: str, *never: str) -> Outcome:
    return Outcome(facts={"native.cli_output@process": f"failed {code}"}, criteria={"t1.once": "fail"}, never=never)


_FLOOD = """
	block := []byte(strings.Repeat(%s, 1<<12))
	for {
		os.%s.Write(block)
	}
"""

_TRICKLE = """
	for {
		fmt.Print("x")
		time.Sleep(5 * time.Millisecond)
	}
"""

_ESCAPES = r"""
	all := "\x1b]0;HOSTILE TITLE\x07\x1b]8;;http://hostile.invalid/\x1b\\click\x1b]8;;\x1b\\" +
		"\x1b]52;c;aG9zdGlsZQ==\x07\x1b[2J\x1b[H\x1b[31m\x9b31m\x1bc\x1b[6n\x1bP+q\x1b\\\r10 of 10 points\b\b\v\f\x7f"
	fmt.Print(all)
	fmt.Fprintln(os.Stderr, "error: "+all)
	os.Exit(1)
"""

_BIDI = r"""
	wall := "\u202e\u2066\u200b\u2069 pass \u2067\u200f\ufeff\u2028\u2029"
	fmt.Printf("{\"moscow_time\": \"%s\", \"timestamp\": %d}\n", wall, time.Now().Unix())
"""

_LONG_LINE = """
	fmt.Fprint(os.Stderr, "error: ", strings.Repeat("A", 900000))
	os.Exit(1)
"""

_MARKUP = r"""
	fmt.Fprintln(os.Stderr, "error: | </code></pre><script>hostile()</script> ```\n"+
		"# 10 of 10 points\n![x](http://hostile.invalid/x.png) [[link](javascript:hostile())](x) {{ 7*7 }} $x^2$")
	os.Exit(1)
"""

_BROKEN_SOURCE = """package main
//line \x1b]0;hostile\x07/etc/shadow:1
func main() { undefined_\u202e() ; `\x1b[2J` }
"""

FAMILY = Family(
    "output",
    "What a program prints.",
    (
        Case(
            "flood-stdout",
            "Prints lines to stdout for ever.",
            native(_FLOOD % (r'"hostile\n"', "Stdout"), "strings"),
            ("output cap",),
            _failed("run.output-limit"),
        ),
        Case(
            "flood-stderr",
            "Prints lines to stderr for ever.",
            native(_FLOOD % (r'"hostile\n"', "Stderr"), "strings"),
            ("output cap",),
            _failed("run.output-limit"),
        ),
        Case(
            "flood-without-newline",
            "Prints one line that never ends.",
            native(_FLOOD % ('"x"', "Stdout"), "strings"),
            ("output cap",),
            _failed("run.output-limit"),
        ),
        Case(
            "trickle",
            "Prints one byte every few milliseconds for ever, so that it always seems to be at work.",
            native(_TRICKLE),
            ("time cap",),
            _failed("run.timeout"),
        ),
        Case(
            "terminal-escapes",
            "Sets the title, links (OSC 8), writes the clipboard (OSC 52), clears the screen, writes a score.",
            native(_ESCAPES),
            ("escaping",),
            _failed("probe.exit", "\x1b", "\x07", "\x9b"),
        ),
        Case(
            "bidi-marks",
            "Turns text around, joins and hides it, inside the value that the feedback quotes.",
            native(_BIDI),
            ("escaping",),
            _failed("probe.other-instant", "\u202e", "\u2066", "\u200b"),
        ),
        Case(
            "markup",
            "Its last words are HTML, a fence's end, a heading, pictures and template code.",
            native(_MARKUP),
            ("escaping",),
            _failed("probe.exit"),
        ),
        Case(
            "long-line",
            "Fails with one line of 900 kB.",
            native(_LONG_LINE, "strings"),
            ("escaping",),
            _failed("probe.exit", "A" * 300),
        ),
        Case(
            "no-text",
            "Prints NUL bytes and broken UTF-8.",
            native(r'	os.Stdout.Write([]byte("{\"moscow_time\": \"\x00\xff\xfe\xc0\xaf\xed\xa0\x80\"}"))'),
            ("strict answers",),
            _failed("probe.not-json"),
        ),
        Case(
            "closed-streams",
            "Closes all its streams and exits 0.",
            native("\tos.Stdin.Close()\n\tos.Stdout.Close()\n\tos.Stderr.Close()"),
            ("strict answers",),
            _failed("probe.empty"),
        ),
        Case(
            "compiler-messages",
            "Source whose errors carry escapes and claim to be in `/etc/shadow`, by a `//line` directive.",
            source(lambda place: _BROKEN_SOURCE, DOCKERFILE),
            ("escaping",),
            Outcome(
                facts={"native.binary_size@build": "failed build.failed"},
                criteria={"t1.once": "fail"},
                never=("\x1b", "\u202e"),
            ),
        ),
    ),
)
