"""Take commands and code out of README.md, so that what CI runs is what a reader copies.

``readme.py command HEADING``  print the first console line under the heading
``readme.py python``           run every Python block, each in an interpreter of its own
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


def command(heading: str) -> str:
    """Return the console block under a heading, without its prompt."""
    section = re.search(rf"^#+ {re.escape(heading)}$(.*?)(?=^#+ |\Z)", README, re.MULTILINE | re.DOTALL)
    block = section and re.search(r"^```console\n\$ (.*?)\n```$", section[1], re.MULTILINE | re.DOTALL)
    if not block:
        raise SystemExit(f"README.md has no console block under the heading {heading!r}")
    return block[1]


def run_python_blocks() -> None:
    """Run the blocks in order; stop at the first that fails."""
    blocks = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    if not blocks:
        raise SystemExit("README.md has no Python blocks")
    for number, block in enumerate(blocks, start=1):
        print(f"--- README block {number} of {len(blocks)}", flush=True)
        subprocess.run([sys.executable, "-W", "error", "-c", block], check=True)


if __name__ == "__main__":
    if sys.argv[1:] == ["python"]:
        run_python_blocks()
    elif len(sys.argv) == 3 and sys.argv[1] == "command":
        print(command(sys.argv[2]))
    else:
        raise SystemExit(__doc__)
