# SPDX-License-Identifier: ISC
"""Ranges while they come and go: a process that asks about them without end, and the judge of what it was told."""

import bisect
import os
import random
import time
from dataclasses import dataclass

from libraries import Nss, Subid

UNIT = 65536
BLOCKS = 500  # more than all clients together are given
NOTHING = (None, False, [])


@dataclass
class Life:
    """Of a range, or of an account's one id. A range that was given to an account: its name and uid."""

    owner: str
    first: int
    count: int
    asked: float
    there: float
    account: str = None
    account_uid: int = None
    asked_away: float = None
    gone: float = None

    def maybe(self, begin, end):
        """At some moment between."""
        return self.asked <= end and (self.gone is None or begin <= self.gone)

    def surely(self, begin, end):
        """At every moment between."""
        return self.there <= begin and (self.asked_away is None or end <= self.asked_away)


def answer_is_of(life, begin, end, told, right):
    """Told what is right of a life, or nothing: true at some moment between? The life may be None, of nobody."""
    if told in NOTHING:
        return life is None or not life.surely(begin, end)
    return life is not None and told == right and life.maybe(begin, end)


class Judge:
    """history: (what, kind, asked, answered, value), as clients of test_concurrency.py record it."""

    def __init__(self, history, uids):
        self.uids = uids  # of the owners
        self.ranges, self.accounts, self.blocks = {}, {}, {}
        for what, kind, asked, answered, value in sorted(history, key=lambda entry: entry[3]):
            if kind == "range":
                life = Life(value["owner"], what, value["count"], asked, answered, value.get("account"))
                self.ranges[what] = life
                self.blocks.update({block: life for block in range(what // UNIT, (what + life.count) // UNIT)})
            elif kind == "add":
                self.accounts[value] = Life(what.split("+")[0], value, 1, asked, answered, what, value)
            else:
                life = (self.accounts[value] if kind == "remove" else self.ranges[what])
                life.asked_away, life.gone = asked, answered
        uid_of = {life.account: life.first for life in self.accounts.values()}
        self.by_name = {life.account: life for life in self.accounts.values()}
        self.held = {owner: [] for owner in uids}  # by whom: an owner all of his, an account its ranges
        self.listed = {owner: [] for owner in uids}  # for whom: the ranges that are their own
        for life in self.ranges.values():
            life.account_uid = uid_of.get(life.account)
            self.listed.setdefault(life.account or life.owner, []).append(life)
            self.held[life.owner].append(life)
            if life.account is not None:
                self.held.setdefault(life.account, []).append(life)
        for life in self.accounts.values():
            self.held[life.owner].append(life)

    def right(self, kind, what, begin, end, told):
        """Was this answer true at some moment between question and answer?"""
        return getattr(self, kind)(what, begin, end, told)

    def owners(self, id, begin, end, told):
        life = self.blocks.get(id // UNIT)
        right = life and [self.uids[life.owner], *([life.account_uid] if life.account else [])]
        return answer_is_of(life, begin, end, told, right)

    def name(self, id, begin, end, told):
        life = self.blocks.get(id // UNIT)
        right = life and f"{life.owner}+_{life.account.split('+')[1] + '_' if life.account else ''}{id}"
        return answer_is_of(life, begin, end, told, right)

    def has(self, what, begin, end, told):
        """Of several ranges side by side each is looked at for itself, one after the other."""
        user, first, count = what
        lives = [self.blocks.get(block) for block in range(first // UNIT, (first + count - 1) // UNIT + 1)]
        if told is True:
            return all(life and life.owner == user and life.maybe(begin, end) for life in lives)
        return told is False and not all(life and life.owner == user and life.surely(begin, end) for life in lives)

    def pieces(self, user, begin, end, told):
        """Each range of the user's own is in the list or not, for itself; nothing else is in it. (Ids rise, so that the
        order in which they were given is that of their numbers.)"""
        if told is None:  # an account may be unknown, an owner not
            return user not in self.uids and (user not in self.by_name or not self.by_name[user].surely(begin, end))
        if any(a + n >= b for (a, n), (b, _) in zip(told, told[1:])):
            return False  # not ascending, or not joined
        firsts, seen = [first for first, _ in told], 0
        for life in self.listed.get(user, ()):
            at = bisect.bisect_right(firsts, life.first) - 1
            listed = at >= 0 and life.first < told[at][0] + told[at][1]
            if listed and not life.maybe(begin, end) or not listed and life.surely(begin, end):
                return False
            seen += life.count if listed else 0
        return seen == sum(count for _, count in told)


def reader(owners, names, base, stop, pipe):
    """A process that asks who holds what, what it is called and what somebody has: all questions and answers, but for
    lists that are as they were the last time."""
    nss, subid, choose = Nss(), Subid(), random.Random(os.getpid())
    answers, last = [], {}

    def ask(kind, what, function, *arguments):
        begin = time.monotonic()
        told = function(*arguments)
        if kind != "pieces" or told != last.get(what, []):
            answers.append((kind, what, begin, time.monotonic(), told))
        if kind == "pieces":
            last[what] = told
        return told

    while not stop.is_set():
        owner = choose.choice(owners)
        near = [piece for piece in ask("pieces", owner, subid.pieces, owner) or [] if piece[0] < base + BLOCKS * UNIT]
        for name in choose.sample(names, 4):
            ask("pieces", name, subid.pieces, name)
        for _ in range(16):
            first, count = choose.choice(near) if near and choose.random() < 0.7 else (base, BLOCKS * UNIT)
            id = first + choose.randrange(count)
            ask("owners", id, subid.owners, id)
            ask("name", id, nss.name_of, id)
            wanted = (choose.choice(owners), id // UNIT * UNIT, choose.choice((1, UNIT, UNIT + 1, 3 * UNIT)))
            ask("has", wanted, subid.has, *wanted)
    pipe.send(answers)


def ask_once(pieces, owners, names, wholes):
    nss, subid = Nss(), Subid()
    return ({what: subid.pieces(*what) for what in pieces}, {what: subid.owners(*what) for what in owners},
            {id: nss.name_of(id) for id in names}, {what: subid.has(*what) for what in wholes})
