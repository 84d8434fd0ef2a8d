# SPDX-License-Identifier: ISC
"""Many at once: 64 clients against a model, and readers in processes of their own that are told only what was true."""

import contextlib
import ctypes
import json
import multiprocessing
import os
import random
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

from conftest import SOCKET, run, wait_until

CLIENTS = 64
ROUNDS = 12
READERS = 4
UNIT = 65536
INTERFACE = "io.subuidd.Accounts."


class Passwd(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("password", ctypes.c_char_p), ("uid", ctypes.c_uint32),
                ("gid", ctypes.c_uint32), ("comment", ctypes.c_char_p), ("home", ctypes.c_char_p),
                ("shell", ctypes.c_char_p)]


class Nss:
    """The module itself, as glibc loads it: status, then the entry."""

    SUCCESS, NOTFOUND, UNAVAIL = 1, 0, -1

    def __init__(self):
        self.module = ctypes.CDLL("libnss_subuid.so.2")
        self.buffer = ctypes.create_string_buffer(1024)
        self.errno = ctypes.c_int()
        self.entry = Passwd()

    def by_name(self, name):
        status = self.module._nss_subuid_getpwnam_r(
            name.encode(), ctypes.byref(self.entry), self.buffer, ctypes.c_size_t(1024), ctypes.byref(self.errno))
        return status, self.entry.uid if status == self.SUCCESS else None

    def by_uid(self, uid):
        status = self.module._nss_subuid_getpwuid_r(
            ctypes.c_uint32(uid), ctypes.byref(self.entry), self.buffer, ctypes.c_size_t(1024),
            ctypes.byref(self.errno))
        return status, self.entry.name.decode() if status == self.SUCCESS else None


class Client:
    """One connection, any number of calls; root's, for any owner."""

    def __init__(self):
        self.peer = socket.socket(socket.AF_UNIX)
        self.peer.settimeout(60)
        self.peer.connect(SOCKET)
        self.data = b""

    def call(self, method, **parameters):
        self.peer.sendall(json.dumps({"method": INTERFACE + method, "parameters": parameters}).encode() + b"\0")
        while b"\0" not in self.data:
            chunk = self.peer.recv(65536)
            if not chunk:
                raise ConnectionResetError("closed")
            self.data += chunk
        raw, self.data = self.data.split(b"\0", 1)
        return json.loads(raw)

    def close(self):
        self.peer.close()


def record(history, kind, what, begin, value):
    history.append((what, kind, begin, time.monotonic(), value))


def client(owner, number, history, failures, stop_at):
    """Adds, removes and ranges accounts of its own, and some that it shares with a neighbour. What was answered, and
    when it was asked and answered, is the history."""
    choose = random.Random(number)
    mine = Client()
    held, ranges = {}, []
    try:
        for step in range(ROUNDS):
            if time.monotonic() > stop_at:
                break
            act = choose.random()
            begin = time.monotonic()
            if act < 0.5 or not held:
                label = f"c{number}s{step}" if act < 0.4 else f"shared{number // 2}x{step}"
                reply = mine.call("Add", label=label, owner=owner)
                if "error" in reply:
                    assert reply["error"].split(".")[-1] in ("Busy", "Exists"), reply
                    continue
                account = reply["parameters"]["account"]
                if reply["parameters"]["created"]:
                    record(history, "add", account["name"], begin, account["uid"])
                if label.startswith("c"):
                    held[label] = account
            elif act < 0.75:
                label = choose.choice(sorted(held))
                account = held.pop(label)
                reply = mine.call("Remove", label=label, owner=owner, purge=True)
                assert "error" not in reply, reply
                record(history, "remove", account["name"], begin, account["uid"])
            elif act < 0.92 or not ranges:
                reply = mine.call("RangeAdd", count=choose.choice((1, UNIT, 3 * UNIT)), owner=owner)
                assert "error" not in reply, reply
                ranges.append(reply["parameters"]["range"])
                record(history, "range", ranges[-1]["first"], begin, ranges[-1]["count"])
            else:
                given = ranges.pop(choose.randrange(len(ranges)))
                reply = mine.call("RangeRemove", first=given["first"], owner=owner)
                assert "error" not in reply, reply
                record(history, "unrange", given["first"], begin, given["count"])
    except Exception as error:  # told in the main thread
        failures.append(f"client {number}: {type(error).__name__}: {error}")
    finally:
        mine.close()


