# SPDX-License-Identifier: ISC
"""An export that is imported on a new host: an export of that one is the same, to the byte."""

import json
import shutil
from pathlib import Path

import pytest

from conftest import run, wait_until

STATE = Path("/var/lib/subuidd")
HOMES = Path("/srv/subuid")


def export(host):
    return sorted(host.subuid("export").stdout.splitlines())


def kinds(lines):
    return {json.loads(line)["kind"] for line in lines}


def new_host(host):
    """The same users; nothing of this program's."""
    host.stop_daemon()
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        if line.split()[4].startswith(f"{HOMES}/"):
            run("umount", "-l", line.split()[4])
    for place in [*STATE.iterdir(), *HOMES.iterdir(), *Path("/home").glob("*/subuid"), Path("/var/backups/subuidd")]:
        shutil.rmtree(place) if place.is_dir() else place.unlink()
    host.start_daemon()


def imported(host, tmp_path, lines):
    file = tmp_path / "export.json"
    # in the order in which they were written: the header first, accounts before what belongs to them
    file.write_text("".join(f"{line}\n" for line in lines))
    return host.subuid_json("import", file)


def a_run(started, **more):
    return {"started": started, "durationMs": 1234, "tool": "rsync", "kind": "backup", "status": 0, "keyId": 0,
            "fingerprint": "", **more}


@pytest.fixture
def lived_in(host, tmp_path):
    """A host with everything that an export has."""
    alice, bob = host.new_user(), host.new_user()
    keys = [host.new_key(tmp_path, f"k{i}") for i in range(3)]
    for owner in (alice, bob):
        host.subuid("limit", owner, "--accounts", "20000", "--ranges", "50")
    host.subuid("add", "web1", "--key", "-", "--comment", "first", "--expires", "+90d", user=alice,
                input=Path(f"{keys[0]}.pub").read_text())
    for key, role in ((keys[1], "sync"), (keys[2], "pull")):
        host.subuid("key", "add", "web1", "-", "--role", role, "--from", "127.0.0.1", user=alice,
                    input=Path(f"{key}.pub").read_text())
    (tmp_path / "data").mkdir()
    (tmp_path / "data/file").write_text("x")
    for key in keys[:2]:
        host.rsync(key, "-a", f"{tmp_path}/data/", f"{alice}+web1@127.0.0.1:")
    assert host.rsync(keys[0], "-a", f"{tmp_path}/data/file", f"{alice}+web1@127.0.0.1:none/such/place/",
                      check=False).returncode != 0
    wait_until(lambda: len(host.subuid_json("log", "web1", user=alice)) >= 3, "the runs are recorded")
    ids = [row["id"] for row in host.subuid_json("key", "list", "web1", user=alice)]
    host.subuid("key", "remove", "web1", str(ids[1]), user=alice)  # its run stays, with the number that it had
    for first in ("range", "range"):
        host.subuid(first, "add", "65536", "web1", user=alice)
    host.subuid("range", "add", "131072", user=bob)
    host.subuid("add", "gone", "--range", "65536", user=alice)
    host.subuid("remove", "gone", "--purge", user=alice)
    host.subuid("add", "locked", user=bob)
    host.subuid("lock", "locked", user=bob)
    host.subuid("add", "silent", user=bob)
    host.subuid("set", "silent", "--alarm", "1s", user=bob)
    host.subuid("set", "web1", "--alarm", "26h", user=alice)
    host.subuid("set", "web1", "--view", "owner", "--files", "30000", user=alice)
    wait_until(lambda: any('"told":true' in line for line in export(host)), "the alarm has been told of")
    return alice, bob


