"""Records that are stored and read again."""

from __future__ import annotations

from grader.model.base import Message, canonical_json


def test_a_message_from_the_cache_has_the_bytes_of_a_fresh_one() -> None:
    fresh = Message(code="cgi.no-end", params={"path": "/", "found": "{"})
    stored = Message.model_validate_json(canonical_json(fresh))
    assert stored.model_dump_json() == fresh.model_dump_json()
