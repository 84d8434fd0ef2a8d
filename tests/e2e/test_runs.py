# SPDX-License-Identifier: ISC
"""Runs are recorded, silence is reported: real sshd, rsync, and accounts that put other things into the spool."""

import json
import os
import pwd
import re
import signal
import stat
import subprocess
import time
from pathlib import Path

import pytest

from conftest import call, run, wait_until
from test_session_ends import grace

API = "io.subuidd.Accounts."
SPOOL = Path("/var/lib/subuidd/spool")


@pytest.fixture
def push(host, tmp_path):
    owner, name, key = host.account(tmp_path)
    source = tmp_path / "data"
    source.mkdir()
    (source / "file").write_bytes(os.urandom(300_000))

    def attempt(*options, target="data/"):
        return host.rsync(key, "-a", *options, f"{source}/", f"{name}@127.0.0.1:{target}", check=False)

    attempt.owner, attempt.name, attempt.key, attempt.source = owner, name, key, source
    attempt.uid = pwd.getpwnam(name).pw_uid
    return attempt


def log(host, name):
    return host.subuid_json("log", name)


def logged(host, name, count):
    return wait_until(lambda: len(log(host, name)) >= count and log(host, name), f"{count} runs are recorded")


def account(host, name):
    return host.subuid_json("show", name)["account"]


def as_account(uid, *argv, groups=True):
    gid = __import__("grp").getgrnam("subuids").gr_gid
    return run("setpriv", "--reuid", uid, "--regid", uid, "--groups", gid, *argv, check=False)


def test_a_good_push_is_recorded(host, push):
    before = time.time()
    assert push().returncode == 0
    (entry,) = logged(host, push.name, 1)
    fingerprint = run("ssh-keygen", "-lf", push.key).stdout.split()[1]
    assert entry["status"] == 0 and entry["kind"] == "backup" and entry["tool"] == "rsync" and entry["finished"]
    assert entry["address"] == "127.0.0.1" and entry["fingerprint"] == fingerprint
    assert before - 2 <= entry["started"] <= time.time() and entry["durationMs"] < 60_000
    assert 300_000 <= entry["bytesIn"] < 450_000 and 0 < entry["bytesOut"] < 60_000
    assert entry["files"] == 1 and "error" not in entry
    state = account(host, push.name)
    assert state["lastStatus"] == 0 and before - 2 <= state["lastGood"] <= time.time() + 1
    (key,) = host.subuid_json("key", "list", push.name)
    assert before - 2 <= key["lastUsed"] <= time.time() + 1
    assert "127.0.0.1" in host.subuid("log", "web1", user=push.owner).stdout
    assert not list(SPOOL.iterdir())


def test_a_failed_run_has_its_error_and_is_no_good_backup(host, push):
    result = host.ssh(push.key, push.name, "cat /etc/passwd")
    assert result.returncode != 0
    (entry,) = logged(host, push.name, 1)
    assert entry["status"] != 0 and entry["kind"] == "refused" and "cat: not allowed" in entry["error"]
    assert entry["error"] in result.stderr
    assert "lastGood" not in account(host, push.name)
    assert push("--delete", target="../../elsewhere/").returncode != 0
    assert logged(host, push.name, 2)[0]["status"] != 0
    assert "lastGood" not in account(host, push.name)


@pytest.mark.parametrize("words", [["-an"], ["-a", "--dry-run"], ["-rvvn", "--delete"]], ids=" ".join)
def test_a_dry_run_is_no_backup(host, push, tmp_path, words):
    """Nothing has come: whoever checks every night by -n is told all the same that the backups have ended."""
    (tmp_path / "file").write_text("x")
    assert host.rsync(push.key, *words, f"{tmp_path}/file", f"{push.name}@127.0.0.1:").returncode == 0
    (entry,) = logged(host, push.name, 1)
    assert entry["kind"] == "read" and entry["status"] == 0
    assert "lastGood" not in account(host, push.name)


def test_a_pull_and_a_probe_are_no_backups(host, push, tmp_path):
    host.subuid("key", "add", push.name, "-", "--role", "sync",
                input=Path(f"{host.new_key(tmp_path, 'sync')}.pub").read_text())
    assert host.ssh(push.key, push.name, "true").returncode == 0
    assert host.rsync(tmp_path / "sync", "-a", f"{push.name}@127.0.0.1:./", f"{tmp_path}/out/").returncode == 0
    entries = logged(host, push.name, 2)
    assert [entry["kind"] for entry in entries] == ["read", "probe"]
    assert entries[0]["files"] == 0 and "files" not in entries[1]
    assert "lastGood" not in account(host, push.name)


