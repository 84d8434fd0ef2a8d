# SPDX-License-Identifier: ISC
"""Owners who are gone, or whose uid or name somebody else has now: nobody inherits, and what they had follows them."""

import json
import os
import pwd
import re
import subprocess
import threading
from pathlib import Path

import pytest

from conftest import call_as, run, wait_until

API = "io.subuidd.Accounts."
HOMES = Path("/srv/subuid")


def pushed(host, tmp_path):
    """An owner with an account, into which a file was pushed that everybody may read: (owner, name, key)."""
    owner, name, key = host.account(tmp_path)
    (tmp_path / "file").write_text("data")
    host.rsync(key, "-a", "--chmod=F644", tmp_path / "file", f"{name}@127.0.0.1:/d/")
    return owner, name, key


def reads(user, path):
    return subprocess.run(["runuser", "-u", user, "--", "cat", path], capture_output=True).returncode == 0


def daemon_log():
    return Path("/run/subuidd.log").read_text()


def findings(host, name):
    rows = json.loads(host.subuid("check", "--json", check=False).stdout)["findings"]
    return [row for row in rows if re.search(rf"\b{name}\b", json.dumps(row))]


def replaced(host, owner):
    """The owner is deleted, and somebody else is given the uid."""
    uid = pwd.getpwnam(owner).pw_uid
    other = f"{owner}other"
    run("userdel", owner)
    run("useradd", "--create-home", "-u", str(uid), other)
    return other


def test_who_gets_the_uid_of_a_former_owner_inherits_nothing(host, tmp_path):
    owner, name, _ = pushed(host, tmp_path)
    view, home = HOMES / owner / "web1/view/d/file", HOMES / owner / "web1/home/d/file"
    host.stop_daemon()
    other = replaced(host, owner)
    assert reads(other, view) and reads(other, home), "the control: to the kernel they are the same user"
    host.start_daemon()
    wait_until(lambda: not reads(other, view) and not reads(other, home), "what was pushed is shut")
    assert host.subuid_json("list", user=other) == []
    assert call_as(other, API + "Get", {"owner": owner, "label": "web1"})["error"] in (API + "NotFound", API + "NotPermitted")
    rows = findings(host, owner)
    assert len(rows) == 1 and f"subuid owner {owner} {other}" in rows[0]["todo"], rows
    host.restart_daemon()
    assert not reads(other, view) and not reads(other, home)
    assert len(findings(host, owner)) == 1
    run("usermod", "-l", owner, "-d", f"/home/{owner}", other)  # it was the same person, who has the old name again
    wait_until(lambda: reads(owner, f"/home/{owner}/subuid/web1/d/file"), "it is open again")
    assert findings(host, owner) == []


def test_what_was_shut_opens_when_the_owner_is_back(host, tmp_path):
    owner, name, key = pushed(host, tmp_path)
    link, new = Path(f"/home/{owner}/subuid/web1/d/file"), f"{owner}new"
    assert reads(owner, link)
    run("usermod", "-l", new, owner)
    wait_until(lambda: not reads(new, link), "it is shut")
    run("usermod", "-l", owner, new)
    wait_until(lambda: reads(owner, link), "it is open again")
    assert findings(host, owner) == []
    run("usermod", "-l", new, owner)
    wait_until(lambda: not reads(new, link), "it is shut")
    host.subuid("owner", owner, new)
    assert reads(new, link)
    assert findings(host, new) == []


def test_what_cannot_be_opened_again_is_tried_again(host, tmp_path):
    """The disk refuses, or a change of the account is under way: the owner is back, and must not stay outside."""
    owner, name, _ = pushed(host, tmp_path)
    link, new, account = Path(f"/home/{owner}/subuid/web1/d/file"), f"{owner}new", HOMES / owner / "web1"
    run("usermod", "-l", new, owner)
    wait_until(lambda: not reads(new, link), "it is shut")
    run("chattr", "+i", account)
    try:
        run("usermod", "-l", owner, new)
        wait_until(lambda: f"{owner}: whom the directories of the accounts let in cannot be changed" in daemon_log(), "it cannot be opened")
        assert not reads(owner, link)
    finally:
        run("chattr", "-i", account)
    run("usermod", "-c", "anything", owner)  # so that the next look is not a minute away
    wait_until(lambda: reads(owner, link), "it is open again", 90)
    assert findings(host, owner) == []


def questions(trace):
    """How often the file of users was opened."""
    return sum("/etc/passwd" in line for line in Path(trace).read_text().splitlines())


