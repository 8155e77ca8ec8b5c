"""Which process this is, without a system call: what a parent opened is not a forked child's to use or to close."""

import os

__all__ = ["PROCESS", "Process"]


class Process:
    """The process that this code runs in; a fork is noticed in the child."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
            os.register_at_fork(after_in_child=self._renew)

    def _renew(self) -> None:
        self.pid = os.getpid()


PROCESS = Process()