def test_files_of_pushes_and_pulls_are_counted(host, push, tmp_path):
    """Regular files whose data went over: not those that are there, no directories and no links."""
    sync = host.new_key(tmp_path, "sync")
    plain = host.new_key(tmp_path, "plain")
    for key, options in ((sync, []), (plain, ["--no-fake-super"])):
        host.subuid("key", "add", push.name, "-", "--role", "sync", *options, input=Path(f"{key}.pub").read_text())
    for number in range(2000):
        (push.source / f"file{number}").write_text("x")
    (push.source / "directory").mkdir()
    (push.source / "link").symlink_to("file")
    assert push().returncode == 0
    assert push().returncode == 0
    (push.source / "file7").write_text("changed")
    assert push().returncode == 0
    for key in (sync, plain):
        assert host.rsync(key, "-a", f"{push.name}@127.0.0.1:data/", f"{tmp_path}/{key.name}-out/").returncode == 0
    assert push("-M--log-file=mine", "--ignore-times").returncode == 0
    counts = [entry.get("files") for entry in logged(host, push.name, 6)]
    # newest first; without a private root and with a log of the client's, nobody knows
    assert counts == [None, None, 2001, 1, 0, 2001]
    assert [line.split()[5] for line in host.subuid("log", "web1", user=push.owner).stdout.splitlines()[1:]] == [
        "?", "?", "2001", "1", "0", "2001"]


def slow_push(host, push, directory):
    running = subprocess.Popen(["rsync", "-a", "--bwlimit=100", "-e", " ".join(["ssh", *host.ssh_options(push.key)]),
                                f"{push.source}/", f"{push.name}@127.0.0.1:{directory}/"], stderr=subprocess.PIPE)
    # A server that has made its directory has long set up how it takes a signal.
    arrived = Path(account(host, push.name)["home"], directory)
    wait_until(lambda: arrived.is_dir() and list(arrived.iterdir()), "data arrive")
    return running


def test_a_session_that_is_ended_from_outside_is_recorded(host, push):
    (push.source / "big").write_bytes(os.urandom(4 << 20))
    running = slow_push(host, push, "slow")
    wait_until(lambda: list(SPOOL.iterdir()), "the run is begun")
    assert log(host, push.name) == []
    run("pkill", "-KILL", "-u", push.uid)
    assert running.wait(60) != 0
    (entry,) = logged(host, push.name, 1)
    assert entry["status"] == 1000 and entry["finished"] is False
    assert "cut off" in host.subuid("log", push.name).stdout
    # A lock asks first: rsync's own words.
    with grace(host, 30):
        running = slow_push(host, push, "slow1")
        host.subuid("lock", "web1", user=push.owner)
        assert running.wait(60) != 0
    assert logged(host, push.name, 2)[0]["status"] == 20
    # The client alone goes away: the same.
    host.subuid("unlock", "web1", user=push.owner)
    running = slow_push(host, push, "slow2")
    running.send_signal(signal.SIGKILL)
    running.wait(60)
    run("pkill", "-KILL", "-f", f"{push.name}@127.0.0.1", check=False)
    assert logged(host, push.name, 3)[0]["status"] not in (0, 1000)


def test_while_the_daemon_is_down_runs_wait_for_it(host, push):
    host.stop_daemon()
    try:
        assert push().returncode == 0
        assert push().returncode == 0
        files = list(SPOOL.iterdir())
        assert len(files) == 2
        for path in files:
            assert path.stat().st_uid == push.uid and stat.S_IMODE(path.stat().st_mode) == 0o600
    finally:
        host.start_daemon()
    assert [entry["status"] for entry in logged(host, push.name, 2)] == [0, 0]
    wait_until(lambda: not list(SPOOL.iterdir()), "the spool is empty")


