"""Names of the fractions of the real data."""


def percent(fraction: float) -> str:
    """For people: `1 %`, `10 %`, `100 %`."""
    return f"{fraction * 100:g} %"


def folder(fraction: float) -> str:
    """For paths and keys: `0.01`, `0.1`, `1`."""
    return f"{fraction:g}"
