# SPDX-License-Identifier: ISC
"""What was pushed never acts as the owner: programs that trust files by whose they are, against both views."""

import contextlib
import os
import signal
from pathlib import Path

import pytest

from conftest import run, wait_until

CONF = Path("/etc/subuidd.conf.d/view.conf")

VIEWS = ("theirs", "owner")


def viewed(host, tmp_path, view):
    """An account of this view, and a place that nobody but its owner (and root) writes to: the proof of an attack."""
    owner, name, key = host.account(tmp_path)
    host.subuid("set", "web1", "--view", view, user=owner)
    return owner, name, key, Path(f"/home/{owner}/subuid/web1"), Path(f"/home/{owner}/hit")


def push(host, key, name, source):
    host.rsync(key, "-a", f"{source}/", f"{name}@127.0.0.1:etc/")


def script(path, proof):
    """What the thief wants to run, wherever it lies: /bin/sh is given it as words."""
    return f"/bin/sh -c 'id -u >{proof}'"


def git_repository(path, proof):
    run("git", "init", "-q", path)
    (path / "file").write_text("x")
    run("git", "-C", path, "add", "file")
    run("git", "-C", path, "config", "core.fsmonitor", script(path, proof))


def mercurial_repository(path, proof):
    run("hg", "init", path)
    (path / "file").write_text("x")
    with open(path / ".hg/hgrc", "w") as hgrc:
        hgrc.write(f"[hooks]\npre-status = {script(path, proof)}\n[alias]\nst = !{script(path, proof)}\n")


def vim_directory(path, proof):
    path.mkdir()
    (path / "file").write_text("x")
    (path / ".exrc").write_text(f"silent !{script(path, proof)}\n")


ATTACKS = {
    "git": (git_repository, ["git", "status"]),
    "mercurial": (mercurial_repository, ["hg", "status"]),
    # With `secure` it runs no command of another user's .exrc; without it runs anybody's, which no view changes.
    "vim": (vim_directory, ["vim", "--not-a-term", "-T", "dumb", "-c", "qa!", "file"]),
}


def as_owner(owner, directory, command, **environment):
    words = " ".join(f"'{word}'" for word in command)
    return run("sh", "-c", f"cd {directory} && {words}", user=owner, check=False,
               input="\n\n", env={**os.environ, "HOME": f"/home/{owner}", **environment}, timeout=60)


@pytest.mark.parametrize("program", sorted(ATTACKS))
@pytest.mark.parametrize("view", VIEWS)
def test_what_was_pushed_does_not_act_as_the_owner(host, tmp_path, program, view):
    owner, name, key, place, proof = viewed(host, tmp_path, view)
    make, command = ATTACKS[program]
    make(tmp_path / "etc", proof)
    run("chmod", "-R", "go+rX", tmp_path / "etc")
    push(host, key, name, tmp_path / "etc")
    Path(f"/home/{owner}/.vimrc").write_text("set exrc secure\n")
    result = as_owner(owner, place / "etc", command)
    if view == "owner":  # the control
        assert proof.exists(), result
        assert proof.read_text() == run("id", "-u", owner).stdout
    else:
        assert not proof.exists(), proof.read_text()


@pytest.mark.parametrize("view", VIEWS)
def test_nor_as_root_who_came_by_sudo(host, tmp_path, view):
    """git lets root work in the repositories of the user who, by sudo, became root."""
    owner, name, key, place, proof = viewed(host, tmp_path, view)
    git_repository(tmp_path / "etc", proof)
    push(host, key, name, tmp_path / "etc")
    uid = run("id", "-u", owner).stdout.strip()
    result = as_owner(None, place / "etc", ["git", "status"], SUDO_UID=uid, SUDO_USER=owner)
    if view == "owner":
        assert proof.read_text() == "0\n", result
    else:
        assert not proof.exists() and "dubious ownership" in result.stderr


