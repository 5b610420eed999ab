"""The GPU's code, run by Numba's simulator in a process of its own, against the processor's."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from numba import cuda

from weir.risk.bench import made_up_book, made_up_impact, made_up_model
from weir.risk.errors import RiskError
from weir.risk.simulation.engine import simulate
from weir.risk.simulation.executors import executor

PROGRAM = """
import sys
import numpy as np
from weir.risk.bench import made_up_book, made_up_impact, made_up_model
from weir.risk.simulation.engine import simulate
from weir.risk.simulation.executors import executor
book = made_up_book(70, 3, 1)
found = simulate(book, made_up_model(3, 1, steps=2), made_up_impact(book, 5), paths=60, seed=4,
                 executor=executor(device="cuda"))
np.savez(sys.argv[1], losses=found.losses, stablecoins=found.stablecoins, closed_out=found.closed_out)
"""


def test_the_gpus_code_computes_the_same(tmp_path):
    book = made_up_book(70, 3, 1)
    here = simulate(book, made_up_model(3, 1, steps=2), made_up_impact(book, 5), paths=60, seed=4)
    assert here.losses.max() > 0
    out = tmp_path / "found.npz"
    subprocess.run(
        [sys.executable, "-c", PROGRAM, str(out)],
        check=True,
        env={**os.environ, "NUMBA_ENABLE_CUDASIM": "1"},
        timeout=600,
    )
    with np.load(out) as found:
        for name in ("losses", "stablecoins", "closed_out"):
            np.testing.assert_allclose(found[name], getattr(here, name), rtol=1e-5, atol=1e-2)


def test_a_gpu_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setattr(cuda, "is_available", lambda: False)
    with pytest.raises(RiskError, match="no CUDA GPU"):
        executor(device="cuda")
