"""Alarms that stand until something ends them: what the store has met, and what the start has found."""

from voicebridge.domain.events import Event, StoreChanged, StoreNotice, StoreNoticeKind


class Alarms:
    """Sentences by the code of their rule (voicebridge.health.probes). Any thread may ask what stands."""

    def __init__(self) -> None:
        self._standing: dict[str, str] = {}

    @property
    def standing(self) -> dict[str, str]:
        """What stands now."""
        return dict(self._standing)

    def raise_(self, code: str, sentence: str) -> None:
        """Let an alarm stand until the end of the session, or until an event ends it."""
        self._standing = {**self._standing, code: sentence}

    def heed(self, event: Event) -> None:
        """Let an event begin or end an alarm."""
        match event:
            case StoreNotice(StoreNoticeKind.RESERVE_BACK):
                self.end(StoreNoticeKind.RESERVE_GIVEN_UP)
            case StoreNotice(
                StoreNoticeKind.RESERVE_GIVEN_UP
                | StoreNoticeKind.DATABASE_LOST
                | StoreNoticeKind.DATABASE_DAMAGED as kind,
                detail,
            ):
                self.raise_(kind.value, detail)
            case StoreChanged(working=True):
                self.end(StoreNoticeKind.DATABASE_LOST)

    def end(self, code: str) -> None:
        """End an alarm; one that does not stand is none."""
        self._standing = {kept: sentence for kept, sentence in self._standing.items() if kept != code}
