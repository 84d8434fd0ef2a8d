#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""The gate against raw rsync over the same ssh and against rsync's own rrsync.

    tests/throwaway -- tests/bench/bench_gate.py [--scale 0.1] [--runs 5] [--json FILE]

Three accounts on one sshd, their homes on one file system: a plain account with
an authorized_keys file, a plain account whose key is forced through rrsync, and a
sub-account. The runs take turns (A B C A B C ...), so that a machine whose speed
drifts does not favour one of them. Printed: median seconds, and the median of the
ratios taken run by run (plain / this one: 1.00 is the speed of raw rsync).
"""

import argparse
import json
import os
import pwd
import resource
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
QUIET = dict(stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)


def sh(*argv, **options):
    return subprocess.run([str(word) for word in argv], check=True, **{**QUIET, **options})


class Account:
    def __init__(self, label, name, home, key):
        self.label, self.name, self.home, self.key = label, name, home, key
        self.ssh = (f"ssh -F none -i {key} -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR "
                    "-o BatchMode=yes -o IdentitiesOnly=yes")

    def push(self, source, target, *options):
        sh("rsync", "-a", *options, "-e", self.ssh, f"{source}/", f"{self.name}@127.0.0.1:{target}/")

    def start(self):
        sh(*self.ssh.split(), f"{self.name}@127.0.0.1", "true")

    def clean(self, target):
        shutil.rmtree(Path(self.home) / target, ignore_errors=True)


def prepare():
    sh("make", "-s", "-C", ROOT, "install")
    sh("subuid", "setup")
    sh("subuidd")
    sh("ssh-keygen", "-A")
    os.makedirs("/run/sshd", exist_ok=True)
    Path("/etc/ssh/sshd_config.d/bench.conf").write_text("MaxStartups 200\nMaxSessions 200\n")
    sh("/usr/sbin/sshd")
    keys = Path("/root/bench-keys")
    keys.mkdir()
    accounts = []
    for label in ("plain", "rrsync", "gate"):
        key = keys / label
        sh("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)
        public = Path(f"{key}.pub").read_text().strip()
        if label == "gate":
            sh("useradd", "-m", "bench")
            # --fake-super writes an attribute for each file: off here, so that all three do the same work.
            subprocess.run(["runuser", "-u", "bench", "--", "subuid", "add", "web1", "--key", "-", "--role", "sync",
                            "--no-fake-super"], input=public.encode(), check=True, stdout=subprocess.DEVNULL)
            accounts.append(Account(label, "bench+web1", "/srv/subuid/bench/web1/home", key))
            continue
        home = f"/srv/{label}"
        sh("useradd", "-m", "-d", home, "-s", "/bin/bash", label)
        forced = f'restrict,command="/usr/bin/rrsync {home}" ' if label == "rrsync" else "restrict "
        ssh = Path(home) / ".ssh"
        ssh.mkdir(mode=0o700)
        (ssh / "authorized_keys").write_text(forced + public + "\n")
        for path in (ssh, ssh / "authorized_keys"):
            os.chown(path, pwd.getpwnam(label).pw_uid, pwd.getpwnam(label).pw_gid)
        accounts.append(Account(label, label, home, key))
    return accounts


def small_files(top, count, size=1000):
    for n in range(count):
        directory = top / f"{n // 1000:04}"
        if n % 1000 == 0:
            directory.mkdir(parents=True)
        (directory / f"{n:07}").write_bytes(os.urandom(16) * (size // 16))


def timed(action):
    before = time.perf_counter()
    action()
    return time.perf_counter() - before


def compare(title, accounts, runs, action, before=lambda account: None):
    times = {account.label: [] for account in accounts}
    for _ in range(runs):
        for account in accounts:
            before(account)
            os.sync()
            times[account.label].append(timed(lambda: action(account)))
    result = {"what": title, "runs": runs}
    for label, values in times.items():
        ratios = [a / b for a, b in zip(times["plain"], values)]
        result[label] = {"seconds": statistics.median(values), "ratio": statistics.median(ratios), "all": values}
    print(f"{title:44} " + "  ".join(f"{label} {result[label]['seconds']:8.3f} s ({result[label]['ratio']:.2f})"
                                     for label in times), flush=True)
    return result


def fifty(account, source):
    """Fifty clients at once, each into a directory of its own."""
    clients = [subprocess.Popen(["rsync", "-a", "-e", account.ssh, f"{source}/", f"{account.name}@127.0.0.1:many{n}/"],
                                **QUIET) for n in range(50)]
    failed = [client.wait() for client in clients]
    if any(failed):
        raise SystemExit(f"{account.label}: {sum(map(bool, failed))} of 50 clients failed")


def starts(runs):
    """What the gate itself costs: started without ssh, against rrsync, as the same uid."""
    Path("/srv/start").mkdir(mode=0o755)
    os.chown("/srv/start", 65533, 65533)
    results = {}
    command = {"SSH_ORIGINAL_COMMAND": "rsync --server -e.LsfxCIvu . .", "PATH": "/usr/bin:/bin"}
    for label, argv in (("rsync alone", ["rsync", "--server", "-e.LsfxCIvu", ".", "."]),
                        ("gate", ["/usr/bin/subuid-rrsync", "-no-lock", "/srv/start"]),
                        ("rrsync", ["/usr/bin/rrsync", "-no-lock", "/srv/start"])):
        values = []
        for _ in range(runs):
            values.append(timed(lambda: subprocess.run(argv, env=command, cwd="/srv/start", user=65533, group=65533,
                                                       extra_groups=[], stdin=subprocess.DEVNULL,
                                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)))
        results[label] = statistics.median(values) * 1000
        print(f"start, {label:37} {results[label]:8.2f} ms")
    return {"what": "start (ms)", "runs": runs, **results}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json")
    options = parser.parse_args()
    if os.environ.get("SUBUIDD_THROWAWAY") != "1":
        sys.exit("bench_gate: run it by tests/throwaway")
    accounts = prepare()
    work = Path("/var/tmp/bench")
    work.mkdir()
    count = int(100000 * options.scale)
    small_files(work / "small", count)
    small_files(work / "many", 200)
    (work / "big").mkdir()
    with open(work / "big/file", "wb") as file:
        for _ in range(int(4096 * options.scale)):
            file.write(os.urandom(1 << 20))
    results = [starts(100)]
    results.append(compare("login and `true`", accounts, options.runs * 4, lambda account: account.start()))
    results.append(compare(f"{count} files of 1 kB", accounts, options.runs,
                           lambda account: account.push(work / "small", "small"), lambda account: account.clean("small")))
    results.append(compare(f"no change among {count} files", accounts, options.runs,
                           lambda account: account.push(work / "small", "small")))
    size = int(4096 * options.scale)
    results.append(compare(f"one file of {size} MiB", accounts, options.runs,
                           lambda account: account.push(work / "big", "big", "-W"), lambda account: account.clean("big")))
    many = [account for account in accounts if account.label != "rrsync"]
    results.append(compare("50 clients at once, 200 files each", many, max(1, options.runs // 2),
                           lambda account: fifty(account, work / "many"),
                           lambda account: [account.clean(f"many{n}") for n in range(50)]))
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"largest process of all: {usage.ru_maxrss / 1024:.0f} MiB; load {os.getloadavg()[0]:.1f}")
    if options.json:
        Path(options.json).write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
