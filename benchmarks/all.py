"""Every table of docs/benchmarks.md that is made on one quiet machine, one after the other.

What takes longer, or judges bounds (`benchmarks.equivalence`, `benchmarks.outside`,
`benchmarks.hundred`, `benchmarks.many` over an hour), or needs a browser (`benchmarks.browser`), is
run by itself.
"""

import subprocess
import sys

import click

from tests.system import ROOT

BENCHMARKS = ("prediction", "recovery", "many", "idle", "scrape", "page", "old_installation")


@click.command()
def main() -> None:
    """Run them; the first that fails ends it."""
    for name in BENCHMARKS:
        click.echo(f"== {name}")
        subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=True, cwd=ROOT)


if __name__ == "__main__":
    main()
