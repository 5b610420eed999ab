"""The console command: it serves, goes on without a node, ends when told to, and writes out its files."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from urllib.error import HTTPError

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.unit.monitor.reading import stage_in_use
from weir.cli import main
from weir.monitor.command import FILES

NOWHERE = "http://127.0.0.1:1"
PATIENCE = 300
"""Seconds in which a process must have done its work, or ended."""


@pytest.fixture(autouse=True)
def _signals_stay_the_tests_own() -> Iterator[None]:
    """A monitor that is begun in this process handles them from then on."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@contextmanager
def running(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A monitor without a page as an operator starts it, and where it serves; killed if it does not end."""
    program = "from weir.cli import main; main()"
    options = ("--no-page", "--metrics-port", "0", "--interval", "0.1", *arguments)
    command = [sys.executable, "-c", program, "monitor", *options]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        served = re.search(r"http://127\.0\.0\.1:\d+", line)
        assert served, line + process.communicate()[1]
        yield process, served[0]
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def figures(url: str) -> dict[str, float]:
    with urllib.request.urlopen(f"{url}/metrics") as answer:
        families = text_string_to_metric_families(answer.read().decode())
        return {
            sample.name: sample.value for family in families for sample in family.samples if not sample.labels
        }


def test_it_serves_the_chains_figures_until_it_is_told_to_stop(tmp_path: Path) -> None:
    with stage_in_use() as stage:
        deployment = tmp_path / "deployment.json"
        stage.weir.deployment.save(deployment)
        with running("--rpc", stage.node.url, "--deployment", str(deployment)) as (process, url):
            for _ in range(2):
                block = stage.node.web3.eth.block_number
                deadline = time.monotonic() + PATIENCE
                while figures(url).get("weir_monitor_block_number") != block:
                    assert time.monotonic() < deadline
                    time.sleep(0.05)
                assets = stage.weir.usd(stage.weir.fund_state().assets)
                assert figures(url)["weir_fund_assets_usd"] == float(assets)
                with urllib.request.urlopen(f"{url}/healthz") as answer:
                    assert answer.status == 200
                stage.mint("deployer", 1_000, stage.weir.fund)
                stage.send("deployer", stage.weir.fund.functions.contribute(stage.units(1_000)))
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE) == 0


def test_it_starts_and_stays_without_a_node(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = f"sqlite:///{tmp_path / 'index.sqlite3'}"
    with running("--rpc", NOWHERE, "--store", store) as (process, url):
        deadline = time.monotonic() + PATIENCE
        while figures(url)["weir_monitor_reading_ok"] == 1:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert figures(url)["weir_monitor_rpc_errors_total"] >= 1
        assert "weir_monitor_store_errors_total" in figures(url)
        with pytest.raises(HTTPError, match="503"):
            urllib.request.urlopen(f"{url}/healthz")
        # Another one can't have the same port.
        with pytest.raises(SystemExit) as ended:
            main(["monitor", "--no-page", "--rpc", NOWHERE, "--metrics-port", url.rpartition(":")[2]])
        assert ended.value.code == 1
        assert "Address already in use" in capsys.readouterr().err
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 0


def test_files_are_written_out_as_they_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["monitor", "files", str(tmp_path / "observe")])
    assert ended.value.code == 0
    folder = Path(str(files("weir.monitor") / FILES))
    written = sorted(path.relative_to(tmp_path / "observe") for path in (tmp_path / "observe").rglob("*.*"))
    assert Path("alerts.yml") in written
    assert Path("grafana/weir.json") in written
    assert written == sorted(path.relative_to(folder) for path in folder.rglob("*.*"))
    told = capsys.readouterr().out.splitlines()
    for path in written:
        copy = tmp_path / "observe" / path
        assert copy.read_bytes() == (folder / path).read_bytes()
        assert str(copy) in told


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--rpc", "ftp://somewhere"), "is not the http address of a node"),
        (("--store", "mysql://somewhere/weir"), "only sqlite and postgresql are known"),
        (("--interval", "0"), "--interval"),
    ],
)
def test_bad_input_ends_with_one_line(
    arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["monitor", "--no-page", *arguments])
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
