"""The demo: a crash of real prices runs through the whole system on a local chain.

`population` draws who takes part, `agents` decides what they do, `venue` lets their orders meet, `stage` is
the chain they act on, `engine` the order of events, and `record` what comes out.
`weir.simulation.engine.simulate` runs it all; here is the console command.
"""

from weir.simulation.command import command

__all__ = ["command"]
