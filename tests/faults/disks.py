# SPDX-License-Identifier: ISC
"""Disks that remember what was written to them (recorder.c), and images of what they may hold after a loss of power.

A disk keeps everything that it was given before the last flush that it answered; of what came after, any part may be there, in
any order, and sectors are what a write is torn into.
"""

import mmap
import os
import shutil
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

from world import BUILD, demand, run, wait_until, within

PLACE = Path("/run/disks")
SECTOR = {"ext4": 512, "xfs": 512, "btrfs": 4096}  # btrfs has its superblock, of 4096 bytes, written whole or not at all
RELEASE_SECONDS = 60
WRITE, FLUSH, ZERO = 1, 2, 3
MAKE = {
    "ext4": (128 << 20, ["mkfs.ext4", "-q", "-E", "lazy_itable_init=0,nodiscard"], "loop"),
    "xfs": (300 << 20, ["mkfs.xfs", "-q", "-K"], "loop"),
    "btrfs": (128 << 20, ["mkfs.btrfs", "-q", "-K"], "loop,nodiscard"),
}
# An ext4 superblock that was torn (a sector is smaller) is no matter of ours: it is taken from its copy, as at a boot.
REPAIR = {"ext4": ["e2fsck", "-fy"]}
# What lies on which disk: (directory on it, where it is seen)
LAYOUTS = {
    "one": [[("state", "/var/lib/subuidd"), ("etc", "/etc"), ("homes", "/srv/subuid"), ("people", "/home")]],
    "three": [[("state", "/var/lib/subuidd"), ("etc", "/etc")], [("homes", "/srv/subuid")], [("people", "/home")]],
}


def unmounted(place):
    return not os.path.ismount(place) or run("umount", "--recursive", place, check=False).returncode == 0


def release(place):
    """What a killed daemon had started dies with it, a moment later. Raises when somebody lives on, and has it all the same."""
    if within(RELEASE_SECONDS, lambda: unmounted(place)):
        return
    holders = run("fuser", "--mount", "--verbose", place, check=False).stderr.split("\n")[1:9]
    run("umount", "--recursive", "--lazy", place, check=False)
    raise AssertionError(f"{place} is still in use: {holders}")


@dataclass
class Record:
    kind: int
    disk: int
    offset: int
    length: int
    data: int  # where in the log; and where this record ends in it
    end: int


class Disks:
    def __init__(self, fs, layout):
        self.fs, self.layout = fs, LAYOUTS[layout]
        self.count = len(self.layout)
        self.log = PLACE / "log"
        self.recorder = None
        for directory in ("rec", "images", "base", *(f"disk{n}" for n in range(self.count))):
            (PLACE / directory).mkdir(parents=True, exist_ok=True)

    # -- mounting

    def options(self):
        return MAKE[self.fs][2]

    def mount(self, files, fill=False):
        for number, file in enumerate(files):
            disk = PLACE / f"disk{number}"
            mount = ("mount", "-t", self.fs, "-o", self.options(), file, disk)
            if run(*mount, check=self.fs not in REPAIR).returncode != 0:
                run(*REPAIR[self.fs], file, check=False)
                run(*mount)
            for name, seen in self.layout[number]:
                if fill:
                    self.fill(disk / name, seen)
                os.makedirs(seen, exist_ok=True)
                run("mount", "--bind", disk / name, seen)

    @staticmethod
    def fill(directory, seen):
        if os.path.isdir(seen):
            run("cp", "-a", seen, directory)
        else:
            directory.mkdir(mode=0o755)

    def unmount(self):
        for number in reversed(range(self.count)):
            for _, seen in reversed(self.layout[number]):
                release(seen)
            release(PLACE / f"disk{number}")

    # -- recording

    def record(self):
        """From now on; what is there is on the disks, and so is everything that lay where they are seen."""
        size, make, _ = MAKE[self.fs]
        images = [PLACE / f"images/{number}" for number in range(self.count)]
        for image in images:
            with open(image, "wb") as file:
                file.truncate(size)
            run(*make, image)
        self.recorder = subprocess.Popen([BUILD / "faults/recorder", self.log, PLACE / "rec", *images])
        wait_until((PLACE / "rec/0").exists, "the recorder")
        self.mount([PLACE / f"rec/{number}" for number in range(self.count)], fill=True)

    def now(self):
        return os.stat(self.log).st_size

    def keep_base(self):
        """The images as they are now, everything flushed: what is recorded goes on from there."""
        def copied():
            for number in range(self.count):
                run("sync", "--file-system", PLACE / f"disk{number}")
            before = self.now()
            for number in range(self.count):
                run("cp", "--sparse=always", PLACE / f"images/{number}", PLACE / f"base/{number}")
            return before if self.now() == before else None

        self.begin = wait_until(copied, "a quiet moment")

    def stop(self):
        self.unmount()
        run("umount", PLACE / "rec")
        self.recorder.wait(60)
        demand(self.recorder.returncode == 0, "the recorder ended with", self.recorder.returncode)
        for number in range(self.count):
            os.unlink(PLACE / f"images/{number}")


