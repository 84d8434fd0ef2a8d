# SPDX-License-Identifier: ISC
"""Subordinate ids through the real newuidmap, newgidmap, getsubids, unshare and libsubid; subuid exec and idmap."""

import contextlib
import grp
import json
import os
import pty
import pwd
import re
import signal
import subprocess
from pathlib import Path

import pytest

from conftest import ROOT, run, wait_until

INDEX = Path("/var/lib/subuidd/index")
CHAIN = Path("/var/lib/subuidd/subid-chain")
LIBDIR = Path("/usr/lib") / run("cc", "-print-multiarch").stdout.strip()
UNIT = 65536


class Namespace:
    """A process of a user in a user namespace that has no maps yet."""

    def __init__(self, user):
        self.user = user

    def __enter__(self):
        entry = pwd.getpwnam(self.user)
        self.process = subprocess.Popen(
            ["unshare", "--user", "sh", "-c", "echo ready; read line"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            user=entry.pw_uid, group=entry.pw_gid, extra_groups=[], cwd="/",
        )
        assert self.process.stdout.readline() == b"ready\n"
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait(60)

    def map(self, kind, *numbers, user=None):
        result = run(f"/usr/bin/new{kind}map", self.process.pid, *numbers, user=user or self.user, check=False)
        return result.returncode == 0

    def maps(self, kind):
        return Path(f"/proc/{self.process.pid}/{kind}_map").read_text().split()


def maps(user, kind, *numbers):
    with Namespace(user) as namespace:
        done = namespace.map(kind, *numbers)
        assert bool(namespace.maps(kind)) == done, "the kernel says otherwise"
        return done


def uid_of(name):
    return pwd.getpwnam(name).pw_uid


def add_range(host, owner, *name):
    text = host.subuid("range", "add", UNIT, *name, user=owner).stdout
    return int(re.search(r"from (\d+) on", text).group(1))


class Person:
    def __init__(self, host):
        self.name = host.new_user()
        host.subuid("add", "web1", user=self.name)
        self.account = f"{self.name}+web1"
        self.uid = uid_of(self.name)
        self.sub = uid_of(self.account)
        self.home = Path(f"/srv/subuid/{self.name}/web1/home")
        self.first = add_range(host, self.name)
        self.given = add_range(host, self.name, "web1")

    def as_account(self, script):
        """What the account's server does: as the account, in its home."""
        return subprocess.run(["sh", "-ec", script], user=self.sub, group=self.sub, check=True, cwd=self.home,
                              extra_groups=[grp.getgrnam("subuids").gr_gid], env={"PATH": "/usr/bin:/bin"})


@pytest.fixture(scope="module")
def alice(host):
    return Person(host)


@pytest.fixture(scope="module")
def bob(host):
    return Person(host)


@pytest.fixture
def files():
    """/etc/subuid and /etc/subgid, put back afterwards."""
    paths = [Path("/etc/subuid"), Path("/etc/subgid")]
    before = [path.read_bytes() if path.exists() else None for path in paths]
    yield paths
    for path, text in zip(paths, before):
        path.unlink(missing_ok=True)
        if text is not None:
            path.write_bytes(text)
            path.chmod(0o644)


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    program = tmp_path_factory.mktemp("client") / "subid_client"
    run("cc", "-o", program, ROOT / "tests/e2e/subid_client.c", "-lsubid")
    return lambda *words: run(program, *words, check=False)


# -- newuidmap and newgidmap


@pytest.mark.parametrize("kind", ["uid", "gid"])
def test_an_owner_maps_his_ranges_and_his_accounts(alice, kind):
    assert maps(alice.name, kind, 0, alice.uid, 1, 1, alice.sub, 1)
    assert maps(alice.name, kind, 0, alice.first, UNIT)
    assert maps(alice.name, kind, 0, alice.first + 7, UNIT - 7)
    assert maps(alice.name, kind, 0, alice.uid, 1, 1, alice.first, UNIT, UNIT + 1, alice.sub, 1)
    assert maps(alice.name, kind, 0, alice.given, UNIT)  # of his account, so his


@pytest.mark.parametrize("kind", ["uid", "gid"])
def test_a_sub_account_maps_what_was_given_to_it_and_nothing_of_its_owner(alice, kind):
    assert maps(alice.account, kind, 0, alice.given, UNIT)
    assert not maps(alice.account, kind, 0, alice.first, 1)
    assert not maps(alice.account, kind, 0, alice.uid, 1)


@pytest.mark.parametrize("kind", ["uid", "gid"])
def test_every_other_map_is_refused(alice, bob, kind):
    top = max(alice.first, alice.given) + UNIT
    if alice.given == alice.first + UNIT:  # nothing of his is behind it
        assert not maps(alice.name, kind, 0, alice.given, UNIT + 1)
    wrong = [
        (0, bob.sub, 1),
        (0, bob.first, UNIT),
        (0, bob.uid, 1),
        (0, alice.first - 1, 2) if alice.first - 1 != bob.given else (0, bob.first, 1),
        (0, top, 1),
        (0, alice.sub + 1, 1),
        (0, alice.sub - 1, 2),
        (0, alice.first, 0),
        (0, alice.first, 4294967295),
        (0, alice.first, 4294967296),
        (0, alice.first, 4294967296 + UNIT),
        (0, alice.first, 18446744073709551615),
        (0, 4294967296 + alice.first, 1),
        (0, 0, 1),
        (0, 65534, 1),
        (0, 65535, 1),
        (0, 4294967295, 1),
        (0, 4294967294, 2),
        (0, -1, 1),
        (0, alice.first, UNIT, UNIT, bob.first, 1),  # the first alone would do
    ]
    for numbers in wrong:
        assert not maps(alice.name, kind, *numbers), numbers


def test_nobody_maps_for_somebody_elses_process(alice, bob):
    with Namespace(bob.name) as namespace:
        assert not namespace.map("uid", 0, alice.first, 1, user=alice.name)


def test_what_is_taken_back_is_refused_from_then_on(host):
    owner = host.new_user()
    host.subuid("add", "short", user=owner)
    uid = uid_of(f"{owner}+short")
    first = add_range(host, owner)
    assert maps(owner, "uid", 0, uid, 1) and maps(owner, "gid", 0, first, UNIT)
    host.subuid("remove", "short", "--purge", user=owner)
    host.subuid("range", "remove", "--yes", first, user=owner)
    assert not maps(owner, "uid", 0, uid, 1)
    assert not maps(owner, "gid", 0, first, 1)


def test_an_owner_reads_what_his_account_closed_to_everybody_else(alice, bob):
    alice.as_account("umask 077; echo treasure > closed; chmod 0600 closed")
    argv = ["unshare", "--map-root-user", f"--map-users={alice.sub},1,1", f"--map-groups={alice.sub},1,1",
            "cat", alice.home / "closed"]
    assert run(*argv, user=alice.name).stdout == "treasure\n"
    assert run(*argv, user=bob.name, check=False).returncode != 0


# -- users who are known to the files alone


def test_users_in_the_files_keep_their_ids_by_name_and_by_uid(host, files):
    by_name, by_uid, uid_only = host.new_user(), host.new_user(), host.new_user()
    files[0].write_text(f"{by_name}:100000:{UNIT}\n{uid_of(by_uid)}:200000:{UNIT}\n{uid_only}:300000:{UNIT}\n")
    files[1].write_text(f"{by_name}:100000:{UNIT}\n{uid_of(by_uid)}:200000:{UNIT}\n")
    for user, first in [(by_name, 100000), (by_uid, 200000)]:
        for kind in ["uid", "gid"]:
            assert maps(user, kind, 0, first, UNIT)
            assert not maps(user, kind, 0, first, UNIT + 1)
            assert not maps(user, kind, 0, 300000 - first, 1)
        seen = run("unshare", "--map-auto", "--map-root-user", "cat", "/proc/self/uid_map", user=user).stdout.split()
        assert str(first) in seen
    # uid granted and gid not
    assert maps(uid_only, "uid", 0, 300000, UNIT)
    assert not maps(uid_only, "gid", 0, 300000, 1)


def test_a_file_that_others_may_write_grants_nothing(host, alice, files):
    user = host.new_user()
    files[0].write_text(f"{user}:100000:{UNIT}\n")
    assert maps(user, "uid", 0, 100000, UNIT)
    files[0].chmod(0o666)
    assert not maps(user, "uid", 0, 100000, UNIT)
    assert maps(alice.name, "uid", 0, alice.first, UNIT)  # the index does not ask it


def test_many_lines_do_not_matter_to_who_is_in_the_index(alice, files, client):
    with files[0].open("w") as out:
        out.writelines(f"user{i}:{100000 + i}:1\n" for i in range(200000))
    assert maps(alice.name, "uid", 0, alice.first, UNIT)
    assert client("ranges", "u", alice.name).returncode == 0


# -- libsubid, getsubids


def test_libsubid_lists_and_finds(alice, bob, client, files):
    files[0].write_text(f"{alice.name}:100000:10\n")
    files[1].write_text("")
    pieces = {tuple(map(int, line.split())) for line in client("ranges", "u", alice.name).stdout.splitlines()}
    ids = {id for first, count in pieces for id in (range(first, first + count) if count < 100 else ())}
    # what is listed for an owner does not grow with sub-accounts: it is granted all the same (below, and test_enter.py)
    assert alice.sub not in ids and 100000 in ids and 100009 in ids and bob.sub not in ids
    assert pieces == {(100000, 10), (alice.first, UNIT)}
    assert client("ranges", "g", alice.name).stdout == f"{alice.first} {UNIT}\n"
    assert client("ranges", "u", alice.account).stdout == f"{alice.given} {UNIT}\n"
    assert client("owners", "u", alice.sub).stdout == f"{alice.uid}\n"
    assert client("owners", "g", alice.first).stdout == f"{alice.uid}\n"
    assert client("owners", "u", alice.given).stdout.split() == [str(alice.uid), str(alice.sub)]
    assert client("owners", "u", 100005).stdout == f"{alice.uid}\n"
    assert client("owners", "g", 100005).stdout == ""
    assert client("owners", "u", 0).stdout == ""
    listed = run("getsubids", alice.name).stdout
    assert f" {alice.first} {UNIT}" in listed and f"{alice.name} 100000 10" in listed
    assert maps(alice.name, "uid", 0, alice.sub, 1) and maps(alice.name, "uid", 0, alice.given, UNIT), "granted"
    assert run("getsubids", "-g", alice.account).stdout.split()[2:] == [str(alice.given), str(UNIT)]


# -- doubt


def test_a_damaged_index_grants_nothing(alice, client, host, files):
    user = host.new_user()
    files[0].write_text(f"{user}:100000:{UNIT}\n")
    aside = INDEX.with_name("index.aside")
    good = INDEX.read_bytes()
    host.stop_daemon()  # or it makes the index anew
    os.rename(INDEX, aside)
    try:
        for at in [3, 20, 100, 356]:
            INDEX.write_bytes(good[:at] + bytes([good[at] ^ 0x10]) + good[at + 1:])
            INDEX.chmod(0o644)
            assert not maps(alice.name, "uid", 0, alice.first, 1), at
            assert not maps(alice.name, "uid", 0, alice.sub, 1)
            assert not maps(user, "uid", 0, 100000, 1)
            assert client("ranges", "u", alice.name).returncode == 1
            assert client("owners", "u", alice.sub).returncode == 1
            INDEX.unlink()
        INDEX.write_bytes(good)
        INDEX.chmod(0o666)  # anybody could have written it
        assert not maps(alice.name, "uid", 0, alice.first, 1)
        INDEX.unlink()
        INDEX.write_bytes(good[:-64])
        INDEX.chmod(0o644)
        assert not maps(alice.name, "uid", 0, alice.first, 1)
    finally:
        INDEX.unlink(missing_ok=True)
        os.rename(aside, INDEX)
        host.start_daemon()
    assert maps(alice.name, "uid", 0, alice.first, 1)


def test_the_files_do_not_speak_for_a_damaged_index(host, alice, files):
    """publish = both has such lines there: as long as the plug-in answers, what it cannot be sure of is refused."""
    for path in files:
        path.write_text(f"{alice.name}:{alice.first}:{UNIT}\n")
    assert maps(alice.name, "uid", 0, alice.first, UNIT) and maps(alice.name, "gid", 0, alice.first, UNIT)
    aside = INDEX.with_name("index.aside")
    good = INDEX.read_bytes()
    host.stop_daemon()  # or it makes the index anew
    os.rename(INDEX, aside)
    try:
        INDEX.write_bytes(good[:20] + bytes([good[20] ^ 0x10]) + good[21:])
        INDEX.chmod(0o644)
        assert not maps(alice.name, "uid", 0, alice.first, UNIT)
        assert not maps(alice.name, "gid", 0, alice.first, 1)
    finally:
        INDEX.unlink(missing_ok=True)
        os.rename(aside, INDEX)
        host.start_daemon()
    assert maps(alice.name, "uid", 0, alice.first, UNIT)


@pytest.mark.parametrize("fault", ["missing", "not a library", "without its functions", "for another machine"])
def test_without_a_plug_in_that_can_be_loaded_the_files_grant_nothing_more(host, alice, bob, files, fault):
    """libsubid then reads the files, with one line on standard error: what is in the index alone is refused."""
    plugin, aside = LIBDIR / "libsubid_subuid.so", LIBDIR / "libsubid_subuid.so.aside"
    user = host.new_user()
    for path in files:
        path.write_text(f"{user}:100000:{UNIT}\n")
    os.rename(plugin, aside)
    try:
        if fault == "not a library":
            plugin.write_text("not a library\n")
        elif fault == "without its functions":
            run("cc", "-shared", "-fPIC", "-x", "c", "-o", plugin, "/dev/null")
        elif fault == "for another machine":
            good = aside.read_bytes()
            plugin.write_bytes(good[:18] + b"\xf3\x00" + good[20:])
        for kind in ["uid", "gid"]:
            assert maps(user, kind, 0, 100000, UNIT), "the control: the files are what is read"
            assert not maps(user, kind, 0, 100000, UNIT + 1)
            assert not maps(user, kind, 0, alice.first, 1)
            assert not maps(alice.name, kind, 0, alice.first, 1)
            assert not maps(alice.name, kind, 0, alice.sub, 1)
            assert not maps(alice.name, kind, 0, bob.first, 1)
            assert not maps(alice.account, kind, 0, alice.given, 1)
    finally:
        plugin.unlink(missing_ok=True)
        os.rename(aside, plugin)
    assert maps(alice.name, "uid", 0, alice.first, UNIT)


@pytest.mark.parametrize("first, second", [("uid", "gid"), ("gid", "uid")])
def test_what_is_granted_as_one_kind_is_not_as_the_other(host, files, first, second):
    """Also across the end of what the index grants as both."""
    paths = dict(zip(["uid", "gid"], files))
    owner = host.new_user()
    host.subuid("add", "newest", user=owner)
    sub = uid_of(f"{owner}+newest")  # what is behind it is nobody's yet
    paths[first].write_text(f"{owner}:{sub + 1}:10\n")
    paths[second].write_text("")
    assert maps(owner, first, 0, sub, 11)
    assert not maps(owner, first, 0, sub, 12)
    assert not maps(owner, second, 0, sub, 11)
    assert not maps(owner, second, 0, sub + 1, 1)
    assert maps(owner, second, 0, sub, 1)


def test_all_of_it_goes_on_while_the_daemon_is_down(host, alice):
    host.stop_daemon(signal.SIGKILL)
    try:
        assert maps(alice.name, "uid", 0, alice.first, UNIT)
        assert not maps(alice.name, "uid", 0, 0, 1)
        assert host.subuid("exec", "web1", "--", "id", "-u", user=alice.name).stdout == "0\n"
    finally:
        host.start_daemon()


# -- the plug-in that was there before


def test_the_plugin_that_was_configured_before_goes_on_being_asked(host, alice):
    plugin = LIBDIR / "libsubid_chained.so"
    run("useradd", "chained")
    try:
        assert not maps("chained", "uid", 0, 500000, 1)
        run("cc", "-shared", "-fPIC", "-o", plugin, ROOT / "tests/unit/libsubid_chained.c")
        CHAIN.write_text("chained\n")
        CHAIN.chmod(0o644)
        assert maps("chained", "uid", 0, 500000, UNIT)
        assert not maps("chained", "uid", 0, 500000, UNIT + 1)
        assert not maps("chained", "gid", 0, 500000, 1)
        assert not maps(alice.name, "uid", 0, 500000, 1)
        CHAIN.chmod(0o666)
        assert not maps("chained", "uid", 0, 500000, 1)
        CHAIN.chmod(0o644)
        plugin.unlink()
        assert not maps("chained", "uid", 0, 500000, 1)
        assert maps(alice.name, "uid", 0, alice.first, UNIT)
    finally:
        CHAIN.unlink(missing_ok=True)
        plugin.unlink(missing_ok=True)
        run("userdel", "chained")


# -- subuid idmap


def test_idmap_is_what_the_tools_take(host, alice, bob):
    words = host.subuid("idmap", user=alice.name).stdout.split()
    assert words == ["0", str(alice.first), str(UNIT)]
    assert maps(alice.name, "uid", *words) and maps(alice.name, "gid", *words)
    lxc = host.subuid("idmap", "web1", "--format", "lxc", user=alice.name).stdout
    assert lxc == f"lxc.idmap = u 0 {alice.given} {UNIT}\nlxc.idmap = g 0 {alice.given} {UNIT}\n"
    podman = host.subuid("idmap", "--format", "podman", user=alice.name).stdout
    assert podman == f"--uidmap 0:@{alice.first}:{UNIT} --gidmap 0:@{alice.first}:{UNIT}\n"
    assert host.subuid_json("idmap", "--owner", alice.name) == [{"inside": 0, "first": alice.first, "count": UNIT}]
    second = add_range(host, bob.name)
    assert host.subuid("idmap", user=bob.name).stdout.split() == [
        str(number) for i, first in enumerate(sorted([bob.first, second])) for number in (i * UNIT, first, UNIT)]
    poor = host.new_user()
    assert host.subuid("idmap", user=poor, check=False).returncode == 3
    assert host.subuid("idmap", "--format", "docker", user=poor, check=False).returncode == 2
    assert host.subuid("idmap", "nosuch", user=poor, check=False).returncode == 3


@pytest.fixture
def podman():
    """A podman that says this version; the real ones run in make check-containers."""
    program = Path("/usr/bin/podman")
    assert not program.exists()

    def install(version):
        program.write_text(f"#!/bin/sh\n[ \"$*\" = --version ] && echo podman version {version}\n")
        program.chmod(0o755)

    yield install
    program.unlink(missing_ok=True)


def test_idmap_for_podman_is_what_the_installed_one_understands(host, podman, files):
    """Before version 5 a number is a position among the ids that libsubid lists, by number, and these may differ for gids."""
    owner = host.new_user()
    for file in files:
        file.write_text(f"{owner}:100000:{UNIT}\n")
    first, second, apart = (add_range(host, owner) for _ in range(3))
    with files[1].open("a") as text:  # behind the ranges in the list, and before them in podman's namespace
        text.write(f"{owner}:700000:1000\n")
    assert run("getsubids", owner).stdout.count("\n") + 1 == run("getsubids", "-g", owner).stdout.count("\n")

    def idmap(form, *words):
        return host.subuid("idmap", "--format", form, *words, user=owner).stdout.split()

    ranges = [(i * UNIT, start) for i, start in enumerate([first, second, apart])]
    new = [text for inside, start in ranges
           for text in (f"{inside}:@{start}:{UNIT}", f"{inside}:@{start}:{UNIT}")]
    old = [text for inside, _ in ranges
           for text in (f"{inside}:{1 + UNIT + inside}:{UNIT}", f"{inside}:{1 + UNIT + 1000 + inside}:{UNIT}")]
    for version, maps in ((None, new), ("5.4.2", new), ("10.0.0-dev", new), ("4.3.1", old), ("4.9.3", old)):
        if version is not None:
            podman(version)
        assert idmap("podman")[1::2] == maps and idmap("podman")[::2] == ["--uidmap", "--gidmap"] * 3, version
        assert idmap("quadlet") == [f"{key}={text}" for key, text in zip(["UIDMap", "GIDMap"] * 3, maps)], version
    # a range of an account's is the first of what the account has
    host.subuid("add", "web1", user=owner)
    add_range(host, owner, "web1")
    assert idmap("podman", "web1") == ["--uidmap", f"0:1:{UNIT}", "--gidmap", f"0:1:{UNIT}"]
    # and what libsubid does not list, podman cannot map
    files[1].chmod(0o666)
    result = host.subuid("idmap", "--format", "podman", user=owner, check=False)
    assert result.returncode == 1 and result.stdout == "" and "getsubids" in result.stderr


# -- subuid exec, subuid shell


def execute(host, person, *argv, check=True, input=None):
    return host.subuid("exec", *argv, user=person.name, check=check, input=input)


def test_exec_deletes_and_repairs_whatever_modes_it_has(host, alice):
    alice.as_account("mkdir -p t/a/b/c; echo x > t/a/b/c/f; touch t/g; chmod 0 t/a/b/c/f t/a/b/c t/a/b t/a t/g t")
    assert run("rm", "-rf", alice.home / "t", user=alice.name, check=False).returncode != 0
    assert execute(host, alice, "web1", "--", "cat", "t/a/b/c/f").stdout == "x\n"
    execute(host, alice, "web1", "--", "chmod", "-R", "u+rwX", "t/a")
    alice.as_account("chmod 0700 t; cat t/a/b/c/f; chmod 0 t")
    execute(host, alice, "web1", "--", "rm", "-rf", "t")
    assert not (alice.home / "t").exists()


def test_exec_is_root_in_the_home_with_all_ids_of_the_account(host, alice):
    script = "id -u; pwd; cat /proc/self/uid_map /proc/self/gid_map; echo $SUBUID_ACCOUNT $SUBUID_UID"
    lines = execute(host, alice, "web1", "sh", "-c", script).stdout.splitlines()
    one = [f"0 {alice.uid} 1", f"{alice.sub} {alice.sub} 1", f"{alice.given} {alice.given} {UNIT}"]
    assert lines[:2] == ["0", str(alice.home)]
    assert [" ".join(line.split()) for line in lines[2:-1]] == one + one
    assert lines[-1] == f"{alice.account} {alice.sub}"
    execute(host, alice, "web1", "--", "sh", "-c",
            f"echo a > mine; echo b > given; chown {alice.given + 5}:{alice.given + 6} given; echo c > its; "
            "chown $SUBUID_UID:$SUBUID_UID its; : > ~/own-file")
    found = {name: os.stat(alice.home / name) for name in ["mine", "given", "its"]}
    assert (found["mine"].st_uid, found["mine"].st_gid) == (alice.uid, alice.uid)
    assert (found["given"].st_uid, found["given"].st_gid) == (alice.given + 5, alice.given + 6)
    assert (found["its"].st_uid, found["its"].st_gid) == (alice.sub, alice.sub)
    assert os.stat(f"/home/{alice.name}/own-file").st_uid == alice.uid
    execute(host, alice, "web1", "rm", "mine", "given", "its")


def test_exec_is_no_way_to_files_of_others(host, alice, bob):
    secret = f"/home/{bob.name}/secret"
    run("sh", "-c", f"umask 077; echo x > {secret}; chmod 700 /home/{bob.name}", user=bob.name)
    for argv in [("cat", "/etc/shadow"), ("cat", secret), ("ls", bob.home), ("ls", f"/home/{bob.name}")]:
        assert execute(host, alice, "web1", "--", *argv, check=False).returncode != 0, argv
    assert execute(host, alice, "web1", "--", "chown", "1", "/etc/hostname", check=False).returncode != 0
    assert execute(host, alice, "web1", "--", "touch", "/etc/x", check=False).returncode != 0


def test_exec_follows_no_link_that_the_account_made(host, alice):
    secret = Path(f"/home/{alice.name}/precious")
    run("sh", "-c", f"echo precious > {secret}; chmod 600 {secret}", user=alice.name)
    alice.as_account(f"ln -s {secret} link; ln -s /home/{alice.name} directory")
    assert execute(host, alice, "web1", "--", "cat", "link", check=False).returncode != 0
    assert execute(host, alice, "web1", "--", "sh", "-c", "echo gone > link", check=False).returncode != 0
    assert execute(host, alice, "web1", "--", "sh", "-c", "echo gone > directory/precious", check=False).returncode != 0
    assert execute(host, alice, "web1", "readlink", "link").stdout == f"{secret}\n"
    assert secret.read_text() == "precious\n"
    assert execute(host, alice, "--follow-links", "web1", "--", "cat", "link").stdout == "precious\n"
    execute(host, alice, "web1", "rm", "link", "directory")
    assert secret.exists()


def test_exec_as_the_account_for_what_it_gave_to_its_other_group(host, alice):
    group = grp.getgrnam("subuids").gr_gid
    alice.as_account(f"mkdir -p odd/inner; touch odd/inner/f; chgrp -R {group} odd; chmod 0 odd/inner odd")
    # neither of uid and gid alone makes it root's here
    assert execute(host, alice, "web1", "--", "rm", "-rf", "odd", check=False).returncode != 0
    execute(host, alice, "--as-account", "web1", "--", "chmod", "-R", "u+rwX", "odd")
    assert execute(host, alice, "--as-account", "web1", "--", "id", "-u").stdout == f"{alice.sub}\n"
    execute(host, alice, "--as-account", "web1", "--", "rm", "-rf", "odd")
    assert not (alice.home / "odd").exists()


@pytest.mark.parametrize("words", [[], ["--follow-links"], ["--as-account"]], ids=lambda words: " ".join(words) or "plain")
def test_in_exec_no_set_uid_file_counts(host, alice, words):
    """The account's own, run by root of the namespace, would give it the account's uid."""
    alice.as_account("cp /usr/bin/id planted; chmod 6755 planted")
    execute(host, alice, "web1", "--", "cp", "/usr/bin/id", "own")
    execute(host, alice, "web1", "--", "chmod", "6755", "own")
    try:
        uid = execute(host, alice, *words, "web1", "--", "id", "-u").stdout
        for name in "planted", "own":
            assert execute(host, alice, *words, "web1", "--", f"./{name}", "-u").stdout == uid, name
        assert "NoNewPrivs:\t1" in execute(host, alice, *words, "web1", "--", "cat", "/proc/self/status").stdout
    finally:
        execute(host, alice, "web1", "--", "rm", "-f", "planted", "own")


TYPES = """
import errno, fcntl, termios
for path in (0, "/dev/tty"):
    try:
        fcntl.ioctl(open(path), termios.TIOCSTI, b"x")
        print("typed")
    except OSError as error:
        print(errno.errorcode[error.errno])
"""


def on_a_terminal(person, words):
    """What they print, with a terminal of their own as the controlling one."""
    entry = pwd.getpwnam(person.name)
    pid, terminal = pty.fork()
    if pid == 0:
        os.setgroups([])
        os.setresgid(entry.pw_gid, entry.pw_gid, entry.pw_gid)
        os.setresuid(entry.pw_uid, entry.pw_uid, entry.pw_uid)
        os.execv(words[0], words)
    said = b""
    with contextlib.suppress(OSError):  # EIO: its end
        while (part := os.read(terminal, 4096)) != b"":
            said += part
    os.close(terminal)
    os.waitpid(pid, 0)
    return said.decode()


# The control: the owner's own command may type on the owner's terminal, if this kernel lets anybody.
@pytest.mark.parametrize("words", [["--as-account"], []], ids=["account", "control"])
def test_what_runs_as_the_account_types_nothing_on_the_owners_terminal(host, alice, words):
    said = on_a_terminal(alice, ["/usr/bin/subuid", "exec", *words, "web1", "--", "/usr/bin/python3", "-c", TYPES])
    free = "typed" if Path("/proc/sys/dev/tty/legacy_tiocsti").read_text() == "1\n" else "EIO"
    assert re.findall(r"typed|E[A-Z]+", said) == (["EPERM"] * 2 if words else [free] * 2), said


# keyctl(2): join a session keyring, add_key(2), search it, read.
KEYS = """
import ctypes, os, sys
call = ctypes.CDLL(None, use_errno=True).syscall
KEYCTL, ADD_KEY, SESSION = 250, 248, -3
if sys.argv[1] == "own":
    assert call(KEYCTL, 1, None) >= 0 and call(ADD_KEY, b"user", b"secret", b"treasure", 8, SESSION) >= 0
    os.execv("/usr/bin/subuid", ["subuid", "exec", *sys.argv[2:], "web1", "--", "/usr/bin/python3", "-c", os.environ["SCRIPT"], "read"])
key, text = call(KEYCTL, 10, SESSION, b"user", b"secret", 0), ctypes.create_string_buffer(16)
print(text.value.decode() if key >= 0 and call(KEYCTL, 11, key, text, 16) >= 0 else "none")
"""


@pytest.mark.parametrize("words", [["--as-account"], []], ids=["account", "control"])
def test_what_runs_as_the_account_has_no_keys_of_the_owners(host, alice, words):
    said = run("/usr/bin/python3", "-c", KEYS, "own", *words, user=alice.name, env={**os.environ, "SCRIPT": KEYS}).stdout
    assert said == ("none\n" if words else "treasure\n")


def test_exec_passes_exit_status_signals_and_streams(host, alice):
    for status in [0, 1, 42, 255]:
        assert execute(host, alice, "web1", "--", "sh", "-c", f"exit {status}", check=False).returncode == status
    for number in [signal.SIGTERM, signal.SIGPIPE, signal.SIGKILL]:
        result = execute(host, alice, "web1", "--", "sh", "-c", f"kill -{int(number)} $$", check=False)
        assert result.returncode == -number
    assert execute(host, alice, "web1", "--", "cat", input="through\n").stdout == "through\n"
    assert execute(host, alice, "web1", "--", "echo", "-n", "--", "--help").stdout == "-- --help"
    entry = pwd.getpwnam(alice.name)
    process = subprocess.Popen(
        ["subuid", "exec", "web1", "--", "sh", "-c", "trap 'exit 43' TERM; trap 'echo usr1' USR1; echo ready; "
         "while :; do sleep 0.05; done"],
        user=entry.pw_uid, group=entry.pw_gid, extra_groups=[], stdout=subprocess.PIPE, cwd="/")
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGUSR1)
    assert process.stdout.readline() == b"usr1\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 43


