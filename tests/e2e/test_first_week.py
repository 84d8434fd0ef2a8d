# SPDX-License-Identifier: ISC
"""What an administrator meets in the first week: words, refusals, wrong settings, an upgrade, and the way back."""

import contextlib
import json
import os
import re
import shutil
import socket
from pathlib import Path

import pytest

from conftest import ROOT, SOCKET, run, wait_until

SUBUIDD = "/usr/sbin/subuidd"
LOCAL = Path("/etc/subuidd.conf.d/local.conf")
READERS = "unshare --map-auto, mmdebstrap, the buildah of Debian 12, apptainer and rootlesskit"


def audit_details(host, owner):
    return {entry["action"]: entry["detail"] for entry in reversed(host.subuid_json("audit", user=owner))}


def test_the_audit_trail_says_what_was_given_in_words(host, tmp_path):
    owner = host.new_user()
    public = Path(f"{host.new_key(tmp_path)}.pub").read_text()
    host.subuid("add", "web1", "--key", "-", "--role", "push", "--no-delete", "--quota", "10G", "--range", "65536", user=owner,
                input=public)
    host.subuid("key", "remove", "web1", host.subuid_json("key", "list", "web1", user=owner)[0]["fingerprint"], user=owner)
    added = audit_details(host, owner)["account.add"]
    assert "quota 10G" in added and "65536 ids from " in added
    assert ", role push, no-delete, expires never" in added and "SHA256:" in added
    host.subuid("key", "add", "web1", "-", "--role", "push", "--no-delete", "--no-overwrite", "--expires", "2099-01-01", "--from",
                "10.0.0.0/8", user=owner, input=public)
    assert ", role push, no-delete, no-overwrite, expires 2099-01-01, from 10.0.0.0/8" in audit_details(host, owner)["key.add"]
    for options, words in [
        (("--quota", "1536M", "--files", "none", "--alarm", "26h", "--expires", "never", "--comment", ""),
         "expires never, quota 1536M, files none, alarm 26h, comment none"),
        (("--quota", "none", "--files", "default", "--alarm", "never", "--view", "theirs"),
         "quota none, files default, view theirs, alarm never"),
        (("--quota", "1000", "--alarm", "90s"), "quota 1000, alarm 90s"),
    ]:
        host.subuid("set", "web1", *options, user=owner)
        assert audit_details(host, owner)["account.modify"] == words


@pytest.mark.parametrize("words", [("release", "5"), ("export",), ("state", "save", "/tmp/x"), ("limit", "root", "--accounts", "5")])
def test_a_refusal_names_the_command_that_was_typed(host, words):
    result = host.subuid(*words, user=host.new_user(), check=False)
    command = " ".join(words[:2]) if words[0] == "state" else words[0]
    assert result.returncode == 5, result
    assert result.stderr.startswith(f"subuid: {command}: only root "), result.stderr


def test_a_log_without_runs_says_so(host, tmp_path):
    owner, _, _ = host.account(tmp_path)
    assert host.subuid("log", "web1", user=owner).stdout == "web1: no runs yet\n"
    assert host.subuid_json("log", "web1", user=owner) == []


COMPLETE = """
source /usr/share/bash-completion/completions/subuid
COMP_WORDS=(subuid show "$1"); COMP_CWORD=2
_subuid
printf '%s\\n' "${COMPREPLY[@]}"
"""


def completed(word, user=None):
    return run("bash", "-c", COMPLETE, "complete", word, user=user).stdout.split()


def test_completion_gives_root_full_names_and_owners_labels(host, tmp_path):
    owner, name, _ = host.account(tmp_path)
    assert completed(owner + "+") == [name]
    assert completed("web", user=owner) == ["web1"]


def uid_of_next(host, owner):
    host.labels = getattr(host, "labels", 0) + 1
    return host.subuid_json("add", f"next{host.labels}", "--owner", owner)["account"]["uid"]


