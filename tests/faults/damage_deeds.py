# SPDX-License-Identifier: ISC
"""What there is to damage, and how it is done."""

import os
import random
import shutil
import sqlite3
import struct
from pathlib import Path

from changes import UNIT, Case, purged
from world import HOMES, STATE, call, demand, done, run, wait_until

DATABASE = STATE / "state.db"
WAL_HEADER, WAL_FRAME_HEADER = 32, 24


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
        self.saved = "/run/saved-state"
        run("/usr/bin/subuid", "state", "save", "--force", self.saved)

    def home(self, account):
        return HOMES / account["owner"] / account["label"]

    def link(self, account):
        return Path(f"/home/{account['owner']}/subuid/{account['label']}")


# -- deeds

def without_store(site, keep=()):
    for name in ("state.db", "state.db-wal", "state.db-shm"):
        if name not in keep:
            (STATE / name).unlink(missing_ok=True)


def without_log(site):
    changed(site)
    without_store(site, keep=("state.db",))


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
    shutil.move("/var/backups/subuidd", "/var/backups/subuidd.away")
    site.world.ensure_daemon()
    site.world.add(site.alice, "elsewhere")
    run("subuid", "remove", f"{site.alice}+elsewhere", "--purge", "--yes")
    site.world.stop_daemon()
    other = Path("/run/other.db")
    shutil.copyfile(DATABASE, other)
    run("rm", "-rf", STATE, HOMES, "/var/backups/subuidd")
    shutil.move("/var/backups/subuidd.away", "/var/backups/subuidd")
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


def changed(site):
    """Saving the state has brought all before it into the file: what is only in the log are the changes made here."""
    site.world.start_daemon()
    for method in ("Lock", "Unlock", "Lock", "Unlock"):
        demand(done(call(method, {"owner": site.alice, "label": "web1"})), method, "of web1 is refused")
    site.world.kill_daemon()


def wal_sum(data, big, sums):
    """https://sqlite.org/fileformat2.html#checksum_algorithm"""
    first, second = sums
    words = struct.unpack(f"{'>' if big else '<'}{len(data) // 4}I", data)
    for even, odd in zip(words[::2], words[1::2]):
        first = (first + even + second) & 0xffffffff
        second = (second + odd + first) & 0xffffffff
    return first, second


def wal_frames(log):
    """(size of a frame, [whether a transaction ends with it, for each frame that SQLite reads]). The file is kept, and longer."""
    magic, _, page, _, salt1, salt2, *sums = struct.unpack(">8I", log[:WAL_HEADER])
    demand(magic | 1 == 0x377f0683, f"the log begins with {magic:#x}")
    big = bool(magic & 1)
    demand(wal_sum(log[:24], big, (0, 0)) == tuple(sums), "the log's header has another checksum")
    size, ends, sums = WAL_FRAME_HEADER + page, [], tuple(sums)
    for at in range(WAL_HEADER, len(log) - size + 1, size):
        number, pages, *salts, first, second = struct.unpack(">6I", log[at:at + WAL_FRAME_HEADER])
        sums = wal_sum(log[at + WAL_FRAME_HEADER:at + size], big, wal_sum(log[at:at + 8], big, sums))
        if number == 0 or salts != [salt1, salt2] or sums != (first, second):
            break
        ends.append(pages > 0)
    return size, ends


def wal_byte(part):
    """In the log that a killed daemon left; part: where, of the frames that are read, to the end of the last transaction."""
    def deed(site):
        wal = STATE / "state.db-wal"
        changed(site)
        size, ends = wal_frames(wal.read_bytes())
        demand(any(ends), "there is no transaction in the log")
        last = len(ends) - 1 - ends[::-1].index(True)
        flip(wal, WAL_HEADER + int(last * part) * size + WAL_FRAME_HEADER + 2000)
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


def noise(path, table=None):
    """In the header, or where a table of the index (index/format.h) begins; what is behind it are records."""
    def deed(site):
        with open(path, "r+b") as file:
            header = file.read(512)
            offset, slots = (0, 1) if table is None else struct.unpack_from("=2Q", header, 48 + 16 * table)
            size = struct.unpack_from("=Q", header, 16)[0]
            demand(size == os.fstat(file.fileno()).st_size and slots > 0 and offset < size, "the header is not as expected")
            file.seek(offset)
            file.write(random.Random(1).randbytes(min(4096, size - offset)))
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
