# SPDX-License-Identifier: ISC
"""Loss of power. A daemon works on disks that remember; then it is started on what they may hold at each moment, and judged."""

import json
import os
import random
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import oracle
from changes import UNIT, purged, Case
from disks import PLACE, Disks, Recording, remove_images
from world import HOMES, Violation, call, demand, done, is_of_time, report, run, wait_until

HOW = ("none", "all", "some", "torn", "prefix")


@dataclass
class Event:
    """One change, and what the daemon said of everything when it was acknowledged."""

    name: str
    asked: int  # places in the log
    answered: int
    facts: dict
    pushed: list  # (uid, owner, label) of accounts with a file that was flushed


def rows_of(names):
    from itertools import product

    every = ["-".join(words) for words in product(("ext4", "xfs", "btrfs"), ("one", "three"), ("plugin", "both", "files"))]
    return names or every


class Work:
    """What happens on the disks while they remember."""

    def __init__(self, world, disks):
        self.world, self.disks = world, disks
        self.events, self.pushed = [], []
        self.owners = [world.owner("power") for _ in range(2)]
        first = 20000000
        for name in ("subuid", "subgid"):
            with open(f"/etc/{name}", "a") as file:
                file.write(f"{self.owners[1]}:{first}:{UNIT}\n")

    def event(self, name, deed):
        asked = self.disks.now()
        reply = deed()
        answered = self.disks.now()
        demand(reply is None or done(reply), name, "on a sound disk is answered with", reply)
        self.events.append(Event(name, asked, answered, self.world.facts(), list(self.pushed)))
        return reply

    def change(self, method, who, label=None, more=False, **parameters):
        words = {"owner": self.owners[who], **({"label": label} if label else {}), **parameters}
        return self.event(f"{method} {label or ''}", lambda: call(method, words, more=more))

    def push(self, account):
        def deed():
            self.world.write(account, "pushed by a server")
            self.pushed.append((account["uid"], account["owner"], account["label"]))

        self.event("push", deed)

    def all(self):
        keys = self.world.keys
        self.event("nothing", lambda: None)
        one = self.change("Add", 0, "one", key={"key": keys[0]}, range=UNIT)["parameters"]["account"]
        self.push(one)
        two = self.change("Add", 0, "two")["parameters"]["account"]
        self.push(two)
        self.change("KeyAdd", 0, "two", key={"key": keys[1]})
        first = self.change("RangeAdd", 1, count=UNIT)["parameters"]["range"]["first"]
        self.change("Lock", 0, "one")
        self.change("Modify", 0, "two", comment="other", alarm=86400)
        self.change("LimitSet", 1, accounts=9)
        self.rows(1, ["i0", "i1", "i2", "i3"])
        self.change("Unlock", 0, "one")
        self.change("RangeRemove", 1, first=first)
        self.event("adopt", lambda: run("/usr/bin/subuid", "adopt", "--owner", self.owners[1], "--remove") and None)
        self.change("Remove", 0, "one")
        self.pushed = [row for row in self.pushed if row[2] != "two"]  # from now on it may be deleted
        self.change("Remove", 0, "two", purge=True)
        self.event("purge", lambda: wait_until(lambda: purged(self.world, Case("", "", [], two)), "the purge") and None)
        self.change("Add", 1, "last", range=UNIT)

    def rows(self, who, labels):
        rows = [{"line": line, "kind": kind, "owner": self.owners[who], "label": label, **more}
                for line, label in enumerate(labels, 1)
                for kind, more in (("account", {}), ("key", {"key": {"key": self.world.keys[2]}}), ("range", {"count": UNIT}))]
        self.event("Import", lambda: call("Import", {"rows": rows}, more=True))


# -- judging

def judge(world, events, place):
    """place: how much of the log the disks were given. What was acknowledged by then holds; the next event may."""
    there = [event for event in events if event.answered <= place]
    now, doubt = there[-1], events[len(there)] if len(there) < len(events) else there[-1]
    for event in there:
        world.note_ids(event.facts)
    facts = oracle.everything(world)
    for key in now.facts.keys() | doubt.facts.keys() | facts.keys():
        if key[0] == "ended" and key in facts and key not in now.facts and key not in doubt.facts:
            continue  # of what was undone
        demand(facts.get(key) in (now.facts.get(key), doubt.facts.get(key)), f"after {now.name!r}, in {doubt.name!r}:", key,
               now.facts.get(key), "->", facts.get(key))
    whole(now.facts, doubt.facts, facts)
    for uid, owner, label in now.pushed if doubt.name != "Remove two" else []:
        places = [HOMES / owner / label, HOMES / ".removed" / str(uid)]
        demand(any((place / "home/pushed").exists() for place in places), f"what was pushed to {owner}+{label} is gone")
    oracle.next_change(world, next(key[1] for key in now.facts if key[0] == "limit"))


