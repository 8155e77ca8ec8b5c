"""What recovery found, for people and as JSON."""

import json

from attrs import asdict, field, frozen

from statemachine.admission import Verdict

__all__ = ["Finding", "RecoveryReport"]

BAD = frozenset({Verdict.QUARANTINED.value, Verdict.NEEDS_MIGRATION.value})
REPAIRED = frozenset({Verdict.REBUILT.value, Verdict.KEPT_AT_HEAD.value})
LOSES_SHOWN_MAX = 5  # transitions named in one line; the JSON names all


@frozen
class Finding:
    """One instance: verdict, reason, where it stands, what was repaired, and what going back would lose."""

    instance: str
    workflow: str
    verdict: str
    reason: str
    version: int
    sound_version: int  # the last version that is provably sound: offered where it is set aside
    hash: str  # of its newest transition, hexadecimal
    repair: str = ""  # what was done; empty where nothing was
    loses: tuple[str, ...] = ()  # the transitions that going back to the sound version would lose

    @property
    def is_bad(self) -> bool:
        """Whether a person must look at it: it cannot be used, or its repair is not done yet."""
        return self.verdict in BAD or (self.verdict in REPAIRED and not self.repair)

    def __str__(self) -> str:
        """Return the finding in one line, and the offer in another."""
        done = f"; {self.repair}" if self.repair else ""
        if self.verdict in REPAIRED and not self.repair:
            done = "; not repaired yet: run perdure recover"
        line = f"{self.verdict:<16} {self.instance}  {self.reason}{done}"
        if self.verdict != Verdict.QUARANTINED.value or (self.sound_version >= self.version and not self.loses):
            return line
        shown = ", ".join(self.loses[:LOSES_SHOWN_MAX])
        more = f" and {len(self.loses) - LOSES_SHOWN_MAX} more" if len(self.loses) > LOSES_SHOWN_MAX else ""
        return (
            f"{line}\n{'':<16} {self.instance} is provably sound up to version {self.sound_version} of {self.version}; "
            f"going back there would lose {shown}{more}; user rows and finished effects would stay"
        )


@frozen
class RecoveryReport:
    """The certificate of one run: per instance verdict, version and head hash; the store's seal."""

    path: str
    level: str  # heads or full
    store_id: str
    rows: int  # of the lane; 0 where it was not read
    seal: str
    instances: tuple[Finding, ...] = field(factory=tuple)
    store: tuple[str, ...] = field(factory=tuple)  # findings about the file and the order of commits
    notes: tuple[str, ...] = field(factory=tuple)  # what is told of the file, and passed
    malformed: bool = False  # SQLite finds its pages damaged: nothing was written; looked for before a repair

    @property
    def is_clean(self) -> bool:
        """Whether nothing is left that a person must look at: all is sound, or repaired."""
        return not self.store and not any(finding.is_bad for finding in self.instances)

    def counts(self) -> dict[str, int]:
        """Return how many instances got each verdict; verdicts that nobody got are left out."""
        found = [finding.verdict for finding in self.instances]
        return {verdict.value: found.count(verdict.value) for verdict in Verdict if verdict.value in found}

    def to_json(self) -> str:
        """Return the report as JSON text."""
        return json.dumps({**asdict(self), "clean": self.is_clean, "counts": self.counts()}, ensure_ascii=False)

    def __str__(self) -> str:
        """Return the report as a person reads it: what needs attention first, then the counts."""
        told = [finding for finding in self.instances if finding.is_bad or finding.repair]
        lines = [str(finding) for finding in sorted(told, key=lambda finding: not finding.is_bad)]
        lines += [f"{'STORE':<16} {finding}" for finding in self.store]
        lines += [f"{'note':<16} {note}" for note in self.notes]
        counts = ", ".join(f"{count} {verdict}" for verdict, count in self.counts().items()) or "no instances"
        rows = f", {self.rows} transitions" if self.level == "full" else ""
        return "\n".join([*lines, f"{self.path}: {counts}{rows}"])