def test_the_spool_shows_nothing_to_accounts_and_nothing_to_others(host, push):
    state = SPOOL.stat()
    assert stat.S_IMODE(state.st_mode) == 0o1730 and state.st_uid == 0
    assert as_account(push.uid, "ls", str(SPOOL)).returncode != 0
    assert run("touch", SPOOL / "x", user=push.owner, check=False).returncode != 0
    assert run("ls", SPOOL, user=push.owner, check=False).returncode != 0


MAKE_JUNK = """
import fcntl, os, signal, struct, sys, time
os.chdir(sys.argv[1])
os.mkfifo("fifo"); os.symlink("/etc/shadow", "link"); os.mkdir("directory"); os.mkdir("full"); os.mkdir("full/x")
open("garbage", "wb").write(os.urandom(464)); open("short", "wb").write(b"x")
with open("huge", "wb") as f: f.truncate(1 << 40)
open("zero", "wb").write(bytes(568)); os.link("short", "linked")
good = bytearray(open(sys.argv[2], "rb").read())
def variant(name, at, value):
    copy = bytearray(good); copy[at:at + len(value)] = value; open(name, "wb").write(copy)
variant("future", 8, struct.pack("<q", 2 ** 37)); variant("never", 8, struct.pack("<q", 2 ** 62))
variant("status", 60, struct.pack("<I", 999)); variant("kind", 64, struct.pack("<I", 77))
variant("tool", 72, b"rs\\nync"); variant("foreign-key", 56, struct.pack("<I", int(sys.argv[3])))
leased = os.open("leased", os.O_RDWR | os.O_CREAT, 0o600); os.write(leased, good)
signal.signal(signal.SIGIO, signal.SIG_IGN); fcntl.fcntl(leased, fcntl.F_SETLEASE, fcntl.F_WRLCK)
locked = os.open("locked", os.O_RDWR | os.O_CREAT, 0o600); fcntl.flock(locked, fcntl.LOCK_EX); os.write(locked, good)
print("ready", flush=True)
sys.stdin.read()
"""


def test_junk_in_the_spool_harms_nobody(host, push, tmp_path):
    victim, victim_name, victim_key = host.account(tmp_path)
    assert host.rsync(victim_key, "-a", f"{push.source}/", f"{victim_name}@127.0.0.1:data/").returncode == 0
    logged(host, victim_name, 1)
    (other_key,) = host.subuid_json("key", "list", victim_name)
    host.stop_daemon()
    try:
        assert push().returncode == 0
        (one,) = SPOOL.iterdir()
        record = tmp_path / "record"
        record.write_bytes(one.read_bytes())
        os.chmod(record, 0o644)
        gid = __import__("grp").getgrnam("subuids").gr_gid
        hostile = subprocess.Popen(
            ["setpriv", "--reuid", str(push.uid), "--regid", str(push.uid), "--groups", str(gid), "/usr/bin/python3", "-c",
             MAKE_JUNK, str(SPOOL), str(record), str(other_key["id"])], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True)
        assert hostile.stdout.readline() == "ready\n"
    finally:
        host.start_daemon()
    # Only whole, sound records of its own: one of the session, "future" and "foreign-key".
    assert len(logged(host, push.name, 3)) == 3
    wait_until(lambda: {path.name for path in SPOOL.iterdir()} <= {"locked", "full"}, "the junk is taken away")
    now = time.time() + 1
    assert all(entry["started"] <= now for entry in log(host, push.name))
    assert account(host, push.name)["lastGood"] <= now
    # Nothing of it is the other account's.
    assert len(log(host, victim_name)) == 1
    assert host.subuid_json("key", "list", victim_name) == [other_key]
    assert Path("/etc/shadow").exists()
    hostile.stdin.close()
    hostile.wait(60)
    # The lock is gone with its holder; the record is taken.
    assert len(logged(host, push.name, 4)) == 4
    run("rm", "-rf", SPOOL / "full")
    assert host.subuid("check", "--all").returncode == 0


def test_no_more_than_500_runs_are_kept(host, push, tmp_path):
    host.stop_daemon()
    try:
        assert push().returncode == 0
        (one,) = SPOOL.iterdir()
        record = one.read_bytes()
        for i in range(600):
            path = SPOOL / f"{i:032x}"
            path.write_bytes(record)
            os.chown(path, push.uid, push.uid)
    finally:
        host.start_daemon()
    wait_until(lambda: not list(SPOOL.iterdir()), "the spool is empty")
    assert len(host.subuid_json("log", push.name, "-n", "1000")) == 500
    assert len(host.subuid_json("log", push.name, "-n", "3")) == 3


