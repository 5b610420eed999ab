"""The risk engine: how large the fund should be, from a book of positions and a history of prices.

Data flows one way: `inputs` (book, prices) → `forecast` (what prices may do) → `simulation` (what that costs
the fund) → `measures` and `stress` → `sizing` → `memo`. Nothing here needs a chain; only
`weir.risk.inputs.chain` reads one. Money is float64 USD, levels and ratios are fractions (0.999 is 99.9 %),
prices USD for one unit of the underlying.
"""
