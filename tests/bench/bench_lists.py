#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""What it costs to list and to check all accounts, against programs that read as much. Run by `make bench-lists`.

    bench_lists.py [--list SIZE ...] [--check SIZE ...]

list: a store of this size without homes; beside it sqlite3(1), which writes the same rows out of the same file.
check: real accounts, homes and links and all, of as many owners as an eighth of them; beside it find(1), which looks at
each file of the same trees once, and `getent passwd` of each account.

Prints a table and, as the last line, JSON. What is to be compared are ratios: seconds are this machine's, and its load's."""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

from bench_provision import Daemon, TICK

ROOT = Path(__file__).resolve().parents[2]
STATE = Path("/var/lib/subuidd")
BUILD = Path(os.environ.get("BUILD", ROOT / "build"))
PER_OWNER = 8
LISTED = """SELECT a.uid, a.owner, a.owner_uid, a.label, a.state, a.flags, a.created, a.expires_day, a.quota, a.files, a.comment,
 a.view, (SELECT count(*) FROM keys AS k WHERE k.uid = a.uid) AS keys,
 (SELECT count(*) FROM ranges AS r WHERE r.account_uid = a.uid) AS ranges, w.last_run, w.last_status, w.last_good, w.alarm,
 w.since, w.told FROM accounts AS a LEFT JOIN watches AS w ON w.uid = a.uid ORDER BY a.uid"""


def status_kib(pid, field):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1])
    return 0


def own_cpu(pid):
    """Seconds of this process alone, without its children."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(int(field) for field in fields[11:13]) / TICK


def children(pid):
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


class Watch(threading.Thread):
    """The most memory and processor time that each child of the daemon is seen with."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.more = []
        self.pid, self.peak, self.spent, self.ended = pid, {}, {}, threading.Event()

    def run(self):
        while not self.ended.wait(0.05):
            for child in [*children(self.pid), *self.more]:
                try:
                    self.peak[child] = status_kib(child, "VmHWM")
                    self.spent[child] = own_cpu(child)
                except (OSError, IndexError):
                    pass


ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))


def measured(daemon, argv, output="/dev/null"):
    """The best of a few: others' load only adds."""
    return min((measured_once(daemon, argv, output) for _ in range(ROUNDS)), key=lambda spent: spent["seconds"])


def measured_once(daemon, argv, output):
    """Seconds of a command, processor seconds of all that works for it, and KiB at the most."""
    pid = daemon.process.pid
    watch = Watch(pid)
    begun_broker, begun_all, before = own_cpu(pid), daemon.cpu(), status_kib(pid, "RssAnon")
    watch.start()
    begin = time.perf_counter()
    with open(output, "wb") as out:
        command = subprocess.Popen(argv, stdout=out)
        watch.more = [command.pid]
        _, status, usage = os.wait4(command.pid, 0)
    seconds = time.perf_counter() - begin
    watch.ended.set()
    watch.join()
    if os.waitstatus_to_exitcode(status) != 0:
        raise SystemExit(f"{argv}: exit {os.waitstatus_to_exitcode(status)}")
    return {"seconds": seconds, "broker_cpu": own_cpu(pid) - begun_broker,
            "children_cpu": max(daemon.cpu() - begun_all - (own_cpu(pid) - begun_broker), max((spent for pid, spent in watch.spent.items() if pid != command.pid), default=0)),
            "command_cpu": usage.ru_utime + usage.ru_stime, "command_kib": watch.peak.pop(command.pid, 0),
            "broker_kib": status_kib(pid, "RssAnon") - before, "worker_kib": max(watch.peak.values(), default=0)}


def plain(argv):
    return min((plain_once(argv) for _ in range(ROUNDS)), key=lambda spent: spent["seconds"])


