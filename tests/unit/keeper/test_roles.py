"""Which role sends what."""

from weir.keeper.roles import KINDS, USUAL, Kind, Role


def test_every_kind_is_of_one_role() -> None:
    covered = [kind for role in Role for kind in role.kinds]
    assert sorted(covered) == sorted(Kind)
    assert set(KINDS) == set(Role)


def test_money_and_authority_are_asked_for_only_when_wanted() -> None:
    assert set(Role) - USUAL == {Role.POST, Role.BUY, Role.WITHDRAW}
