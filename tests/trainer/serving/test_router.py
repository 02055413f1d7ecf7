"""The router: no request is lost, whatever becomes of a version; and changes are for who bears the token."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.trainer.serving.router_world import DIGEST, RouterWorld
from trainer.errors import ConfigurationError, ModelRefusedError, TrainerError
from trainer.serving import passing
from trainer.serving import router as router_module
from trainer.serving.state import STATE_FILE, ServingState, read
from trainer.serving.traffic import Share


def answered_by(world: RouterWorld, requests_: int = 40) -> Counter[str]:
    """The versions that answered; each answer has to be whole."""
    versions: Counter[str] = Counter()
    for number in range(requests_):
        response = world.ask(f"unit {number}")
        assert response.status_code == 200, response.text
        version = response.headers["x-model-version"]
        assert response.json()["predictions"][0]["prediction"] == version
        versions[version] += 1
    return versions


def test_requests_go_to_each_version_and_are_counted(router: RouterWorld) -> None:
    router.serves(("1", 50), ("2", 50))
    counts = answered_by(router)
    assert {*counts} == {"1", "2"}
    seen = router.target.observations("2")
    assert (seen.answered, seen.failed, len(seen.milliseconds), {*seen.labels}) == (counts["2"], 0, counts["2"], {"2"})
    metrics = requests.get(f"{router.url}/metrics", timeout=10).text
    assert f'router_requests_total{{model="churn",outcome="answered",version="2"}} {counts["2"]}.0' in metrics
    assert 'router_traffic_percent{model="churn",version="2"} 50.0' in metrics


def test_a_request_that_the_new_version_fails_is_answered_by_the_one_in_service(router: RouterWorld) -> None:
    router.serves(("1", 50), ("2", 50))
    router.behaves("2", status=500)
    assert answered_by(router) == {"1": 40}
    seen = router.target.observations("2")
    assert (seen.answered, seen.failed > 5) == (0, True)


def test_a_new_version_whose_process_ends_costs_no_request_and_is_not_started_again(router: RouterWorld) -> None:
    router.serves(("1", 50), ("2", 50))
    router.behaves("2", ends=True)
    assert answered_by(router) == {"1": 40}
    assert router.target.state().running == {"1": True, "2": False}
    assert router.starts == ["1", "2"]
    assert "version 2 is gone" in router.target.observations("2").last_failure


def test_a_new_version_that_is_too_slow(router: RouterWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passing, "SECONDS_FOR_AN_ANSWER", 0.1)
    router.serves(("1", 50), ("2", 50))
    router.behaves("2", seconds=0.5)
    assert answered_by(router, 10) == {"1": 10}
    assert "has not answered within 0.1 s" in router.target.observations("2").last_failure


def test_the_version_in_service_is_started_again_and_its_requests_wait(router: RouterWorld) -> None:
    router.serves(("1", 100))
    process = router.service.servers["1"].process
    os.kill(process.pid, signal.SIGKILL)
    assert answered_by(router, 3) == {"1": 3}
    assert router.starts == ["1", "1"]
    assert requests.get(f"{router.url}/health", timeout=10).status_code == 200


def test_a_request_that_is_refused_is_the_requests_fault(router: RouterWorld) -> None:
    router.serves(("1", 50), ("2", 50))
    for version in "12":
        router.behaves(version, status=400)
    assert {router.ask(f"unit {number}").status_code for number in range(20)} == {400}
    seen = router.target.observations("2")
    assert (seen.failed, seen.counted, seen.refused > 3) == (0, 0, True)


def test_no_request_fails_while_the_traffic_moves_to_and_fro_and_versions_end(router: RouterWorld) -> None:
    router.serves(("1", 100))
    stop, statuses = threading.Event(), Counter[int]()

    def load() -> None:
        while not stop.is_set():
            statuses[router.ask().status_code] += 1

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        router.serves(("1", 90), ("2", 10))
        router.serves(("2", 100))
        router.target.remove("1")
        router.serves(("2", 50), ("1", 50))
        router.serves(("1", 100))
        router.target.remove("2")
    stop.set()
    for thread in threads:
        thread.join()
    assert {*statuses} == {200}
    assert statuses[200] > 100


def test_before_a_version_is_deployed(router: RouterWorld) -> None:
    response = router.ask()
    assert response.status_code == 503
    assert response.json()["message"] == "no version of churn has traffic yet; deploy one"
    assert requests.get(f"{router.url}/health", timeout=10).status_code == 503


def test_a_router_that_is_started_again_goes_on_with_what_it_served(router: RouterWorld) -> None:
    router.serves(("1", 90), ("2", 10))
    units = {f"unit {number}": router.ask(f"unit {number}").headers["x-model-version"] for number in range(30)}
    router.close()
    router.open()
    assert {unit: router.ask(unit).headers["x-model-version"] for unit in units} == units
    state = read(router.folder, STATE_FILE, ServingState)
    assert state is not None
    assert [(share.version, share.percent) for share in state.split.shares] == [("1", 90), ("2", 10)]
    assert Path(router.folder, STATE_FILE).stat().st_mode & 0o077 == 0


def test_changes_that_are_refused(router: RouterWorld) -> None:
    router.serves(("1", 100))
    target, revision = router.target, router.target.state().revision
    with pytest.raises(ConfigurationError, match="version 2 does not run, so it can get no traffic"):
        target.divide([Share(version="2", percent=100)], revision)
    with pytest.raises(ConfigurationError, match="version 1 gets 100 % of the traffic; give that to another first"):
        target.remove("1")
    with pytest.raises(ConfigurationError, match="runs with files of another digest"):
        target.start("1", "e" * 64)
    with pytest.raises(ModelRefusedError, match="its files are others"):
        target.start("3", "e" * 64)
    router.behaves("4", cannot_load=True)
    with pytest.raises(ModelRefusedError, match="cannot be loaded: ValueError: this stand-in cannot be loaded"):
        target.start("4", DIGEST)
    assert answered_by(router, 2) == {"1": 2}
    assert target.state().running == {"1": True}


def test_a_change_that_is_based_on_an_earlier_state(router: RouterWorld) -> None:
    router.serves(("1", 100), ("2", 0))
    revision = router.target.state().revision
    router.target.divide([Share(version="2", percent=100)], revision)
    router.target.divide([Share(version="2", percent=100)], revision)  # again, as after a kill: nothing changes
    with pytest.raises(TrainerError, match="what is served was changed meanwhile"):
        router.target.divide([Share(version="1", percent=100)], revision)
    assert answered_by(router, 2) == {"2": 2}


def test_what_cannot_be_read_and_who_may_not_ask(router: RouterWorld) -> None:
    router.serves(("1", 100))
    assert requests.get(f"{router.url}/deployment", timeout=10).status_code == 401
    wrong = requests.put(
        f"{router.url}/deployment/split",
        json={"shares": [], "revision": 1},
        headers={"authorization": "Bearer no"},
        timeout=10,
    )
    assert (wrong.status_code, wrong.json()["message"]) == (401, "this needs the router's token")
    assert requests.get(f"{router.url}/health", headers={"host": "attacker.example"}, timeout=10).status_code == 400
    token = {"authorization": f"Bearer {router.target._router().token}"}
    bad = requests.put(f"{router.url}/deployment/split", data="[1", headers=token, timeout=10)
    assert (bad.status_code, bad.json()["message"][:26]) == (400, "the request cannot be read")
    odd: Any = {"shares": [{"version": "1", "percent": 60}], "revision": 0}
    split = requests.put(f"{router.url}/deployment/split", json=odd, headers=token, timeout=10)
    assert (split.status_code, "add up to 60" in split.text) == (400, True)


def test_a_request_that_is_too_large(router: RouterWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(router_module, "MOST_BYTES", 100)
    router.serves(("1", 100))
    assert router.ask(body='{"rows": 1}' + " " * 100).status_code == 413


def test_answers_of_many_rows_count_as_some(router: RouterWorld) -> None:
    router.serves(("1", 50), ("2", 50))
    for version in "12":
        router.behaves(version, probability=0.25)
    for number in range(10):
        router.ask(f"unit {number}", body='{"rows": 1000}')
    seen = [router.target.observations(version) for version in "12"]
    assert {*seen[0].numbers, *seen[1].numbers} == {0.25}
    assert sum(len(one.numbers) for one in seen) == 10 * 100


def test_processes_end_with_their_router(router: RouterWorld) -> None:
    router.serves(("1", 90), ("2", 10))
    servers = list(router.service.servers.values())
    router.close()
    assert not any(server.is_running or server.folder.exists() for server in servers)
    router.open()


def test_a_request_that_is_being_answered_ends_before_its_version_does(router: RouterWorld) -> None:
    router.serves(("1", 100), ("2", 0))
    router.behaves("1", seconds=0.5)
    found = list[int]()
    asking = threading.Thread(target=lambda: found.append(router.ask().status_code))
    asking.start()
    while not router.service.servers["1"].in_flight:
        time.sleep(0.01)
    router.serves(("2", 100))
    router.target.remove("1")
    asking.join()
    assert found == [200]
