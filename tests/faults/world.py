# SPDX-License-Identifier: ISC
"""A live host on which faults happen: the daemon, what it says of itself (facts), and what it must never say again.

Facts are one flat dictionary, so that two of them can be compared key by key:
    ("account", owner, label): uid, locked, frozen, comment, quota, expires, alarm, view, bounds, state
    ("key", uid, fingerprint): roles          ("range", first): owner, label, count
    ("limit", owner): numbers, bounds         ("ended", first): a tombstone, (count, owner, label)
"""

import contextlib
import json
import os
import re
import subprocess
import sys
import time
import uuid
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))

import conftest  # noqa: E402  the live host of the end-to-end tests
from conftest import run, wait_until  # noqa: E402
import libraries  # noqa: E402
from libraries import INTERFACE, Nss, Subid  # noqa: E402

BUILD = Path(os.environ.get("FAULTS_BUILD", conftest.ROOT / "build"))
STATE = Path("/var/lib/subuidd")
HOMES = Path("/srv/subuid")
CONF = Path("/etc/subuidd.conf.d/60-faults.conf")
BOOT_ID = Path("/run/boot-id")
CALL_SECONDS = 60
START_SECONDS = 60  # on a busy machine


class Violation(Exception):
    """A promise was broken."""


TIME = re.compile("in time|not within|not answered|does not come to its end|does not end")


def is_of_time(why):
    """It may be the machine's: looked at once more before it counts."""
    return bool(TIME.search(why))


def demand(condition, *words):
    if not condition:
        raise Violation(" ".join(str(word) for word in words))


def call(method, parameters=None, more=False, timeout=CALL_SECONDS):
    return conftest.call(INTERFACE + method, parameters, more=more, timeout=timeout)


def done(reply):
    """Acknowledged: every reply of the call is there and none is an error."""
    replies = reply if isinstance(reply, list) else [reply]
    return bool(replies) and all(one is not None and "error" not in one for one in replies)


BOUNDS = ("processes", "memory", "openFiles", "fileSize", "cpuWeight", "ioWeight", "sessions", "logins", "bandwidth")


def bounds_of(row):
    """Those that it has of its own."""
    return tuple((name, row[name]) for name in BOUNDS if row.get(name))


class Client(libraries.Client):
    def rows(self, method, **parameters):
        """All replies of a call that wants `more`."""
        message = {"method": INTERFACE + method, "parameters": parameters, "more": True}
        self.peer.sendall(json.dumps(message).encode() + b"\0")
        replies = []
        while not replies or replies[-1].get("continues"):
            while b"\0" not in self.data:
                chunk = self.peer.recv(1 << 20)
                if not chunk:
                    raise ConnectionResetError("closed")
                self.data += chunk
            raw, self.data = self.data.split(b"\0", 1)
            replies.append(json.loads(raw))
        return replies


