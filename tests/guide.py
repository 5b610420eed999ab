"""The pages of docs/ as the tests that hold them read them."""

from __future__ import annotations

import re

from weir.toolchain import ROOT

__all__ = ["Guide"]


class Guide:
    """One page: `text` in one line, and its tables by their headers."""

    def __init__(self, name: str) -> None:
        self.source = (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")
        self.text = " ".join(self.source.split())

    def section(self, heading: str) -> str:
        """What stands below this heading of the second level."""
        pattern = rf"^## {heading}\n(.*?)(?=^## |\Z)"
        (found,) = re.findall(pattern, self.source, re.MULTILINE | re.DOTALL)
        return str(found)

    def blocks(self, heading: str, language: str) -> list[str]:
        """The blocks of code in this language, in such a section."""
        pattern = rf"^```{language}\n(.*?)^```"
        return re.findall(pattern, self.section(heading), re.MULTILINE | re.DOTALL)

    def table(self, *header: str) -> list[list[str]]:
        """The rows below this header."""
        lines = self.source.splitlines()
        start = lines.index(f"| {' | '.join(header)} |")
        rows = []
        for line in lines[start + 2 :]:
            if not line.startswith("|"):
                break
            rows.append([cell.strip() for cell in line.strip("|").split("|")])
        return rows