@contextlib.contextmanager
def no_home_for(owner):
    """Nothing can be made in the owner's directory of homes."""
    run("chattr", "+i", f"/srv/subuid/{owner}")
    try:
        yield
    finally:
        run("chattr", "-i", f"/srv/subuid/{owner}")


@pytest.mark.parametrize("options", [(), ("--range", "65536"), ("--key", "-", "--role", "push")], ids=["alone", "range", "key"])
def test_an_add_whose_home_cannot_be_made_uses_up_no_id(host, tmp_path, options):
    """Nobody has seen anything of the account. Its range is as free as its uid."""
    owner, public = host.new_user(), Path(f"{host.new_key(tmp_path)}.pub").read_text()
    before = uid_of_next(host, owner)
    first = host.subuid_json("range", "add", "65536", "--owner", owner)["first"]
    with no_home_for(owner):
        for _ in range(3):
            failed = host.subuid("add", "web1", *options, user=owner, check=False, input=public)
            assert failed.returncode == 1 and "its home cannot be made: Operation not permitted" in failed.stderr, failed
    assert uid_of_next(host, owner) == before + 1
    assert host.subuid_json("range", "add", "65536", "--owner", owner)["first"] == first + 65536
    undone = [entry for entry in host.subuid_json("audit", "--owner", owner) if entry["action"] == "account.undo"]
    assert undone[0]["detail"] == f"uid {before + 1} is free again: nobody saw it"
    assert host.subuid("check", "--owner", owner).returncode == 0


def test_an_id_that_was_named_stays_taken_where_its_home_cannot_be_made(host, tmp_path):
    """It may have been this account's before, with files somewhere."""
    owner, rows = host.new_user(), tmp_path / "rows"
    uid = uid_of_next(host, owner) + 5000
    rows.write_text(json.dumps({"owner": owner, "label": "web1", "uid": uid}) + "\n")
    with no_home_for(owner):
        assert host.subuid("import", rows, check=False).returncode == 1
    assert f"uid {uid} is not given out again" in audit_details(host, owner)["account.undo"]


def mounts_below(directory):
    return [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines() if line.split()[4].startswith(f"{directory}/")]


def test_undo_leaves_no_mounts_and_a_start_makes_them_again(host, tmp_path):
    owner, _, _ = host.account(tmp_path)
    view = f"/srv/subuid/{owner}/web1/view"
    Path(f"/srv/subuid/{owner}/web1/home/file").write_text("kept")
    foreign = Path("/srv/subuid-of-others")
    foreign.mkdir()
    run("mount", "--bind", foreign, foreign)
    assert view in mounts_below("/srv/subuid")
    host.stop_daemon()
    try:
        assert view in mounts_below("/srv/subuid"), "a daemon that is stopped leaves them"
        assert "(dry run) /srv/subuid: the owners' views are unmounted" in host.subuid("setup", "--undo", "--keep-data", "--dry-run").stdout
        assert view in mounts_below("/srv/subuid")
        assert "/srv/subuid: the owners' views are unmounted" in host.subuid("setup", "--undo", "--keep-data").stdout
        assert mounts_below("/srv/subuid") == []
        assert os.path.ismount(foreign) or str(foreign) in mounts_below("/srv")
        assert Path(f"/srv/subuid/{owner}/web1/home/file").read_text() == "kept"
    finally:
        run("umount", foreign)
        foreign.rmdir()
        host.subuid("setup")
        host.start_daemon()
    wait_until(lambda: view in mounts_below("/srv/subuid"), "the view is mounted again")
    assert run("cat", f"/home/{owner}/subuid/web1/file", user=owner).stdout == "kept"


