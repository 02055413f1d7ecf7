"""How addresses and figures are written on pages."""

from __future__ import annotations

import pytest

from trainer.reports.page import address, can_be_opened


@pytest.mark.parametrize(
    ("uri", "shown", "opened"),
    [
        ("https://data.org/churn.csv", "https://data.org/churn.csv", True),
        ("file:///data/churn.csv", "file:///data/churn.csv", True),
        ("s3://bucket/churn.csv", "s3://bucket/churn.csv", False),
        ("https://me:secret@data.org/churn.csv", "https://***@data.org/churn.csv", False),
        ("https://data.org/churn.csv?X-Amz-Signature=secret", "https://data.org/churn.csv?***", False),
        ("sample://telco?rows=7043", "sample://telco?rows=7043", False),
        ("javascript:alert(1)", "javascript:alert(1)", False),
    ],
)
def test_addresses_hide_secrets_and_only_some_are_links(uri: str, shown: str, opened: bool) -> None:
    assert address(uri) == shown
    assert can_be_opened(uri) is opened
