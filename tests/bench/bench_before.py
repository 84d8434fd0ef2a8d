#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Two states of the sources beside each other: what did a change cost?

    make bench-before BEFORE=COMMIT [BEFORE_ROUNDS=9]

bench_before.py BEFORE NOW [--rounds N] > RESULT.json: two built trees. Each is installed in a throwaway root of its own,
with the same accounts, and both are measured by turns (before, now, now, before, ...), so that other work on the machine
meets both. Of each figure the lower quartile of the rounds counts, since other work only adds. The programs that measure
are those of NOW; only `fill` is each tree's own, as it writes the store.
"""

import argparse
import importlib.machinery
import importlib.util
import json
import os
import re
import resource
import socket
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ACCOUNTS = 10000
GATE = {"rsync alone": ["rsync", "--server", "-e.LsfxCIvu", ".", "."],
        "gate": ["/usr/bin/subuid-rrsync", "-no-lock", "/srv/start"],
        "gate, no private root": ["/usr/bin/subuid-rrsync", "-no-lock", "-no-private", "/srv/start"]}


def bench_module():
    loader = importlib.machinery.SourceFileLoader("bench_run", str(HERE / "run"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("bench_run", loader))
    loader.exec_module(module)
    return module


# ---- in a throwaway root


class Connection:
    """One that stays."""

    def __init__(self, path):
        self.peer = socket.socket(socket.AF_UNIX)
        self.peer.connect(path)

    def call(self, method, **parameters):
        message = {"method": f"io.subuidd.Accounts.{method}", "parameters": parameters}
        self.peer.sendall(json.dumps(message).encode() + b"\0")
        data = b""
        while not data.endswith(b"\0"):
            chunk = self.peer.recv(65536)
            if not chunk:
                raise RuntimeError(f"{method}: the connection was closed")
            data += chunk
        reply = json.loads(data[:-1])
        if "error" in reply:
            raise RuntimeError(f"{method}: {reply}")
        return reply["parameters"]


class Root:
    def __init__(self, tree):
        self.module = bench_module()
        self.module.ROOT = tree
        self.bench = self.module.Bench(argparse.Namespace(quick=True, build=str(tree / "build")))
        self.bench.prepare()
        self.bench.fill(ACCOUNTS)
        self.bench.build = HERE.parents[1] / "build"
        self.bench.seconds = 0.1
        self.pid = self.bench.daemon.pid
        self.questions = self.bench.questions(ACCOUNTS)
        self.module.call("LimitSet", owner="owner", accounts=1000000, ranges=10000)
        Path("/srv/start").mkdir(mode=0o755)
        os.chown("/srv/start", 65533, 65533)
        self.round = 0

    def lookups(self):
        for kind in ("name", "uid", "miss", "groups"):
            yield f"lookup: {kind}, ns", self.bench.modules("libnss_subuid.so.2", "subuid", kind, 1,
                                                            self.questions[kind])["best"]

    def subid(self):
        asked = "".join(f"owner{i:05d} {self.module.OWNER_FIRST + i} {self.module.RANGE_FIRST + i * self.module.UNIT}\n"
                        for i in range(self.module.OWNERS_IN_PASSWD))
        for kind in ("holds", "list", "owners"):
            found = json.loads(self.module.run(self.bench.build / "bench/subid", "libsubid_subuid.so", kind,
                                               self.bench.seconds, input=asked).stdout)
            yield f"plug-in: {kind}, ns", found["plugin"]

    @staticmethod
    def gate():
        environment = {"SSH_ORIGINAL_COMMAND": "rsync --server -e.LsfxCIvu . .", "PATH": "/usr/bin:/bin"}
        for name, argv in GATE.items():
            for _ in range(10):
                begin = time.perf_counter()
                process = subprocess.Popen(argv, env=environment, cwd="/srv/start", user=65533, group=65533,
                                           extra_groups=[], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                           stderr=subprocess.DEVNULL)
                assert process.stdout.read(1), f"{name}: no byte"
                spent = time.perf_counter() - begin
                process.stdin.close()
                process.stdout.close()
                usage = os.wait4(process.pid, 0)[2]
                process.returncode = 0
                yield f"{name}: start to first byte, ms", spent * 1000
                yield f"{name}: processor, ms", (usage.ru_utime + usage.ru_stime) * 1000

    def cpu(self):
        """Milliseconds of the daemon and of its children that have ended."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return sum(map(int, fields[11:15])) * 1000 / os.sysconf("SC_CLK_TCK")

    def provision(self):
        number, self.round = self.round, self.round + 1
        connection = Connection(self.module.SOCKET)
        key = Path("/root/key.pub").read_text()
        before, count = self.cpu(), 40
        for method, more in (("Add", {"key": {"key": key, "role": "push"}}), ("Remove", {"purge": True})):
            for i in range(count):
                begin = time.perf_counter()
                connection.call(method, owner="owner", label=f"b{number}-{i}", **more)
                yield f"{method} on a connection that stays, ms", (time.perf_counter() - begin) * 1000
        yield "Add and Remove: processor of the daemon, ms", (self.cpu() - before) / count
        for _ in range(5):
            begin = time.perf_counter()
            connection.call("RangeAdd", owner="owner", count=self.module.UNIT)
            yield "RangeAdd, ms", (time.perf_counter() - begin) * 1000
        for i in range(8):
            begin = time.perf_counter()
            self.module.run("subuid", "add", f"c{number}-{i}", "--owner", "owner")
            yield "subuid add, ms", (time.perf_counter() - begin) * 1000
        rows = "".join(json.dumps({"owner": "owner", "label": f"i{number}-{i}"}) + "\n" for i in range(1000))
        before, begin = self.cpu(), time.perf_counter()
        self.module.run("subuid", "import", "-", input=rows)
        yield "subuid import, ms an account", time.perf_counter() - begin
        yield "subuid import: processor of the daemon, ms an account", (self.cpu() - before) / 1000

    def login(self):
        if self.round == 1:
            self.module.run("ssh-keygen", "-A")
            os.makedirs("/run/sshd", exist_ok=True)
            self.module.run("/usr/sbin/sshd")
        ssh = ("ssh -F none -i /root/key -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR "
               "-o BatchMode=yes -o IdentitiesOnly=yes").split()
        for i in range(5):
            begin = time.perf_counter()
            result = self.module.run(*ssh, f"owner+real{ACCOUNTS}@127.0.0.1", "true", check=False,
                                     stdin=subprocess.DEVNULL)
            if result.returncode == 255:
                raise RuntimeError(result.stderr)
            yield "ssh login and `true`, ms", (time.perf_counter() - begin) * 1000

    def memory(self):
        connections = [Connection(self.module.SOCKET) for _ in range(4)]
        for connection in connections:
            connection.call("Status")
        status = dict(re.findall(r"(\w+):\s+(\d+) kB", Path(f"/proc/{self.pid}/status").read_text()))
        yield "broker: own memory, KiB", int(status["RssAnon"])
        for child in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split():
            if Path(f"/proc/{child}/comm").read_text().strip() == "worker":
                smaps = Path(f"/proc/{child}/smaps_rollup").read_text()
                yield "worker: share of memory, KiB", int(re.search(r"Pss:\s+(\d+)", smaps)[1])
                yield "worker: own memory, KiB", int(re.search(r"Private_Dirty:\s+(\d+)", smaps)[1])

    def list(self):
        for _ in range(3):
            begin = resource.getrusage(resource.RUSAGE_CHILDREN)
            clock = time.perf_counter()
            self.module.run("subuid", "list", "--all", "--json")
            spent, end = time.perf_counter() - clock, resource.getrusage(resource.RUSAGE_CHILDREN)
            yield "subuid list --all, ms", spent * 1000
            yield "subuid list --all: processor of the command, ms", (
                end.ru_utime + end.ru_stime - begin.ru_utime - begin.ru_stime) * 1000


