"""Scales and rounding (SPECIFICATION.md section 1). Every quantity of the model is an int."""

MILLION = 10**6  # ratios, rates and fees, parts per million
WAD = 10**18  # fraction of a liquidation, 1 = everything
ONE_A = 10**36  # size multiplier of a fresh side
FLOOR_A = 10**24  # below it both sides end their epoch
DUST = 10**9  # open interest (1e-18 of the underlying) that counts as none
FULL_WRITE_OFF = 10**9  # claims worth less than units / this are written off entirely
FIRST_UNITS = 10**6  # of the guaranty fund, for each unit of S that comes first
FULL_LOSS = 10**12  # the guaranty fund with less than units / this is written off entirely
SHARE_OFFSET = 10**6  # virtual shares of a tranche

MOST_OBSERVED = 2**104 - 1  # units of S: what the funding policy notes of a market at most
MAX_MARKETS = 64
MAX_ASSETS = 8  # other stablecoins
MOST = 2**96 - 1  # units of S that the fund counts in its reserve, and in a budget
ASSET_FEEDS = 32_768  # the number of the feed of asset 0
PAR = 10**18  # a dollar
MAX_PRICE = 2**128 - 1  # 1e-18 of a dollar
MAX_POSITIONS = 8
MAX_MATURITY = 7 * 86_400  # seconds
CLOSE_AFTER = 86_400  # seconds without a refresh before a market may be closed
MAX_PAUSE = 3 * 86_400  # seconds
PAUSE_INTERVAL = 7 * 86_400  # seconds between the starts of two pauses

HOUR = 3_600  # seconds
DAY = 86_400  # seconds
YEAR = 8_760  # hours
YEAR_SECONDS = 31_536_000
NEW_TIER, WORST_TIER = 2, 4  # risk tiers: of an account without a fresh one, the last


def size_scale(decimals: int) -> int:
    """SCALE: size x price / SCALE is an amount of a token with `decimals`."""
    return int(10 ** (36 - decimals))


def ceil_div(a: int, b: int) -> int:
    """a / b rounded up (toward plus infinity), b > 0."""
    return -(-a // b)


def trunc_div(a: int, b: int) -> int:
    """a / b rounded toward zero, b > 0."""
    return a // b if a >= 0 else -(-a // b)


def clamp(x: int, limit: int) -> int:
    """x within [-limit, limit]."""
    return max(-limit, min(limit, x))
