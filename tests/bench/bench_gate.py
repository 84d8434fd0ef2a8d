#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""The gate against raw rsync over the same ssh and against rsync's own rrsync.

    make bench-gate [GATE='--scale 0.1 --runs 5']

Three accounts on one sshd, their homes on one file system: a plain account with
an authorized_keys file, a plain account whose key is forced through rrsync, and a
sub-account. The runs take turns (A B C A B C ...), so that a machine whose speed
drifts does not favour one of them. Printed: median seconds, and the median of the
ratios taken run by run (plain / this one: 1.00 is the speed of raw rsync); the processor time of
both ends, ssh included; the largest of the account's own processes on the server.
"""

import argparse
import json
import os
import pwd
import shutil
import statistics
import subprocess
import sys
import threading
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
    os.makedirs("/etc/subuidd.conf.d", exist_ok=True)
    Path("/etc/subuidd.conf.d/bench.conf").write_text("[sessions]\nper_key = 64\nper_account = 64\n")
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
        # without its lock, or fifty clients of one account would take turns
        forced = f'restrict,command="/usr/bin/rrsync -no-lock {home}" ' if label == "rrsync" else "restrict "
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


class Machine:
    """What the machine did meanwhile. Both ends of each run are on it, and nothing else should be."""

    @staticmethod
    def cpu():
        """Seconds in which a processor was busy."""
        user, nice, system, _, _, irq, softirq = map(int, Path("/proc/stat").read_text().split()[1:8])
        return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")

    @staticmethod
    def largest(uid):
        """KiB and name of the uid's largest process now, sshd's own left out."""
        found = (0, "")
        for status in Path("/proc").glob("[0-9]*/status"):
            try:
                fields = dict(line.split(":\t", 1) for line in status.read_text().splitlines() if ":\t" in line)
            except OSError:
                continue
            if fields["Uid"].split()[0] == str(uid) and fields["Name"] != "sshd" and "VmHWM" in fields:
                found = max(found, (int(fields["VmHWM"].split()[0]), fields["Name"]))
        return found

    def watch(self, uid, action):
        """The action's seconds, processor seconds, and KiB of the largest process meanwhile."""
        largest, over = [(0, "")], threading.Event()

        def look():
            while not over.wait(0.1):
                largest[0] = max(largest[0], self.largest(uid))

        watcher, before = threading.Thread(target=look), self.cpu()
        watcher.start()
        seconds = timed(action)
        over.set()
        watcher.join()
        return {"seconds": seconds, "cpu": self.cpu() - before, "largest": largest[0][0]}


def compare(title, accounts, runs, action, before=lambda account: None, after=lambda account: None):
    machine = Machine()
    rows = {account.label: [] for account in accounts}
    for _ in range(runs):
        for account in accounts:
            before(account)
            os.sync()
            rows[account.label].append(machine.watch(pwd.getpwnam(account.name).pw_uid, lambda: action(account)))
            after(account)
    result = {"what": title, "runs": runs}
    for label, values in rows.items():
        ratios = [a["seconds"] / b["seconds"] for a, b in zip(rows["plain"], values)]
        result[label] = {"seconds": statistics.median(v["seconds"] for v in values), "ratio": statistics.median(ratios),
                         "cpu": statistics.median(v["cpu"] for v in values), "largest": max(v["largest"] for v in values),
                         "all": [round(v["seconds"], 4) for v in values]}
    print(f"{title:34} " + "  ".join(
        f"{label} {r['seconds']:7.3f} s ({r['ratio']:.2f}) cpu {r['cpu']:6.2f} {r['largest'] / 1024:3.0f} MiB"
        for label, r in result.items() if isinstance(r, dict)), flush=True)
    return result


def fifty(account, source):
    """Fifty clients at once, each into a directory of its own."""
    clients = [subprocess.Popen(["rsync", "-a", "-e", account.ssh, f"{source}/", f"{account.name}@127.0.0.1:many{n}/"],
                                **QUIET) for n in range(50)]
    failed = [client.wait() for client in clients]
    if any(failed):
        raise SystemExit(f"{account.label}: {sum(map(bool, failed))} of 50 clients failed")


STARTS = {"rsync alone": ["rsync", "--server", "-e.LsfxCIvu", ".", "."],
          "gate": ["/usr/bin/subuid-rrsync", "-no-lock", "/srv/start"],
          "gate without private root": ["/usr/bin/subuid-rrsync", "-no-lock", "-no-private", "/srv/start"],
          "rrsync": ["/usr/bin/rrsync", "-no-lock", "/srv/start"]}


def start(argv):
    command = {"SSH_ORIGINAL_COMMAND": "rsync --server -e.LsfxCIvu . .", "PATH": "/usr/bin:/bin"}
    subprocess.run(argv, env=command, cwd="/srv/start", user=65533, group=65533, extra_groups=[],
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def starts(title, runs, before=lambda: None):
    """What the gate itself costs: started without ssh, against rrsync, as the same uid, by turns."""
    values = {label: [] for label in STARTS}
    for _ in range(runs):
        for label, argv in STARTS.items():
            before()
            values[label].append(timed(lambda: start(argv)) * 1000)
    alone = values["rsync alone"]
    result = {"what": title, "runs": runs}
    for label, own in values.items():
        more = statistics.median(b - a for a, b in zip(alone, own))
        result[label] = {"ms": statistics.median(own), "more": more}
        print(f"{title}, {label:28} {result[label]['ms']:8.2f} ms, {more:6.2f} over rsync alone")
    return result


def caches_drop():
    os.sync()
    Path("/proc/sys/vm/drop_caches").write_text("3\n")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--runs", type=int, default=5)
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
    small_files(work / "twice", 2 * count)
    Path("/srv/start").mkdir(mode=0o755)
    os.chown("/srv/start", 65533, 65533)
    results = [starts("start, warm", 100), starts("start, cold", 10, caches_drop)]
    results.append(compare("login and `true`", accounts, options.runs * 6, lambda account: account.start()))
    results.append(compare(f"{count:,} files of 1 kB", accounts, options.runs,
                           lambda account: account.push(work / "small", "small"), lambda account: account.clean("small")))
    for account in accounts:
        account.clean("small")
        account.push(work / "twice", "twice")
    results.append(compare(f"no change among {2 * count:,} files", accounts, options.runs,
                           lambda account: account.push(work / "twice", "twice")))
    for account in accounts:
        account.clean("twice")
    size = int(4096 * options.scale)
    results.append(compare(f"one file of {size:,} MiB", accounts, options.runs,
                           lambda account: account.push(work / "big", "big", "-W"), after=lambda account: account.clean("big")))
    results.append(compare("50 clients at once, 200 files each", accounts, max(1, options.runs // 2),
                           lambda account: fifty(account, work / "many"),
                           lambda account: [account.clean(f"many{n}") for n in range(50)]))
    print(f"load {os.getloadavg()[0]:.1f}")
    print(json.dumps({"bench": "gate", "scale": options.scale, "results": results}))


if __name__ == "__main__":
    main()
