# SPDX-License-Identifier: ISC
"""Many at once: 64 clients against a model, and readers in processes of their own that are told only what was true."""

import contextlib
import multiprocessing
import os
import pwd
import random
import signal
import subprocess
import threading
import time
from pathlib import Path

from conftest import run, wait_until
from libraries import Client, Nss, Subid
from range_history import BLOCKS, NOTHING, UNIT, Judge, ask_once
from range_history import reader as range_reader

CLIENTS = 64
ROUNDS = 12
READERS = 2
RANGE_READERS = 2


def record(history, kind, what, begin, value):
    history.append((what, kind, begin, time.monotonic(), value))


def client(owner, number, history, failures, stop_at):
    """Adds, removes and ranges accounts of its own, and some that it shares with a neighbour. What was answered, and
    when it was asked and answered, is the history."""
    choose = random.Random(number)
    mine = Client()
    held, ranges = {}, []

    def gone(given, begin):
        record(history, "unrange", given["first"], begin, given["count"])

    try:
        for step in range(ROUNDS):
            now = time.monotonic()
            if now > stop_at and (len(history) > 600 or now > stop_at + 100):  # long enough, and with enough to judge
                break
            act = choose.random()
            begin = time.monotonic()
            if act < 0.44 or not held:
                label = f"c{number}s{step}" if act < 0.35 else f"shared{number // 2}x{step}"
                reply = mine.call("Add", label=label, owner=owner)
                if "error" in reply:
                    assert reply["error"].split(".")[-1] in ("Busy", "Exists"), reply
                    continue
                account = reply["parameters"]["account"]
                if reply["parameters"]["created"]:
                    record(history, "add", account["name"], begin, account["uid"])
                if label.startswith("c"):
                    held[label] = account
            elif act < 0.64:
                label = choose.choice(sorted(held))
                account = held.pop(label)
                reply = mine.call("Remove", label=label, owner=owner, purge=True)
                assert "error" not in reply, reply
                record(history, "remove", account["name"], begin, account["uid"])
                for given in [given for given in ranges if given.get("label") == label]:
                    ranges.remove(given)
                    gone(given, begin)
            elif act < 0.86 or not ranges:
                to = {"label": choose.choice(sorted(held))} if choose.random() < 0.4 else {}
                reply = mine.call("RangeAdd", count=choose.choice((1, UNIT, 3 * UNIT)), owner=owner, **to)
                assert "error" not in reply, reply
                ranges.append(reply["parameters"]["range"])
                record(history, "range", ranges[-1]["first"], begin, ranges[-1])
            else:
                given = ranges.pop(choose.randrange(len(ranges)))
                reply = mine.call("RangeRemove", first=given["first"], owner=owner)
                assert "error" not in reply, reply
                gone(given, begin)
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