def test_a_look_at_all_owners_reads_the_file_of_users_a_few_times(host, tmp_path):
    owners = 60
    uid = 50000
    users, rows = [], []
    for n in range(owners):
        users.append(f"many{n}:x:{uid + n}:{uid + n}::/home/many{n}:/bin/sh")
        rows.append(json.dumps({"owner": f"many{n}", "label": "web1"}))
        home = Path(f"/home/many{n}")
        home.mkdir()
        os.chown(home, uid + n, uid + n)
    passwd = Path("/etc/passwd")
    passwd.write_text(passwd.read_text() + "\n".join(users) + "\n")
    host.subuid("import", "-", input="\n".join(rows) + "\n")
    trace = tmp_path / "trace"
    strace = subprocess.Popen(["strace", "-f", "-qq", "-o", trace, "-e", "trace=openat", "-p", str(host.daemon.pid)])
    try:
        wait_until(lambda: "TracerPid:\t0" not in Path(f"/proc/{host.daemon.pid}/status").read_text(), "strace attached")
        run("usermod", "-l", "many7new", "many7")  # in the middle, so that the look has an effect
        wait_until(lambda: "many7: uid" in daemon_log(), "all of them were looked at", 90)
    finally:
        strace.terminate()
        strace.wait()
    assert questions(trace) < owners / 2


def test_the_doctor_asks_once_for_each_owner(host, tmp_path):
    owner = host.new_user()
    host.subuid("limit", owner, "--ranges", "100")
    trace = tmp_path / "trace"

    def asked():
        run("strace", "-f", "-qq", "-o", trace, "-e", "trace=openat", "subuid", "doctor", check=False)
        return questions(trace)

    host.subuid("range", "add", "65536", user=owner)
    once = asked()
    for _ in range(20):
        host.subuid("range", "add", "65536", user=owner)
    assert asked() < once + 10


def test_an_owner_of_ranges_alone_is_named(host):
    owner = host.new_user()
    host.subuid("range", "add", "65536", user=owner)
    assert findings(host, owner) == []
    new, uid = f"{owner}new", pwd.getpwnam(owner).pw_uid
    run("usermod", "-l", new, owner)
    command = f"subuid owner {owner} {new}"
    rows = findings(host, owner)
    assert len(rows) == 1 and command in rows[0]["todo"] and "ranges" in rows[0]["fault"], rows
    assert command in host.subuid("doctor", check=False).stdout
    assert f"{owner} (gone)" in host.subuid("range", "list", "--all").stdout
    host.subuid("owner", owner, new)
    assert findings(host, owner) == [] and findings(host, new) == []
    assert f"subuid owner {owner}" not in host.subuid("doctor", check=False).stdout
    run("usermod", "-u", str(uid + 3000), new)
    rows = findings(host, new)
    assert len(rows) == 1 and f"subuid owner {new} {new}" in rows[0]["todo"], rows
    assert f"{new} (changed)" in host.subuid("range", "list", "--all").stdout
    host.subuid("owner", new, new)
    assert findings(host, new) == []


@pytest.mark.parametrize("change", ["name", "uid"])
def test_what_an_owner_has_removed_follows(host, tmp_path, change):
    owner, name, key = pushed(host, tmp_path)
    uid, was = pwd.getpwnam(name).pw_uid, pwd.getpwnam(owner).pw_uid
    host.subuid("remove", "web1", user=owner)
    new = owner
    if change == "name":
        new = f"{owner}new"
        run("usermod", "-l", new, "-d", f"/home/{new}", "-m", owner)
        assert f"subuid owner {owner} NEW" in host.subuid("doctor", check=False).stdout
    else:
        run("usermod", "-u", str(was + 5000), owner)
        run("chown", "-R", "-h", owner, f"/home/{owner}")
        told = host.subuid("restore", name, check=False)
        assert told.returncode == 4 and f"subuid owner {owner} {owner}" in told.stderr, told.stderr
    assert "1 removed" in host.subuid("owner", owner, new).stdout
    assert host.subuid_json("list", "--removed", user=new)[0]["name"] == f"{new}+web1"
    host.restart_daemon()
    assert host.subuid_json("restore", "web1", user=new)["uid"] == uid
    assert run("cat", Path(pwd.getpwnam(new).pw_dir) / "subuid/web1/d/file", user=new).stdout == "data"
    host.rsync(key, "-a", tmp_path / "file", f"{new}+web1@127.0.0.1:/e/")
    assert findings(host, new) == []
    assert subprocess.run(["ls", HOMES / new / "web1/home"], user=was + (0 if change == "uid" else 7000), group=1, extra_groups=[],
                          capture_output=True).returncode != 0


