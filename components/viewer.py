"""What the KFP UI shows of a finished step: its pictures and numbers, as HTML or Markdown.

The UI shows one file, so pictures are inside it.
"""

import base64
import html
import math
from collections.abc import Mapping
from pathlib import Path

_STYLE = (
    "body{font:14px system-ui,sans-serif;margin:1rem;color:#222}"
    "img{max-width:100%;image-rendering:auto;border:1px solid #ddd}"
    "td,th{padding:.15rem .7rem;text-align:left;border-bottom:1px solid #eee}"
    "td{font-variant-numeric:tabular-nums}"
)


def page(result: Path, title: str, metrics: Mapping[str, float], warnings: list[str]) -> str:
    """The page of a finished step: its own `*.html` if it made one, else pictures and numbers.

    Args:
        result: The step's result folder.
        title: Name of the task.
        metrics: Its numbers.
        warnings: Sentences that come first.
    """
    for own in sorted(result.glob("*.html")):
        return own.read_text(encoding="utf-8")
    said = "".join(f"<p><strong>{html.escape(one)}</strong></p>" for one in warnings)
    rows = "".join(
        f"<tr><td>{html.escape(name)}</td><td>{_number(value)}</td></tr>"
        for name, value in metrics.items()
    )
    figures = "".join(
        f"<figure><img alt='{html.escape(path.stem)}' src='data:image/png;base64,"
        f"{base64.b64encode(path.read_bytes()).decode()}'>"
        f"<figcaption>{html.escape(path.stem)}</figcaption></figure>"
        for path in sorted((result / "preview").glob("*.png"))
    )
    table = f"<table>{rows}</table>" if rows else ""
    return (
        f"<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style></head>"
        f"<body><h1>{html.escape(title)}</h1>{said}{figures}{table}</body></html>\n"
    )


def table(title: str, metrics: Mapping[str, float], warnings: list[str]) -> str:
    """A step's numbers as a table in Markdown."""
    said = "".join(f"> {_plain(one)}\n\n" for one in warnings)
    rows = "".join(f"| {_plain(name)} | {_number(value)} |\n" for name, value in metrics.items())
    return f"# {_plain(title)}\n\n{said}| what | value |\n|---|---|\n{rows}"


def _plain(text: str) -> str:
    return " ".join(text.replace("|", "/").split())


def _number(value: float) -> str:
    if not math.isfinite(value):
        return "not measured"
    return f"{value:.4g}" if value != int(value) else f"{int(value)}"
