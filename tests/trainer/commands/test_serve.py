"""`trainer serve`, `deploy` and `deployment status` as a person runs them, with the model itself."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import psutil
import pytest
import requests

from tests.trainer.steps.conftest import Runs, _copied, accepted_home, scoring_home, session_churn, trained_home  # noqa: F401
from tests.trainer.steps.deployments import with_deployment
from trainer.__main__ import main
from trainer.pipeline import Pipeline


class Router:
    """A router in a process of its own, and what it has said."""

    def __init__(self, config: Path, log: Path) -> None:
        self.config = str(config)
        with log.open("wb") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "trainer", "serve", "--config", self.config, "--port", "0"],
                stdout=subprocess.PIPE, stderr=errors, text=True,
            )  # fmt: skip
        assert self.process.stdout
        self.said = _until_ready(self.process.stdout, log)
        self.url, self.example = re.findall(r"curl (\S+) .* -d '(.*)'", self.said)[0]

    def ask(self, body: str) -> requests.Response:
        return requests.post(self.url, data=body, headers={"content-type": "application/json"}, timeout=60)


def _until_ready(output: IO[str], log: Path) -> str:
    said = ""
    while "curl" not in said:
        line = output.readline()
        assert line, log.read_text()
        said += line
    return said


@pytest.fixture
def router(
    scoring_home: Path,  # noqa: F811
    tmp_path: Path,
    standing_in: Any,
    session_churn: Pipeline,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Router]:
    with standing_in(_copied(scoring_home, tmp_path)):
        monkeypatch.setenv("TRAINER_SERVING", f"local://{tmp_path}/serving")
        (tmp_path / "churn.yaml").write_text(with_deployment(session_churn).to_yaml(), encoding="utf-8")
        found = Router(tmp_path / "churn.yaml", tmp_path / "log")
        yield found
        found.process.kill()
        found.process.wait()
        found.process.stdout.close()  # type: ignore[union-attr]


def test_a_promoted_version_answers_and_is_deployed_again_and_all_ends_with_the_router(
    router: Router, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = router.ask(router.example)
    assert answer.status_code == 200, answer.text
    assert {*answer.json()["predictions"][0]} == {"prediction", "probability"}
    lacking = json.loads(router.example)["dataframe_split"]
    refused = router.ask(
        json.dumps({"dataframe_split": {"columns": lacking["columns"][1:], "data": [lacking["data"][0][1:]]}})
    )
    assert (refused.status_code, f"Model is missing inputs ['{lacking['columns'][0]}']" in refused.text) == (400, True)

    run = str(tmp_path / "runs" / "churn" / "deployment-1")
    assert main(["deploy", "--config", router.config, "--version", "1", "--run", run]) == 0
    assert "Canary: 100 % of the traffic: no other version was in service" in capsys.readouterr().out
    assert main(["deployment", "status", "--config", router.config, "--json"]) == 0
    (version,) = json.loads(capsys.readouterr().out)["versions"]
    assert (version["version"], version["percent"], version["answered"], version["refused"]) == ("1", 100, 1, 1)

    assert main(["serve", "--config", router.config, "--port", "0"]) == 2  # another one would serve the same folder
    servers = psutil.Process(router.process.pid).children(recursive=True)
    assert servers
    router.process.kill()
    router.process.wait()
    gone, alive = psutil.wait_procs(servers, timeout=20)
    assert (len(gone) > 0, alive) == (True, [])
    assert main(["deployment", "status", "--config", router.config]) == 1

    again = Router(Path(router.config), tmp_path / "log")  # it goes on with what it served
    assert again.ask(router.example).status_code == 200
    again.process.send_signal(signal.SIGTERM)
    assert again.process.wait(60) == 0
    again.process.stdout.close()  # type: ignore[union-attr]
    owners = {str(router.process.pid), str(again.process.pid)}
    assert not [path for path in Path(tempfile.gettempdir()).glob("serving-*") if path.name.split("-")[1] in owners]