def test_the_judge_of_ranges_knows_what_was_not_true():
    """A range of bob's was asked for at 1, there at 2, asked away at 5, gone at 6; behind it one of bob's account is
    there for good from 3 on, as the account is from 2 on."""
    first, given, bobs = UNIT, 2 * UNIT, 70 * UNIT
    judge = Judge([(first, "range", 1, 2, {"owner": "bob", "count": UNIT}), (first, "unrange", 5, 6, UNIT),
                   ("bob+a", "add", 1, 2, bobs), (given, "range", 2, 3, {"owner": "bob", "count": 2 * UNIT, "account": "bob+a"})],
                  {"bob": 1000, "eve": 1001})
    own, later, all_three = [(first, UNIT)], [], ("bob", first, 3 * UNIT)
    for answer in (
        ("owners", first, 3, 4, [1000]), ("owners", first, 5, 7, [1000]), ("owners", first, 1, 2, []),
        ("owners", given + UNIT, 4, 5, [1000, bobs]), ("owners", given + 2 * UNIT, 4, 5, []),
        ("name", first, 3, 4, f"bob+_{first}"), ("name", given, 4, 5, f"bob+_a_{given}"), ("name", first, 5, 6, None),
        ("has", all_three, 3.5, 4, True), ("has", all_three, 5, 7, True), ("has", all_three, 5, 7, False),
        ("has", ("eve", first, 1), 3, 4, False), ("has", ("bob", first, 3 * UNIT + 1), 3.5, 4, False),
        ("pieces", "bob", 3, 4, own), ("pieces", "bob", 5, 6, own), ("pieces", "bob", 5, 6, later),
        ("pieces", "bob+a", 3, 4, [(given, 2 * UNIT)]), ("pieces", "bob+a", 0, 1, None), ("pieces", "bob+b", 3, 4, None),
    ):
        assert judge.right(*answer), answer
    for answer in (
        ("owners", first, 3, 4, []), ("owners", first, 7, 8, [1000]), ("owners", first, 3, 4, [1001]),
        ("owners", first, 3, 4, [1000, bobs]), ("owners", first, 3, 4, None), ("owners", given, 4, 5, [1000]),
        ("owners", given + 2 * UNIT, 4, 5, [1000]), ("owners", first, 0, 0.5, [1000]),
        ("name", first, 3, 4, f"bob+_{first + 1}"), ("name", given, 4, 5, f"bob+_{given}"), ("name", first, 3, 4, None),
        ("name", first, 7, 8, f"bob+_{first}"), ("name", first, 3, 4, "status -1, errno 5"),
        ("has", all_three, 3.5, 4, False), ("has", all_three, 7, 8, True), ("has", all_three, 5, 7, "status 3, False"),
        ("has", ("eve", first, 1), 3, 4, True), ("has", ("bob", first, 3 * UNIT + 1), 3.5, 4, True),
        ("pieces", "bob", 7, 8, own), ("pieces", "bob", 3, 4, later), ("pieces", "bob", 3, 4, None),
        ("pieces", "bob", 3, 4, [(first, 3 * UNIT)]), ("pieces", "bob", 3, 4, [*own, (bobs, 1)]),
        ("pieces", "bob", 3, 4, [(given, 2 * UNIT)]), ("pieces", "bob+a", 3, 4, []), ("pieces", "bob+a", 3, 4, None),
    ):
        assert not judge.right(*answer), answer


def joined(blocks):
    """[(first, count)] ascending, neighbours as one: as the plug-in lists."""
    pieces = []
    for first, count in sorted(blocks):
        if pieces and sum(pieces[-1]) == first:
            pieces[-1] = (pieces[-1][0], pieces[-1][1] + count)
        else:
            pieces.append((first, count))
    return pieces


def assert_ranges_agree(host, judge, owners, context):
    """Store, plug-in, names and history, at the end. Asked in a process of its own: readers that are forked later are
    not to have the plug-in's file mapped."""
    kinds, ids, wholes = (Subid.UID, Subid.GID), [], []
    for life in judge.ranges.values():
        ids += [life.first, life.first + life.count - 1]
        wholes.append((life.owner, life.first, life.count))
    with context.Pool(1) as pool:
        pieces, held, names, whole = pool.apply(ask_once, (
            [(owner, kind) for owner in owners for kind in kinds], [(id, kind) for id in ids for kind in kinds], ids, wholes))
    for owner in owners:
        alive = [life for life in judge.held[owner] if life.gone is None]
        rows = host.subuid_json("range", "list", "--owner", owner)
        listed = [(row["first"], row["count"], row.get("account")) for row in rows]
        assert sorted(listed) == sorted((life.first, life.count, life.account) for life in alive if life.count >= UNIT)
        assert [pieces[owner, kind] for kind in kinds] == [
            joined((life.first, life.count) for life in judge.listed[owner] if life.gone is None)] * 2
    now = time.monotonic()
    assert [id for id in ids for kind in kinds if not judge.owners(id, now, now, held[id, kind])] == []
    assert [id for id in ids if not judge.name(id, now, now, names[id])] == []
    assert [what for what in wholes if not judge.has(what, now, now, whole[what])] == []


