#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""What lookups cost beside each other, at a thousand and at a million accounts (bench_readers.c).

    bench_readers.py BUILD [--rounds N] [--before NSS SUBID] > RESULT.json

--before: modules of other sources, built to look in the same directories; by turns with those of BUILD.
"""

import argparse
import json
import os
import re
import subprocess
import time
from pathlib import Path

KINDS = {"name": "nss/libnss_subuid.so.2", "miss": "nss/libnss_subuid.so.2", "holds": "subid/libsubid_subuid.so"}


def machine():
    cpu = re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text())
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False,
                            cwd=Path(__file__).parent).stdout.strip()
    return {"cpu": cpu[1] if cpu else "?", "cores": os.cpu_count(), "load_before": os.getloadavg()[0],
            "date": time.strftime("%Y-%m-%d"), "commit": commit}


def measure(options, size, kind):
    module = options.build / "tests" / KINDS[kind]
    before = options.before[kind == "holds"] if options.before else None
    out = subprocess.run([options.build / "bench/readers", str(size), module.parent / "state", kind, str(options.rounds),
                          module, *([before] if before else [])], stdout=subprocess.PIPE, text=True, check=True).stdout
    for line in out.splitlines():
        row = json.loads(line)
        yield {**row, "module": "before" if row["module"] == before else "subuid"}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("build", type=Path)
    parser.add_argument("--rounds", type=int, default=101)
    parser.add_argument("--before", nargs=2)
    options = parser.parse_args()
    result = {"machine": machine(), "rows": []}
    for size in (1000, 1000000):
        for kind in KINDS:
            result["rows"] += measure(options, size, kind)
    result["machine"]["load_after"] = os.getloadavg()[0]
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
