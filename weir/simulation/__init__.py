"""Simulated people trade on a local chain, while crashes of real prices run through the whole system.

`population` draws who takes part, `agents` decides what they do, `venue` lets their orders meet, `stage` is
the chain they act on, `market` what happens at each step of the price. `engine` replays one crash with
keepers of its own, of which `record` makes a result: the demo, whose console command is here. `live` goes on
without an end and leaves keeping to other processes; `python -m weir.simulation` runs it.
"""

from weir.simulation.command import command

__all__ = ["command"]
