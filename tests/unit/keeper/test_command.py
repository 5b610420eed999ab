"""What `weir keeper` is told: options that contradict each other, and what it tries again."""

import logging
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

from weir.accounts import AccountError
from weir.client import Weir
from weir.keeper.command import _native_price, _policy, command
from weir.keeper.patience import NONE, Patience
from weir.keeper.policy import Options
from weir.keeper.roles import USUAL
from weir.keeper.signals import Signals
from weir.store import StoreError, StoreVersionError

ANVIL, ELSEWHERE = 31337, 8453


def told(*arguments: str) -> Result:
    return CliRunner().invoke(command, ["--rpc", "http://127.0.0.1:1", "--steps", "1", *arguments])


@pytest.fixture(autouse=True)
def _signals_are_the_tests_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Signals, "listen", lambda _: None)


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """A deployment on a chain whose coin is worth something; there is no key."""
    monkeypatch.delenv("WEIR_PRIVATE_KEY", raising=False)
    found = SimpleNamespace(chain=SimpleNamespace(id=ELSEWHERE))
    monkeypatch.setattr(Weir, "load", lambda *_: found)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--role", "post"), "--role post needs --posting"),
        (("--role", "flag", "--posting", "post.json"), "--posting is for --role post"),
        (("--role", "flag", "--min-discount", "0"), "--min-discount is for --role buy"),
    ],
)
def test_options_of_a_role_that_is_not_wanted_are_refused(options: tuple[str, ...], said: str) -> None:
    result = told(*options)
    assert (result.exit_code, said in result.output) == (2, True)


@pytest.mark.usefixtures("elsewhere")
def test_who_spends_real_coins_says_what_they_are_worth() -> None:
    result = told("--execute")
    assert result.exit_code == 2
    assert "--execute needs --native-price USD" in result.output
    for given in (("--execute", "--native-price", "0"), ("--execute", "--native-price", "2500"), ()):
        assert isinstance(told(*given).exception, AccountError), given


def test_on_a_local_chain_gas_need_not_be_weighed(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert _native_price(ANVIL, None, sends=False) == 0
        assert _native_price(ANVIL, 0.0, sends=True) == 0
        assert not caplog.records
        assert _native_price(ANVIL, None, sends=True) == 0
    assert [record.message for record in caplog.records] == [
        "without --native-price gas is not weighed against what it brings"
    ]


def test_little_is_left_alone_though_gas_be_for_nothing() -> None:
    weir: Any = SimpleNamespace(units=lambda usd: int(usd * 10**6), deployment=SimpleNamespace(decimals=6))

    def options(*arguments: str) -> Options:
        told = command.make_context("keeper", ["--native-price", "0", *arguments]).params
        return _policy(weir, USUAL, **{name: told[name] for name in told if name != "roles"})

    assert (options().min_collect, options().min_sale) == (100 * 10**6, 10 * 10**6)
    found = options("--min-collect", "0.5", "--min-sale", "0")
    assert (found.min_collect, found.min_sale) == (500_000, 0)


def test_a_database_that_is_away_is_waited_for_and_one_of_another_version_is_not() -> None:
    failures: list[Exception] = [StoreError("away"), StoreVersionError("tables of version 2")]
    heard: list[str] = []

    def work() -> Any:
        raise failures.pop(0)

    patience = Patience(sleep=lambda _: None, tell=heard.append, retries=True)
    with pytest.raises(StoreVersionError):
        patience.get(work)
    assert not failures
    assert heard == ["not yet: away"]
    failures = [StoreError("away")]
    with pytest.raises(StoreError):
        NONE.get(work)
