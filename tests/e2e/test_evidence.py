# SPDX-License-Identifier: ISC
"""A store that knows less than the host is not accepted (invariants 1 and 14): whatever it was that was lost, rolled back or
damaged, the daemon does not start, says what it found and what to do, and lookups, logins and pushes go on."""

import contextlib
import os
import re
import shutil
import signal
import sqlite3
import struct
import subprocess
from pathlib import Path

import pytest

from conftest import ROOT, call, run, wait_until

SUBUIDD = "/usr/sbin/subuidd"
STATE = Path("/var/lib/subuidd")
STORE = STATE / "state.db"
HOMES = Path("/srv/subuid")
MARKS = (STATE / "high-water", HOMES / ".high-water")
REFUSED = 65
LOG = Path("/run/subuidd.log")
FILES = ("state.db", "state.db-wal", "index", "keys", "high-water")


def foreground(*, timeout=60):
    return run(SUBUIDD, "--foreground", check=False, timeout=timeout)


def refused(*words):
    """In the foreground and in the background: the same status, the same words."""
    for argv in ([SUBUIDD, "--foreground"], [SUBUIDD]):
        result = run(*argv, check=False, timeout=60)
        assert result.returncode == REFUSED, f"{argv}: {result.returncode}\n{result.stderr}"
        for word in (*words, "is not accepted", "subuid state load", "subuid check --repair"):
            assert word in result.stderr, f"{word!r} is not in {result.stderr!r}"
    return result.stderr


def goes_on(host, account, tmp_path, what="a"):
    """Without the daemon: by the index."""
    _, name, key = account
    uid = int(run("id", "-u", name).stdout)
    assert run("getent", "passwd", str(uid)).stdout.startswith(f"{name}:")
    source = tmp_path / f"pushed-{what}"
    source.write_text(what)
    host.rsync(key, source, f"{name}@127.0.0.1:")


def silent_start(host):
    """Starts, and has nothing to complain of."""
    before = LOG.stat().st_size
    host.start_daemon()
    said = LOG.read_bytes()[before:].decode()
    assert not re.search("warning|error|fatal|high-water", said), said
    return said


class Saved:
    """The files of the state as they are, with owners and modes, while no daemon runs."""

    def __init__(self, directory):
        self.directory = Path(directory)
        self.directory.mkdir()
        for name in FILES:
            if (STATE / name).exists():
                run("cp", "--preserve=all", STATE / name, self.directory / name)
        run("cp", "--preserve=all", MARKS[1], self.directory / "homes-mark")
        self.homes = homes()

    def back(self, *names):
        for name in names or FILES:
            if (STATE / name).is_dir():
                (STATE / name).rmdir()
            (STATE / name).unlink(missing_ok=True)
            if (self.directory / name).exists():
                run("cp", "--preserve=all", self.directory / name, STATE / name)
        if not names or "homes-mark" in names:
            run("cp", "--preserve=all", self.directory / "homes-mark", MARKS[1])


@pytest.fixture
def account(host, tmp_path):
    made = host.account(tmp_path)
    yield made
    if host.daemon is None:
        host.start_daemon()


@pytest.fixture
def saved(host, account, tmp_path):
    """A host that was stopped, as it was then; afterwards it is that again, and starts without a word."""
    host.stop_daemon()
    kept = Saved(tmp_path / "saved")
    yield kept
    if host.daemon is not None:
        host.stop_daemon()
    kept.back()
    for home in homes() - kept.homes:
        home_gone(home)
    silent_start(host)
    assert host.subuid("check", "--all").returncode == 0


def homes():
    return {path for owner in HOMES.iterdir() if owner.is_dir() and owner.name != ".making" for path in owner.iterdir()}


def home_gone(home):
    """What a store that was put back knows nothing of."""
    run("umount", "-q", home / "view", check=False)
    run("rm", "-r", home)
    (Path("/home") / home.parent.name / "subuid" / home.name).unlink(missing_ok=True)


def row_of(host, owner, label):
    return next(row for row in host.subuid_json("list", user=owner) if row["label"] == label)


