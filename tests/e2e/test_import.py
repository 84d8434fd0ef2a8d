# SPDX-License-Identifier: ISC
"""Many accounts at once: import, export, adopt. Nothing half-made, whatever happens in the middle."""

import contextlib
import csv
import io
import itertools
import json
import os
import pty
import pwd
import re
import shutil
import signal
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from conftest import SOCKET, call, call_as, run, wait_until

API = "io.subuidd.Accounts."


def check_is_sound(host):
    result = host.subuid("check", "--all", check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def labels(host, owner):
    return {row["label"]: row for row in host.subuid_json("list", "--owner", owner)}


def write_csv(path, rows):
    out = io.StringIO()
    columns = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(out, columns)
    writer.writeheader()
    writer.writerows(rows)
    Path(path).write_text(out.getvalue())
    return path


def write_json(path, rows):
    Path(path).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def public_key(host, tmp_path):
    return Path(f"{host.new_key(tmp_path)}.pub").read_text().strip()


def owner_with_room(host, accounts=100000):
    owner = host.new_user()
    host.subuid("limit", owner, "--accounts", str(accounts))
    return owner


# -- what a file may say


def test_csv_makes_what_it_says_and_again_nothing(host, tmp_path, public_key):
    owner = host.new_user()
    file = write_csv(tmp_path / "a.csv", [
        {"owner": owner, "label": "web1", "key": public_key, "role": "push", "options": "no-delete,no-overwrite",
         "from": "192.0.2.0/24,2001:db8::1", "comment": 'says "hi", twice', "expires": "2031-12-31",
         "limits": "accounts=50 keys=4 ranges=6", "ranges": "65536"},
        {"owner": owner, "label": "web2", "comment": "two\"quotes"},
        {"owner": owner, "ranges": "131072"},
    ])
    assert host.subuid_json("import", file) == {"lines": 3, "made": 3, "present": 0, "failed": 0, "dryRun": False}
    web1 = host.subuid_json("show", f"{owner}+web1")
    assert web1["account"]["comment"] == 'says "hi", twice' and web1["account"]["expires"] == "2031-12-31"
    (key,) = web1["keys"]
    assert key["role"] == "push" and key["options"] == ["no-delete", "no-overwrite"]
    assert key["from"] == "192.0.2.0/24,2001:db8::1" and public_key.startswith(key["key"])
    assert [row["count"] for row in web1["ranges"]] == [65536]
    assert host.subuid_json("limit", owner)["keys"] == 4
    assert os.readlink(f"/home/{owner}/subuid/web2") == f"/srv/subuid/{owner}/web2/view"
    before = call(API + "Status")["parameters"]["generation"]
    assert host.subuid_json("import", file)["present"] == 3
    assert call(API + "Status")["parameters"]["generation"] == before, "an equal file changes nothing"
    check_is_sound(host)


def test_json_lines_from_standard_input(host, public_key):
    owner = host.new_user()
    rows = [{"owner": owner, "label": "a", "keys": [{"key": public_key, "role": "pull"}], "ranges": 65536},
            {"owner": owner, "label": "b", "locked": True}]
    text = "\n".join(map(json.dumps, rows)) + "\n\n"
    result = host.subuid("import", "-", input=text)
    assert "made 2, there already 0, failed 0" in result.stdout
    assert labels(host, owner)["b"]["locked"] is True
    assert host.subuid_json("show", f"{owner}+a")["keys"][0]["role"] == "pull"


def test_owners_views_work_after_an_import(host, tmp_path, public_key):
    owner = host.new_user()
    key = host.new_key(tmp_path, "login")
    write_csv(tmp_path / "a.csv", [{"owner": owner, "label": "web1", "key": Path(f"{key}.pub").read_text().strip()}])
    host.subuid("import", tmp_path / "a.csv")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "file").write_text("pushed")
    host.rsync(key, "-a", f"{tmp_path}/data/", f"{owner}+web1@127.0.0.1:")
    assert run("cat", f"/home/{owner}/subuid/web1/file", user=owner).stdout == "pushed"


@pytest.mark.parametrize("holder", ["owner", "account"])
def test_several_ranges_of_a_line_are_all_made_and_the_same_line_again_makes_none(host, tmp_path, holder):
    owner = owner_with_room(host)
    host.subuid("limit", owner, "--ranges", "50")
    label = {"label": "web1"} if holder == "account" else {}
    free = host.subuid_json("range", "add", "65536", "--owner", owner)["first"] + 1000 * 65536
    host.subuid("range", "remove", str(free - 1000 * 65536), "--owner", owner)
    file = write_csv(tmp_path / "a.csv", [{"owner": owner, **label, "ranges": f"65536 131072 65536 {free}:65536"}])
    assert host.subuid_json("import", file, "--dry-run")["failed"] == 0
    assert host.subuid_json("import", file)["made"] == 1
    made = host.subuid_json("range", "list", "--owner", owner)
    assert sorted(row["count"] for row in made) == [65536, 65536, 65536, 131072]
    assert free in {row["first"] for row in made}
    assert {row.get("label", "") for row in made} == {label.get("label", "")}
    assert host.subuid_json("import", file)["present"] == 1
    assert host.subuid_json("range", "list", "--owner", owner) == made, "an equal line changes nothing"
    write_csv(file, [{"owner": owner, **label, "ranges": f"65536 131072 131072 {free}:65536"}])
    result = host.subuid("import", file, check=False)
    assert result.returncode == 4 and "another number of subordinate ids" in result.stderr
    assert host.subuid_json("range", "list", "--owner", owner) == made
    check_is_sound(host)


@pytest.mark.parametrize("line,words", [
    ({"label": "web1"}, "owner: missing"),
    ({"owner": "OWNER", "label": "web1", "alarm": "soon"}, "not a time"),
    ({"owner": "OWNER", "label": "Web1"}, "a label is"),
    ({"owner": "OWNER", "label": "web1", "colour": "red"}, "unknown column"),
    ({"owner": "OWNER", "label": "web1", "quota": "much"}, "not a size"),
    ({"owner": "OWNER", "label": "web1", "expires": "soon"}, "not a day"),
    ({"owner": "OWNER", "label": "web1", "key": "-----BEGIN OPENSSH PRIVATE KEY-----"}, "key"),
    ({"owner": "OWNER", "label": "web1", "ranges": "many"}, "not a number"),
    ({"owner": "OWNER", "label": "web1", "limits": "accounts=1"}, "each once"),
    ({"owner": "OWNER", "label": "web1", "uid": "1000"}, "none of the blocks"),
    ({"owner": "OWNER", "label": "web1", "uid": "4294967295"}, "not a number"),
    ({"owner": "nobody-such", "label": "web1"}, "no such account"),
    ({"owner": "root", "label": "web1"}, "root has no sub-accounts"),
    ({"owner": "OWNER", "comment": "x"}, "label: missing"),
    ({"owner": "OWNER", "label": "web1", "comment": "a:b"}, "comment"),
])
def test_a_line_that_is_wrong_is_named(host, tmp_path, line, words):
    owner = host.new_user()
    row = {name: owner if value == "OWNER" else value for name, value in line.items()}
    for file in (write_csv(tmp_path / "a.csv", [row]), write_json(tmp_path / "a.json", [row])):
        result = host.subuid("import", file, check=False)
        assert result.returncode in (2, 3, 4, 5), result.stderr
        assert words in result.stderr and f"{file}:" in result.stderr, result.stderr
    assert labels(host, owner) == {}


