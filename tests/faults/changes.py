# SPDX-License-Identifier: ISC
"""The table of changes: what is done at each point, and what it may touch. A row is all that a new kind of change needs."""

import ctypes
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from tracing import killed_at
from world import HOMES, STATE, call, demand, done, run, wait_until, within

UNIT = 65536
BOUNDS = {"processes": 64, "memory": 256 << 20, "openFiles": 200, "cpuWeight": 30, "sessions": 3, "logins": 20}
STATE_PROGRAM = "/usr/libexec/subuidd/state"


@dataclass
class Change:
    """what: `call` of the running daemon; `command` beside it, traced with it; `start` of the daemon; `offline`, a command
    while no daemon runs."""

    name: str
    prepare: object  # (world, case): before the trace begins
    act: object = None  # (world, case) -> reply; of a command or a start: argv
    parts: object = lambda case: []  # see oracle.judge
    what: str = "call"
    publish: str = "plugin"
    settled: object = lambda world, case: True  # what goes on after the answer has come to its end
    acknowledged: object = staticmethod(done)
    remedy: object = lambda world, reply: None  # of what the answer says is not done
    after: object = lambda world, case, acknowledged: None  # once more than the oracle asks
    needs: str = ""  # a program without which there is no such change


@dataclass
class Case:
    """One point's own owner and names."""

    owner: str
    label: str
    keys: list
    account: dict = None
    more: dict = field(default_factory=dict)

    def this(self, key):
        return key[:3] == ("account", self.owner, self.label)

    def row(self, facts):
        return facts.get(("account", self.owner, self.label))


# -- before

def nothing(world, case):
    pass


def account(world, case, **more):
    case.account = world.add(case.owner, case.label, **more)
    world.write(case.account, "pushed by a server")


def account_with_all(world, case):
    account(world, case, key={"key": case.keys[0]}, range=UNIT)


def account_in_use(world, case):
    account_with_all(world, case)
    case.more["session"] = world.login(case.account["uid"])


def account_locked(world, case):
    account(world, case)
    demand(done(call("Lock", {"owner": case.owner, "label": case.label})), "lock before unlock")


def account_frozen(world, case):
    account(world, case)
    demand(done(call("Freeze", {"owner": case.owner, "label": case.label})), "freeze before thaw")


def account_ended(world, case):
    account(world, case)
    world.remove(case.owner, case.label, purge=True)
    wait_until(lambda: purged(world, case), "the purge before the release")
    world.forget(case.account["uid"])


def account_removed(world, case):
    """Its ids may be the account's again."""
    account_with_all(world, case)
    world.remove(case.owner, case.label)
    case.more["range"] = next(key[1] for key, value in world.facts().items()
                              if key[0] == "ended" and value[1:] == (case.owner, case.label) and value[0] > 1)
    for first in (case.account["uid"], case.more["range"]):
        world.forget(first)


def range_own(world, case):
    reply = call("RangeAdd", {"owner": case.owner, "count": UNIT})
    demand(done(reply), "a range before it is removed", reply)
    case.more["first"] = reply["parameters"]["range"]["first"]


def view_closed(world, case):
    account(world, case)
    run("umount", HOMES / case.owner / case.label / "view")


def about_to_rename(world, case):
    account_in_use(world, case)
    uid, names = case.account["uid"], {(case.owner, case.label), (case.owner, "n" + case.label)}
    for first in [uid, *(key[1] for key, value in world.facts().items() if key[0] == "range" and value[:2] == (case.owner, case.label))]:
        world.names[first] = names


def about_to_be_anothers(world, case):
    account_in_use(world, case)
    case.more["new"] = f"{case.owner}x"
    run("useradd", "--create-home", case.more["new"], check=False)
    world.owners[case.owner] = case.more["new"]


def limit_there(world, case):
    demand(done(call("LimitSet", {"owner": case.owner, "keys": 3})), "a limit before")


def lines_to_adopt(world, case):
    """As useradd gives them."""
    first = case.more["first"] = 10000000 + UNIT * (1 + int(case.label.strip("abcdefghijklmnopqrstuvwxyz")))
    for name in ("subuid", "subgid"):
        path = Path(f"/etc/{name}")
        lines = path.read_text() if path.exists() else ""
        path.write_text(lines + f"{case.owner}:{first}:{UNIT}\n")


