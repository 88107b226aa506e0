"""One probe of one arm: what tells its result from others', and how the result is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from grader.errors import HostError
from grader.model.base import Message, Record, canonical_json
from grader.model.lab import Probe
from grader.model.run import Answer, Artifact, Command, Completed, ProbeResult, ServerRun
from grader.model.trouble import trouble
from grader.workflow.build import content_key
from grader.workflow.site import Site


class Probed(Record):
    """A probe's result and whether it came from the cache; `unrenewed` is why it was not timed again as asked."""

    result: ProbeResult
    cached: bool
    unrenewed: Message | None = None


@dataclass(frozen=True)
class Probing:
    """A probe of one arm that is under way.  `key` stands for all that its result depends on."""

    site: Site
    name: str
    subject: str
    arm: str
    key: str

    def earlier(self) -> Probed | None:
        """Return what an earlier measuring kept of the same."""
        stored = self.site.earlier("probe", self.key, ProbeResult)
        return None if stored is None else Probed(result=stored, cached=True)

    def judged(
        self,
        reason: Message | None,
        value: str,
        completed: Completed,
        *,
        answers: Sequence[Answer] = (),
        server: ServerRun | None = None,
    ) -> ProbeResult:
        """Return the result: passed with its value, or failed for a reason."""
        return ProbeResult(
            probe=self.name,
            subject=self.subject,
            arm=self.arm,
            state="passed" if reason is None else "failed",
            value=value if reason is None else None,
            reason=reason,
            completed=completed,
            answers=tuple(answers),
            server=server,
        )

    def done(self, result: ProbeResult, *, lasting: bool) -> Probed:
        """Keep a result that another run of the same would give too."""
        if lasting:
            self.site.keep("probe", self.key, result)
        return Probed(result=result, cached=False)

    def broken(self, error: HostError) -> Probed:
        """Return the result of a run that could not be made: nothing is known, and nothing is kept."""
        reason = trouble("infra.run-broke", error)
        result = ProbeResult(probe=self.name, subject=self.subject, arm=self.arm, state="not_run", reason=reason)
        return Probed(result=result, cached=False)


def start_probing(
    site: Site, name: str, probe: Probe, arm: str, artifact: Artifact, commands: Sequence[Command], *recipe: str
) -> Probing:
    """Return a probe of an artifact that is not run yet.

    Args:
        recipe: What else its result depends on.
    """
    runs = (canonical_json(command.model_copy(update={"binds": ()})) for command in commands)
    what = (name, artifact.subject, arm, canonical_json(probe), artifact.sha256)
    key = content_key(*what, *runs, *site.maker(arm), *recipe)
    return Probing(site=site, name=name, subject=artifact.subject, arm=arm, key=key)
