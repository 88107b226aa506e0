"""The tags of the roles' steps, read from the tasks themselves: Ansible runs nothing for a tag that nobody has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches

from grader.adapters.catalogue import read_yaml
from grader.adapters.shipped import shipped
from grader.errors import UsageError

OWN = frozenset({"all", "always", "never", "tagged", "untagged"})
"""What Ansible understands by itself."""


def step_tags() -> frozenset[str]:
    """Return every tag of a task of a role."""
    files = sorted(shipped("roles").glob("*/tasks/*.yml"))
    return frozenset(tag for file in files for tag in tags_of(read_yaml(file)))


def require_tags(tags: Sequence[str]) -> None:
    """Refuse a tag that no step has: hosts would be told to be ready.  Raises: UsageError."""
    known = step_tags()
    for tag in tags:
        if tag not in known | OWN:
            near = get_close_matches(tag, sorted(known), n=3) or sorted(t for t in known if t.endswith("_install"))
            listed = ", ".join(f"`{name}`" for name in near)
            raise UsageError(f"no step has the tag `{tag}`", where="--tags", hint=f"a tag is `ROLE_STEP`: {listed}")


def tags_of(tasks: object) -> Iterator[str]:
    """Yield the tags of tasks, those in blocks too."""
    for task in tasks if isinstance(tasks, list) else ():
        if isinstance(task, dict):
            said = task.get("tags") or ()
            yield from (map(str.strip, said.split(",")) if isinstance(said, str) else map(str, said))
            for part in ("block", "rescue", "always"):
                yield from tags_of(task.get(part))
