"""Reading `airflow_settings.yaml` into what Airflow's import commands take."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from include.environment.airflow_settings import import_files, main
from trainer.errors import ConfigurationError
from trainer.pipeline import parse_yaml

WHOLE = """
airflow:
  connections:
    - conn_id: smtp_default
      conn_type: smtp
      conn_host: localhost
      conn_schema:
      conn_login: robot
      conn_password: secret
      conn_port: 1025
      conn_extra: {disable_ssl: true, disable_tls: true}
    - {conn_id: aws_default, conn_type: aws}
  pools:
    - {pool_name: gpu, pool_slot: 2, pool_description: graphics cards}
    - {pool_name: plain, pool_slot: 4, pool_description: }
  variables:
    - {variable_name: region, variable_value: eu-west-1}
"""


@pytest.fixture
def settings_file(tmp_path: Path) -> Path:
    file = tmp_path / "airflow_settings.yaml"
    file.write_text(WHOLE)
    return file


def test_every_kind_is_translated(settings_file: Path) -> None:
    files = import_files(parse_yaml(settings_file.read_text(), "airflow_settings.yaml"))
    assert files == {
        "connections": {
            "smtp_default": {
                "conn_type": "smtp",
                "host": "localhost",
                "login": "robot",
                "password": "secret",
                "port": 1025,
                "extra": {"disable_ssl": True, "disable_tls": True},
            },
            "aws_default": {"conn_type": "aws"},
        },
        "pools": {
            "gpu": {"slots": 2, "description": "graphics cards", "include_deferred": False},
            "plain": {"slots": 4, "description": "", "include_deferred": False},
        },
        "variables": {"region": "eu-west-1"},
    }


@pytest.mark.parametrize(
    "settings",
    [{}, {"airflow": None}, {"airflow": {"connections": None, "pools": [], "variables": []}}],
    ids=["empty file", "empty section", "empty kinds"],
)
def test_what_is_empty_needs_no_import(settings: dict[str, object]) -> None:
    assert import_files(settings) == {}


def test_the_shipped_file_is_read_and_holds_no_secret(project: Path) -> None:
    text = (project / "airflow_settings.yaml").read_text()
    assert import_files(parse_yaml(text, "airflow_settings.yaml")) == {}


def test_files_are_written_for_their_owner_alone_and_named_for_the_shell(
    settings_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(str(settings_file), str(tmp_path)) == 0
    assert capsys.readouterr().out.split() == ["connections", "pools", "variables"]
    file = tmp_path / "connections.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert json.loads(file.read_text())["smtp_default"]["password"] == "secret"


def test_an_entry_without_its_name_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("airflow: {pools: [{pool_slot: 2}]}")
    with pytest.raises(ConfigurationError, match=r"settings\.yaml: an entry lacks 'pool_name'"):
        main(str(file), str(tmp_path))


def test_airflow_takes_the_files(settings_file: Path, tmp_path: Path, airflow_home: Path) -> None:
    main(str(settings_file), str(tmp_path))
    airflow = Path(sys.executable).with_name("airflow")
    environment = {**os.environ, "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{tmp_path}/airflow.db"}
    (tmp_path / "airflow.db").write_bytes((airflow_home / "airflow.db").read_bytes())
    done = subprocess.run(
        [airflow, "connections", "import", tmp_path / "connections.json"],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "smtp_default" in done.stdout
