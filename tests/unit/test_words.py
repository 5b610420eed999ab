"""Answers decoded word by word are those of eth_abi, for everything that the contracts can answer or emit."""

import random
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError
from eth_utils.abi import collapse_if_tuple
from eth_utils.address import to_checksum_address

from weir.artifacts import artifacts
from weir.chain.words import decoder

Fields = tuple[Mapping[str, Any], ...]
NESTED: Fields = (
    {"name": "a", "type": "uint256"},
    {
        "name": "b",
        "type": "tuple[2][]",
        "components": [
            {"name": "c", "type": "string[]"},
            {"name": "d", "type": "int24[3]"},
            {"name": "e", "type": "tuple", "components": [{"name": "f", "type": "bool"}]},
        ],
    },
    {"name": "g", "type": "bytes"},
    {"name": "h", "type": "address[][2]"},
    {"name": "i", "type": "bytes4"},
)


def _lists() -> Iterator[Fields]:
    """Outputs of every function and inputs of every error and event."""
    for compiled in artifacts().values():
        for entry in compiled.abi:
            yield tuple(entry.get("outputs", ()))
            if entry["type"] in ("error", "event"):
                yield tuple(entry["inputs"])


def _some(rng: random.Random, field: Mapping[str, Any], kind: str) -> Any:
    """A value of a type, as eth_abi encodes it."""
    if kind.endswith("]"):
        inner, _, size = kind[:-1].rpartition("[")
        return [_some(rng, field, inner) for _ in range(int(size) if size else rng.randrange(4))]
    if kind == "tuple":
        return tuple(_some(rng, each, each["type"]) for each in field["components"])
    if kind in ("string", "bytes"):
        data = rng.randbytes(rng.randrange(70))
        return data.hex() if kind == "string" else data
    if kind == "address":
        return to_checksum_address(rng.randbytes(20))
    if kind == "bool":
        return rng.random() < 0.5
    bits = int("".join(c for c in kind if c.isdigit()))
    if kind.startswith("bytes"):
        return rng.randbytes(bits)
    extremes = (0, 2**bits - 1) if kind.startswith("u") else (-(2 ** (bits - 1)), -1, 0, 2 ** (bits - 1) - 1)
    return rng.choice((*extremes, rng.randint(min(extremes), max(extremes))))


def _named(field: Mapping[str, Any], kind: str, value: Any) -> Any:
    if kind.endswith("]"):
        return tuple(_named(field, kind[: kind.rindex("[")], each) for each in value)
    if kind == "tuple":
        pairs = zip(field["components"], value, strict=True)
        return {part["name"]: _named(part, part["type"], each) for part, each in pairs}
    return to_checksum_address(value) if kind == "address" else value


def _check(fields: Fields, rng: random.Random) -> None:
    types = [collapse_if_tuple(dict(field)) for field in fields]  # type: ignore[arg-type]
    values = [_some(rng, field, field["type"]) for field in fields]
    data = encode(types, values)
    expected = [_named(field, field["type"], value) for field, value in zip(fields, values, strict=True)]
    assert decoder(fields)(data) == expected


def test_all_that_the_contracts_say() -> None:
    rng = random.Random(1)
    for fields in _lists():
        _check(fields, rng)


def test_parts_within_parts() -> None:
    rng = random.Random(2)
    for _ in range(200):
        _check(NESTED, rng)


def test_damage_is_refused_or_read_as_eth_abi_reads_it() -> None:
    rng = random.Random(3)
    types = [collapse_if_tuple(dict(field)) for field in NESTED]  # type: ignore[arg-type]
    whole = encode(types, [_some(rng, field, field["type"]) for field in NESTED])
    read, refused = decoder(NESTED), 0
    for _ in range(2_000):
        data = bytearray(whole[: rng.randrange(len(whole))] if rng.random() < 0.5 else whole)
        if data:
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        try:
            ours = read(bytes(data))
        except (DecodingError, UnicodeDecodeError):
            refused += 1
            continue
        try:
            theirs = decode(types, bytes(data))
        except (DecodingError, OverflowError):
            continue  # it looks at padding, too
        assert ours == [
            _named(field, field["type"], value) for field, value in zip(NESTED, theirs, strict=True)
        ]
    assert 500 < refused < 1_950


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("bool", (2).to_bytes(32, "big")),
        ("uint8", (256).to_bytes(32, "big")),
        ("int8", (128).to_bytes(32, "big")),
        ("address", (1 << 160).to_bytes(32, "big")),
        ("bytes4", b"12345".ljust(32, b"\0")),
        ("uint256", b"\0" * 31),
        ("uint256[]", (32).to_bytes(32, "big") + (2).to_bytes(32, "big") + b"\0" * 32),
        ("uint256[]", (2**255).to_bytes(32, "big")),
        ("bytes", (32).to_bytes(32, "big") + (2**60).to_bytes(32, "big")),
    ],
)
def test_what_does_not_fit_is_refused(kind: str, data: bytes) -> None:
    with pytest.raises(DecodingError):
        decoder([{"name": "x", "type": kind}])(data)


def test_an_unknown_type_has_no_decoder() -> None:
    with pytest.raises(ValueError, match="no decoder for 'function'"):
        decoder([{"name": "x", "type": "function"}])
