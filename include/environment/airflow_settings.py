"""Reading `airflow_settings.yaml` (the Astro CLI's format) into files that Airflow's import commands take."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from trainer.errors import ConfigurationError
from trainer.pipeline import parse_yaml, read_text


def import_files(settings: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What `airflow connections|pools|variables import` reads, by command; empty kinds are left out."""
    airflow = settings.get("airflow") or {}
    files = {
        "connections": {item["conn_id"]: _connection(item) for item in airflow.get("connections") or []},
        "pools": {item["pool_name"]: _pool(item) for item in airflow.get("pools") or []},
        "variables": {item["variable_name"]: item["variable_value"] for item in airflow.get("variables") or []},
    }
    return {kind: content for kind, content in files.items() if content}


def _connection(item: dict[str, Any]) -> dict[str, Any]:
    names = ("conn_type", "host", "login", "password", "port", "schema", "extra")
    given = {name: item.get(f"conn_{name.removeprefix('conn_')}") for name in names}
    return {name: value for name, value in given.items() if value not in (None, "")}


def _pool(item: dict[str, Any]) -> dict[str, Any]:
    return {
        "slots": item["pool_slot"],
        "description": item.get("pool_description") or "",
        "include_deferred": bool(item.get("include_deferred", False)),
    }


def main(settings_file: str, folder: str) -> int:
    """Write one JSON file per kind into a folder; prints the kinds, for a shell to loop over."""
    try:
        files = import_files(parse_yaml(read_text(settings_file), settings_file))
    except KeyError as error:
        raise ConfigurationError(f"{settings_file}: an entry lacks {error}") from error
    for kind, content in files.items():
        file = Path(folder) / f"{kind}.json"
        file.touch(mode=0o600)
        file.write_text(json.dumps(content), encoding="utf-8")
        sys.stdout.write(f"{kind}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
