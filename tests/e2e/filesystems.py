# SPDX-License-Identifier: ISC
"""File systems of a test's own, with the daemon's state and the homes on one of them; and who fills them."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from conftest import run, wait_until

STATE = Path("/var/lib/subuidd")
BACKUPS = Path("/var/backups/subuidd")
HOMES = Path("/srv/subuid")

MIB = 1 << 20
# Root has no blocks of its own on any of them: what is full is full for the daemon, too.
KINDS = {
    "ext4": (96 * MIB, ["mkfs.ext4", "-q", "-F", "-m", "0", "-N", "4096"]),
    "xfs": (320 * MIB, ["mkfs.xfs", "-q", "-f", "-i", "maxpct=1"]),
    "btrfs": (256 * MIB, ["mkfs.btrfs", "-q", "-f"]),
    "tmpfs": (96 * MIB, None),
}


def mount(kind, directory, image):
    """A fresh file system of this kind at the directory; image: where its file lies meanwhile."""
    size, make = KINDS[kind]
    if make is None:
        run("mount", "-t", "tmpfs", "-o", f"size={size},mode=0755,nr_inodes=4096", "tmpfs", directory)
        return
    image.touch()
    os.truncate(image, size)
    run(*make, image)
    run("mount", "-o", "loop", image, directory)
    image.unlink()
    assert run("findmnt", "-n", "-o", "FSTYPE", directory).stdout.strip() == kind


@contextlib.contextmanager
def nothing_known():
    """Of what the host had before nothing is in /var/backups/subuidd, so that the daemon starts on an empty state."""
    aside = Path(tempfile.mkdtemp(dir=BACKUPS.parent), BACKUPS.name)
    if BACKUPS.exists():
        BACKUPS.rename(aside)
    try:
        yield
    finally:
        shutil.rmtree(BACKUPS, ignore_errors=True)
        if aside.exists():
            aside.rename(BACKUPS)
        aside.parent.rmdir()


@contextlib.contextmanager
def state_and_homes_on(host, kind, directory):
    """The daemon, with its state and homes on one file system of this kind. Gives the file system's directory."""
    top = directory / "disk"
    top.mkdir()
    host.stop_daemon()
    mount(kind, top, directory / "image")
    try:
        for place, name in ((STATE, "state"), (HOMES, "homes")):
            status = place.stat()
            (top / name).mkdir()
            os.chown(top / name, status.st_uid, status.st_gid)
            (top / name).chmod(status.st_mode & 0o7777)
            run("mount", "--bind", top / name, place)
        with nothing_known():
            host.start_daemon()
            yield top
    finally:
        if host.daemon is not None:
            host.stop_daemon()
        for place in (HOMES, STATE, top):
            run("umount", "-R", "-l", place, check=False)
        host.start_daemon()


# Takes each byte, or each inode, that becomes free, for as long as it runs.
FILLER = r"""
import os, sys, time
top, what = sys.argv[1:3]
files, size, full = 0, 1 << 20, 0
block = bytes(size)
fd = os.open(f"{top}/data", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600) if what == "bytes" else -1
while True:
    try:
        if what == "bytes":
            os.write(fd, block[:size])
        else:
            os.close(os.open(f"{top}/empty{files}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            files += 1
        size, full = 1 << 20, 0
    except OSError:
        if size > 1:
            size = max(1, size // 16)
            continue
        if what == "bytes" and full % 64 == 0:
            # what a file cannot have, a new one may (its tail, its inode)
            files += 1
            try:
                fd2 = os.open(f"{top}/more{files}", os.O_WRONLY | os.O_CREAT, 0o600)
                os.write(fd2, b"x" * 4096)
                os.close(fd2)
            except OSError:
                pass
        full += 1
        if full == 200:
            print("full", flush=True)
        time.sleep(0.0005)
"""


@contextlib.contextmanager
def filled(uid, directory, what="bytes"):
    """An ordinary process of uid that takes all that there is below the directory, and goes on doing so."""
    filler = subprocess.Popen(
        ["/usr/bin/python3", "-c", FILLER, str(directory), what], user=uid, group=uid, extra_groups=[],
        stdout=subprocess.PIPE, text=True, cwd="/",
    )
    try:
        assert filler.stdout.readline() == "full\n"
        yield filler
        assert filler.poll() is None, "the filler has ended"
    finally:
        filler.send_signal(signal.SIGKILL)
        filler.wait()


def processes_of(uid):
    return [
        pid for pid in os.listdir("/proc")
        if pid.isdigit() and os.path.exists(f"/proc/{pid}") and _uid_of(pid) == uid
    ]


def _uid_of(pid):
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return -1
    if "\nState:\tZ" in status:
        return -1
    return int(status.split("\nUid:\t")[1].split()[1])


def session_of(uid):
    """A process of this uid, as a login would have."""
    process = subprocess.Popen(["sleep", "1000"], user=uid, group=uid, extra_groups=[], cwd="/")
    wait_until(lambda: _uid_of(process.pid) == uid, "it runs")
    return process
