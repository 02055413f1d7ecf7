"""Grafana's dashboards as PostgreSQL sees them: each query with its macros and variables replaced."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.world import PROJECT

FOLDER = PROJECT / "include/stack/grafana/dashboards"
ALWAYS = ("2020-01-01T00:00:00Z", "2100-01-01T00:00:00Z")


@dataclass(frozen=True)
class Asked:
    """One query of a dashboard, by the title of its panel or the name of its variable."""

    dashboard: str
    title: str
    database: str
    sql: str
    panel: dict[str, Any]

    def statement(self, values: dict[str, str]) -> str:
        """Return the SQL that Grafana sends: over all times, with these values of variables."""
        text = re.sub(r"\$__timeFilter\((\w+)\)", rf"\1 BETWEEN '{ALWAYS[0]}' AND '{ALWAYS[1]}'", self.sql)
        text = re.sub(r"\$\{(\w+):sqlstring\}", lambda match: "'" + values[match[1]].replace("'", "''") + "'", text)
        assert "$" not in text, text
        return text


def queries(dashboard: str) -> Iterator[Asked]:
    """Return the queries of a dashboard's file: those of its variables, then those of its panels."""
    document = json.loads((FOLDER / f"{dashboard}.json").read_text())
    for variable in document.get("templating", {}).get("list", []):
        yield Asked(dashboard, f"${variable['name']}", variable["datasource"]["uid"], variable["query"], {})
    for panel in document["panels"]:
        for target in panel["targets"]:
            yield Asked(dashboard, panel["title"], target["datasource"]["uid"], target["rawSql"], panel)