def work_for_a_start(world, case):
    """A daemon that was killed: an account that was not completed, one on its way out, one to be purged, another boot."""
    account(world, case)
    for label, method, role, syscall in (("torn", "Add", "broker", "move_mount"), ("going", "Remove", "broker", "renameat2")):
        if method == "Remove":
            world.add(case.owner, label + case.label)
        killed_at(world, role, syscall, 1, lambda: call(method, {"owner": case.owner, "label": label + case.label}))
        if label == "torn":
            world.ensure_daemon()
    world.ensure_daemon()
    account_to_purge = world.add(case.owner, "purged" + case.label)
    world.write(account_to_purge, "to be deleted")
    world.remove(case.owner, "purged" + case.label, purge=True)
    world.kill_daemon()
    world.booted()


def saved(world, case):
    case.more["file"] = f"/run/saved-{case.label}"
    account_with_all(world, case)
    run("/usr/bin/subuid", "state", "save", case.more["file"])
    if world.daemon:
        world.stop_daemon()


def daemon_stopped(world, case):
    account_with_all(world, case)
    world.stop_daemon()


def fingerprint(key):
    return run("ssh-keygen", "-lf", "-", input=key).stdout.split()[1]


PASSWORDS = Path("/etc/subuidd.conf.d/61-passwords.conf")
PASSWORD = re.compile(r"^  ([a-z2-9]{4}(?:-[a-z2-9]{5}){4})$", re.M)
LESS, MORE = 3, 4  # cost, and as a hash says it: "$y$j7T$" and "$y$j8T$"


def cost_is(world, cost):
    def reads():
        return Path("/run/subuidd.log").read_text(errors="replace").count("settings read again")

    PASSWORDS.write_text(f"[passwords]\nenabled = yes\ncost = {cost}\n")
    before = reads()
    world.daemon.send_signal(signal.SIGHUP)
    wait_until(lambda: reads() > before, "the settings are read again")


def password_of_less_work(world, case):
    """Made before the setting rose."""
    account(world, case)
    cost_is(world, LESS)
    said = run("/usr/bin/subuid", "passwd", "add", f"{case.owner}+{case.label}").stdout
    case.more["password"] = PASSWORD.search(said).group(1)
    cost_is(world, MORE)


def rehash(world, case):
    return call("PasswordRehash", {"owner": case.owner, "label": case.label, "password": case.more["password"]})


# -- whether it is so

def whole_account(ranges=0, keys=0):
    """An account that is all there, with so many keys and ranges of its own."""
    def parts(case):
        def scope(key):
            return case.this(key) or key[0] in ("key", "range", "ended")

        def holds(facts):
            row = case.row(facts)
            if row is None:
                return False
            mine = [key for key, value in facts.items() if key[0] == "range" and value[1] == case.label and value[0] == case.owner]
            return len(mine) == ranges and sum(key[:2] == ("key", row[0]) for key in facts) == keys
        return [(scope, holds)]
    return parts


def account_is(member, value):
    index = ("uid", "locked", "frozen", "comment", "quota", "expires", "alarm", "view", "bounds", "state").index(member)
    return lambda case: [(case.this, lambda facts: case.row(facts) is not None and case.row(facts)[index] == value)]


def account_gone(case):
    uid = case.account["uid"]

    def scope(key):
        return case.this(key) or key[0] == "range" or key[:2] == ("key", uid) or key == ("ended", uid)

    return [(scope, lambda facts: case.row(facts) is None and ("ended", uid) in facts
             and not any(key[:2] == ("key", uid) for key in facts))]


def renamed(case):
    """One uid under its new name, with all of it."""
    new = (case.more["new"], case.label) if "new" in case.more else (case.owner, "n" + case.label)

    def mine(key):
        return key[0] == "account" and key[2] in (case.label, "n" + case.label)

    def holds(facts):
        row = facts.get(("account", *new))
        ranges = [key for key, value in facts.items() if key[0] == "range" and value[:2] == new]
        return row is not None and row[0] == case.account["uid"] and sum(map(mine, facts)) == 1 and len(ranges) == 1

    return [(lambda key: mine(key) or key[0] in ("range", "ended", "limit"), holds)]


def key_count(count):
    return lambda case: [(lambda key: key[:2] == ("key", case.account["uid"]),
                          lambda facts: sum(key[:2] == ("key", case.account["uid"]) for key in facts) == count)]


def restored(case):
    """Whole, with the ids that it had; or removed as before."""
    uid, first = case.account["uid"], case.more["range"]

    def scope(key):
        return case.this(key) or key[:2] == ("key", uid) or key in (("range", first), ("ended", uid), ("ended", first))

    def whole(facts):
        row = case.row(facts)
        return (row is not None and row[0] == uid and facts.get(("range", first)) == (case.owner, case.label, UNIT)
                and facts.get(("key", uid, fingerprint(case.keys[0]))) == "push")

    def absent(facts):
        return {key for key in facts if scope(key)} == {("ended", uid), ("ended", first)}

    return [(scope, whole, absent)]


