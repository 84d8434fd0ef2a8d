# SPDX-License-Identifier: ISC
"""freeze, thaw and kill: what runs as an account stands still, goes on where it was, or ends."""

import contextlib
import filecmp
import os
import pwd
import signal
import subprocess
import time
from pathlib import Path

import pytest

from conftest import call, run, wait_until
from test_session_ends import LOOKS, daemon_log, grace, process_of, running

# Each beat of a process that runs is a line; a forking one has many processes that write.
BEATS = "while :; do echo x >>{file}; sleep 0.05; done"
FORKS = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* forks KIND FILE: bomb: as many as it may have, each of which forks; hop: one process that is another one all the time;
 * storm: processes that let all others of the account go on. Each of them writes. */
int main(int argc, char **argv)
{
	const struct rlimit limit = { 60, 60 };
	int fd = open(argv[2], O_WRONLY | O_APPEND);

	if (argc != 3 || fd < 0)
		return 1;
	setrlimit(RLIMIT_NPROC, &limit);
	alarm(300);
	for (int i = 0; strcmp(argv[1], "storm") == 0 && i < 8; i++)
		if (fork() == 0)
			for (alarm(300);;) {
				kill(-1, SIGCONT);
				(void)!write(fd, "x", 1);
			}
	for (;;) {
		pid_t next = strcmp(argv[1], "storm") == 0 ? -1 : fork();

		(void)!write(fd, "x", 1);
		if (next == 0)
			alarm(300);
		else if (next > 0 && argv[1][0] == 'h')
			_exit(0);
	}
}
"""


@pytest.fixture(scope="module")
def forks(tmp_path_factory):
    directory = tmp_path_factory.mktemp("forks")
    for path in (directory, *directory.parents):
        if path == Path("/tmp"):
            break
        path.chmod(0o755)
    (directory / "forks.c").write_text(FORKS)
    run("gcc", "-O2", "-static", "-o", directory / "forks", directory / "forks.c")
    return directory / "forks"


@contextlib.contextmanager
def beating(name, tmp_path, script=BEATS):
    """A process of the account that shows that it runs; (process, file)."""
    uid = pwd.getpwnam(name).pw_uid
    file = tmp_path / f"beats-{name}"
    file.touch()
    os.chown(file, uid, uid)
    with process_of(name, script.format(file=file)) as process:
        wait_until(lambda: file.stat().st_size > 0, "it runs")
        try:
            yield process, file
        finally:
            run("pkill", "-KILL", "-U", uid, check=False)


def states(name):
    """Of all that lives with the account's uid."""
    return {line.split()[0][0] for line in
            run("ps", "-o", "state=", "-U", pwd.getpwnam(name).pw_uid, check=False).stdout.splitlines()} - {"Z"}


def grows(file, seconds=0.5):
    """Whether something is written within a time: what does not happen can only be waited for."""
    before, end = file.stat().st_size, time.monotonic() + seconds
    while time.monotonic() < end:
        if file.stat().st_size != before:
            return True
        time.sleep(0.01)
    return False


def banner(host, key, name):
    """What a client is told."""
    return run("ssh", "-o", "LogLevel=INFO", *host.ssh_options(key), f"{name}@127.0.0.1", "true", check=False)


def test_it_stands_still_and_goes_on(host, tmp_path):
    owner, name, key = host.account(tmp_path)
    with beating(name, tmp_path) as (process, file):
        said = host.subuid("freeze", "web1", user=owner).stdout
        assert f"{name} is frozen: what it runs stands still" in said
        assert states(name) == {"T"} and not grows(file)
        assert host.subuid("freeze", "web1", user=owner).returncode == 0, "once more is no change"
        refused = banner(host, key, name)
        assert refused.returncode == 255
        assert f"{name}: refused: it is frozen; its owner takes that back: subuid thaw web1" in refused.stderr
        shown = host.subuid_json("show", "web1", user=owner)["account"]
        assert shown["frozen"] is True and shown["locked"] is False
        assert "frozen" in host.subuid("list", user=owner).stdout
        assert "FROZEN" in host.subuid("status", user=owner).stdout
        checked = host.subuid("status", "--check", user=owner, check=False)
        assert checked.returncode == 1 and "frozen, so it cannot log in" in checked.stdout
        metrics = host.subuid("metrics", user=owner).stdout
        assert f'subuid_accounts{{owner="{owner}",state="frozen"}} 1' in metrics
        assert f"{name} is thawed" in host.subuid("thaw", "web1", user=owner).stdout
        wait_until(lambda: grows(file), "it goes on")
        assert process.poll() is None
        assert host.subuid("thaw", "web1", user=owner).returncode == 0
        assert banner(host, key, name).returncode == 0
    actions = [row["action"] for row in host.subuid_json("audit", "-n", "50", user=owner)]
    assert actions.count("account.freeze") == 1 and actions.count("account.thaw") == 1