def whole(now, doubt, facts):
    """An account of the event in doubt has its ranges and keys, or is not there."""
    for key in doubt.keys() - now.keys():
        if key[0] != "account":
            continue
        mine = [k for k in doubt.keys() - now.keys() if (k[0] == "key" and k[1] == doubt[key][0]) or
                (k[0] == "range" and doubt[k][:2] == key[1:])]
        for other in mine:
            demand((key in facts) == (other in facts), "half-made:", key, other)


def in_child(deed):
    """In a process of its own, which maps the index of this image and no other. The violation's text, or None."""
    receive, send = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(receive)
        text = None
        try:
            deed()
        except BaseException as error:  # a harness that ends itself is a violation too
            text = f"{'' if isinstance(error, Violation) else type(error).__name__ + ': '}{error}"
        os.write(send, json.dumps(text)[:60000].encode())
        os._exit(0)
    os.close(send)
    with os.fdopen(receive) as pipe:
        text = pipe.read()
    os.waitpid(pid, 0)
    return json.loads(text) if text else "the judge ended"


def boot(world, disks, files):
    """The host after the loss of power."""
    world.booted()
    shutil.rmtree("/run/subuidd", ignore_errors=True)
    disks.mount(files)


def try_image(world, disks, files, events, place):
    def deed():
        try:
            world.ensure_daemon()
            judge(world, events, place)
        finally:
            world.kill_daemon()

    try:
        boot(world, disks, files)
        why = in_child(deed)
    except AssertionError as error:
        why = f"the image cannot be mounted: {error}"
    try:
        disks.unmount()
    except AssertionError as error:
        why = why or f"after the daemon was killed: {error}"
    return why


def chosen(recording, options, seed):
    """[(records, how)] ascending: at each flush, before it and in the middle of what follows it, in turn."""
    choose = random.Random(seed)
    flushes = recording.flushes()
    places = []
    for turn, (before, after) in enumerate(zip(flushes, [*flushes[1:], len(recording.records)])):
        places.append((before, HOW[turn % len(HOW)]))
        places.append((choose.randint(before + 1, max(before + 1, after)), HOW[(turn // 2) % len(HOW)]))
    wanted = options.sample or options.images
    if len(places) > wanted:
        step = len(places) / wanted
        places = [places[int(number * step + choose.random() * step) % len(places)] for number in range(wanted)]
    return sorted(places)


def one_row(world, name, options, stream):
    fs, layout, publish = name.split("-")
    disks = Disks(fs, layout)
    if world.daemon:
        world.stop_daemon()
    for seen in ("/var/lib/subuidd", "/srv/subuid"):
        for entry in Path(seen).glob("*"):
            run("umount", "--recursive", entry, check=False)
        run("find", seen, "-mindepth", "1", "-delete", check=False)
    world.settings(publish)
    disks.record()
    world.start_daemon()
    work = Work(world, disks)
    disks.keep_base()
    work.all()
    world.stop_daemon()
    disks.stop()
    recording = Recording(disks)
    places = chosen(recording, options, f"{options.seed} {name}")
    report(stream, kind="row", row=name, points=len(recording.flushes()), records=len(recording.records), chosen=len(places))
    began = time.monotonic()
    choose = random.Random(f"{options.seed} {name} parts")
    control(world, disks, work, stream, name)
    for number, how in places:
        label = f"{number}-{how}"
        if options.point and options.point != label:
            continue
        place = recording.records[number - 1].end if number else disks.begin
        why = try_image(world, disks, recording.image(number, how, choose), work.events, place)
        if why is not None and is_of_time(why):
            report(stream, kind="slow", row=name, point=label, why=why[-300:])
            why = try_image(world, disks, recording.image(number, how, choose), work.events, place)
        report(stream, **({"kind": "point", "row": name, "point": label} if why is None else
                          {"kind": "violation", "row": name, "point": label, "why": why[-1500:]}))
    report(stream, kind="row-end", row=name, seconds=round(time.monotonic() - began, 1))
    remove_images()


def control(world, disks, work, stream, name):
    """Disks that forgot everything, flushes or not: it has to be found."""
    last = work.events[-1].answered
    files = [PLACE / f"images/crash{disk}" for disk in range(disks.count)]
    for disk, file in enumerate(files):
        run("cp", "--sparse=always", PLACE / f"base/{disk}", file)
    if try_image(world, disks, files, work.events, last) is None:
        report(stream, kind="violation", row=name, point="control", why="disks that forgot everything were not found out")


def images(world, options, stream):
    """The part of unit.py. A sample takes one way to lay out the disks for each file system."""
    names = rows_of(options.rows)
    if options.sample:
        names = random.Random(options.seed).sample(names, 1)
    for name in names:
        one_row(world, name, options, stream)
        world.held.clear()


