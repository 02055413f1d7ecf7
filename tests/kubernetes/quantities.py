"""Amounts as Kubernetes writes them."""

from __future__ import annotations

import re
from decimal import Decimal

_SUFFIX = {
    "n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3"), "": Decimal(1), "k": Decimal(10**3), "M": Decimal(10**6),
    "G": Decimal(10**9), "T": Decimal(10**12), "P": Decimal(10**15), "E": Decimal(10**18), "Ki": Decimal(2**10),
    "Mi": Decimal(2**20), "Gi": Decimal(2**30), "Ti": Decimal(2**40), "Pi": Decimal(2**50), "Ei": Decimal(2**60),
}  # fmt: skip
_QUANTITY = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:([eE][+-]?\d+)|([numkMGTPE]|[KMGTPE]i)?)")
EXPECTED = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"


def amount(text: str | float) -> Decimal:
    """The number that a quantity stands for. Raises ValueError."""
    found = _QUANTITY.fullmatch(str(text))
    if found is None:
        raise ValueError(EXPECTED)
    number, exponent, suffix = found.groups()
    return Decimal(number + (exponent or "")) * _SUFFIX[suffix or ""]


def is_quantity(text: object) -> bool:
    return isinstance(text, str | int | float) and _QUANTITY.fullmatch(str(text)) is not None


def shortest(value: Decimal) -> str:
    """A quantity in the shortest form without loss, as quota messages have it."""
    if value == value.to_integral():
        whole = int(value)
        for suffix in ("Ti", "Gi", "Mi", "Ki"):
            if whole and whole % int(_SUFFIX[suffix]) == 0:
                return f"{whole // int(_SUFFIX[suffix])}{suffix}"
        return str(whole)
    return f"{int(value * 1000)}m"
