"""Proves where every instance stands after a crash, sets aside what is damaged, and resumes the rest."""

from persistence import StoreError  # first: it says so if another distribution took over the name statemachine
from recovery.drills.door import drill
from recovery.report import Finding, RecoveryReport
from recovery.run import accept_tail_loss, open, recover, verify  # noqa: A004  # recovery.open is the design's name

__all__ = ["Finding", "RecoveryReport", "StoreError", "accept_tail_loss", "drill", "open", "recover", "verify"]
