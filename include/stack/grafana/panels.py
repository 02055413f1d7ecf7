"""Panels over the views of include/stack/sql, each with one query."""

from __future__ import annotations

from typing import Literal, TypeVar

from grafana_foundation_sdk.builders import common as build_common
from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.builders import stat, table, timeseries
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models import common, dashboard

AnyPanel = TypeVar("AnyPanel", stat.Panel, table.Panel, timeseries.Panel)
Database = Literal["mlflow", "airflow", "studies"]
PLUGIN = "grafana-postgresql-datasource"
GREEN, BLUE, ORANGE, RED, GREY = "green", "blue", "orange", "red", "text"
COLOURS = {
    **dict.fromkeys(("promoted", "registered", "trained", "success", "passed"), GREEN),
    **dict.fromkeys(("kept", "running", "waiting", "no gain"), BLUE),
    **dict.fromkeys(("refused", "late"), ORANGE),
    **dict.fromkeys(("queued", "paused"), GREY),
    **dict.fromkeys(("failed", "import error"), RED),
}
"""The colour of a state or an outcome in every table."""


class Query(Builder[Dataquery], Dataquery):
    """SQL for one of the stack's databases; the SDK has no class for PostgreSQL."""

    def __init__(self, database: Database, sql: str, format_: Literal["table", "time_series"]) -> None:
        self.database = database
        self._json = {
            "datasource": {"type": PLUGIN, "uid": database},
            "editorMode": "code",
            "format": format_,
            "rawQuery": True,
            "rawSql": sql.strip(),
            "refId": "A",
        }

    def build(self) -> Dataquery:
        """Return this query: it is its own builder."""
        return self

    def to_json(self) -> dict[str, object]:
        """Return the target as a panel's JSON holds it."""
        return self._json


def source(database: Database) -> common.DataSourceRef:
    """Return the reference to a data source of datasources.yaml."""
    return common.DataSourceRef(type_val=PLUGIN, uid=database)


def counts(title: str, description: str, database: Database, sql: str) -> stat.Panel:
    """Return a panel with one number for each column of the query's only row."""
    panel = stat.Panel().graph_mode(common.BigValueGraphMode.NONE).color_mode(common.BigValueColorMode.VALUE)
    for name, colour in COLOURS.items():
        panel = panel.override_by_name(name, [_property("color", {"mode": "fixed", "fixedColor": colour})])
    return _with(panel, title, description, Query(database, sql, "table"))


def rows(title: str, description: str, database: Database, sql: str, **units: str) -> table.Panel:
    """Return a table; `units` names the unit of a column, in which `_` stands for a space."""
    panel = table.Panel().cell_height(common.TableCellHeight.SM).mappings([_state_colours()])
    for name in ("outcome", "state", "status", "last state"):
        panel = panel.override_by_name(name, [_property("custom.cellOptions", {"type": "color-text"})])
    for name, unit in units.items():
        panel = panel.override_by_name(name.replace("_", " "), [_property("unit", unit)])
    return _with(panel, title, description, Query(database, sql, "table"))


def lines(title: str, description: str, database: Database, sql: str) -> timeseries.Panel:
    """Return lines over time: the query gives `time` and a number per line, or `time`, `metric` and `value`."""
    panel = timeseries.Panel().show_points(common.VisibilityMode.ALWAYS).span_nulls(True).legend(_legend())  # noqa: FBT003  (the SDK's)
    return _with(panel, title, description, Query(database, sql, "time_series"))


def bars(title: str, description: str, database: Database, sql: str, unit: str) -> timeseries.Panel:
    """Return stacked bars over time, from `time`, `metric` and `value`."""
    panel = (
        timeseries
        .Panel()
        .draw_style(common.GraphDrawStyle.BARS)
        .fill_opacity(70)
        .bar_max_width(40)
        .stacking(build_common.StackingConfig().mode(common.StackingMode.NORMAL))
        .unit(unit)
        .legend(_legend())
    )
    return _with(panel, title, description, Query(database, sql, "time_series"))


def limit_at(panel: timeseries.Panel, value: float) -> timeseries.Panel:
    """Draw a panel's area above a value in red."""
    steps = [dashboard.Threshold(None, "transparent"), dashboard.Threshold(value, RED)]
    style = build_common.GraphThresholdsStyleConfig().mode(common.GraphThresholdsStyleMode.LINE_AND_AREA)
    thresholds = build.ThresholdsConfig().mode(dashboard.ThresholdsMode.ABSOLUTE).steps(steps)
    return panel.thresholds(thresholds).thresholds_style(style)


def variable(name: str, label: str, database: Database, sql: str) -> Builder[dashboard.VariableModel]:
    """Return a variable with the values of a query's only column."""
    return (
        build
        .QueryVariable(name)
        .label(label)
        .datasource(source(database))
        .query(sql.strip())
        .refresh(dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(dashboard.VariableSort.ALPHABETICAL_ASC)
    )


def _legend() -> build_common.VizLegendOptions:
    placed = build_common.VizLegendOptions().placement(common.LegendPlacement.BOTTOM)
    return placed.display_mode(common.LegendDisplayMode.LIST).show_legend(True)  # noqa: FBT003  (the SDK's)


def _with(panel: AnyPanel, title: str, description: str, query: Query) -> AnyPanel:
    return panel.title(title).description(description).datasource(source(query.database)).with_target(query)


def _property(name: str, value: object) -> dashboard.DynamicConfigValue:
    return dashboard.DynamicConfigValue(id_val=name, value=value)


def _state_colours() -> dashboard.ValueMap:
    shown = {name: dashboard.ValueMappingResult(color=colour) for name, colour in COLOURS.items()}
    return dashboard.ValueMap(options=shown)
