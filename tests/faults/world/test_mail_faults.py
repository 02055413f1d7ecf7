"""A mail server that does not answer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from include.mail.send import on_run_success
from tests.faults.world.checks import connect_mail

if TYPE_CHECKING:
    from tests.faults.world.worlds import Stage


def test_a_mail_server_that_says_nothing_does_not_turn_a_run_red(
    world_after: Stage, airflow_home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    import socket

    world = world_after("accept")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        connect_mail(silent.getsockname()[1], monkeypatch)
        assert on_run_success(world.folder.uri).startswith("not sent: ")
    assert "was not sent" in caplog.text
