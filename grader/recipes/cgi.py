"""The environment in which a CGI program is asked: a lab's request in the variables of RFC 3875."""

from __future__ import annotations

from urllib.parse import unquote

from grader.model.lab import HttpGet

HOST = "localhost"
PORT = "80"


def cgi_environment(get: HttpGet) -> dict[str, str]:
    """Return the meta-variables of a GET without a body; the program is mounted at the root of its host.

    Source: RFC 3875, section 4.1.  CONTENT_LENGTH and CONTENT_TYPE are left out as 4.1.2 and 4.1.3 ask where there
    is no body; SCRIPT_NAME may be empty (4.1.13), PATH_INFO is not URL-encoded (4.1.5), QUERY_STRING is, and must be
    there even if empty (4.1.7).
    """
    path, _, query = get.path.partition("?")
    return {
        "GATEWAY_INTERFACE": "CGI/1.1",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_SOFTWARE": "lab-grader",
        "SERVER_NAME": HOST,
        "SERVER_PORT": PORT,
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote(path),
        "QUERY_STRING": query,
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": HOST,
        "HTTP_ACCEPT": "*/*",
    }
