# SPDX-License-Identifier: ISC
"""Limits that no file system keeps (the homes are on an ext4 without quotas): counted after each run, and frozen."""

import contextlib
import os
import subprocess
from pathlib import Path

import pytest

from conftest import run, wait_until

HOMES = Path("/srv/subuid")
MIB = 1 << 20


@pytest.fixture
def names(tmp_path):
    """A tree of 300 empty files."""
    source = tmp_path / "names"
    source.mkdir()
    for n in range(300):
        (source / f"n{n}").touch()
    return source


def home(owner, label="web1"):
    return HOMES / owner / label / "home"


def full(host, name):
    return host.subuid_json("show", name)["account"].get("full", False)


def test_what_no_file_system_keeps_is_counted_and_frozen(host, tmp_path, names):
    owner, name, push = host.account(tmp_path, "push", "web1", None, "--files", "100")
    sync = host.new_key(tmp_path, "sync")
    host.subuid("key", "add", "web1", "-", "--role", "sync", user=owner, input=Path(f"{sync}.pub").read_text())
    assert "metered after each run" in host.subuid("show", name).stdout
    host.rsync(push, "-a", f"{names}/", f"{name}@127.0.0.1:")  # the control: nobody stops the first one
    wait_until(lambda: full(host, name), "it is over its limit")
    assert "nothing can be written" in host.subuid("show", "web1", user=owner).stdout
    assert "full" in host.subuid("list", user=owner).stdout
    for key in (push, sync):
        refused = host.rsync(key, "-a", names / "n1", f"{name}@127.0.0.1:more", check=False)
        assert refused.returncode != 0 and "over its limit of files or bytes; remove some of it" in refused.stderr
        assert not (home(owner) / "more").exists()
    host.rsync(sync, "-a", f"{name}@127.0.0.1:", f"{tmp_path}/back/")
    assert len(list((tmp_path / "back").iterdir())) == 300
    # a restart forgets nothing; what the owner removes makes room
    host.restart_daemon()
    assert full(host, name)
    host.subuid("exec", "web1", "--", "sh", "-c", "rm n1* n2*", user=owner)
    wait_until(lambda: not full(host, name), "it is below its limit")
    host.rsync(push, "-a", names / "n1", f"{name}@127.0.0.1:more")
    trail = host.subuid("audit", "-n", "40").stdout
    assert "account.full" in trail and "account.thaw" in trail


def test_a_tool_reads_and_does_not_write_over_the_limit(host, tmp_path, names):
    owner, name, key = host.account(tmp_path, "sftp", "web1", None, "--files", "100")
    (tmp_path / "batch").write_text("".join(f"put {names}/n{n}\n" for n in range(120)))
    options = host.ssh_options(key)
    run("sftp", *options, "-b", tmp_path / "batch", f"{name}@127.0.0.1")
    wait_until(lambda: full(host, name), "it is over its limit")
    (tmp_path / "batch").write_text(f"get n1 {tmp_path}/back\n")
    run("sftp", *options, "-b", tmp_path / "batch", f"{name}@127.0.0.1")
    (tmp_path / "batch").write_text(f"put {names}/n1 more\n")
    assert run("sftp", *options, "-b", tmp_path / "batch", f"{name}@127.0.0.1", check=False).returncode != 0
    assert (tmp_path / "back").exists() and not (home(owner) / "more").exists()


def test_a_larger_limit_thaws_at_once(host, tmp_path, names):
    owner, name, key = host.account(tmp_path, "push", "web1", None, "--files", "100")
    host.rsync(key, "-a", f"{names}/", f"{name}@127.0.0.1:")
    wait_until(lambda: full(host, name), "it is over its limit")
    host.subuid("set", "web1", "--files", "1000", user=owner)
    wait_until(lambda: not full(host, name), "it is below its limit")
    host.rsync(key, "-a", names / "n1", f"{name}@127.0.0.1:more")


