"""What the KFP UI shows of a finished step: pictures, numbers and README, as HTML or Markdown.

The UI shows one file, so pictures are inside it.
"""

import base64
import html
import importlib.resources
import math
import re
from collections.abc import Mapping
from pathlib import Path

_STYLE = (
    "body{font:14px system-ui,sans-serif;margin:1rem;color:#222}"
    "img{max-width:100%;image-rendering:auto;border:1px solid #ddd}"
    "td,th{padding:.15rem .7rem;text-align:left;border-bottom:1px solid #eee}"
    "td{font-variant-numeric:tabular-nums}"
)
_END = "</body>"

_VERBATIM = re.compile(r"(`[^`]*`|https?://\S+)")
_MARKUP = re.compile(r"[\\*_~\[\]]")
"""What would set text in italics, as the underscores of names, strike it through or link it."""


def readme(module: str) -> str:
    """The README of a step, by any module of its folder; empty where it has none."""
    package = module.rpartition(".")[0]
    if not package:
        return ""
    # In an installation from a wheel and in an image it lies beside the modules as well.
    file = importlib.resources.files(package) / "README.md"
    return file.read_text(encoding="utf-8").strip() if file.is_file() else ""


def page(
    result: Path,
    title: str,
    metrics: Mapping[str, float],
    warnings: list[str],
    about: str = "",
) -> str:
    """The page of a finished step: its own `*.html` if it made one, else pictures and numbers.

    Args:
        result: The step's result folder.
        title: Name of the task.
        metrics: Its numbers.
        warnings: Sentences that come first.
        about: The step's README, which is folded up at the end.
    """
    for own in sorted(result.glob("*.html")):
        return _with_readme(own.read_text(encoding="utf-8"), about)
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
    return _with_readme(
        f"<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style></head>"
        f"<body><h1>{html.escape(title)}</h1>{said}{figures}{table}{_END}</html>\n",
        about,
    )


def table(
    title: str,
    values: Mapping[str, float | str],
    said: list[str],
    about: str = "",
) -> str:
    """What there is to know of a finished step as a table in Markdown.

    Args:
        title: Name of the task.
        values: Its numbers, or words.
        said: Sentences that come first.
        about: The step's README, which comes last.
    """
    first = "".join(f"> {_plain(one)}\n\n" for one in said)
    rows = "".join(
        f"| {_plain(name)} | {_plain(value) if isinstance(value, str) else _number(value)} |\n"
        for name, value in values.items()
    )
    head = f"# {_plain(title)}\n\n{first}| what | value |\n|---|---|\n{rows}"
    # The UI shows lists without their marks.
    marked = re.sub(r"^- ", "- • ", about, flags=re.MULTILINE)
    return f"{head}\n---\n\n{marked}\n" if about else head


def short(digest: str) -> str:
    """A digest's beginning: a whole one is wider than the UI's panel and cannot be wrapped."""
    return f"`{digest[: digest.find(':') + 13]}...`"


def _with_readme(text: str, about: str) -> str:
    """A page with a README at the end of its body, as it is written, its lines wrapped."""
    if not about:
        return text
    folded = (
        "<details><summary>README of this step</summary>"
        f"<pre style='white-space:pre-wrap'>{html.escape(about)}</pre></details>"
    )
    body, end, rest = text.rpartition(_END)
    return f"{body}{folded}{end}{rest}" if end else text + folded


def _plain(text: str) -> str:
    """Text for one line or cell of Markdown; code in it and addresses stay what they are."""
    line = " ".join(text.replace("|", "/").split())
    parts = _VERBATIM.split(line)
    parts[::2] = [_MARKUP.sub(r"\\\g<0>", one) for one in parts[::2]]
    return "".join(parts)


def _number(value: float) -> str:
    if not math.isfinite(value):
        return "not measured"
    return f"{value:.4g}" if value != int(value) else f"{int(value)}"
