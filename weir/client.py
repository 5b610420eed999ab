"""The deployed system, from Python: typed reads of its state, and its contracts to send to.

Everything read is in the units of the chain: amounts in units of the settlement token, sizes 1e-18 of the underlying,
prices 1e-18 of a dollar, ratios in ppm, times in Unix seconds. `Weir.usd` and `Weir.units` convert amounts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from eth_account.signers.local import LocalAccount
from web3 import Web3
from web3.contract import Contract

from weir.chain import Chain, connect, pages
from weir.deployment import Deployment, DeploymentError, to_units, what_moved
from weir.orders import Order, order_hash, sign_order