def key_is(which):
    """This one alone, with its new role; not done: the first one, as it was. Never none, and never both."""
    def keys(case, facts):
        return {key[2]: role for key, role in facts.items() if key[:2] == ("key", case.account["uid"])}

    return lambda case: [(lambda key: key[:2] == ("key", case.account["uid"]),
                          lambda facts: keys(case, facts) == {fingerprint(case.keys[which]): "pull"},
                          lambda facts: keys(case, facts) == {fingerprint(case.keys[0]): "push"})]


def owner_ranges(count):
    return lambda case: [(lambda key: key[0] == "range", lambda facts: sum(
        key[0] == "range" and value[0] == case.owner and value[1] is None for key, value in facts.items()) == count)]


def range_there(case):
    return [(lambda key: key == ("range", case.more["first"]), lambda facts: ("range", case.more["first"]) in facts)]


def limit_is(value):
    return lambda case: [(lambda key: key == ("limit", case.owner), lambda facts: facts.get(("limit", case.owner)) == value)]


def released(case):
    """Its next holder may be whoever asks next."""
    uid = case.account["uid"]
    return [(lambda key: key == ("ended", uid), lambda facts: facts.get(("ended", uid), ())[1:] != (case.owner, case.label))]


def imported(case):
    """Each line whole or not at all."""
    def line(label):
        def ranges(facts):
            return [key for key, value in facts.items() if key[0] == "range" and value[:2] == (case.owner, label)]

        def holds(facts):
            row = facts.get(("account", case.owner, label))
            return row is not None and len(ranges(facts)) == 1 and sum(key[:2] == ("key", row[0]) for key in facts) == 1

        def absent(facts):
            return ("account", case.owner, label) not in facts and not ranges(facts)

        return (lambda key: key[:3] == ("account", case.owner, label) or key[0] in ("key", "range", "ended"), holds, absent)
    return [line(label) for label in import_labels(case)]


def import_labels(case):
    return [f"{case.label}-{number}" for number in range(4)]


def import_rows(case):
    each = [[{"kind": "account", "label": label}, {"kind": "key", "label": label, "key": {"key": case.keys[1]}},
             {"kind": "range", "label": label, "count": UNIT}] for label in import_labels(case)]
    return {"rows": [{"line": number + 1, "owner": case.owner, **row} for number, line in enumerate(each) for row in line]}


def import_made(replies):
    return done(replies) and all(reply["parameters"].get("result", {}).get("outcome", "made") == "made" for reply in replies)


def link_mended(world, reply):
    """An account does not wait for its link where the owner's disk takes none: the answer says so, and names the command."""
    parameters = reply["parameters"] if done(reply) else {}
    if parameters.get("linksMissing") or parameters.get("account", {}).get("linkMissing"):
        run("/usr/bin/subuid", "check", "--all", "--repair", "--yes", check=False)


# -- what goes on after the answer, and what else must hold

def purged(world, case):
    return not (HOMES / ".removed" / str(case.account["uid"])).exists()


def session_over(world, case, acknowledged):
    session = case.more.pop("session")
    if acknowledged:
        demand(within(20, lambda: session.poll() is not None), "acknowledged, and the session goes on")
    session.kill()
    session.wait()


def session_stands(world, case, acknowledged):
    session = case.more.pop("session")
    state = Path(f"/proc/{session.pid}/stat").read_text().rpartition(") ")[2][0]
    demand(not acknowledged or state == "T", "acknowledged, and the session runs")
    session.kill()
    session.wait()


def data_kept(world, case, acknowledged):
    """Removed, it is set aside; not removed, it is where it was."""
    if case.more.get("session"):
        session_over(world, case, acknowledged)
    places = [HOMES / case.owner / case.label, HOMES / ".removed" / str(case.account["uid"])]
    demand(any((place / "home/pushed").exists() for place in places), "what was pushed is gone")


def renamed_after(world, case, acknowledged):
    """What was pushed is where the name says, and the link leads there."""
    if case.more.get("session"):
        session_over(world, case, acknowledged)
    uid = case.account["uid"]
    facts = world.facts()
    names = [key[1:3] for key, value in facts.items() if key[0] == "account" and value[0] == uid]
    demand(len(names) == 1, "the account has", len(names), "names")
    owner, label = names[0]
    demand((HOMES / owner / label / "home/pushed").exists(), "what was pushed is not where the name says")
    link = f"/home/{owner}/subuid/{label}"
    demand(os.path.islink(link) and os.readlink(link).startswith(str(HOMES / owner / label)), "the link leads elsewhere")


