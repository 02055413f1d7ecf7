"""SQL expressions of a pipeline's features, judged and rebuilt by their parsed form.

Polars parses the text; what is allowed is decided on the tree that it gives (`Expr.meta.serialize`), never on words.
The form of that tree belongs to the installed Polars: it is only used inside one process, never stored.
"""

from __future__ import annotations

import functools
import io
import json
import re
from typing import TYPE_CHECKING, Any

from trainer.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl

Node = Any
"""A node of the parsed expression: a name, or a mapping of one kind to its content."""

FAMILIES = {"StringExpr", "Sql", "TemporalExpr", "Boolean", "Pow", "Trigonometry", "ListExpr", "Bitwise", "Agg"}
"""Kinds of functions that the tree names in two words, such as StringExpr.Uppercase."""

ROW_WISE = frozenset(
    """
    Column Literal.Dyn Literal.Scalar BinaryExpr Ternary Cast Sql.Binary Sql.Round Sql.ToFloat Sql.IsIn Abs
    Sign Floor Ceil Truncate Exp Log Log1p Atan2 MaxHorizontal MinHorizontal Coalesce FillNull Pow.Generic
    Pow.Sqrt Pow.Cbrt Bitwise.CountOnes Trigonometry.Sin Trigonometry.Cos Trigonometry.Tan Trigonometry.Cot
    Trigonometry.ArcSin Trigonometry.ArcCos Trigonometry.ArcTan Trigonometry.Degrees Trigonometry.Radians
    Boolean.IsNull Boolean.IsNotNull Boolean.Not StringExpr.Uppercase StringExpr.Lowercase
    StringExpr.Titlecase StringExpr.Reverse StringExpr.Normalize StringExpr.LenChars StringExpr.LenBytes
    StringExpr.Slice StringExpr.StripChars StringExpr.StripCharsStart StringExpr.StripCharsEnd
    StringExpr.StartsWith StringExpr.EndsWith StringExpr.Contains StringExpr.Find StringExpr.Replace
    StringExpr.ConcatHorizontal StringExpr.PadStart StringExpr.PadEnd StringExpr.Strptime StringExpr.Split
    ListExpr.Get TemporalExpr.Millennium TemporalExpr.Century TemporalExpr.Year TemporalExpr.IsoYear
    TemporalExpr.Quarter TemporalExpr.Month TemporalExpr.Week TemporalExpr.WeekDay TemporalExpr.Day
    TemporalExpr.OrdinalDay TemporalExpr.Hour TemporalExpr.Minute TemporalExpr.Second
    TemporalExpr.Nanosecond TemporalExpr.TimeStamp TemporalExpr.Time TemporalExpr.ToString
    TemporalExpr.OffsetBy
""".split()
)
"""What gives each row an answer of its own, whatever rows stand around it."""

AGGREGATES = frozenset(
    """
    Len Agg.Min Agg.Max Agg.Median Agg.Mean Agg.Sum Agg.Count Agg.NUnique Agg.Std Agg.Var Quantile
    Correlation
""".split()
)
"""What makes one value of many rows, in whatever order they stand."""

SELECTING = frozenset({"Filter", "DropNulls", "Boolean.Any"})
"""What may stand inside an aggregate, beside row-wise functions."""

DIVISIONS = {"Div", "IntDiv", "Rem"}
CLOCK = re.compile(r"\b(?:(?:current_(?:date|time|timestamp)|localtime(?:stamp)?)\b|now\s*\()", re.IGNORECASE)
QUOTED = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"")
TO_FIT = "put it under features.fit, where it is computed once on the training rows"


def parse(text: str, where: str) -> Node:
    """The tree of an SQL expression; `where` names it in errors. Raises ConfigurationError."""
    import polars as pl

    try:
        tree = json.loads(pl.sql_expr(text).meta.serialize(format="json"))
    except (pl.exceptions.PolarsError, TypeError) as error:
        hint = "; a constant of features.fit is used by its bare name" if "Placeholder" in str(error) else ""
        raise ConfigurationError(f"{where}: {text!r} is no SQL expression known to Polars: {error}{hint}") from error
    # The one thing that the tree hides: the clock is read while parsing, and looks like a date somebody wrote.
    if CLOCK.search(QUOTED.sub("''", text)):
        raise ConfigurationError(f"{where}: {text!r} asks for the time of day; write a date, or take one from a column")
    return tree


def check_row_wise(tree: Node, where: str, instead: str = TO_FIT) -> None:
    """Raises ConfigurationError if the expression holds anything that looks at other rows.

    `instead` is what to do about an aggregate.
    """
    for name in _names(tree):
        if name not in ROW_WISE:
            raise ConfigurationError(f"{where}: {_why_not_row_wise(name, instead)}")


def check_aggregate(tree: Node, where: str) -> None:
    """Raises ConfigurationError unless the expression makes one value of all rows."""
    names = list(_names(tree))
    for name in names:
        if name not in ROW_WISE | AGGREGATES | SELECTING:
            raise ConfigurationError(f"{where}: {_readable(name)} cannot be used in an aggregate")
    if not AGGREGATES.intersection(names) or not _is_single_value(tree):
        raise ConfigurationError(
            f"{where}: this is no aggregate: it must make one value of all training rows, such as median(column)"
        )