def reader(names, stop, pipe):
    """A process that looks up names without end: (name, asked, answered, uid or None), changes of an answer only."""
    nss, answers, last, lookups = Nss(), [], {}, 0
    choose = random.Random(os.getpid())
    while not stop.is_set():
        for name in choose.sample(names, 64):
            begin = time.monotonic()
            status, uid = nss.by_name(name)
            lookups += 1
            if status == nss.SUCCESS:
                back, found = nss.by_uid(uid)
                if found not in (name, None) or back not in (nss.SUCCESS, nss.NOTFOUND):
                    answers.append((name, begin, time.monotonic(), f"uid {uid} is {found} ({back})"))
            elif status != nss.NOTFOUND:
                uid = f"status {status}, errno {nss.errno.value}"
            if uid is not None or last.get(name) is not None:
                answers.append((name, begin, time.monotonic(), uid))
            last[name] = uid
    pipe.send((lookups, answers))


def true_at_some_moment(lives, begin, end, uid):
    """lives: (uid, add asked, add answered, remove asked, remove answered) of one name, in any order."""
    if uid is None:  # not there at some moment between: unless one life covers all of it for sure
        return not any(added <= begin and (gone is None or end <= gone) for _, _, added, gone, _ in lives)
    return any(uid == its and asked <= end and (ended is None or begin <= ended) for its, asked, _, _, ended in lives)


def lives_of(history):
    lives = {}
    for name, kind, begin, end, uid in sorted(history, key=lambda h: h[3]):
        if kind == "add":
            lives.setdefault(name, []).append([uid, begin, end, None, None])
        elif kind == "remove":
            life = next(life for life in lives[name] if life[0] == uid)
            life[3:] = [begin, end]
    return lives


def test_the_judge_knows_what_was_not_true():
    """uid 7 was asked for at 1, there at 2, asked away at 5, gone at 6."""
    lives = [[7, 1, 2, 5, 6]]
    assert true_at_some_moment(lives, 3, 4, 7) and not true_at_some_moment(lives, 3, 4, None)
    assert not true_at_some_moment(lives, 3, 4, 8) and not true_at_some_moment(lives, 6.5, 7, 7)
    assert not true_at_some_moment(lives, 0, 0.5, 7) and true_at_some_moment(lives, 0, 0.5, None)
    assert true_at_some_moment(lives, 1, 2, None) and true_at_some_moment(lives, 1, 1.5, 7)
    assert true_at_some_moment(lives, 4, 5.5, None) and true_at_some_moment(lives, 5, 7, 7)
    assert true_at_some_moment([], 0, 1, None) and not true_at_some_moment([], 0, 1, 7)
    assert not true_at_some_moment([[7, 1, 2, None, None]], 3, 4, None)