def test_what_had_been_stopped_stays_so(host, tmp_path):
    """Also when the daemon has started anew meanwhile; the other process is the control."""
    name = host.account(tmp_path)[1]
    with process_of(name) as stopped, beating(name, tmp_path) as (_, file):
        stopped.send_signal(signal.SIGSTOP)
        wait_until(lambda: states(name) & {"T"}, "it stands")
        host.subuid("freeze", name)
        host.restart_daemon()
        host.subuid("thaw", name)
        wait_until(lambda: grows(file), "the other goes on")
        assert Path(f"/proc/{stopped.pid}/stat").read_text().rpartition(") ")[2][0] == "T"
        stopped.send_signal(signal.SIGCONT)
        host.subuid("freeze", name)
        host.subuid("thaw", name)
        assert "T" not in states(name), "it is forgotten"


@pytest.mark.parametrize("deed", [["kill"], ["remove"], ["remove", "--purge"]])
def test_what_had_been_stopped_is_forgotten_with_its_end(host, tmp_path, deed):
    name = host.account(tmp_path)[1]
    noted = Path(f"/run/subuidd/stopped/{pwd.getpwnam(name).pw_uid}")
    with process_of(name) as stopped:
        stopped.send_signal(signal.SIGSTOP)
        wait_until(lambda: states(name) & {"T"}, "it stands")
        host.subuid("freeze", name)
        assert noted.exists(), "the control"
        host.subuid(deed[0], name, *deed[1:])
        wait_until(lambda: not noted.exists(), "nobody is left whom it names")


@pytest.mark.parametrize("kind", ["bomb", "hop", "storm"])
def test_who_forks_or_lets_others_go_on_stands_still(host, tmp_path, forks, kind):
    owner, name, _ = host.account(tmp_path)
    with beating(name, tmp_path, f"exec {forks} {kind} {{file}}") as (_, file):
        wait_until(lambda: file.stat().st_size > 1000, "it is under way")
        freezing = subprocess.Popen(["/usr/bin/subuid", "freeze", name], stderr=subprocess.PIPE, text=True)
        while freezing.poll() is None:
            assert "error" not in call("io.subuidd.Accounts.Status", timeout=9), "the broker waits"  # a child has ten seconds
        assert freezing.returncode == 0, freezing.stderr.read()
        assert states(name) == {"T"} and not grows(file)
        host.subuid("thaw", name)
        wait_until(lambda: grows(file), "it goes on: the control")
        assert "ended" in host.subuid("kill", name, "--now").stdout
        assert not running(name) and not grows(file)


def test_a_push_stands_still_and_comes_to_its_end(host, tmp_path):
    owner, name, key = host.account(tmp_path)
    source = tmp_path / "source"
    source.mkdir()
    for number in range(40):
        (source / f"file{number}").write_bytes(os.urandom(500_000))
    push = subprocess.Popen(["rsync", "-a", "--bwlimit=2000", "-e", " ".join(["ssh", *host.ssh_options(key)]), f"{source}/",
                             f"{name}@127.0.0.1:data/"], stderr=subprocess.PIPE, text=True)
    home = Path(f"/srv/subuid/{owner}/web1/home/data")
    wait_until(lambda: home.is_dir() and len(list(home.iterdir())) > 2, "it is under way")
    host.subuid("freeze", name)
    there = sorted((file.name, file.stat().st_size) for file in home.iterdir())
    assert not grows(next(home.glob(".file*")), 1) and push.poll() is None
    assert sorted((file.name, file.stat().st_size) for file in home.iterdir()) == there
    host.subuid("thaw", name)
    assert push.wait(60) == 0, push.stderr.read()
    assert filecmp.cmpfiles(source, home, os.listdir(source), shallow=False)[1:] == ([], [])
    row = wait_until(lambda: host.subuid_json("log", name), "it is recorded")[0]
    assert row["status"] == 0 and row["kind"] == "backup"


def test_it_stays_when_the_daemon_starts_anew(host, tmp_path):
    owner, name, key = host.account(tmp_path)
    with beating(name, tmp_path) as (_, file):
        host.subuid("freeze", name)
        host.restart_daemon(signal.SIGKILL)
        assert states(name) == {"T"} and host.subuid_json("show", name)["account"]["frozen"]
        assert banner(host, key, name).returncode == 255
        run("pkill", "-CONT", "-U", pwd.getpwnam(name).pw_uid)
        wait_until(lambda: grows(file, 0.2), "somebody lets it go on")
        with process_of(name) as late:  # as cron begins it
            wait_until(lambda: states(name) == {"T"}, "and the next look stops both", LOOKS)
            assert late.poll() is None and not grows(file)
        assert f"{name}: it is frozen, and what runs is stopped" in daemon_log()
        host.subuid("thaw", name)
        wait_until(lambda: grows(file), "thawed")


