# SPDX-License-Identifier: ISC
"""Ranges of subordinate ids: given, grown, taken back, never overlapping; their names; the files."""

import contextlib
import json
import os
import pwd
import re
import signal
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import store_digest

from conftest import call, run, wait_until

UNIT = 65536
CONF = Path("/etc/subuidd.conf.d/range-test.conf")
SUBUID, SUBGID = Path("/etc/subuid"), Path("/etc/subgid")


def add(host, *argv, user=None):
    return json.loads(host.subuid("range", "add", *argv, "--json", user=user).stdout)


def ranges(host, user=None):
    return host.subuid_json("range", "list", user=user)


def refused(host, status, *argv, user=None):
    result = host.subuid(*argv, user=user, check=False)
    assert result.returncode == status, result
    return result.stdout + result.stderr


def assert_disjoint(blocks):
    blocks = sorted(blocks)
    for (first, count), (after, _) in zip(blocks, blocks[1:]):
        assert first + count <= after, (first, count, after)


def check(host):
    result = host.subuid("check", "--all", check=False)
    assert result.returncode == 0, result.stdout + result.stderr


@contextlib.contextmanager
def without_plugin():
    """shadow's own tools change the files only where no plug-in is named (else they say nothing and do nothing)."""
    nsswitch = Path("/etc/nsswitch.conf")
    text = nsswitch.read_text()
    nsswitch.write_text("".join(line for line in text.splitlines(True) if not line.startswith("subid:")))
    try:
        yield
    finally:
        nsswitch.write_text(text)


@contextlib.contextmanager
def settings(host, text):
    """The daemon with other settings, for as long as it lasts."""
    CONF.parent.mkdir(mode=0o755, exist_ok=True)
    CONF.write_text(text)
    host.daemon.send_signal(signal.SIGHUP)
    host.restart_daemon()
    try:
        yield
    finally:
        CONF.unlink()
        host.restart_daemon()


def test_a_range_is_aligned_rounded_up_and_listed(host):
    owner = host.new_user()
    given = add(host, "1", user=owner)
    assert given["first"] % UNIT == 0 and given["count"] == UNIT and given["owner"] == owner
    assert 1073741824 <= given["first"] < 1879048192
    assert ranges(host, user=owner) == [given]


def test_a_second_range_grows_what_the_owner_has(host):
    owner = host.new_user()
    both = [add(host, str(UNIT), user=owner), add(host, str(2 * UNIT), user=owner)]
    assert [r["count"] for r in both] == [UNIT, 2 * UNIT]
    assert_disjoint([(r["first"], r["count"]) for r in both])
    assert ranges(host, user=owner) == sorted(both, key=lambda r: r["first"])
    subids = run("getsubids", owner).stdout
    assert all(str(r["first"]) in subids for r in both[:1]), subids


def test_a_range_can_be_grown_without_a_gap(host):
    owner = host.new_user()
    first = add(host, str(UNIT), user=owner)
    second = add(host, str(UNIT), "--grow", str(first["first"]), user=owner)
    assert second["first"] == first["first"] + UNIT
    # the plug-in tells them as one
    assert f"{owner} {first['first']} {2 * UNIT}" in run("getsubids", owner).stdout
    # now others' ids are behind the first, and never free again
    assert "--grow" in refused(host, 4, "range", "add", str(UNIT), "--grow", str(first["first"]), user=owner)
    host.subuid("range", "remove", "--yes", str(second["first"]), user=owner)
    refused(host, 4, "range", "add", str(UNIT), "--grow", str(first["first"]), user=owner)


def test_a_range_grows_for_who_has_it_and_for_nobody_else(host, tmp_path):
    owner, name, _ = host.account(tmp_path)
    other = host.new_user()
    given = add(host, str(UNIT), name, user=owner)
    grown = add(host, str(UNIT), "--grow", str(given["first"]), user=owner)
    assert grown["account"] == name and grown["first"] == given["first"] + UNIT
    refused(host, 3, "range", "add", str(UNIT), "--grow", str(given["first"]), user=other)
    own = add(host, str(UNIT), user=owner)
    refused(host, 4, "range", "add", str(UNIT), name, "--grow", str(own["first"]), user=owner)
    refused(host, 3, "range", "add", str(UNIT), "--grow", "77", user=owner)
    refused(host, 2, "range", "add", str(UNIT), "--grow", "x", user=owner)