def test_the_owner_reads_what_the_modes_leave_to_others(host, tmp_path):
    owner, name, key, place, _ = viewed(host, tmp_path, "default")
    source = tmp_path / "source"
    (source / "closed").mkdir(parents=True)
    (source / "open").write_text("open")
    (source / "shadow").write_text("secret")
    os.chmod(source / "shadow", 0o600)
    os.chmod(source / "closed", 0o700)
    (source / "link").symlink_to("/etc/passwd")
    assert run("ls", f"{place}/", user=owner).stdout == ""  # also while nothing was pushed
    push(host, key, name, source)
    assert run("cat", place / "etc/open", user=owner).stdout == "open"
    for command in (["cat", place / "etc/shadow"], ["ls", place / "etc/closed"], ["sh", "-c", f"echo x >{place}/new"],
                    ["sh", "-c", f"echo x >{place}/etc/open"], ["rm", "-f", place / "etc/open"]):
        refused = run(*command, user=owner, check=False)
        assert refused.returncode != 0 and "Permission denied" in refused.stderr, command
    assert host.subuid("exec", "web1", "--", "cat", "etc/shadow", user=owner).stdout == "secret"
    (Path(f"/srv/subuid/{owner}/web1/home") / "real").symlink_to("/etc/passwd")
    assert "Too many levels" in run("cat", place / "real", user=owner, check=False).stderr
    # nobody else, and no program that lies there
    assert run("ls", f"{place}/", user=host.new_user(), check=False).returncode != 0
    program = Path(f"/srv/subuid/{owner}/web1/home/program")
    program.write_text("#!/bin/sh\necho ran\n")
    os.chmod(program, 0o6755)
    assert "Permission denied" in run("sh", "-c", f"{place}/program", user=owner, check=False).stderr
    account = host.subuid_json("show", "web1", user=owner)["account"]
    assert (account["view"], account["effectiveView"]) == ("default", "theirs")


@contextlib.contextmanager
def settings(text):
    CONF.parent.mkdir(exist_ok=True)
    CONF.write_text(text)
    try:
        yield
    finally:
        CONF.unlink()


def kind(owner, label="web1"):
    """The uid whose files the view shows; None: it is not mounted."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields = line.split()
        if fields[4] == f"/srv/subuid/{owner}/{label}/view":
            return "theirs" if "noexec" in fields[5].split(",") else "owner"
    return None


def test_the_kind_changes_where_it_is_set(host, tmp_path):
    owner, name, key, place, _ = viewed(host, tmp_path, "default")
    host.subuid("add", "web2", "--view", "owner", user=owner)
    assert (kind(owner), kind(owner, "web2")) == ("theirs", "owner")
    assert place.owner() == name
    told = host.subuid("set", "web1", "--view", "owner", user=owner)
    assert "can act as" in told.stderr and kind(owner) == "owner" and place.owner() == owner
    run("sh", "-c", f"echo mine >{place}/from-owner", user=owner)
    assert host.subuid("set", "web1", "--view", "theirs", user=owner).stderr == "" and kind(owner) == "theirs"
    host.subuid("set", "web1", "--view", "default", user=owner)
    doctor = host.subuid("doctor", check=False)
    views = next(line for line in doctor.stdout.splitlines() if " views: " in line)
    assert f"{owner}+web2" in views and f"{owner}+web1" not in views
    with settings("[homes]\nview = owner\n"):
        host.daemon.send_signal(signal.SIGHUP)
        wait_until(lambda: kind(owner) == "owner", "the view is as the host's setting says")
        assert host.subuid_json("show", "web1", user=owner)["account"]["effectiveView"] == "owner"
        assert host.subuid("check", user=owner).returncode == 0
    host.daemon.send_signal(signal.SIGHUP)
    wait_until(lambda: kind(owner) == "theirs" and kind(owner, "web2") == "owner", "and as it was")


@pytest.mark.parametrize("on_demand", [False, True])
def test_views_of_the_version_before_are_replaced(host, tmp_path, on_demand):
    """They are still mounted when the new daemon starts, and the homes are 0700."""
    owner, name, key, place, _ = viewed(host, tmp_path, "owner")
    at_start = f"views_at_start = {0 if on_demand else 1000}\n"
    host.stop_daemon()
    with settings(f"[homes]\nview = owner\n{at_start}"):
        host.start_daemon()
        host.subuid("set", "web1", "--view", "default", user=owner)
        assert kind(owner) == "owner"
        os.chmod(f"/srv/subuid/{owner}/web1/home", 0o700)
        host.stop_daemon()
    with settings(f"[homes]\n{at_start}"):
        host.start_daemon()
        wait_until(lambda: kind(owner) == "theirs", "the view is replaced")
        assert run("ls", f"{place}/", user=owner).returncode == 0
        host.stop_daemon()
    host.start_daemon()
