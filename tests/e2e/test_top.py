# SPDX-License-Identifier: ISC
"""subuid top and show: what accounts use of the host now, read with the caller's own rights."""

import contextlib
import fcntl
import json
import os
import pty
import pwd
import select
import signal
import struct
import subprocess
import termios
import time

import pytest

from conftest import run, wait_until
from test_session_ends import process_of

BUSY = "while :; do :; done"
MEMORY = "exec python3 -c 'import time; x = b\"x\" * (64 << 20); print(len(x)); time.sleep(1000)'"


def rows(host, *words, user=None):
    return {row["name"]: row for row in
            map(json.loads, host.subuid("top", "--once", "--json", *words, user=user).stdout.splitlines())}


def test_each_column_is_what_it_says(host, tmp_path):
    owner, busy, _ = host.account(tmp_path)
    large = host.account(tmp_path, label="web2", owner=owner)[1]
    idle = host.account(tmp_path, label="web3", owner=owner)[1]
    with process_of(busy, BUSY), process_of(large, MEMORY):
        wait_until(lambda: rows(host, user=owner).get(large, {"memoryBytes": 0})["memoryBytes"] > 64 << 20, "it has taken it")
        seen = rows(host, user=owner)
        assert set(seen) == {busy, large}, "without those that run nothing"
        assert seen[busy]["cpuPercent"] > 20 > seen[large]["cpuPercent"]
        assert seen[large]["memoryBytes"] > 64 << 20 > seen[busy]["memoryBytes"] > 0
        assert (seen[busy]["processes"], seen[busy]["sessions"], seen[busy]["owner"], seen[busy]["state"]) == (1, 1, owner, "active")
        assert seen[busy]["uid"] == pwd.getpwnam(busy).pw_uid
        assert list(seen) == [busy, large] and list(rows(host, "--sort", "memory", user=owner)) == [large, busy]
        assert list(rows(host, "--idle", user=owner)) == [busy, large, idle]
        host.subuid("freeze", "web1", user=owner)
        host.subuid("lock", "web3", user=owner)
        seen = rows(host, "--idle", user=owner)
        assert seen[busy]["state"] == "frozen" and seen[busy]["cpuPercent"] == 0 and seen[idle]["state"] == "locked"
        heads, first, *_ = host.subuid("top", "--once", user=owner).stdout.splitlines()
        assert heads.split() == ["NAME", "PROCS", "SESSIONS", "CPU%", "MEMORY", "READ/s", "WRITTEN/s", "STATE"]
        assert first.split()[0] in (busy, large)
        shown = host.subuid_json("show", large)["use"]
        assert shown["processes"] == 1 and shown["memoryBytes"] > 64 << 20
        assert "1 processes, 1 sessions, " in host.subuid("show", large).stdout
    assert "use" not in host.subuid_json("show", idle) and "\nruns " not in host.subuid("show", idle).stdout


def test_a_session_is_what_another_user_began(host, tmp_path):
    """One connection with all of its processes; an orphan is nobody's session."""
    owner, name, key = host.account(tmp_path, "sftp")
    session = subprocess.Popen(["ssh", *host.ssh_options(key), "-s", f"{name}@127.0.0.1", "sftp"], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE)
    try:
        session.stdin.write(b"\0\0\0\5\1\0\0\0\3")
        session.stdin.flush()
        assert session.stdout.read(5)[4:] == b"\2"
        seen = rows(host)[name]
        assert seen["sessions"] == 1 and seen["processes"] >= 2
        with process_of(name, "sleep 1000"):
            assert rows(host)[name]["sessions"] == 2
    finally:
        session.kill()
        session.communicate()


def test_writing_is_seen_by_root(host, tmp_path):
    owner, name, _ = host.account(tmp_path)
    uid = pwd.getpwnam(name).pw_uid
    file = f"/srv/subuid/{owner}/web1/home/file"
    with process_of(name, f"while :; do dd if=/dev/zero of={file} bs=1M count=8 conv=fsync 2>/dev/null; done") as process:
        wait_until(lambda: rows(host)[name].get("writtenBytesPerSecond", 0) > 1 << 20, "it writes")
        assert process.poll() is None
    run("pkill", "-KILL", "-U", uid, check=False)


