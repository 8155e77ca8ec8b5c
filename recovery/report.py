"""What recovery found, for people and as JSON."""

import json

from attrs import asdict, field, frozen

from statemachine.admission import Verdict

__all__ = ["Finding", "RecoveryReport"]

BAD = frozenset({Verdict.QUARANTINED.value, Verdict.NEEDS_MIGRATION.value})


@frozen
class Finding:
    """One instance: verdict, reason, and where it stands."""

    instance: str
    workflow: str
    verdict: str
    reason: str
    version: int
    sound_version: int  # the last version that is provably sound
    hash: str  # of its newest transition, hexadecimal


@frozen
class RecoveryReport:
    """The certificate of one run: per instance verdict, version and head hash; the store's seal."""

    path: str
    level: str  # heads or full
    store_id: str
    rows: int  # of the lane; 0 where it was not read
    seal: str
    instances: tuple[Finding, ...] = field(factory=tuple)
    store: tuple[str, ...] = field(factory=tuple)  # findings about the order of commits

    @property
    def is_clean(self) -> bool:
        """Whether nothing was found that a person must look at."""
        return not self.store and not any(finding.verdict in BAD for finding in self.instances)

    def counts(self) -> dict[str, int]:
        """Return how many instances got each verdict; verdicts that nobody got are left out."""
        found = [finding.verdict for finding in self.instances]
        return {verdict.value: found.count(verdict.value) for verdict in Verdict if verdict.value in found}

    def to_json(self) -> str:
        """Return the report as JSON text."""
        return json.dumps({**asdict(self), "clean": self.is_clean, "counts": self.counts()}, ensure_ascii=False)

    def __str__(self) -> str:
        """Return the report as a person reads it: what needs attention first, then the counts."""
        bad = [finding for finding in self.instances if finding.verdict in BAD]
        lines = [f"{finding.verdict:<16} {finding.instance}  {finding.reason}" for finding in bad]
        lines += [f"{'SEAL':<16} {finding}" for finding in self.store]
        lines += [
            f"{'':<16} {finding.instance} is provably sound up to version {finding.sound_version} of {finding.version}"
            for finding in bad
            if finding.verdict == Verdict.QUARANTINED.value and finding.sound_version < finding.version
        ]
        counts = ", ".join(f"{count} {verdict}" for verdict, count in self.counts().items()) or "no instances"
        rows = f", {self.rows} transitions" if self.level == "full" else ""
        return "\n".join([*lines, f"{self.path}: {counts}{rows}"])
