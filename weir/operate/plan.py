"""Which processes an operated system is made of, in the order in which they start."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from weir.keeper.roles import USUAL, Role
from weir.serving import HOST

if TYPE_CHECKING:
    from weir.simulation.population import Liquidator, Population

__all__ = ["BUYER", "Child", "Plan"]

BUYER = "buyer"
"""The keeper that buys other stablecoins, where there are any."""


@dataclass(frozen=True, slots=True)
class Child:
    """A process: its command, what it finds in its environment beside what all find there, and the addresses
    that answer once it is healthy.
    """

    name: str
    command: tuple[str, ...]
    health: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Plan:
    """What `weir up` has been told.

    `port` is the chain's; pages and metrics are on `pages` and the ports after it. `store` is the address of
    a database, None for a file in the folder.
    """

    folder: Path
    scenario: str = "2020-03-12"
    pace: float = 60.0
    seed: int = 1
    port: int = 8545
    pages: int = 8600
    keepers: int = 2
    store: str | None = None

    @property
    def deployment(self) -> Path:
        """The deployment's file, which is there once the market is open."""
        return self.folder / "deployment.json"

    @property
    def database(self) -> Path:
        """The database where no other is given."""
        return self.folder / "weir.sqlite3"

    @property
    def rpc(self) -> str:
        """The node."""
        return f"http://{HOST}:{self.port}"

    @property
    def ports(self) -> tuple[int, ...]:
        """All that are listened on: chain, page, monitor, index, and one for each keeper."""
        return self.port, *range(self.pages, self.pages + 3 + self.keepers + self.buys)

    @property
    def buys(self) -> bool:
        """Whether there are other stablecoins, and so a keeper that buys them at auction."""
        from weir.simulation.live import buyer

        return buyer(self._people()) is not None

    @property
    def places(self) -> dict[str, str]:
        """Addresses that people and programs want to know."""
        metrics = {"monitor": 1, "index": 2} | {f"keeper-{i + 1}": 3 + i for i in range(self.keepers)}
        metrics |= {BUYER: 3 + self.keepers} if self.buys else {}
        return {
            "page": f"http://{HOST}:{self.pages}",
            "rpc": self.rpc,
            **{f"metrics of {name}": self._at(n, "metrics") for name, n in metrics.items()},
        }

    def market(self) -> Child:
        """The market, which also deploys: everything else waits for it."""
        return Child(
            "market",
            (
                *(sys.executable, "-m", "weir.simulation", *self._chain()),
                *("--scenario", self.scenario, "--pace", f"{self.pace:g}", "--seed", f"{self.seed}"),
            ),
        )

    def others(self) -> tuple[Child, ...]:
        """Those that look at a deployment."""
        from weir.simulation.live import liquidators

        people = liquidators(self._people())[: self.keepers]
        keepers = (self._liquidator(f"keeper-{i + 1}", 3 + i, who) for i, who in enumerate(people))
        return (self._index(), self._monitor(), *keepers, *self._buyers())

    def _index(self) -> Child:
        return Child(
            "index",
            (*self._weir("index", "run"), "--port", f"{self.pages + 2}"),
            (self._at(2, "healthz"),),
            self._stored(),
        )

    def _monitor(self) -> Child:
        ports = "--port", f"{self.pages}", "--metrics-port", f"{self.pages + 1}"
        health = self._at(1, "healthz"), self._at(0, "")
        return Child("monitor", (*self._weir("monitor"), *ports), health, self._stored())

    def _liquidator(self, name: str, place: int, who: Liquidator) -> Child:
        """It waits for a bounty, and uses its margin, as one of the market's liquidators. It takes out what
        collateral it has taken over, which the market sells for it.
        """
        rules = "--min-bounty", f"{who.min_bounty_rate}", "--margin-use", f"{who.margin_use}"
        roles = (word for role in sorted(USUAL | {Role.WITHDRAW}) for word in ("--role", role.value))
        return self._keeper(name, place, who.name, *rules, *roles)

    def _buyers(self) -> Iterator[Child]:
        """A keeper that buys what others put up for sale, with the money in its wallet."""
        from weir.simulation.live import buyer

        if (who := buyer(self._people())) is not None:
            roles = "--role", "auction", "--role", "buy", "--min-discount", f"{who.min_discount}"
            yield self._keeper(BUYER, 3 + self.keepers, who.name, *roles)

    def _keeper(self, name: str, place: int, who: str, *options: str) -> Child:
        """It works with the account of one of the market's people; the key is in nobody's arguments."""
        from weir.simulation.stage import accounts

        key = accounts(self._people())[who].key.hex()
        return Child(
            name,
            (
                *(*self._weir("keeper"), "--execute", "--native-price", "0", *options),
                *("--interval", "1", "--port", f"{self.pages + place}"),
            ),
            (self._at(place, "healthz"),),
            {"WEIR_PRIVATE_KEY": key, **self._stored()},
        )

    def _people(self) -> Population:
        from weir.scenarios import load
        from weir.simulation.market import Settings, people

        return people(load(self.scenario), self.seed, Settings())

    def _weir(self, *command: str) -> tuple[str, ...]:
        return sys.executable, "-m", "weir", "-v", *command, *self._chain()

    def _chain(self) -> tuple[str, ...]:
        return "--rpc", self.rpc, "--deployment", str(self.deployment)

    def _stored(self) -> dict[str, str]:
        # Not an argument: the address may hold a password.
        return {"WEIR_STORE": self.store or f"sqlite:///{self.database.resolve()}"}

    def _at(self, number: int, path: str) -> str:
        return f"http://{HOST}:{self.pages + number}/{path}"
