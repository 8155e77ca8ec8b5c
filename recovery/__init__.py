"""Proves where every instance stands after a crash, sets aside what is damaged, and resumes the rest."""

from recovery.report import Finding, RecoveryReport
from recovery.run import open, recover, verify  # noqa: A004  # recovery.open is the design's name

__all__ = ["Finding", "RecoveryReport", "open", "recover", "verify"]
