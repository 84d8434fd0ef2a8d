# SPDX-License-Identifier: ISC
"""Saving, verifying and loading the state; repairing it without any save; daily copies; moving to another host."""

import concurrent.futures
import contextlib
import hashlib
import json
import os
import pwd
import re
import shutil
import signal
import socket
import sqlite3
import struct
import subprocess
import time
from pathlib import Path

import pytest

from conftest import ROOT, SOCKET, call, call_as, run, wait_until

API = "io.subuidd.Accounts."
STATE = Path("/var/lib/subuidd")
HOMES = Path("/srv/subuid")
PROGRAM = "/usr/libexec/subuidd/state"
KEPT = STATE / "state.db.before-load"


# -- the host, taken apart and put together


@pytest.fixture(autouse=True)
def empty_host(host):
    """Each test has the host for itself, and leaves it as nobody has used it."""
    yield
    if host.daemon is not None:
        host.stop_daemon()
    wipe(homes=True)
    links_remove()
    host.start_daemon()


def check_is_sound(host):
    result = host.subuid("check", "--all", check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def add(owner, label, **more):
    reply = call(API + "Add", {"owner": owner, "label": label, **more})
    assert "error" not in reply, reply
    return reply["parameters"]["account"]["uid"]


def names(host):
    return {row["name"]: row["uid"] for row in host.subuid_json("list", "--all")}


def save(host, path):
    host.subuid("state", "save", path)
    return path


@contextlib.contextmanager
def stopped(host):
    host.stop_daemon()
    yield
    host.start_daemon()


def load(host, path, *options, check=True):
    return host.subuid("state", "load", *options, path, check=check)


def views_unmount():
    for line in run("findmnt", "-rno", "TARGET").stdout.splitlines():
        if line.startswith(f"{HOMES}/"):
            run("umount", "-l", line)


def wipe(homes=False):
    """What a lost disk leaves; with the homes: another host, which knows of nothing."""
    shutil.rmtree(STATE, ignore_errors=True)
    if homes:
        shutil.rmtree("/var/backups/subuidd", ignore_errors=True)
        views_unmount()
        shutil.rmtree(HOMES)
        HOMES.mkdir(mode=0o711)


def links_remove():
    for home in Path("/home").iterdir():
        shutil.rmtree(home / "subuid", ignore_errors=True)


def all_that_is_told(host):
    """Everything that people and programs see of this host's accounts."""
    rows = host.subuid_json("list", "--all")
    whole = {"list": rows, "export": host.subuid("export").stdout}
    for row in rows:
        whole[row["name"]] = [host.subuid_json("show", row["name"]), host.subuid_json("log", row["name"])]
    whole["audit"] = [entry for entry in host.subuid_json("audit", "--all", "-n", "100000")
                      if not entry["action"].startswith("state.")]
    return whole


# -- saving


def test_a_copy_of_state_db_is_no_backup_and_a_save_is(host, tmp_path):
    """The control first: what was acknowledged is in the log, and a copy of the file knows less."""
    owner = host.new_user()
    host.subuid("limit", owner, "--accounts", "1000")
    host.restart_daemon()  # the log is brought into the file at its end
    for n in range(60):
        add(owner, f"n{n}")
    shutil.copy(STATE / "state.db", tmp_path / "copy.db")
    with contextlib.closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
        (copied,) = copy.execute("SELECT count(*) FROM accounts WHERE owner = ?", [owner]).fetchone()
    assert copied < 60, "the control: otherwise this test shows nothing"
    there = len(names(host))
    file = save(host, tmp_path / "saved")
    assert host.subuid_json("state", "verify", file)["accounts"] == there
    with stopped(host):
        wipe()
        load(host, file)
    assert len([name for name in names(host) if name.startswith(f"{owner}+n")]) == 60


def test_everything_is_in_it(host, tmp_path):
    owner, name, key = host.account(tmp_path, "push", "web1", None, "--range", "65536", "--expires", "2031-12-31",
                                    "--comment", "the first")
    (tmp_path / "data").mkdir()
    (tmp_path / "data/file").write_text("pushed")
    host.rsync(key, "-a", f"{tmp_path}/data/", f"{name}@127.0.0.1:")
    wait_until(lambda: host.subuid_json("log", name), "the run is known")
    host.subuid("set", name, "--alarm", "26h")
    host.subuid("limit", owner, "--accounts", "77", "--keys", "5")
    host.subuid("range", "add", "65536", "--owner", owner)
    for label in ("gone", "aside", "locked"):
        add(owner, label)
    host.subuid("remove", f"{owner}+gone", "--purge", "--yes")
    host.subuid("remove", f"{owner}+aside", "--keep-home", "--yes")
    host.subuid("lock", f"{owner}+locked")
    file = save(host, tmp_path / "saved")
    before = all_that_is_told(host)
    assert before[name][0]["account"]["lastGood"] > 0 and before[name][0]["account"]["alarm"] == 26 * 3600
    with stopped(host):
        with contextlib.closing(sqlite3.connect(STATE / "state.db")) as store:
            removed, runs = [store.execute(f"SELECT * FROM {table}").fetchall() for table in ("removed", "runs")]
        wipe()
        assert "loaded" in load(host, file).stdout
        with contextlib.closing(sqlite3.connect(STATE / "state.db")) as store:
            assert [store.execute(f"SELECT * FROM {table}").fetchall() for table in ("removed", "runs")] == [removed, runs]
    assert all_that_is_told(host) == before
    assert run("cat", f"/home/{owner}/subuid/web1/file", user=owner).stdout == "pushed"
    host.rsync(key, "-a", f"{tmp_path}/data/", f"{name}@127.0.0.1:again")


def test_bounds_come_back_and_hold(host, tmp_path):
    """Of an account and of an owner's limit, out of a save: they are told as they were, and a session has them."""
    words = ("--processes", "64", "--memory", "300M", "--open-files", "128", "--file-size", "1M", "--cpu-weight", "20",
             "--io-weight", "30", "--sessions", "3", "--logins", "500", "--bandwidth", "1G")
    owner, name, key = host.account(tmp_path, "shell", "web1", None, *words)
    _, other, its = host.account(tmp_path, "shell", "web2", owner)
    host.subuid("limit", owner, *words[:-6], "--open-files", "200")
    told = [host.subuid_json("show", name)["account"], host.subuid_json("show", other)["account"], host.subuid_json("limit", owner)]
    asked = "ulimit -Hu; ulimit -Hn; ulimit -Hf"
    file = save(host, tmp_path / "saved")
    host.subuid("set", name, "--processes", "default", "--open-files", "default")
    host.subuid("limit", owner, "--reset")
    assert host.ssh(key, name, asked).stdout.split()[0] == "512", "the control: it holds no more"
    for lost in (False, True):
        with stopped(host):
            if lost:
                wipe()
            else:
                refused = load(host, file, check=False)
                assert refused.returncode == 4, refused
                assert re.search(rf"^newer here: {re.escape(name)} .* processes default here and 64 in the file$", refused.stdout, re.M)
                assert f"newer here: individual limits of {owner} are only in the file\n" in refused.stdout
            load(host, file, "--yes")
        assert [host.subuid_json("show", name)["account"], host.subuid_json("show", other)["account"],
                host.subuid_json("limit", owner)] == told
        assert host.ssh(key, name, asked).stdout.split() == ["64", "128", "1024"]
        assert host.ssh(its, other, asked).stdout.split() == ["64", "200", "1024"]
    check_is_sound(host)


def test_a_save_is_roots_alone(host, tmp_path):
    owner = host.new_user()
    assert call_as(owner, API + "StateSave")["error"] == API + "NotPermitted"
    for words in (("save", "-"), ("load", "/dev/null")):
        assert host.subuid("state", *words, user=owner, check=False).returncode == 5
    file = save(host, tmp_path / "saved")
    assert file.stat().st_mode & 0o7777 == 0o600
    assert not (STATE / "save").exists(), "it is taken away"
    assert run(PROGRAM, "load", file, user=owner, check=False).returncode == 5


def test_where_it_goes(host, tmp_path):
    file = save(host, tmp_path / "saved")
    save(host, file)  # over one of its own
    other = tmp_path / "other"
    other.write_text("precious\n")
    refused = host.subuid("state", "save", other, check=False)
    assert refused.returncode == 4 and "not a saved state" in refused.stderr and other.read_text() == "precious\n"
    link = tmp_path / "link"
    link.symlink_to(other)
    assert host.subuid("state", "save", link, check=False).returncode == 4
    assert host.subuid("state", "save", "--force", link, check=False).returncode == 4
    assert host.subuid("state", "save", "--force", tmp_path, check=False).returncode == 4
    assert host.subuid("state", "save", tmp_path / "no/such", check=False).returncode == 1
    host.subuid("state", "save", "--force", other)
    with open(tmp_path / "stream", "wb") as stream:
        subprocess.run(["subuid", "state", "save", "-"], stdout=stream, check=True)
    for sound in (other, tmp_path / "stream"):
        assert "It is sound" in host.subuid("state", "verify", sound).stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "other", "saved", "stream"], "nothing beside it"
    with open("/dev/full", "wb") as full:
        assert subprocess.run(["subuid", "state", "save", "-"], stdout=full, stderr=subprocess.DEVNULL).returncode == 1


