"""What can go wrong, in three branches that say what to do next.

    GuardError
    ├── Transient        later it may work: try again, or hand on to guard-work
    │   ├── StillRunning Azure accepted the change and has not finished it
    │   └── Unanswered   a message was handed over, and may have been taken
    ├── Terminal         it will not work: one alert, with Azure's words, no retry
    └── Gone             the resource itself does not exist any more

    Unreadable           input that cannot be understood: becomes an alert with the cut text

Edges translate their vendor's exceptions into these, in one place each.
"""


class GuardError(Exception):
    """Anything that kept the guard from finishing; `code` and `status` are Azure's."""

    def __init__(self, message: str, *, code: str = "", status: int = 0) -> None:
        super().__init__(f"{code}: {message}" if code else message)
        self.code = code
        self.status = status


class Transient(GuardError):
    """Worth another try; `retry_after` in seconds if Azure said when, else None."""

    def __init__(
        self, message: str, *, code: str = "", status: int = 0, retry_after: float | None = None
    ) -> None:
        super().__init__(message, code=code, status=status)
        self.retry_after = retry_after


class StillRunning(Transient):
    """Azure accepted the change (201 or 202) and the time budget ended before it was done."""


class Unanswered(Transient):
    """A message was handed over to a channel and not answered: it may have been taken."""


class Terminal(GuardError):
    """Azure refused for good: a lock, a policy, a missing permission, a bad request."""


class Gone(GuardError):
    """404 of the resource itself: there is nothing left to guard."""


class Unreadable(ValueError):
    """Input from outside that cannot be parsed; the message names the place and the reason."""
