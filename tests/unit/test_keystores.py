"""`weir keystore`: a key that only its encrypted file has."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from weir.accounts import choose_account
from weir.cli import main


def make(capsys: pytest.CaptureFixture[str], path: Path) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["keystore", str(path)])
    output = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    return ended.value.code, output.out, output.err


def test_a_new_key_is_in_its_file_alone(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("WEIR_PASSWORD", "secret")
    path = tmp_path / "keys" / "keeper.json"
    code, out, _ = make(capsys, path)
    account = choose_account(1, path)
    assert (code, out) == (0, f"{account.address}\n")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert account.key.hex() not in path.read_text()
    assert json.loads(path.read_text())["crypto"]["kdf"] == "scrypt"

    before = path.read_text()
    code, _, err = make(capsys, path)
    assert (code, err) == (2, f"weir: {path} exists; a key is never written over\n")
    assert path.read_text() == before


def test_without_a_password_there_is_none(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("WEIR_PASSWORD", raising=False)
    path = tmp_path / "keeper.json"
    code, _, err = make(capsys, path)
    assert (code, err) == (2, "weir: set WEIR_PASSWORD, with which the key is encrypted\n")
    assert not path.exists()
