# SPDX-License-Identifier: ISC
"""Names that change: another label for an account, another name or uid for an owner. Pushes go through the real sshd."""

import json
import os
import pwd
import re
import subprocess
from pathlib import Path

import pytest

from conftest import call, call_as, run, wait_until

HOMES = Path("/srv/subuid")


@pytest.fixture
def source(tmp_path):
    directory = tmp_path / "source"
    directory.mkdir()
    (directory / "file").write_text("data")
    return directory


def push(host, key, name, source, check=False):
    return host.rsync(key, "-a", f"{source}/", f"{name}@127.0.0.1:/d/", check=check)


def refused(host, key, name, source):
    result = push(host, key, name, source)
    assert result.returncode != 0, result.stdout
    return result


def nobody(host, key, name, source):
    """sshd does not know the name, or not this key."""
    assert "Permission denied" in refused(host, key, name, source).stderr


def findings(host, *names):
    """Of a check of the whole host, those that mention one of these."""
    rows = json.loads(host.subuid("check", "--json", check=False).stdout)["findings"]
    return [row for row in rows if any(re.search(rf"\b{name}\b", json.dumps(row)) for name in names)]


def gone(name):
    return subprocess.run(["getent", "passwd", name], capture_output=True).returncode == 2


# -- a label

def test_everything_follows_the_label(host, tmp_path, source):
    owner, name, key = host.account(tmp_path)
    host.subuid("set", "web1", "--comment", "shop", "--alarm", "26h", user=owner)
    host.subuid("range", "add", "65536", "web1", user=owner)
    push(host, key, name, source, check=True)
    before = host.subuid_json("show", "web1", user=owner)
    wait_until(lambda: host.subuid_json("log", "web1", user=owner), "the run is recorded")
    reply = host.subuid("rename", "web1", "db1", user=owner).stdout
    assert f"{owner}+db1" in reply
    after = host.subuid_json("show", "db1", user=owner)
    for member in ("uid", "created", "comment", "alarm", "ownerUid", "state"):
        assert after["account"][member] == before["account"][member], member
    assert after["keys"][0]["fingerprint"] == before["keys"][0]["fingerprint"]
    assert after["ranges"][0]["first"] == before["ranges"][0]["first"]
    assert after["account"]["home"] == str(HOMES / owner / "db1/home")
    assert pwd.getpwnam(f"{owner}+db1").pw_uid == before["account"]["uid"]
    assert gone(name)
    assert host.subuid_json("log", "db1", user=owner)
    link = Path(f"/home/{owner}/subuid/db1")
    assert os.readlink(link) == str(HOMES / owner / "db1/view")
    assert run("cat", link / "d/file", user=owner).stdout == "data"
    assert not os.path.lexists(f"/home/{owner}/subuid/web1") and not (HOMES / owner / "web1").exists()
    nobody(host, key, name, source)
    (source / "more").write_text("more")
    push(host, key, f"{owner}+db1", source, check=True)
    assert run("cat", link / "d/more", user=owner).stdout == "more"
    assert findings(host, owner) == []
    actions = [row["action"] for row in host.subuid_json("audit", user=owner)]
    assert "account.renaming" in actions and "account.rename" in actions


def test_the_old_name_is_told_to_those_whose_it_was(host, tmp_path):
    owner, name, _ = host.account(tmp_path)
    other = host.new_user()
    host.subuid("rename", "web1", "db1", user=owner)
    for user, asked in ((owner, "web1"), (None, name)):
        result = host.subuid("show", asked, user=user, check=False)
        assert result.returncode == 3 and f"renamed to {owner}+db1 on 20" in result.stderr, result.stderr
    result = host.subuid("lock", "web1", user=owner, check=False)
    assert result.returncode == 3 and f"{owner}+db1" in result.stderr
    told = host.subuid("show", name, user=other, check=False)
    assert told.returncode == 5 and "db1" not in told.stderr  # others learn nothing
    assert "db1" not in host.subuid("show", "web1", user=other, check=False).stderr
    host.subuid("rename", "db1", "web1", user=owner)
    assert host.subuid_json("show", "web1", user=owner)["account"]["name"] == name


