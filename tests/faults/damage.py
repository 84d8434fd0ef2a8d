# SPDX-License-Identifier: ISC
"""Damage: what a restore, a disk or a person may do to store, index, homes and links, and what has to be said of it.

Whatever is said, an id that was given out once is never given to another: each row ends with new accounts."""

import os
import random
import shutil
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from changes import UNIT, purged, Case
from power import in_child
from world import HOMES, STATE, Violation, call, demand, done, report, run, wait_until, within

EX_DATAERR = 65
DATABASE = STATE / "state.db"
REFUSED, NAMED, REPAIRED, SAID = "refused", "named", "repaired", "said"


@dataclass
class Damage:
    """verdict: REFUSED, the daemon does not start, exit status 65, and says what to do; NAMED, `check` finds it;
    REPAIRED, the start mends it; SAID, the daemon refuses to start and says why, or `check` finds it."""

    name: str
    deed: object  # (Site): with the daemon killed, or while it runs
    verdict: str
    says: str = ""  # a word of the message, or of the finding
    mends: bool = False  # `subuid check --repair` takes it away
    running: bool = False


class Site:
    """What there is to damage."""

    def __init__(self, world):
        self.world = world
        self.alice, self.bob = world.owner("dam"), world.owner("dam")
        self.web1 = world.add(self.alice, "web1", key={"key": world.keys[0]}, range=UNIT)
        world.write(self.web1, "alice's")
        self.web2 = world.add(self.alice, "web2")
        call("Lock", {"owner": self.alice, "label": "web2"})
        self.aside = world.add(self.bob, "aside")
        world.write(self.aside, "bob's")
        world.remove(self.bob, "aside")
        self.gone = world.add(self.bob, "gone")
        world.remove(self.bob, "gone", purge=True)
        wait_until(lambda: purged(world, Case("", "", [], self.gone)), "the purge")
        world.restart_daemon()  # all of it is in the file
        self.older = "/run/older.db"
        shutil.copyfile(DATABASE, self.older)
        self.late = world.add(self.bob, "late", key={"key": world.keys[1]}, range=UNIT)
        world.write(self.late, "bob's, later")
        world.note_ids(world.facts())
        self.top = max(first for first in world.held if first >= 2100000000)

    def home(self, account):
        return HOMES / account["owner"] / account["label"]

    def link(self, account):
        return Path(f"/home/{account['owner']}/subuid/{account['label']}")


# -- deeds

def without_store(site, keep=()):
    for name in ("state.db", "state.db-wal", "state.db-shm"):
        if name not in keep:
            (STATE / name).unlink(missing_ok=True)


def emptied(site):
    without_store(site)
    DATABASE.touch(0o600)


def older(site):
    without_store(site)
    shutil.copyfile(site.older, DATABASE)
    os.chmod(DATABASE, 0o600)


def of_another_host(site):
    """A sound store that never heard of what lies here."""
    shutil.move(STATE, "/var/lib/subuidd.away")
    shutil.move(HOMES, "/srv/subuid.away")
    site.world.ensure_daemon()
    site.world.add(site.alice, "elsewhere")
    run("subuid", "remove", f"{site.alice}+elsewhere", "--purge", "--yes")
    site.world.stop_daemon()
    other = Path("/run/other.db")
    shutil.copyfile(DATABASE, other)
    run("rm", "-rf", STATE, HOMES)
    shutil.move("/var/lib/subuidd.away", STATE)
    shutil.move("/srv/subuid.away", HOMES)
    without_store(site)
    shutil.copyfile(other, DATABASE)
    os.chmod(DATABASE, 0o600)


def state_gone(site):
    for path in STATE.iterdir():
        run("rm", "-rf", path)


def flip(path, offset):
    with open(path, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)
        file.seek(offset)
        file.write(bytes([byte[0] ^ 0x10]))


def wal_byte(part):
    """In the log that a killed daemon left; part: where, of its frames."""
    def deed(site):
        wal = STATE / "state.db-wal"
        size = wal.stat().st_size
        demand(size > 32, "the killed daemon left no log")
        frames = (size - 32) // (24 + 4096)
        flip(wal, 32 + int((frames - 1) * part) * (24 + 4096) + 24 + 2000)
    return deed