@pytest.mark.parametrize("text", ['owner,label\n"x', '{"owner": \n', "owner\0,label\n", '{"a":1,"a":2}\n', "[]\n", "\xff\n"])
def test_a_file_that_is_none_is_refused(host, text):
    assert host.subuid("import", "-", input=text, check=False).returncode in (1, 2, 3)


def test_only_root_and_administrators_import(host, tmp_path):
    owner = host.new_user()
    file = write_csv(tmp_path / "a.csv", [{"owner": owner, "label": f"l{i}"} for i in range(100)])
    result = host.subuid("import", file, user=owner, check=False)
    assert result.returncode == 5, result.stderr
    assert host.subuid("export", user=owner, check=False).returncode == 5
    assert labels(host, owner) == {}
    # the connection is of use after a refused batch, and answers what is asked
    assert call_as(owner, API + "List")["error"] == "org.varlink.service.ExpectedMore"


# -- stop, or keep going


def test_the_first_failure_ends_it_and_nothing_of_its_batch_is_made(host, tmp_path):
    owner = owner_with_room(host)
    rows = [{"owner": owner, "label": f"l{i}"} for i in range(200)]
    rows[150]["owner"] = "nobody-such"
    file = write_csv(tmp_path / "a.csv", rows)
    result = host.subuid("import", file, check=False)
    assert result.returncode == 3 and ":152: nobody-such" in result.stderr
    present = labels(host, owner)
    assert 64 <= len(present) <= 150 and set(present) == {f"l{i}" for i in range(len(present))}
    check_is_sound(host)
    rows[150]["owner"] = owner
    write_csv(file, rows)
    again = host.subuid_json("import", file)
    assert again["failed"] == 0 and again["present"] == len(present) and again["made"] == 200 - len(present)


def test_keep_going_passes_over_what_fails_and_reports_it(host, tmp_path, public_key):
    owner = owner_with_room(host)
    host.subuid("add", "there", "--comment", "other", user=owner)
    rows = [{"owner": owner, "label": f"l{i}", "key": public_key} for i in range(70)]
    rows[3]["owner"] = "nobody-such"
    rows[10] = {"owner": owner, "label": "there", "comment": "mine"}
    rows[69]["key"] = "ssh-ed25519 AAAA"
    file = write_json(tmp_path / "a.json", rows)
    report = tmp_path / "report"
    result = host.subuid("import", file, "--keep-going", "--report", report, "--json", check=False)
    assert result.returncode == 3
    assert json.loads(result.stdout) == {"lines": 70, "made": 67, "present": 0, "failed": 3, "dryRun": False}
    failed = {entry["line"]: entry for entry in map(json.loads, report.read_text().splitlines())}
    assert {line: entry["error"] for line, entry in failed.items()} == {4: "NotFound", 11: "Exists", 70: "Invalid"}
    assert "another comment" in failed[11]["why"]
    assert len(labels(host, owner)) == 68 and "l69" not in labels(host, owner)
    check_is_sound(host)


def test_a_line_is_made_whole_or_not_at_all(host, tmp_path, public_key):
    owner = host.new_user()
    file = write_json(tmp_path / "a.json", [
        {"owner": owner, "label": "a", "key": public_key, "ranges": 65536 * 100000},
        {"owner": owner, "label": "b", "key": public_key},
    ])
    result = host.subuid("import", file, "--keep-going", check=False)
    assert result.returncode == 2 or result.returncode == 6, result.stderr
    assert set(labels(host, owner)) == {"b"}


def test_limits_hold_for_an_import_too(host, tmp_path):
    owner = host.new_user()
    host.subuid("limit", owner, "--accounts", "5")
    file = write_csv(tmp_path / "a.csv", [{"owner": owner, "label": f"l{i}"} for i in range(6)])
    result = host.subuid("import", file, check=False)
    assert result.returncode == 6 and "5 of 5" in result.stderr
    assert labels(host, owner) == {}
    assert host.subuid("import", file, "--keep-going", check=False).returncode == 6
    assert len(labels(host, owner)) == 5


def test_a_link_that_cannot_be_made_fails_its_line_and_uses_no_id(host, tmp_path):
    owner = host.new_user()
    os.makedirs(f"/home/{owner}/subuid/l1")
    for path in (f"/home/{owner}/subuid", f"/home/{owner}/subuid/l1"):
        shutil.chown(path, owner, owner)
    file = write_csv(tmp_path / "a.csv", [{"owner": owner, "label": f"l{i}"} for i in range(3)])
    result = host.subuid("import", file, check=False)
    assert result.returncode == 4 and "something else stands" in result.stderr
    assert labels(host, owner) == {}
    result = host.subuid("import", file, "--keep-going", check=False)
    assert result.returncode == 4 and "something else stands" in result.stderr
    assert set(labels(host, owner)) == {"l0", "l2"}
    uids = [row["uid"] for row in labels(host, owner).values()]
    assert max(uids) - min(uids) == 1
    assert not Path(f"/srv/subuid/{owner}/l1").exists()
    check_is_sound(host)


def test_many_owners_in_one_batch(host, tmp_path):
    owners = [host.new_user() for _ in range(12)]
    file = write_csv(tmp_path / "a.csv", [{"owner": owner, "label": f"l{i}"} for i in range(4) for owner in owners])
    assert host.subuid_json("import", file)["made"] == 48
    for owner in owners:
        assert sorted(os.listdir(f"/home/{owner}/subuid")) == ["l0", "l1", "l2", "l3"]
        assert os.lstat(f"/home/{owner}/subuid/l0").st_uid == pwd.getpwnam(owner).pw_uid
    check_is_sound(host)


def test_what_others_hold_is_passed_over_in_every_batch(host, tmp_path):
    """The ids of the second and later batches are asked about while the one before is being made."""
    owner = host.new_user()
    host.subuid("limit", owner, "--accounts", "500")
    first = host.subuid_json("add", "first", "--owner", owner)["account"]["uid"]
    user, group = first + 80, first + 100
    with open("/etc/passwd", "a") as passwd, open("/etc/group", "a") as groups:
        passwd.write(f"taken{user}:x:{user}:65534::/:/usr/sbin/nologin\n")
        groups.write(f"taken{group}:x:{group}:\n")
    file = write_csv(tmp_path / "many.csv", [{"owner": owner, "label": f"l{i}"} for i in range(200)])
    assert host.subuid_json("import", file)["made"] == 200
    uids = {account["uid"] for account in host.subuid_json("list", "--owner", owner)}
    assert len(uids) == 201 and max(uids) > group, "the ids went past what others hold"
    assert not uids & {user, group}