def test_own_accounts_alone(host, tmp_path):
    owner, name, key = host.account(tmp_path)
    stranger, other, _ = host.account(tmp_path)
    manager = host.new_key(tmp_path, "manager")
    host.subuid("manage-key", "add", f"{manager}.pub", user=owner)
    run("usermod", "-a", "-G", "subuid-owners", owner)
    with process_of(name), process_of(other):
        assert set(rows(host, user=owner)) == {name}
        assert {name, other} <= set(rows(host)) and set(rows(host, "--owner", owner)) == {name}
        for words in (["--all"], ["--owner", stranger]):
            refused = host.subuid("top", "--once", *words, user=owner, check=False)
            assert refused.returncode == 5 and "only root and members of the admin group" in refused.stderr
        over = host.ssh(manager, owner, "subuid top --once --json")
        assert [json.loads(line)["name"] for line in over.stdout.splitlines()] == [name], over.stderr
        assert name in host.ssh(manager, owner, "top").stdout, "and comes to an end"
        host.stop_daemon()
        try:
            assert set(rows(host, user=owner)) == {name}, "the daemon is not needed"
        finally:
            host.start_daemon()
    for words in (["--sort", "name"], ["--interval", "0"], ["--interval", "x"], ["--once", "--interval", "2"],
                  ["--all", "--owner", owner], ["web1"]):
        assert host.subuid("top", *words, check=False).returncode == 2, words


@contextlib.contextmanager
def terminal(*words, high=10):
    """`subuid top` at a terminal with so many rows; (process, read, the terminal's settings)."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", high, 100, 0, 0))
    process = subprocess.Popen(["/usr/bin/subuid", "top", *words], stdin=theirs, stdout=theirs, stderr=theirs,
                               start_new_session=True, env={**os.environ, "TERM": "xterm"})

    def read(until, seconds=60):
        said, end = b"", time.monotonic() + seconds
        while until not in said:
            assert time.monotonic() < end, said
            if select.select([ours], [], [], 0.2)[0]:
                said += os.read(ours, 65536)
        return said

    try:
        yield process, ours, read, lambda: termios.tcgetattr(theirs)
    finally:
        process.kill()
        process.wait()
        os.close(ours)
        os.close(theirs)


@pytest.mark.parametrize("how", ["q", signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_terminal_is_as_it_was(host, tmp_path, how):
    name = host.account(tmp_path)[1]
    with process_of(name), terminal("--interval", "1") as (process, ours, read, settings):
        read(name.encode())
        during = settings()
        read(name.encode())  # and it is drawn anew
        if how == "q":
            os.write(ours, b"q")
        else:
            process.send_signal(how)
        left = read(b"\033[?1049l")
        assert b"\033[?25h" in left, "the cursor is back"
        assert process.wait(60) == (0 if how == "q" else -how)
        assert not during[3] & termios.ECHO and settings()[3] & termios.ECHO and settings()[3] & termios.ICANON


@pytest.mark.parametrize("high, shown", [(1, 0), (2, 0), (3, 1), (5, 3), (10, 4)])
def test_no_more_than_the_terminal_has_room_for(host, tmp_path, high, shown):
    owner = host.account(tmp_path)[0]
    for number in range(2, 5):
        host.account(tmp_path, label=f"web{number}", owner=owner)
    with terminal("--interval", "1", "--idle", "--owner", owner, high=high) as (_, _, read, _):
        drawn = read(b"\033[H\033[J") + read(b"\033[H\033[J")
        frame = drawn.split(b"\033[H\033[J")[1]
        assert frame.count(f"{owner}+web".encode()) == shown


def test_thousands_that_run_nothing_cost_nothing(host, tmp_path):
    """Ten of many run: a look reads what runs, and asks the index for each; the others are not read."""
    owner = host.new_user()
    host.subuid("limit", owner, "--accounts", "3000")
    lines = "".join(json.dumps({"owner": owner, "label": f"a{number}"}) + "\n" for number in range(2000))
    host.subuid("import", "-", input=lines)
    with contextlib.ExitStack() as stack:
        for number in range(10):
            stack.enter_context(process_of(f"{owner}+a{number}"))
        traced = run("strace", "-f", "-c", "-o", "/tmp/counts", "/usr/bin/subuid", "top", "--once", user=None)
        assert traced.stdout.count(f"{owner}+a") == 10
        calls = sum(int(line.split()[3]) for line in open("/tmp/counts", encoding="ascii")
                    if line.strip() and line.split()[0].replace(".", "").isdigit() and line.split()[-1] != "total")
        there = len([entry for entry in os.listdir("/proc") if entry.isdigit()])
        assert calls < 2 * (4 * there + 10 * 60) + 500, (calls, there)
        assert len(rows(host, "--idle", "--owner", owner)) == 2000
