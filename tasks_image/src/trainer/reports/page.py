"""What all pages share: the templates, and how counts, shares and values are written."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit, urlunsplit

from trainer.number_format import number_text

LONGEST_VALUE = 200
SMALLEST_SHARE = 0.0001
OPENABLE = ("http", "https", "file")


def render_page(template: str, **content: Any) -> str:
    """One self-contained HTML page; whatever comes from data is escaped."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("trainer"), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    environment.filters |= {
        "count_text": count_text,
        "share_text": share_text,
        "value_text": value_text,
        "number_text": number_text,
        "address": address,
        "can_be_opened": can_be_opened,
    }
    return environment.get_template(template).render(**content)


def count_text(count: int) -> str:
    """A number with separators, such as `7,043`."""
    return f"{count:,}"


def share_text(share: float) -> str:
    """A share (0 to 1) in per cent with two decimals; what is small does not become zero, nor the rest 100."""
    if 0 < share < SMALLEST_SHARE:
        return "<0.01 %"
    if 1 - SMALLEST_SHARE < share < 1:
        return ">99.99 %"
    return f"{share:.2%}".replace("%", " %")


def value_text(value: Any) -> str:
    """A value in one short line; figures of a mapping with four significant digits."""
    if isinstance(value, dict):
        text = ", ".join(f"{key}: {value_text(inner)}" for key, inner in value.items())
    else:
        text = f"{value:.4g}" if isinstance(value, float) and not value.is_integer() else str(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"


def address(uri: str) -> str:
    """An address as it may be shown: without a user, a password or the parameters of a web address."""
    parts = urlsplit(uri)
    host = f"***@{parts.netloc.rsplit('@', 1)[1]}" if "@" in parts.netloc else parts.netloc
    query = "***" if parts.query and parts.scheme in ("http", "https") else parts.query
    return urlunsplit(parts._replace(netloc=host, query=query)) if (host, query) != (parts.netloc, parts.query) else uri


def can_be_opened(uri: str) -> bool:
    """Whether a browser can open an address, and nothing in it is hidden."""
    return urlsplit(uri).scheme in OPENABLE and address(uri) == uri
