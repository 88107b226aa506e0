"""The evidence of a step, as its folder holds it."""

from __future__ import annotations

import json

from grader.model.run import Answer, ProbeResult
from grader.workflow.steps import step_of_probe


def test_what_a_server_answered_does_not_act_on_the_terminal_of_one_who_reads_it() -> None:
    """Bodies are kept as Latin-1, so that each byte from 0x80 to 0x9F is a control code of its own."""
    body = "\x1b[31m\x9b31m"
    answer = Answer(path="/", status=200, content_type="text/html\x9d", body=body, reason=None)
    result = ProbeResult(
        probe="server",
        subject="native",
        arm="process",
        state="passed",
        value="valid",
        completed=None,
        reason=None,
        answers=(answer,),
    )
    meta = step_of_probe(result, cached=False).files()["probe-server-native-process/meta.json"].decode("utf-8")
    assert all(char.isprintable() or char == "\n" for char in meta)
    assert json.loads(meta)["answers"][0]["body"] == body