def test_a_range_is_grown_not_over_what_others_hold(host):
    owner, foreign = host.new_user(), host.new_user()
    first = add(host, str(UNIT), user=owner)
    behind = first["first"] + UNIT
    with without_plugin():
        run("usermod", "--add-subuids", f"{behind + 1000}-{behind + 1004}", foreign)
    try:
        refused(host, 4, "range", "add", str(UNIT), "--grow", str(first["first"]), user=owner)
        # and an ordinary one goes around it
        assert_disjoint([(behind, UNIT), *[(r["first"], r["count"]) for r in [add(host, str(UNIT), user=owner)]]])
    finally:
        with without_plugin():
            run("usermod", "--del-subuids", f"{behind + 1000}-{behind + 1004}", foreign)


def test_the_pool_ends_where_the_settings_say(host):
    owner = host.new_user()
    with settings(host, "[ids]\nranges = 1900544000-1900740607\n"):
        first = add(host, str(UNIT), user=owner)
        assert first["first"] == 1900544000
        assert "end" in refused(host, 4, "range", "add", str(4 * UNIT), "--grow", "1900544000", user=owner)
        assert add(host, str(2 * UNIT), "--grow", "1900544000", user=owner)["count"] == 2 * UNIT
        assert "no such block" in refused(host, 6, "range", "add", "1", user=owner)
    # blocks that the settings do not name any more stay what they are
    assert len(ranges(host, user=owner)) == 2
    check(host)


def test_a_removed_range_is_a_tombstone_until_root_releases_it(host):
    owner = host.new_user()
    given = add(host, str(UNIT), user=owner)
    host.subuid("range", "remove", "--yes", str(given["first"]), user=owner)
    assert ranges(host, user=owner) == []
    again = add(host, str(UNIT), user=owner)
    assert again["first"] != given["first"]
    refused(host, 5, "release", str(given["first"]), user=owner)
    host.subuid("release", str(given["first"]))
    refused(host, 3, "release", str(given["first"]))


def test_sizes_for_nesting_and_limits(host, tmp_path):
    owner, name, _ = host.account(tmp_path)
    assert "blocks" in refused(host, 6, "range", "add", str(17 * UNIT), user=owner)
    host.subuid("limit", owner, "--ranges", "300")
    nested = add(host, str(256 * UNIT), name, user=owner)
    assert nested["count"] == 256 * UNIT and nested["account"] == name
    own = add(host, str(40 * UNIT), user=owner)
    assert_disjoint([(nested["first"], nested["count"]), (own["first"], own["count"])])
    refused(host, 6, "range", "add", str(5 * UNIT), user=owner)


def test_two_clients_at_once_never_get_the_same(host):
    owners = [host.new_user() for _ in range(4)]
    jobs = [owner for owner in owners for _ in range(8)]
    with ThreadPoolExecutor(16) as pool:
        given = list(pool.map(lambda owner: add(host, str(UNIT), user=owner), jobs))
    assert_disjoint([(r["first"], r["count"]) for r in given])
    check(host)


def test_what_others_take_under_a_running_daemon_is_left_to_them(host):
    """A file line, a passwd entry and a group appear in the middle of the next candidates."""
    owner = host.new_user()
    host.subuid("limit", owner, "--ranges", "200")
    last = add(host, str(UNIT), user=owner)
    foreign = []
    for i, give in enumerate(("subuid", "subgid", "passwd", "group")):
        taken = last["first"] + last["count"] + 4321
        if give == "passwd":
            run("useradd", "--no-create-home", "--uid", str(taken), f"foreign{i}{owner}")
        elif give == "group":
            run("groupadd", "--gid", str(taken), f"foreign{i}{owner}")
        else:
            with open(f"/etc/{give}", "a") as file:
                file.write(f"daemon:{taken}:10\n")
        foreign.append(taken)
        last = add(host, str(UNIT), user=owner)
        assert not any(last["first"] <= id < last["first"] + last["count"] for id in foreign), (give, last)
    for file in (SUBUID, SUBGID):
        file.write_text("".join(line for line in file.read_text().splitlines(True) if "daemon:" not in line))
    run("userdel", f"foreign2{owner}")
    run("groupdel", f"foreign3{owner}")


