"""How long a command needs before it answers: ``python benchmarks/start.py [--times 20]`` runs ``stilts --help``.

Prints the median, the fastest and the slowest wall-clock seconds of whole processes.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

TARGET_SECONDS = 0.3


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--times", type=int, default=20)
    times = parser.parse_args().times
    command = [str(Path(sys.executable).with_name("stilts")), "--help"]
    subprocess.run(command, check=True, capture_output=True)  # byte code and file cache are warm from here on
    seconds = []
    for _ in range(times):
        begun = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        seconds.append(time.perf_counter() - begun)
    median = statistics.median(seconds)
    print(f"stilts --help: {median:.3f} s ({min(seconds):.3f} to {max(seconds):.3f}); wanted: under {TARGET_SECONDS} s")
    return 0 if median < TARGET_SECONDS else 1


if __name__ == "__main__":
    sys.exit(main())
