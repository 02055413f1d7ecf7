"""A router in a thread, before processes whose answers a test chooses."""

from __future__ import annotations

import asyncio
import json
import socket
import tempfile
import threading
from pathlib import Path
from typing import Any

import requests
import uvicorn

from trainer.deployment.local_target import LocalTarget
from trainer.errors import ModelRefusedError
from trainer.serving.metrics import Metrics
from trainer.serving.router import application
from trainer.serving.service import Service
from trainer.serving.state import ADDRESS_FILE, new_address, write
from trainer.serving.traffic import Share
from trainer.serving.version_server import VersionServer, start_process

MODEL = "churn"
DIGEST = "d" * 64
SCRIPT = str(Path(__file__).with_name("stand_in.py"))


class RouterWorld:
    """The router of a model; `behaves` says what a version answers from the next request on."""

    def __init__(self, home: Path, model: str = MODEL, digest: str = DIGEST) -> None:
        self.home, self.folder, self.model, self.digest = home, home / model, model, digest
        self.starts: list[str] = []
        self.target = LocalTarget(str(home), model)

    def behaves(self, version: str, **behaviour: Any) -> None:
        folder = self.home / "models" / version
        folder.mkdir(parents=True, exist_ok=True)
        temporary = folder / "new"
        temporary.write_text(json.dumps({"prediction": version, **behaviour}))
        temporary.replace(folder / "behaviour.json")

    async def start(self, model: str, version: str, digest: str) -> VersionServer:
        self.starts.append(version)
        if digest != self.digest:
            raise ModelRefusedError(f"{model} version {version}: its files are others")
        folder = Path(tempfile.mkdtemp(prefix="serving-"))
        return await start_process(f"{model} version {version}", str(self.home / "models" / version), folder, SCRIPT)

    def open(self) -> None:
        self.service = Service(self.model, self.folder, start=self.start)
        address = new_address("")
        app = application(self.service, Metrics(self.model), address.token)
        self._listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._listening.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self._server = uvicorn.Server(uvicorn.Config(app, access_log=False, log_config=None))
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._server.serve(sockets=[self._listening])), daemon=True
        )
        self._thread.start()
        while not self._server.started:
            assert self._thread.is_alive(), "the router did not start"
            self._thread.join(0.01)
        write(self.folder, ADDRESS_FILE, address.model_copy(update={"url": self.url}))

    def close(self) -> None:
        self._server.should_exit = True
        self._thread.join(30)
        assert not self._thread.is_alive()
        self._listening.close()

    def serves(self, *parts: tuple[str, float]) -> None:
        """Start versions and give them parts of the traffic."""
        for version, _ in parts:
            if not (self.home / "models" / version).exists():
                self.behaves(version)
            self.target.start(version, self.digest)
        shares = [Share(version=version, percent=percent) for version, percent in parts if percent]
        self.target.divide(shares, self.target.state().revision)

    def ask(self, unit: str | None = None, body: str = '{"rows": 1}', **options: Any) -> requests.Response:
        headers = {"content-type": "application/json"} | ({} if unit is None else {"x-unit-id": unit})
        return requests.post(f"{self.url}/invocations", data=body, headers=headers, timeout=60, **options)