def checkpointed(site):
    """Everything is in the file."""
    with sqlite3.connect(DATABASE) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()


def page_byte(text):
    """One bit of a row, where its label stands."""
    def deed(site):
        checkpointed(site)
        data = DATABASE.read_bytes()
        at = data.find(getattr(site, "alice").encode() + text.encode())
        demand(at > 0, f"{text} is not found in the file")
        flip(DATABASE, at + 1)
    return deed


def page_header(site):
    checkpointed(site)
    with sqlite3.connect(DATABASE) as database:
        page = database.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'accounts'").fetchone()[0]
    database.close()
    flip(DATABASE, (page - 1) * 4096)


def rows_deleted(*statements):
    def deed(site):
        checkpointed(site)
        database = sqlite3.connect(DATABASE)
        for (trigger,) in database.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall():
            database.execute(f"DROP TRIGGER {trigger}")
        for statement in statements:
            database.execute(statement, (site.web2["uid"],))
        database.commit()
        database.close()
    return deed


def file_gone(*paths):
    return lambda site: [path.unlink(missing_ok=True) for path in paths]


def noise(path, offset):
    def deed(site):
        with open(path, "r+b") as file:
            file.seek(offset)
            file.write(random.Random(1).randbytes(4096))
    return deed


def directory_in_place(path):
    def deed(site):
        path.unlink()
        path.mkdir(mode=0o755)
    return deed


def made(path, uid=None, data=False):
    """A directory that nobody's row speaks of; path(site)."""
    def deed(site):
        where = path(site)
        os.makedirs(where / "home", mode=0o700)
        if data:
            (where / "home/file").write_text("whose?")
        if uid is not None:
            os.chown(where, 0, uid(site))
            os.chown(where / "home", uid(site), uid(site))
    return deed


def removed_home(part=""):
    return lambda site: (run("umount", site.home(site.web2) / "view", check=False),
                         run("rm", "-rf", site.home(site.web2) / part))


def link_becomes(target):
    def deed(site):
        link = site.link(site.web2)
        link.unlink()
        if target == "directory":
            link.mkdir()
        elif target:
            link.symlink_to(target)
    return deed


def mode_of(path, mode):
    return lambda site: os.chmod(path, mode)