def uid_of(host, owner, label):
    return row_of(host, owner, label)["uid"]


def change_of(text):
    return int(re.search(r"at change (\d+)", text).group(1))


def test_the_control_starts_without_a_word(host, saved, tmp_path, account):
    goes_on(host, account, tmp_path)
    silent_start(host)
    host.stop_daemon(signal.SIGKILL)
    silent_start(host)


def test_a_deleted_store(host, saved, tmp_path, account):
    STORE.unlink()
    told = refused("gone or empty", "at change", "/web1 (uid ")
    assert change_of(told) > 1
    assert not STORE.exists(), "an empty store was made"
    goes_on(host, account, tmp_path)


def test_a_store_that_is_gone_but_for_its_log(host, saved, tmp_path, account):
    """SQLite would delete the log of a file that is empty, and with it what could be saved."""
    log = STATE / "state.db-wal"
    host.start_daemon()
    host.subuid("set", account[1].split("+")[1], "--comment", "x", user=account[0])
    host.stop_daemon(signal.SIGKILL)
    before = log.read_bytes()
    assert before
    STORE.unlink()
    refused("state.db-wal")
    assert log.read_bytes() == before


def test_an_emptied_store(host, saved, tmp_path, account):
    os.truncate(STORE, 0)
    refused("gone or empty", "/web1 (uid ")
    assert STORE.stat().st_size == 0
    goes_on(host, account, tmp_path)


def test_another_store(host, saved, tmp_path, account):
    """A store of another host, or a new one that a daemon made: its number is not the one that was here."""
    other = tmp_path / "other.db"
    in_clean_host(tmp_path, f"cp /var/lib/subuidd/state.db {other}")
    shutil.copy(other, STORE)
    STORE.chmod(0o600)
    refused("another one than this host had", "/web1 (uid ", "and more")
    goes_on(host, account, tmp_path)


CLEAN = """
mount -t tmpfs t /var/lib/subuidd && chmod 0755 /var/lib/subuidd
mkdir -p {homes} && chmod 0711 {homes} && mount --bind {homes} /srv/subuid
mkdir -p /var/backups && mount -t tmpfs t /var/backups
mount -t tmpfs t /run/subuidd && chmod 0755 /run/subuidd
{prepare}
/usr/sbin/subuidd --foreground 2> {log} &
pid=$!
for i in $(seq 6000); do [ -S /run/subuidd/socket ] && break; kill -0 $pid || break; sleep 0.01; done
grep -q serving {log} || for i in $(seq 6000); do grep -q serving {log} && break; kill -0 $pid || break; sleep 0.01; done
kill $pid; wait $pid; echo status $?
{after}
"""


def in_clean_host(tmp_path, after="", prepare=""):
    """The daemon started once with directories of its own. (status, what it logged)"""
    homes = HOMES.parent / f"clean-{tmp_path.name}"
    log = tmp_path / "clean.log"
    script = CLEAN.format(homes=homes, log=log, after=after, prepare=prepare)
    result = run("unshare", "--mount", "--propagation", "private", "bash", "-c", script)
    shutil.rmtree(homes, ignore_errors=True)
    return int(re.search(r"status (\d+)", result.stdout).group(1)), log.read_text()


def test_a_first_start_on_a_clean_host_is_silent(host, account, tmp_path):
    host.stop_daemon()
    status, said = in_clean_host(tmp_path, "ls -la /var/lib/subuidd/high-water /srv/subuid/.high-water >&2")
    assert status == 0, said
    assert not re.search("warning|error|fatal|high-water", said), said


def test_a_store_of_an_earlier_version_is_taken_over_in_silence(host, account, tmp_path):
    """Of version 1, as of any that had no high-water mark yet: nothing is missing that could be there."""
    host.stop_daemon()
    old = tmp_path / "old.db"
    with contextlib.closing(sqlite3.connect(old)) as db:
        db.executescript((ROOT / "tests/unit/store_v1.sql").read_text())
    status, said = in_clean_host(tmp_path, prepare=f"install -m 0600 {old} /var/lib/subuidd/state.db")
    assert status == 0, said
    assert not re.search("not accepted|high-water", said), said


