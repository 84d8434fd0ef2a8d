# SPDX-License-Identifier: ISC
"""A session does not outlive what admitted it: account, key, owner, and the host's longest time."""

import calendar
import contextlib
import os
import pty
import pwd
import re
import select
import subprocess
import time
from pathlib import Path

from conftest import ROOT, SLOW, call, expiry_after, run, wait_until
from session_fixture import second_sshd, services

API = "io.subuidd.Accounts."
LOOKS = 75  # seconds: two looks of the daemon, which are half a minute apart, and the grace


@contextlib.contextmanager
def process_of(name, script="exec sleep 1000", **options):
    """Something that runs as the account, as cron or a forgotten child of a session does."""
    uid = pwd.getpwnam(name).pw_uid
    process = subprocess.Popen(["/bin/sh", "-c", script], user=uid, group=uid, extra_groups=[], cwd="/",
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def sftp_of(host, key, name, *options):
    """A session that stays open, through sshd."""
    process = subprocess.Popen(["ssh", *host.ssh_options(key), *options, "-s", f"{name}@127.0.0.1", "sftp"], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        process.stdin.write(b"\0\0\0\5\1\0\0\0\3")  # SSH_FXP_INIT, version 3
        process.stdin.flush()
        assert process.stdout.read(5)[4:] == b"\2", "SSH_FXP_VERSION: it is connected"
        yield process
    finally:
        process.kill()
        process.communicate()


@contextlib.contextmanager
def grace(host, seconds):
    """Which sessions have from being asked to being killed."""
    conf = Path("/etc/subuidd.conf.d/grace.conf")
    conf.write_text(f"[sessions]\ngrace_seconds = {seconds}\n")
    host.restart_daemon()
    try:
        yield
    finally:
        conf.unlink()
        host.restart_daemon()


def expire(owner, label="web1", day="2020-01-01"):
    reply = call(API + "Modify", {"owner": owner, "label": label, "expires": day})
    assert "error" not in reply, reply


def running(name):
    """Pids of what runs as the account; not of what has ended and waits for its parent, which is this process."""
    lines = run("ps", "-o", "pid=,state=", "-U", pwd.getpwnam(name).pw_uid, check=False).stdout.splitlines()
    return [line.split()[0] for line in lines if "Z" not in line]


def daemon_log():
    return Path("/run/subuidd.log").read_text()


def test_what_may_no_longer_log_in_ends(host, tmp_path):
    """An expired account, and owners who are locked, expired, deleted; beside them one to whom nothing happened."""
    owners = {what: host.account(tmp_path, "sftp")[:2] for what in ("expired", "locked", "over", "gone", "stays")}
    with contextlib.ExitStack() as stack:
        processes = {what: stack.enter_context(process_of(name)) for what, (_, name) in owners.items()}
        expire(owners["expired"][0])
        run("usermod", "-p", "!$y$j9T$x$x", owners["locked"][0])
        run("chage", "-E", "0", owners["over"][0])
        run("userdel", owners["gone"][0])
        for what in ("expired", "locked", "over", "gone"):
            wait_until(lambda: processes[what].poll() is not None, f"{what} ends", LOOKS)
            assert not running(owners[what][1])
        assert processes["stays"].poll() is None
    for what, why in (("expired", "the account has expired"), ("locked", "its owner's account is locked"),
                      ("over", "its owner's account has expired"), ("gone", "its owner no longer exists")):
        assert f"{owners[what][1]}: its processes end: {why}" in daemon_log()
    assert f"{owners['stays'][1]}: its processes end" not in daemon_log()


def test_an_index_that_cannot_be_read_is_told_and_looked_at_again(host, tmp_path):
    owner, name, _ = host.account(tmp_path, "sftp")
    index = Path("/var/lib/subuidd/index")
    told = "may go on: the index cannot be read"
    with process_of(name) as process:
        index.chmod(0o666)  # anybody could have written it: nobody believes it
        expire(owner)
        index.chmod(0o666)
        wait_until(lambda: told in daemon_log(), "it is told", LOOKS)
        assert process.poll() is None
        index.chmod(0o644)
        wait_until(lambda: process.poll() is not None, "it ends when the index can be read again", LOOKS)
    assert daemon_log().count(told) == 1


def test_what_the_owner_runs_over_an_expired_account_goes_on(host, tmp_path):
    """An owner reads the backups of an account that is over; a process of the account beside it is the control."""
    owner, name, _ = host.account(tmp_path, "sftp")
    entry = pwd.getpwnam(owner)
    uid = pwd.getpwnam(name).pw_uid
    script = (f"import os; os.setresgid({uid}, {uid}, {uid}); os.setresuid({uid}, {uid}, {uid}); print(flush=True); "
              "os.execvp('sleep', ['sleep', '1000'])")
    other = host.account(tmp_path, "sftp")[1]
    with process_of(other) as control:
        look = subprocess.Popen(["/usr/bin/subuid", "exec", "web1", "--", "/usr/bin/python3", "-c", script], user=entry.pw_uid,
                                group=entry.pw_gid, extra_groups=[entry.pw_gid], cwd="/", stdout=subprocess.PIPE)
        try:
            assert look.stdout.readline() == b"\n"
            wait_until(lambda: running(name), "it has the uid of the account")
            expire(owner)
            expire(other.split("+")[0])
            wait_until(lambda: control.poll() is not None, "the control ends", LOOKS)
            assert look.poll() is None and running(name)
        finally:
            look.kill()
            look.communicate()
            run("pkill", "-KILL", "-U", pwd.getpwnam(name).pw_uid, check=False)


def test_sessions_end_in_order(host, tmp_path):
    """Each process is asked first; one that does not listen, and one that forks without end, are killed after the grace."""
    owner, name, _ = host.account(tmp_path, "sftp")
    uid = pwd.getpwnam(name).pw_uid
    asked = tmp_path / "asked"
    asked.mkdir()
    os.chown(asked, uid, uid)
    with grace(host, 6), process_of(name, f"trap 'echo x >{asked}/it; exit' TERM; touch {asked}/ready; while :; do sleep 0.1; done"):
        with process_of(name, f"trap '' TERM; touch {asked}/deaf; while :; do sleep 0.1; done"):
            with process_of(name, f"trap '' TERM; f() {{ sleep 0.01; f & }}; touch {asked}/forks; f; exit"):
                wait_until(lambda: {"ready", "deaf", "forks"} <= set(os.listdir(asked)), "all of them run")
                host.subuid("lock", "web1", user=owner)
                assert (asked / "it").exists(), "it was asked"
                assert not running(name), "and nothing is left"
    with grace(host, 0):
        host.subuid("unlock", "web1", user=owner)
        (asked / "it").unlink()
        (asked / "ready").unlink()
        with process_of(name, f"trap 'echo x >{asked}/it; exit' TERM; touch {asked}/ready; while :; do sleep 0.1; done"):
            wait_until((asked / "ready").exists, "it runs")
            host.subuid("lock", "web1", user=owner)
            assert not running(name) and not (asked / "it").exists(), "the control: without a grace nothing is asked"


def test_a_session_ends_with_its_key(host, tmp_path):
    owner, name, lasting = host.account(tmp_path, "sftp")
    short = host.new_key(tmp_path, "short")
    soon = expiry_after(lambda: host.ssh(lasting, name, input=""))
    reply = call(API + "KeyAdd", {"owner": owner, "label": "web1", "key": {
        "key": Path(f"{short}.pub").read_text(), "role": "sftp", "expires": soon}})
    assert "error" not in reply, reply
    with sftp_of(host, lasting, name) as control, sftp_of(host, short, name) as session:
        assert time.time() < soon and session.poll() is None
        session.wait(60)
        assert time.time() >= soon
        assert control.poll() is None, "a session of another key goes on"
    wait_until(lambda: not running(name), "nothing is left")


def timers_of_sessions():
    """Timers that wait to end sshd's processes."""
    found = []
    for pid in run("pgrep", "-x", "sshd|sshd-session", check=False).stdout.split():
        with contextlib.suppress(OSError):
            found += [line for line in Path(f"/proc/{pid}/timers").read_text().splitlines() if line.startswith("signal: 15/")]
    return found


def test_no_session_lasts_longer_than_the_host_allows(host, tmp_path):
    """An sshd whose hours are seconds ends one after that time; beside it one of an sshd whose hours are hours goes on."""
    _, name, key = host.account(tmp_path, "sftp")
    conf = Path("/etc/subuidd.conf.d/longest.conf")
    library = tmp_path / "short_hours.so"
    run("gcc", "-shared", "-fPIC", "-o", library, ROOT / "tests/e2e/short_hours.c")
    with second_sshd(LD_PRELOAD=str(library)):
        with sftp_of(host, key, name):
            assert timers_of_sessions() == []
        conf.write_text("[sessions]\nlongest_hours = 12\n")
        try:
            host.restart_daemon()
            begun = time.monotonic()
            with sftp_of(host, key, name) as control, sftp_of(host, key, name, "-p", "2200") as session:
                assert len(timers_of_sessions()) == 2 and session.poll() is None
                session.wait(60)
                assert time.monotonic() - begun >= 12
                assert control.poll() is None
            wait_until(lambda: not running(name), "nothing is left")
        finally:
            conf.unlink()
            host.restart_daemon()


@contextlib.contextmanager
def terminal_of(host, key, name):
    """A shell at a terminal, through sshd: the client, and a function that reads until a line is there; what it has read."""
    ours, theirs = pty.openpty()
    said = bytearray()

    def read_until(wanted, seconds):
        end = time.monotonic() + seconds * SLOW
        while wanted not in said:
            assert time.monotonic() < end and process.poll() is None, (wanted, bytes(said))
            if select.select([ours], [], [], 1)[0]:
                with contextlib.suppress(OSError):  # it has just ended
                    said.extend(os.read(ours, 4096))
        return said

    with subprocess.Popen(["ssh", "-tt", *host.ssh_options(key), f"{name}@127.0.0.1"], stdin=theirs, stdout=theirs, stderr=theirs,
                          start_new_session=True) as process:
        os.close(theirs)
        try:
            yield process, read_until
        finally:
            process.kill()
            os.close(ours)


def test_a_terminal_is_told_before_the_account_expires(host, tmp_path):
    """When it opens, since that is within a day; ten minutes before, and one; and then it ends. The daemon looks every half
    minute: the first look is ten minutes before, the second 25 seconds, the third five seconds after."""
    owner, name, key = host.account(tmp_path, "shell", "web1", None, "--tty")
    wait_until(lambda: time.time() % 86400 < 86400 - 240, "a midnight that would come between is over", 300)
    end = (int(time.time()) // 86400 + 1) * 86400
    day = time.strftime("%Y-%m-%d", time.gmtime(end))
    expire(owner, day=day)
    opened = f"{name}: this session ends on {day} 00:00 UTC, when the account expires"
    assert host.ssh(key, name, "echo in", options=["-tt"]).stdout == "in\n", "a command's output is its own"
    with services("sshd,su-l"):
        assert opened in run("su", "-l", "-s", "/bin/sh", name, input="", cwd="/").stdout  # in other forms su is silent
    with terminal_of(host, key, name) as (session, read_until):
        with host.daemon_ahead(tmp_path, end - 620 - int(time.time()), more=(535, 40)):
            assert f"subuid: {opened}".encode() in read_until(b"$ ", 60)
            told = f"{name} expires in 10 minutes: this session ends then".encode()
            assert b"1 minute:" not in read_until(told, LOOKS)
            told = f"{name} expires in 1 minute: this session ends then".encode()
            assert read_until(told, LOOKS).count(b"this session ends then") == 2
            assert session.poll() is None
            wait_until(lambda: session.poll() is not None, "and it does", 2 * LOOKS)
        assert not running(name)


def test_a_terminal_is_told_before_its_key_expires(host, tmp_path):
    """As it opens, and a minute before the end, by the login shell; a session of a key that lasts hears neither."""
    owner, name, lasting = host.account(tmp_path, "shell", "web1", None, "--tty")
    short = host.new_key(tmp_path, "short")
    end = 60 + expiry_after(lambda: host.ssh(lasting, name, "echo in", options=["-tt"]))
    reply = call(API + "KeyAdd", {"owner": owner, "label": "web1", "key": {
        "key": Path(f"{short}.pub").read_text(), "role": "shell", "options": ["tty"], "expires": end}})
    assert "error" not in reply, reply
    opened = f"{name}: this session ends on {time.strftime('%Y-%m-%d %H:%M', time.gmtime(end))} UTC, when the key expires"
    near = f"\nsubuid: {name}: this session ends in 1 minute, when the key expires\r".encode()
    assert host.ssh(short, name, "echo in", options=["-tt"]).stdout == "in\n", "a command's output is its own"
    with terminal_of(host, lasting, name) as (_, control), terminal_of(host, short, name) as (session, read_until):
        control(b"$ ", 60)
        assert f"subuid: {opened}".encode() in read_until(b"$ ", 60)
        read_until(near, end - time.time())
        assert end - 60 <= time.time() and session.poll() is None
        assert b"this session ends" not in control(b"$ ", 1)


def test_a_terminal_is_told_how_long_it_may_last(host, tmp_path):
    _, name, key = host.account(tmp_path, "shell", "web1", None, "--tty")
    conf = Path("/etc/subuidd.conf.d/longest.conf")
    conf.write_text("[sessions]\nlongest_hours = 4\n")
    try:
        host.restart_daemon()
        with terminal_of(host, key, name) as (_, read_until):
            said = read_until(b"$ ", 60).decode()
    finally:
        conf.unlink()
        host.restart_daemon()
    ends = re.search(rf"subuid: {re.escape(name)}: this session ends on (\S+ \S+) UTC, as it may last no longer", said).group(1)
    left = calendar.timegm(time.strptime(ends, "%Y-%m-%d %H:%M")) - time.time()
    assert 4 * 3600 - 300 < left <= 4 * 3600