def test_an_export_of_a_new_host_is_the_same_to_the_byte(host, tmp_path, lived_in):
    alice, bob = lived_in
    text = host.subuid("export").stdout.splitlines()
    before = sorted(text)
    assert kinds(before) == {"export", "limit", "account", "key", "range", "run", "tombstone"}
    assert any('"accountUid"' in line for line in before if '"tombstone"' in line)
    runs = [json.loads(line)["run"] for line in before if json.loads(line)["kind"] == "run"]
    assert {run["status"] == 0 for run in runs} == {True, False} and len({run["keyId"] for run in runs}) == 2
    shown = host.subuid_json("show", f"{alice}+web1")
    log = host.subuid_json("log", f"{alice}+web1")
    new_host(host)
    file = tmp_path / "export.json"
    file.write_text("".join(f"{line}\n" for line in text))
    dry = host.subuid_json("import", file, "--dry-run")
    assert dry["failed"] == 0 and host.subuid_json("list") == []
    assert host.subuid_json("import", file)["failed"] == 0
    assert export(host) == before
    assert host.subuid_json("import", file)["made"] == 0, "and once more is no change"
    assert export(host) == before
    again = host.subuid_json("show", f"{alice}+web1")
    for account in (again["account"], shown["account"]):  # what is used is counted now and then
        for counted in ("usedBytes", "usedFiles"):
            account.pop(counted, None)
    assert again == shown

    def without_seq(rows):
        return [{name: value for name, value in row.items() if name != "seq"} for row in rows]

    assert without_seq(host.subuid_json("log", f"{alice}+web1")) == without_seq(log)
    # the number of the key that was removed is nobody's: the next one is higher than any that there was
    highest = max(run["keyId"] for run in runs)
    new = host.new_key(tmp_path, "new")
    host.subuid("key", "add", "locked", "-", user=bob, input=Path(f"{new}.pub").read_text())
    assert host.subuid_json("key", "list", "locked", user=bob)[0]["id"] > highest
    result = host.subuid("check", "--all", check=False)
    assert result.returncode == 0, result.stdout


def test_five_hundred_runs_come_along(host, tmp_path):
    owner = host.new_user()
    host.subuid("add", "web1", user=owner)
    rows = [{"kind": "run", "owner": owner, "label": "web1", "run": a_run(1700000000 + i, files=i)} for i in range(510)]
    assert imported(host, tmp_path, map(json.dumps, rows)) | {"made": 500, "present": 10, "failed": 0} == {
        "lines": 510, "made": 500, "present": 10, "failed": 0, "dryRun": False}
    text = host.subuid("export").stdout.splitlines()
    log = [row["files"] for row in host.subuid_json("log", f"{owner}+web1", "-n", "1000")]
    assert log == list(range(499, -1, -1))
    new_host(host)
    assert imported(host, tmp_path, text)["failed"] == 0
    assert export(host) == sorted(text)
    assert imported(host, tmp_path, text)["made"] == 0
    assert [row["files"] for row in host.subuid_json("log", f"{owner}+web1", "-n", "1000")] == log
    actions = [row["action"] for row in host.subuid_json("audit", "--owner", owner)]
    assert 1 <= actions.count("run.import") < 20, "recorded, and not each of them"


def test_files_of_other_formats(host, tmp_path):
    """Those of before there was a header are read as they were; those of a newer program are not guessed at."""
    owner = host.new_user()
    old = [{"kind": "account", "locked": False, "owner": owner, "label": "web1", "uid": 2100000077, "created": 1700000000,
            "alarm": 3600},
           {"kind": "tombstone", "owner": owner, "label": "old", "first": 2100000078, "count": 1, "created": 1700000000,
            "ownerUid": 1000}]
    assert imported(host, tmp_path, map(json.dumps, old))["made"] == 2
    assert host.subuid_json("show", f"{owner}+web1")["account"]["alarmSince"] > 1700000000, "the alarm begins now"
    for header in ({"kind": "export", "format": 3}, {"kind": "export"}, {"kind": "export", "format": "2"}):
        file = tmp_path / "new.json"
        file.write_text(json.dumps(header) + "\n")
        result = host.subuid("import", file, check=False)
        assert result.returncode == 2 and "format: " in result.stderr, result.stderr
    assert "newer subuid" in host.subuid("import", "-", input='{"kind":"export","format":99}\n', check=False).stderr


@pytest.mark.parametrize("run,words", [
    ({"kind": "backup"}, "started: missing"),
    (a_run(1) | {"kind": "nap"}, "not backup, read, probe or refused"),
    (a_run(1) | {"status": 999}, "not one that this program records"),
    (a_run(1) | {"colour": 1}, "not a member"),
    (a_run(1) | {"tool": "x" * 40}, "too long"),
    (a_run(1) | {"error": "a\u0007b"}, "not one that this program records"),
    (a_run(-1), "below 0"),
    ("text", "not an object"),
])
def test_a_run_that_is_none_is_refused(host, tmp_path, run, words):
    owner = host.new_user()
    host.subuid("add", "web1", user=owner)
    row = {"kind": "run", "owner": owner, "label": "web1", "run": run}
    result = host.subuid("import", "-", input=json.dumps(row) + "\n", check=False)
    assert result.returncode == 2 and words in result.stderr, result.stderr
    assert host.subuid_json("log", f"{owner}+web1") == []
