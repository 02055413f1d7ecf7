"""The dashboards' files are what the code builds, and ask data sources that there are."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml

from include.stack.grafana.dashboards import DASHBOARDS, FOLDER, text_of
from tests.stack.grafana import Asked, queries
from tests.world import PROJECT

GRAFANA = PROJECT / "include/stack/grafana"
ASKED = [asked for name in DASHBOARDS for asked in queries(name)]


def titles(asked: Asked) -> str:
    return f"{asked.dashboard}: {asked.title}"


@pytest.mark.parametrize("name", DASHBOARDS)
def test_a_file_is_what_the_code_builds(name: str) -> None:
    assert (FOLDER / f"{name}.json").read_text() == text_of(name), "make dashboards"


def test_there_are_no_other_files() -> None:
    assert {file.stem for file in FOLDER.iterdir()} == {*DASHBOARDS}


@pytest.mark.parametrize("asked", ASKED, ids=titles)
def test_a_query_asks_a_data_source_of_the_stack(asked: Asked) -> None:
    sources = yaml.safe_load((GRAFANA / "datasources.yaml").read_text())["datasources"]
    assert asked.database in {source["uid"] for source in sources}


@pytest.mark.parametrize("asked", ASKED, ids=titles)
def test_a_query_uses_variables_of_its_dashboard_as_quoted_strings(asked: Asked) -> None:
    own = {other.title.removeprefix("$") for other in queries(asked.dashboard) if not other.panel}
    used = re.findall(r"\$\{?(\w+)(:\w+)?", re.sub(r"\$__\w+", "", asked.sql))
    assert all(name in own and form == ":sqlstring" for name, form in used)


@pytest.mark.parametrize("asked", [asked for asked in ASKED if asked.panel], ids=titles)
def test_a_panel_explains_itself_and_is_placed(asked: Asked) -> None:
    panel: dict[str, Any] = asked.panel
    assert panel["title"]
    assert panel["description"].endswith(".")
    assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24


@pytest.mark.parametrize("name", DASHBOARDS)
def test_panels_do_not_overlap(name: str) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads((FOLDER / f"{name}.json").read_text())["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken
        taken |= cells


def test_grafana_finds_the_files_where_compose_mounts_them() -> None:
    provider = yaml.safe_load((GRAFANA / "provider.yaml").read_text())["providers"][0]
    compose = yaml.safe_load((PROJECT / "docker-compose.yaml").read_text())
    assert (
        f"./include/stack/grafana/dashboards:{provider['options']['path']}:ro"
        in compose["services"]["grafana"]["volumes"]
    )