@pytest.mark.parametrize("deed", [["lock"], ["remove", "--purge"], ["kill"], ["key", "remove"]])
def test_what_stands_ends_without_delay(host, tmp_path, deed):
    """It is not asked first, for it would not hear that until the grace is over."""
    owner, name, _ = host.account(tmp_path)
    number = [host.subuid_json("key", "list", name)[0]["id"]] if deed[0] == "key" else []
    with grace(host, 60), beating(name, tmp_path, "trap '' TERM; " + BEATS) as (process, _):
        host.subuid("freeze", name)
        begun = time.monotonic()
        command = [deed[0], name, *deed[1:]] if deed[0] != "key" else [*deed, name, *number]
        host.subuid(*command)
        process.wait(60)
        assert time.monotonic() - begun < 30, "the grace"
        if deed[0] != "remove":
            assert not running(name)
            assert host.subuid_json("show", name)["account"]["frozen"], "and it stays frozen"


def test_kill_ends_and_locks_nobody_out(host, tmp_path):
    owner, name, key = host.account(tmp_path)
    other = host.account(tmp_path)[1]
    assert host.subuid("kill", "web1", user=owner).stdout == "web1: nothing of it ran\n"
    asked = tmp_path / "asked"
    asked.mkdir()
    os.chown(asked, pwd.getpwnam(name).pw_uid, -1)
    with grace(host, 60), process_of(other) as stays, process_of(name, f"trap 'touch {asked}/it; exit' TERM; touch {asked}/ready; "
                                                "while :; do sleep 0.1; done") as process:
        wait_until((asked / "ready").exists, "it runs")
        assert "would be ended" in host.subuid("kill", "web1", "--dry-run", user=owner).stdout
        assert process.poll() is None
        count = host.subuid_json("kill", "web1", user=owner)["processes"]
        assert 1 <= count <= 2 and not running(name) and (asked / "it").exists(), "it was asked"
        assert stays.poll() is None
        assert banner(host, key, name).returncode == 0
    with grace(host, 60), process_of(name, "trap '' TERM; while :; do sleep 0.1; done"):
        begun = time.monotonic()
        assert "processes ended" in host.subuid("kill", "web1", "--now", user=owner).stdout.replace("process ended",
                                                                                                   "processes ended")
        assert not running(name) and time.monotonic() - begun < 30
    row = host.subuid_json("audit", "-n", "1", user=owner)[0]
    assert row["action"] == "account.kill" and row["target"] == name


def test_a_lock_waits_for_neither(host, tmp_path):
    """The account chooses how long a kill takes, up to the grace; and a lock ends it sooner."""
    name = host.account(tmp_path)[1]
    with grace(host, 60), beating(name, tmp_path, "trap 'touch {file}.asked' TERM; " + BEATS) as (_, file):
        tmp_path.chmod(0o777)
        killing = subprocess.Popen(["/usr/bin/subuid", "kill", name])
        wait_until(Path(f"{file}.asked").exists, "it was asked, and goes on")
        assert killing.poll() is None
        assert host.subuid("freeze", name).returncode == 0
        assert host.subuid("lock", name).returncode == 0
        assert killing.wait(30) == 0 and not running(name)


def test_only_its_owner_and_root_may(host, tmp_path):
    owner, name, _ = host.account(tmp_path, "manage")
    stranger = host.account(tmp_path)[0]
    for word in ("freeze", "thaw", "kill"):
        refused = host.subuid(word, name, user=stranger, check=False)
        assert refused.returncode == 5, refused.stderr
        refused = host.subuid(word, name, user=name, check=False)
        assert refused.returncode == 5, refused.stderr
    assert not host.subuid_json("show", name)["account"].get("frozen")


def test_exec_refuses_and_copy_reads(host, tmp_path):
    owner, name, key = host.account(tmp_path)
    (tmp_path / "file").write_text("whole\n")
    host.rsync(key, "-a", tmp_path / "file", f"{name}@127.0.0.1:")
    assert host.subuid("exec", "web1", "--", "true", user=owner).returncode == 0, "the control"
    host.subuid("freeze", "web1", user=owner)
    refused = host.subuid("exec", "web1", "--", "true", user=owner, check=False)
    assert refused.returncode == 4 and "it is frozen, so nothing runs as it; subuid thaw" in refused.stderr
    assert "file" in host.subuid("ls", "web1", user=owner).stdout
    host.subuid("thaw", "web1", user=owner)
    assert host.subuid("exec", "web1", "--", "true", user=owner).returncode == 0


def test_a_restored_account_is_as_frozen_as_it_was(host, tmp_path):
    owner, name, _ = host.account(tmp_path)
    host.subuid("freeze", name)
    host.subuid("remove", name)
    host.subuid("restore", name)
    assert host.subuid_json("show", name)["account"]["frozen"]