def test_a_hung_home_holds_up_its_own_lines_alone(host, tmp_path):
    owner, other = host.new_user(), host.new_user()
    mount = Path(f"/home/{owner}")
    run("mount", "-t", "tmpfs", "-o", "mode=0700", "tmpfs", mount)
    try:  # not the owner's: as good as no home
        file = write_csv(tmp_path / "a.csv", [{"owner": owner, "label": "x"}, {"owner": other, "label": "x"}])
        result = host.subuid("import", file, "--keep-going", check=False)
        assert result.returncode == 1, result.stderr
        assert labels(host, other) and not labels(host, owner)
    finally:
        run("umount", mount)
    check_is_sound(host)


# -- dry run


def test_a_dry_run_changes_nothing(host, tmp_path, public_key):
    owner = host.new_user()
    rows = [{"owner": owner, "label": f"l{i}", "key": public_key, "limits": "accounts=500 keys=5 ranges=500",
             "ranges": "65536"} for i in range(120)]
    file = write_csv(tmp_path / "a.csv", rows)
    before = host.subuid("export").stdout, call(API + "Status")["parameters"]["generation"]
    tree = sorted(os.listdir("/srv/subuid"))
    assert host.subuid_json("import", file, "--dry-run") == {
        "lines": 120, "made": 120, "present": 0, "failed": 0, "dryRun": True}
    assert (host.subuid("export").stdout, call(API + "Status")["parameters"]["generation"]) == before
    assert sorted(os.listdir("/srv/subuid")) == tree and not Path(f"/home/{owner}/subuid").exists()
    rows[100]["role"] = "nonsense"
    write_csv(file, rows)
    assert host.subuid("import", file, "--dry-run", check=False).returncode == 2


def depending_on_earlier_lines(owner, other, keys):
    """Rows of several calls; and the lines that are wrong, for what other lines before them have made."""
    first, uid = 1500000 * 1024 // 65536 * 65536, 2100700000
    rows, wrong = [], {}

    def add(error=None, **row):
        rows.append(row)
        if error is not None:
            wrong[len(rows)] = error

    def filler(count=70):
        for _ in range(count):
            add(owner=other, label=f"f{len(rows)}")

    add(owner=owner, limits="accounts=6 keys=2 ranges=4")
    add(owner=owner, label="a", uid=uid, key=keys[0], comment="first")
    add(owner=owner, label="b", ranges=f"{first}:65536")
    filler()
    add(owner=owner, label="a", key=keys[1])
    add(kind="tombstone", owner=owner, label="old", first=uid - 1, count=1)
    filler()
    add(owner=owner, label="a", key=keys[2], error="LimitReached")
    add(owner=owner, label="a", comment="second", error="Exists")
    add(owner=owner, label="c", uid=uid, error="Conflict")
    add(owner=owner, label="c", uid=uid - 1, error="Conflict")
    add(kind="key", owner=owner, label="c", key={"key": keys[0]}, error="NotFound")
    add(kind="key", owner=owner, label="a", key={"key": keys[0], "role": "pull"}, error="Exists")
    add(kind="tombstone", owner=owner, label="old", first=uid, count=1, error="Conflict")
    add(owner=owner, label="b", ranges="131072", error="Exists")
    add(owner=owner, label="d", ranges=f"{first}:65536", error="Conflict")
    add(owner=owner, label="d", ranges="131072")
    filler()
    add(owner=owner, label="e", ranges="131072", error="LimitReached")
    for label in ("e", "f", "g"):
        add(owner=owner, label=label)
    add(owner=owner, label="h", error="LimitReached")
    add(owner=owner, limits="accounts=7 keys=3 ranges=4")
    filler()
    add(owner=owner, label="h")
    add(owner=owner, label="a", key=keys[2])
    add(owner=owner, label="i", error="LimitReached")
    return rows, wrong


def report_of(host, file, report, *options):
    result = host.subuid("import", file, "--keep-going", "--report", report, "--json", *options, check=False)
    counts = json.loads(result.stdout)
    del counts["dryRun"]
    return result.returncode, counts, report.read_text()


def test_a_dry_run_says_of_every_line_what_the_import_says(host, tmp_path):
    owner, other = host.new_user(), owner_with_room(host)
    keys = [Path(f"{host.new_key(tmp_path, f'k{i}')}.pub").read_text().strip() for i in range(3)]
    rows, wrong = depending_on_earlier_lines(owner, other, keys)
    file = write_json(tmp_path / "a.json", rows)
    before = host.subuid("export").stdout, call(API + "Status")["parameters"]["generation"]
    rehearsed = report_of(host, file, tmp_path / "dry", "--dry-run")
    assert (host.subuid("export").stdout, call(API + "Status")["parameters"]["generation"]) == before
    assert {entry["line"]: entry["error"] for entry in map(json.loads, rehearsed[2].splitlines())} == wrong
    done = report_of(host, file, tmp_path / "real")
    assert rehearsed == done
    check_is_sound(host)


def test_a_dry_run_stops_where_the_import_would(host, tmp_path):
    owner = host.new_user()
    host.subuid("limit", owner, "--accounts", "150")
    file = write_csv(tmp_path / "a.csv", [{"owner": owner, "label": f"l{i}"} for i in range(200)])
    dry = host.subuid("import", file, "--dry-run", check=False)
    real = host.subuid("import", file, check=False)
    assert dry.returncode == real.returncode == 6
    assert dry.stderr == real.stderr and f"{file}:152: " in dry.stderr and "150 of 150" in dry.stderr
    assert dry.stdout.splitlines()[-1] == f"would be {real.stdout.strip()}"


def rehearse(peer, owner, label):
    message = {"method": API + "Import", "more": True, "parameters": {
        "rows": [{"line": 1, "kind": "account", "owner": owner, "label": label}], "dryRun": True, "goesOn": True}}
    peer.sendall(json.dumps(message).encode() + b"\0")
    data = b""
    while not data.endswith(b"\0") or b'"continues"' in data.split(b"\0")[-2]:
        chunk = peer.recv(65536)
        assert chunk, "the daemon closed the connection"
        data += chunk
    return json.loads(data.split(b"\0")[0])


def test_a_dry_run_is_its_connections_alone(host, tmp_path):
    owner = host.new_user()
    with socket.socket(socket.AF_UNIX) as one, socket.socket(socket.AF_UNIX) as two:
        one.connect(SOCKET)
        two.connect(SOCKET)
        assert rehearse(one, owner, "x")["parameters"]["result"]["outcome"] == "made"
        assert rehearse(one, owner, "x")["parameters"]["result"]["outcome"] == "present"
        refused = rehearse(two, owner, "x")
        assert refused["error"] == API + "Busy" and "another dry run" in refused["parameters"]["why"]
        # others go on, and what is rehearsed is nobody's: the same uid is given to whom it belongs
        host.subuid("add", "x", user=owner)
        one.shutdown(socket.SHUT_RDWR)
        made = wait_until(lambda: rehearse(two, owner, "y").get("parameters", {}).get("result"), "the other has gone")
        assert made["outcome"] == "made"
    file = write_csv(tmp_path / "a.csv", [{"owner": owner, "label": f"l{i}"} for i in range(70)])
    wait_until(lambda: host.subuid("import", file, "--dry-run", check=False).returncode != 4, "all have gone")
    check_is_sound(host)