class World(conftest.Host):
    def __init__(self):
        super().__init__()
        self.nss = self.subid = None
        self.held = {}  # first id: (count, owner, label), of everything that was ever seen to be given out
        self.names = {}  # first id: the names that it may have, where a change of them was asked for
        self.owners = {}  # former owner: the one who may have all of theirs
        self.released = set()
        self.publish = "plugin"
        self.keys, self.fingerprints = [], {}  # public keys, and by fingerprint: type and blob

    # -- the host

    def install(self):
        run("make", "-C", conftest.ROOT, "install", f"BUILD={BUILD}", env={"MAKEFLAGS": ""})
        conftest.shadow_beside_the_plugin()
        BOOT_ID.write_text(f"{uuid.uuid4()}\n")
        run("mount", "--bind", BOOT_ID, "/proc/sys/kernel/random/boot_id")
        run("/usr/bin/subuid", "setup")
        self.nss, self.subid = Nss(), Subid()
        for number in range(8):
            path = self.new_key("/run", f"key{number}")
            self.keys.append(Path(f"{path}.pub").read_text().strip())
            told = run("ssh-keygen", "-lf", "-", input=self.keys[-1]).stdout
            self.fingerprints[told.split()[1]] = self.keys[-1].split()[:2]

    def booted(self):
        """From now on it looks as after another boot."""
        BOOT_ID.write_text(f"{uuid.uuid4()}\n")

    def settings(self, publish="plugin", **sections):
        """Takes effect with the next start."""
        self.publish = publish
        CONF.parent.mkdir(mode=0o755, exist_ok=True)
        text = [f"[subid]\npublish = {publish}\n", "[limits]\naccounts = 60\nranges = 200\n"]
        text += [f"[{name}]\n" + "".join(f"{key} = {value}\n" for key, value in lines.items())
                 for name, lines in sections.items()]
        CONF.write_text("".join(text))

    def spawn_daemon(self, *before):
        """Without waiting; before: words of a tracer."""
        self.daemon_log = open("/run/subuidd.log", "ab")
        return subprocess.Popen([*before, "/usr/sbin/subuidd", "--foreground"], stdin=subprocess.DEVNULL,
                                stdout=self.daemon_log, stderr=self.daemon_log, cwd="/")

    def answers(self):
        with contextlib.suppress(OSError):
            return done(call("Status"))
        return False

    def ensure_daemon(self):
        """Starts it where it has ended; True when it did. Whether it starts is a promise, too."""
        if self.daemon is not None and self.daemon.poll() is None:
            return False
        self.daemon = None
        try:
            self.start_daemon()
        except AssertionError as error:
            if self.daemon.poll() is None and within(START_SECONDS, self.answers):
                return True
            raise Violation(f"the daemon does not start: {str(error)[-600:]}") from None
        return True

    def kill_daemon(self):
        if self.daemon is not None:
            self.daemon.kill()
            self.daemon.wait(60)
            self.daemon = None

    def children(self, name):
        """Pids of the daemon's that live and have this name, the oldest first."""
        found = []
        for path in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                comm, rest = path.read_text().split("(", 1)[1].rsplit(") ", 1)
                words = rest.split()
                if comm == name and int(words[1]) == self.daemon.pid and words[0] not in "ZX":
                    found.append((int(words[19]), path.parent.name))
        return [pid for _, pid in sorted(found)]

    # -- facts

    def facts(self):
        """On one connection: a worker for each call would cost more than the calls."""
        peer = Client()

        def rows(method, member, **parameters):
            replies = peer.rows(method, **parameters)
            demand(done(replies), f"{method} is answered with", replies[-1])
            return [one["parameters"][member] for one in replies if member in one["parameters"]]

        try:
            return self.facts_by(rows)
        finally:
            peer.close()

    @staticmethod
    def facts_by(rows):
        found = {}
        for row in rows("List", "account", all=True):
            found["account", row["owner"], row["label"]] = (row["uid"], row["locked"], row.get("frozen", False), row.get("comment"), row.get("quota"),
                                                           row.get("expires"), row.get("alarm"), row["view"], bounds_of(row),
                                                           row["state"])
        for row in rows("KeyList", "key", all=True):
            found["key", row["uid"], row["fingerprint"]] = row["role"]
        for row in rows("RangeList", "range", all=True):
            found["range", row["first"]] = (row["owner"], row.get("label"), row["count"])
        for row in rows("LimitList", "limit"):
            found["limit", row["owner"]] = (row["accounts"], row["keys"], row["ranges"], bounds_of(row))
        for row in rows("TombstoneList", "range"):
            if row["owner"]:
                found["ended", row["first"]] = (row["count"], row["owner"], row.get("label"))
        return found

    def note_ids(self, facts):
        """No id is anybody's who is not the one that was first seen to have it, and none is forgotten."""
        now = {}
        for key, value in facts.items():
            if key[0] == "account":
                now[value[0]] = (1, key[1], key[2], "live")
            elif key[0] == "range":
                now[key[1]] = (value[2], value[0], value[1], "live")
            elif key[0] == "ended":
                now[key[1]] = (*value, "ended")
        for first in self.released:
            now.pop(first, None)
        for first, (count, owner, label, life) in now.items():
            before = self.held.get(first)
            demand(before is None or before[:3] == (count, owner, label) or self.renamed(first, before, (count, owner, label)),
                   f"id {first} was {before}, is", (owner, label))
            demand(before is None or before[3] == "live" or life == "ended", f"id {first} was given back, is {owner}'s anew")
            self.held[first] = (count, owner, label, life)
        for first in self.held.keys() - now.keys():
            raise Violation(f"id {first} of {self.held[first]} is known to nobody any more")
        self.no_overlap(now)

    def renamed(self, first, before, now):
        """A change of names was asked for: this id may have either, and so may all of an owner who changed."""
        return before[0] == now[0] and ((now[1:] in self.names.get(first, ())) or
                                        (self.owners.get(before[1]) == now[1] and before[2] == now[2]))

    @staticmethod
    def no_overlap(now):
        last = 0
        for first in sorted(now):
            demand(first >= last, f"two blocks hold id {first}")
            last = first + now[first][0]

    def forget(self, first):
        """Root releases it, or tries to: whose it is from now on proves nothing."""
        self.held.pop(first, None)
        self.released.add(first)

    # -- people

    def owner(self, prefix="f"):
        """With a link directory of their own; made once, used for many points."""
        name = self.new_user(prefix)
        demand(done(call("LimitSet", {"owner": name, "accounts": 1000, "ranges": 4000})), f"no limit for {name}")
        return name

    def add(self, owner, label, **more):
        reply = call("Add", {"owner": owner, "label": label, **more})
        demand(done(reply), f"add {owner}+{label} is answered with {reply}")
        return reply["parameters"]["account"]

    def remove(self, owner, label, **more):
        reply = call("Remove", {"owner": owner, "label": label, **more})
        demand(done(reply), f"remove {owner}+{label} is answered with {reply}")

    def write(self, account, text):
        """A pushed file, on the disk."""
        path = HOMES / account["owner"] / account["label"] / "home/pushed"
        path.write_text(text)
        os.chown(path, account["uid"], account["uid"])
        with open(path) as file:
            os.fsync(file.fileno())

    def login(self, uid):
        """A process of the account, as a session has; ends with it."""
        return subprocess.Popen(["/usr/bin/sleep", "600"], user=uid, group=uid, extra_groups=[], cwd="/",
                                stdin=subprocess.DEVNULL)


def report(stream, **members):
    stream.write(json.dumps(members) + "\n")
    stream.flush()


def within(seconds, condition):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    return condition()