def test_the_grace_period_ends_by_both_clocks(host, tmp_path):
    owner, _, key = host.account(tmp_path)
    host.subuid("rename", "web1", "db1", user=owner)
    with host.daemon_ahead(tmp_path, 32 * 86400):  # the host's clock alone says so
        assert "db1" in host.subuid("show", "web1", user=owner, check=False).stderr
    with host.daemon_ahead(tmp_path, 32 * 86400, 32 * 86400):
        wait_until(lambda: "db1" not in host.subuid("show", "web1", user=owner, check=False).stderr, "the name is forgotten")


def test_a_server_that_uses_the_old_name_does_not_write_to_a_new_account(host, tmp_path, source):
    owner, name, key = host.account(tmp_path)
    public = Path(f"{key}.pub").read_text()
    host.subuid("rename", "web1", "db1", user=owner)
    with_its_key = host.subuid("add", "web1", "--key", "-", user=owner, check=False, input=public)
    assert with_its_key.returncode == 4 and "db1" in with_its_key.stderr, with_its_key.stderr
    assert gone(name)  # and nothing is left of it
    new = host.new_key(tmp_path, "new")
    host.subuid("add", "web1", "--key", "-", user=owner, input=Path(f"{new}.pub").read_text())
    result = host.subuid("key", "add", "web1", "-", user=owner, check=False, input=public)
    assert result.returncode == 4 and "unnoticed" in result.stderr, result.stderr
    number = host.subuid_json("key", "list", "web1", user=owner)[0]["id"]
    result = host.subuid("key", "rotate", "web1", str(number), "-", user=owner, check=False, input=public)
    assert result.returncode == 4 and "unnoticed" in result.stderr, result.stderr
    nobody(host, key, name, source)  # loudly, and nothing of it is in the new account
    push(host, new, name, source, check=True)
    host.subuid("add", "third", "--key", "-", user=owner, input=public)
    host.subuid("rename", "web1", "other", user=owner)
    assert host.subuid("rename", "third", "web1", user=owner, check=False).returncode == 4
    fingerprint = run("ssh-keygen", "-lf", f"{key}.pub").stdout.split()[1]
    host.subuid("key", "remove", "db1", fingerprint, user=owner)  # then it is nobody's under two names
    host.subuid("rename", "third", "web1", user=owner)


def test_former_names_come_back_with_an_account(host, tmp_path):
    owner, name, key = host.account(tmp_path)
    public = Path(f"{key}.pub").read_text()
    for was, then in (("web1", "x1"), ("x1", "db1")):
        host.subuid("rename", was, then, user=owner)
    told = {label: host.subuid("show", label, user=owner, check=False).stderr for label in ("web1", "x1")}
    assert all(f"renamed to {owner}+db1" in words for words in told.values()), told
    for _ in range(2):
        host.subuid("remove", "db1", user=owner)
        host.restart_daemon()
        host.subuid("restore", "db1", user=owner)
        assert {label: host.subuid("show", label, user=owner, check=False).stderr for label in told} == told
    added = host.subuid("add", "web1", "--key", "-", user=owner, check=False, input=public)
    assert added.returncode == 4 and "unnoticed" in added.stderr, added
    # while it is removed nobody keeps the name from others; but they do not get its server, too
    host.subuid("remove", "db1", user=owner)
    host.subuid("add", "web1", "--key", "-", user=owner, input=public)
    restored = host.subuid("restore", "db1", user=owner, check=False)
    assert restored.returncode == 4 and name in restored.stderr and "unnoticed" in restored.stderr, restored
    fingerprint = run("ssh-keygen", "-lf", f"{key}.pub").stdout.split()[1]
    host.subuid("key", "remove", "web1", fingerprint, user=owner)
    host.subuid("restore", "db1", user=owner)
    assert findings(host, owner) == []


