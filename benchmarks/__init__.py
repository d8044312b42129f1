"""What is measured, and against what; see docs/benchmarks.md."""

import os
import sys

# As it is at a user's: what one process has compiled, the next one reads. Where nothing is kept, a
# respawn compiles the strategy's file, and the rivals, which import theirs before the fork, do not.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
