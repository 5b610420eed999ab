"""Everything at once on this machine: a chain, a market that lives on it, keepers, index, monitor and page.

`plan` says which processes that takes, `supervisor` keeps them running, `running` is the file in which the
supervisor says what runs, and `command` starts and stops it all: `weir up`, `weir down`.
"""

from weir.operate.command import down, up

__all__ = ["down", "up"]
