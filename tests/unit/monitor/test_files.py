"""What Prometheus and Grafana load: valid, every alert tried, every name one that exists."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard
from prometheus_client import CollectorRegistry

from weir.index.running import Runner as IndexRunner
from weir.keeper.metrics import Metrics as KeeperMetrics
from weir.monitor.command import FILES
from weir.monitor.metrics import registry
from weir.monitor.watch import Watcher
from weir.operate.plan import Plan

ROOT = Path(__file__).parents[3]
HERE = Path(__file__).parent
FOLDER = Path(str(files("weir.monitor") / FILES))
ALERTS, DASHBOARD = FOLDER / "alerts.yml", FOLDER / "grafana" / "weir.json"

NAMES = {
    *("WeirFundBelowTarget", "WeirIdentitySlackGrowing", "WeirIdentityBroken", "WeirOracleStale"),
    *("WeirKeeperBehind", "WeirKeeperShortOfMargin", "WeirKeeperBalanceLow", "WeirDefaultOpenTooLong"),
    *("WeirReserveDepeg", "WeirTrancheGateClosed", "WeirRpcFailing", "WeirIndexBehind"),
}


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panels() -> Iterator[dict[str, Any]]:
    for panel in json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]:
        if panel["type"] != "row":
            yield panel


def expressions() -> list[str]:
    return [target["expr"] for panel in panels() for target in panel["targets"]]


# ------------------------------------------------------------------------- the alerts


def test_every_alert_is_there_and_says_what_to_do() -> None:
    assert {rule["alert"] for rule in rules()} == NAMES
    headings = re.findall(r"^#+ (\w+)$", (ROOT / "docs" / "operating.md").read_text("utf-8"), re.MULTILINE)
    for rule in rules():
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert re.fullmatch(r"\d+[ms]", rule["for"])
        assert {*rule["annotations"]} == {"summary", "description", "runbook"}
        assert rule["annotations"]["runbook"] == f"docs/operating.md#{rule['alert'].lower()}"
        assert rule["alert"] in headings


def test_alerts_wait_and_speak_of_what_they_have_seen() -> None:
    """Values or labels in each summary, but for the one about a monitor of which there may be nothing."""
    for rule in rules():
        assert "{{" in rule["annotations"]["summary"], rule["alert"]


# --------------------------------------------------------------------------- promtool


@pytest.fixture(scope="module")
def promtool() -> str:
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("promtool is not installed; it comes with Prometheus")
    return found


def run(*command: str | Path) -> None:
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_prometheus_takes_its_configuration_and_the_rules(promtool: str) -> None:
    run(promtool, "check", "config", FOLDER / "prometheus.yml")
    run(promtool, "check", "rules", ALERTS)


def test_prometheus_looks_at_what_up_runs() -> None:
    jobs = yaml.safe_load((FOLDER / "prometheus.yml").read_text(encoding="utf-8"))["scrape_configs"]
    targets = {target for job in jobs for each in job["static_configs"] for target in each["targets"]}
    places = Plan(Path()).places
    assert targets == {urlsplit(at).netloc for name, at in places.items() if name.startswith("metrics of ")}


def test_every_alert_fires_when_it_should_and_only_then(promtool: str) -> None:
    run(promtool, "test", "rules", HERE / "alerts_test.yml")


def test_every_alert_is_tried_both_ways() -> None:
    tried = yaml.safe_load((HERE / "alerts_test.yml").read_text(encoding="utf-8"))["tests"]
    firing, quiet = set(), set()
    for test in tried:
        for attempt in test["alert_rule_test"]:
            expected = [alert["exp_labels"] for alert in attempt.get("exp_alerts") or ()]
            firing |= {_kind(attempt["alertname"], labels) for labels in expected}
            if not expected:
                quiet.add(attempt["alertname"])
    assert firing == {_kind(rule["alert"], rule["labels"]) for rule in rules()}
    assert quiet == NAMES


def _kind(name: str, labels: dict[str, str]) -> tuple[str, str, str | None]:
    return name, labels["severity"], labels.get("cause")


def test_prometheus_takes_every_expression_of_the_dashboard(promtool: str, tmp_path: Path) -> None:
    records = [
        {"record": f"panel:{number}", "expr": expression.replace("$market", "BTC")}
        for number, expression in enumerate(expressions())
    ]
    wrapped = {"groups": [{"name": "dashboard", "rules": records}]}
    file = tmp_path / "dashboard.yml"
    file.write_text(yaml.safe_dump(wrapped), encoding="utf-8")
    run(promtool, "check", "rules", file)


# ---------------------------------------------------------------------- the dashboard


def test_grafanas_own_models_read_the_dashboard_and_lose_nothing() -> None:
    register_default_plugins()
    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    read = Dashboard.from_json(dashboard)
    assert read.title == "Weir"
    assert json.loads(json.dumps(read, cls=JSONEncoder)) == dashboard


def test_every_panel_is_explained_measured_and_from_the_chosen_source() -> None:
    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    variable = dashboard["templating"]["list"][0]
    assert (variable["type"], variable["name"], variable["query"]) == (
        "datasource",
        "datasource",
        "prometheus",
    )
    for panel in panels():
        assert panel["title"]
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
        for source in (panel, *panel["targets"]):
            assert source["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len({*ids})


def test_panels_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells


# --------------------------------------------------------------------------- the names


def test_every_metric_is_looked_at_and_every_one_looked_at_exists() -> None:
    """By an alert or on a panel: one that nobody looks at is dead."""
    exist = _names(registry(Watcher(lambda: cast(Any, None), lambda: cast(Any, None))))
    exist |= _names(KeeperMetrics(1.0).registry)
    exist |= _names(IndexRunner(lambda: cast(Any, None), 1.0).registry)
    used = {
        name
        for expression in [*expressions(), *(rule["expr"] for rule in rules())]
        for name in re.findall(r"\bweir_\w+", expression)
    }
    assert len(used) > 50
    assert used - exist == set()
    assert exist - used == set()


def _names(found: CollectorRegistry) -> set[str]:
    """As they are scraped: counters with their ending."""
    return {f"{family.name}_total" if family.type == "counter" else family.name for family in found.collect()}
