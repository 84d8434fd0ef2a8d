# SPDX-License-Identifier: ISC
"""A lock, the removal of a key and a removal end whatever runs as the account: also what has but one of its uids."""

import os
import pwd
import signal
import subprocess
import time
from pathlib import Path

import pytest

from conftest import call, run, wait_until

KEEPER = r"""
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

/* keeper [bomb|hop]: set-uid of the account, run by its owner: keeps the account's uid where kill(2) does not look for it. */
int main(int argc, char **argv)
{
	uid_t own = getuid(), account = geteuid();
	gid_t own_gid = getgid(), account_gid = getegid();
	const struct rlimit limit = { 60, 60 };

	if (own == account || setresgid(own_gid, account_gid, own_gid) != 0 || setresuid(own, account, own) != 0)
		return 1;
	if (argc == 1)
		for (;;)
			pause();
	setrlimit(RLIMIT_NPROC, &limit);
	alarm(60);
	for (;;) {
		pid_t next = fork();

		if (next == 0)
			alarm(60);
		else if (next > 0 && argv[1][0] == 'h')
			_exit(0);
	}
}
"""


@pytest.fixture(scope="module")
def keeper(tmp_path_factory):
    directory = tmp_path_factory.mktemp("keeper")
    (directory / "keeper.c").write_text(KEEPER)
    run("gcc", "-O2", "-static", "-o", directory / "keeper", directory / "keeper.c")
    return directory / "keeper"


def planted(host, tmp_path, keeper):
    """The account keeps a set-uid file of its own in its home and opens that to its owner."""
    owner, name, _ = host.account(tmp_path)
    entry = pwd.getpwnam(name)
    home = Path(f"/srv/subuid/{owner}/web1/home")
    file = home / "keeper"
    file.write_bytes(keeper.read_bytes())
    os.chown(file, entry.pw_uid, entry.pw_gid)
    file.chmod(0o6755)
    home.chmod(0o755)
    return owner, name, entry.pw_uid, file


def processes(uid):
    """(pid, uids) of each that lives and has it as any of the four."""
    found = []
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            lines = dict(line.split(":\t", 1) for line in status.read_text().splitlines() if ":\t" in line)
        except OSError:
            continue
        if str(uid) in lines["Uid"].split() and lines["State"][0] not in "ZX":
            found.append((int(status.parent.name), lines["Uid"].split()))
    return found


def start_as(user, *argv):
    entry = pwd.getpwnam(user) if isinstance(user, str) else None
    uid, gid = (entry.pw_uid, entry.pw_gid) if entry else (user, user)
    return subprocess.Popen([str(word) for word in argv], user=uid, group=gid, extra_groups=[], cwd="/",
                            start_new_session=True)


def undo(host, name, *started):
    for process in started:
        process.kill()
        process.wait(60)
    host.subuid("remove", name, "--purge", check=False)


@pytest.mark.parametrize("deed", ["lock", "remove"])
@pytest.mark.parametrize("how", ["", "bomb", "hop"])
def test_who_has_but_the_effective_uid_ends_too(host, tmp_path, keeper, deed, how):
    owner, name, uid, file = planted(host, tmp_path, keeper)
    other = start_as(owner, "sleep", "100")
    started = start_as(owner, file, *([how] if how else []))
    own = pwd.getpwnam(owner).pw_uid
    try:
        # the control: its uids are those that kill(-1) of the account's does not reach
        wait_until(lambda: [uids[:3] for _, uids in processes(uid)].count([str(own), str(uid), str(own)]) >=
                   (20 if how == "bomb" else 1), "it runs")
        command = subprocess.Popen(["/usr/bin/subuid", deed, name], stderr=subprocess.PIPE, text=True)
        while command.poll() is None:
            assert "error" not in call("io.subuidd.Accounts.Status", timeout=4.5), "the broker waits"  # a child has five seconds
        assert command.returncode == 0, command.stderr.read()
        assert processes(uid) == []
        assert other.poll() is None, "what is the owner's alone runs on"
    finally:
        for pid, _ in processes(uid):
            os.kill(pid, signal.SIGKILL)
        undo(host, name, started, other)


def test_containers_of_the_account_end_with_it(host, tmp_path):
    """Ids of a range that was given to the account; those of its owner's own range are not the account's."""
    owner, name, _ = host.account(tmp_path)
    first = host.subuid_json("range", "add", "1", name)["first"]
    own = host.subuid_json("range", "add", "1", "--owner", owner)["first"]
    inside = [start_as(first + number, "sleep", "100") for number in (0, 1000, 65535)]
    outside = [start_as(own, "sleep", "100"), start_as(owner, "sleep", "100")]
    try:
        assert host.subuid("lock", name).returncode == 0
        assert {process.wait(60) for process in inside} <= {-signal.SIGTERM, -signal.SIGKILL}
        assert [process.poll() for process in outside] == [None, None]
    finally:
        undo(host, name, *inside, *outside)


def test_a_server_of_the_hosts_that_acts_for_the_account_does_not_end(host, tmp_path):
    """Root's own, whose file system or effective uid is the account's for a moment: an NFS server, sshd."""
    _, name, _ = host.account(tmp_path)
    uid = pwd.getpwnam(name).pw_uid
    server = subprocess.Popen(["/usr/bin/python3", "-c", "import os, sys, time\nos.seteuid(int(sys.argv[1]))\n"
                               "print(flush=True)\ntime.sleep(100)", str(uid)], stdout=subprocess.PIPE)
    server.stdout.readline()
    try:
        assert len(processes(uid)) == 1
        assert host.subuid("lock", name).returncode == 0
        assert server.poll() is None
    finally:
        undo(host, name, server)


def test_on_homes_that_are_nosuid_no_set_uid_file_counts(host, tmp_path, keeper):
    """What closes it for good, and the line of doctor that says so."""
    owner, name, uid, file = planted(host, tmp_path, keeper)

    def said():
        return {entry["check"]: entry for entry in host.subuid_json("doctor")["checks"]}["set-uid files"]

    assert said()["result"] == "note" and "bind,nosuid" in host.subuid("doctor").stdout
    control = start_as(owner, file)
    wait_until(lambda: processes(uid), "the control has its uid")
    control.kill()
    host.stop_daemon()
    run("mount", "--bind", "/srv/subuid", "/srv/subuid")
    try:
        run("mount", "-o", "remount,bind,nosuid,nodev", "/srv/subuid")
        host.start_daemon()
        assert said()["result"] == "good"
        assert start_as(owner, file).wait(60) == 1, "it did not become anybody"
        assert host.subuid("add", "web2", "--owner", owner).returncode == 0
        assert os.path.isdir(f"/home/{owner}/subuid/web2/")
        host.subuid("remove", f"{owner}+web2", "--purge")
    finally:
        undo(host, name, control)
        if host.daemon is not None:
            host.stop_daemon()
        run("umount", "-l", "/srv/subuid")
        host.start_daemon()