def no_session_left(world, case, acknowledged):
    session_over(world, case, acknowledged)
    if acknowledged:
        demand(within(60, lambda: purged(world, case)), "what was to be deleted is still there")


def adopt_again(world, case, acknowledged):
    run(*adopt(world, case))
    for name in ("subuid", "subgid"):
        lines = Path(f"/etc/{name}").read_text().splitlines()
        demand(f"{case.owner}:{case.more['first']}:{UNIT}" not in lines, f"the adopted line stays in /etc/{name}")
        locks = [lock for lock in os.listdir("/etc") if lock.startswith(f"{name}.lock")]
        demand(not locks, "left in /etc:", locks)


def started_clean(world, case, acknowledged):
    place = HOMES / ".removed"
    facts = world.facts()
    for label in ("torn", "going", "purged"):
        demand(("account", case.owner, label + case.label) not in facts, f"the {label} account is there after the start")
    ids = {key[1] for key, value in facts.items() if key[0] == "ended" and value[2] == "purged" + case.label}
    demand(within(60, lambda: not ids & {int(name) for name in os.listdir(place)}), "the purge does not come to its end")


def hash_of(case):
    """What the store has, which the daemon alone opens itself."""
    with tempfile.TemporaryDirectory() as copy:
        for file in ("state.db", "state.db-wal"):
            if (STATE / file).exists():
                shutil.copy(STATE / file, copy)
        store = sqlite3.connect(f"{copy}/state.db")
        rows = store.execute("SELECT hash FROM keys WHERE uid = ? AND hash <> ''", [case.account["uid"]]).fetchall()
        store.close()
    demand(len(rows) == 1, "the account has", len(rows), "hashes")
    return rows[0][0]


def password_is_right(world, case, acknowledged):
    """Whatever happened, the password is right by the hash that is there; the next login finishes what was not done. A broker
    whose worker has gone with the hash waits some seconds before it lets another one try."""
    def more():
        done(rehash(world, case))
        return hash_of(case).startswith(f"$y$j{MORE + 4}T$")

    def right():
        kept = hash_of(case).encode()
        return libcrypt.crypt(case.more["password"].replace("-", "").encode(), kept) == kept

    libcrypt = ctypes.CDLL("libcrypt.so.1")
    libcrypt.crypt.restype = ctypes.c_char_p
    demand(right(), "the password is wrong after the fault")
    demand(within(60, more) and right(), "the next login does not finish it")


def file_verifies(world, case, acknowledged):
    file = case.more["file"]
    if acknowledged or os.path.exists(file):
        run("/usr/bin/subuid", "state", "verify", file)
    leftovers = [name for name in os.listdir("/run") if name.startswith(f"{Path(file).name}.")]
    demand(not leftovers, "left beside the file:", leftovers)


# -- the table

def of(method, **parameters):
    return lambda world, case: call(method, {"owner": case.owner, "label": case.label, **parameters})


def owners(method, **parameters):
    return lambda world, case: call(method, {"owner": case.owner, **parameters})


def of_rename(world, case):
    return call("Rename", {"owner": case.owner, "label": case.label, "to": "n" + case.label})


def adopt(world, case):
    return ["/usr/bin/subuid", "adopt", "--owner", case.owner, "--remove", "--json"]


def reload(world, case):
    world.daemon.send_signal(signal.SIGHUP)
    return call("Status")


def stop(world, case):
    world.daemon.send_signal(signal.SIGTERM)
    try:
        return {"parameters": {}} if world.daemon.wait(60) == 0 else None
    except subprocess.TimeoutExpired:
        demand(False, "it does not stop")


def status_zero(reply):
    return reply == 0


