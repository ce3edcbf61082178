"""How often each bound of HTTP was reached."""

from dataclasses import asdict, dataclass


@dataclass(slots=True)
class Counters:
    """Written by the loop's thread alone; may be read by any."""

    connections: int = 0
    """Accepted since the start."""
    turned_away: int = 0
    """Connections beyond ``http.max_connections``, or beyond the share of one address."""
    too_slow: int = 0
    """Connections that took too long to ask."""
    not_reading: int = 0
    """Connections that took too long to take an answer."""
    bad_requests: int = 0
    """What was no HTTP, or too large a header."""
    requests: int = 0
    limited: int = 0
    """Requests beyond ``http.requests_per_second``, or beyond the share of one address."""
    refused: int = 0
    """Requests for another Host, from another Origin, or without the token."""
    busy: int = 0
    """Calls (reads of the store, mute) that were refused because too many waited or hung, or that took too long."""
    streams: int = 0
    """Event streams that were begun."""
    streams_dropped: int = 0
    """Event streams ended because their reader was too slow."""
    partials_passed_over: int = 0
    """Partials that a reader was not sent, because a newer one or the text came before it took them."""
    failures: int = 0
    """Faults of ours, and addresses that could not be had."""

    def told(self) -> dict[str, int]:
        """Return them for the status."""
        return {f"http_{name}": value for name, value in asdict(self).items()}
