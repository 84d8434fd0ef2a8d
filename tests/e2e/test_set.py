# SPDX-License-Identifier: ISC
"""subuid set and release; what root sees without naming anybody."""

import pytest

from conftest import run, wait_until


def test_set_changes_what_is_named_and_nothing_else(host):
    owner = host.new_user()
    host.subuid("add", "web1", "--comment", "one", "--expires", "+30d", user=owner)
    before = host.subuid_json("show", "web1", user=owner)["account"]
    after = host.subuid_json("set", "web1", "--comment", "two", user=owner)
    assert after["comment"] == "two" and after["expires"] == before["expires"] and after["uid"] == before["uid"]
    after = host.subuid_json("set", f"{owner}+web1", "--expires", "never", "--quota", "none", "--comment", "")
    assert "expires" not in after and "quota" not in after and "comment" not in after
    assert "expires never, quota none" in host.subuid("set", "web1", "--expires", "never", user=owner).stdout


def test_view_and_files(host):
    owner = host.new_user()
    host.subuid("add", "web1", "--view", "owner", "--files", "20K", user=owner)
    account = host.subuid_json("show", "web1", user=owner)["account"]
    assert (account["view"], account["files"], account["filesLimit"]) == ("owner", 20000, 20000)
    assert host.subuid("add", "web1", "--view", "owner", "--files", "20000", user=owner).returncode == 0
    for words in (["--view", "theirs"], ["--files", "none"]):
        assert host.subuid("add", "web1", *words, user=owner, check=False).returncode == 4
    account = host.subuid_json("set", "web1", "--view", "default", "--files", "none", user=owner)
    assert (account["view"], account["files"]) == ("default", -1) and "filesLimit" not in account
    assert "files none, view default" in host.subuid("set", "web1", "--files", "none", user=owner).stdout
    account = host.subuid_json("set", "web1", "--files", "default", user=owner)
    assert "files" not in account and "filesLimit" not in account  # there is no quota that it could come from
    details = [row["detail"] for row in host.subuid_json("audit", user=owner) if row["action"] == "account.modify"]
    assert any("files none, view default" in detail for detail in details)


@pytest.mark.parametrize("words,status", [
    (["web1", "--view", "mine"], 2), (["web1", "--files", "0"], 2), (["web1", "--files", "many"], 2),
    (["web1"], 2), (["web1", "--expires", "yesterday"], 2), (["web1", "--quota", "much"], 2), (["--quota", "1G"], 2),
    (["nobody-there", "--comment", "x"], 3), (["web1", "--comment", "a:b"], 2),
])
def test_set_says_what_is_wrong(host, words, status):
    owner = host.new_user()
    host.subuid("add", "web1", user=owner)
    result = host.subuid("set", *words, user=owner, check=False)
    assert result.returncode == status, result.stderr
    assert result.stderr.startswith("subuid: ")


def test_release_is_roots_and_only_for_what_was_removed(host):
    owner = host.new_user()
    host.subuid("add", "web1", user=owner)
    uid = host.subuid_json("show", "web1", user=owner)["account"]["uid"]
    assert host.subuid("release", str(uid), check=False).returncode == 3
    host.subuid("remove", "web1", "--purge", user=owner)
    assert host.subuid("release", str(uid), user=owner, check=False).returncode == 5
    wait_until(lambda: host.subuid("release", str(uid), check=False).returncode == 0, "its data is deleted")
    assert host.subuid("release", str(uid), check=False).returncode == 3
    assert host.subuid("release", "web1", check=False).returncode == 2
    host.subuid("add", "kept", user=owner)
    kept = host.subuid_json("show", "kept", user=owner)["account"]["uid"]
    host.subuid("remove", "kept", user=owner)
    refused = host.subuid("release", str(kept), check=False)
    assert refused.returncode == 1 and "still set aside" in refused.stderr


def test_root_who_names_nobody_is_told_of_everybody(host):
    owner, other = host.new_user(), host.new_user()
    for name in (owner, other):
        host.subuid("add", "web1", user=name)
        host.subuid("range", "add", "65536", user=name)
    assert {owner, other} <= {row["owner"] for row in host.subuid_json("list")}
    assert {owner, other} <= {row["owner"] for row in host.subuid_json("range", "list")}
    assert {f"{owner}+web1", f"{other}+web1"} <= {row["target"] for row in host.subuid_json("audit", "-n", "50")}
    assert host.subuid_json("check")["findings"] == []
    assert {row["owner"] for row in host.subuid_json("list", "--owner", owner)} == {owner}


@pytest.mark.parametrize("words", [["list"], ["check"], ["range", "list"]])
def test_an_owner_that_there_is_not_is_an_error(host, words):
    result = host.subuid(*words, "--owner", "nobody-such", check=False)
    assert result.returncode == 3 and "no such account" in result.stderr


def test_limits_of_an_owner_that_there_is_not(host):
    assert host.subuid("limit", "nobody-such", check=False).returncode == 3
    assert host.subuid("limit", "nobody-such", "--accounts", "5", check=False).returncode == 3
    owner = host.new_user()
    host.subuid("limit", owner, "--accounts", "5")
    run("userdel", "-r", owner)
    assert host.subuid_json("limit", owner)["accounts"] == 5
    host.subuid("limit", owner, "--reset")
    assert host.subuid("limit", owner, check=False).returncode == 3