# -- kill -9


def test_killed_in_the_middle_it_is_finished_or_undone_and_resumed(host, tmp_path, public_key):
    owner = owner_with_room(host)
    count = 700
    file = write_csv(tmp_path / "a.csv", [{"owner": owner, "label": f"l{i}", "key": public_key} for i in range(count)])
    for round_ in range(3):
        importer = subprocess.Popen(["/usr/bin/subuid", "import", str(file)], stdout=subprocess.PIPE,
                                    stderr=subprocess.PIPE, text=True)
        there = len(labels(host, owner))
        wait_until(lambda: len(os.listdir(f"/srv/subuid/{owner}") if Path(f"/srv/subuid/{owner}").exists() else [])
                   > there + 40, "the import is under way")
        host.stop_daemon(signal.SIGKILL)
        importer.wait(60)
        assert importer.returncode == 7 and "import it once more" in importer.stderr.read()
        host.start_daemon()
        wait_until(lambda: host.subuid("check", "--all", check=False).returncode == 0, "all is finished or undone")
        present = labels(host, owner)
        assert all(row["state"] == "active" and row["keys"] == 1 for row in present.values())
        assert set(os.listdir(f"/srv/subuid/{owner}")) == set(present) == set(os.listdir(f"/home/{owner}/subuid"))
        assert sorted(os.listdir("/srv/subuid/.making")) == ["probe", "probe.view"]
    result = host.subuid_json("import", file)
    assert result["failed"] == 0 and result["made"] + result["present"] == count and result["present"] > 0
    uids = [row["uid"] for row in labels(host, owner).values()]
    assert len(set(uids)) == count
    check_is_sound(host)


