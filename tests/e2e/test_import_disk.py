# SPDX-License-Identifier: ISC
"""Imports onto homes that are there: what is the account's is taken up, and nothing that was there before is lost."""

import json
import os
import pwd
import signal
import subprocess
from pathlib import Path

import pytest

from conftest import run, wait_until

STATE = Path("/var/lib/subuidd")
HOMES = Path("/srv/subuid")


def labels(host, owner):
    return {row["label"]: row for row in host.subuid_json("list", "--owner", owner)}


def check_is_sound(host):
    result = host.subuid("check", "--all", check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def accept_what_is_left(host):
    """A store that knows less than the host is not started with: what is left is accepted."""
    state = Path("/usr/libexec/subuidd/state")
    if state.exists():
        run(state, "repair", "--yes")
    host.start_daemon()


def lose_the_store(host):
    host.stop_daemon()
    for path in (*STATE.glob("state.db*"), STATE / "index", STATE / "keys", STATE / "high-water", HOMES / ".high-water"):
        path.unlink(missing_ok=True)
    accept_what_is_left(host)


def export_of(host, tmp_path, owner, name="export.json"):
    file = tmp_path / name
    file.write_text("".join(line + "\n" for line in host.subuid("export").stdout.splitlines()
                            if json.loads(line).get("owner") == owner))
    return file


def account_with_data(host, tmp_path, label="web1", text="what was pushed"):
    owner, name, key = host.account(tmp_path, label=label)
    data = tmp_path / f"data-{label}"
    data.mkdir()
    (data / "file").write_text(text)
    host.rsync(key, "-a", f"{data}/", f"{name}@127.0.0.1:")
    return owner, name, key


def facts(path):
    """All of a tree that must stay as it is: names, inodes, owners, modes, contents."""
    found = {}
    for entry in sorted([Path(path), *Path(path).rglob("*")]):
        stat = entry.lstat()
        found[str(entry.relative_to(path))] = (stat.st_ino, stat.st_uid, stat.st_gid, stat.st_mode,
                                               entry.read_bytes() if entry.is_file() else b"")
    return found


def test_an_import_takes_up_the_homes_that_are_there(host, tmp_path):
    owner, name, key = account_with_data(host, tmp_path)
    uid = labels(host, owner)["web1"]["uid"]
    file = export_of(host, tmp_path, owner)
    before = facts(HOMES / owner / "web1/home")
    lose_the_store(host)
    assert labels(host, owner) == {}
    result = host.subuid("import", file, check=False)
    assert result.returncode == 0, result.stderr
    assert labels(host, owner)["web1"]["uid"] == uid
    assert facts(HOMES / owner / "web1/home") == before
    assert run("cat", f"/home/{owner}/subuid/web1/file", user=owner).stdout == "what was pushed"
    (tmp_path / "data-web1/more").write_text("after")
    host.rsync(key, "-a", f"{tmp_path}/data-web1/", f"{name}@127.0.0.1:")
    assert (HOMES / owner / "web1/home/more").read_text() == "after"
    check_is_sound(host)


def test_an_import_that_fails_leaves_the_homes_that_are_there(host, tmp_path):
    """The fault that there was: the import failed, and its undo moved the backups into the purge queue."""
    owner, _, _ = account_with_data(host, tmp_path)
    file = export_of(host, tmp_path, owner)
    before = facts(HOMES / owner / "web1/home")
    lose_the_store(host)
    link = Path(f"/home/{owner}/subuid/web1")
    link.unlink()
    link.write_text("in the way")
    result = host.subuid("import", file, check=False)
    assert result.returncode == 4 and "something else stands where the link should be" in result.stderr
    wait_until(lambda: labels(host, owner) == {}, "undone")
    assert facts(HOMES / owner / "web1/home") == before and link.read_text() == "in the way"
    link.unlink()
    assert host.subuid("import", file, check=False).returncode == 0
    assert facts(HOMES / owner / "web1/home") == before
    check_is_sound(host)