def test_exec_says_what_is_wrong(host, alice, bob):
    cases = [
        (("nosuch", "--", "true"), 3, "no such account"),
        ((bob.account, "--", "true"), 5, "not yours"),
        (("Web1", "--", "true"), 2, "not the name"),
        (("web1",), 2, "missing"),
        (("web1", "--"), 2, "missing"),
        (("--", "true"), 2, "label"),
        (("--no-such", "web1", "true"), 2, "--no-such"),
        (("web1", "--", "/etc/passwd"), 126, "Permission denied"),
        (("web1", "--", "/no/such"), 127, "No such file"),
    ]
    for argv, status, text in cases:
        result = execute(host, alice, *argv, check=False)
        assert (result.returncode, text in result.stderr) == (status, True), (argv, result)
    result = host.subuid("exec", alice.account, "--", "true", check=False)  # root is not the owner
    assert result.returncode == 5
    assert "usage: subuid exec" in execute(host, alice, "--help").stdout
    mapper, aside = Path("/usr/bin/newuidmap"), Path("/usr/bin/newuidmap.aside")
    mapper.rename(aside)
    host.stop_daemon()  # which needs no mapper
    try:
        result = execute(host, alice, "web1", "--", "true", check=False)
        assert result.returncode == 1 and "uidmap" in result.stderr and "not installed" in result.stderr
    finally:
        aside.rename(mapper)
        host.start_daemon()