def test_an_older_copy(host, saved, tmp_path, account):
    host.start_daemon()
    later = host.account(tmp_path, label="later", owner=account[0])
    host.stop_daemon()
    saved.back("state.db", "state.db-wal")
    told = refused("older copy", "the published index shows change", f"{account[0]}/later")
    assert "/web1 (" not in told
    goes_on(host, later, tmp_path)


def test_an_older_copy_in_which_nothing_but_a_lock_is_missing(host, saved, tmp_path, account):
    """No home tells of it: the lock would be undone without a word."""
    host.start_daemon()
    host.subuid("lock", "web1", user=account[0])
    host.stop_daemon()
    for mark in MARKS:
        mark.unlink()
    saved.back("state.db", "state.db-wal")
    refused("the published index shows change")
    assert host.rsync(account[2], "/etc/hostname", f"{account[1]}@127.0.0.1:", check=False).returncode != 0


def test_an_older_copy_is_told_by_the_marks_alone(host, saved, tmp_path, account):
    host.start_daemon()
    host.subuid("limit", account[0], "--accounts", "1")
    host.stop_daemon()
    for name in ("index", "keys"):
        (STATE / name).unlink()
    saved.back("state.db", "state.db-wal")
    refused("older copy")


def test_homes_alone_are_newer(host, saved, tmp_path, account):
    """All of the state was restored, and the mark beside the homes as well: the homes are left to tell."""
    host.start_daemon()
    for i in range(5):
        host.account(tmp_path, label=f"w{i}", owner=account[0])
    host.stop_daemon()
    saved.back()
    told = refused("homes that it does not know", "and more")
    assert len(re.findall(rf"{account[0]}/w\d \(uid \d+\)", told)) == 3


def test_data_that_is_set_aside_tells_too(host, saved, tmp_path, account):
    host.start_daemon()
    host.account(tmp_path, label="gone", owner=account[0])
    uid = uid_of(host, account[0], "gone")
    host.subuid("remove", "gone", "--yes", user=account[0])
    aside = HOMES / ".removed" / str(uid)
    wait_until(aside.exists, "its data is set aside")
    host.stop_daemon()
    saved.back()
    refused(f".removed/{uid}")


def frames(log):
    """Where the frames lie that SQLite would read: (offset of the page, whether a commit ends with it)."""
    data = log.read_bytes()
    size, = struct.unpack(">I", data[8:12])
    salt, found, at = data[16:24], [], 32
    while at + 24 + size <= len(data) and data[at + 8:at + 16] == salt:
        found.append((at + 24, struct.unpack(">I", data[at + 4:at + 8])[0] != 0))
        at += 24 + size
    return found


def spoil(path, offset):
    with open(path, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 0x10]))