def plain_once(argv):
    begin = time.perf_counter()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(argv, stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {"seconds": time.perf_counter() - begin,
            "command_cpu": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime}


def tell(what, size, per, spent):
    micro = {name: spent[name] / per * 1e6 for name in ("seconds", "broker_cpu", "children_cpu", "command_cpu") if name in spent}
    print(f"{what:34} {size:>9,} {spent['seconds']:>8.2f} s {micro['seconds']:>8.2f} µs each;  processor µs: "
          f"broker {micro.get('broker_cpu', 0):.2f}, its children {micro.get('children_cpu', 0):.2f}, "
          f"command {micro['command_cpu']:.2f};  KiB: broker +{spent.get('broker_kib', 0)}, "
          f"worker {spent.get('worker_kib', 0)}, command {spent.get('command_kib', 0)}", flush=True)


# ---- list


def forget(daemon):
    """The daemon stops, and knows of nothing any more."""
    daemon.stop()
    Path("/etc/passwd").write_text(daemon.passwd)
    for path in STATE.iterdir():
        if path.name.startswith(("state.db", "index", "keys", "high-water")):
            path.unlink()
    Path("/srv/subuid/.high-water").unlink(missing_ok=True)
    shutil.rmtree("/var/backups/subuidd", ignore_errors=True)  # says that ids were given, so no start is the first


def list_fill(daemon, size):
    forget(daemon)
    users = daemon.passwd + "".join(f"owner{i:05d}:x:{3000000 + i}:65534::/home/owner{i:05d}:/bin/sh\n" for i in range(size // 16 + 1))
    Path("/etc/passwd").write_text(users)
    subprocess.run([BUILD / "bench/fill", STATE, str(size), str(min(size, 10000))], check=True)
    daemon.begin()


def list_measure(daemon, table, size):
    list_fill(daemon, size)
    rows = {}
    for what, argv in (("subuid list --all --json", ["subuid", "list", "--all", "--json"]),
                       ("subuid list --all", ["subuid", "list", "--all"])):
        rows[what] = measured(daemon, argv)
        tell(what, size, size, rows[what])
    daemon.stop()  # nobody else opens the file while it runs
    for what, mode in (("sqlite3 -json", "-json"), ("sqlite3 -column", "-column")):
        rows[what] = plain(["sqlite3", mode, STATE / "state.db", LISTED])
        tell(what, size, size, rows[what])
    table.append({"what": "list", "accounts": size, "rows": rows,
                  "ratio": rows["subuid list --all --json"]["seconds"] / rows["sqlite3 -json"]["seconds"]})
    print(f"# list: {table[-1]['ratio']:.2f} times sqlite3 -json", flush=True)


# ---- check


def check_fill(daemon, size):
    forget(daemon)
    daemon.begin()
    owners = (size + PER_OWNER - 1) // PER_OWNER
    with open("/etc/passwd", "a") as passwd:
        for i in range(owners):
            home, uid = f"/home/filler{i}", 300000 + i
            passwd.write(f"filler{i}:x:{uid}:{uid}::{home}:/bin/sh\n")
            os.mkdir(home, 0o700)
            os.chown(home, uid, uid)
    lines = [json.dumps({"owner": f"filler{i // PER_OWNER}", "label": f"l{i}"}) for i in range(size)]
    begin = time.perf_counter()
    subprocess.run(["subuid", "import", "-"], input="\n".join(lines), text=True, check=True, stdout=subprocess.DEVNULL)
    print(f"# {size:,} accounts of {owners:,} owners imported in {time.perf_counter() - begin:.1f} s", flush=True)


def check_measure(daemon, table, size):
    check_fill(daemon, size)
    daemon.connect()
    rows = {}
    out = "/run/checked.json"
    rows["subuid check --all"] = measured(daemon, ["subuid", "check", "--all", "--json"], out)
    found = json.loads(Path(out).read_text())
    things = found["checked"]
    if found["findings"]:
        raise SystemExit(found["findings"][:3])
    tell("subuid check --all, a thing", things, things, rows["subuid check --all"])
    listed = json.loads(subprocess.run(["subuid", "list", "--all", "--json"], capture_output=True, check=True).stdout)
    names = [account["name"] for account in listed]
    rows["find"] = plain(["find", "/srv/subuid", *(f"/home/filler{i}" for i in range((size + PER_OWNER - 1) // PER_OWNER))][:1]
                         + ["/home", "-printf", "%U %m %l\n"])
    tell("find, an account", size, size, rows["find"])
    rows["getent"] = plain(["getent", "passwd", *names[:5000]])
    tell("getent passwd, an account", min(5000, size), min(5000, size), rows["getent"])
    table.append({"what": "check", "accounts": size, "things": things, "rows": rows,
                  "ratio": rows["subuid check --all"]["seconds"] / (rows["find"]["seconds"] +
                                                                      rows["getent"]["seconds"] * size / min(5000, size))})
    print(f"# check: {things / rows['subuid check --all']['seconds']:,.0f} things a second, {table[-1]['ratio']:.2f} times "
          "find and getent", flush=True)


class Lists(Daemon):
    def __init__(self):
        super().__init__()
        self.passwd = Path("/etc/passwd").read_text()

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait()

    def begin(self):
        self.process = subprocess.Popen(["subuidd", "--foreground"], stderr=subprocess.DEVNULL)
        self.connect()
        self.call("Status")


def main():
    if os.environ.get("SUBUIDD_THROWAWAY") != "1":
        sys.exit("run this by `make bench-lists`: it changes the host it runs on")
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--list", type=int, nargs="*", default=[1000, 100000, 1000000])
    parser.add_argument("--check", type=int, nargs="*", default=[2000, 20000])
    options = parser.parse_args()
    daemon, table = Lists(), []
    print(f"# {os.uname().machine}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    for size in options.list:
        list_measure(daemon, table, size)
    for size in options.check:
        check_measure(daemon, table, size)
    print(json.dumps(table))


if __name__ == "__main__":
    main()
