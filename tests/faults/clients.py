# SPDX-License-Identifier: ISC
"""64 clients make changes while the daemon is killed every two seconds. What each was told is judged by a model: an id that was
told is nobody else's, what was acknowledged is there, what was not is there whole or not at all."""

import random
import threading
import time
from dataclasses import dataclass, field

import oracle
from changes import UNIT
from world import Client, Violation, demand, report

CLIENTS = 64
OWNERS = 8
KILL_SECONDS = 2.0
REFUSED = ("Busy",)  # an honest answer while recovery is at the same account


@dataclass
class Thing:
    """An account or a range: what it may be by now. states: ids, None for gone; UNKNOWN_ID: there, under an id that nobody
    was told."""

    states: set = field(default_factory=lambda: {None})


UNKNOWN_ID = "?"


class Person(threading.Thread):
    """One client with labels of its own."""

    def __init__(self, number, owner, until, serving):
        super().__init__()
        self.number, self.owner, self.until, self.serving = number, owner, until, serving
        self.choose = random.Random(number)
        self.accounts, self.ranges, self.told = {}, {}, []  # told: (id, count, owner, label)
        self.acknowledged = self.lost = 0
        self.peer = self.failure = None

    def call(self, method, **parameters):
        """The reply, or None: nobody knows."""
        try:
            if self.peer is None:
                self.peer = Client()
            reply = self.peer.call(method, owner=self.owner, **parameters)
        except OSError:
            if self.peer is not None:
                self.peer.close()
            self.peer = None
            self.lost += 1
            self.serving.wait(60)
            return None
        if "error" in reply:
            demand(reply["error"].split(".")[-1] in REFUSED, method, parameters, "is answered with", reply)
            return None
        self.acknowledged += 1
        return reply["parameters"]

    def run(self):
        try:
            while time.monotonic() < self.until:
                self.choose.choice((self.add, self.add, self.remove, self.range_add, self.range_remove))()
        except Exception as error:  # told by the judge
            self.failure = f"client {self.number}: {type(error).__name__}: {error}"
        finally:
            if self.peer is not None:
                self.peer.close()

    def add(self):
        label = f"c{self.number}-{self.choose.randrange(4)}"
        thing = self.accounts.setdefault(label, Thing())
        if thing.states not in ({None}, {None, UNKNOWN_ID}):
            return
        answer = self.call("Add", label=label)
        if answer is None:
            thing.states |= {UNKNOWN_ID}
            return
        uid = answer["account"]["uid"]
        demand(not answer["created"] or uid not in [told[0] for told in self.told], f"uid {uid} is given out again")
        thing.states = {uid}
        self.told.append((uid, 1, self.owner, label))

    def remove(self):
        there = [label for label, thing in self.accounts.items() if thing.states != {None}]
        if not there:
            return
        label = self.choose.choice(sorted(there))
        thing = self.accounts[label]
        try:
            answer = self.call("Remove", label=label, purge=self.choose.random() < 0.5)
        except Violation as violation:
            if "NotFound" not in str(violation) or None not in thing.states:
                raise
            answer = {}  # it was gone, as it might be
        thing.states = thing.states | {None} if answer is None else {None}

    def range_add(self):
        if len(self.ranges) > 6:
            return
        answer = self.call("RangeAdd", count=UNIT)
        if answer is not None:
            first = answer["range"]["first"]
            self.ranges[first] = Thing({first})
            self.told.append((first, UNIT, self.owner, None))

    def range_remove(self):
        there = [first for first, thing in self.ranges.items() if thing.states != {None}]
        if not there:
            return
        first = self.choose.choice(there)
        thing = self.ranges[first]
        try:
            answer = self.call("RangeRemove", first=first)
        except Violation as violation:
            if "NotFound" not in str(violation) or None not in thing.states:
                raise
            answer = {}
        thing.states = thing.states | {None} if answer is None else {None}


def judge(world, people):
    for person in people:
        demand(person.failure is None, person.failure)
    for first, count, owner, label in [told for person in people for told in person.told]:
        before = world.held.setdefault(first, (count, owner, label, "live"))
        demand(before[:3] == (count, owner, label), f"id {first} of {before} was told to {owner}, {label}")
    facts = oracle.everything(world)
    for person in people:
        for label, thing in person.accounts.items():
            row = facts.get(("account", person.owner, label))
            uid = row[0] if row else None
            demand(uid in thing.states or (uid is not None and UNKNOWN_ID in thing.states),
                   f"{person.owner}+{label} may be {thing.states}, and is {uid}")
        for first, thing in person.ranges.items():
            there = first if ("range", first) in facts else None
            demand(there in thing.states, f"range {first} may be {thing.states}, and is {there}")


def crowd(world, options, stream):
    """The part of unit.py."""
    world.kill_daemon()
    world.settings(service={"connections_per_uid": 128})
    world.start_daemon()
    owners = [world.owner("crowd") for _ in range(OWNERS)]
    until = time.monotonic() + options.seconds
    serving = threading.Event()
    serving.set()
    people = [Person(number, owners[number % OWNERS], until, serving) for number in range(CLIENTS)]
    for person in people:
        person.start()
    kills = 0
    why = None
    try:
        while time.monotonic() < until:
            time.sleep(min(KILL_SECONDS, max(0.0, until - time.monotonic())))  # the fault is a time
            serving.clear()
            world.kill_daemon()
            kills += 1
            world.ensure_daemon()
            serving.set()
        for person in people:
            person.join()
        world.kill_daemon()
        world.ensure_daemon()
        judge(world, people)
        oracle.next_change(world, owners[0])
    except Violation as violation:
        why = str(violation)
    serving.set()
    for person in people:
        person.join()
    report(stream, kind="row", row="clients", points=kills, chosen=kills, kills=kills,
           acknowledged=sum(person.acknowledged for person in people), lost=sum(person.lost for person in people),
           told=sum(len(person.told) for person in people))
    for number in range(kills):
        report(stream, kind="point", row="clients", point=f"kill {number}")
    if why is not None:
        report(stream, kind="violation", row="clients", point="", why=why[-1500:])