@pytest.mark.parametrize("options", [(), ("--keep-going",)])
def test_who_is_busy_is_waited_for(host, tmp_path, options):
    """An account whose home hangs while it is made (its owner's link) is under way for another import."""
    slow, owner = host.new_user(), host.new_user()
    one = write_csv(tmp_path / "one.csv", [{"owner": slow, "label": "x"}])
    both = write_csv(tmp_path / "both.csv", [{"owner": owner, "label": "a"}, {"owner": slow, "label": "x"},
                                             {"owner": owner, "label": "b"}])
    tracer = subprocess.Popen(["strace", "-f", "-qq", "-o", "/dev/null", *host.attached(), "-e",
                               "trace=symlinkat", "-e", "inject=symlinkat:delay_enter=700000"],
                              stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(lambda: "TracerPid:\t0" not in Path(f"/proc/{host.daemon.pid}/status").read_text(), "strace attached")
    first = subprocess.Popen(["/usr/bin/subuid", "import", str(one)], stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: Path(f"/srv/subuid/{slow}/x").exists(), "it is being made")
        assert host.subuid_json("import", both, *options) == {
            "lines": 3, "made": 2, "present": 1, "failed": 0, "dryRun": False}
    finally:
        first.wait(60)
        tracer.send_signal(signal.SIGINT)
        tracer.wait(60)
    assert first.returncode == 0


def import_killed_at(host, file, syscall, when):
    """The daemon is killed at a system call of the import, and started again."""
    tracer = subprocess.Popen(
        ["strace", "-f", "-qq", "-o", "/dev/null", *host.attached(), "-e", f"trace={syscall}", "-e",
         f"inject={syscall}:signal=KILL:when={when}"], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(lambda: "TracerPid:\t0" not in Path(f"/proc/{host.daemon.pid}/status").read_text(), "strace attached")
    host.subuid("import", file, check=False)
    tracer.send_signal(signal.SIGINT)
    tracer.wait(60)
    if host.daemon.poll() is not None:
        host.daemon = None
        host.start_daemon()
    wait_until(lambda: host.subuid("check", "--all", check=False).returncode == 0, "all is finished or undone")


def test_ids_by_number_are_the_same_after_an_interruption(host, tmp_path):
    """What was undone leaves tombstones: they are the very ids that the same file asks for when it is read again."""
    owner = owner_with_room(host)
    host.subuid("limit", owner, "--ranges", "1000")
    rows = [{"owner": owner, "label": f"l{i}", "uid": 2101000000 + i, "ranges": f"{1610612736 + i * 65536}:65536"}
            for i in range(130)]
    file = write_json(tmp_path / "a.json", rows)
    import_killed_at(host, file, "mkdirat", 5)  # the intents are committed, no home is whole
    undone = [row for row in map(json.loads, host.subuid("export").stdout.splitlines())
              if row["kind"] == "tombstone" and row.get("owner") == owner]
    assert undone, "nothing was interrupted"
    assert host.subuid_json("import", file)["failed"] == 0
    assert {label: row["uid"] for label, row in labels(host, owner).items()} == {
        row["label"]: row["uid"] for row in rows}
    assert {(row["label"], row["first"]) for row in host.subuid_json("range", "list", "--owner", owner)} == {
        (row["label"], int(row["ranges"].split(":")[0])) for row in rows}
    check_is_sound(host)


def test_an_account_that_was_removed_is_restored_and_nobody_else_gets_its_id(host, tmp_path):
    owner, other = host.new_user(), host.new_user()
    host.subuid("add", "web1", "--range", "65536", user=owner)
    rows = [row for row in host.subuid("export").stdout.splitlines() if json.loads(row).get("owner") == owner]
    uid = labels(host, owner)["web1"]["uid"]
    host.subuid("remove", "web1", user=owner)
    file = tmp_path / "export.json"
    file.write_text("".join(row + "\n" for row in rows))
    host.subuid("import", file)
    assert labels(host, owner)["web1"]["uid"] == uid, "with its data, which was set aside"
    host.subuid("remove", "web1", user=owner)
    host.subuid("add", "web1", user=owner)
    host.subuid("remove", "web1", "--purge", user=owner)
    gone = labels(host, owner)
    assert gone == {}
    purged = json.loads(host.subuid("export").stdout.splitlines()[-1])
    for thief, label in ((other, "web1"), (owner, "web2")):
        one = write_json(tmp_path / "thief.json", [{"owner": thief, "label": label, "uid": purged["first"]}])
        result = host.subuid("import", one, check=False)
        assert result.returncode == 4 and "before, until" in result.stderr
    one = write_json(tmp_path / "back.json", [{"owner": owner, "label": "web1", "uid": purged["first"]}])

    # before or after its data was deleted; not in the middle
    result = host.subuid("import", one, "--json")
    assert json.loads(result.stdout)["made"] == 1, result.stderr
    assert labels(host, owner)["web1"]["uid"] == purged["first"] != uid
    assert "to whom had them" in host.subuid("audit", "--all").stdout
    check_is_sound(host)


POINTS = [("fdatasync", 1), ("fdatasync", 2), ("fdatasync", 3), ("fsync", 1), ("fsync", 3), ("mkdirat", 5),
          ("renameat2", 2), ("symlinkat", 2), ("fchown", 3), ("pwrite64", 5), ("sendto", 2)]


@pytest.mark.parametrize("syscall,when", POINTS)
def test_killed_at_a_system_call(host, tmp_path, syscall, when):
    owner = host.new_user()
    file = write_csv(tmp_path / "a.csv", [{"owner": owner, "label": f"l{i}", "ranges": "65536"} for i in range(8)])
    import_killed_at(host, file, syscall, when)
    present = set(labels(host, owner))
    home = Path(f"/home/{owner}/subuid")
    assert present == set(os.listdir(f"/srv/subuid/{owner}") if Path(f"/srv/subuid/{owner}").exists() else [])
    assert present == set(os.listdir(home) if home.exists() else [])
    result = host.subuid_json("import", file)
    assert result["made"] + result["present"] == 8 and result["present"] == len(present)
    check_is_sound(host)


# -- others at the same time


def test_an_import_and_others_do_not_disturb_each_other(host, tmp_path):
    owner, other = owner_with_room(host), owner_with_room(host)
    file = write_csv(tmp_path / "a.csv", [{"owner": owner, "label": f"l{i}"} for i in range(400)])
    done, seen = threading.Event(), []

    def one_by_one():
        i = 0
        while not done.is_set():
            reply = call(API + "Add", {"owner": other, "label": f"x{i}"})
            assert "error" not in reply, reply
            seen.append(reply["parameters"]["account"]["uid"])
            i += 1

    thread = threading.Thread(target=one_by_one)
    thread.start()
    try:
        assert host.subuid_json("import", file)["made"] == 400
    finally:
        done.set()
        thread.join()
    uids = seen + [row["uid"] for row in labels(host, owner).values()]
    assert seen and len(uids) == len(set(uids))
    check_is_sound(host)


# -- export


@contextlib.contextmanager
def another_host(host):
    """The same owners, an empty store, no homes and no links; what was there comes back."""
    host.stop_daemon()
    places = [Path("/var/lib/subuidd"), Path("/srv/subuid"), Path("/var/backups/subuidd")]
    places += [Path(entry.pw_dir) / "subuid" for entry in pwd.getpwall() if entry.pw_dir.startswith("/home/")]
    places = [place for place in places if place.exists()]

    def views_unmount():
        for line in Path("/proc/self/mounts").read_text().splitlines():
            if "/srv/subuid/" in line.split()[1]:
                run("umount", "-l", line.split()[1])

    views_unmount()
    for place in places:
        os.rename(place, f"{place}.before")
    host.start_daemon()
    try:
        yield
    finally:
        host.stop_daemon()
        views_unmount()
        for place in places:
            shutil.rmtree(place, ignore_errors=True)
            os.rename(f"{place}.before", place)
        for entry in pwd.getpwall():
            links = Path(entry.pw_dir) / "subuid"
            if links.exists() and links not in places and entry.pw_dir.startswith("/home/"):
                shutil.rmtree(links)
        host.start_daemon()


def facts(export):
    rows = [json.loads(line) for line in export.splitlines()]
    for row in rows:
        row.pop("ownerUid", None)
    return sorted(json.dumps(row, sort_keys=True) for row in rows)


def test_export_and_import_give_the_same_everything(host, tmp_path, public_key):
    owner, other = host.new_user(), host.new_user()
    second = Path(f"{host.new_key(tmp_path, 'second')}.pub").read_text().strip()
    host.subuid("add", "web1", "--key", "-", "--comment", "first", "--expires", "+90d", user=owner, input=public_key)
    host.subuid("key", "add", "web1", "-", "--role", "pull", "--from", "192.0.2.1", user=owner, input=second)
    host.subuid("range", "add", "65536", "web1", user=owner)
    host.subuid("range", "add", "131072", user=other)
    host.subuid("add", "gone", user=owner)
    host.subuid("remove", "gone", "--purge", user=owner)
    host.subuid("add", "locked", user=other)
    host.subuid("lock", "locked", user=other)
    host.subuid("limit", other, "--accounts", "77")
    for gone in {row["owner"] for row in host.subuid_json("list")} - {entry.pw_name for entry in pwd.getpwall()}:
        for row in host.subuid_json("list", "--owner", gone):
            host.subuid("remove", row["name"], "--purge", "--yes")
    export = host.subuid("export").stdout
    kinds = {json.loads(line)["kind"] for line in export.splitlines()}
    assert kinds - {"run"} == {"export", "limit", "account", "key", "range", "tombstone"}
    file = tmp_path / "export.json"
    file.write_text("".join(line + "\n" for line in export.splitlines()
                            if json.loads(line)["kind"] != "limit" or json.loads(line)["owner"] in
                            {entry.pw_name for entry in pwd.getpwall()}))
    with another_host(host):
        assert host.subuid_json("import", file, "--dry-run")["failed"] == 0
        assert host.subuid_json("list") == []
        assert host.subuid_json("import", file)["failed"] == 0
        assert facts(host.subuid("export").stdout) == facts(file.read_text())
        assert host.subuid_json("import", file)["made"] == 0, "and once more is no change"
        check_is_sound(host)
        # ids of what was removed before are not given out here either
        gone = [json.loads(line)["first"] for line in export.splitlines() if json.loads(line)["kind"] == "tombstone"]
        host.subuid("add", "next", user=owner)
        assert labels(host, owner)["next"]["uid"] not in gone


def test_adopted_ranges_and_alarms_come_along(host, tmp_path, subid_files):
    """On a host whose files say nothing of the range, on one that gives it to the owner, and on one that gives it to others."""
    owner, other = host.new_user(), host.new_user()
    first = next(BLOCKS)
    line = f"{owner}:{first}:65536\n"
    subid_files(line)
    host.subuid("adopt", "--owner", owner)
    host.subuid("add", "web1", user=owner)
    host.subuid("set", "web1", "--alarm", "26h", user=owner)
    export = [line for line in host.subuid("export").stdout.splitlines() if json.loads(line).get("owner") == owner]
    file = tmp_path / "export.json"
    file.write_text("".join(f"{line}\n" for line in export if json.loads(line)["kind"] != "tombstone"))
    assert {json.loads(line).get("alarm") for line in export if json.loads(line)["kind"] == "account"} == {26 * 3600}
    for there in ("", line):
        subid_files(there)
        with another_host(host):
            assert host.subuid_json("import", file)["failed"] == 0
            assert host.subuid_json("show", f"{owner}+web1")["account"]["alarm"] == 26 * 3600
            (row,) = host.subuid_json("range", "list", "--owner", owner)
            assert (row["first"], row["count"], row["adopted"]) == (first, 65536, True)
            assert f" {first} 65536" in run("getsubids", owner).stdout
            assert host.subuid_json("import", file)["made"] == 0, "and once more is no change"
            check_is_sound(host)
    subid_files(f"{other}:{first + 65000}:1000\n")
    with another_host(host):
        result = host.subuid("import", file, check=False)
        assert result.returncode == 4 and f"range {first}-{first + 65535}" in result.stderr
        assert host.subuid_json("range", "list", "--owner", owner) == []


def test_what_clashes_is_said_exactly(host, tmp_path):
    owner, other = owner_with_room(host), host.new_user()
    host.subuid("add", "there", user=other)
    uid = labels(host, other)["there"]["uid"]
    host.subuid("add", "gone", user=other)
    gone = labels(host, other)["gone"]["uid"]
    host.subuid("remove", "gone", "--purge", user=other)
    first = host.subuid_json("range", "add", "65536", user=other)["first"]
    foreign = max(uid, gone) + 50
    run("useradd", "-M", "-u", str(foreign), f"f{foreign}")
    run("groupadd", "-g", str(foreign + 1), f"g{foreign + 1}")
    with open("/etc/subuid", "a") as file:
        file.write(f"someone:{foreign + 2}:1\n")
    cases = [
        ({"kind": "account", "owner": owner, "label": "a", "uid": uid}, f"{uid} is the uid of {other}+there"),
        ({"kind": "account", "owner": owner, "label": "a", "uid": gone}, f"{gone} was given to {other}+gone before"),
        ({"kind": "account", "owner": owner, "label": "a", "uid": foreign}, f"it is the uid of f{foreign}"),
        ({"kind": "account", "owner": owner, "label": "a", "uid": foreign + 1}, "the gid of a group"),
        ({"kind": "account", "owner": owner, "label": "a", "uid": foreign + 2}, "/etc/subuid"),
        ({"kind": "account", "owner": owner, "label": "a", "uid": 70000}, "none of the blocks"),
        ({"kind": "range", "owner": owner, "first": first, "count": 65536}, f"is a range of {other}"),
        ({"kind": "range", "owner": owner, "first": 200000, "count": 65536}, "none of the blocks"),
        ({"kind": "tombstone", "owner": "x", "label": "y", "first": uid, "count": 1}, f"is the uid of {other}+there"),
        ({"kind": "account", "owner": other, "label": "there", "uid": uid + 1}, f"with uid {uid} and not {uid + 1}"),
        ({"kind": "key", "owner": owner, "label": "none", "key": {"key": "ssh-ed25519 AAAA"}}, "key"),
        ({"kind": "nonsense", "owner": owner}, "not a kind"),
        ({"kind": "unknown", "owner": owner}, "not a kind"),
        ({"kind": "account", "owner": owner, "label": "a", "colour": 1}, "not a member"),
    ]
    file = write_json(tmp_path / "a.json", [row for row, _ in cases])
    report = tmp_path / "report"
    result = host.subuid("import", file, "--keep-going", "--report", report, check=False)
    assert result.returncode != 0
    said = {entry["line"]: entry for entry in map(json.loads, report.read_text().splitlines())}
    for number, (_, words) in enumerate(cases, 1):
        assert words in said[number]["why"] + said[number]["what"], (number, said.get(number))
    assert labels(host, owner) == {}


def test_ids_by_number_are_roots_alone(host, tmp_path):
    owner = host.new_user()
    admin = host.new_user("adm")
    group = "panel-admins"
    run("groupadd", "-f", group)
    run("usermod", "-aG", group, admin)
    conf = Path("/etc/subuidd.conf.d/99-test.conf")
    conf.parent.mkdir(exist_ok=True)
    conf.write_text(f"[access]\nadmin_group = {group}\n")
    if host_refuses(conf):
        conf.unlink()
        pytest.fail("the setting of the admin group has another name")
    host.daemon.send_signal(signal.SIGHUP)
    try:
        plain = write_json(tmp_path / "a.json", [{"owner": owner, "label": "a"}])
        numbered = write_json(tmp_path / "b.json", [{"owner": owner, "label": "b", "uid": 2100005555}])
        wait_until(lambda: host.subuid("import", plain, user=admin, check=False).returncode == 0, "he is an admin")
        result = host.subuid("import", numbered, user=admin, check=False)
        assert result.returncode == 5 and "only root" in result.stderr
        host.subuid("import", numbered)
        assert labels(host, owner)["b"]["uid"] == 2100005555
    finally:
        conf.unlink()
        host.daemon.send_signal(signal.SIGHUP)


def host_refuses(conf):
    return run("/usr/sbin/subuidd", "--check-config", check=False).returncode != 0


# -- adopt


@pytest.fixture
def subid_files(host):
    """Both files are the test's own; what they were comes back."""
    before = {name: Path(f"/etc/{name}").read_text() for name in ("subuid", "subgid")}

    def write(subuid, subgid=None):
        for name, text in (("subuid", subuid), ("subgid", subuid if subgid is None else subgid)):
            Path(f"/etc/{name}").write_text(text)
            os.chmod(f"/etc/{name}", 0o644)

    yield write
    for name, text in before.items():
        Path(f"/etc/{name}").write_text(text)


def told(host, *words):
    result = host.subuid("adopt", *words, "--json", check=False)
    return result.returncode, {(row["first"], row["count"]): row for row in json.loads(result.stdout)}


def test_adopt_takes_what_both_files_say_alike(host, subid_files):
    one, two = host.new_user(), host.new_user()
    uid = pwd.getpwnam(two).pw_uid
    subid_files(f"{one}:10000000:65536\n# a comment\n{uid}:10100001:1000\n{one}:10200000:65536\nnobodyx:10300000:65536\n"
                f"root:10400000:65536\n",
                f"{one}:10000000:65536\n{two}:10100001:1000\n{one}:10200000:65535\nnobodyx:10300000:65536\n"
                f"root:10400000:65536\n")
    files = Path("/etc/subuid").read_text(), Path("/etc/subgid").read_text()
    status, rows = told(host)
    assert status == 1
    assert rows[10000000, 65536]["outcome"] == "made" and rows[10100001, 1000]["outcome"] == "made"
    assert f"/etc/subgid gives ids of it to others than {one}, in another block" in rows[10200000, 65536]["why"]
    assert f"/etc/subuid gives ids of it to others than {one}, in another block" in rows[10200000, 65535]["why"]
    assert "no such account" in rows[10300000, 65536]["why"]
    assert "root has no" in rows[10400000, 65536]["why"]
    assert (Path("/etc/subuid").read_text(), Path("/etc/subgid").read_text()) == files
    ranges = {row["first"]: row for row in host.subuid_json("range", "list")}
    assert ranges[10000000]["owner"] == one and ranges[10100001] | {"count": 1000, "owner": two} == ranges[10100001]
    assert told(host, "--owner", two)[1][10100001, 1000]["outcome"] == "present"
    assert [line for line in run("getsubids", one).stdout.splitlines() if " 10000000 65536" in line]
    check_is_sound(host)
    # what is adopted is given to nobody else, and is a tombstone when it is removed
    host.subuid("range", "remove", "10100001", "--owner", two)
    assert "before, until" in told(host, "--owner", two)[1][10100001, 1000]["why"]


def header_bounds():
    """What the module looks at before it looks anything up: ids outside cost a comparison."""
    source = Path("/srv/bounds.c")
    source.write_text("""#include <stdio.h>
#include "index/index.h"
int main(void) { struct index_reader r = INDEX_READER("/var/lib/subuidd/index"); struct index_host h;
if (index_host(&r, &h) != 0) return 1; printf("%u %u\\n", h.range_first, h.range_last); return 0; }""")
    root = Path(__file__).resolve().parents[2]
    run("cc", "-std=gnu17", "-D_GNU_SOURCE", "-w", "-I", root, "-o", "/srv/bounds", source,
        *(root / f"index/{name}.c" for name in ("index", "map", "view", "record", "list", "check")),
        *(root / f"account/{name}.c" for name in ("name", "id", "range_name")),
        "-DSTATE_DIR=\"/var/lib/subuidd\"", "-DRUN_DIR=\"/run/subuidd\"")
    return tuple(map(int, run("/srv/bounds").stdout.split()))


def test_ids_of_adopted_ranges_have_names_and_others_cost_what_they_did(host, subid_files):
    one = host.new_user()
    first = next(BLOCKS)
    subid_files(f"{one}:{first}:65536\n{one}:3000000000:1000\n")
    host.subuid("adopt", "--owner", one)
    for number in (first, first + 65535, 3000000999):
        assert run("getent", "passwd", str(number)).stdout.startswith(f"{one}+_{number}:")
    low, high = header_bounds()
    assert 1 << 16 < low <= first and 3000000999 <= high
    host.restart_daemon()
    assert header_bounds() == (low, high), "not built anew at each start"
    assert run("getent", "passwd", "3000000999").stdout.startswith(f"{one}+_")
    check_is_sound(host)


def test_adopt_refuses_what_others_hold(host, subid_files):
    one, two = host.new_user(), host.new_user()
    mine = host.subuid_json("range", "add", "65536", user=one)["first"]
    subid_files(f"{one}:11000000:65536\n{two}:11065000:65536\n{two}:{mine + 10}:10\n{two}:1000:5\n{two}:65000:1000\n")
    status, rows = told(host)
    assert status == 1 and all(row["outcome"] == "failed" for row in rows.values()), rows
    assert "to others" in rows[11000000, 65536]["why"]
    assert f"is a range of {one}" in rows[mine + 10, 10]["why"]
    assert "ids of the system" in rows[1000, 5]["why"]


def test_adopt_removes_the_lines_it_took_and_no_other(host, subid_files):
    one = host.new_user()
    kept = "# kept\nnobodyx:12100000:65536\n\nnot a line\n"
    subid_files(f"{kept}{one}:12000000:65536\n")
    os.chmod("/etc/subuid", 0o640)
    run("/usr/bin/subuid", "adopt", "--owner", one, "--remove")
    assert Path("/etc/subuid").read_text() == kept == Path("/etc/subgid").read_text()
    assert os.stat("/etc/subuid").st_mode & 0o777 == 0o640
    os.chmod("/etc/subuid", 0o644)
    assert not [name for name in os.listdir("/etc") if name.startswith(("subuid.", "subgid."))
                and "-" not in name and name.endswith(("lock", "adopt"))]
    assert " 12000000 65536" in run("getsubids", one).stdout
    check_is_sound(host)


def test_adopt_refuses_where_a_line_has_a_nul(host, subid_files):
    """shadow reads such a line up to it, so it may give ids to others; nobody can say what else it gives to whom."""
    one, two = host.new_user(), host.new_user()
    first = next(BLOCKS)
    line, nul = f"{one}:{first}:65536\n", f"{two}:{first + 1}:10\0x"
    nsswitch = Path("/etc/nsswitch.conf")
    before = nsswitch.read_text()
    subid_files(line + nul, line)
    nsswitch.write_text("".join(row for row in before.splitlines(True) if not row.startswith("subid:")))
    try:
        assert f" {two} {first + 1} 10\n" in run("getsubids", two).stdout  # the control: shadow itself
    finally:
        nsswitch.write_text(before)
    for subuid, subgid in ((line + nul, line), (line, line + nul)):
        subid_files(subuid, subgid)
        status, rows = told(host, "--owner", one)
        assert status == 1 and rows[first, 65536]["outcome"] == "failed", rows
        assert "the host holds cannot be found out" in rows[first, 65536]["why"], rows
    assert first not in [row["first"] for row in host.subuid_json("range", "list")]
    subid_files(line)
    assert told(host, "--owner", one)[1][first, 65536]["outcome"] == "made"  # the control: without it
    check_is_sound(host)


BLOCKS = itertools.count(15000000, 100000)  # an adopted range is a tombstone for good: each test has its own


def both_files():
    return Path("/etc/subuid").read_text(), Path("/etc/subgid").read_text()


def left_behind():
    return [name for name in os.listdir("/etc") if name.startswith(("subuid.", "subgid.")) and "-" not in name[:7]]


def nothing_is_left():
    """The daemon looks at the files whenever they change, and takes the locks for a moment when there is something to mend."""
    wait_until(lambda: left_behind() == [], "locks and new files are gone")
    return True


def test_adopt_removes_what_it_took_however_it_is_spelled(host, subid_files):
    """A uid beside a name, another size, another owner, one of the two files: only what was taken goes."""
    one, two = host.new_user(), host.new_user()
    uid = pwd.getpwnam(one).pw_uid
    kept = (f"{two}:12300000:1000\n{one}:12400000:1000\n{one}:12500000:1000\n{one}:12600000:10\n{uid}:12600000:10\n",
            f"{one}:12300000:1000\n{one}:12400000:1001\n{one}:12600000:10\n{uid}:12600000:10\n# kept\n")
    subid_files(f"{one}:12100000:1000\n{uid}:12200000:1000\n{kept[0]}{one}:12700000:5",
                f"{uid}:12100000:1000\n{one}:12200000:1000\n{kept[1]}{one}:12700000:5\n")
    result = host.subuid("adopt", "--owner", one, "--remove", "--json", check=False)
    rows = {(row["first"], row["count"]): row for row in json.loads(result.stdout)}
    assert result.returncode == 1 and result.stderr == ""
    assert {ids for ids, row in rows.items() if row["outcome"] == "made"} == {
        (12100000, 1000), (12200000, 1000), (12700000, 5)}
    assert f"/etc/subuid gives ids of it to others than {one}" in rows[12300000, 1000]["why"]
    assert "/etc/subgid" in rows[12400000, 1000]["why"] and "/etc/subuid" in rows[12400000, 1001]["why"]
    assert "/etc/subgid does not" in rows[12500000, 1000]["why"]
    assert "twice" in rows[12600000, 10]["why"]
    assert both_files() == kept and nothing_is_left()


@pytest.mark.parametrize("syscall,when", [("renameat", 2), ("fsync", 2), ("linkat", 2), ("fchown", 2)])
def test_adopt_takes_lines_out_of_both_files_or_of_none(host, subid_files, syscall, when):
    one, first = host.new_user(), next(BLOCKS)
    subid_files(f"{one}:{first}:65536\nother:999:1\n")
    before = both_files()
    strace = ["strace", "-qq", "-o", "/dev/null", "-e", f"trace={syscall}", "-e"]
    adopt = ["/usr/bin/subuid", "adopt", "--owner", one, "--remove"]
    result = run(*strace, f"inject={syscall}:error=EIO:when={when}", *adopt, check=False)
    assert result.returncode == 1 and "no line was removed" in result.stderr, result.stderr
    assert both_files() == before and nothing_is_left()
    host.subuid(*adopt[1:])
    assert both_files() == ("other:999:1\n",) * 2 and nothing_is_left()


@pytest.mark.parametrize("syscall,when", [("renameat", 1), ("renameat", 2), ("fsync", 3), ("linkat", 1), ("linkat", 2)])
def test_adopt_killed_at_any_point_is_finished_by_the_next(host, subid_files, syscall, when):
    one, first = host.new_user(), next(BLOCKS)
    subid_files(f"{one}:{first}:65536\nother:999:1\n")
    strace = ["strace", "-qq", "-o", "/dev/null", "-e", f"trace={syscall}", "-e",
              f"inject={syscall}:signal=KILL:when={when}"]
    assert run(*strace, "/usr/bin/subuid", "adopt", "--owner", one, "--remove", check=False).returncode == -signal.SIGKILL
    # its lock is left, if the daemon has not cleared it by now
    assert all(text in (f"{one}:{first}:65536\nother:999:1\n", "other:999:1\n") for text in both_files())
    host.subuid("adopt", "--owner", one, "--remove")
    assert both_files() == ("other:999:1\n",) * 2 and nothing_is_left()


@contextlib.contextmanager
def without_plugin():
    """usermod writes the files only where nsswitch.conf names no plug-in."""
    conf = Path("/etc/nsswitch.conf")
    before = conf.read_text()
    conf.write_text("".join(line for line in before.splitlines(True) if not line.startswith("subid:")))
    try:
        yield
    finally:
        conf.write_text(before)


def test_adopt_and_usermod_lose_nothing_of_each_other(host, subid_files):
    one, foreign = host.new_user(), host.new_user()
    host.subuid("limit", one, "--ranges", "100")
    filler = "".join(f"filler:{600000000 + i}:1\n" for i in range(5000))  # long to write: a lock is needed
    subid_files(filler + "".join(f"{one}:{37000000 + i * 100}:100\n" for i in range(5)))
    stop, added = threading.Event(), []

    def usermod():
        while not stop.is_set() or len(added) < 3:
            block = f"{710000000 + len(added) * 10}-{710000000 + len(added) * 10 + 9}"
            run("usermod", "--add-subuids", block, "--add-subgids", block, foreign)
            added.append(f"{foreign}:{block.split('-')[0]}:10")

    with without_plugin():
        thread = threading.Thread(target=usermod)
        thread.start()
        try:
            for i in range(5):
                host.subuid("adopt", "--owner", one, "--remove")
                block = f"{37100000 + i * 100}-{37100000 + i * 100 + 99}"
                run("usermod", "--add-subuids", block, "--add-subgids", block, one)
            host.subuid("adopt", "--owner", one, "--remove")
        finally:
            stop.set()
            thread.join()
    for text in both_files():
        assert text.startswith(filler) and one not in text
        assert text.removeprefix(filler).splitlines() == added
    assert len(host.subuid_json("range", "list", "--owner", one)) == 10
    check_is_sound(host)


def test_lines_that_the_daemon_keeps_there_stay(host, subid_files):
    one = host.new_user()
    conf = Path("/etc/subuidd.conf.d/98-publish.conf")
    conf.parent.mkdir(exist_ok=True)
    conf.write_text("[subid]\npublish = both\n")
    subid_files(f"{one}:38000000:65536\n")
    host.restart_daemon()
    try:
        first = host.subuid_json("range", "add", "65536", user=one)["first"]
        ours = f"{one}:{first}:65536"
        assert ours in both_files()[0].splitlines()
        host.subuid("adopt", "--owner", one, "--remove")
        for text in both_files():
            assert ours in text.splitlines() and f"{one}:38000000:65536" in text.splitlines()
    finally:
        conf.unlink()
        host.restart_daemon()
    wait_until(lambda: ours not in both_files()[0] + both_files()[1], "our lines are taken back")


def test_adopt_waits_for_nobodys_lock_and_says_so(host, subid_files):
    one = host.new_user()
    subid_files(f"{one}:13000000:65536\n")
    Path("/etc/subgid.lock").write_text(str(os.getpid()))
    try:
        result = host.subuid("adopt", "--owner", one, "--remove", check=False)
        assert result.returncode == 1 and "holds its locks" in result.stderr
        assert f"{one}:13000000" in Path("/etc/subuid").read_text()
        # the daemon may be looking, too, whether it can write
        wait_until(lambda: not Path("/etc/subuid.lock").exists(), "its lock is gone")
    finally:
        os.unlink("/etc/subgid.lock")
    host.subuid("adopt", "--owner", one, "--remove")
    assert Path("/etc/subuid").read_text() == Path("/etc/subgid").read_text() == ""


def test_adopt_is_roots(host, subid_files):
    one = host.new_user()
    subid_files(f"{one}:14000000:65536\n")
    lines = Path("/var/lib/subuidd/subid-lines")  # there since the daemon has written the files, and root's alone
    made = not lines.exists()
    if made:
        lines.write_text("")
        lines.chmod(0o600)
    result = host.subuid("adopt", user=one, check=False)
    if made:
        lines.unlink()
    assert result.returncode == 5, result.stderr


# -- interrupted: last, since every check of all that comes after looks at what these make


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_interrupted_it_says_how_to_go_on_and_does(host, tmp_path, public_key, how):
    owner = owner_with_room(host)
    count = 400
    file = write_csv(tmp_path / "a.csv", [{"owner": owner, "label": f"l{i}", "key": public_key} for i in range(count)])
    importer = subprocess.Popen(["/usr/bin/subuid", "import", str(file)], stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True,
                                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    wait_until(lambda: Path(f"/home/{owner}/subuid/l1").is_symlink(), "the import is under way")
    importer.send_signal(how)
    out, err = importer.communicate(timeout=60)
    if how == signal.SIGKILL:  # its last call goes on, and what it makes is waited for
        assert importer.returncode == -how
    else:
        present = len(labels(host, owner))
        assert importer.returncode == 130 and "interrupted; import it once more" in err, err
        assert out == f"made {present}, there already 0, failed 0\n", "what was said is what was made"
    again = host.subuid_json("import", file)
    assert again["failed"] == 0 and again["made"] + again["present"] == count
    assert again["made"] > count // 2 and again["present"] > 0, "it was not interrupted"
    assert how == signal.SIGKILL or again["present"] == present


def test_a_terminal_sees_how_far_it_is(host, tmp_path):
    owner = owner_with_room(host)
    file = write_csv(tmp_path / "a.csv", [{"owner": owner, "label": f"l{i}"} for i in range(600)])
    child, terminal = pty.fork()
    if child == 0:
        os.execv("/usr/bin/subuid", ["subuid", "import", str(file)])
    seen = b""
    with contextlib.suppress(OSError):  # the other end is closed
        while chunk := os.read(terminal, 4096):
            seen += chunk
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    os.close(terminal)
    shown = re.findall(r"\r\[(#*) *\] +(\d+) %  (\d+) lines, (\d+)/s, (\d+) s to go", seen.decode())
    assert shown and all(abs(len(bar) - int(share) * 30 / 100) <= 1 for bar, share, *_ in shown)
    assert [int(row[1]) for row in shown] == sorted(int(row[1]) for row in shown)
    assert seen.decode().endswith("\r\x1b[Kmade 600, there already 0, failed 0\r\n")
