"""The arithmetic of SPECIFICATION.md that tests compare with. Sizes and prices 1e-18, ratios ppm."""

MILLION = 10**6
WAD = 10**18
ONE_A = 10**36
FLOOR_A = 10**24


def scale(decimals: int = 6) -> int:
    return 10 ** (36 - decimals)


def ceil_div(a: int, b: int) -> int:
    return -(-a // b)


def trunc_div(a: int, b: int) -> int:
    return a // b if (a < 0) == (b < 0) else -(-a // b)


def notional(size: int, price: int, decimals: int = 6) -> int:
    """In units of S, rounded down."""
    return size * price // scale(decimals)


def part_up(size: int, price: int, ratio: int, decimals: int = 6) -> int:
    """A margin requirement, or a fee."""
    return ceil_div(size * price * ratio, scale(decimals) * MILLION)


def unsettled(size: int, multiplier: int, index_change: int, decimals: int = 6) -> int:
    """Profit of a record, toward minus infinity."""
    return size * index_change // (multiplier * scale(decimals))


def index(is_short: bool, value_index: int, multiplier: int = ONE_A, base: int = 0) -> int:
    """K of a side."""
    return base - multiplier * value_index if is_short else base + multiplier * value_index


def band_edges(mark: int, ppm: int) -> tuple[int, int]:
    """The lowest and the highest price with |price - mark| * MILLION <= ppm * mark."""
    width = mark * ppm // MILLION
    return mark - width, mark + width


# ---- liquidation, with the parameters of the tests' deployment

BOUNTY_START, BOUNTY_MAX, PENALTY, AUCTION = 2_000, 15_000, 5_000, 600
MIN_NOTIONAL = 100 * 10**6


def bounty_rate(elapsed: int) -> int:
    """Ppm of notional, so many seconds after the flag."""
    return BOUNTY_START + (BOUNTY_MAX - BOUNTY_START) * min(elapsed, AUCTION) // AUCTION


def liquidated_fraction(value: int, equity: int, initial: int, rate: int, wanted: int = WAD) -> int:
    """What a liquidation that wants `wanted` takes of an account of this value, equity and initial margin."""
    cost = ceil_div(value * (rate + PENALTY), MILLION)
    cap = WAD
    if equity > 0 and initial > cost:
        cap = min(WAD, ceil_div((initial - equity) * WAD, initial - cost))
    fraction = min(wanted, cap)
    if value * fraction < MIN_NOTIONAL * WAD:
        fraction = min(WAD, ceil_div(MIN_NOTIONAL * WAD, value))
    if value * (WAD - fraction) < MIN_NOTIONAL * WAD:
        fraction = WAD
    return fraction


def taken(size: int, fraction: int) -> int:
    return size * fraction // WAD


def share(size: int, price: int, rate: int) -> int:
    """A bounty or a penalty on a size."""
    return notional(size, price) * rate // MILLION
