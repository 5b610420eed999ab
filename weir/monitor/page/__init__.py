"""The page that people look at: live, on loopback, without a build step and without a network.

`server` serves it, `model` gathers what it shows, `layout` puts the sections together (`header`, `fund`,
`whatif`, `accounts`, `defaults`, `markets`, `reserve`), of `parts`; `charts` has the options of all charts.
What is computed has files of its own: `verdict`, `outlook`, `shocks`, `scenario`, `steps`,
`history`.
"""

from weir.monitor.page.server import serve

__all__ = ["serve"]
