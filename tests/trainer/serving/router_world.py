"""A router in a thread, before processes whose answers a test chooses."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests

from trainer.deployment.local_target import LocalTarget
from trainer.errors import ModelRefusedError
from trainer.serving.run_router import listening_on, serve
from trainer.serving.service import Service
from trainer.serving.traffic import Share
from trainer.serving.version_server import VersionServer, new_folder, start_process

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
        files = str(self.home / "models" / version)
        return await start_process(f"{model} version {version}", files, new_folder(), SCRIPT)

    def open(self) -> None:
        """Start a router, as `trainer serve` does, and wait until it answers."""
        ready = threading.Event()

        def on_ready(url: str, stop: Callable[[], None]) -> None:
            self.url, self._stop = url, stop
            ready.set()

        def run() -> None:
            with listening_on(0) as listening:
                asyncio.run(serve(self.service, self.folder, listening, on_ready))

        self.service = Service(self.model, self.folder, start=self.start, keep_exposures=self._keep)
        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()
        while not ready.wait(0.01):
            assert self._thread.is_alive(), "the router did not start"

    def _keep(self, exposures: Any) -> None:
        from trainer.experiments.store import ExperimentStore

        ExperimentStore(f"sqlite:///{self.home}/experiments.db").add_exposures(exposures)

    def close(self) -> None:
        self._stop()
        self._thread.join(30)
        assert not self._thread.is_alive()

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