def test_a_new_owner_is_a_user_who_may_have_accounts(host, tmp_path):
    owner, name, _ = pushed(host, tmp_path)
    account = host.account(tmp_path)[1]
    for new, status, word in (("root", 5, "root has no sub-accounts"), (account, 2, "not a name"), (name, 2, "not a name"),
                              ("nobody", 5, "cannot own")):
        told = host.subuid("owner", owner, new, "--hand-over", check=False)
        assert told.returncode == status and word in told.stderr, (new, told)
    assert reads(owner, Path(f"/home/{owner}/subuid/web1/d/file"))


def test_a_former_name_is_no_way_in_with_another_owner(host, tmp_path):
    """bob's web1 has a key of the account that was alice's web1: its server would write to bob's."""
    owner, name, key = pushed(host, tmp_path)
    public = Path(f"{key}.pub").read_text()
    other = host.new_user()
    host.subuid("add", "web1", "--key", "-", user=other, input=public)
    host.subuid("rename", "web1", "db1", user=owner)
    told = host.subuid("owner", other, owner, "--hand-over", check=False)
    assert told.returncode == 4 and "unnoticed" in told.stderr, told
    fingerprint = run("ssh-keygen", "-lf", f"{key}.pub").stdout.split()[1]
    host.subuid("key", "remove", "web1", fingerprint, user=other)
    host.subuid("owner", other, owner, "--hand-over")
    assert {row["label"] for row in host.subuid_json("list", user=owner)} == {"web1", "db1"}


def test_a_former_owner_learns_nothing_of_the_new_one(host, tmp_path):
    owner, name, key = pushed(host, tmp_path)
    new = host.new_user()
    host.subuid("owner", owner, new, "--hand-over")
    host.subuid("rename", "web1", "secret", user=new)
    shown = host.subuid("show", "web1", user=owner, check=False)
    refused = host.subuid("add", "web1", "--key", f"{key}.pub", user=owner, check=False)
    assert shown.returncode == 3 and refused.returncode == 4, (shown, refused)
    for told in (shown, refused):
        assert "secret" not in told.stderr and new not in told.stderr, told.stderr
    assert f"{new}+secret" in host.subuid("add", "web1", "--owner", owner, "--key", f"{key}.pub", check=False).stderr, "root is told"


def test_one_of_two_gets_the_label(host, tmp_path):
    owner = host.account(tmp_path)[0]
    for label in ("web2", "web3", "web4"):
        host.subuid("add", label, user=owner)
    before = {row["uid"] for row in host.subuid_json("list", user=owner)}
    for _ in range(5):
        labels = sorted(row["label"] for row in host.subuid_json("list", user=owner))
        results = []
        threads = [threading.Thread(target=lambda label=label: results.append(
            host.subuid("rename", label, "one", user=owner, check=False).returncode)) for label in labels]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert results.count(0) == 1, results
        rows = host.subuid_json("list", user=owner)
        assert {row["uid"] for row in rows} == before and {row["state"] for row in rows} == {"active"}
        host.subuid("rename", "one", (set(labels) - {row["label"] for row in rows}).pop(), user=owner)
    assert findings(host, owner) == []
    assert sorted(os.listdir(f"/home/{owner}/subuid")) == ["web1", "web2", "web3", "web4"]


def test_two_accounts_change_their_labels(host, tmp_path):
    owner, name, key = pushed(host, tmp_path)
    second = host.account(tmp_path, label="web2", owner=owner)[2]
    uids = pwd.getpwnam(name).pw_uid, pwd.getpwnam(f"{owner}+web2").pw_uid
    for was, then in (("web1", "x"), ("web2", "web1"), ("x", "web2")):
        host.subuid("rename", was, then, user=owner)
    assert (pwd.getpwnam(f"{owner}+web2").pw_uid, pwd.getpwnam(name).pw_uid) == uids
    host.rsync(key, "-a", tmp_path / "file", f"{owner}+web2@127.0.0.1:/d/")
    host.rsync(second, "-a", tmp_path / "file", f"{name}@127.0.0.1:/e/")
    assert host.rsync(key, "-a", tmp_path / "file", f"{name}@127.0.0.1:/d/", check=False).returncode != 0
    assert findings(host, owner) == []
