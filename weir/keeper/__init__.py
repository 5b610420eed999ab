"""The keeper: one process that does what must be done for accounts below margin, and for the fund.

Anyone may run one, and any number may run at once. It has no powers, only an account; `view` is what it sees,
`policy` what it decides, `runner` goes around and simulates, and `sender` sends: it writes every transaction
into its `journal` before it leaves.
"""

from weir.keeper.command import command

__all__ = ["command"]