UNKNOWN = 2123456789
MARKS = (STATE / "high-water", HOMES / ".high-water")
DAMAGES = [
    # section 1: a store that knows less than the host
    Damage("store-deleted", without_store, REFUSED, "state"),
    Damage("store-emptied", emptied, REFUSED, "state"),
    Damage("store-older", older, REFUSED, "state"),
    Damage("store-of-another-host", of_another_host, REFUSED, "state"),
    Damage("store-log-deleted", lambda site: without_store(site, keep=("state.db",)), REFUSED, "state"),
    Damage("store-log-byte-first", wal_byte(0), REFUSED, "state"),
    Damage("store-log-byte-middle", wal_byte(0.5), REFUSED, "state"),
    Damage("store-log-byte-last", wal_byte(1), REFUSED, "state"),
    Damage("store-page-byte", page_byte("web1"), REFUSED, "state"),
    Damage("store-page-header", page_header, REFUSED, "state"),
    Damage("store-account-deleted", rows_deleted("DELETE FROM accounts WHERE uid = ?"), REFUSED, "state"),
    Damage("store-ids-deleted", rows_deleted("DELETE FROM accounts WHERE uid = ?", "DELETE FROM ids WHERE first = ?"),
           REFUSED, "state"),
    Damage("state-directory-emptied", state_gone, REFUSED, "state"),
    Damage("state-and-homes-but-marks", lambda site: (state_gone(site), *(run("umount", view, check=False) for view in
           HOMES.glob("*/*/view")), *(run("rm", "-rf", path) for path in HOMES.glob("*")),
           *(run("rm", "-rf", path) for path in HOMES.glob(".removed/*"))), REFUSED, "state"),
    Damage("marks-gone-of-state", file_gone(MARKS[0]), REPAIRED),
    Damage("marks-gone-of-homes", file_gone(MARKS[1]), REPAIRED),
    Damage("marks-gone", file_gone(*MARKS), REPAIRED),
    Damage("home-of-nobody", made(lambda site: HOMES / site.alice / "stray", lambda site: UNKNOWN, data=True), REFUSED, "stray"),
    Damage("aside-of-nobody", made(lambda site: HOMES / f".removed/{UNKNOWN}", lambda site: UNKNOWN, data=True), REFUSED,
           str(UNKNOWN)),
    # section 3: index and keys
    Damage("index-deleted", file_gone(STATE / "index"), REPAIRED),
    Damage("keys-deleted", file_gone(STATE / "keys"), REPAIRED),
    Damage("index-and-keys-deleted", file_gone(STATE / "index", STATE / "keys"), REPAIRED),
    Damage("index-noise-header", noise(STATE / "index", 0), REPAIRED),
    Damage("index-noise-tables", noise(STATE / "index", 4096), REPAIRED),
    Damage("keys-noise-header", noise(STATE / "keys", 0), REPAIRED),
    Damage("keys-noise-tables", noise(STATE / "keys", 4096), REPAIRED),
    Damage("index-directory", directory_in_place(STATE / "index"), SAID, "index"),
    Damage("keys-directory", directory_in_place(STATE / "keys"), SAID, "keys"),
    Damage("index-deleted-running", file_gone(STATE / "index"), NAMED, "index", mends=True, running=True),
    Damage("keys-deleted-running", file_gone(STATE / "keys"), NAMED, "keys", mends=True, running=True),
    Damage("keys-noise-running", noise(STATE / "keys", 4096), NAMED, "keys", mends=True, running=True),
    # section 3: homes, views, links, set-aside data, without rows and the other way round
    Damage("home-of-tombstone", made(lambda site: HOMES / site.bob / "gone", lambda site: site.gone["uid"], data=True), NAMED, "gone"),
    Damage("aside-of-tombstone", made(lambda site: HOMES / f".removed/{site.gone['uid']}", lambda site: site.gone["uid"], data=True),
           NAMED, "removed"),
    Damage("making-left", made(lambda site: HOMES / f".making/{site.gone['uid']}"), SAID, "making", mends=True),
    Damage("making-left-running", made(lambda site: HOMES / f".making/{site.gone['uid']}"), NAMED, "making", mends=True,
           running=True),
    Damage("owner-directory-empty", lambda site: (HOMES / "nobody-here").mkdir(mode=0o755), NAMED, "nobody-here", mends=True),
    Damage("home-gone", removed_home(), NAMED, "web2", mends=True),
    Damage("home-inner-gone", removed_home("home"), NAMED, "web2", mends=True),
    Damage("view-gone", removed_home("view"), NAMED, "web2", mends=True),
    Damage("aside-gone", lambda site: run("rm", "-rf", HOMES / f".removed/{site.aside['uid']}"), NAMED, "aside"),
    Damage("link-gone", link_becomes(None), NAMED, "web2", mends=True),
    Damage("link-dangling", link_becomes("/nowhere"), NAMED, "web2"),
    Damage("link-a-directory", link_becomes("directory"), NAMED, "web2"),
    Damage("link-of-nobody", lambda site: site.link(site.web2).with_name("stray").symlink_to(
        HOMES / site.alice / "stray/view"), NAMED, "stray"),
    # wrong owner or mode
    Damage("store-mode", mode_of(DATABASE, 0o666), SAID, "state.db"),
    Damage("index-mode", mode_of(STATE / "index", 0o666), SAID, "index"),
    Damage("state-directory-mode", mode_of(STATE, 0o777), SAID, "subuidd"),
]


# -- verdicts

def start(world):
    """(exit status or None: it serves, what it said)."""
    log = Path("/run/subuidd.log")
    before = log.stat().st_size
    world.daemon = world.spawn_daemon()
    demand(within(15, lambda: world.daemon.poll() is not None or world.answers()), "the start does not come to its end")
    status = world.daemon.poll()
    if status is not None:
        world.daemon = None
    return status, log.read_bytes()[before:].decode(errors="replace")


