"""Which lines and branches of the contracts a campaign has run: the sources are compiled with probes in them.

A probe reads the balance of an address that stands for its id. That is allowed in any call, a static one too,
and what was read stays among the accounts that the EVM has loaded, whatever is reverted later: `touched`
finds it there, once, at the end. Behaviour stays as it is but for gas and the size of code.

Not covered: libraries of others, interfaces, mocks, assembly, and the initial values of state variables.

    covered = build()
    deploy(evm.web3, deployer, parameters, root=covered.root)
    ...
    report(covered, touched(evm.revm))
"""

from __future__ import annotations

from weir.fuzz.coverage.building import build
from weir.fuzz.coverage.points import Branch, CoverageMap, Point, Points, Statement
from weir.fuzz.coverage.probes import CoverageError, instrument, touched
from weir.fuzz.coverage.reporting import CoverageReport, FileCoverage, Miss, render, report

__all__ = [
    "Branch",
    "CoverageError",
    "CoverageMap",
    "CoverageReport",
    "FileCoverage",
    "Miss",
    "Point",
    "Points",
    "Statement",
    "build",
    "instrument",
    "render",
    "report",
    "touched",
]
