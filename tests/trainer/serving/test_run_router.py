"""A router that cannot start says why."""

from __future__ import annotations

import fcntl
import re
import socket
from pathlib import Path

import pytest

from trainer.errors import ConfigurationError
from trainer.serving.run_router import run_router
from trainer.serving.service import Service
from trainer.serving.state import STATE_FILE, ServingState, write


def start(folder: Path, port: int = 0) -> None:
    run_router("churn", folder, port, lambda url: pytest.fail(f"it serves at {url}"))


def test_a_port_that_is_in_use(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(
            ConfigurationError, match=f"port {port} of 127.0.0.1 is not to be had: Address already in use"
        ):
            start(tmp_path, port)


def test_another_router_serves_from_the_folder(tmp_path: Path) -> None:
    with (tmp_path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(ConfigurationError, match=re.escape(f"another router serves from {tmp_path}; end it first")):
            start(tmp_path)


def test_a_state_that_is_damaged_or_of_another_model(tmp_path: Path) -> None:
    write(tmp_path, STATE_FILE, ServingState(model="other"))
    with pytest.raises(ConfigurationError, match="is of the model other, not of churn"):
        Service("churn", tmp_path)
    (tmp_path / STATE_FILE).write_text("[")
    with pytest.raises(ConfigurationError, match=r"state\.json cannot be read: .*deploy the version again"):
        Service("churn", tmp_path)
