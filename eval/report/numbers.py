"""Numbers as people read them: with units, and no more digits than they deserve."""

import math

MISSING = "—"


def count(number: int) -> str:
    """A whole number with its thousands apart."""
    return f"{number:,}"


def plural(number: int, one: str, many: str = "") -> str:
    """A count with its noun."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def short(number: float) -> str:
    """A large count in a few signs: 950, 12.3k, 4.56M."""
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(number) >= limit:
            scaled = number / (1e3 if unit == "k" else limit)
            return f"{scaled:.3g}{unit}"
    return f"{number:,.0f}"


def value(number: float | None, digits: int = 3) -> str:
    """A measured value with so many significant digits; a dash where there is none."""
    if number is None:
        return MISSING
    if number == 0:
        return "0"
    size = math.floor(math.log10(abs(number)))
    if size >= 6 or size < -4:
        return f"{number:.{digits - 1}e}"
    return f"{number:,.{max(0, digits - 1 - size)}f}"


def duration(seconds: float) -> str:
    """A time in at most two units."""
    if 0 < seconds < 0.1:
        return f"{1000 * seconds:.2g} ms"
    if seconds < 10:
        return f"{seconds:.1f} s"
    if round(seconds) < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"


def usd(number: float | None) -> str:
    """An amount of US dollars; small ones keep two significant digits."""
    if number is None:
        return MISSING
    if number == 0 or number >= 1:
        return f"${number:,.2f}"
    return f"${number:.{max(2, 1 - math.floor(math.log10(number)))}f}"


def share(part: float, whole: float) -> str:
    """A part of a whole in percent; a dash where there is no whole."""
    return f"{part / whole:.0%}" if whole else MISSING