CHANGES = [
    Change("add", nothing, of("Add"), whole_account()),
    Change("add-key-range", nothing, lambda world, case: call("Add", {
        "owner": case.owner, "label": case.label, "key": {"key": case.keys[0]}, "range": UNIT, "comment": "x"}),
        whole_account(ranges=1, keys=1)),
    Change("key-add", account, lambda world, case: of("KeyAdd", key={"key": case.keys[2], "role": "push,forward",
                                                                    "forward": "localhost:5900"})(world, case), key_count(1)),
    Change("key-remove", account_with_all, lambda world, case: of("KeyRemove", fingerprint=fingerprint(
        case.keys[0]))(world, case), key_count(0)),
    Change("key-rotate", account_with_all, lambda world, case: of("KeyChange", fingerprint=fingerprint(case.keys[0]), key={
        "key": case.keys[2], "role": "pull"})(world, case), key_is(2)),
    Change("range-add", nothing, owners("RangeAdd", count=UNIT), owner_ranges(1)),
    Change("range-add-files", nothing, owners("RangeAdd", count=UNIT), owner_ranges(1), publish="files"),
    Change("range-add-both", nothing, owners("RangeAdd", count=UNIT), owner_ranges(1), publish="both"),
    Change("range-remove", range_own, lambda world, case: call("RangeRemove", {"owner": case.owner, "first": case.more["first"]}), owner_ranges(0)),
    Change("range-remove-files", range_own, lambda world, case: call("RangeRemove", {"owner": case.owner, "first": case.more["first"]}),
           owner_ranges(0), publish="files"),
    Change("set", account, of("Modify", comment="other", expires="2999-01-01", alarm=86400),
           account_is("comment", "other")),
    Change("set-view", account, of("Modify", view="owner"), account_is("view", "owner")),
    Change("lock", account_in_use, of("Lock"), account_is("locked", True), after=session_over),
    Change("freeze", account_in_use, of("Freeze"), account_is("frozen", True), after=session_stands),
    Change("thaw", account_frozen, of("Thaw"), account_is("frozen", False)),
    Change("unlock", account_locked, of("Unlock"), account_is("locked", False)),
    Change("remove", account_in_use, of("Remove"), account_gone, after=data_kept),
    Change("remove-purge", account_in_use, of("Remove", purge=True), account_gone, settled=purged, after=no_session_left),
    Change("remove-purge-files", account_in_use, of("Remove", purge=True), account_gone, settled=purged,
           after=no_session_left, publish="files"),
    Change("rename", about_to_rename, of_rename, renamed, remedy=link_mended, after=renamed_after),
    Change("rename-files", about_to_rename, of_rename, renamed, remedy=link_mended, after=renamed_after, publish="files"),
    Change("owner", about_to_be_anothers, lambda world, case: call("OwnerChange", {
        "from": case.owner, "to": case.more["new"], "handOver": True}), renamed, remedy=link_mended, after=renamed_after),
    Change("owner-files", about_to_be_anothers, lambda world, case: call("OwnerChange", {
        "from": case.owner, "to": case.more["new"], "handOver": True}), renamed, remedy=link_mended, after=renamed_after, publish="files"),
    Change("restore", account_removed, of("Restore"), restored, after=data_kept),
    Change("restore-files", account_removed, of("Restore"), restored, after=data_kept, publish="files"),
    Change("limit", nothing, owners("LimitSet", accounts=7, keys=8, ranges=9), limit_is((7, 8, 9, ()))),
    Change("bounds", account_in_use, of("Modify", **BOUNDS), account_is("bounds", tuple(BOUNDS.items()))),
    Change("limit-bounds", nothing, owners("LimitSet", accounts=7, keys=8, ranges=9, **BOUNDS),
           limit_is((7, 8, 9, tuple(BOUNDS.items())))),
    Change("password-rehash", password_of_less_work, rehash, after=password_is_right),
    Change("limit-reset", limit_there, owners("LimitSet", reset=True), limit_is(None)),
    Change("release", account_ended, lambda world, case: call("Release", {"first": case.account["uid"]}), released),
    Change("import", nothing, lambda world, case: call("Import", import_rows(case), more=True), imported,
           acknowledged=import_made),
    Change("import-both", nothing, lambda world, case: call("Import", import_rows(case), more=True), imported,
           acknowledged=import_made, publish="both"),
    Change("adopt", lines_to_adopt, adopt, range_there, what="command", acknowledged=status_zero, after=adopt_again),
    Change("mount", view_closed, of("Mount")),
    Change("check", account_with_all, lambda world, case: call("Check", {"all": True}, more=True)),
    Change("reload-files", range_own, reload, publish="files"),
    Change("stop", account_with_all, stop, what="stop"),
    Change("start", work_for_a_start, what="start", after=started_clean),
    Change("start-files", work_for_a_start, what="start", after=started_clean, publish="files"),
    Change("state-save", lambda world, case: (account_with_all(world, case), case.more.update(file=f"/run/save-{case.label}")),
           lambda world, case: ["/usr/bin/subuid", "state", "save", case.more["file"]], what="command",
           acknowledged=status_zero, after=file_verifies, needs=STATE_PROGRAM),
    Change("state-load", saved, lambda world, case: [STATE_PROGRAM, "load", "--yes", case.more["file"]], what="offline",
           acknowledged=status_zero, needs=STATE_PROGRAM),
    Change("state-repair", daemon_stopped, lambda world, case: [STATE_PROGRAM, "repair", "--yes"], what="offline",
           acknowledged=status_zero, needs=STATE_PROGRAM),
]


