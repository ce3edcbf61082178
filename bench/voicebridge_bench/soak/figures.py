"""Figures as people read them."""


def told(value: float | None, unit: str) -> str:
    """Return a figure with its unit, three digits of it; kilobytes become megabytes where they are many."""
    if value is None:
        return "-"
    if unit.startswith("KB") and abs(value) >= 10_000:
        return told(value / 1000, unit.replace("KB", "MB", 1))
    if abs(value) < 0.00005:
        number = "0"
    elif abs(value) >= 100 or value == int(value):
        number = f"{value:,.0f}"
    else:
        # No exponents: those are for machines.
        number = f"{value:.3g}" if abs(value) >= 0.001 else f"{value:.4f}"
    return f"{number} {unit}".rstrip().replace(" /h", "/h")


def length_of_time(seconds: float) -> str:
    """Return a length of time: `8 h`, `1 h 5 min`, `5 min`, `40 s`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [f"{hours} h" if hours else "", f"{minutes} min" if minutes else ""]
    parts.append(f"{rest} s" if rest and not hours else "")
    return " ".join(part for part in parts if part) or "0 s"