PLUGIN = """
#include <shadow/subid.h>
#include <stdlib.h>
#include <stdio.h>
enum subid_status shadow_subid_has_range(const char *o, unsigned long s, unsigned long c, enum subid_type t, _Bool *r)
{ *r = 0; return SUBID_STATUS_UNKNOWN_USER; }
enum subid_status shadow_subid_list_owner_ranges(const char *o, enum subid_type t, struct subid_range **r, int *n)
{ return SUBID_STATUS_UNKNOWN_USER; }
enum subid_status shadow_subid_find_subid_owners(unsigned long id, enum subid_type t, uid_t **u, int *n)
{
	unsigned long first = 0, last = 0;
	FILE *f = fopen("/run/elsewhere", "r");
	if (f == NULL) return SUBID_STATUS_ERROR_CONN;
	if (fscanf(f, "%lu %lu", &first, &last) != 2) first = last = 0;
	fclose(f);
	*n = t == ID_TYPE_GID && id >= first && id <= last;
	*u = calloc(1, sizeof(**u));
	return SUBID_STATUS_SUCCESS;
}
"""


def test_another_plugin_that_was_configured_before_is_heeded(host, tmp_path):
    """Its answers change under the running daemon; when it has none, nothing is given out."""
    owner = host.new_user()
    library = run("cc", "-print-multiarch").stdout.strip()
    plugin, chain = Path(f"/usr/lib/{library}/libsubid_elsewhere.so"), Path("/var/lib/subuidd/subid-chain")
    (tmp_path / "plugin.c").write_text(PLUGIN)
    run("cc", "-shared", "-fPIC", "-w", "-o", plugin, tmp_path / "plugin.c")
    table = Path("/run/elsewhere")
    table.write_text("0 0")
    chain.write_text("elsewhere\n")
    try:
        last = add(host, str(UNIT), user=owner)
        behind = last["first"] + UNIT
        table.write_text(f"{behind + 20000} {behind + 3 * UNIT}")
        after = add(host, str(UNIT), user=owner)
        assert after["first"] >= behind + 4 * UNIT
        refused(host, 4, "range", "add", "1", "--grow", str(last["first"]), user=owner)
        host.subuid("limit", owner, "--ranges", "300")
        inside = after["first"] + 100 * UNIT + 300
        table.write_text(f"{inside} {inside + 4096}")
        large = add(host, str(256 * UNIT), user=owner)
        assert large["first"] > inside + 4096 or large["first"] + large["count"] <= inside
        check(host)
        table.write_text(f"{after['first'] + 5000} {after['first'] + 10000}")
        assert "also held outside" in refused(host, 1, "check", "--all")
        table.unlink()
        assert "no ids can be found" in refused(host, 1, "range", "add", "1", user=owner)
    finally:
        chain.unlink()
        plugin.unlink()
    add(host, str(UNIT), user=owner)


def test_check_finds_a_range_that_only_the_index_gives(host):
    """newuidmap grants what the index says: who changed the store behind the daemon's back is told."""
    owner = host.new_user()
    given = add(host, str(UNIT), user=owner)
    check(host)
    store = Path("/var/lib/subuidd/state.db")
    host.stop_daemon()
    before = store.read_bytes()
    with store_digest.store(store) as db:
        db.execute("DELETE FROM ranges WHERE first = :first", given)
        db.execute("UPDATE ids SET kind = 'tombstone' WHERE first = :first", given)
    host.start_daemon()
    try:
        assert f" {given['first']} {UNIT}" in run("getsubids", owner).stdout, "the index was not built anew"
        told = refused(host, 1, "check", "--all")
        assert f"{owner} {given['first']}" in told and "not just so in the store" in told
    finally:
        host.stop_daemon()
        for path in store.parent.glob("state.db*"):
            path.unlink()
        store.write_bytes(before)
        store.chmod(0o600)
        host.start_daemon()
    check(host)


