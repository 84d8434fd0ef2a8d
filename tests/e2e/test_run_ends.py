# SPDX-License-Identifier: ISC
"""However a run ends, it is recorded as it ended, and monitoring says so: real clients that fail, are killed, or lose their
network, full disks, and records that cannot be written."""

import contextlib
import fcntl
import os
import pwd
import signal
import subprocess
from pathlib import Path

import pytest

from conftest import run, wait_until
from test_runs import SPOOL, account, check, log, logged, push  # noqa: F401: push is a fixture

DAEMON_LOG = Path("/run/subuidd.log")


def rsync_of(host, push, *words, key=None):
    return ["rsync", "-a", "-e", " ".join(["ssh", *host.ssh_options(key or push.key)]), *map(str, words)]


@contextlib.contextmanager
def slow_push(host, push, *options):
    """A push that goes on until it is ended, seen to write."""
    (push.source / "big").write_bytes(os.urandom(4 << 20))
    running = subprocess.Popen(
        rsync_of(host, push, "--bwlimit=100", *options, f"{push.source}/", f"{push.name}@127.0.0.1:slow/"),
        stderr=subprocess.DEVNULL, start_new_session=True)
    home = Path(host.subuid_json("show", push.name)["account"]["home"])
    wait_until(lambda: list(home.glob("slow/.big.*")), "the push writes")
    try:
        yield running
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)
        running.wait(60)


def into_a_file(host, push):
    """3: two files, and what is there is a file."""
    (push.source / "two").write_text("x")
    host.rsync(push.key, "-a", push.source / "file", f"{push.name}@127.0.0.1:plain")
    return run(*rsync_of(host, push, push.source / "file", push.source / "two", f"{push.name}@127.0.0.1:plain"), check=False)


def an_unknown_charset(host, push):
    """4: what the other end cannot do."""
    return push("--iconv=utf-8,no-such-charset")


def below_what_is_not_there(host, push):
    return push(target="no/such/directory/")


def some_unreadable(host, push):
    user = host.new_user()
    source = Path(f"/home/{user}/source")
    source.mkdir()
    (source / "secret").write_text("x")
    (source / "secret").chmod(0o600)
    key = Path(f"/home/{user}/key")
    key.write_bytes(push.key.read_bytes())
    key.chmod(0o600)
    os.chown(key, pwd.getpwnam(user).pw_uid, -1)
    return run(*rsync_of(host, push, f"{source}/", f"{push.name}@127.0.0.1:data/", key=key), user=user, check=False)


def files_vanish(host, push):
    """24: listed, and gone when their turn comes."""
    (push.source / "a").write_bytes(os.urandom(1 << 20))
    (push.source / "z").write_text("x")
    running = subprocess.Popen(
        rsync_of(host, push, "--bwlimit=400", f"{push.source}/", f"{push.name}@127.0.0.1:data/"), stderr=subprocess.DEVNULL)
    home = Path(host.subuid_json("show", push.name)["account"]["home"])
    wait_until(lambda: list(home.glob("data/.a.*")), "the first file comes")
    (push.source / "z").unlink()
    running.wait(60)
    return running


def more_to_delete_than_allowed(host, push):
    assert push().returncode == 0
    (push.source / "file").unlink()
    return push("--delete", "--max-delete=0")


def garbage(host, push):
    """2: what a client's .bashrc prints into its own connection."""
    return host.ssh(push.key, push.name, "rsync --server -logDtpre.iLsfxCIvu . data/", input="Welcome!\n" * 100)


def a_client_that_says_less_than_it_should(host, push):
    """12: the end of the connection in the middle of the protocol."""
    return subprocess.run(["ssh", *host.ssh_options(push.key), f"{push.name}@127.0.0.1", "rsync --server -logDtpre.iLsfxCIvu . data/"],
                          input=b"\x1f\0\0\0", capture_output=True, timeout=60)


def more_files_than_memory(host, push):
    """22: the list of one directory's files has no place in what the client lets the other end take."""
    for number in range(66000):
        (push.source / f"{number}").symlink_to("x")
    return push("-M--max-alloc=1M")


def a_client_that_says_nothing(host, push):
    """30: as one that is stopped before it has begun."""
    with subprocess.Popen(["ssh", *host.ssh_options(push.key), f"{push.name}@127.0.0.1",
                           "rsync --server -logDtpre.iLsfxCIvu --timeout=1 . data/"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL) as running:
        running.wait(60)
    return running


# What rsync ends with here; the client's own may be 12: the connection was closed. Not among them: 1 (the gate refuses what
# rsync would), 5, 6, 10 and 35 (of daemons), 13 and 19 (of the client alone), 14 and 21 (of a host that fails), 20
# (test_runs.py).
ENDS = [(garbage, 2), (into_a_file, 3), (an_unknown_charset, 4), (below_what_is_not_there, 11),
        (a_client_that_says_less_than_it_should, 12), (more_files_than_memory, 22), (some_unreadable, 23), (files_vanish, 24),
        (more_to_delete_than_allowed, 25), (a_client_that_says_nothing, 30)]


@pytest.mark.parametrize("provoke,status", ENDS, ids=lambda value: getattr(value, "__name__", str(value)))
def test_each_exit_status_of_rsync_is_recorded(host, push, provoke, status):
    assert push("--timeout=60", target="first/").returncode == 0
    good = logged(host, push.name, 1)
    assert provoke(host, push).returncode in (status, 12)
    entries = wait_until(lambda: (found := log(host, push.name))[0]["status"] != 0 and found, "the run is recorded")
    assert entries[0]["status"] == status and entries[0]["kind"] == "backup" and entries[0]["finished"]
    assert len(entries) > len(good)
    state = account(host, push.name)
    assert state["lastStatus"] == status
    assert check(host, push.name).returncode == (0 if status == 24 else 1)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP], ids=lambda how: how.name)
