"""Figures as a person reads them."""

from __future__ import annotations

import pytest

from trainer.number_format import number_text


@pytest.mark.parametrize(
    ("value", "sign", "text"),
    [
        (0.845123, "", "0.8451"),
        (45032.25, "", "45,032"),
        (-0.01, "+", "-0.01"),
        (0.01, "+", "+0.01"),
        (None, "", "\N{EN DASH}"),
    ],
)
def test_figures_have_four_digits_that_count(value: float | None, sign: str, text: str) -> None:
    assert number_text(value, sign) == text