def test_exec_where_no_user_namespace_can_be_made_says_so(host, alice, tmp_path):
    run("mount", "--rbind", "--make-rslave", "/", tmp_path)  # in a chroot the kernel makes none
    try:
        result = run("chroot", f"--userspec={alice.uid}:{alice.uid}", "--groups=", tmp_path, "/usr/bin/subuid", "exec",
                     "web1", "--", "true", check=False)
        assert result.returncode == 1
        assert re.match(r"subuid: user namespace: Operation not permitted; .*unprivileged_userns", result.stderr)
    finally:
        run("umount", "--recursive", "--lazy", tmp_path)


def test_exec_leaves_no_mount_and_no_process_behind(host, alice):
    before = Path("/proc/self/mountinfo").read_text()
    execute(host, alice, "web1", "--", "true")
    assert Path("/proc/self/mountinfo").read_text() == before
    wait_until(lambda: not run("pgrep", "-u", alice.name, check=False).stdout, "no process of his")


def test_shell_is_the_users(host, alice):
    result = host.subuid("shell", "web1", user=alice.name, input="pwd; id -u; exit 9\n", check=False)
    assert result.returncode == 9 and result.stdout == f"{alice.home}\n0\n"
    result = run("subuid", "shell", "web1", user=alice.name, env={"SHELL": "/bin/echo"})
    assert result.stdout == "\n"
    assert host.subuid("shell", "web1", "extra", user=alice.name, check=False).returncode == 2


def test_exec_with_more_ranges_than_can_be_mapped_says_so(host):
    person = Person(host)
    host.subuid("limit", person.name, "--ranges", 400)
    execute(host, person, "web1", "--", "true")
    for _ in range(150):  # alternating, so that none are neighbours
        add_range(host, person.name, "web1")
        add_range(host, person.name)
    result = execute(host, person, "web1", "--", "true", check=False)
    assert result.returncode == 1 and "more ranges than the kernel maps" in result.stderr