def findings():
    told = run("/usr/bin/subuid", "check", "--all", check=False)
    return told.returncode, told.stdout + told.stderr


def judge(site, damage):
    world = site.world
    status, said = (None, "") if damage.running else start(world)
    if damage.verdict == REFUSED:
        refused(site, damage, status, said)
    elif status is not None:
        demand(damage.verdict == SAID and damage.says in said, f"the daemon ends with {status}:", said[-500:])
        return  # it serves nobody, and says why
    else:
        served(site, damage)
    fresh_ids(site)


def refused(site, damage, status, said):
    """Look-ups go on; and the way out that is named is one."""
    world = site.world
    if status is None:
        findings_then = findings()
        fresh_ids(site)
        raise Violation(f"it starts; check says: {findings_then}")
    demand(status == EX_DATAERR, f"the daemon ends with {status}:", said[-500:])
    demand(damage.says in said and "subuid state load" in said and "--repair" in said, "words:", said[-500:])
    if (STATE / "index").exists():
        name = f"{site.alice}+web1"
        told = run("getent", "-s", "subuid", "passwd", name, check=False)
        demand(told.returncode == 0, f"{name} is not looked up while the store is refused")
    run("/usr/bin/subuid", "state", "repair", "--yes")
    world.ensure_daemon()


def served(site, damage):
    status, text = findings()
    if damage.verdict == REPAIRED or (damage.verdict == SAID and status == 0):
        demand(within(10, lambda: findings()[0] == 0), "check after the start:", text[-500:])
        told = run("getent", "-s", "subuid", "passwd", f"{site.alice}+web1", check=False)
        demand(told.returncode == 0, "web1 is not looked up after the start")
        return
    demand(status == 1 and damage.says in text, "check says", status, text[-500:])
    if damage.mends:
        run("/usr/bin/subuid", "check", "--repair")
        demand(findings()[0] == 0, "after check --repair:", findings()[1][-500:])


def fresh_ids(site):
    """What was given out is never anybody else's; bob gets none of alice's."""
    for number in range(3):
        reply = call("Add", {"owner": site.bob, "label": f"new{number}", "range": UNIT})
        demand(done(reply), "a new account is refused:", reply)
        uid = reply["parameters"]["account"]["uid"]
        demand(uid not in site.world.held, f"uid {uid} of {site.world.held.get(uid)} is given to {site.bob}")
    for replies in call("RangeList", {"owner": site.bob}, more=True):
        row = replies["parameters"].get("range")
        if row and (row.get("label") or "").startswith("new"):
            demand(row["first"] not in site.world.held, f"range {row['first']} of {site.world.held.get(row['first'])} is given again")


# -- one row after another

def fresh_host(world):
    world.kill_daemon()
    for seen in (STATE, HOMES):
        for line in reversed(Path("/proc/self/mounts").read_text().splitlines()):
            if line.split()[1].startswith(f"{seen}/"):
                run("umount", line.split()[1], check=False)
        run("find", seen, "-mindepth", "1", "-delete", check=False)
        os.chmod(seen, 0o755)
    for links in Path("/home").glob("*/subuid"):
        run("rm", "-rf", links)
    world.held.clear()
    world.settings()
    world.users += 10  # those of the child's are taken


def try_damage(world, damage):
    def deed():
        try:
            world.start_daemon()
            site = Site(world)
            if not damage.running:
                world.kill_daemon()
            damage.deed(site)
            judge(site, damage)
        finally:
            world.kill_daemon()

    fresh_host(world)
    why = in_child(deed)
    world.kill_daemon()
    return why


def damages(world, options, stream):
    """The part of unit.py."""
    rows = [damage for damage in DAMAGES if not options.rows or damage.name in options.rows]
    if options.sample:
        rows = random.Random(options.seed).sample(rows, min(options.sample, len(rows)))
    for damage in rows:
        why = try_damage(world, damage)
        report(stream, **({"kind": "point", "row": damage.name, "point": damage.verdict} if why is None else
                          {"kind": "violation", "row": damage.name, "point": damage.verdict, "why": why[-1200:]}))