def test_check_proves_an_overlap_that_somebody_makes(host):
    owner = host.new_user()
    given = add(host, str(UNIT), user=owner)
    check(host)
    before = SUBGID.read_text()
    SUBGID.write_text(before + f"nobody:{given['first'] + 100}:1\n")
    try:
        assert "also held outside" in refused(host, 1, "check", "--all")
    finally:
        SUBGID.write_text(before)
    run("groupadd", "--non-unique", "--gid", str(given["first"] + given["count"] - 1), f"g{owner}")
    try:
        assert "also held outside" in refused(host, 1, "check", "--all")
    finally:
        run("groupdel", f"g{owner}")
    check(host)


# ---- names


def test_ids_in_ranges_have_names_that_lead_back(host, tmp_path):
    owner, name, _ = host.account(tmp_path)
    own, given = add(host, str(UNIT), user=owner), add(host, str(UNIT), name, user=owner)
    for first, shown in ((own["first"], f"{owner}+_"), (given["first"], f"{owner}+_web1_")):
        for id in (first, first + 1000, first + UNIT - 1):
            entry = run("getent", "passwd", str(id)).stdout.strip().split(":")
            assert entry[0] == f"{shown}{id}" and entry[2:4] == [str(id), str(id)], entry
            assert entry[5:] == ["/", "/usr/sbin/nologin"]
            assert run("getent", "passwd", entry[0]).stdout.strip().split(":") == entry
            assert run("getent", "group", str(id)).stdout.strip() == f"{shown}{id}:x:{id}:"
    assert run("getent", "passwd", "1879048191", check=False).returncode == 2  # nobody's, in the blocks
    path = tmp_path / "file"
    path.touch()
    os.chown(path, given["first"] + 33, given["first"] + 33)
    assert f"{owner}+_web1_{given['first'] + 33}" in run("ls", "-l", path).stdout
    # they are nobody's login
    shadow = run("getent", "shadow", f"{owner}+_{own['first']}").stdout.split(":")
    assert shadow[1] == "!*" and shadow[7] == "1"
    assert "subuids" in run("id", "-nG", f"{owner}+_{own['first']}").stdout
    assert "publickey" not in run("sshd", "-T", "-C", f"user={owner}+_{own['first']},host=x,addr=192.0.2.1").stdout.split(
        "authorizedkeysfile")[1].split("\n")[0]
    acct = run("pamtester", "sshd", f"{owner}+_{own['first']}", "acct_mgmt", check=False)
    assert acct.returncode != 0, acct
    host.subuid("range", "remove", "--yes", str(own["first"]), user=owner)
    assert run("getent", "passwd", str(own["first"]), check=False).returncode == 2
    check(host)


def test_names_can_be_switched_off(host):
    owner = host.new_user()
    first = add(host, str(UNIT), user=owner)["first"]
    with settings(host, "[names]\nrange_names = no\n"):
        assert run("getent", "passwd", str(first), check=False).returncode == 2
        assert run("getent", "group", f"{owner}+_{first}", check=False).returncode == 2
        check(host)
    assert run("getent", "passwd", str(first)).stdout


# ---- the files


def lines(file=SUBUID):
    return file.read_text().splitlines()


def gives(name, first, count=UNIT, file=SUBUID):
    """A line of this name holds these ids, alone or with neighbours."""
    for line in lines(file):
        parts = line.split(":")
        if len(parts) == 3 and parts[0] == name and int(parts[1]) <= first and int(parts[1]) + int(parts[2]) >= first + count:
            return True
    return False


@contextlib.contextmanager
def the_files_locked(tmp_path):
    """As shadow locks them, so that the daemon's regular look does not put right what a test is about to look at."""
    mine, lock = tmp_path / "lock", Path("/etc/subuid.lock")
    mine.write_text(f"{os.getpid()}\0")
    wait_until(lambda: subprocess.run(["ln", mine, lock], capture_output=True).returncode == 0, "the lock is ours")
    try:
        yield
    finally:
        lock.unlink()