def columns_of(tree: Node) -> list[str]:
    """The names of columns and constants that an expression uses, each once, in order."""
    return list(dict.fromkeys(node["Column"] for node in _walk(tree) if _name(node) == "Column"))


@functools.lru_cache(maxsize=1024)
def build(text: str, *, zero_counts_as_one: bool = False) -> pl.Expr:
    """The expression, with a division by zero giving a missing value, and decimal literals read as floats.

    With `zero_counts_as_one`, a divisor of zero is replaced by one: where this gives a value and the plain form gives
    none, the division by zero is why.
    """
    import polars as pl

    tree = _rewritten(parse(text, "expression"), 1 if zero_counts_as_one else None)
    return pl.Expr.deserialize(io.StringIO(json.dumps(tree)), format="json")


def _names(tree: Node) -> Iterator[str]:
    return (_name(node) for node in _walk(tree))


def _walk(node: Node) -> Iterator[Node]:
    yield node
    for child in _children(node):
        yield from _walk(child)


def _name(node: Node) -> str:
    """What a node is, such as Column, Literal.Scalar, Agg.Median or StringExpr.Uppercase."""
    if isinstance(node, str):
        return node
    kind, content = next(iter(node.items()))
    if kind == "Function":
        return _function_name(content)
    if kind == "Agg":
        return f"Agg.{next(iter(content))}"
    if kind == "Literal":
        literal = next(iter(content))
        return "Literal.List" if literal == "Scalar" and "List" in content["Scalar"] else f"Literal.{literal}"
    return str(kind)


def _function_name(content: dict[str, Any]) -> str:
    function = content["function"]
    if isinstance(function, str):
        return function
    family, detail = next(iter(function.items()))
    if family not in FAMILIES:
        return str(family)
    name = detail if isinstance(detail, str) else next(iter(detail))
    if name == "IsIn" and "Literal" not in content["input"][1]:
        return "Sql.IsIn over a column"
    if name == "Strptime" and detail["Strptime"][1]["format"] is None:
        return "StringExpr.Strptime without a format"
    return f"{family}.{name}"


def _children(node: Node) -> list[Node]:
    if isinstance(node, str):
        return []
    kind, content = next(iter(node.items()))
    if kind == "Function":
        return content["input"][:1] if _name(node) == "Sql.IsIn" else list(content["input"])
    if kind == "Agg":
        inner = next(iter(content.values()))
        inner = inner[0] if isinstance(inner, list) else inner
        return [inner["input"]] if isinstance(inner, dict) and "input" in inner else [inner]
    parts = {"BinaryExpr": ["left", "right"], "Ternary": ["predicate", "truthy", "falsy"], "Cast": ["expr"]}
    parts["Filter"] = ["input", "by"]
    return [content[part] for part in parts.get(kind, [])]


def _is_single_value(node: Node) -> bool:
    name = _name(node)
    if name in AGGREGATES or name == "Boolean.Any" or name.startswith("Literal."):
        return True
    return name != "Column" and all(_is_single_value(child) for child in _children(node))


def _why_not_row_wise(name: str, instead: str) -> str:
    if name in AGGREGATES or name.startswith("Agg."):
        return f"{_readable(name)} looks at all rows and would answer differently for one row than for many; {instead}"
    if name in ("Over", "Rolling", "Range"):
        return f"a window or row number ({_readable(name)}) would answer differently for one row than for many"
    if name == "Alias":
        return "the column is called by its key: leave out AS (and lists in brackets)"
    return f"{_readable(name)} is not among the functions that work row by row"


def _readable(name: str) -> str:
    return f"the function {name.rsplit('.', 1)[-1]!r}" if name != "Len" else "the number of rows"


def _rewritten(node: Any, at_zero: int | None) -> Any:
    if isinstance(node, list):
        return [_rewritten(item, at_zero) for item in node]
    if not isinstance(node, dict):
        return node
    if "Decimal" in (scalar := node.get("Scalar") or {}):
        # Polars reads 0.5 as a decimal: an integer column divided by it would keep six digits only.
        unscaled, _, scale = scalar["Decimal"]
        return {"Dyn": {"Float": float(f"{unscaled}e-{scale}")}}
    node = {key: _rewritten(value, at_zero) for key, value in node.items()}
    function = node.get("function")
    sql = function.get("Sql") if isinstance(function, dict) else None
    if isinstance(sql, dict) and sql.get("Binary") in DIVISIONS:
        dividend, divisor = node["input"]
        node["input"] = [dividend, _never_zero(divisor, at_zero)]
    return node


def _never_zero(divisor: Node, at_zero: int | None) -> Node:
    literal = divisor.get("Literal") if isinstance(divisor, dict) else None
    if literal and 0 not in literal.get("Dyn", {}).values():
        return divisor
    zero = {"Literal": {"Dyn": {"Int": 0}}}
    other = {"Literal": {"Scalar": {"Null": "Null"}} if at_zero is None else {"Dyn": {"Int": at_zero}}}
    predicate = {"BinaryExpr": {"left": divisor, "op": "Eq", "right": zero}}
    return {"Ternary": {"predicate": predicate, "truthy": other, "falsy": divisor}}