def test_64_clients_and_readers_who_are_told_what_was_true(host):
    owners = [host.new_user("o") for _ in range(4)]
    for owner in owners:
        host.subuid("limit", owner, "--accounts", "5000", "--ranges", "4000")
    history, failures = [], []
    names = [f"{owners[c % 4]}+c{c}s{s}" for c in range(CLIENTS) for s in range(ROUNDS)]
    names += [f"{owners[c % 4]}+shared{c // 2}x{s}" for c in range(CLIENTS) for s in range(ROUNDS)]
    context = multiprocessing.get_context("fork")
    stop, readers = context.Event(), []
    for _ in range(READERS):
        here, there = context.Pipe(False)
        process = context.Process(target=reader, args=(names, stop, there))
        process.start()
        readers.append((process, here))
    stop_at = time.monotonic() + 14
    threads = [threading.Thread(target=client, args=(owners[c % 4], c, history, failures, stop_at))
               for c in range(CLIENTS)]
    conf = Path("/etc/subuidd.conf.d/clients.conf")  # all of them are one uid's here
    conf.parent.mkdir(mode=0o755, exist_ok=True)
    conf.write_text(f"[service]\nconnections_per_uid = {CLIENTS + 8}\n")
    host.restart_daemon()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    conf.unlink()
    host.restart_daemon()
    stop.set()
    told = [here.recv() for _, here in readers]
    for process, _ in readers:
        process.join(10)
        assert process.exitcode == 0
    assert not failures, failures[:5]
    adds = [h for h in history if h[1] == "add"]
    assert len(adds) > 150 and any(h[1] == "remove" for h in history), len(history)
    # nothing twice: no uid of two names, ever; no id in two ranges, ever
    assert len({h[4] for h in adds}) == len(adds)
    blocks = sorted((h[0], h[4]) for h in history if h[1] == "range")
    assert len(blocks) > 30
    for (first, count), (after, _) in zip(blocks, blocks[1:]):
        assert first + count <= after
    # each answer was true at some moment between question and answer
    lives = lives_of(history)
    wrong = [(name, uid) for _, answers in told for name, begin, end, uid in answers
             if not true_at_some_moment(lives.get(name, ()), begin, end, uid)]
    assert not wrong, wrong[:5]
    assert all(lookups > 1000 for lookups, _ in told)
    assert sum(uid is not None for _, answers in told for *_, uid in answers) > 100
    # and at the end all agree: history, list, NSS
    alive = {name: life[0] for name, all in lives.items() for life in all if life[4] is None}
    listed = {a["name"]: a["uid"] for owner in owners for a in host.subuid_json("list", "--owner", owner)}
    assert listed == alive
    nss = Nss()
    assert all(nss.by_name(name) == (nss.SUCCESS, uid) for name, uid in alive.items())
    host.subuid("check", "--all")


# ---- growth and rebuild under readers


def follow(stable, stop, damaged, pipe):
    """A reader that lives on: every account that was there before must be found by name and uid, each time. Who was late to
    leave a superseded file may meet the damaged one, and is told "unavailable", never "not found" nor anything else."""
    nss, lookups, wrong, seen = Nss(), 0, [], set()
    pairs = list(stable.items())
    while not stop.is_set():
        for name, uid in random.sample(pairs, min(50, len(pairs))):
            lookups += 2
            for asked, told, right in ((name, nss.by_name(name), uid), (uid, nss.by_uid(uid), name)):
                if told != (nss.SUCCESS, right) and not (told == (nss.UNAVAIL, None) and damaged.is_set()):
                    wrong.append((asked, told, nss.errno.value))
        with contextlib.suppress(FileNotFoundError):
            seen.add(os.stat("/var/lib/subuidd/index").st_ino)
    newest = nss.by_name("follow+newest")
    descriptors = [os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")
                   if os.path.exists(f"/proc/self/fd/{fd}")]
    maps = Path("/proc/self/maps").read_text().count("/var/lib/subuidd/index")
    pipe.send((lookups, wrong[:5], len(seen), newest, any("/var/lib/subuidd" in d for d in descriptors), maps))


