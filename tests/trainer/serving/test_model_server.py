"""The process of a version is confined like a model that is judged: it answers, and reaches nothing else."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import mlflow
import pytest

from trainer.errors import ModelRefusedError
from trainer.isolated.sandbox import available
from trainer.serving.version_server import new_folder, start_process

SPY = """
import os, socket
from pathlib import Path
import mlflow, pandas as pd

class Spy(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        def allowed(act):
            try:
                act()
            except OSError:
                return False
            return True
        secret = Path(model_input["file"][0])
        found = {"reads": allowed(secret.read_text), "writes": allowed(lambda: secret.with_name("x").write_text("x")),
                 "connects": allowed(socket.socket), "secret": "SPY_SECRET" in os.environ}
        return pd.DataFrame([{"prediction": str(sorted(name for name in found if found[name]))}])

mlflow.models.set_model(Spy())
"""


async def answered(folder: Path, row: dict[str, Any]) -> Any:
    server = await start_process("spy version 1", str(folder), new_folder())
    try:
        body = json.dumps({"dataframe_records": [row]}).encode()
        async with server.asked("/invocations", body, {"content-type": "application/json"}) as response:
            return await response.json()
    finally:
        await server.stop()


@pytest.mark.skipif(not available().is_complete, reason="this kernel cannot confine a process")
def test_a_model_reaches_no_file_no_network_and_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPY_SECRET", "hunter2-hunter2")
    (tmp_path / "spy.py").write_text(SPY, encoding="utf-8")
    (tmp_path / "secret").write_text("a login", encoding="utf-8")
    mlflow.pyfunc.save_model(tmp_path / "model", python_model=str(tmp_path / "spy.py"), pip_requirements=["mlflow"])
    found = asyncio.run(answered(tmp_path / "model", {"file": str(tmp_path / "secret")}))
    assert found == {"predictions": [{"prediction": "[]"}]}
    assert not (tmp_path / "x").exists()


def test_a_folder_that_holds_no_model(tmp_path: Path) -> None:
    with pytest.raises(ModelRefusedError, match="spy version 1 cannot be loaded: .*MLmodel"):
        asyncio.run(answered(tmp_path, {}))