def test_publish_both_keeps_ranges_in_the_files(host, tmp_path):
    owner, name, _ = host.account(tmp_path)
    old = add(host, str(UNIT), user=owner)
    before = {file: file.read_text() for file in (SUBUID, SUBGID)}
    with settings(host, "[subid]\npublish = both\n"):
        wait_until(lambda: gives(owner, old["first"]), "the start writes them")
        given = add(host, str(UNIT), name, user=owner)
        for file in (SUBUID, SUBGID):
            # answered when they are there. Not the owner's: it would be in the maps of their containers
            assert gives(name, given["first"], file=file)
            assert not gives(owner, given["first"], file=file)
            assert all(line in lines(file) for line in before[file].splitlines())
            assert file.stat().st_mode & 0o7777 == 0o644 and file.stat().st_uid == 0
        check(host)
        # what is missing or left over is found, and put right by the next start
        with the_files_locked(tmp_path):
            SUBUID.write_text(before[SUBUID])
            assert "is missing" in refused(host, 1, "check", "--all")
        host.restart_daemon()
        wait_until(lambda: gives(name, given["first"]), "the start puts it right")
        host.subuid("range", "remove", "--yes", str(given["first"]), user=owner)
        assert not any(f":{given['first']}:" in line for file in (SUBUID, SUBGID) for line in lines(file))
        # a range that comes with an account, and goes with it
        key = host.new_key(tmp_path, "with-range")
        host.subuid("add", "web2", "--key", f"{key}.pub", "--range", str(UNIT), "--owner", owner)
        own = [r for r in ranges(host, user=owner) if r.get("account") == f"{owner}+web2"]
        assert gives(f"{owner}+web2", own[0]["first"])
        host.subuid("remove", f"{owner}+web2")
        assert not any(f":{own[0]['first']}:" in line for line in lines())
        check(host)
    # back to the plug-in alone: every line of ours is gone, no other is changed
    wait_until(lambda: SUBUID.read_text() == before[SUBUID], "the lines are taken back")
    wait_until(lambda: SUBGID.read_text() == before[SUBGID], "the lines are taken back")
    check(host)


def test_publish_files_says_all_ranges_without_the_plugin(host, tmp_path):
    owner, name, _ = host.account(tmp_path)
    uid = int(run("id", "-u", name).stdout)
    first = add(host, str(UNIT), user=owner)["first"]
    before = {file: file.read_text() for file in (SUBUID, SUBGID)}
    with settings(host, "[subid]\npublish = files\n"):
        wait_until(lambda: gives(owner, first), "the start writes them")
        host.account(tmp_path, label="web2", owner=owner)
        given = add(host, str(UNIT), name, user=owner)["first"]
        check(host)
        with without_plugin():
            assert run("getsubids", owner).stdout.split()[2:] == [str(first), str(UNIT)]
            assert run("getsubids", name).stdout.split()[2:] == [str(given), str(UNIT)]
            assert host.subuid("exec", "web1", "--", "cat", "/proc/self/uid_map", user=owner).stdout.split()[3] == str(uid)
        host.subuid("remove", name, "--purge")
        for file in (SUBUID, SUBGID):
            assert not gives(name, given, file=file)
            assert f"{owner}:{first}:{UNIT}" in lines(file)
    # back to the plug-in alone: the ranges are taken back, all of them
    for file in (SUBUID, SUBGID):
        wait_until(lambda: file.read_text() == before[file], f"our lines in {file} are taken back")


