from __future__ import annotations

from grader.model.lab import HttpGet
from grader.recipes.cgi import cgi_environment

MUST = {"GATEWAY_INTERFACE", "QUERY_STRING", "REMOTE_ADDR", "REQUEST_METHOD", "SCRIPT_NAME", "SERVER_NAME",
        "SERVER_PORT", "SERVER_PROTOCOL", "SERVER_SOFTWARE"}  # fmt: skip
"""What RFC 3875 says that a server must set, whatever is asked."""


def ask(path: str) -> dict[str, str]:
    return cgi_environment(HttpGet(path=path, type="text/html"))


def test_what_every_program_may_count_on_is_there() -> None:
    env = ask("/api/time")
    assert env.keys() >= MUST
    assert (env["REQUEST_METHOD"], env["PATH_INFO"], env["QUERY_STRING"]) == ("GET", "/api/time", "")


def test_a_request_without_a_body_says_nothing_about_one() -> None:
    assert not {"CONTENT_LENGTH", "CONTENT_TYPE"} & ask("/").keys()


def test_the_path_is_decoded_and_the_query_is_not() -> None:
    env = ask("/a%20b?c=%20d?e")
    assert (env["PATH_INFO"], env["QUERY_STRING"]) == ("/a b", "c=%20d?e")
