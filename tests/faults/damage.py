# SPDX-License-Identifier: ISC
"""Damage: what a restore, a disk or a person may do to store, index, homes and links, and what has to be said of it.

Whatever is said, an id that was given out once is never given to another: each row ends with new accounts."""

import os
import random
from dataclasses import dataclass
from pathlib import Path

from changes import UNIT
from damage_deeds import (DATABASE, Site, directory_in_place, emptied, file_gone, link_becomes, made, mode_of, noise,
                          of_another_host, older, page_byte, page_header, removed_home, rows_deleted, state_gone,
                          without_log, without_store, wal_byte)
from power import in_child
from world import HOMES, STATE, Violation, call, demand, done, report, run, within

EX_DATAERR = 65
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


UNKNOWN = 2123456789
BY_NAME, BY_KEY = 0, 4  # enum index_table_id
MARKS = (STATE / "high-water", HOMES / ".high-water")
DAMAGES = [
    # section 1: a store that knows less than the host
    Damage("store-deleted", without_store, REFUSED, "state"),
    Damage("store-emptied", emptied, REFUSED, "state"),
    Damage("store-older", older, REFUSED, "state"),
    Damage("store-of-another-host", of_another_host, REFUSED, "state"),
    Damage("store-log-deleted", without_log, REFUSED, "state"),
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
           HOMES.glob("*/*/view")), *(run("rm", "-rf", path) for path in HOMES.glob("[!.]*")),
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
    Damage("index-noise-header", noise(STATE / "index"), REPAIRED),
    Damage("index-noise-tables", noise(STATE / "index", BY_NAME), REPAIRED),
    Damage("keys-noise-header", noise(STATE / "keys"), REPAIRED),
    Damage("keys-noise-tables", noise(STATE / "keys", BY_KEY), REPAIRED),
    Damage("index-directory", directory_in_place(STATE / "index"), SAID, "index"),
    Damage("keys-directory", directory_in_place(STATE / "keys"), SAID, "keys"),
    Damage("index-deleted-running", file_gone(STATE / "index"), NAMED, "index", mends=True, running=True),
    Damage("keys-deleted-running", file_gone(STATE / "keys"), NAMED, "keys", mends=True, running=True),
    Damage("keys-noise-running", noise(STATE / "keys", BY_KEY), NAMED, "keys", mends=True, running=True),
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
    demand(within(60, lambda: world.daemon.poll() is not None or world.answers()), "the start does not come to its end")
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
    way_out(site)
    world.ensure_daemon()


def way_out(site):
    """What is there is accepted, or, where it cannot be read, what was saved takes its place."""
    if run("/usr/bin/subuid", "check", "--repair", "--yes", check=False).returncode != 0:
        run("/usr/bin/subuid", "state", "load", "--yes", site.saved)


def served(site, damage):
    status, text = findings()
    if damage.verdict == REPAIRED or (damage.verdict == SAID and status == 0):
        demand(within(60, lambda: findings()[0] == 0), "check after the start:", text[-500:])
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
    os.chmod(STATE, 0o755)
    run("rm", "-rf", "/var/backups/subuidd")  # says that there was a store
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


