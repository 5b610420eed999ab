"""The console command `weir keystore`: a new key that exists nowhere but in its encrypted file."""

from __future__ import annotations

import os
from pathlib import Path

import click

__all__ = ["KeystoreError", "keystore", "new_keystore"]


class KeystoreError(ValueError):
    """No keystore is made; the message says why."""


@click.command("keystore")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def keystore(file: Path) -> None:
    """Make a new key and write it to FILE, encrypted with the password in WEIR_PASSWORD; prints its address.

    Only the file's owner may read it. An existing file is left alone.
    """
    click.echo(new_keystore(file, os.environ.get("WEIR_PASSWORD", "")))


def new_keystore(path: Path, password: str) -> str:
    """The address of a new key, whose keystore is written to a file that did not exist.

    Raises `KeystoreError` without a password, and where there is a file already.
    """
    import json

    from eth_account import Account

    if not password:
        raise KeystoreError("set WEIR_PASSWORD, with which the key is encrypted")
    account = Account.create()
    content = json.dumps(Account.encrypt(account.key, password))
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise KeystoreError(f"{path} exists; a key is never written over") from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(content)
    return str(account.address)