def test_who_gets_the_name_of_an_owner_finds_nothing_of_his_in_the_files(host, tmp_path):
    """A line says a name alone; the store says name and uid."""
    owner, name, _ = host.account(tmp_path)
    other = host.new_user()
    first = add(host, str(UNIT), user=owner)["first"]
    given = add(host, str(UNIT), name, user=owner)["first"]
    before = Path("/etc/passwd").read_text()
    with settings(host, "[subid]\npublish = both\n"):
        wait_until(lambda: gives(owner, first) and gives(name, given), "the start writes them")
        check(host)
        findings = json.loads(host.subuid("doctor", "--json", check=False).stdout)["checks"]
        assert "bad" not in [e["result"] for e in findings if e["check"] in ("/etc/subuid", "/etc/subgid")]
        try:
            uid = int(run("id", "-u", owner).stdout)
            Path("/etc/passwd").write_text(re.sub(f"(?m)^{owner}:x:{uid}:", f"{owner}:x:654321:", before))
            for asked in (owner, "654321"):  # at once, where the plug-in answers
                assert str(first) not in run("getsubids", asked, check=False).stdout
            wait_until(lambda: not gives(owner, first), "they are withdrawn without any change of anybody's")
            assert not any(line.startswith((f"{owner}:", f"{name}:")) for file in (SUBUID, SUBGID) for line in lines(file))
            assert str(first) not in run("getsubids", owner, check=False).stdout
            with without_plugin():
                assert str(first) not in run("getsubids", owner, check=False).stdout
            Path("/etc/passwd").write_text(re.sub(f"(?m)^{owner}:.*\n", "", before))  # nobody has it
            add(host, str(UNIT), user=other)
            assert not any(line.startswith((f"{owner}:", f"{name}:")) for line in lines())
        finally:
            Path("/etc/passwd").write_text(before)
        wait_until(lambda: gives(owner, first), "they are back")


def test_a_host_that_was_killed_while_writing_takes_back_only_its_own(host):
    """subid-lines is written before the files: lines of a crash are known, others' are not touched."""
    owner = host.new_user()
    own = f"{owner}:1879000000:1"
    with settings(host, "[subid]\npublish = both\n"):
        first = add(host, str(UNIT), user=owner)["first"]
        host.stop_daemon(signal.SIGKILL)
        record = Path("/var/lib/subuidd/subid-lines")
        record.write_text(record.read_text() + "ghost:1100000000:65536\n")
        SUBUID.write_text(SUBUID.read_text() + f"ghost:1100000000:65536\n{own}\n# a word\nsome rubbish")
        Path("/etc/subuid.lock").write_text("999999999\0")
        host.start_daemon()
        wait_until(lambda: not any("ghost" in line for line in lines()), "the ghost is taken away")
        for line in (own, "# a word", "some rubbish"):
            assert line in lines()
        assert gives(owner, first)
        assert not Path("/etc/subuid.lock").exists()
    SUBUID.write_text("".join(l for l in SUBUID.read_text().splitlines(True) if l.strip() not in (own, "# a word", "some rubbish")))


def test_files_that_are_not_to_be_trusted_are_not_written(host, tmp_path):
    owner = host.new_user()
    with settings(host, "[subid]\npublish = both\n"):
        wait_until(lambda: Path("/var/lib/subuidd/subid-lines").exists(), "the start has written")
        text = SUBUID.read_text()
        elsewhere = tmp_path / "elsewhere"
        elsewhere.write_text(text)
        SUBUID.unlink()
        SUBUID.symlink_to(elsewhere)
        try:
            assert "not a plain file" in refused(host, 1, "range", "add", str(UNIT), user=owner)
            assert elsewhere.read_text() == text
        finally:
            SUBUID.unlink()
            SUBUID.write_text(text)
        # the change itself was made, and is seen with the next one
        first = ranges(host, user=owner)[0]["first"]
        add(host, str(UNIT), user=owner)
        assert gives(owner, first)


