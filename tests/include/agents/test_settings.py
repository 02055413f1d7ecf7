"""Settings that are wrong are refused by the name of their variable, and without their secret."""

from __future__ import annotations

import pytest

from include.agents.errors import ToolError
from include.agents.settings import read_mcp_token, read_settings


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("AIRFLOW_URL", "ftp://host", "AGENTS_AIRFLOW_URL: expected http"),
        ("AIRFLOW_URL", "http://", "AGENTS_AIRFLOW_URL: expected http"),
        ("AIRFLOW_URL", "http://host:port", "AGENTS_AIRFLOW_URL: this is not an address"),
        ("MLFLOW_URL", "https://ann:pa55@host", "AGENTS_MLFLOW_URL: an address has no login; set AGENTS_MLFLOW_TOKEN"),
        ("MLFLOW_PASSWORD", "pa55", "AGENTS_MLFLOW_USERNAME and AGENTS_MLFLOW_PASSWORD: set both"),
        ("AIRFLOW_TOKEN", "pa55 with spaces", "AGENTS_AIRFLOW_TOKEN: a token has the characters"),
        ("TIMEOUT_SECONDS", "soon", "AGENTS_TIMEOUT_SECONDS: expected a number from 0.1 to 600"),
        ("TIMEOUT_SECONDS", "inf", "AGENTS_TIMEOUT_SECONDS: expected a number from 0.1 to 600"),
        ("MCP_TOKEN", "pa55", "AGENTS_MCP_TOKEN: at least 24 characters"),
    ],
)
def test_a_wrong_setting_is_refused(name: str, value: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"AGENTS_{name}", value)
    with pytest.raises(ToolError, match=message) as error:
        read_mcp_token() if name == "MCP_TOKEN" else read_settings()
    assert "pa55" not in str(error.value)


def test_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTS_AIRFLOW_TOKEN", "pa55")
    settings = read_settings()
    assert settings.secrets == ("pa55",)
    assert "pa55" not in repr(settings)
