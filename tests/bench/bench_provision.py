#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Provisioning: one durable account after the other, and many from a file, against useradd -m and
usermod --add-subuids at the same sizes. Run by `make bench-provision` in the throwaway root.

    bench_provision.py [SIZE ...]     sizes: accounts that are there before it is measured

Prints a table and, as the last line, JSON. CPU is of the daemon and its children, for machines that
do other things meanwhile."""

import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import time

SAMPLE = int(os.environ.get("BENCH_SAMPLE", "100"))
OWNER = "bench"
PER_OWNER = 1000 # of the accounts that are there already
PEERS_MAX = 100000 # one useradd takes half a minute there
SUBIDS_FIRST, SUBIDS_EACH = 2147483648, 10000 # of the peers: PEERS_MAX of them end below what usermod() adds
TICK = os.sysconf("SC_CLK_TCK")


class Daemon:
    def __init__(self):
        subprocess.run(["make", "-s", "install"], check=True, env={**os.environ, "MAKEFLAGS": ""})
        subprocess.run(["subuid", "setup"], check=True, stdout=subprocess.DEVNULL)
        os.makedirs("/etc/subuidd.conf.d", exist_ok=True)
        with open("/etc/subuidd.conf.d/bench.conf", "w") as file:
            file.write(f"[limits]\naccounts = {PER_OWNER}\n")
        self.process = subprocess.Popen(["subuidd", "--foreground"], stderr=subprocess.DEVNULL)
        self.connect()

    def connect(self):
        """Anew for each measurement: a connection that is idle while others work is ended."""
        while self.process.poll() is None:  # with a million accounts a busy machine takes its time to start
            try:
                self.peer = socket.socket(socket.AF_UNIX)
                self.peer.connect("/run/subuidd/socket")
                return
            except OSError:
                time.sleep(0.01)
        raise SystemExit(f"subuidd has ended: {self.process.returncode}")

    def call(self, method, **parameters):
        message = {"method": f"io.subuidd.Accounts.{method}", "parameters": parameters}
        self.peer.sendall(json.dumps(message).encode() + b"\0")
        data = b""
        while not data.endswith(b"\0"):
            chunk = self.peer.recv(65536)
            if not chunk:
                raise SystemExit("the daemon closed the connection")
            data += chunk
        reply = json.loads(data[:-1])
        if "error" in reply:
            raise SystemExit(f"{method}: {reply}")
        return reply["parameters"]

    def cpu(self):
        fields = open(f"/proc/{self.process.pid}/stat").read().rsplit(")", 1)[1].split()
        return sum(int(field) for field in fields[11:15]) / TICK

    def memory(self):
        for line in open(f"/proc/{self.process.pid}/status"):
            if line.startswith("VmRSS"):
                return int(line.split()[1]) / 1024
        return 0.0


def each(count, act):
    """Milliseconds of each."""
    took = []
    for i in range(count):
        begin = time.perf_counter()
        act(i)
        took.append((time.perf_counter() - begin) * 1000)
    return took


def import_lines(lines):
    begin = time.perf_counter()
    subprocess.run(["subuid", "import", "-"], input="\n".join(["owner,label", *lines]), text=True, check=True,
                   stdout=subprocess.DEVNULL)
    return time.perf_counter() - begin


def import_rows(prefix, count):
    return import_lines([f"{OWNER},{prefix}{i}" for i in range(count)])


def provision_fill(present, size):
    """Real accounts, homes and all, of as many owners as it takes."""
    owners = (size + PER_OWNER - 1) // PER_OWNER
    with open("/etc/passwd", "a") as passwd:
        for i in range(owners):
            home, uid = f"/home/filler{i}", 300000 + i
            if not os.path.exists(home):
                passwd.write(f"filler{i}:x:{uid}:{uid}::{home}:/bin/sh\n")
                os.mkdir(home, 0o700)
                os.chown(home, uid, uid)
    spent = import_lines([f"filler{i // PER_OWNER},l{i}" for i in range(present, size)])
    print(f"# {size - present:,} accounts imported in {spent:.1f} s: {(size - present) / spent:,.0f}/s", flush=True)


def peer_fill(size):
    """As many ordinary users, in the files that useradd reads and writes: by hand, or it would take hours."""
    with open("/etc/passwd", "a") as passwd, open("/etc/shadow", "a") as shadow, open("/etc/group", "a") as group, \
            open("/etc/gshadow", "a") as gshadow, open("/etc/subuid", "a") as subuid, open("/etc/subgid", "a") as subgid:
        for i in range(size):
            uid = 200000 + i
            passwd.write(f"peer{i}:x:{uid}:{uid}::/home/peer{i}:/bin/sh\n")
            shadow.write(f"peer{i}:!:20000:0:99999:7:::\n")
            group.write(f"peer{i}:x:{uid}:\n")
            gshadow.write(f"peer{i}:!::\n")
            line = f"peer{i}:{SUBIDS_FIRST + i * SUBIDS_EACH}:{SUBIDS_EACH}\n"
            subuid.write(line)
            subgid.write(line)


def row(table, what, size, took, per_second=None, cpu=None):
    median = statistics.median(took)
    table.append({"what": what, "size": size, "median_ms": round(median, 3),
                  "p99_ms": round(sorted(took)[max(0, int(len(took) * 0.99) - 1)], 3),
                  "per_second": round(per_second if per_second else 1000 / statistics.mean(took)),
                  "cpu_ms": round(cpu, 3) if cpu is not None else None})
    last = table[-1]
    print(f"{what:34} {size:>9,} {last['median_ms']:>10.3f} {last['p99_ms']:>10.3f} {last['per_second']:>9,} "
          f"{last['cpu_ms'] if last['cpu_ms'] is not None else '':>8}", flush=True)


def measure(daemon, table, size, present):
    if size > present:
        provision_fill(present, size)
    daemon.connect()
    before = daemon.cpu()
    took = each(SAMPLE, lambda i: daemon.call("Add", owner=OWNER, label=f"s{size}-{i}"))
    row(table, "Add, one connection", size, took, cpu=(daemon.cpu() - before) * 1000 / SAMPLE)
    took = each(max(5, SAMPLE // 5), lambda i: subprocess.run(
        ["subuid", "add", f"c{size}-{i}", "--owner", OWNER], check=True, stdout=subprocess.DEVNULL))
    row(table, "subuid add", size, took)
    before = daemon.cpu()
    count = SAMPLE * 20
    seconds = import_rows(f"i{size}-", count)
    row(table, f"subuid import, {count:,} lines", size, [seconds * 1000 / count], count / seconds,
        (daemon.cpu() - before) * 1000 / count)
    daemon.connect()
    took = each(SAMPLE, lambda i: daemon.call("Remove", owner=OWNER, label=f"s{size}-{i}", purge=True))
    row(table, "Remove --purge", size, took)
    took = each(SAMPLE // 5, lambda i: daemon.call("RangeAdd", owner=OWNER, count=65536))
    row(table, "RangeAdd", size, took)


def peers(table, size):
    took = each(10 if size < 10000 else 3, lambda i: subprocess.run(
        ["useradd", "-m", "-K", "SUB_UID_COUNT=0", "-K", "SUB_GID_COUNT=0", f"ua{size}-{i}"], check=True))
    row(table, "useradd -m", size, took)


def usermod(table, size):
    """A block more, of uids and of gids, as a range is."""
    lines = [len(open(f"/etc/{name}").readlines()) for name in ("subuid", "subgid")]
    if min(lines) < size: # or the row says another size than it is of
        raise SystemExit(f"{lines} lines of subordinate ids, not {size}")
    blocks = [f"{3200000000 + i * 65536}-{3200065535 + i * 65536}" for i in range(10)]
    took = each(10, lambda i: subprocess.run(
        ["usermod", "--add-subuids", blocks[i], "--add-subgids", blocks[i], OWNER], check=True))
    row(table, "usermod --add-subuids", size, took)


def main():
    sizes = [int(word) for word in sys.argv[1:]] or [100, 1000]
    table = []
    where = "disk" if os.environ.get("THROWAWAY_DISK") else "memory (tmpfs): no flush costs anything"
    print(f"# {platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, backed by {where}")
    print(f"# {'':32} {'there':>9} {'median ms':>10} {'p99 ms':>10} {'1/s':>9} {'cpu ms':>8}")
    # the peers first, on a host without the plug-in, which usermod --add-subuids does not go along with
    subprocess.run(["useradd", "-m", OWNER], check=True)
    filled = 0
    for size in [size for size in sizes if size <= PEERS_MAX]:
        peer_fill_more(filled, size)
        filled = max(filled, size)
        peers(table, size)
        usermod(table, size)
    peers_forget()
    daemon = Daemon()
    daemon.call("LimitSet", owner=OWNER, accounts=10000000, ranges=32768)
    present = 0
    for size in sizes:
        present = daemon.call("Status")["accounts"]
        measure(daemon, table, size, present)
    memory = daemon.memory()
    accounts = daemon.call("Status")["accounts"]
    print(f"# {accounts:,} accounts at the end, daemon {memory:.1f} MiB resident")
    daemon.process.terminate()
    daemon.process.wait(20)
    print(json.dumps({"bench": "provision", "backed": where, "table": table, "accounts": accounts,
                      "resident_mib": round(memory, 1)}))


FILES = ("passwd", "shadow", "group", "gshadow", "subuid", "subgid")
SAVED = {}


def peer_fill_more(filled, size):
    if not SAVED:
        SAVED.update({name: open(f"/etc/{name}").read() for name in FILES})
    if size > filled:
        for name in FILES:
            with open(f"/etc/{name}", "w") as file:
                file.write(SAVED[name])
        peer_fill(size)


def peers_forget():
    """Each is measured alone: the daemon is not to look through the peers' entries."""
    for name in FILES:
        with open(f"/etc/{name}", "w") as file:
            file.write(SAVED[name])


if __name__ == "__main__":
    main()