class Recording:
    """The log, read."""

    def __init__(self, disks):
        self.disks = disks
        with open(disks.log, "rb") as file:
            self.bytes = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
        self.records, at = [], disks.begin
        while at < len(self.bytes):
            kind, disk, offset, length = struct.unpack_from("=IIQQ", self.bytes, at)
            data = at + struct.calcsize("=IIQQ")
            at = data + (length if kind == WRITE else 0)
            self.records.append(Record(kind, disk, offset, length, data, at))
        self.durable = [0] * disks.count  # records below are in the base files
        self.position = 0

    def flushes(self):
        """Numbers of the records that are flushes."""
        return [number for number, record in enumerate(self.records) if record.kind == FLUSH]

    def apply(self, fd, record, take=None):
        """take: bytes of it that arrived."""
        if record.kind == WRITE:
            length = record.length if take is None else min(take, record.length)
            os.pwrite(fd, self.bytes[record.data:record.data + length], record.offset)
        elif record.kind == ZERO and take is None:
            os.pwrite(fd, bytes(record.length), record.offset)

    def advance(self, number):
        """The base files become what is durable when the record of this number has come; they only go forward."""
        pending = []
        for disk in range(self.disks.count):
            last = max((n for n in range(self.durable[disk], number) if self.records[n].kind == FLUSH
                        and self.records[n].disk == disk), default=None)
            if last is not None:
                with open(PLACE / f"base/{disk}", "r+b") as file:
                    for record in self.records[self.durable[disk]:last]:
                        if record.disk == disk:
                            self.apply(file.fileno(), record)
                self.durable[disk] = last + 1
            pending.append([record for record in self.records[self.durable[disk]:number]
                            if record.disk == disk and record.kind != FLUSH])
        return pending

    def image(self, number, how, choose):
        """Files of what the disks hold when the power goes after `number` records. how: none, all, some, prefix or torn: of
        what was not flushed."""
        files = []
        for disk, pending in enumerate(self.advance(number)):
            path = PLACE / f"images/crash{disk}"
            run("cp", "--sparse=always", PLACE / f"base/{disk}", path)
            with open(path, "r+b") as file:
                for record, take in arrived(pending, how, choose, SECTOR[self.disks.fs]):
                    self.apply(file.fileno(), record, take)
            files.append(path)
        return files


def arrived(pending, how, choose, sector):
    """[(record, bytes of it or None: all)] in the order in which they came."""
    if how == "none" or not pending:
        return []
    if how == "all":
        return [(record, None) for record in pending]
    if how == "some":
        return [(record, None) for record in pending if choose.random() < 0.5]
    cut = choose.randrange(len(pending))
    kept = [(record, None) for record in pending[:cut]]
    if how == "torn":
        kept.append((pending[cut], sector * choose.randrange(max(1, pending[cut].length // sector))))
    return kept


def remove_images():
    shutil.rmtree(PLACE, ignore_errors=True)