def test_usermod_and_we_lose_nothing_of_each_other(host):
    """usermod adds and deletes its lines in a loop while ranges come and go: under one lock."""
    owner, foreign = host.new_user(), host.new_user()
    host.subuid("limit", owner, "--ranges", "100")
    stop, done = threading.Event(), []

    def usermod():
        n = 0
        while not stop.is_set() or n % 2:
            block = f"{700000000 + n // 2 * 10}-{700000000 + n // 2 * 10 + 9}"
            if n % 2 == 0:
                run("usermod", "--add-subuids", block, "--add-subgids", block, foreign)
                for file in (SUBUID, SUBGID):
                    assert f"{foreign}:{700000000 + n // 2 * 10}:10" in lines(file)
                if n % 4 == 2:  # this one stays
                    done.append(f"{foreign}:{700000000 + n // 2 * 10}:10")
                    n += 1
            else:
                run("usermod", "--del-subuids", block, "--del-subgids", block, foreign)
            n += 1

    before = {file: file.read_text() for file in (SUBUID, SUBGID)}
    for file in (SUBUID, SUBGID):  # large files take long to write: what has no lock would lose here
        file.write_text(before[file] + "".join(f"filler:{600000000 + i}:1\n" for i in range(20000)))
    with without_plugin(), settings(host, "[subid]\npublish = both\n"):
        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(usermod)
            given = []
            for i in range(60):
                given.append(add(host, str(UNIT), user=owner)["first"])
                if i % 3 == 2:
                    host.subuid("range", "remove", "--yes", str(given.pop(0)), user=owner)
            stop.set()
            future.result(60)
        for file in (SUBUID, SUBGID):
            parts = [line.split(":") for line in lines(file) if line.startswith(f"{owner}:1")]
            assert sorted(first for _, begin, count in parts
                          for first in range(int(begin), int(begin) + int(count), UNIT)) == sorted(given)
            assert len(lines(file)) == len(set(lines(file)))
            assert all(line in lines(file) for line in done)
        assert len(done) > 3, "usermod never got its turn"
        assert all(sum("filler" in line for line in lines(file)) == 20000 for file in (SUBUID, SUBGID))
        check(host)
    wait_until(lambda: not any(f"{owner}:1" in line for line in lines()), "our lines are taken back")
    assert all(line in lines() for line in done)
    for file in (SUBUID, SUBGID):
        file.write_text(before[file])


def leave_under(ids, uid, home):
    """What containers leave behind: closed directories of each id deep in the account's, with a file in them."""
    script = "set -e; uid=$1; cd \"$2\"; shift 2; mkdir -p deep/er; chown -R $uid:$uid deep; cd deep/er; " \
             "for id; do mkdir -p d$id/e; echo x > d$id/file; chown -hR $id:$id d$id; chmod 0700 d$id; chmod 0 d$id/e; done"
    run("sh", "-c", script, "sh", str(uid), home, *map(str, ids))


def test_purging_an_account_takes_what_containers_left_in_its_home(host):
    """Files of its ranges' ids (also of one that it gave back), and its owner's own as root of a namespace."""
    owner = host.new_user()
    host.subuid("add", "web1", "--range", "1", user=owner)
    uid = host.subuid_json("show", "web1", user=owner)["account"]["uid"]
    first = ranges(host, user=owner)[0]["first"]
    back = add(host, "1", "web1", user=owner)["first"]
    home, aside = Path(f"/srv/subuid/{owner}/web1/home"), Path(f"/srv/subuid/.removed/{uid}")
    host.subuid("exec", "web1", "--", "sh", "-c", f"mkdir -p mine/c/d && echo x > mine/c/d/file && "
                f"chown -R {first + 33}:{first + 33} mine/c && mkdir -m 0700 mine/kept && echo x > mine/kept/file && "
                f"mkdir -p web && chown {uid}:{uid} web && mkdir -p web/a/b", user=owner)
    leave_under([first, first + UNIT - 1, back + 5], uid, home)
    run("setpriv", "--reuid", str(uid), "--regid", str(uid), "--groups", "subuids", "sh", "-c",
        f"cd {home} && chmod 0711 . && mkdir shared && chgrp subuids shared && chmod 2777 shared")
    run("setpriv", "--reuid", str(first + 7), "--regid", str(first + 7), "--clear-groups",  # as a container would
        "sh", "-c", "mkdir shared/theirs && echo x > shared/theirs/file && chmod 0700 shared/theirs", cwd=home)
    assert (home / "shared/theirs").stat().st_gid not in (uid, first + 7)
    assert (home / "mine/c/d/file").stat().st_uid == first + 33 and (home / "mine/kept").stat().st_mode & 0o777 == 0o700
    host.subuid("range", "remove", "--yes", str(back), user=owner)
    host.subuid("remove", "web1", "--purge", user=owner)
    wait_until(lambda: not aside.exists(), "all of it is deleted")
    wait_until(lambda: host.subuid("release", str(first), check=False).returncode == 0, "its ids can be released")