def test_runs_are_the_owners_and_nobody_elses(host, push):
    assert push().returncode == 0
    logged(host, push.name, 1)
    stranger = host.new_user()
    assert host.subuid("log", push.name, user=stranger, check=False).returncode == 5
    assert host.subuid("log", "web1", user=stranger, check=False).returncode == 3
    host.subuid("remove", "web1", "--purge", user=push.owner)
    assert host.subuid("log", "web1", user=push.owner, check=False).returncode == 3


def check(host, *words):
    return host.subuid("status", "--check", *words, check=False)


DATUM = re.compile(r"('[^'=]+'|[^ '=]+)=(\d+)(s?);(@?\d*:?\d*);(@?\d*:?\d*);(0?)")


def plugin(result):
    """The output of a monitoring plug-in, taken apart: status, first line, the other lines, performance data."""
    first, *lines = result.stdout.splitlines()
    text, data = first.split(" | ")
    found = {}
    while data:
        match = DATUM.match(data)
        assert match, data
        found[match[1].strip("'")] = (int(match[2]), match[4], match[5])
        data = data[match.end():].lstrip()
    assert text.startswith(f"SUBUID {['OK', 'WARNING', 'CRITICAL'][result.returncode]} - ")
    return result.returncode, text, lines, found


def test_status_for_monitoring(host, push):
    assert plugin(check(host, "--max-age", "26h", push.name))[0] == 0  # it has just been made
    wait_until(lambda: check(host, "--max-age", "1s", push.name).returncode == 2, "never is critical")
    status, text, lines, data = plugin(check(host, "-c", "1s", push.name))
    assert f"0 of 1 accounts well: {push.name} never backed up since 2" in text
    assert lines[0].startswith(f"CRITICAL: {push.name}: never backed up since 2") and len(lines) == 1
    assert data[push.name][2] == "1" and data["critical"][0] == 1 and data["oldest"][0] >= 1
    assert push().returncode == 0
    logged(host, push.name, 1)
    status, text, lines, data = plugin(check(host, "--max-age", "26h", push.name))
    assert status == 0 and text == "SUBUID OK - 1 of 1 accounts well" and lines == []
    assert data["accounts"][0] == data["ok"][0] == 1 and data["warning"][0] == data["critical"][0] == 0
    assert data[push.name][1:] == ("", "93600") and data["oldest"][1:] == ("", "93600")
    wait_until(lambda: check(host, "--max-age", "1s", push.name).returncode == 2, "it is too old")
    day = time.strftime("%Y-%m-%d")
    assert f"{push.name} no good backup since {day}" in plugin(check(host, "--max-age", "1s", push.name))[1]
    assert plugin(check(host, "--max-age", "26h", "--warn-age", "1s", push.name))[0] == 1
    assert plugin(check(host, "-w", "@0:1h", "-c", "26h", push.name))[3][push.name][1:] == ("@0:3600", "93600")
    assert plugin(check(host, "-w", "1h:26h", push.name))[0] == 1
    host.subuid("set", push.name, "--alarm", "26h")
    assert plugin(check(host, push.name))[3][push.name][2] == "93600"  # its own


def test_status_for_monitoring_says_which_failed_and_since_when(host, push, tmp_path):
    other = host.account(tmp_path, label="db1", owner=push.owner)[1]
    assert push().returncode == 0
    logged(host, push.name, 1)
    assert push(target="no/such/directory/").returncode == 11
    logged(host, push.name, 2)
    day = time.strftime("%Y-%m-%d")
    for words in ([push.name, other], ["--owner", push.owner]):
        status, text, lines, data = plugin(check(host, "--max-age", "26h", *words))
        assert status == 1 and "1 of 2 accounts well" in text
        assert f"{push.name} the last backup failed (11) at {day} " in text and f"last good backup {day} " in text
        assert len(lines) == 1 and lines[0].startswith(f"WARNING: {push.name}: the last backup failed (11)")
        assert set(data) == {"accounts", "ok", "warning", "critical", "oldest", push.name, other}
    own = host.subuid("status", "--check", user=push.owner, check=False)
    assert plugin(own)[3] == data | {"oldest": plugin(own)[3]["oldest"]} | {name: plugin(own)[3][name] for name in (push.name, other)}
    everybody = plugin(check(host, "--all"))
    assert everybody[0] >= 1 and everybody[3]["accounts"][0] > 2
    host.subuid("lock", other)
    assert "(1 locked, expired or without keys)" in plugin(check(host, push.name, other))[1]


