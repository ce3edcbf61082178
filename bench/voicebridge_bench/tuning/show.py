"""A result of `tune` for people."""

from collections.abc import Iterator

from voicebridge_bench.tuning.results import CandidateResult, TuneResult

MOST_ROWS = 25


def lines(result: TuneResult) -> Iterator[str]:
    """Yield what a result says."""
    host = result.host
    machine = f"{host.cpu}, {host.cores_usable} cores, {host.memory_gib:g} GiB"
    yield f"{machine}; {result.corpus}, {result.corpus_files} files"
    yield f"Ended after {result.seconds / 60:.1f} of {result.budget_seconds / 60:g} minutes: {result.ended}."
    for done in result.rounds:
        yield f"  {done.candidates} candidates on {done.files} files"
    yield f"Delay: {result.delay}."
    yield ""
    yield f"{'files':>5}{'errors':>9}{'delay p50':>11}{'p95':>8}{'memory':>9}  settings"
    tried = sorted((one for one in result.candidates if one.files), key=_order)
    yield from (_row(one, result.recommended) for one in tried[:MOST_ROWS])
    if len(tried) > MOST_ROWS:
        yield f"      ... and {len(tried) - MOST_ROWS} more, in the JSON"
    for fault, titles in _faults(result).items():
        yield f"Not usable here, {fault}: {titles[0]}{f' and {len(titles) - 1} more' if len(titles) > 1 else ''}"
    yield from (f"Not tried: {what}" for what in result.left_out)
    yield ""
    yield from (f"-- {warning}" for warning in result.warnings)
    if result.recommended is not None:
        yield f"Recommended: {result.recommended}"
        yield from (f"  {reason}" for reason in result.reasons)


def _faults(result: TuneResult) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for one in result.candidates:
        if one.fault:
            found.setdefault(one.fault, []).append(one.title)
    return found


def _order(one: CandidateResult) -> tuple[int, float, float]:
    return -one.files, one.error_rate or 0.0, one.delay_p95_ms or one.delay_p50_ms or float("inf")


def _row(one: CandidateResult, recommended: str | None) -> str:
    mark = "*" if one.title == recommended else " "
    rate = "-" if one.error_rate is None else f"{one.error_rate:.1%}"
    cells = f"{one.files:4}{mark}{rate:>9}{_seconds(one.delay_p50_ms):>11}{_seconds(one.delay_p95_ms):>8}"
    return f"{cells}{one.memory_mb:6.0f} MB  {one.title}"


def _seconds(milliseconds: float | None) -> str:
    return "-" if milliseconds is None else f"{milliseconds / 1000:.2f} s"
