# SPDX-License-Identifier: ISC
"""Any order of changes, against a model in plain Python: after each step the commands, the NSS module, libsubid and the
model say the same, and no id was given out a second time.

MODEL_EXAMPLES=N tries N other, random orders, and looks for the shortest that fails."""

import collections
import json
import os
import pwd
import signal
from pathlib import Path

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from conftest import call, run, wait_until
from libraries import INTERFACE, Nss, Subid

UNIT = 65536
UIDS, BLOCKS = range(2100000000, 2147352576), range(1073741824 // UNIT, 1879048192 // UNIT)
LABELS = ("a", "b", "c")
LIMITS = {"accounts": 2, "keys": 2, "ranges": 5}  # small: they are met
pick = st.integers(0, 11)  # of what there is: modulo its number
labels = st.sampled_from(LABELS)
either = st.sampled_from((0, 1))  # of the two owners


def joined(blocks):
    """[(first, count)] in the order in which they came, neighbours as one."""
    pieces = []
    for first, count in blocks:
        if pieces and sum(pieces[-1]) == first:
            first, count = pieces[-1][0], pieces.pop()[1] + count
        pieces.append((first, count))
    return pieces


class Model(RuleBasedStateMachine):
    """Two owners, for each run two new ones. What they have is in a model that never looks at the daemon but for the ids
    that it chose."""

    host = keys = None  # of the test
    answered = collections.Counter()
    taken = set()  # uids, and numbers of blocks below them: given out by this daemon in any run, and not released

    def __init__(self):
        super().__init__()
        self.nss, self.subid = Nss(), Subid()
        self.owners = [self.host.new_user("model") for _ in range(2)]
        self.uids = {owner: pwd.getpwnam(owner).pw_uid for owner in self.owners}
        self.accounts = {}  # name: {owner, label, uid, locked, keys: {fingerprint: (id, role)}}
        self.ranges = {}  # first: {owner, count, account}
        self.tombstones = {}  # first: {count, of: uid of the account, if any}
        self.gone = {}  # name of a removed account: uid
        self.aside = set()  # uids of accounts whose data is kept
        for owner in self.owners:
            self.call("LimitSet", owner=owner, **LIMITS)

    # -- asking

    def call(self, method, fails=None, **parameters):
        """The answer; with `fails`, the error has to be that one."""
        reply = call(INTERFACE + method, parameters)
        assert reply.get("error", "-").split(".")[-1] == (fails or "-"), (method, parameters, fails, reply)
        self.answered.update([(method, fails or "done")])
        return reply["parameters"]

    def listed(self, method, **parameters):
        rows = call(INTERFACE + method, parameters, more=True)
        return [row["parameters"] for row in rows if row["parameters"]]

    # -- what the model knows

    def take(self, ids, pool):
        """Ids that were just given out: of the pool, and nobody's before."""
        ids = set(ids)
        assert all(id in pool for id in ids), ids
        assert not ids & self.taken, f"given out twice: {ids & self.taken}"
        self.taken |= ids

    def take_range(self, given, owner, count, account):
        assert given["first"] % UNIT == 0 and given["count"] == -(-count // UNIT) * UNIT
        assert given["owner"] == owner and given.get("account") == account
        self.take(range(given["first"] // UNIT, (given["first"] + given["count"]) // UNIT), BLOCKS)
        self.ranges[given["first"]] = {"owner": owner, "count": given["count"], "account": account}

    def units(self, member, who):
        return sum(r["count"] // UNIT for r in self.ranges.values() if r[member] == who)

    def of(self, owner):
        return {name: account for name, account in self.accounts.items() if account["owner"] == owner}

    def account(self, nth):
        return list(self.accounts.items())[nth % len(self.accounts)]

    def bury(self, first):
        """A range is removed."""
        gone = self.ranges.pop(first)
        of = self.accounts[gone["account"]]["uid"] if gone["account"] else None
        self.tombstones[first] = {"count": gone["count"], "of": of}

    # -- changes

    @rule(who=either, label=labels, units=st.sampled_from((0, 0, 1, 2)))
    def add(self, who, label, units):
        owner = self.owners[who]
        name, extra = f"{owner}+{label}", {"range": units * UNIT} if units else {}
        if name in self.accounts:  # the same once more, or one that differs
            if units and units != self.units("account", name):
                self.call("Add", "Exists", owner=owner, label=label, **extra)
            else:
                answer = self.call("Add", owner=owner, label=label, **extra)
                assert not answer["created"] and answer["account"]["uid"] == self.accounts[name]["uid"]
        elif len(self.of(owner)) >= LIMITS["accounts"] or self.units("owner", owner) + units > LIMITS["ranges"]:
            self.call("Add", "LimitReached", owner=owner, label=label, **extra)
        else:
            answer = self.call("Add", owner=owner, label=label, **extra)
            uid = answer["account"]["uid"]
            assert answer["created"] and answer["account"]["name"] == name
            self.take([uid], UIDS)
            self.gone.pop(name, None)
            self.accounts[name] = {"owner": owner, "label": label, "uid": uid, "locked": False, "keys": {}}
            new = [row["range"] for row in self.listed("RangeList", owner=owner) if row["range"]["first"] not in self.ranges]
            assert len(new) == (units > 0)
            for given in new:
                self.take_range(given, owner, units * UNIT, name)

    @precondition(lambda self: self.accounts)
    @rule(nth=pick, purge=st.booleans())
    def remove(self, nth, purge):
        name, account = self.account(nth)
        self.call("Remove", owner=account["owner"], label=account["label"], purge=purge)
        for first in [first for first, r in self.ranges.items() if r["account"] == name]:
            self.bury(first)
        uid = self.gone[name] = self.accounts.pop(name)["uid"]
        self.tombstones[uid] = {"count": 1, "of": uid}
        if not purge:
            self.aside.add(uid)

    @precondition(lambda self: self.accounts)
    @rule(nth=pick, locked=st.booleans())
    def lock(self, nth, locked):
        account = self.account(nth)[1]
        told = self.call("Lock" if locked else "Unlock", owner=account["owner"], label=account["label"])
        account["locked"] = locked
        assert told["account"]["locked"] is locked

    @precondition(lambda self: self.accounts)
    @rule(nth=pick, key=st.sampled_from((0, 1, 2)), role=st.sampled_from(("push", "push", "pull")))
    def key_add(self, nth, key, role):
        account = self.account(nth)[1]
        fingerprint, text = self.keys[key]
        present = account["keys"].get(fingerprint)
        fails = (None if present[1] == role else "Exists") if present else \
            "LimitReached" if len(account["keys"]) >= LIMITS["keys"] else None
        answer = self.call("KeyAdd", fails, owner=account["owner"], label=account["label"], key={"key": text, "role": role})
        if fails is None:
            assert present is None or answer["key"]["id"] == present[0]
            assert answer["key"]["fingerprint"] == fingerprint
            account["keys"][fingerprint] = (answer["key"]["id"], role)

    @precondition(lambda self: self.accounts)
    @rule(nth=pick, key=st.sampled_from((0, 1, 2)), its=st.sampled_from((True, True, False)))
    def key_remove(self, nth, key, its):
        account = self.account(nth)[1]
        present = list(account["keys"])
        fingerprint = present[key % len(present)] if present and its else self.keys[key][0]
        self.call("KeyRemove", None if fingerprint in account["keys"] else "NotFound", owner=account["owner"],
                  label=account["label"], fingerprint=fingerprint)
        account["keys"].pop(fingerprint, None)

    @rule(who=either, label=labels, method=st.sampled_from(("Lock", "Unlock", "Remove", "KeyAdd", "RangeAdd", "Get")))
    def nobody(self, who, label, method):
        """What is asked of an account that is not there changes nothing."""
        more = {"KeyAdd": {"key": {"key": self.keys[0][1]}}, "RangeAdd": {"count": 1}}.get(method, {})
        if f"{self.owners[who]}+{label}" not in self.accounts:
            self.call(method, "NotFound", owner=self.owners[who], label=label, **more)

    @rule(who=either, nth=st.none() | pick, count=st.sampled_from((1, UNIT, UNIT + 1)))
    def range_add(self, who, nth, count):
        """To an owner, or to an account."""
        owner, name, to = self.owners[who], None, {}
        if nth is not None and self.accounts:
            name, account = self.account(nth)
            owner, to = account["owner"], {"label": account["label"]}
        if self.units("owner", owner) + -(-count // UNIT) > LIMITS["ranges"]:
            self.call("RangeAdd", "LimitReached", owner=owner, count=count, **to)
        else:
            self.take_range(self.call("RangeAdd", owner=owner, count=count, **to)["range"], owner, count, name)

    @precondition(lambda self: self.ranges)
    @rule(nth=pick, count=st.sampled_from((1, 2 * UNIT)), own=st.sampled_from((True, True, True, False)))
    def range_grow(self, nth, count, own):
        """Behind what is there, for whoever has that; not over what is or was somebody's."""
        first = list(self.ranges)[nth % len(self.ranges)]
        before = self.ranges[first]
        owner = before["owner"] if own else next(owner for owner in self.owners if owner != before["owner"])
        behind, units = first + before["count"], -(-count // UNIT)
        fails = "LimitReached" if self.units("owner", owner) + units > LIMITS["ranges"] else "NotFound" if not own else \
            "Conflict" if self.taken & set(range(behind // UNIT, behind // UNIT + units)) else None
        answer = self.call("RangeAdd", fails, owner=owner, count=count, after=first)
        if fails is None:
            assert answer["range"]["first"] == behind
            self.take_range(answer["range"], owner, count, before["account"])

    @precondition(lambda self: self.ranges)
    @rule(nth=pick, own=st.sampled_from((True, True, True, False)))
    def range_remove(self, nth, own):
        first = list(self.ranges)[nth % len(self.ranges)]
        owner = next(owner for owner in self.owners if (owner == self.ranges[first]["owner"]) is own)
        self.call("RangeRemove", None if own else "NotFound", owner=owner, first=first)
        if own:
            self.bury(first)

    @precondition(lambda self: self.tombstones)
    @rule(nth=pick)
    def release(self, nth):
        """From here on, and not before, the ids may come again; never while data of theirs is set aside."""
        first = list(self.tombstones)[nth % len(self.tombstones)]
        tombstone = self.tombstones[first]
        if tombstone["of"] in self.aside:
            self.call("Release", "Busy", first=first)
            return
        if tombstone["of"] in self.tombstones or tombstone["of"] in self.gone.values():  # it is being deleted
            wait_until(lambda: "error" not in call(INTERFACE + "Release", {"first": first}), f"{first} is released")
        else:
            self.call("Release", first=first)
        self.call("Release", "NotFound", first=first)
        del self.tombstones[first]
        self.taken -= {first} if tombstone["count"] == 1 else set(range(first // UNIT, (first + tombstone["count"]) // UNIT))

    @precondition(lambda self: self.accounts or self.ranges)
    @rule(nth=pick)
    def release_what_is_there(self, nth):
        there = [account["uid"] for account in self.accounts.values()] + list(self.ranges)
        self.call("Release", "NotFound", first=there[nth % len(there)])

    @rule(how=st.sampled_from((signal.SIGTERM, signal.SIGKILL)))
    def restart(self, how):
        """The daemon begins with what is in the store."""
        self.host.restart_daemon(how)

    @precondition(lambda self: self.accounts and self.ranges and self.tombstones)
    @rule()
    def import_of_the_export(self):
        """The export has all of it; to import it here makes nothing."""
        export = self.host.subuid("export").stdout
        rows = [row for row in map(json.loads, export.splitlines()) if row.get("owner") in self.owners]
        assert sorted(row["uid"] for row in rows if row["kind"] == "account") == \
            sorted(account["uid"] for account in self.accounts.values())
        assert sorted(row["first"] for row in rows if row["kind"] == "range") == sorted(self.ranges)
        assert sorted(row["first"] for row in rows if row["kind"] == "tombstone") == sorted(self.tombstones)
        told = json.loads(self.host.subuid("import", "-", "--dry-run", "--json", input=export).stdout)
        assert told["made"] == 0 and told["failed"] == 0, told

    # -- what everybody says

    @invariant()
    def commands_say_it(self):
        for owner in self.owners:
            told = {row["name"]: (row["uid"], row["ownerUid"], row["locked"], row["keys"], row["ranges"], row["state"])
                    for row in self.host.subuid_json("list", "--owner", owner)}
            assert told == {name: (a["uid"], self.uids[owner], a["locked"], len(a["keys"]),
                                   sum(r["account"] == name for r in self.ranges.values()), "active")
                            for name, a in self.of(owner).items()}
            told = {row["first"]: (row["count"], row["ownerUid"], row.get("account"))
                    for row in self.host.subuid_json("range", "list", "--owner", owner)}
            assert told == {first: (r["count"], self.uids[owner], r["account"]) for first, r in self.ranges.items()
                            if r["owner"] == owner}
        for name, account in self.accounts.items():
            rows = [row["key"] for row in self.listed("KeyList", owner=account["owner"], label=account["label"])]
            assert {row["fingerprint"]: (row["id"], row["role"]) for row in rows} == account["keys"]

    @invariant()
    def names_say_it(self):
        for name, account in self.accounts.items():
            assert self.nss.by_name(name) == (Nss.SUCCESS, account["uid"]) and self.nss.name_of(account["uid"]) == name
        for name in self.gone:
            assert self.nss.by_name(name) == (Nss.NOTFOUND, None)
        for first, r in self.ranges.items():
            label = f"{r['account'].split('+')[1]}_" if r["account"] else ""
            for id in (first, first + r["count"] - 1):
                name = f"{r['owner']}+_{label}{id}"
                assert self.nss.name_of(id) == name and self.nss.by_name(name) == (Nss.SUCCESS, id)
        for first in self.tombstones:
            assert self.nss.name_of(first) is None

    @invariant()
    def libsubid_says_it(self):
        for kind in (Subid.UID, Subid.GID):
            for owner in self.owners:
                own = [(first, r["count"]) for first, r in self.ranges.items() if r["owner"] == owner and not r["account"]]
                assert self.subid.pieces(owner, kind) == joined(own)
                mine = [(first, r["count"]) for first, r in self.ranges.items() if r["owner"] == owner]
                mine += [(account["uid"], 1) for account in self.of(owner).values()]
                for first, count in joined(sorted(mine)):
                    assert self.subid.has(owner, first, count, kind) is True
                    assert self.subid.has(owner, first, count + 1, kind) is False
            for name, account in self.accounts.items():
                mine = joined((first, r["count"]) for first, r in self.ranges.items() if r["account"] == name)
                assert self.subid.pieces(name, kind) == mine
                assert self.subid.owners(account["uid"], kind) == [self.uids[account["owner"]]]
            for first, r in self.ranges.items():
                account = [self.accounts[r["account"]]["uid"]] if r["account"] else []
                other = next(owner for owner in self.owners if owner != r["owner"])
                for id in (first, first + r["count"] - 1):
                    assert self.subid.owners(id, kind) == [self.uids[r["owner"]], *account]
                    assert self.subid.has(other, id, 1, kind) is False
            for first in self.tombstones:
                assert self.subid.owners(first, kind) == []
                assert not any(self.subid.has(owner, first, 1, kind) for owner in self.owners)

    def teardown(self):
        """The daemon's own proof."""
        if self.host.daemon is not None:  # else it did not come back, which is told already
            self.host.subuid("check", "--all")


def test_any_order_of_changes_is_what_the_model_says(host, tmp_path):
    Model.host, Model.keys = host, []
    for i in range(3):
        path = host.new_key(tmp_path, f"key{i}")
        fingerprint = run("ssh-keygen", "-l", "-f", f"{path}.pub").stdout.split()[1]
        Model.keys.append((fingerprint, " ".join(Path(f"{path}.pub").read_text().split()[:2])))
    random = "MODEL_EXAMPLES" in os.environ
    run_state_machine_as_test(Model, settings=settings(
        max_examples=int(os.environ.get("MODEL_EXAMPLES", "22")), stateful_step_count=30, deadline=None, database=None,
        derandomize=not random, suppress_health_check=list(HealthCheck), print_blob=False,
        # what was given out stays so from one run to the next: to shorten a run is many more of them
        phases=[Phase.generate, *([Phase.shrink] if random else [])]))
    # the orders were not all of them short, or of refusals alone
    want = ["Add Remove Lock Unlock KeyAdd KeyRemove RangeAdd RangeRemove Release done", "Add RangeAdd LimitReached",
            "Add Exists", "RangeAdd Conflict", "Release Busy", "Lock Remove RangeAdd RangeRemove KeyRemove NotFound"]
    for *methods, answer in map(str.split, want):
        assert all(Model.answered[method, answer] > 0 for method in methods), (answer, Model.answered)