def test_what_refuses_a_rename_changes_nothing(host, tmp_path, source):
    owner, name, key = host.account(tmp_path)
    host.subuid("add", "web2", user=owner)
    (HOMES / owner / "place").mkdir()
    Path(f"/home/{owner}/subuid/mine").write_text("mine")
    other = host.new_user()
    for words, status, why in ((("web1", "web2"), 4, "exists"), (("web1", "web1"), 4, "its name"), (("web1", "Web"), 2, ""),
                               (("web1", "place"), 4, "place"), (("web1", "mine"), 4, ""), (("none", "x"), 3, ""),
                               (("web1", f"{other}+x"), 2, "another owner")):
        result = host.subuid("rename", *words, user=owner, check=False)
        assert result.returncode == status and why in result.stderr, (words, result.returncode, result.stderr)
    result = host.subuid("rename", name, "x", user=other, check=False)
    assert result.returncode == 5
    assert host.subuid_json("show", "web1", user=owner)["account"]["state"] == "active"
    push(host, key, name, source, check=True)
    (HOMES / owner / "place").rmdir()


def test_running_sessions_end(host, tmp_path):
    owner, name, key = host.account(tmp_path, role="sftp")
    uid = pwd.getpwnam(name).pw_uid
    session = subprocess.Popen(["sftp", *host.ssh_options(key), f"{name}@127.0.0.1"], stdin=subprocess.PIPE,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def processes():
        return subprocess.run(["pgrep", "-U", str(uid)], capture_output=True).stdout
    wait_until(processes, "a session of it")
    host.subuid("rename", "web1", "db1", user=owner)
    assert not processes()
    session.kill()
    session.wait()


# -- an owner

def owner_with_all(host, tmp_path):
    owner, name, key = host.account(tmp_path)
    host.subuid("range", "add", "65536", user=owner)
    host.subuid("limit", owner, "--keys", "3")
    host.subuid("add", "old", user=owner)
    host.subuid("remove", "old", "--yes", user=owner)
    return owner, name, key


def state_of(host, name):
    return host.subuid_json("show", name)["account"].get("ownerState", "")


def followed(host, key, new, source, uid):
    name = f"{new}+web1"
    push(host, key, name, source, check=True)
    assert pwd.getpwnam(name).pw_uid == uid
    link = Path(pwd.getpwnam(new).pw_dir) / "subuid/web1"
    assert os.readlink(link) == str(HOMES / new / "web1/view")
    assert run("cat", link / "d/file", user=new).stdout == "data"
    account = host.subuid_json("show", "web1", user=new)["account"]
    assert account["ownerUid"] == pwd.getpwnam(new).pw_uid and state_of(host, name) == ""
    assert host.subuid_json("range", "list", user=new)[0]["owner"] == new
    assert host.subuid_json("limit", new)["keys"] == 3
    assert findings(host, new) == []


def test_an_owner_has_another_name(host, tmp_path, source):
    owner, name, key = owner_with_all(host, tmp_path)
    uid, new = pwd.getpwnam(name).pw_uid, f"{owner}new"
    push(host, key, name, source, check=True)
    run("usermod", "-l", new, "-d", f"/home/{new}", "-m", owner)
    refused(host, key, name, source)
    assert state_of(host, name) == "gone"
    assert "owner gone" in host.subuid("list", "--all").stdout and "OWNER GONE" in host.subuid("status", "--all").stdout
    checked = host.subuid("status", "--check", name, check=False)
    assert checked.returncode == 2 and "owner gone" in checked.stdout
    command = f"subuid owner {owner} {new}"
    rows = findings(host, owner)
    assert len(rows) == 1 and command in rows[0]["todo"], rows  # one thing
    assert command in host.subuid("doctor", check=False).stdout
    result = host.subuid("owner", owner, new, user=new, check=False)
    assert result.returncode == 5  # root alone
    told = host.subuid("owner", owner, new).stdout
    assert "1" in told
    refused(host, key, name, source)
    followed(host, key, new, source, uid)
    assert not (HOMES / owner).exists()
    assert run("getent", "passwd", name, check=False).returncode == 2
    assert f"renamed to {new}+web1" in host.subuid("show", name, check=False).stderr
    assert any(row["target"] == name for row in host.subuid_json("audit", "--all", "-n", "500"))  # history stays


def test_an_owner_has_another_uid(host, tmp_path, source):
    owner, name, key = owner_with_all(host, tmp_path)
    uid, was = pwd.getpwnam(name).pw_uid, pwd.getpwnam(owner).pw_uid
    push(host, key, name, source, check=True)
    run("usermod", "-u", str(was + 3000), owner)
    run("chown", "-R", "-h", owner, f"/home/{owner}")
    refused(host, key, name, source)
    assert state_of(host, name) == "changed" and "owner changed" in host.subuid("list", "--all").stdout
    command = f"subuid owner {owner} {owner}"
    rows = findings(host, owner)
    assert len(rows) == 1 and command in rows[0]["todo"], rows
    assert command in host.subuid("doctor", check=False).stdout
    host.subuid("owner", owner, owner)
    followed(host, key, owner, source, uid)
    assert subprocess.run(["ls", HOMES / owner / "web1/view"], user=was, group=was, extra_groups=[],
                          capture_output=True).returncode != 0  # whoever gets the old uid
    assert host.subuid_json("owner", owner, owner)["accounts"] == 0  # once more is no change


def test_somebody_else_takes_over_from_one_who_is_gone(host, tmp_path, source):
    owner, name, key = owner_with_all(host, tmp_path)
    new, uid = host.new_user(), pwd.getpwnam(name).pw_uid
    host.subuid("add", "own", user=new)
    push(host, key, name, source, check=True)
    run("userdel", "-r", owner)
    refused(host, key, name, source)
    host.subuid("owner", owner, new)
    followed(host, key, new, source, uid)
    assert {row["label"] for row in host.subuid_json("list", user=new)} == {"own", "web1"}


def test_who_gets_the_name_of_a_former_owner_inherits_nothing(host, tmp_path, source):
    owner, name, key = owner_with_all(host, tmp_path)
    uid = pwd.getpwnam(owner).pw_uid
    push(host, key, name, source, check=True)
    new = f"{owner}new"
    run("usermod", "-l", new, "-d", f"/home/{new}", "-m", owner)
    run("useradd", "--create-home", "-g", owner, "-u", str(uid + 4000), owner)
    refused(host, key, name, source)
    assert host.subuid_json("list", user=owner) == []
    assert host.subuid("show", "web1", user=owner, check=False).returncode == 3
    assert run("cat", HOMES / owner / "web1/view/d/file", user=owner, check=False).returncode != 0
    assert "error" in call_as(owner, "io.subuidd.Accounts.OwnerChange", {"from": owner, "to": owner})
    assert host.subuid("add", "mine", user=owner, check=False).returncode == 4
    host.subuid("owner", owner, new)
    followed(host, key, new, source, pwd.getpwnam(f"{new}+web1").pw_uid)
    host.subuid("add", "web1", user=owner)  # the name is free now, and another account
    assert host.subuid_json("list", user=owner)[0]["uid"] != pwd.getpwnam(f"{new}+web1").pw_uid
    refused(host, key, name, source)


def test_accounts_of_a_living_user_are_not_given_away_by_mistake(host, tmp_path, source):
    owner, name, key = host.account(tmp_path)
    new = host.new_user()
    result = host.subuid("owner", owner, new, check=False)
    assert result.returncode == 4 and "--hand-over" in result.stderr
    push(host, key, name, source, check=True)
    assert host.subuid("owner", owner, "nobody-of-the-name", check=False).returncode == 3
    assert host.subuid("owner", new, owner, check=False).returncode == 3  # nothing of theirs
    host.subuid("owner", owner, new, "--hand-over")
    push(host, key, f"{new}+web1", source, check=True)
    assert host.subuid_json("list", user=owner) == []
    assert not os.path.lexists(f"/home/{owner}/subuid/web1")
    host.subuid("owner", new, owner, "--hand-over")  # and that is taken back
    push(host, key, name, source, check=True)


def test_a_link_that_stays_with_a_former_owner_is_found(host, tmp_path, source):
    owner, name, key = host.account(tmp_path)
    new = host.new_user()
    directory, link = Path(f"/home/{owner}/subuid"), f"/home/{owner}/subuid/web1"
    directory.chmod(0o500)
    said = host.subuid("owner", owner, new, "--hand-over").stdout
    assert "Links that are not as they should be: 1 (the former owner's stays: " in said and "subuid check --repair" in said, said
    push(host, key, f"{new}+web1", source, check=True)
    assert os.path.lexists(link), "the control"
    result = host.subuid("check", "--all", check=False)
    assert result.returncode == 1 and result.stdout.count(link) == 1, result
    directory.chmod(0o700)
    host.subuid("check", "--all", "--repair", "--yes", check=False)  # the host may have other things to be said
    assert not os.path.lexists(link)
    assert link not in host.subuid("check", "--all", check=False).stdout


def test_an_empty_directory_of_a_former_owner_that_stays_is_said(host, tmp_path):
    owner = host.account(tmp_path)[0]
    new = host.new_user()
    host.subuid("add", "own", user=new)
    run("chattr", "+a", HOMES)  # nothing can be removed from it
    try:
        host.subuid("owner", owner, new, "--hand-over")
    finally:
        run("chattr", "-a", HOMES)
    assert list((HOMES / owner).iterdir()) == []
    assert f"the empty directory of {owner} stays; subuid check --repair removes it" in Path("/run/subuidd.log").read_text()
    rows = [row for row in findings(host, owner) if row["subject"] == str(HOMES / owner)]
    assert len(rows) == 1 and "subuid check --repair" in rows[0]["todo"], rows
    host.subuid("check", "--all", "--repair", "--yes", check=False)
    assert not (HOMES / owner).exists()


def test_labels_that_both_have_refuse_it_whole(host, tmp_path, source):
    owner, name, key = host.account(tmp_path)
    host.subuid("add", "alone", user=owner)
    new = host.new_user()
    host.subuid("add", "web1", user=new)
    run("userdel", owner)
    result = host.subuid("owner", owner, new, check=False)
    assert result.returncode == 4 and "web1" in result.stderr and "alone" not in result.stderr, result.stderr
    assert {row["owner"] for row in host.subuid_json("list", "--all") if row["label"] == "alone"} == {owner}
    host.subuid("rename", "web1", "mine", user=new)
    host.subuid("owner", owner, new)
    push(host, key, f"{new}+web1", source, check=True)


def test_a_link_in_the_way_keeps_no_account_from_its_backups(host, tmp_path, source):
    owner, name, key = host.account(tmp_path)
    new = host.new_user()
    directory = Path(f"/home/{new}/subuid")
    run("mkdir", directory, user=new)
    run("touch", directory / "web1", user=new)
    run("userdel", "-r", owner)
    told = host.subuid_json("owner", owner, new)
    assert told["linksMissing"] == 1 and told["why"]
    push(host, key, f"{new}+web1", source, check=True)
    assert findings(host, new)
    run("rm", directory / "web1", user=new)
    host.subuid("check", "--repair", "--yes", check=False)
    assert (directory / "web1").is_symlink()


def test_an_export_knows_the_former_name(host, tmp_path):
    owner, name, _ = host.account(tmp_path)
    host.subuid("rename", "web1", "db1", user=owner)
    rows = [json.loads(line) for line in host.subuid("export").stdout.splitlines()]
    former = [row for row in rows if row["kind"] == "former" and row["owner"] == owner]
    assert len(former) == 1 and former[0]["label"] == "web1", rows
    file = tmp_path / "export"
    file.write_text(host.subuid("export").stdout)
    assert host.subuid("import", file, check=False).returncode == 0
    host.subuid("state", "save", tmp_path / "saved")
    host.stop_daemon()
    try:
        host.subuid("state", "load", "--yes", tmp_path / "saved")
    finally:
        host.start_daemon()
    assert "db1" in host.subuid("show", "web1", user=owner, check=False).stderr