@pytest.mark.parametrize("where", ["middle", "last"])
def test_a_byte_in_the_log_after_kill_9(host, saved, tmp_path, account, where):
    """SQLite stops at the first frame that is wrong, and calls that the end."""
    host.start_daemon()
    for i in range(3):
        host.account(tmp_path, label=f"log{i}", owner=account[0])
    host.subuid("lock", "web1", user=account[0])
    host.stop_daemon(signal.SIGKILL)
    log = STATE / "state.db-wal"
    found = frames(log)
    assert len(found) > 8
    before = log.read_bytes()
    spoil(log, found[len(found) // 2 if where == "middle" else -1][0] + 100)
    told = refused("the end of its log")
    assert "shows change" in told
    assert host.rsync(account[2], "/etc/hostname", f"{account[1]}@127.0.0.1:", check=False).returncode != 0, "the lock is undone"
    # as it was: SQLite has brought what it read into the file, so that all of it is needed
    for path in STATE.glob("state.db*"):
        path.unlink()
    run("cp", "--preserve=all", saved.directory / "state.db", STORE)
    log.write_bytes(before)
    log.chmod(0o600)
    host.start_daemon()
    assert row_of(host, account[0], "web1")["locked"]
    for i in range(3):
        host.subuid("remove", f"log{i}", "--purge", "--yes", user=account[0])
    for i in range(3):
        wait_until(lambda: not (HOMES / account[0] / f"log{i}").exists(), "it is gone")
    host.subuid("unlock", "web1", user=account[0])
    host.stop_daemon()
    shutil.rmtree(saved.directory)
    Saved.__init__(saved, saved.directory)


def place_of(text):
    at = STORE.read_bytes().find(text)
    assert at > 0
    return at


def test_a_byte_in_a_row(host, saved, tmp_path, account):
    """A letter of a name is a name, too: SQLite itself finds nothing."""
    spoil(STORE, place_of(b"ssh-ed25519") + 4)
    with contextlib.closing(sqlite3.connect(f"file:{STORE}?immutable=1", uri=True)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    refused("it is damaged", "the rows are not those that were written")
    goes_on(host, account, tmp_path)


def test_a_byte_in_a_page(host, saved, tmp_path, account):
    for page in range(2, STORE.stat().st_size // 4096):  # its kind, the first byte: of every page but the first
        spoil(STORE, page * 4096)
    refused("it is damaged")
    goes_on(host, account, tmp_path)


def test_a_byte_in_a_trigger(host, saved, tmp_path, account):
    """SQLite reads it all the same: the invariant that the trigger keeps is another one then."""
    data = STORE.read_bytes()
    at = data.index(b"'account', 'range')\nBEGIN SELECT RAISE(ABORT, 'ids only become tombstones')")
    spoil(STORE, at + 1)
    with contextlib.closing(sqlite3.connect(STORE)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    for path in STATE.glob("state.db-*"):
        path.unlink()
    refused("it is damaged", "triggers")
    goes_on(host, account, tmp_path)


def test_a_page_that_is_gone(host, saved, tmp_path, account):
    with open(STORE, "r+b") as file:
        file.write(os.urandom(4096))
    refused("it is damaged")
    saved.back("state.db")
    os.truncate(STORE, STORE.stat().st_size // 8192 * 4096)
    refused("it is damaged")


def test_a_row_that_was_changed_by_hand(host, saved, tmp_path, account):
    with contextlib.closing(sqlite3.connect(STORE)) as db, db:
        with pytest.raises(sqlite3.OperationalError, match="row_digest"):
            db.execute("UPDATE accounts SET owner_uid = 0")
        trigger, = db.execute("SELECT sql FROM sqlite_schema WHERE name = 'digest_accounts_update'").fetchone()
        db.execute("DROP TRIGGER digest_accounts_update")
        db.execute("UPDATE accounts SET flags = flags | 1")
        db.execute(trigger)
    for path in STATE.glob("state.db-*"):
        path.unlink()
    refused("the rows are not those that were written")
    goes_on(host, account, tmp_path)


@pytest.mark.parametrize("gone", [MARKS[:1], MARKS[1:], MARKS], ids=["state", "homes", "both"])
def test_marks_that_are_gone_are_made_anew(host, saved, account, gone):
    before = [path.read_bytes()[:1024] for path in MARKS]
    for path in gone:
        path.unlink()
    start = LOG.stat().st_size
    host.start_daemon()
    said = LOG.read_bytes()[start:].decode()
    assert said.count("made anew") == 1 and str(gone[0]) in said, said
    assert all(path.stat().st_mode & 0o7777 == 0o600 for path in MARKS)
    assert len(before) == 2
    host.restart_daemon()
    host.stop_daemon()
    silent_start(host)


def test_marks_that_are_damaged(host, saved, tmp_path, account):
    os.truncate(MARKS[0], 100)
    start = LOG.stat().st_size
    host.start_daemon()
    assert "made anew" in LOG.read_bytes()[start:].decode()
    host.stop_daemon()
    for path in MARKS:
        os.truncate(path, 100)
    refused("damaged in both places")
    goes_on(host, account, tmp_path)


LOOKS = """import pwd, sys
for name in sys.stdin:
    try:
        print(pwd.getpwnam(name.strip()).pw_uid, flush=True)
    except KeyError:
        print("nobody", flush=True)
"""


def test_who_had_a_lost_index_mapped_sees_the_new_one(host, saved, account):
    """Made by a daemon that had nothing mapped of it, so that nobody is told through the old file."""
    host.start_daemon()
    host.subuid("add", "short", user=account[0])
    name, uid = f"{account[0]}+short", uid_of(host, account[0], "short")
    process = subprocess.Popen(["/usr/bin/python3", "-c", LOOKS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def seen():
        process.stdin.write(f"{name}\n")
        process.stdin.flush()
        return process.stdout.readline().strip()

    try:
        assert seen() == str(uid)
        host.stop_daemon()
        (STATE / "index").unlink()
        assert seen() == str(uid), "the control: it has it mapped"
        host.start_daemon()
        host.subuid("remove", "short", "--purge", "--yes", user=account[0])
        wait_until(lambda: seen() == "nobody", "the process sees the new index")
    finally:
        process.kill()
        process.wait()


def test_an_index_that_is_gone_or_damaged_is_doubt(host, saved, account):
    (STATE / "index").unlink()
    (STATE / "keys").unlink()
    silent_start(host)
    assert run("id", "-u", account[1]).stdout.strip().isdigit()
    host.stop_daemon()
    for name in ("index", "keys"):
        spoil(STATE / name, 100)
    host.start_daemon()
    assert run("id", "-u", account[1]).stdout.strip().isdigit()


def test_the_whole_directory_is_gone(host, saved, tmp_path, account):
    aside = tmp_path / "aside"
    run("cp", "-a", STATE, aside)
    run("rm", "-rf", STATE)
    refused("gone or empty", "/web1 (uid ")
    MARKS[1].unlink()
    refused("homes that it does not know")
    run("rm", "-rf", STATE)
    run("cp", "-a", aside, STATE)


BACKUPS = Path("/var/backups/subuidd")


@pytest.mark.parametrize("evidence", ["ids-were-given", "state-"])
def test_state_and_homes_are_gone_together(host, saved, tmp_path, account, evidence):
    """A disk that is not mounted, and a directory that somebody removed: nothing on either is left to tell."""
    host.start_daemon()
    host.subuid("state", "save", "--daily")
    host.stop_daemon()
    aside, kept = tmp_path / "aside", tmp_path / "kept"
    run("cp", "-a", STATE, aside)
    run("cp", "-a", BACKUPS, kept)
    for path in BACKUPS.iterdir():
        if not path.name.startswith(evidence):
            path.unlink()
    name, = (path.name for path in BACKUPS.iterdir())
    run("mount", "-t", "tmpfs", "-o", "mode=0711", "t", HOMES)
    try:
        run("rm", "-rf", STATE)
        refused(f"{BACKUPS}/{name} says that there was one")
        assert not STORE.exists()
        result = host.subuid("check", "--repair", check=False)
        assert result.returncode == 4 and "the store is gone" in result.stdout, result
        host.subuid("check", "--repair", "--yes")
        silent_start(host)
        host.stop_daemon()
        run("rm", "-rf", STATE, HOMES / ".high-water")
        (BACKUPS / name).unlink()
        silent_start(host)  # the control: nothing tells
        host.stop_daemon()
    finally:
        wait_until(lambda: run("umount", HOMES, check=False).returncode == 0, "nobody holds it")
        run("rm", "-rf", STATE, BACKUPS)
        run("cp", "-a", aside, STATE)
        run("cp", "-a", kept, BACKUPS)


def test_an_index_without_anything_else(host, saved, tmp_path, account):
    """The homes are on a disk that is not there: the index alone knows that there were accounts."""
    STORE.unlink()
    MARKS[0].unlink()
    run("mount", "-t", "tmpfs", "t", HOMES)
    try:
        HOMES.chmod(0o711)
        refused("the published index shows accounts")
    finally:  # the process that was refused tells first, and then ends
        wait_until(lambda: run("umount", HOMES, check=False).returncode == 0, "nobody holds it")


@pytest.mark.parametrize("path, damage, mend", [
    (STORE, "chmod 0644 {}", "chmod 0600 {}"), (STORE, "chown 1234 {}", "chown root:root {}"),
    (STATE, "chmod 0775 {}", "chmod 0755 {}"), (STATE, "chown 1234 {}", "chown root:root {}"),
    (MARKS[0], "chmod 0666 {}", "chmod 0600 {}"), (MARKS[1], "chown 1234 {}", "chown root:root {}"),
    (HOMES, "chmod 0777 {}", "chmod 0711 {}"),
    (Path("/etc/subuidd.conf"), "touch {0}; chmod 0666 {0}", "chmod go-w {}"),
    (Path("/etc/subuidd.conf"), "touch {0}; chmod 0644 {0}; chown 1234 {0}", "chown root:root {}"),
], ids=lambda value: str(value) if isinstance(value, Path) else None)
def test_a_wrong_owner_or_mode_is_named_with_what_mends_it(host, saved, path, damage, mend):
    run("bash", "-c", damage.format(path))
    result = foreground()
    assert result.returncode == 1, result
    assert str(path) in result.stderr and mend.format(path) in result.stderr, result.stderr
    run("bash", "-c", mend.format(path))
    silent_start(host)
    host.stop_daemon()


@pytest.mark.parametrize("name", ["state.db", "high-water"])
def test_a_directory_in_the_place_of_a_file_is_named(host, saved, name):
    (STATE / name).unlink()
    (STATE / name).mkdir()
    result = foreground()
    assert result.returncode == 1 and f"{STATE / name} is a directory" in result.stderr and "move it away" in result.stderr, result
    (STATE / name).rmdir()


def test_a_disk_that_fails_is_not_called_a_damaged_store(host, saved, tmp_path):
    result = run("unshare", "--mount", "--propagation", "private", "bash", "-c",
                 f"mount --bind {STATE} {STATE} && mount -o remount,bind,ro {STATE} && exec {SUBUIDD} --foreground", check=False)
    assert result.returncode == 1 and "Read-only file system" in result.stderr and "read-write" in result.stderr, result
    assert "damaged" not in result.stderr and "accepted" not in result.stderr
    for k in range(1, 33):  # of the header, the schema, the rows and the proof: SQLite calls some of them malformed
        result = run("strace", "-f", "-o", tmp_path / "trace", "-P", STORE, "-e", f"inject=pread64:error=EIO:when={k}+", SUBUIDD,
                     "--foreground", check=False, timeout=60)
        assert "INJECTED" in (tmp_path / "trace").read_text()
        assert result.returncode == 1 and "Input/output error" in result.stderr and "kernel's log" in result.stderr, (k, result)
        assert "damaged" not in result.stderr and "accepted" not in result.stderr


@pytest.fixture
def large(host, saved, tmp_path):
    """More accounts than are proved within the start."""
    run("make", "-C", ROOT, "build/bench/fill", env={"MAKEFLAGS": ""})
    run(ROOT / "build/bench/fill", STATE, "6000", "10")
    for path in STATE.glob("state.db-*"):
        path.unlink()
    return saved


def ends_by_itself(host, *words):
    """It serves, until the proof beside it has found what is wrong."""
    result = foreground(timeout=120)
    assert result.returncode == REFUSED, result
    for word in ("serving", *words, "is not accepted", "subuid state load"):
        assert word in result.stderr, result.stderr


def test_a_large_store_is_proved_beside_the_service(host, large, account):
    """What is made meanwhile is no stranger."""
    start = LOG.stat().st_size
    host.start_daemon()
    made = 0
    while b"the store is proved" not in LOG.read_bytes()[start:]:
        host.subuid("add", f"meanwhile{made}", user=account[0])
        made += 1
        if made > 15:
            wait_until(lambda: b"the store is proved" in LOG.read_bytes()[start:], "it is proved", 120)
    assert host.daemon.poll() is None and made > 0
    host.stop_daemon()
    assert "not accepted" not in LOG.read_bytes()[start:].decode()


def test_a_home_without_a_row_beside_a_large_store(host, large, tmp_path, account):
    home = HOMES / account[0] / "stranger"
    home.mkdir(0o710)
    os.chown(home, 0, 2100999999)
    ends_by_itself(host, f"{account[0]}/stranger (uid 2100999999)")
    goes_on(host, account, tmp_path)


def test_a_row_of_a_large_store(host, large, account):
    spoil(STORE, place_of(b"ssh-ed25519") + 4)
    ends_by_itself(host, "the rows are not those that were written")


def test_the_unit_does_not_start_it_again_and_again():
    unit = (ROOT / "subuidd/subuidd.service").read_text()
    assert re.search(r"^RestartPreventExitStatus=65$", unit, re.M)


def test_ids_rise_over_a_crash_and_a_clean_stop(host, account):
    """What may have been given out before a crash is not given out again; a clean stop costs nothing."""
    owner = account[0]
    host.subuid("add", "one", user=owner)
    one = uid_of(host, owner, "one")
    host.restart_daemon()
    host.subuid("add", "two", user=owner)
    assert uid_of(host, owner, "two") == one + 1
    host.restart_daemon(signal.SIGKILL)
    host.subuid("add", "three", user=owner)
    assert one + 2 <= uid_of(host, owner, "three") <= one + 2 + 256
    for label in ("one", "two", "three"):
        host.subuid("remove", label, "--yes", user=owner)


def test_crashes_do_not_use_up_a_small_block(host, account):
    """What is taken ahead is lost with a crash: near the end of a block that is little."""
    owner = account[0]
    conf = Path("/etc/subuidd.conf.d/evidence.conf")
    conf.parent.mkdir(mode=0o755, exist_ok=True)
    conf.write_text("[ids]\naccounts = 2141000000-2141000039\n")
    host.subuid("limit", owner, "--accounts", "100")
    host.restart_daemon()
    try:
        given = []
        for i in range(8):
            host.subuid("add", f"crash{i}", user=owner)
            given.append(uid_of(host, owner, f"crash{i}"))
            host.restart_daemon(signal.SIGKILL)
        assert given == sorted(set(given)) and all(2141000000 <= uid <= 2141000039 for uid in given), given
        # of what root released, ids below the mark are chosen again when nothing else is left
        host.subuid("remove", "crash0", "--purge", "--yes", user=owner)
        wait_until(lambda: host.subuid("release", str(given[0]), check=False).returncode == 0, "it is released")
        host.restart_daemon()
        made = 0
        while host.subuid("add", f"rest{made}", user=owner, check=False).returncode == 0:
            made += 1
        rest = [uid_of(host, owner, f"rest{i}") for i in range(made)]
        assert rest.count(given[0]) == 1 and not set(rest) & set(given[1:]), (given, rest)
        assert all(uid > given[-1] for uid in rest if uid != given[0]), (given, rest)
        for label in [f"crash{i}" for i in range(1, 8)] + [f"rest{i}" for i in range(made)]:
            host.subuid("remove", label, "--yes", user=owner)
    finally:
        conf.unlink()
        host.restart_daemon()


def test_an_id_is_below_the_mark_before_it_is_durable(host, account):
    """Killed in the middle of the very commit: the mark on both disks is already above."""
    owner = account[0]
    host.stop_daemon(signal.SIGKILL)
    host.start_daemon()  # the marks are as high as the store's, and no more than those taken ahead
    trace = Path("/run/evidence.trace")
    strace = subprocess.Popen(["strace", "-f", "-y", "-o", trace, "-e", "trace=pwrite64,fdatasync,fsync", "-p",
                               str(host.daemon.pid)], stderr=subprocess.DEVNULL)
    wait_until(lambda: "TracerPid:\t0" not in Path(f"/proc/{host.daemon.pid}/status").read_text(), "it is traced")
    host.subuid("range", "add", "65536", user=owner)
    strace.send_signal(signal.SIGTERM)
    strace.wait(60)
    calls = [line for line in trace.read_text().splitlines()]

    def first(what, name):
        return next(i for i, line in enumerate(calls) if what in line and f"{name}>" in line)

    for name in ("high-water", ".high-water"):
        assert first("fdatasync", f"/{name}") < first("sync", "state.db-wal"), "\n".join(calls)