def test_undo_takes_off_the_mount_that_the_homes_were_made(host, tmp_path):
    """`subuidd --hand-over` makes the homes a mount of their own where theirs is not shared. A disk of the administrator's stays."""
    script = """
        set -e
        mount {} /srv/subuid
        /usr/sbin/subuidd --withdraw
        grep -c ' /srv/subuid' /proc/self/mountinfo || :
    """
    host.account(tmp_path)
    host.stop_daemon()
    try:
        own, own_deep, disk = (run("unshare", "--mount", "bash", "-c", script.format(what)).stdout
                               for what in ("--bind /srv/subuid", "--rbind /srv/subuid", "-t tmpfs tmpfs"))
    finally:
        host.start_daemon()
    assert (own, own_deep) == ("0\n", "0\n")
    assert int(disk) > 0


# ---- who reads /etc/subuid

@pytest.fixture
def publish():
    LOCAL.parent.mkdir(exist_ok=True)
    before = Path("/etc/subuid").read_text(), Path("/etc/subgid").read_text()

    def set_to(way):
        LOCAL.write_text(f"[subid]\npublish = {way}\n")

    yield set_to
    LOCAL.unlink(missing_ok=True)
    for path, text in zip(("/etc/subuid", "/etc/subgid"), before):
        Path(path).write_text(text)


def doctors_readers(host):
    checks = json.loads(host.subuid("doctor", "--json", check=False).stdout)["checks"]
    return [(check["result"], check["found"], check["todo"]) for check in checks if check["check"] == "programs that read /etc/subuid"]


def range_add(host, owner):
    return host.subuid("range", "add", "65536", user=owner)


def test_the_first_range_says_once_who_does_not_find_it(host, publish):
    publish("plugin")
    host.restart_daemon()
    owner = host.new_user()
    said = range_add(host, owner).stderr
    assert READERS in said and "publish = files" in said
    assert range_add(host, owner).stderr == ""
    assert host.subuid("range", "add", "65536", "--json", user=host.new_user()).stderr == ""
    ((result, found, todo),) = doctors_readers(host)
    assert result == "note" and READERS in found and "publish = files" in todo
    for name in re.split(", | and ", READERS):
        for page in ("subuidd.conf.5", "libsubid_subuid.8"):
            assert name.removeprefix("the ").split(" of ")[0] in (ROOT / "man" / page).read_text(), (page, name)
    publish("files")
    host.restart_daemon()
    assert range_add(host, host.new_user()).stderr == "" and doctors_readers(host) == []
    LOCAL.unlink()
    host.restart_daemon()


def ids_mapped(owner, *argv):
    """Of the map that a program made for this owner: the block of subordinate ids."""
    lines = run(*argv, "cat", "/proc/self/uid_map", user=owner).stdout.splitlines()
    return [int(word) for line in lines for word in line.split()[1:] if int(line.split()[2]) >= 65535]


def test_programs_that_read_the_files_find_the_ranges_with_publish_files(host, publish):
    """With an account first, whose uid is a line as well: such programs take an owner's first line."""
    publish("files")
    host.restart_daemon()
    owner = host.new_user()
    for path in (Path("/etc/subuid"), Path("/etc/subgid")):  # a user of a directory has no line of useradd's
        path.write_text("".join(line for line in path.read_text().splitlines(True) if not line.startswith(f"{owner}:")))
    host.subuid("add", "web1", user=owner)
    first = host.subuid_json("range", "add", "65536", user=owner)["first"]
    assert ids_mapped(owner, "unshare", "--map-root-user", "--map-auto") == [first, 65535]  # and root is the owner
    if shutil.which("mmdebstrap"):
        assert ids_mapped(owner, "mmdebstrap", "--unshare-helper") == [first, 65536]
    publish("plugin")  # the control: then they find none
    host.restart_daemon()
    result = run("unshare", "--map-root-user", "--map-auto", "true", user=owner, check=False)
    assert result.returncode != 0
    LOCAL.unlink()
    host.restart_daemon()


