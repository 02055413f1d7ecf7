"""A mail as HTML: a table and inline styles, which is all that mail programs agree on."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from include.mail.content import Mail

COLOURS = {"good": "#1a7f37", "neutral": "#9a6700", "bad": "#b42318"}
FONT = "font-family:-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif"
TEXT = f"{FONT};font-size:15px;line-height:1.5;overflow-wrap:anywhere;word-break:break-word"
SMALL = f"{FONT};font-size:13px;line-height:1.45"
CELL = (
    "word-break:normal;overflow-wrap:normal;text-align:left;vertical-align:top;padding:4px 8px 4px 0;"
    "border-bottom:1px solid #d8dee4"
)
# Programs that know no media queries stay light; those that do follow the reader's choice.
STYLE = """\
:root{color-scheme:light dark;supported-color-schemes:light dark}
@media (prefers-color-scheme:dark){.page{background:#0d1117!important}.card{background:#161b22!important}
.text{color:#e6edf3!important}.faint{color:#9da7b3!important}.rule{border-color:#30363d!important}
.bad{color:#ff7b72!important}.neutral{color:#e3b341!important}a{color:#6cb6ff!important}}"""


def as_html(mail: Mail) -> str:
    """The mail's HTML part."""
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta name="color-scheme" content="light dark"><meta name="supported-color-schemes" content="light dark">'
        f"<title>{escape(mail.pipeline)}</title><style>{STYLE}</style></head>"
        '<body class="page" style="margin:0;padding:0;background:#f3f4f6">'
        '<table role="presentation" class="page" width="100%" cellpadding="0" cellspacing="0" border="0" '
        'style="background:#f3f4f6"><tr><td align="center" style="padding:16px 8px">'
        '<table role="presentation" class="card" width="100%" cellpadding="0" cellspacing="0" border="0" '
        'style="max-width:640px;background:#ffffff;border-radius:8px;table-layout:fixed">'
        + "".join(_rows(mail))
        + "</table></td></tr></table></body></html>"
    )


def _rows(mail: Mail) -> Iterator[str]:
    yield (
        f'<tr><td style="background:{COLOURS[mail.tone]};border-radius:8px 8px 0 0;padding:14px 20px">'
        f'<div style="{SMALL};color:#ffffff">{escape(mail.pipeline)}</div>'
        f'<h1 style="{FONT};margin:0;font-size:20px;line-height:1.3;color:#ffffff">{escape(mail.headline)}</h1>'
        "</td></tr>"
    )
    yield _cell("".join(f'<p style="margin:0 0 8px">{_lines(reason)}</p>' for reason in mail.reasons))
    yield _titled("What to do", f'<p style="margin:0">{_lines(mail.next_step)}</p>')
    if mail.facts:
        yield _titled("The run", "".join(_fact(name, _lines(value)) for name, value in mail.facts))
    yield from (
        _titled(title, _table(rows))
        for title, rows in (("Gates not passed", mail.gates), ("Candidates", mail.candidates))
        if rows
    )
    yield _titled("More", "".join(_fact(name, _link(address)) for name, address in mail.links))


def _cell(content: str) -> str:
    return f'<tr><td class="text" style="{TEXT};color:#1f2328;padding:14px 20px 6px">{content}</td></tr>'


def _titled(title: str, content: str) -> str:
    heading = f'<div class="faint" style="{SMALL};font-weight:600;color:#59636e;margin:0 0 2px">{title}</div>'
    return _cell(heading + content)


def _fact(name: str, content: str) -> str:
    return (
        f'<div style="margin:0 0 4px"><span class="faint" style="color:#59636e">{escape(name)}:</span> {content}</div>'
    )


def _link(address: str) -> str:
    shown = escape(address)
    if not address.startswith(("http://", "https://")):
        return f"<span>{shown}</span>"  # what a mail program cannot open is no link
    return f'<a href="{shown}" style="color:#0969da">{shown}</a>'


def _table(rows: list[dict[str, str]]) -> str:
    """Figures; on a narrow screen names wrap at their spaces, and figures do not."""
    style = f"{SMALL};{CELL}"
    head = "".join(
        f'<th class="faint rule" style="{style};color:#59636e">{escape(_spaced(key))}</th>' for key in rows[0]
    )
    lines = "".join(
        "<tr>" + "".join(f'<td class="text rule" style="{style};color:#1f2328">{_value(v)}</td>' for v in row.values())
        + "</tr>"
        for row in rows
    )  # fmt: skip
    return (
        '<table width="100%" cellpadding="0" cellspacing="0" border="0" style="border-collapse:collapse">'
        f"<tr>{head}</tr>{lines}</table>"
    )


def _value(text: str) -> str:
    tone = {"FAIL": "bad", "no gain": "neutral"}.get(text)
    return f'<b class="{tone}" style="color:{COLOURS[tone]}">{text}</b>' if tone else escape(_spaced(text))


def _spaced(text: str) -> str:
    """A name whose parts may stand on lines of their own."""
    return text.replace("_", " ")


def _lines(text: str) -> str:
    return "<br>".join(escape(line) for line in text.splitlines())
