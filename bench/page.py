"""What all benchmarks say the same way: numbers, Markdown's tables, and where they were taken."""

import os
import platform
from collections.abc import Sequence
from importlib.metadata import version

NOTHING = "–"


def number(value: float | None) -> str:
    """Return a value with three figures that count, or whole."""
    if value is None:
        return NOTHING
    size = abs(value)
    if size >= 100:
        return f"{value:,.0f}"
    if size >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if size >= 0.1 else f"{value:.2g}"


def rounds_text(count: int) -> str:
    """Return of how many rounds a value is the median."""
    return "one round" if count == 1 else f"median of {count} rounds"


def aligned(rows: Sequence[Sequence[str]], left: int = 2) -> list[str]:
    """Return Markdown: the first `left` columns to the left, numbers to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    written = [
        " | ".join(
            cell.ljust(width) if column < left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    rule = "|".join(
        "-" * (width + 2) if column < left else "-" * (width + 1) + ":"
        for column, width in enumerate(widths)
    )
    head, *body = (f"| {text} |" for text in written)
    return [head, f"|{rule}|", *body]


def machine() -> str:
    """Return what the numbers are of: system, cores, interpreter, trio."""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    system = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    return f"{system}, {python}, trio {version('trio')}"