def test_saving_goes_on_beside_changes_checks_and_other_saves(host, tmp_path):
    owner = host.new_user()
    host.subuid("limit", owner, "--accounts", "1000")

    def one(n):
        if n % 3 == 0:
            return host.subuid("check", "--all", check=False).returncode
        if n % 3 == 1:
            return add(owner, f"beside{n}") > 0
        uid = add(owner, f"before{n}")
        file = save(host, tmp_path / f"saved{n}")
        host.subuid("state", "verify", file)
        image = file.read_bytes().split(b"\n\n", 1)[1][:-72]
        (tmp_path / f"image{n}").write_bytes(image)
        with contextlib.closing(sqlite3.connect(f"file:{tmp_path}/image{n}?immutable=1", uri=True)) as store:
            assert store.execute("SELECT label FROM accounts WHERE uid = ?", [uid]).fetchone() == (f"before{n}",)
        return True

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        list(pool.map(one, range(24)))
    assert not (STATE / "save").exists() and not (STATE / "save.new").exists()


def test_a_client_that_goes_leaves_no_save_waiting(host, tmp_path):
    """The file stays until the next one takes it away: it is whole, and root's."""
    with socket.socket(socket.AF_UNIX) as peer:
        peer.connect(SOCKET)
        peer.sendall(json.dumps({"method": API + "StateSave", "parameters": {}}).encode() + b"\0")
    wait_until((STATE / "save").exists, "it is written")
    assert (STATE / "save").stat().st_mode & 0o7777 == 0o600
    save(host, tmp_path / "saved")
    assert not (STATE / "save").exists()


def test_without_a_daemon_it_saves_by_itself(host, tmp_path):
    owner = host.new_user()
    add(owner, "web1")
    host.stop_daemon(signal.SIGKILL)  # the log is as it was
    file = save(host, tmp_path / "saved")
    host.start_daemon()
    assert host.subuid_json("state", "verify", file)["accounts"] == len(names(host))


