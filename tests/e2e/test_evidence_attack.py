# SPDX-License-Identifier: ISC
"""Ways round the evidence (test_evidence.py): what a refused start leaves, homes that are not mounted, rows that no lookup
needs, an id that is given out while a large store is still being proved."""

import contextlib
import os
import shutil
import signal
import sqlite3
import subprocess

import pytest

from conftest import run, wait_until
from test_evidence import (  # noqa: F401: fixtures
    HOMES, LOG, MARKS, STATE, STORE, REFUSED, Saved, account, foreground, frames, home_gone, homes, large,
    refused, saved, spoil, uid_of)


def contents():
    """All that could be loaded, or saved from it, once more; zeros at the end of the log are none."""
    return {path.name: path.read_bytes().rstrip(b"\0") for path in STATE.iterdir()
            if path.is_file() and path.name != "refused" and not path.name.endswith("-shm")}


def test_a_refused_start_changes_nothing(host, saved, tmp_path, account):
    """Of a log with one bad byte SQLite reads what comes before it. Were that brought into the file, the rest would be lost."""
    host.start_daemon()
    for i in range(3):
        host.account(tmp_path, label=f"log{i}", owner=account[0])
    made = homes() - saved.homes
    host.stop_daemon(signal.SIGKILL)
    log = STATE / "state.db-wal"
    found = frames(log)
    at = found[len(found) // 2][0] + 100
    spoil(log, at)
    before = contents()
    refused("the end of its log")
    after = contents()
    assert [name for name in before if before[name] != after.get(name)] == []
    spoil(log, at)  # the byte is right again: all is there
    host.start_daemon()
    assert {f"log{i}" for i in range(3)} <= {row["label"] for row in host.subuid_json("list", user=account[0])}
    for i in range(3):
        host.subuid("remove", f"log{i}", "--purge", "--yes", user=account[0])
    wait_until(lambda: not any(home.exists() for home in made), "they are gone")


def test_an_older_log_beside_a_newer_store(host, saved, tmp_path, account):
    """SQLite applies any whole log to whatever file stands beside it."""
    host.start_daemon()
    host.subuid("set", "web1", "--comment", "a", user=account[0])
    host.stop_daemon(signal.SIGKILL)
    older = (STATE / "state.db-wal").read_bytes()
    host.start_daemon()
    host.subuid("lock", "web1", user=account[0])
    host.stop_daemon()
    newer = STORE.read_bytes()
    good = (STATE / "state.db-wal").read_bytes()
    (STATE / "state.db-wal").write_bytes(older)
    refused()
    assert STORE.read_bytes() == newer, "the store is what it was"
    (STATE / "state.db-wal").write_bytes(good)
    host.start_daemon()
    host.subuid("unlock", "web1", user=account[0])


def test_homes_that_are_not_mounted(host, saved, tmp_path, account):
    """Served, they would be made again in the wrong place, and their mark with them."""
    run("mount", "-t", "tmpfs", "t", HOMES)
    try:
        HOMES.chmod(0o711)
        result = foreground()
        assert result.returncode == 1, result
        assert f"{HOMES}: neither the homes nor the high-water mark" in result.stderr and "mount" in result.stderr, result.stderr
        assert not (HOMES / ".high-water").exists()
        # who has really lost them says so, and goes on
        assert host.subuid("check", "--repair", "--dry-run", check=False).returncode == 0
        result = host.subuid("check", "--repair", "--yes", check=False)
        assert "none of the homes" in result.stdout, result
        host.start_daemon()
        host.stop_daemon()
    finally:
        wait_until(lambda: run("umount", HOMES, check=False).returncode == 0, "nobody holds it")
    saved.back()


@pytest.mark.parametrize("statement", [
    "UPDATE watches SET alarm = 0", "DELETE FROM released", "UPDATE released SET last = last + 64", "UPDATE key_uses SET used = 1",
    "UPDATE audit SET caller = 'bob'", "UPDATE runs SET status = 1",
])
def test_rows_of_every_table_that_decides_are_proved(host, saved, tmp_path, account, statement):
    """What is silent for too long, what may be chosen again below the mark, when a key was used; who did what, how runs ended."""
    host.start_daemon()
    host.subuid("set", "web1", "--alarm", "2d", user=account[0])
    host.subuid("add", "gone", user=account[0])
    gone = uid_of(host, account[0], "gone")
    host.subuid("remove", "gone", "--purge", "--yes", user=account[0])
    wait_until(lambda: host.subuid("release", str(gone), check=False).returncode == 0, "it is released")
    host.rsync(account[2], "/etc/hostname", f"{account[1]}@127.0.0.1:")
    wait_until(lambda: host.subuid_json("log", account[1]), "the run is in the store")
    host.stop_daemon()
    table = statement.split()[1 if statement.startswith("UPDATE") else 2]
    with contextlib.closing(sqlite3.connect(STORE)) as db, db:
        dropped = db.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = ?", [table]).fetchall()
        for name, _ in dropped:
            db.execute(f"DROP TRIGGER {name}")
        assert db.execute(statement).rowcount > 0
        for _, sql in dropped:
            db.execute(sql)
    for path in STATE.glob("state.db-*"):
        path.unlink()
    with contextlib.closing(sqlite3.connect(STORE)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    refused("the rows are not those that were written")


@pytest.fixture
def long_walk(host, large):
    """So many homes that looking at them takes about a second; whose they are, the store knows."""
    directory = HOMES / host.new_user()
    directory.mkdir(0o711)
    for i in range(60000):
        os.mkdir(directory / f"w{i}", 0o710)
        os.chown(directory / f"w{i}", 0, 2110000000 + i % 6000)
    yield large
    shutil.rmtree(directory)


@pytest.mark.parametrize("how", ["add", "import"])
def test_no_id_is_given_out_before_the_homes_are_compared(host, long_walk, tmp_path, account, how):
    """All of the state is an older one, marks and index too: the homes alone tell, and looking at them takes a while. Calls that
    would give out an id wait for that, all others do not."""
    kept = Saved(tmp_path / "large")
    host.start_daemon()
    host.subuid("add", "later", user=account[0])
    later = uid_of(host, account[0], "later")
    host.stop_daemon()
    kept.back()
    other = host.new_user()
    rows = tmp_path / "rows.csv"
    rows.write_text(f"owner,label\n{other},other\n")
    start = LOG.stat().st_size
    host.start_daemon()
    assert host.subuid("lock", "web1", user=account[0]).returncode == 0
    argv = ["add", "other", "--owner", other] if how == "add" else ["import", rows]
    try:
        assert host.subuid(*argv, check=False).returncode != 0
        assert host.daemon.wait(60) == REFUSED
    finally:
        said = LOG.read_bytes()[start:].decode()
        if host.daemon.poll() is not None:
            host.daemon = None
    assert f"{account[0]}/later (uid {later})" in said, said
    assert "account.lock" in said.split("is not accepted")[0], "what gives out no id has waited"
    assert not (HOMES / other).exists(), "the uid was given out a second time"


def test_what_waits_for_the_homes_goes_on(host, long_walk, tmp_path, account):
    other = host.new_user()
    rows = tmp_path / "rows.csv"
    rows.write_text(f"owner,label\n{other},other\n")
    start = LOG.stat().st_size
    host.start_daemon()
    waiting = [subprocess.Popen(["/usr/bin/subuid", *argv])
               for argv in (["add", "new", "--owner", account[0]], ["range", "add", "65536", "--owner", account[0]],
                            ["import", rows])]
    assert [process.wait(60) for process in waiting] == [0, 0, 0]
    said = LOG.read_bytes()[start:].decode()
    assert "homes are compared" in said.split("account.intent")[0], said
    host.stop_daemon()
    home_gone(HOMES / other / "other")
    (HOMES / other).rmdir()