def test_bytes_are_metered_too(host, tmp_path):
    owner, name, key = host.account(tmp_path, "push", "web1", None, "--quota", "1M")
    (tmp_path / "large").write_bytes(os.urandom(2 * MIB))
    host.rsync(key, tmp_path / "large", f"{name}@127.0.0.1:")
    wait_until(lambda: full(host, name), "it is over its limit")
    assert "over its limit" in host.rsync(key, tmp_path / "large", f"{name}@127.0.0.1:more", check=False).stderr
    assert "10000 (from the quota)" in host.subuid("show", "web1", user=owner).stdout


def test_a_run_that_does_not_end_is_counted_and_ended(host, tmp_path, names):
    """A client that keeps its connection, and goes on: a restore by the same key (the control) goes on."""
    owner, name, key = host.account(tmp_path, "sftp", "web1", None, "--files", "100")
    reader = host.new_key(tmp_path, "reader")
    host.subuid("key", "add", "web1", "-", "--role", "sftp", "--read-only", user=owner,
                input=Path(f"{reader}.pub").read_text())
    line = ["sftp", "-b", "-"]
    with subprocess.Popen([*line, *host.ssh_options(reader), f"{name}@127.0.0.1"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True) as reads, \
         subprocess.Popen([*line, *host.ssh_options(key), f"{name}@127.0.0.1"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL, bufsize=0) as writes:
        writes.stdin.write(b"".join(b"put %s/n%d\n" % (bytes(names), n) for n in range(120)))
        wait_until(lambda: full(host, name), "it is over its limit")

        def ended():
            with contextlib.suppress(BrokenPipeError):  # the client looks at its ssh when it has something to say
                writes.stdin.write(b"ls\n")
            return writes.poll() is not None

        wait_until(ended, "the run is ended")
        assert reads.poll() is None
        assert "n119" in reads.communicate("ls\n")[0].split() and reads.returncode == 0
    wait_until(lambda: "over its limit of files or bytes" in host.subuid("log", "web1", user=owner).stdout, "it is recorded")


STOPS = """
import os, signal, sys
print("begun", flush=True)
while True:
    try:
        os.kill(-1, signal.SIGSTOP)
    except ProcessLookupError:
        pass
"""


def test_an_account_does_not_stop_what_counts_for_all(host):
    """Something that has its uid stops all that it may; one child counts, for everybody."""
    owner, other = host.new_user(), host.new_user()
    for user in (owner, other):
        host.subuid("add", "web1", "--files", "90000", user=user)
        run("sh", "-c", 'cd "$1" && seq -f n%.0f 30000 | xargs touch', "sh", home(user))
        run("chown", "-R", f"{user}+web1", home(user))
    uid = home(owner).stat().st_uid
    with subprocess.Popen(["/usr/bin/sleep", "1000"], user=uid, group=uid, extra_groups=[]) as control, \
         subprocess.Popen(["/usr/bin/python3", "-c", STOPS], user=uid, group=uid, extra_groups=[], stdout=subprocess.PIPE) as attack:
        try:
            assert attack.stdout.readline() == b"begun\n"
            wait_until(lambda: " T " in Path(f"/proc/{control.pid}/stat").read_text(), "the control is stopped")
            for user in (owner, other):
                host.subuid("set", "web1", "--files", "29000", user=user)
            for user in (owner, other):
                wait_until(lambda user=user: full(host, f"{user}+web1"), "it is over its limit")
        finally:
            attack.kill()
            control.kill()


@pytest.mark.parametrize("file", ["projects", "projid"])
def test_the_number_of_anothers_project_is_given_to_nobody(host, tmp_path, file):
    owner = host.new_user()
    host.subuid("add", "before", user=owner)
    uid = host.subuid_json("show", "before", user=owner)["account"]["uid"]
    place = Path("/etc") / file
    place.write_text(f"{uid + 1}:/var/data\n" if file == "projects" else f"data:{uid + 1}\n")
    try:
        host.subuid("add", "web1", user=owner)
    finally:
        place.unlink()
    assert host.subuid_json("show", "web1", user=owner)["account"]["uid"] == uid + 2
