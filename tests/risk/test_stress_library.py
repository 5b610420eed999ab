"""Scenarios: that the built-in ones are what their sources say, and what a user's file may be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from weir.risk.errors import RiskError
from weir.risk.stress.library import Scenario, apply, library, load_scenarios

# Prices before and at the worst, USD, as the scenario's sources have them (its file names them).
PRICES = [
    ("mt-gox-crash", "BTC", 266, 105),  # press
    ("mt-gox-halt", "BTC", 692, 500),  # Reuters, 10 February 2014
    ("slump-2015", "BTC", 269.70, 198.59),  # closes
    ("dao", "ETH", 20.99, 11.64),  # closes
    ("dao", "BTC", 740.35, 751.99),
    ("gdax-flash-crash", "ETH", 317.81, 224.48),  # GDAX's own report
    ("christmas-2017", "BTC", 16_519, 11_427.24),  # Coinbase's prices
    ("christmas-2017", "ETH", 826, 541.05),
    ("christmas-2017", "LTC", 316, 186.34),
    ("christmas-2017", "BCH", 3_427, 1_870.50),
    ("january-2018", "BTC", 13_841.10, 9_970),  # close, press
    ("january-2018", "ETH", 1_276.71, 854),
    ("bch-war", "BTC", 6_367.09, 4_622.08),  # closes
    ("bch-war", "ETH", 203.43, 127.36),
    ("black-thursday", "BTC", 7_951.17, 3_900),  # close, press
    ("black-thursday", "ETH", 194.57, 87),
    ("february-2021", "BTC", 57_539.94, 45_161),
    ("may-2021", "BTC", 42_909.40, 30_000),
    ("may-2021", "ETH", 3_380.57, 1_900),
    ("december-2021", "BTC", 53_598.25, 41_960),
    ("december-2021", "ETH", 4_222.80, 3_500),
    ("terra", "BTC", 34_059.26, 25_463),
    ("celsius", "BTC", 28_360.81, 22_487.39),  # closes
    ("celsius", "ETH", 1_530.30, 1_208.70),
    ("ftx", "BTC", 20_602.82, 15_880.78),  # closes
    ("ftx", "ETH", 1_568.30, 1_099.70),
    ("usdc", "BTC", 21_718.08, 20_187.24),  # closes
    ("usdc", "ETH", 1_532.30, 1_431.50),
    ("august-2023", "BTC", 28_553, 25_166),  # Binance
    ("august-2023", "ETH", 1_805.60, 1_576),
    ("yen-carry", "BTC", 60_672, 49_513),
    ("yen-carry", "ETH", 2_901.72, 2_118),
    ("october-2025", "BTC", 117_000, 101_389),
]
PARS = [("usdc", "USDC", 0.8774), ("usdc", "DAI", 0.88), ("usdc", "FRAX", 0.885), ("usdc", "USDD", 0.93),
        ("terra", "USDT", 0.9565), ("terra", "UST", 0.17), ("october-2025", "USDe", 0.66)]  # fmt: skip


def scenario(name: str) -> Scenario:
    return next(s for s in library() if s.name == name)


@pytest.mark.parametrize(("name", "market", "before", "after"), PRICES)
def test_shocks_are_those_of_the_sources(name: str, market: str, before: float, after: float) -> None:
    (change,) = apply(scenario(name), [market])
    assert change == pytest.approx(after / before - 1, abs=0.006)


@pytest.mark.parametrize(("name", "coin", "price"), PARS)
def test_depegs_are_those_of_the_sources(name: str, coin: str, price: float) -> None:
    (change,) = apply(scenario(name), [], [coin])
    assert change == pytest.approx(price - 1, abs=0.001)


def test_the_library_is_sound() -> None:
    found = library()
    names = [s.name for s in found]
    assert sum(s.kind == "crisis" for s in found) >= 14
    assert len(set(names)) == len(names)
    assert [s.date for s in found] == sorted(s.date for s in found)
    for s in found:
        assert s.sources
        assert s.note
        # A file is named after what is in it.
        assert s.kind in ("crisis", "single")


def test_every_file_is_in_the_library() -> None:
    import weir.risk.stress.library as module

    files = sorted(p.stem for p in (Path(module.__file__).parent / "scenarios").iterdir())
    assert files == sorted(s.name for s in library())


def test_names_of_markets_are_read_generously() -> None:
    one = Scenario(
        name="x", title="x", date="2020-01-01", kind="own", hours=1, default=-0.1, shocks={"BTC": -0.5}
    )
    assert apply(one, ["BTC-USD", "btc/usdc", "BTC_PERP", "BTC", "WBTC"]).tolist() == [
        -0.5,
        -0.5,
        -0.5,
        -0.5,
        -0.1,
    ]


def test_order_is_the_books() -> None:
    found = apply(scenario("usdc"), ["ETH", "OTHER", "BTC"], ["USDT", "USDC"])
    assert found.tolist() == [-0.066, -0.1, -0.07, 0.0, -0.1226]


def test_the_thinnest_market_is_moved_alone() -> None:
    found = apply(scenario("jelly"), ["BTC", "ETH", "MEME"], [], {"BTC": 9e6, "ETH": 5e6, "MEME": 1e4})
    assert found.tolist() == [0, 0, 4.29]
    twins = {"A": 1.0, "B": 1.0, "C": 18.0}
    assert apply(scenario("jelly"), [*twins], [], twins).tolist() == [4.29, 0, 0]
    for lacking in (None, {"BTC": 1.0}):
        with pytest.raises(RiskError, match="open_interest: jelly"):
            apply(scenario("jelly"), ["BTC", "ETH"], [], lacking)


def test_a_market_that_is_not_thin_is_not_moved_as_one() -> None:
    for thin, moved in ((10.0, 4.29), (10.1, 0)):
        found = apply(scenario("jelly"), ["BTC", "ETH"], [], {"BTC": 100 - thin, "ETH": thin})
        assert found.tolist() == [0, moved]


# ------------------------------------------------------------------ own files

OWN = {"name": "mine", "title": "Mine", "date": "2027-01-01", "hours": 24, "default": -0.3}


def write(path: Path, content: object) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_a_users_own(tmp_path: Path) -> None:
    (found,) = load_scenarios(write(tmp_path / "one.json", OWN))
    assert found.kind == "own"
    assert found.depth == 1
    two = load_scenarios(write(tmp_path / "two.json", [OWN, {**OWN, "name": "other", "depth": 0.5}]))
    assert [s.name for s in two] == ["mine", "other"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({**OWN, "default": -1.0}, r"0\.default: .* \(got -1\.0\)"),
        ({**OWN, "default": float("nan")}, "default"),
        ({**OWN, "shocks": {"BTC": 7}}, r"0\.shocks\.BTC"),
        ({**OWN, "stablecoins": {"USDC": 0.5}}, r"stablecoins\.USDC"),
        ({**OWN, "depth": 0}, "depth"),
        ({**OWN, "hours": 0}, "hours"),
        ({**OWN, "date": "soon"}, "date"),
        ({**OWN, "surprise": 1}, "surprise"),
        ({**OWN, "name": "terra"}, "terra is taken"),
        ([OWN, OWN], "mine is taken"),
        ({**OWN, "kind": "crisis"}, "sources"),
        ({**OWN, "shocks": {"BTC": -0.1, "btc-usd": -0.2}}, "one name twice"),
        ([3], "0: "),
        ("{", "not JSON"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path: Path, content: object, message: str) -> None:
    path = write(tmp_path / "bad.json", content)
    with pytest.raises(RiskError, match=message) as caught:
        load_scenarios(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(RiskError, match="No such file"):
        load_scenarios(tmp_path / "none.json")