def test_rootlesskit_maps_the_ranges_with_publish_files(host, publish):
    """By itself it asks getsubids, for the name and for the uid, and takes what both answers say: beside a plug-in, which knows
    both, everything twice."""
    def mapped(source):
        result = run("rootlesskit", f"--subid-source={source}", "cat", "/proc/self/uid_map", user=owner, check=False)
        return [int(line.split()[1]) for line in result.stdout.splitlines()]

    try:
        for way, found in (("files", True), ("plugin", False)):
            publish(way)
            host.restart_daemon()
            host.subuid("setup")
            owner = host.new_user()
            host.subuid("add", "web1", user=owner)
            first = host.subuid_json("range", "add", "65536", user=owner)["first"]
            for source in ("static", "auto"):
                assert (first in mapped(source)) == found, (way, source)
    finally:
        LOCAL.unlink()
        host.restart_daemon()
        host.subuid("setup")


# ---- settings, upgrades, a daemon by hand

def test_a_reload_looks_at_the_settings_first(host):
    """ExecReload= of the unit, one by one, as the service manager runs them (tests/boot sees it do that)."""
    unit = Path("/usr/lib/systemd/system/subuidd.service").read_text()
    commands = [line.removeprefix("ExecReload=") for line in unit.splitlines() if line.startswith("ExecReload=")]
    assert commands == [f"{SUBUIDD} --check-config", "/bin/kill -HUP $MAINPID"]
    LOCAL.parent.mkdir(exist_ok=True)
    try:
        for text, says in [
            ("[subid]\npublish = nowhere\n", f"{LOCAL}:2: [subid] publish: neither plugin, files nor both; correct it, subuidd.conf(5)"),
            ("[limits]\naccounts = 3\nacounts = 4\n", f"{LOCAL}:3: acounts: no such key in this group, or given twice; correct it, "),
            ("[limits\n", f"{LOCAL}:1: the group has no closing bracket; correct it, "),
        ]:
            LOCAL.write_text(text)
            result = run(*commands[0].split(), check=False)
            assert result.returncode == 1 and says in result.stderr, result.stderr
        LOCAL.write_text("[limits]\naccounts = 3\n")
        assert run(*commands[0].split()).stderr == ""
    finally:
        LOCAL.unlink()


def daemon_findings(host):
    report = json.loads(host.subuid("doctor", "--json", check=False).stdout)
    return [(check["result"], check["found"], check["todo"]) for check in report["checks"] if check["check"] == "daemon"]


def test_doctor_says_that_another_program_was_installed_over_the_running_one(host):
    assert daemon_findings(host)[0][0] == "good"
    run("install", "-m", "0755", ROOT / "build/bin/subuidd", SUBUIDD)
    try:
        (result, found, todo), = daemon_findings(host)
        assert result == "bad" and "another one was installed while it runs" in found and "subuid setup" in todo
        assert "subuidd: stop it and start it again: another version was installed" in host.subuid("setup").stdout
    finally:
        host.restart_daemon()
    assert daemon_findings(host)[0][0] == "good"
    assert "subuidd: runs" in host.subuid("setup").stdout


def test_a_daemon_by_hand_leaves_the_service_managers_socket_alone(host):
    host.stop_daemon()
    os.makedirs("/run/systemd/system")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(SOCKET)
    listener.listen()
    try:
        result = run(SUBUIDD, "--foreground", check=False, timeout=60)
        assert result.returncode == 1
        assert "systemd listens there, for subuidd.service; `systemctl start subuidd` starts it" in result.stderr
        with socket.socket(socket.AF_UNIX) as peer:
            peer.connect(SOCKET)
    finally:
        listener.close()
        os.rmdir("/run/systemd/system")
        host.start_daemon()


def test_a_second_daemon_by_hand_is_told_what_to_do(host):
    result = run(SUBUIDD, "--foreground", check=False, timeout=60)
    assert f"another subuidd is running (pid {host.daemon.pid}); stop it first, by `kill {host.daemon.pid}`" in result.stderr
