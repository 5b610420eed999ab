"""Commands for `ape run`: those of `weir`, on the network that Ape is connected to."""
