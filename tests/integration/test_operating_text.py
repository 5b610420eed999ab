"""docs/operating.md without a chain: what it names is there, and copies of a database are whole."""

from __future__ import annotations

import re
import threading
from pathlib import Path

import click
import pytest
import yaml
from sqlalchemy import Column, Integer, MetaData, String, Table, func, insert, select

from tests.databases import KINDS, database
from tests.guide import Guide
from tests.integration.guided import shell
from weir.cli import cli
from weir.operate.plan import Plan
from weir.store import Store
from weir.toolchain import ROOT

GUIDE = Guide("operating")
RULES = ROOT / "weir" / "monitor" / "files" / "alerts.yml"
RUNBOOK = re.compile(r"^### (\w+)\n(.*?)(?=^### |\Z)", re.MULTILINE | re.DOTALL)
copied = Table("copied", MetaData(), Column("id", Integer, primary_key=True), Column("name", String(20)))


def test_what_runs_where_is_what_make_up_runs() -> None:
    places = Plan(Path()).places
    ports = {name: place.split(":")[2].split("/")[0] for name, place in places.items()}
    told = {
        row[0]: row[2]
        for row in GUIDE.table("process", "command", "listens on (loopback only)", "needs", "if it stops")
    }
    assert told["chain"] == ports["rpc"]
    assert told["page"] == ports["page"]
    assert told["monitor's metrics"] == ports["metrics of monitor"]
    assert told["index"] == ports["metrics of index"]
    assert told["keepers"] == f"{ports['metrics of keeper-1']}, {ports['metrics of keeper-2']}, …"


def test_every_alert_has_its_runbook() -> None:
    runbooks = dict(RUNBOOK.findall(GUIDE.section("Alerts")))
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    rules = [rule for group in groups for rule in group["rules"] if "alert" in rule]
    assert set(runbooks) == {rule["alert"] for rule in rules}
    for rule in rules:
        assert rule["annotations"]["runbook"] == f"docs/operating.md#{rule['alert'].lower()}"
    for name, text in runbooks.items():
        assert re.findall(r"\*\*([\w ]+)\*\*:", text) == ["Means", "How bad", "Look", "Do", "Over"], name


def test_the_commands_in_the_text_exist() -> None:
    """With every option that the text gives them; a new process would take seconds for each."""
    known = {}
    for words in map(str.split, re.findall(r"`weir ([^`]+)`", GUIDE.text)):
        command: click.Command = cli
        while isinstance(command, click.Group) and words and not words[0].startswith("-"):
            found = command.get_command(click.Context(command), words[0])
            if found is None:
                break
            command = found
            words.pop(0)
        assert command is not cli, words
        options = {"--help", *(name for each in command.params for name in each.opts)}
        assert {word for word in words if word.startswith("--")} <= options, (command.name, words)
        known[command.name] = command
    assert {"status", "keeper", "schedule"} <= set(known)


@pytest.mark.parametrize("kind", KINDS)
def test_a_copy_of_the_database_is_whole(kind: str, tmp_path: Path) -> None:
    """Made while another writes two rows at a time; it has both of each, and can be put in place."""
    sqlite, postgresql = GUIDE.blocks("The database", "sh")
    with database(kind, tmp_path) as url:
        store = Store.open(url)
        with store.write() as connection:
            copied.create(connection)
        stop = threading.Event()

        def write() -> None:
            while not stop.is_set():
                with store.write() as connection:
                    connection.execute(insert(copied), [{"name": "one"}, {"name": "other"}])

        writer = threading.Thread(target=write)
        writer.start()
        try:
            while not _rows(store):
                pass
            script = sqlite if kind == "sqlite" else postgresql.splitlines()[0]
            shell(script, tmp_path, WEIR_STORE=url)
        finally:
            stop.set()
            writer.join()
        written = _rows(store)
        if kind == "postgresql":
            store.close()
            shell(postgresql.splitlines()[1], tmp_path, WEIR_STORE=url)
        restored = Store.open(url if kind == "postgresql" else f"sqlite:///{tmp_path / 'backup.sqlite3'}")
        assert 0 < _rows(restored) <= written
        assert _rows(restored) % 2 == 0
        restored.close()
        store.close()


def _rows(store: Store) -> int:
    with store.read() as connection:
        return connection.execute(select(func.count()).select_from(copied)).scalar_one()
