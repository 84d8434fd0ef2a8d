# SPDX-License-Identifier: ISC
"""Ways round the evidence (test_evidence.py): what a refused start leaves, homes that are not mounted, rows that no lookup
needs, an id that is given out while a large store is still being proved."""

import contextlib
import signal
import sqlite3

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
    """Served, they would be made anew in the wrong place, and their mark with them."""
    run("mount", "-t", "tmpfs", "t", HOMES)
    try:
        HOMES.chmod(0o711)
        result = foreground()
        assert result.returncode == 1, result
        assert f"{HOMES}: none of the homes is there" in result.stderr and "mount" in result.stderr, result.stderr
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
])
def test_rows_of_every_table_that_decides_are_proved(host, saved, tmp_path, account, statement):
    """What is silent for too long, what may be chosen again below the mark, when a key was used."""
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
        dropped = db.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND name LIKE ?",
                             [f"digest_{table}%"]).fetchall()
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


def test_an_id_that_is_given_out_while_a_large_store_is_proved(host, large, tmp_path, account):
    """All of the state is an older one, marks and index too: the homes alone tell, and that takes a while. Whoever gets the uid
    of such a home meanwhile does not make it known."""
    kept = Saved(tmp_path / "large")
    host.start_daemon()
    host.subuid("add", "later", user=account[0])
    later = uid_of(host, account[0], "later")
    host.stop_daemon()
    kept.back()
    other = host.new_user()
    start = LOG.stat().st_size
    host.start_daemon()
    host.subuid("add", "other", user=other, check=False)
    gid = (HOMES / other / "other").stat().st_gid
    try:
        assert host.daemon.wait(30) == REFUSED
    finally:
        said = LOG.read_bytes()[start:].decode()
        if host.daemon.poll() is not None:
            host.daemon = None
    assert f"{account[0]}/later (uid {later})" in said, said
    assert gid == later, "the control: the uid was given out a second time"
    home_gone(HOMES / other / "other")
    (HOMES / other).rmdir()
