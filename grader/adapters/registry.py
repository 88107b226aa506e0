"""Push images to a registry that asks nobody who he is: one on this host, or a course's own mirror.

Source: OCI Distribution Specification 1.1, "Pull", "Push"; a blob goes in one piece (POST, then PUT).
"""

from __future__ import annotations

import http.client
from contextlib import closing
from typing import BinaryIO
from urllib.parse import urljoin, urlsplit

from grader.adapters.imagelayout import Layout, Written
from grader.errors import HostError, UsageError
from grader.recipes.oci import Descriptor

_ANY_IMAGE = ", ".join(
    f"application/vnd.{kind}+json"
    for kind in (
        "oci.image.index.v1", "oci.image.manifest.v1",
        "docker.distribution.manifest.list.v2", "docker.distribution.manifest.v2",
    )
)  # fmt: skip
_CONNECTIONS = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}


class Registry:
    """A registry by its URL (`http://127.0.0.1:5000`)."""

    def __init__(self, url: str, *, timeout_s: float = 60.0) -> None:
        parts = urlsplit(url)
        if parts.scheme not in _CONNECTIONS or not parts.netloc or parts.path.strip("/"):
            raise UsageError(
                f"`{url}` is no registry's address",
                hint="write scheme, host and port, for example `http://127.0.0.1:5000`",
            )
        self._parts = parts
        self._url = f"{parts.scheme}://{parts.netloc}"
        self._timeout_s = timeout_s

    def digest_of(self, name: str) -> str | None:
        """Return the digest that a name (`library/golang:1.21-alpine`) has there, None if it has none.

        Raises: HostError if the registry does not answer in time, or not as one.
        """
        repository, _, tag = name.rpartition(":")
        path = f"/v2/{repository}/manifests/{tag}"
        answer = self._ask("HEAD", path, {"Accept": _ANY_IMAGE})
        if answer.status == 404:
            return None
        digest = answer.headers.get("Docker-Content-Digest")
        if answer.status != 200 or not digest:
            raise self._refused("HEAD", path, answer.status)
        return digest

    def push(self, layout: Layout, image: Written, name: str) -> str:
        """Push an image of a layout and give it a name (`library/golang:1.21-alpine`); returns its digest.

        Blobs that the registry has already are not sent again.

        Raises: HostError if the registry does not answer in time, or does not take it.
        """
        repository, _, tag = name.rpartition(":")
        for blob in image.parts:
            if self._ask("HEAD", f"/v2/{repository}/blobs/{blob.digest}").status != 200:
                self._upload(layout, blob, repository)
        self._send("PUT", f"/v2/{repository}/manifests/{tag}", layout, image.manifest, image.manifest.media_type)
        return image.manifest.digest

    def _upload(self, layout: Layout, blob: Descriptor, repository: str) -> None:
        start = f"/v2/{repository}/blobs/uploads/"
        answer = self._ask("POST", start)
        place = answer.headers.get("Location")
        if answer.status != 202 or not place:
            raise self._refused("POST", start, answer.status)
        target = urlsplit(urljoin(self._url + start, place))
        query = "&".join(filter(None, (target.query, f"digest={blob.digest}")))
        self._send("PUT", f"{target.path}?{query}", layout, blob, "application/octet-stream")

    def _send(self, method: str, path: str, layout: Layout, blob: Descriptor, media_type: str) -> None:
        headers = {"Content-Type": media_type, "Content-Length": str(blob.size)}
        with layout.path(blob).open("rb") as body:
            answer = self._ask(method, path, headers, body)
        if answer.status != 201:
            raise self._refused(method, path, answer.status)

    def _ask(
        self, method: str, path: str, headers: dict[str, str] | None = None, body: BinaryIO | None = None
    ) -> http.client.HTTPResponse:
        """Return the answer, its body read."""
        connection = _CONNECTIONS[self._parts.scheme](self._parts.netloc, timeout=self._timeout_s)
        with closing(connection):
            try:
                connection.request(method, path, body, headers or {})
                answer: http.client.HTTPResponse = connection.getresponse()
                answer.read()
                return answer
            except (OSError, http.client.HTTPException) as error:
                raise HostError(
                    f"the registry does not answer: {error or type(error).__name__}",
                    where=self._url,
                    hint="see that it runs, and that the address is the registry's own",
                ) from error

    def _refused(self, method: str, path: str, status: int) -> HostError:
        what = f"the registry answered {method} {urlsplit(path).path} with {status}"
        return HostError(what, where=self._url, hint="it must let anybody push: one that asks for a login will not do")