def test_long_lived_readers_follow_growth_and_rebuilds(host):
    """Eight processes look up without end, while the file grows, is rebuilt by SIGHUP, and is built anew at a start."""
    run("useradd", "--create-home", "follow")
    host.subuid("limit", "follow", "--accounts", "5000")
    client = Client()
    stable = {}
    for i in range(40):
        account = client.call("Add", label=f"s{i}", owner="follow")["parameters"]["account"]
        stable[account["name"]] = account["uid"]
    context = multiprocessing.get_context("fork")
    stop, damaged, readers = context.Event(), context.Event(), []
    for _ in range(8):
        here, there = context.Pipe(False)
        process = context.Process(target=follow, args=(stable, stop, damaged, there))
        process.start()
        readers.append((process, here))
    index = Path("/var/lib/subuidd/index")
    conf = Path("/etc/subuidd.conf.d/follow.conf")
    conf.parent.mkdir(mode=0o755, exist_ok=True)
    try:
        size, inodes = index.stat().st_size, {index.stat().st_ino}
        for i in range(200):  # each change leaves its old record behind: the file fills
            client.call("Modify", label=f"s{i % 40}", owner="follow", comment=f"comment {i} " + "x" * 100)
            inodes.add(index.stat().st_ino)
        assert len(inodes) > 1, "the file was never full"
        for value in ("yes", "no", "yes"):  # what is in the header changes: all of it anew
            conf.write_text(f"[names]\nenumerate = {value}\n")
            host.daemon.send_signal(signal.SIGHUP)
            wait_until(lambda: ("follow+s1:" in run("getent", "passwd").stdout) == (value == "yes"),
                       "it is built anew")
        client.close()
        host.stop_daemon(signal.SIGKILL)
        damaged.set()
        with index.open("r+b") as file:  # damaged: no new reader takes it, nor does the daemon
            file.seek(100)
            file.write(b"\xff" * 8)
        host.start_daemon()
        client = Client()
        newest = client.call("Add", label="newest", owner="follow")["parameters"]["account"]["uid"]
    finally:
        stop.set()
        conf.unlink(missing_ok=True)
    for process, here in readers:
        lookups, wrong, files, found, held, maps = here.recv()
        process.join(10)
        assert not wrong, wrong
        assert lookups > 1000 and files > 2
        assert found == (Nss.SUCCESS, newest), "a reader stayed with an old file"
        assert not held and maps == 1, "a reader holds what it does not need"
    client.close()
    host.restart_daemon()
    host.subuid("check", "--all")


def test_limits_that_are_set_at_once_all_hold(host):
    """Three admins, each with one of an owner's limits, at the same moment, again and again: nobody's is lost."""
    owner, rounds = host.new_user(), 60
    members = ("accounts", "keys", "ranges")
    at_once = threading.Barrier(len(members) + 1, timeout=60)
    failures = []

    def admin(member):
        mine = Client()
        try:
            for value in range(1, rounds):
                at_once.wait()
                reply = mine.call("LimitSet", owner=owner, **{member: value})
                if reply.get("parameters", {}).get("limit", {}).get(member) != value:
                    failures.append(reply)
                at_once.wait()
        except threading.BrokenBarrierError:
            pass
        finally:
            mine.close()

    admins = [threading.Thread(target=admin, args=(member,)) for member in members]
    for thread in admins:
        thread.start()
    judge, lost = Client(), []
    try:
        for value in range(1, rounds):
            at_once.wait()
            at_once.wait()
            limit = judge.call("LimitGet", owner=owner)["parameters"]["limit"]
            lost += [limit] if [limit[member] for member in members] != [value] * len(members) else []
    finally:
        at_once.abort()
        judge.close()
        for thread in admins:
            thread.join()
    assert not failures, failures[:3]
    assert not lost, lost[:3]


def test_checks_at_once_beside_changes(host):
    """The proof of the store looks at a file that stands still; changes do not wait for it, nor one check for another."""
    owner = host.new_user()
    host.subuid("limit", owner, "--accounts", "1000")
    client, made = Client(), {}
    checks = [subprocess.Popen(["subuid", "check", "--all"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
              for _ in range(5)]
    while any(check.poll() is None for check in checks) or len(made) < 20:
        reply = client.call("Add", label=f"b{len(made)}", owner=owner)
        if len(made) == 900:
            break
        made[reply["parameters"]["account"]["name"]] = reply["parameters"]["account"]["uid"]
    for check in checks:
        said = check.communicate(timeout=120)[0]
        assert check.returncode == 0, said
    client.close()
    again = subprocess.Popen(["subuid", "check", "--all"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    host.restart_daemon(signal.SIGKILL)  # maybe while it stands still
    again.wait(60)
    listed = {a["name"]: a["uid"] for a in host.subuid_json("list", "--owner", owner)}
    assert listed.items() >= made.items()
    host.subuid("check", "--all")