def test_a_store_that_knows_less_does_not_take_the_place_of_daily_copies(host, tmp_path):
    owner = host.new_user()
    with stopped(host):
        shutil.copy(STATE / "state.db", tmp_path / "older.db")
    add(owner, "newer")
    host.subuid("state", "save", "--daily")
    (copy,) = Path("/var/backups/subuidd").glob("state-*")
    whole = copy.read_bytes()
    host.stop_daemon()
    newest = (STATE / "state.db").read_bytes()
    (STATE / "state.db").write_bytes((tmp_path / "older.db").read_bytes())
    refused = host.subuid("state", "save", "--daily", check=False)
    assert refused.returncode == 1 and "no copy was made" in refused.stderr, refused
    assert copy.read_bytes() == whole
    warned = host.subuid("state", "save", tmp_path / "what there is")
    assert "warning: the store is older" in warned.stderr
    (STATE / "state.db").unlink()
    assert host.subuid("state", "save", tmp_path / "nothing", check=False).returncode == 3
    assert not (STATE / "state.db").exists(), "none is made"
    (STATE / "state.db").write_bytes(newest)
    (STATE / "state.db").chmod(0o600)
    host.start_daemon()
    shutil.rmtree("/var/backups/subuidd")


# -- files that are not to be believed


def damaged(whole):
    at = whole.index(b"\n\n") + 2
    yield "cut off in its header", whole[:100], "ends early"
    yield "cut off in its middle", whole[: len(whole) // 2], "ends early"
    yield "without its last byte", whole[:-1], "ends early"
    yield "empty", b"", "ends early"
    yield "with more behind it", whole + b"\n", "follows its end"
    for place in range(25, len(whole), max(1, len(whole) // 23)):
        yield f"flipped at {place}", whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1:], ""
    yield "a database", whole[at:-72], "not a saved state"
    yield "of a newer program", whole.replace(b"subuidd saved state 1", b"subuidd saved state 2", 1), "newer subuidd"
    head = re.sub(rb"schema \d+", b"schema 99", whole[:at]) + whole[at:-72]
    yield "of a newer schema", sealed(head), "install that one"
    yield "with another header", sealed(re.sub(rb"accounts \d+", b"accounts 4711", whole[:at]) + whole[at:-72]), "something else"
    page = bytearray(whole[at:-72])
    page[4096 * 3: 4096 * 4] = os.urandom(4096)
    yield "with a page of noise", sealed(whole[:at] + bytes(page)), ""


def sealed(body):
    return body + b"sha256 " + hashlib.sha256(body).hexdigest().encode() + b"\n"


def test_what_is_damaged_is_refused_with_words_and_nothing_changes(host, tmp_path):
    owner = host.new_user()
    add(owner, "web1")
    whole = save(host, tmp_path / "saved").read_bytes()
    assert sealed(whole[:-72]) == whole, "the control: this is how it is sealed"
    host.stop_daemon()
    before = {path.name: path.read_bytes() for path in STATE.iterdir() if path.is_file()}
    for what, content, words in damaged(whole):
        (tmp_path / "damaged").write_bytes(content)
        for verb in ("verify", "load"):
            for argument, stream in ((tmp_path / "damaged", None), ("-", tmp_path / "damaged")):
                with open(stream or "/dev/null", "rb") as stdin:
                    result = subprocess.run(["subuid", "state", verb, argument], stdin=stdin, capture_output=True, text=True)
                assert result.returncode == 1 and words in result.stderr, (what, verb, result)
                assert re.fullmatch(r"subuid: [^:]+: .+\n", result.stderr), (what, result.stderr)
    assert {path.name: path.read_bytes() for path in STATE.iterdir() if path.is_file()} == before
    assert not (STATE / "loading").exists() and not list(Path("/var/tmp").glob("subuid-state.*"))
    assert host.subuid("state", "load", tmp_path / "absent", check=False).returncode == 3


def test_a_save_of_an_older_schema_is_loaded(host, tmp_path):
    """One as version 5 of the database made it: before there was an identity, made into a file by hand."""
    owner = host.new_user()
    add(owner, "web1")
    whole = save(host, tmp_path / "saved").read_bytes()
    at = whole.index(b"\n\n") + 2
    older = re.sub(rb"schema \d+", b"schema 1", whole[:at]) + whole[at:-72]
    (tmp_path / "older").write_bytes(sealed(older))
    assert host.subuid("state", "verify", tmp_path / "older").returncode == 0


# -- loading on a live host


def test_loading_needs_the_daemon_stopped(host, tmp_path):
    file = save(host, tmp_path / "saved")
    for options in ([], ["--dry-run"], ["--yes"]):
        refused = load(host, file, *options, check=False)
        assert refused.returncode == 4 and "systemctl stop subuidd.socket subuidd" in refused.stderr, refused
        assert str(host.daemon.pid) in refused.stderr


def peer_of_socket():
    with socket.socket(socket.AF_UNIX) as peer:
        peer.connect(SOCKET)
        return struct.unpack("3i", peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]


SYSTEMCTL = """#!/bin/sh
echo "$*" >>/run/systemctl/calls
cd /run/systemctl
case "$*" in
is-active*service) [ -e active ] && kill -0 "$(cat active)" 2>/dev/null ;;
is-active*|is-enabled*) exit 0 ;;
is-failed*service) [ -e failed ] ;;
reset-failed*) rm -f failed ;;
stop*) [ ! -e active ] || rm active ;;
start*service) [ ! -e failed ] || exit 1; [ -e broken ] || { sleep 1000 & echo $! >active; } ;;
esac
"""


@pytest.mark.parametrize("broken", [False, True], ids=["runs again", "does not stay"])
def test_restart_of_a_service_that_systemd_has_given_up(host, tmp_path, broken):
    """At the limit of starts the service is failed behind its socket. No systemd runs here: a program answers in its place."""
    file = save(host, tmp_path / "saved")
    for directory in ("/run/systemctl", "/run/systemd/system"):
        os.makedirs(directory, exist_ok=True)
    state = Path("/run/systemctl")
    (state / "failed").touch()
    if broken:
        (state / "broken").touch()
    run("mv", "/usr/bin/systemctl", "/usr/bin/systemctl.real")
    try:
        Path("/usr/bin/systemctl").write_text(SYSTEMCTL)
        Path("/usr/bin/systemctl").chmod(0o755)
        host.stop_daemon()
        result = load(host, file, "--restart", "--yes", check=False)
        calls = (state / "calls").read_text()
        assert calls.index("reset-failed subuidd.service") < calls.index("start subuidd.service")
        assert (result.returncode == 1) == broken and ("was started, but does not run" in result.stderr) == broken, result
        assert (state / "active").exists() != broken
    finally:
        run("pkill", "-x", "-f", "sleep 1000", check=False)
        run("mv", "/usr/bin/systemctl.real", "/usr/bin/systemctl")
        run("rm", "-r", "/run/systemctl", "/run/systemd/system")
        host.start_daemon()


def test_restart_stops_it_and_starts_it_again(host, tmp_path):
    owner = host.new_user()
    add(owner, "web1")
    file = save(host, tmp_path / "saved")
    host.stop_daemon()
    run("/usr/sbin/subuidd")
    first = peer_of_socket()
    assert "loaded" in load(host, file, "--restart").stdout
    second = peer_of_socket()
    assert first != second
    assert f"{owner}+web1" in names(host)
    # A file that is refused leaves the old state, and the daemon runs.
    assert load(host, "/etc/passwd", "--restart", check=False).returncode == 1
    third = peer_of_socket()
    assert third not in (first, second) and f"{owner}+web1" in names(host)
    os.kill(third, signal.SIGTERM)
    wait_until(lambda: not Path(f"/proc/{third}").exists(), "it has ended")


def changed_host(host, tmp_path):
    """A save, and what was changed after it: (owner, file, key that was removed)."""
    owner = host.new_user()
    key = host.new_key(tmp_path, "stays")
    revoked = host.new_key(tmp_path, "revoked")
    for label in ("web1", "removed", "plain"):
        host.subuid("add", label, "--owner", owner)
    host.subuid("key", "add", f"{owner}+web1", f"{revoked}.pub")
    host.subuid("limit", owner, "--accounts", "40")
    file = save(host, tmp_path / "saved")
    host.subuid("lock", f"{owner}+web1")
    host.subuid("set", f"{owner}+plain", "--expires", "2031-12-31", "--comment", "later")
    host.subuid("key", "add", f"{owner}+plain", f"{key}.pub")
    (fingerprint,) = [row["fingerprint"] for row in host.subuid_json("key", "list", f"{owner}+web1")]
    host.subuid("key", "remove", f"{owner}+web1", fingerprint)
    host.subuid("remove", f"{owner}+removed", "--purge", "--yes")
    host.subuid("add", "later", "--owner", owner)
    host.subuid("range", "add", "65536", "--owner", owner)
    host.subuid("limit", owner, "--accounts", "50")
    return owner, file, fingerprint


def test_an_older_save_names_what_is_newer_and_loses_nothing_without_being_told(host, tmp_path):
    owner, file, revoked = changed_host(host, tmp_path)
    later = names(host)[f"{owner}+later"]
    (given,) = [row["first"] for row in host.subuid_json("range", "list", "--owner", owner)]
    before = all_that_is_told(host)
    host.stop_daemon()
    content = (STATE / "state.db").read_bytes()
    for options, status in ((["--dry-run"], 0), ([], 4)):
        result = load(host, file, *options, check=False)
        assert result.returncode == status, result
        newer = [line for line in result.stdout.splitlines() if line.startswith("newer here: ")]
        for words in (rf"{owner}\+web1 .* is locked here and not in the file",
                      rf"the key {re.escape(revoked)} of {owner}\+web1 .* was removed here, and would let in again",
                      rf"{owner}\+plain .* expires 2031-12-31 here and never in the file",
                      rf'{owner}\+plain .* has the comment "later" here and "" in the file',
                      rf"the key SHA256:\S+ \(push\) of {owner}\+plain .* is not in the file",
                      rf"{owner}\+removed .* was removed here",
                      rf"{owner}\+later \(uid {later}\), made .*, is not in the file",
                      rf"the range {given}-{given + 65535} of {owner} is not in the file",
                      rf"the limits of {owner} are accounts 50, .* here and 40,"):
            assert any(re.search(words, line) for line in newer), (words, result.stdout)
        assert len(newer) == 9, newer
        assert f"/srv/subuid/{owner}/later exists" in result.stdout
        assert (STATE / "state.db").read_bytes() == content and not KEPT.exists()
    listed = json.loads(load(host, file, "--dry-run", "--json").stdout)
    assert listed["newer"] == 9 and listed["loaded"] is False and listed["conflicts"] == 0
    host.start_daemon()
    assert all_that_is_told(host) == before

    with stopped(host):
        load(host, file, "--yes")
        assert KEPT.read_bytes()[:15] == b"SQLite format 3" and KEPT.stat().st_mode & 0o7777 == 0o600
    now = names(host)
    assert f"{owner}+later" not in now and f"{owner}+removed" in now
    assert host.subuid_json("show", f"{owner}+web1")["account"]["locked"] is False
    assert (HOMES / owner / "later/home").is_dir(), "its data stays"
    # What happened is not forgotten with it.
    actions = [(entry["action"], entry["target"]) for entry in host.subuid_json("audit", "--all", "-n", "1000")]
    assert ("account.lock", f"{owner}+web1") in actions and actions[0][0] == "state.load"
    # Its ids are never given out again.
    host.subuid("limit", owner, "--accounts", "1000", "--ranges", "100")
    fresh = {add(owner, f"fresh{n}") for n in range(20)}
    assert later not in fresh and min(fresh) > later
    first = host.subuid_json("range", "add", "65536", "--owner", owner)["first"]
    assert first > given
    # The account that came back has a home again, and the links are those of the accounts.
    host.subuid("check", "--all", "--repair", "--yes")


def test_loading_the_newest_save_loses_nothing_and_needs_no_word(host, tmp_path):
    owner = host.new_user()
    add(owner, "web1")
    file = save(host, tmp_path / "saved")
    before = names(host)
    with stopped(host):
        result = load(host, file)
        assert "newer here" not in result.stdout
    assert names(host) == before
    generation = call(API + "Status")["parameters"]["generation"]
    assert generation > json.loads(host.subuid("state", "verify", "--json", file).stdout)["generation"]


def test_what_is_set_aside_here_keeps_its_grace_period(host, tmp_path):
    """It is counted in time that is known to have passed: of a row without any, the wall clock alone would decide."""
    past = 40 * 86400
    owner = host.new_user()
    with stopped(host), contextlib.closing(sqlite3.connect(STATE / "state.db")) as db, db:
        db.execute("UPDATE meta SET value = ? WHERE name = 'known_time'", [past])
    saved = save(host, tmp_path / "s.state")
    add(owner, "gone")
    uid = next(row["uid"] for row in host.subuid_json("list", user=owner))
    host.subuid("remove", "gone", "--yes", user=owner)
    wait_until((HOMES / ".removed" / str(uid)).exists, "its data is set aside")
    with stopped(host):
        load(host, saved, "--yes")
        with contextlib.closing(sqlite3.connect(STATE / "state.db")) as db:
            known, = db.execute("SELECT known FROM removed WHERE uid = ?", [uid]).fetchone()
    assert known >= past


@pytest.mark.parametrize("whose", ["user", "group", "subuid", "subgid", "nobody"])
def test_ids_that_others_of_this_host_have_are_refused(host, tmp_path, whose):
    """The new host has users of its own, one of whom has the uid or the range of an account of the file."""
    owner = host.new_user()
    host.subuid("add", "web1", "--owner", owner, "--range", "65536")
    uid = host.subuid_json("show", f"{owner}+web1")["account"]["uid"]
    first = host.subuid_json("range", "list", "--owner", owner)[0]["first"]
    file = save(host, tmp_path / "saved")
    host.stop_daemon()
    wipe(homes=True)
    other = host.new_user()
    lines = {"subuid": Path("/etc/subuid"), "subgid": Path("/etc/subgid")}
    before = {name: path.read_text() for name, path in lines.items()}
    if whose == "user":
        run("useradd", "--uid", str(uid), "--no-user-group", "victim")
    elif whose == "group":
        run("groupadd", "--gid", str(uid), "victims")
    elif whose != "nobody":
        lines[whose].write_text(before[whose] + f"{other}:{first + 65535}:10\n")
    try:
        for options in (("--yes", "--dry-run"), ("--yes",)):
            result = load(host, file, *options, check=False)
            assert result.returncode == (0 if whose == "nobody" else 4), result
            assert ("in the way: " in result.stdout) == (whose != "nobody"), result
            assert "does not answer" not in result.stdout, result
        assert (STATE / "state.db").exists() == (whose == "nobody")
    finally:
        run("userdel", "victim", check=False)
        run("groupdel", "victims", check=False)
        for name, path in lines.items():
            path.write_text(before[name])


def test_an_owner_who_is_another_one_here_is_named(host, tmp_path):
    owner = host.new_user()
    add(owner, "web1")
    file = save(host, tmp_path / "saved")
    uid = pwd.getpwnam(owner).pw_uid
    host.stop_daemon()
    run("usermod", "--uid", str(uid + 5000), owner)
    try:
        told = load(host, file, "--dry-run").stdout
        assert f"{owner} has uid {uid + 5000} here, and {uid} in the file" in told
    finally:
        run("usermod", "--uid", str(uid), owner)
    assert "in the file: nobody" not in load(host, file, "--dry-run").stdout
    host.start_daemon()


def test_ids_that_would_change_hands_are_refused(host, tmp_path):
    """The file of another host, on which the ids are somebody else's."""
    owner, other = host.new_user(), host.new_user()
    uid = add(owner, "web1")
    file = save(host, tmp_path / "saved")
    host.subuid("remove", f"{owner}+web1", "--purge", "--yes")
    wait_until(lambda: "error" not in call(API + "Release", {"first": uid}), "it is released")
    (tmp_path / "row").write_text(json.dumps({"owner": other, "label": "mine", "uid": uid}) + "\n")
    host.subuid("import", tmp_path / "row")
    assert names(host)[f"{other}+mine"] == uid
    with stopped(host):
        refused = load(host, file, "--yes", check=False)
        assert refused.returncode == 4 and "change hands" in refused.stderr, refused
        assert "in the way: " in refused.stdout and f"{other}+mine" in refused.stdout
    assert names(host)[f"{other}+mine"] == uid


# -- kill -9


MUTATING = ("openat", "openat2", "mkdirat", "write", "pwrite64", "fsync", "fdatasync", "ftruncate", "unlink", "unlinkat", "renameat",
            "fchmod", "close", "fcntl", "fallocate")


def traced(argv, *options):
    return subprocess.run(["strace", "-f", "-qq", *options, *argv], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL)


def syscall_counts(argv, out):
    traced(argv, "-c", "-o", str(out))
    counts = {}
    for line in out.read_text().splitlines():
        words = line.split()
        if words and words[-1] in MUTATING:
            counts[words[-1]] = int(words[3])
    return counts


def state_keep(where):
    if where.exists():
        shutil.rmtree(where)
    run("cp", "-a", STATE, where)
    shutil.copy2(HOMES / ".high-water", where / "homes-high-water")


def state_put_back(where):
    shutil.rmtree(STATE)
    run("cp", "-a", where, STATE)
    shutil.move(STATE / "homes-high-water", HOMES / ".high-water")


def test_kill_9_of_a_load_leaves_the_old_state_or_the_new_one_whole(host, tmp_path):
    owner = host.new_user()
    add(owner, "web1")
    file = save(host, tmp_path / "saved")
    new = names(host)
    later = add(owner, "later")
    old = names(host)
    host.stop_daemon()
    base = tmp_path / "base"
    state_keep(base)
    argv = [PROGRAM, "load", "--yes", str(file)]
    counts = syscall_counts(argv, tmp_path / "counts")
    assert (STATE / "state.db.before-load").exists(), "the control: untouched, it loads"
    assert {"renameat", "fsync", "pwrite64", "unlinkat"} <= set(counts), counts
    seen = set()
    points = 0
    for syscall, count in counts.items():
        step = max(1, count // (8 if syscall not in ("renameat", "unlinkat", "fsync") else 40))
        for when in range(1, count + 1, step):
            state_put_back(base)
            killed = traced(argv, "-o", "/dev/null", "-e", f"trace={syscall}", "-e",
                            f"inject={syscall}:signal=KILL:when={when}").returncode
            assert killed in (137, -9, 0), (syscall, when, killed)
            points += 1
            host.start_daemon()
            found = names(host)
            assert found in (old, new), (syscall, when, found)
            seen.add(found == new)
            if found == new:
                assert add(owner, "fresh") > later, (syscall, when)
                host.subuid("remove", f"{owner}+fresh", "--purge", "--yes")
            host.stop_daemon()
            run("sh", "-c", f"rm -rf {HOMES}/.making/* {HOMES}/.removed/*")
    assert seen == {True, False}, "some of them before it, some after it"
    assert points > 40, points
    # Whatever the last one left beside it: the next load is a whole one.
    load(host, file, "--yes")
    assert not (STATE / "loading").exists()
    host.start_daemon()
    assert names(host) == new
    host.subuid("check", "--all", "--repair", "--yes")


def test_the_tracer_of_this_test_does_kill(host, tmp_path):
    """The control: killed at its first rename, it is dead, and has loaded nothing."""
    owner = host.new_user()
    file = save(host, tmp_path / "saved")
    add(owner, "later")
    with stopped(host):
        result = traced([PROGRAM, "load", "--yes", str(file)], "-o", "/dev/null", "-e", "trace=renameat", "-e",
                        "inject=renameat:signal=KILL:when=1")
        assert result.returncode in (137, -9)
    assert f"{owner}+later" in names(host)


# -- a store that is lost


def test_a_lost_state_is_loaded_and_ids_stay_taken(host, tmp_path):
    owner = host.new_user()
    host.subuid("limit", owner, "--accounts", "1000")
    add(owner, "web1")
    file = save(host, tmp_path / "saved")
    later = add(owner, "later")
    before = names(host)
    host.stop_daemon()
    wipe()
    refused = run("/usr/sbin/subuidd", check=False)
    assert refused.returncode == 65 and "subuid state load" in refused.stderr, refused
    # The account that was made after the save is known of its home alone.
    named = load(host, file, check=False)
    assert named.returncode == 4 and f"newer here: {owner}+later (uid {later})" in named.stdout, named
    assert not (STATE / "state.db").exists()
    load(host, file, "--yes")
    host.start_daemon()
    assert names(host) == {name: uid for name, uid in before.items() if uid != later}
    assert add(owner, "fresh") > later
    host.subuid("check", "--all", "--repair", "--yes")


def test_a_damaged_store_is_loaded_over_and_kept(host, tmp_path):
    owner = host.new_user()
    add(owner, "web1")
    file = save(host, tmp_path / "saved")
    before = names(host)
    host.stop_daemon()
    noise = b"x" * 20000
    (STATE / "state.db").write_bytes(noise)
    result = load(host, file)
    assert "cannot be read" in result.stdout and KEPT.read_bytes() == noise
    host.start_daemon()
    assert names(host) == before


def test_repair_without_any_save_gives_no_id_out_again(host, tmp_path):
    owner = host.new_user()
    host.subuid("limit", owner, "--accounts", "1000")
    uids = [add(owner, f"n{n}") for n in range(5)]
    purged = add(owner, "purged")
    host.subuid("remove", f"{owner}+purged", "--purge", "--yes")
    (HOMES / owner / "n0/home/file").write_text("precious")
    highest = max([*names(host).values(), purged])
    file = save(host, tmp_path / "saved")
    before = names(host)
    host.stop_daemon()
    wipe()
    told = run(PROGRAM, "repair", "--dry-run")
    assert f"{owner}+n0 (uid {uids[0]})" in told.stdout and not (STATE / "state.db").exists()
    asked = host.subuid("check", "--repair", check=False)
    assert asked.returncode == 4 and "--yes" in asked.stderr and "state load" in asked.stderr, asked
    assert not (STATE / "state.db").exists()
    host.subuid("check", "--repair", "--yes")
    host.start_daemon()
    assert names(host) == {}
    assert add(owner, "fresh") > highest
    assert (HOMES / owner / "n0/home/file").read_text() == "precious"
    # A saved state takes it up from there: nothing of it is newer but what was made since.
    host.subuid("remove", f"{owner}+fresh", "--purge", "--yes")
    with stopped(host):
        result = load(host, file, check=False)
        assert result.returncode == 0, result
    assert names(host) == before


def test_repair_accepts_an_older_copy_of_the_store(host, tmp_path):
    owner = host.new_user()
    host.subuid("limit", owner, "--accounts", "1000")
    add(owner, "web1")
    with stopped(host):
        shutil.copy(STATE / "state.db", tmp_path / "older.db")
    later = add(owner, "later")
    host.stop_daemon()
    (STATE / "state.db").write_bytes((tmp_path / "older.db").read_bytes())
    assert run("/usr/sbin/subuidd", check=False).returncode == 65
    told = run(PROGRAM, "repair", "--yes")
    assert "are lost" in told.stdout and f"{owner}+later" in told.stdout, told
    assert "nothing to repair" in run(PROGRAM, "repair").stdout
    host.start_daemon()
    assert f"{owner}+web1" in names(host) and f"{owner}+later" not in names(host)
    assert add(owner, "fresh") > later
    host.subuid("check", "--all", "--repair", "--yes")


def test_repair_is_asked_at_a_terminal(host, tmp_path):
    owner = host.new_user()
    add(owner, "web1")
    with stopped(host):
        shutil.copy(STATE / "state.db", tmp_path / "older.db")
    add(owner, "later")
    host.stop_daemon()
    newest = (STATE / "state.db").read_bytes()
    (STATE / "state.db").write_bytes((tmp_path / "older.db").read_bytes())
    for answer, status in (("n", 4), ("y", 0)):
        result = run("script", "-qec", f"{PROGRAM} repair", "/dev/null", input=answer + "\n", check=False)
        assert result.returncode == status and "Accept this?" in result.stdout, result
    (STATE / "state.db").write_bytes(newest)
    run(PROGRAM, "repair", "--yes")
    host.start_daemon()


# -- daily copies


@pytest.fixture
def backups(host):
    directory = Path("/var/backups/subuidd")
    conf = Path("/etc/subuidd.conf.d/40-state.conf")
    conf.parent.mkdir(exist_ok=True)
    shutil.rmtree(directory, ignore_errors=True)

    def keep(number, where=directory):
        conf.write_text(f"[state]\nbackups_kept = {number}\nbackup_directory = {where}\n")
        return where

    yield keep
    conf.unlink(missing_ok=True)
    shutil.rmtree(directory, ignore_errors=True)


def of_day(file, back):
    """The same state, as if it had been saved so many days ago."""
    whole = file.read_bytes()
    at = whole.index(b"\n\n") + 2
    when = int(time.time()) - back * 86400
    body = re.sub(rb"saved \d+", b"saved %d" % when, whole[:at]) + whole[at:-72]
    path = file.parent / f"state-{time.strftime('%Y-%m-%d', time.gmtime(when))}"
    path.write_bytes(sealed(body))
    return path


def test_the_newest_daily_copies_are_kept_and_nothing_else_is_touched(host, backups):
    directory = backups(3)
    assert "saved to" in host.subuid("state", "save", "--daily").stdout
    (today,) = directory.iterdir()
    assert today.name == time.strftime("state-%Y-%m-%d", time.gmtime()) and directory.stat().st_mode & 0o7777 == 0o700
    older = [of_day(today, back) for back in range(1, 6)]
    strangers = {"state-2020-01-01": b"not one of ours", "state-2020-01-02": today.read_bytes(), "notes": b"x",
                 "state-2020-02-31": b"no day"}
    for name, content in strangers.items():
        (directory / name).write_bytes(content)
    (directory / "state-2020-03-01").symlink_to(older[4])
    host.subuid("state", "save", "--daily")
    left = {path.name for path in directory.iterdir()}
    assert left == {today.name, older[0].name, older[1].name, "state-2020-03-01", *strangers}
    assert all((directory / name).read_bytes() == content for name, content in strangers.items())
    assert "It is sound" in host.subuid("state", "verify", today).stdout


def test_copies_of_a_clock_that_ran_ahead_push_out_no_newer_one(host, backups):
    directory = backups(3)
    host.subuid("state", "save", "--daily")
    (old,) = directory.iterdir()
    ahead = [of_day(old, -back) for back in range(30, 35)]
    old.unlink()
    host.subuid("add", "later", "--owner", host.new_user())
    host.subuid("state", "save", "--daily")
    left = sorted(path.name for path in directory.glob("state-*"))
    assert left == [old.name, ahead[3].name, ahead[4].name]
    assert host.subuid_json("state", "verify", old)["generation"] > host.subuid_json("state", "verify", ahead[4])["generation"]


def test_no_copy_goes_when_the_new_one_is_not_there(host, backups):
    directory = backups(2)
    host.subuid("state", "save", "--daily")
    (today,) = directory.iterdir()
    older = [of_day(today, back) for back in range(1, 5)]
    # Where the new one has to stand is something else.
    today.unlink()
    today.write_text("precious\n")
    refused = host.subuid("state", "save", "--daily", check=False)
    assert refused.returncode == 1 and "none removed" in refused.stderr, refused
    assert all(path.exists() for path in older) and today.read_text() == "precious\n"
    today.unlink()
    # A full disk: nothing is removed for it.
    small = Path("/var/backups/small")
    small.mkdir(exist_ok=True)
    run("mount", "-t", "tmpfs", "-o", "size=64k,mode=0700", "tmpfs", small)
    backups(1, small)
    assert host.subuid("state", "save", "--daily", check=False).returncode == 1
    assert list(small.iterdir()) == []
    run("umount", small)
    backups(0)
    assert "off" in host.subuid("state", "save", "--daily").stdout
    assert all(path.exists() for path in older) and not today.exists()


def test_doctor_says_how_old_the_newest_copy_is(host, backups):
    def said():
        return [row for row in json.loads(host.subuid("doctor", "--json", check=False).stdout)["checks"]
                if row["check"] == "copies of the state"]

    directory = backups(3)
    assert said()[0]["result"] == "note" and "none" in said()[0]["found"]
    host.subuid("state", "save", "--daily")
    assert said()[0]["result"] == "good" and "0 hours old" in said()[0]["found"]
    (today,) = directory.iterdir()
    of_day(today, 5)
    today.unlink()
    assert said()[0]["result"] == "bad" and "120 hours old" in said()[0]["found"]
    backups(0)
    assert said()[0]["result"] == "note" and "off" in said()[0]["found"]


# -- another host


def test_a_host_that_is_empty_takes_up_the_state_and_the_homes_of_another(host, tmp_path):
    """The disk of the old one is wiped, and stands for the new one's."""
    owner, name, key = host.account(tmp_path, "push", "moved")
    (tmp_path / "data").mkdir()
    (tmp_path / "data/file").write_text("pushed")
    host.rsync(key, "-a", f"{tmp_path}/data/", f"{name}@127.0.0.1:")
    wait_until(lambda: host.subuid_json("log", name), "the run is known")
    before = all_that_is_told(host)
    file = save(host, tmp_path / "saved")
    run("rsync", "-aHAX", "--numeric-ids", "--exclude=/*/*/view", "--exclude=/.high-water", f"{HOMES}/", tmp_path / "homes")
    host.stop_daemon()
    wipe(homes=True)
    links_remove()
    # The new host.
    run("subuid", "setup")
    host.start_daemon()
    assert names(host) == {}
    with stopped(host):
        assert "copy the homes" in load(host, file).stdout
        run("rsync", "-aHAX", "--numeric-ids", f"{tmp_path}/homes/", HOMES)
    host.subuid("check", "--all", "--repair", "--yes")
    after = all_that_is_told(host)
    fresh = [entry for entry in after["audit"] if entry not in before["audit"]]
    assert {entry["action"] for entry in fresh} <= {"repair", "account.mend"}, fresh
    after["audit"] = [entry for entry in after["audit"] if entry in before["audit"]]
    assert after == before
    assert run("cat", f"/home/{owner}/subuid/moved/file", user=owner).stdout == "pushed"
    host.rsync(key, "-a", f"{tmp_path}/data/", f"{name}@127.0.0.1:again")
    assert add(owner, "fresh") > max(before_uid["uid"] for before_uid in before["list"])


# -- docs/state.md


def documented():
    text = (ROOT / "docs/state.md").read_text()
    for block in re.findall(r"^```console\n(.*?)^```", text, re.M | re.S):
        for line in block.splitlines():
            yield re.match(r"(host|oldhost|newhost)# (.*)", line).groups()


@contextlib.contextmanager
def another_host(tmp_path):
    """Mounts of its own: state, homes, users' homes and root's; users and network are this one's. Yields what runs a command there."""
    holder = subprocess.Popen(["unshare", "--mount", "--propagation", "private", "sleep", "infinity"])
    there = ["nsenter", f"--mount=/proc/{holder.pid}/ns/mnt", "--wd=/", "--"]
    wait_until(lambda: os.readlink(f"/proc/{holder.pid}/ns/mnt") != os.readlink("/proc/self/ns/mnt"), "its mounts")
    image = tmp_path / "newhost.srv"
    run("truncate", "-s", "256M", image)
    run("mkfs.ext4", "-q", "-F", image)
    for directory in ("root/.ssh", "home"):
        (tmp_path / "newhost" / directory).mkdir(parents=True, mode=0o700)
    (tmp_path / "newhost/home").chmod(0o755)
    for home in Path("/home").iterdir():
        run("cp", "-a", home, tmp_path / "newhost/home")
        shutil.rmtree(tmp_path / "newhost/home" / home.name / "subuid", ignore_errors=True)
    script = (f"umount -l -R /srv; mount -o loop {image} /srv && mount --bind {tmp_path}/newhost/home /home && "
              f"mount --bind {tmp_path}/newhost/root /root && mount -t tmpfs -o mode=0755 tmpfs /var/lib/subuidd && "
              "mount -t tmpfs -o mode=0755 tmpfs /run/subuidd && mount -t tmpfs -o mode=0755 tmpfs /var/backups")
    run(*there, "sh", "-c", script)

    def command(text, **options):
        return run(*there, "bash", "-c", text, env={"HOME": "/root"}, **options)

    try:
        yield command
    finally:
        for pid in command("pgrep -x subuidd", check=False).stdout.split():
            with contextlib.suppress(ProcessLookupError):
                if os.readlink(f"/proc/{pid}/ns/mnt") == os.readlink(f"/proc/{holder.pid}/ns/mnt"):
                    os.kill(int(pid), signal.SIGTERM)
        holder.kill()
        holder.wait()


def root_reaches_oldhost(tmp_path):
    """root of the other host has a key of root's here."""
    key = tmp_path / "newhost/root/.ssh/id_ed25519"
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)
    Path("/root/.ssh").mkdir(mode=0o700, exist_ok=True)
    with open("/root/.ssh/authorized_keys", "a") as keys:
        keys.write(Path(f"{key}.pub").read_text())
    Path("/root/.ssh/authorized_keys").chmod(0o600)
    run("sh", "-c", "grep -q oldhost /etc/hosts || echo 127.0.0.1 oldhost >>/etc/hosts")
    known = run("ssh-keyscan", "127.0.0.1").stdout.replace("127.0.0.1", "oldhost")
    (tmp_path / "newhost/root/.ssh/known_hosts").write_text(known)


def test_the_commands_of_docs_state(host, tmp_path):
    owner, name, key = host.account(tmp_path, "push", "web1")
    (tmp_path / "data").mkdir()
    (tmp_path / "data/file").write_text("pushed")
    host.rsync(key, "-aX", f"{tmp_path}/data/", f"{name}@127.0.0.1:")
    wait_until(lambda: host.subuid_json("log", name), "the run is known")
    host.stop_daemon()
    run("/usr/sbin/subuidd")  # --restart has it so
    seen = []
    with another_host(tmp_path) as newhost:
        root_reaches_oldhost(tmp_path)
        newhost("subuid setup && subuidd")
        for where, command in documented():
            seen.append(where)
            if command.startswith("systemctl stop"):
                before = all_that_is_told(host)
                pid = peer_of_socket()
                os.kill(pid, signal.SIGTERM)
                wait_until(lambda: not Path(f"/proc/{pid}").exists(), "it has stopped")
            elif where == "newhost":
                newhost(command)
            else:
                run("bash", "-c", command)
        assert seen.count("host") > 6 and {"oldhost", "newhost"} < set(seen)
        moved = [json.loads(newhost(f"subuid {words} --json").stdout) for words in ("list --all", f"show {name}", f"log {name}")]
        assert newhost("subuid check --all").returncode == 0
        assert newhost(f"runuser -u {owner} -- cat /home/{owner}/subuid/web1/file").stdout == "pushed"
        exported = newhost("subuid export").stdout
    assert exported == before["export"]
    assert moved == [before["list"], *before[name]]
    for file in ("subuidd.state", "subuidd.state.gz", "oldhost.state"):
        (Path("/root") / file).unlink()
    shutil.rmtree("/var/backups/subuidd")