def serve(tree):
    """Measures what a line of input names; answers with a line of JSON, [name, value] each."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    root = Root(tree)
    print("ready", file=out, flush=True)
    for line in sys.stdin:
        print(json.dumps(list(getattr(root, line.strip())())), file=out, flush=True)


# ---- outside


WHAT = ("lookups", "subid", "gate", "provision", "login", "memory", "list")


def begin(tree):
    environment = {**os.environ, "THROWAWAY_SRV": "4G"}
    process = subprocess.Popen([HERE.parent / "throwaway", "--", "/usr/bin/python3", __file__, "--serve", tree],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
    if process.stdout.readline() != "ready\n":
        raise SystemExit(f"{tree}: not ready")
    return process


def ask(process, what):
    print(what, file=process.stdin, flush=True)
    return json.loads(process.stdout.readline())


def quartile(values):
    return sorted(values)[len(values) // 4]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("trees", nargs="*", type=Path)
    parser.add_argument("--serve", type=Path)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--what", default=",".join(WHAT))
    options = parser.parse_args()
    if options.serve:
        return serve(options.serve)
    trees = [path.resolve() for path in options.trees]
    roots = [begin(tree) for tree in trees]
    found, load = ({}, {}), [os.getloadavg()[0]]
    for number in range(options.rounds):
        for what in options.what.split(","):
            for k in (0, 1) if number % 2 else (1, 0):
                for name, value in ask(roots[k], what):
                    found[k].setdefault(name, []).append(value)
        print(f"round {number + 1} of {options.rounds}, load {os.getloadavg()[0]:.1f}", file=sys.stderr, flush=True)
    load.append(os.getloadavg()[0])
    rows = [{"what": name, "before": quartile(found[0][name]), "now": quartile(values), "samples": len(values)}
            for name, values in found[1].items()]
    for row in rows:
        print(f"{row['what']:58} {row['before']:>10.3f} {row['now']:>10.3f} {row['before'] / row['now']:>6.2f}", file=sys.stderr)
    commits = [subprocess.run(["git", "-C", tree, "rev-parse", "--short", "HEAD"], capture_output=True, text=True,
                              check=True).stdout.strip() for tree in trees]
    print(json.dumps({"before": commits[0], "now": commits[1], "load": load, "date": time.strftime("%Y-%m-%d"),
                      "accounts": ACCOUNTS, "rounds": options.rounds, "rows": rows}, indent=1))
    return None


if __name__ == "__main__":
    main()
