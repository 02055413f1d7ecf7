"""A tool's answer as text for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from include.agents.answers import Answer

INDENT = "  "


def as_text(answer: Answer) -> str:
    """Return an answer as indented lines, lists of flat records as tables. Control characters are not shown."""
    return "\n".join(_lines(answer.model_dump(mode="json"), ""))


def printable(text: str) -> str:
    r"""Return a text without what a terminal would carry out.

    >>> printable("a\x1b[2Jb")
    'a?[2Jb'
    """
    return "".join(sign if sign.isprintable() else "?" for sign in text)


def _lines(value: dict[str, Any], indent: str) -> Iterator[str]:
    for name, inner in value.items():
        if inner in ("", None, [], {}):
            continue
        if isinstance(inner, dict):
            yield f"{indent}{printable(str(name))}:"
            yield from _lines(inner, indent + INDENT)
        elif isinstance(inner, list):
            yield f"{indent}{printable(str(name))}:"
            yield from _list(inner, indent + INDENT)
        else:
            yield f"{indent}{printable(str(name))}: {_shown(inner)}"


def _list(items: list[Any], indent: str) -> Iterator[str]:
    if all(isinstance(item, dict) and not any(map(_is_nested, item.values())) for item in items):
        yield from (indent + row for row in _table(items))
        return
    for item in items:
        if isinstance(item, dict):
            first, *others = [*_lines(item, indent + INDENT)] or [""]
            yield f"{indent}- {first.strip()}"
            yield from others
        else:
            yield f"{indent}{_shown(item)}"


def _is_nested(value: Any) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and any(isinstance(one, (dict, list)) for one in value))


def _table(items: list[dict[str, Any]]) -> Iterator[str]:
    names = [name for name in items[0] if any(item.get(name) not in ("", None, []) for item in items)]
    rows = [names, *([_shown(item.get(name)) for name in names] for item in items)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(names))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list):
        return ", ".join(map(_shown, value))
    return printable(str(value))