def test_what_monitoring_cannot_know_is_unknown(host, push):
    for words in (["nobody+there"], ["--max-age", "soon", push.name], ["-c", "26", push.name], ["--no-such-option"],
                  ["-c", "26h:1h", push.name]):
        result = check(host, *words)
        assert result.returncode == 3 and result.stdout.startswith("SUBUID UNKNOWN - "), words
    table = host.subuid("status", push.name).stdout.splitlines()
    assert table[0].split() == ["NAME", "LAST", "GOOD", "ALARM", "LAST", "LAST", "RUN"] and push.name in table[1]
    assert host.subuid_json("status", push.name)[0]["name"] == push.name
    host.subuid("lock", push.name)
    result = check(host, "--max-age", "1s", push.name)
    assert result.returncode == 3 and "locked" in result.stdout
    down = host.subuid("--socket", "/run/nothing", "status", "--check", check=False)
    assert down.returncode == 3 and down.stdout.startswith("SUBUID UNKNOWN")


@pytest.fixture
def hook(host):
    seen = Path("/run/hook-seen")
    seen.write_text("")
    os.chmod(seen, 0o666)
    program = Path("/usr/local/sbin/subuid-hook")
    program.write_text(f'#!/bin/sh\nprintf "%s %s %s %s\\n" "$(id -un)" "$1" "$2" "$3" >>{seen}\nenv >/run/hook-seen.env\n')
    os.chmod(program, 0o755)
    settings = Path("/etc/subuidd.conf.d/hook.conf")
    settings.parent.mkdir(exist_ok=True)
    settings.write_text(f"[alarm]\nhook = {program}\n")
    host.restart_daemon()
    yield lambda: [line.split() for line in seen.read_text().splitlines()]
    settings.unlink()
    host.restart_daemon()


def test_silence_is_told_once_and_so_is_its_end(host, push, hook):
    assert host.subuid_json("set", push.name, "--alarm", "2s")["alarm"] == 2
    lines = wait_until(hook, "the hook is called")
    assert lines[0][:3] == ["subuidd-hook", push.name, "silent"] and int(lines[0][3]) >= 2
    assert account(host, push.name)["silent"] is True and "SILENT" in host.subuid("status", push.name).stdout
    assert check(host, push.name).returncode == 2
    host.restart_daemon()
    host.subuid("set", push.name, "--comment", "x")
    assert push().returncode == 0
    wait_until(lambda: len(hook()) >= 2, "the hook is called again")
    assert [line[2] for line in hook()][:2] == ["silent", "well"]
    wait_until(lambda: len(hook()) >= 3, "silent again")
    assert [line[2] for line in hook()] == ["silent", "well", "silent"]
    host.subuid("set", push.name, "--alarm", "never")
    assert account(host, push.name)["silent"] is False


@pytest.mark.parametrize("how", ["writable", "owner", "directory"])
def test_a_hook_that_others_can_change_is_not_run(host, push, hook, how):
    program = Path("/usr/local/sbin/subuid-hook")
    directory = program.parent
    try:
        if how == "writable":
            os.chmod(program, 0o757)
        elif how == "owner":
            os.chown(program, push.uid, 0)
        else:
            os.chmod(directory, 0o777)
        host.subuid("set", push.name, "--alarm", "1s")
        wait_until(lambda: account(host, push.name)["silent"] and "could be changed by others" in
                   Path("/run/subuidd.log").read_text(), "it is refused")
        assert hook() == []
    finally:
        os.chmod(directory, 0o755)
        os.chown(program, 0, 0)


def test_set_alarm_says_what_is_wrong(host, push):
    for text in ("soon", "0", "26", "1y", "-1s", "99999999999"):
        assert host.subuid("set", push.name, "--alarm", text, check=False).returncode == 2
    reply = call(API + "Modify", {"owner": push.owner, "label": "web1", "alarm": -1})
    assert reply["error"].endswith("Invalid")