def test_a_client_that_is_killed_is_recorded(host, push, how):
    """The client ends first: what the kernel still says of its connection then is less than at the beginning."""
    assert push(target="first/").returncode == 0
    logged(host, push.name, 1)
    with slow_push(host, push) as running:
        os.killpg(running.pid, how)
        running.wait(60)
        entry = logged(host, push.name, 2)[0]
    assert entry["status"] not in (0, 1000) and entry["kind"] == "backup" and entry["finished"]
    assert check(host, push.name).returncode == 1
    assert "is dropped" not in DAEMON_LOG.read_text()


@pytest.fixture
def far(host):
    """Another host: a network namespace of its own, with a cable that can be cut."""
    run("ip", "netns", "add", "far")
    run("ip", "link", "add", "near0", "type", "veth", "peer", "name", "far0", "netns", "far")
    run("ip", "addr", "add", "192.0.2.1/24", "dev", "near0")
    run("ip", "link", "set", "near0", "up")
    run("ip", "-n", "far", "addr", "add", "192.0.2.2/24", "dev", "far0")
    run("ip", "-n", "far", "link", "set", "far0", "up")
    (conf,) = [path for path in Path("/etc/ssh/sshd_config.d").iterdir() if "subuid" in path.name]
    before = conf.read_text()
    conf.write_text(before.replace("ClientAliveInterval 60", "ClientAliveInterval 1"))
    restart_sshd(host)
    yield lambda: run("ip", "-n", "far", "link", "set", "far0", "down")
    run("ip", "netns", "del", "far")
    conf.write_text(before)
    restart_sshd(host)


def restart_sshd(host):
    host.sshd.terminate()
    host.sshd.wait(60)
    host.start_sshd()


def test_a_network_that_is_cut_is_recorded(host, push, far):
    (push.source / "big").write_bytes(os.urandom(4 << 20))
    home = Path(account(host, push.name)["home"])
    running = subprocess.Popen(
        ["ip", "netns", "exec", "far", *rsync_of(host, push, "--bwlimit=100", f"{push.source}/", f"{push.name}@192.0.2.1:slow/")],
        stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        wait_until(lambda: list(home.glob("slow/.big.*")), "the push writes")
        far()
        (entry,) = wait_until(lambda: log(host, push.name), "the run is recorded")
    finally:
        os.killpg(running.pid, signal.SIGKILL)
        running.wait(60)
    assert entry["status"] not in (0, 1000) and entry["kind"] == "backup" and entry["finished"]
    assert entry["address"] == "192.0.2.2" and entry["bytesIn"] > 10_000
    assert check(host, push.name).returncode == 1


def test_a_disk_that_is_full_is_recorded(host, push):
    home = Path(account(host, push.name)["home"])
    (home / "small").mkdir()
    os.chown(home / "small", push.uid, push.uid)
    free = os.statvfs(home)
    filler = home.parent / "filler"
    with open(filler, "wb") as file:
        os.posix_fallocate(file.fileno(), 0, free.f_bavail * free.f_frsize - (1 << 20))
    try:
        (push.source / "big").write_bytes(os.urandom(8 << 20))
        assert push(target="small/").returncode == 11
        (entry,) = logged(host, push.name, 1)
    finally:
        filler.unlink()
    assert entry["status"] == 11 and "code 11" in entry["error"]
    assert check(host, push.name).returncode == 1


@pytest.fixture
def small_spool(host):
    """The spool on a disk of its own that has room for a few names, and for no bytes."""
    host.stop_daemon()
    run("mount", "-t", "tmpfs", "-o", "size=8k", "tmpfs", SPOOL)
    host.start_daemon()
    with open(SPOOL / "filler", "wb") as filler:
        free = os.statvfs(SPOOL)
        fcntl.flock(filler, fcntl.LOCK_EX)  # as of a run that goes on: the daemon leaves it
        filler.write(b"x" * (free.f_bavail * free.f_frsize))
        filler.flush()
        assert os.statvfs(SPOOL).f_bavail == 0
        yield
    host.stop_daemon()
    run("umount", SPOOL)
    host.start_daemon()


def test_a_spool_that_is_full_is_recorded(host, push, small_spool):
    assert push(target="no/such/directory/").returncode == 11
    (empty,) = [path for path in SPOOL.iterdir() if path.name != "filler"]
    wait_until(lambda: run("flock", "-n", empty, "true", check=False).returncode == 0, "the login shell has ended")
    assert empty.stat().st_size == 0
    os.utime(empty, (0, os.stat(empty).st_mtime - 120))  # younger ones are being begun
    host.restart_daemon()
    (entry,) = logged(host, push.name, 1)
    assert entry["status"] == 1000 and entry["kind"] == "backup" and "not recorded" in entry["error"]
    assert check(host, push.name).returncode == 1


def test_a_record_that_is_dropped_is_logged_once_a_minute(host, push):
    host.restart_daemon()
    before = len(DAEMON_LOG.read_text())
    for number in range(20):
        path = SPOOL / f"junk{number}"
        path.write_bytes(b"x" * 100)
        os.chown(path, push.uid, push.uid)
    wait_until(lambda: not list(SPOOL.glob("junk*")), "the junk is taken away")
    lines = [line for line in DAEMON_LOG.read_text()[before:].splitlines() if "is dropped" in line]
    assert len(lines) == 1 and f"uid {push.uid}" in lines[0]