def test_64_clients_and_readers_who_are_told_what_was_true(host):
    owners = [host.new_user("o") for _ in range(4)]
    for owner in owners:
        host.subuid("limit", owner, "--accounts", "5000", "--ranges", "4000")
    history, failures = [], []
    names = [f"{owners[c % 4]}+c{c}s{s}" for c in range(CLIENTS) for s in range(ROUNDS)]
    names += [f"{owners[c % 4]}+shared{c // 2}x{s}" for c in range(CLIENTS) for s in range(ROUNDS)]
    client_of_one = Client()  # ranges are given in ascending order: the clients' follow this one
    begin = time.monotonic()
    probe = client_of_one.call("RangeAdd", count=1, owner=owners[0])["parameters"]["range"]
    record(history, "range", probe["first"], begin, probe)
    client_of_one.close()
    context = multiprocessing.get_context("fork")
    stop, readers = context.Event(), []
    asking = [(reader, (names,))] * READERS + [(range_reader, (owners, names, probe["first"]))] * RANGE_READERS
    for target, about in asking:
        here, there = context.Pipe(False)
        process = context.Process(target=target, args=(*about, stop, there))
        process.start()
        readers.append((process, here))
    stop_at = time.monotonic() + 16
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
    told, told_of_ranges = told[:READERS], told[READERS:]
    for process, _ in readers:
        process.join(60)
        assert process.exitcode == 0
    assert not failures, failures[:5]
    adds = [h for h in history if h[1] == "add"]
    assert len(adds) > 150 and any(h[1] == "remove" for h in history), len(history)
    # nothing twice: no uid of two names, ever; no id in two ranges, ever
    assert len({h[4] for h in adds}) == len(adds)
    blocks = sorted((h[0], h[4]["count"]) for h in history if h[1] == "range")
    assert len(blocks) > 30 and sum(blocks[-1]) <= probe["first"] + BLOCKS * UNIT
    for (first, count), (after, _) in zip(blocks, blocks[1:]):
        assert first + count <= after
    # each answer was true at some moment between question and answer
    lives = lives_of(history)
    wrong = [(name, uid) for _, answers in told for name, begin, end, uid in answers
             if not true_at_some_moment(lives.get(name, ()), begin, end, uid)]
    assert not wrong, wrong[:5]
    assert all(lookups > 1000 for lookups, _ in told)
    assert sum(uid is not None for _, answers in told for *_, uid in answers) > 100
    judge = Judge(history, {owner: pwd.getpwnam(owner).pw_uid for owner in owners})
    wrong = [answer for answers in told_of_ranges for answer in answers if not judge.right(*answer)]
    assert not wrong, (len(wrong), wrong[:5])
    for kind in ("owners", "name", "has", "pieces"):  # of each, both answers, of ranges that were there and were gone
        answers = [answer for answers in told_of_ranges for answer in answers if answer[0] == kind]
        assert len(answers) > 1000 and sum(answer[4] not in NOTHING for answer in answers) > 100, kind
    assert any(life.account and life.gone for life in judge.ranges.values())
    # and at the end all agree: history, list, NSS, the plug-in
    alive = {name: life[0] for name, all in lives.items() for life in all if life[4] is None}
    listed = {a["name"]: a["uid"] for owner in owners for a in host.subuid_json("list", "--owner", owner)}
    assert listed == alive
    nss = Nss()
    assert all(nss.by_name(name) == (nss.SUCCESS, uid) for name, uid in alive.items())
    assert_ranges_agree(host, judge, owners, context)
    host.subuid("check", "--all")


# ---- growth and rebuild under readers


def follow(stable, stop, damaged, pipe):
    """A reader that lives on: every account that was there before must be found by name and uid, each time. A reader that was
    late to leave a superseded file may meet the damaged one, and is told "unavailable", never "not found" nor anything else."""
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
    """Eight processes look up without end, while the file grows, is rebuilt by SIGHUP, and is rebuilt at a start."""
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
        process.join(60)
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
