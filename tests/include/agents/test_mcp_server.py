"""The MCP server, asked by the SDK's own client over both transports."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

from include.agents.tools import TOOLS
from tests.include.agents.conftest import TOKEN, Server
from tests.server import free_port, wait_for
from tests.world import PROJECT

BEARER = "a-bearer-token-of-24-characters"
READING = {
    "list_mlflow_experiments", "get_experiment_metrics", "get_training_status", "calculate_training_cost",
    "list_pipelines", "get_decision", "list_versions",
}  # fmt: skip
MODULE = ["-m", "include.agents.mcp_server"]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(PROJECT)}


@pytest.fixture
def http(airflow: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The server over HTTP; its address."""
    monkeypatch.setenv("AGENTS_MCP_TOKEN", BEARER)
    port, log = free_port(), tmp_path / "log"
    with log.open("wb") as output:
        command = [sys.executable, *MODULE, "--http", "--port", str(port)]
        process = subprocess.Popen(command, env=environment(), cwd=tmp_path, stdout=output, stderr=output)
    address = f"http://127.0.0.1:{port}/mcp"

    def answers() -> bool:
        with contextlib.suppress(httpx2.HTTPError):
            return bool(httpx2.get(address).status_code == 401)
        return False

    wait_for(answers, process, log)
    yield address
    process.send_signal(signal.SIGINT)
    assert process.wait(20) in (0, 130)
    text = log.read_text()
    assert "Traceback" not in text
    assert BEARER not in text
    assert TOKEN not in text


async def over_http(address: str, work: Callable[[Any], Coroutine[Any, Any, None]]) -> None:
    async with (
        httpx2.AsyncClient(headers={"Authorization": f"Bearer {BEARER}"}) as logged_in,
        Client(streamable_http_client(address, http_client=logged_in)) as client,
    ):
        await work(client)


async def use(client: Any) -> None:
    """List the tools and call some, as an agent does."""
    tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    assert list(tools) == [tool.name for tool in TOOLS]
    assert {name for name, tool in tools.items() if tool.annotations.read_only_hint} == READING
    destructive = {name for name, tool in tools.items() if tool.annotations.destructive_hint}
    assert destructive == {"request_promotion", "request_rollback"}
    assert all(tool.description and tool.output_schema for tool in tools.values())
    form = tools["trigger_training_job"].input_schema["properties"]
    assert {name: field["default"] for name, field in form.items()} == {
        "model_type": "mnist", "epochs": 3, "lr": 0.001, "batch_size": 64, "gpu_enabled": True,
    }  # fmt: skip
    listed = await client.call_tool("list_pipelines", {})
    assert [one["name"] for one in listed.structured_content["pipelines"]] == ["churn", "mnist"]
    started = await client.call_tool("trigger_training_job", {"epochs": "2"})
    assert started.structured_content["job_name"] == "mnist_training/manual__1"
    refused = await client.call_tool("trigger_training_job", {"epochs": "two"})
    assert refused.is_error
    assert "epochs: expected a number, found 'two'" in refused.content[0].text


def test_an_agent_on_stdio(airflow: Server, tmp_path: Path) -> None:
    async def run() -> None:
        parameters = StdioServerParameters(command=sys.executable, args=MODULE, env=environment(), cwd=str(tmp_path))
        async with Client(parameters) as client:
            await use(client)

    asyncio.run(run())


def test_an_agent_by_http_with_the_token_and_nobody_else(http: str) -> None:
    asyncio.run(over_http(http, use))
    with_token = {"Authorization": f"Bearer {BEARER}"}
    for headers, status in (
        ({}, 401),
        ({"Authorization": f"Bearer {BEARER}x"}, 401),
        ({"Authorization": "Bearer é".encode()}, 401),
        ({**with_token, "Host": "evil.example"}, 421),
        ({**with_token, "Origin": "https://evil.example"}, 403),
    ):
        answer = httpx2.post(http, headers=headers, json={})
        assert answer.status_code == status, (headers, answer.text)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--http", "--port", "0"], "--port: expected a number from 1"), (["--http"], "AGENTS_MCP_TOKEN: at least 24")],
)
def test_a_wrong_setting_ends_it(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from include.agents.mcp_server import main

    monkeypatch.setenv("AGENTS_MCP_TOKEN", BEARER if "--port" in arguments else "")
    assert main(arguments) == 2
    assert message in capsys.readouterr().err
