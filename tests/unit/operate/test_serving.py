"""What a process tells of itself, on loopback alone."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from http.client import HTTPConnection

import click
import pytest
from click.testing import CliRunner
from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.parser import text_string_to_metric_families

from weir.cli import cli
from weir.serving import HOST, LAST, Health, ServingError, port_option, serve


def ask(port: int, path: str) -> tuple[int, str]:
    connection = HTTPConnection(HOST, port, timeout=60)
    connection.request("GET", path)
    answer = connection.getresponse()
    found = answer.status, answer.read().decode()
    connection.close()
    return found


def test_metrics_are_those_of_the_registry() -> None:
    registry = CollectorRegistry()
    Gauge("weir_trial_blocks", "Blocks seen.", registry=registry).set(7)
    with serve(0, registry, lambda: Health(True)) as port:
        status, text = ask(port, "/metrics")
    (family,) = text_string_to_metric_families(text)
    assert status == 200
    assert (family.name, family.documentation, family.samples[0].value) == (
        "weir_trial_blocks",
        "Blocks seen.",
        7,
    )


def test_health_is_asked_anew_each_time() -> None:
    state = [Health(True, facts={"block": 12}), Health(False, "no node answers")]
    with serve(0, CollectorRegistry(), lambda: state.pop(0)) as port:
        assert ask(port, "/healthz") == (200, '{"healthy": true, "reason": "ok", "block": 12}')
        assert ask(port, "/healthz") == (503, '{"healthy": false, "reason": "no node answers"}')


def test_nothing_else_is_there() -> None:
    with serve(0, CollectorRegistry(), lambda: Health(True)) as port:
        assert ask(port, "/")[0] == 404


def test_it_listens_on_loopback_alone_and_ends_with_its_context() -> None:
    with serve(0, CollectorRegistry(), lambda: Health(True)) as port:
        with socket.socket() as other, pytest.raises(ConnectionRefusedError):
            other.connect(("127.0.0.2", port))
        assert ask(port, "/healthz")[0] == 200
    with pytest.raises(ConnectionRefusedError):
        ask(port, "/healthz")


@pytest.mark.parametrize("port", [70_000, None])
def test_a_port_that_can_not_be_had_is_told(port: int | None) -> None:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        wanted = port or taken.getsockname()[1]
        with (
            pytest.raises(ServingError, match=f"port {wanted}: "),
            serve(wanted, CollectorRegistry(), lambda: Health(True)),
        ):
            pass


@click.command()
@port_option("--port", "Listen on this port", 8600)
@port_option("--pages", "Listen on this port", fixed=True, more=6)
def listen(port: int, pages: int | None) -> None:
    """Listen."""
    click.echo(f"{port} {pages}")


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ((), "8600 None"),
        (("--port", "0", "--pages", "1024"), "0 1024"),
        (("--port", "65535", "--pages", "65529"), "65535 65529"),
        (("--port", "65536"), None),
        # Others have to know it, it needs no rights, and those that follow it are there.
        (("--pages", "0"), None),
        (("--pages", "1023"), None),
        (("--pages", "65530"), None),
    ],
)
def test_a_port_is_one_that_can_be_listened_on(given: tuple[str, ...], found: str | None) -> None:
    result = CliRunner().invoke(listen, given)
    assert result.exit_code == (2 if found is None else 0)
    assert found is None or result.output.strip() == found


def test_every_port_of_a_command_is_declared_in_one_way() -> None:
    root = click.Context(cli)
    commands = [each for name in cli.list_commands(root) for each in _leaves(cli.get_command(root, name))]
    ports = [
        option
        for command in commands
        for option in command.params
        if isinstance(option.type, click.IntRange) and 65_000 < (option.type.max or 0) <= LAST
    ]
    assert {"port", "metrics_port", "pages", "stay"} == {option.name for option in ports}
    assert {option.metavar for option in ports} == {"PORT"}


def _leaves(command: click.Command | None) -> Iterator[click.Command]:
    assert command is not None
    yield command
    if isinstance(command, click.Group):
        for each in command.commands.values():
            yield from _leaves(each)