def test_purging_an_account_leaves_what_is_of_other_ids(host):
    """The control: without a range that was its own, files of such ids are out of reach, and so are their holder's."""
    owner, other = host.new_user(), host.new_user()
    host.subuid("add", "web1", "--range", "1", user=owner)
    own = ranges(host, user=owner)[0]["first"]
    foreign = add(host, "1", user=other)["first"]
    uid = host.subuid_json("show", "web1", user=owner)["account"]["uid"]
    aside = Path(f"/srv/subuid/.removed/{uid}")
    leave_under([own, foreign], uid, f"/srv/subuid/{owner}/web1/home")
    host.subuid("remove", "web1", "--purge", user=owner)
    wait_until(lambda: not (aside / f"home/deep/er/d{own}").exists(), "what is its own is deleted")
    assert (aside / f"home/deep/er/d{foreign}/file").read_text() == "x\n"
    assert "still set aside" in refused(host, 1, "release", str(own))


def test_purging_an_account_of_more_ranges_than_a_namespace_maps(host):
    owner = host.new_user()
    host.subuid("limit", owner, "--ranges", "200")
    host.subuid("add", "web1", user=owner)
    uid = host.subuid_json("show", "web1", user=owner)["account"]["uid"]
    given = [call("io.subuidd.Accounts.RangeAdd", {"owner": owner, "label": "web1", "count": 1})["parameters"]["range"]
             ["first"] for _ in range(130)]
    leave_under([first + 1 for first in given], uid, f"/srv/subuid/{owner}/web1/home")
    host.subuid("remove", "web1", "--purge", user=owner)
    wait_until(lambda: not Path(f"/srv/subuid/.removed/{uid}").exists(), "all of it is deleted")


def test_small_ranges_share_a_block_and_answer_each_for_itself(host, tmp_path):
    owner = host.new_user()
    for label in ("web1", "web2", "web3"):
        host.subuid("add", label, user=owner)
    for words in (("5000", "--small"), ("65536", "--small"), ("4096", "--small", "--grow", "1073741824")):
        assert host.subuid("range", "add", *words, user=owner, check=False).returncode == 2, words
    given = [host.subuid_json("range", "add", count, label, "--small", user=owner)
             for count, label in (("4096", "web1"), ("16384", "web2"), ("4096", "web3"))]
    assert [row["count"] for row in given] == [4096, 16384, 4096]
    assert len({row["first"] // 65536 for row in given}) < 3, "they share blocks: what is left of one is filled first"
    assert all(row["first"] % row["count"] == 0 for row in given)
    assert host.subuid_json("range", "add", "4096", user=owner)["count"] == 65536, "the control: it is asked for"
    for row, label in zip(given, ("web1", "web2", "web3")):
        name = pwd.getpwuid(row["first"] + row["count"] - 1).pw_name
        assert name == f"{owner}+_{label}_{row['first'] + row['count'] - 1}"
        result = host.subuid("exec", "--container", label, "--", "cat", "/proc/self/uid_map", user=owner)
        assert result.stdout.split()[3:] == ["1", str(row["first"]), str(row["count"])]
    grown = host.subuid("range", "add", "65536", "--grow", str(given[0]["first"]), user=owner, check=False)
    assert grown.returncode == 4 and "small" in grown.stderr
    host.restart_daemon()
    assert host.subuid("check", user=owner).returncode == 0
    more = host.subuid_json("range", "add", "4096", "web1", "--small", user=owner)
    assert all(more["first"] + 4096 <= row["first"] or more["first"] >= row["first"] + row["count"] for row in given)
    rows = tmp_path / "rows"
    exported = [json.loads(line) for line in host.subuid("export").stdout.splitlines()]
    mine = [row for row in exported if row.get("owner") == owner and row["kind"] in ("account", "range")]
    assert sum('4096' in json.dumps(row) for row in mine) >= 3
    rows.write_text("".join(json.dumps(row) + "\n" for row in mine))
    assert host.subuid("import", rows).returncode == 0, "it may be read again"
    for row in given:
        host.subuid("range", "remove", str(row["first"]), "--yes", user=owner)
    again = host.subuid_json("range", "add", "4096", "web1", "--small", user=owner)["first"]
    assert again not in [row["first"] for row in given], "a tombstone is not given out again"
