# SPDX-License-Identifier: ISC
"""Bounds of an account and of its owner's accounts: each holds, none is raised by whom it is for, and they survive."""

import json
import os
import pwd
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

import session_fixture
from conftest import run, time_taken, wait_until
from test_costs import SHOW, syslog  # noqa: F401
from test_shell import home_of
from test_userdb import record_of, service  # noqa: F401

MIB = 1 << 20
SAID = {
    "processes": ("--processes", "64", 64),
    "memory": ("--memory", "300M", 300 * MIB),
    "openFiles": ("--open-files", "128", 128),
    "fileSize": ("--file-size", "1M", MIB),
    "cpuWeight": ("--cpu-weight", "20", 20),
    "ioWeight": ("--io-weight", "30", 30),
    "sessions": ("--sessions", "3", 3),
    "logins": ("--logins", "500", 500),
    "bandwidth": ("--bandwidth", "1G", 1 << 30),
}
WORDS = [word for option, text, _ in SAID.values() for word in (option, text)]
VALUES = {name: value for name, (_, _, value) in SAID.items()}


def said(what):
    return {name: what.get(name) for name in SAID}


def effective(host, name):
    account = host.subuid_json("show", name)["account"]
    return {bound: account.get("effective" + bound[0].upper() + bound[1:]) for bound in SAID}


def ulimits(host, key, name):
    asked = host.ssh(key, name, "ulimit -Hu; ulimit -Hn; ulimit -Hf; ulimit -Hd")
    assert asked.returncode == 0, asked.stderr
    return asked.stdout.split()


@pytest.fixture
def shell(host, tmp_path):
    return host.account(tmp_path, "shell")


# ---- what a process may

def test_a_shell_has_its_limits_and_raises_none(host, shell):
    owner, name, key = shell
    assert ulimits(host, key, name)[:3] == ["512", "1024", "unlimited"]  # the control
    assert host.ssh(key, name, f"head -c {2 * MIB} /dev/zero >large && rm large").returncode == 0
    host.subuid("set", "web1", "--processes", "64", "--open-files", "128", "--file-size", "1M", "--memory", "300M", user=owner)
    assert ulimits(host, key, name) == ["64", "128", "1024", str(300 * 1024)]
    for flag, more in (("u", 65), ("n", 129), ("f", 1025), ("d", 300 * 1024 + 1)):
        for kind in ("-H", "-S", ""):
            assert host.ssh(key, name, f"ulimit {kind}{' -' if not kind else ''}{flag} {more}").returncode != 0, (kind, flag)
    host.ssh(key, name, f"head -c {2 * MIB} /dev/zero >large")
    assert (home_of(name) / "large").stat().st_size == MIB
    assert host.ssh(key, name, "python3 -c 'b\"x\" * (400 << 20)' || echo no").stdout == "no\n"
    # many at once, each of which stays for a while: not more than there may be
    forks = "for i in $(seq 100); do sleep {} & done 2>/dev/null; ls -d /proc/[0-9]* | wc -l; kill $(jobs -p) 2>/dev/null"
    counted = host.ssh(key, name, forks.format(5)).stdout.split()
    assert not counted or int(counted[-1]) <= 64, counted
    host.subuid("set", "web1", "--processes", "default", "--open-files", "default", "--file-size", "default", "--memory",
                "default", user=owner)
    assert ulimits(host, key, name)[:3] == ["512", "1024", "unlimited"]
    assert int(host.ssh(key, name, forks.format(1000)).stdout.split()[-1]) > 100


def test_rsync_has_its_limits(host, tmp_path):
    owner, name, key = host.account(tmp_path, "push", "web1", None, "--file-size", "1M")
    (tmp_path / "small").write_bytes(b"x" * MIB)
    (tmp_path / "large").write_bytes(b"x" * (MIB + 1))
    host.rsync(key, tmp_path / "small", f"{name}@127.0.0.1:")
    assert host.rsync(key, tmp_path / "large", f"{name}@127.0.0.1:", check=False).returncode != 0
    assert not (home_of(name) / "large").exists()
    host.subuid("set", "web1", "--file-size", "default", user=owner)
    host.rsync(key, tmp_path / "large", f"{name}@127.0.0.1:")


def test_a_session_of_another_service_has_them_too(host, tmp_path):
    owner, name, _ = host.account(tmp_path)
    host.subuid("limit", owner, "--processes", "100")
    host.subuid("set", "web1", "--open-files", "100", "--file-size", "1M", user=owner)
    assert session_fixture.inside(name, "ulimit -Hu; ulimit -Hn; ulimit -Hf").split() == ["100", "100", "1024"]
    host.subuid("set", "web1", "--open-files", "default", "--file-size", "default", user=owner)
    assert session_fixture.inside(name, "ulimit -Hu; ulimit -Hn; ulimit -Hf").split() == ["100", "1024", "unlimited"]


# ---- sessions and logins

def test_sessions(host, shell):
    owner, name, key = shell
    host.subuid("set", "web1", "--sessions", "2", user=owner)
    held = [subprocess.Popen(["ssh", *host.ssh_options(key), f"{name}@127.0.0.1", "echo in; cat"], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, text=True) for _ in range(2)]
    try:
        assert [session.stdout.readline() for session in held] == ["in\n"] * 2
        assert host.ssh(key, name, "true").returncode != 0
        host.subuid("set", "web1", "--sessions", "default", user=owner)
        assert host.ssh(key, name, "true").returncode == 0  # the control
    finally:
        for session in held:
            session.communicate()


def test_logins_a_minute(host, tmp_path, shell, syslog):  # noqa: F811
    owner, name, key = shell
    _, other, its = host.account(tmp_path, "shell", "web2", owner)
    host.subuid("set", "web1", "--logins", "3", user=owner)
    answers = [host.ssh(key, name, "true").returncode for _ in range(6)]
    assert [code == 0 for code in answers] == [True] * 3 + [False] * 3
    line = next(line for line in syslog if "times within a minute" in line)
    assert name in line and "3 times" in line, line
    assert 0 < int(re.search(r"try again in (\d+) seconds", line).group(1)) <= 60
    assert host.ssh(its, other, "true").returncode == 0
    host.subuid("set", "web1", "--logins", "default", user=owner)
    assert host.ssh(key, name, "true").returncode == 0
    # those that were not counted count as well if it is bounded again, as they were not noted: none
    host.subuid("set", "web1", "--logins", "4", user=owner)
    assert [host.ssh(key, name, "true").returncode == 0 for _ in range(2)] == [True, False]


# ---- systemd

def test_systemd_is_told(host, tmp_path, service):  # noqa: F811
    owner, name, key = host.account(tmp_path)
    usual = record_of(name)
    assert (usual["cpuWeight"], usual["ioWeight"], usual["tasksMax"]) == (50, 50, 512 + 4 * 32)
    host.subuid("set", "web1", *WORDS, user=owner)
    told = record_of(name)
    assert (told["memoryMax"], told["tasksMax"], told["cpuWeight"], told["ioWeight"]) == (300 * MIB, 64 + 4 * 3, 20, 30)
    (tmp_path / "show.c").write_text(SHOW)
    run("cc", "-shared", "-fPIC", "-o", tmp_path / "pam_show.so", tmp_path / "show.c", "-lpam")
    with session_fixture.settings(host, private="no"), \
            session_fixture.text_of("/etc/pam.d/common-session", lambda text: text + f"session required {tmp_path}/pam_show.so\n"):
        assert host.ssh(key, name, "true").returncode == 0
    assert Path("/run/shown").read_text() == ("systemd.memory_max=300M\nsystemd.tasks_max=68\nsystemd.cpu_weight=20\n"
                                              "systemd.io_weight=30\n")


# ---- bandwidth

def in_less_than(seconds, act):
    """The control, that nothing bounds it; on a busy machine not always the first time."""
    assert any(time_taken(act) < seconds for _ in range(20))


def test_bandwidth_of_rsync(host, tmp_path):
    owner, name, key = host.account(tmp_path, "sync")
    data = os.urandom(4 * MIB)
    (tmp_path / "data").write_bytes(data)

    def push():
        host.rsync(key, "-W", "--bwlimit=1G", tmp_path / "data", f"{name}@127.0.0.1:x")

    def pull():
        (tmp_path / "back").unlink(missing_ok=True)
        host.rsync(key, "-W", f"{name}@127.0.0.1:x", tmp_path / "back")

    def push_anew():
        (home_of(name) / "x").unlink(missing_ok=True)
        push()

    in_less_than(3, push_anew)
    in_less_than(3, pull)
    (home_of(name) / "x").unlink()
    host.subuid("set", "web1", "--bandwidth", "1M", user=owner)
    for act, way in ((push, "bytesIn"), (pull, "bytesOut")):
        before = wait_until(lambda: host.subuid_json("log", name), "the ones before are recorded")[0]["seq"]
        took = time_taken(act)
        assert took >= 3, (way, took)
        ran = wait_until(lambda: next((ran for ran in host.subuid_json("log", name)
                                       if ran["seq"] > before and ran.get(way, 0) >= 4 * MIB), None), "it is recorded")
        assert ran["status"] == 0 and ran[way] >= 4 * MIB, ran
        # the rate of the run: at most a fifth more than the bound
        assert ran[way] / (ran["durationMs"] / 1000) <= 1.2 * MIB, ran
    assert (home_of(name) / "x").read_bytes() == data == (tmp_path / "back").read_bytes()


def test_bandwidth_of_tools_and_of_standard_error(host, tmp_path, shell):
    owner, name, key = shell
    data = os.urandom(2 * MIB)
    for way, command, given in (("in", "cat >x; echo end", data), ("out", "cat x", b""), ("errors", "cat x >&2", b"")):
        host.subuid("set", "web1", "--bandwidth", "default", user=owner)
        words = ["ssh", *host.ssh_options(key), f"{name}@127.0.0.1", command]
        in_less_than(1.5, lambda: run(*words, input=given, text=False))  # pylint: disable=cell-var-from-loop
        host.subuid("set", "web1", "--bandwidth", "1M", user=owner)
        begin = time.monotonic()
        bound = run(*words, input=given, text=False)
        assert time.monotonic() - begin >= 1.5, way
        if way == "out":
            assert bound.stdout == data
    assert (home_of(name) / "x").read_bytes() == data


def test_what_is_bounded_ends_as_it_would(host, shell):
    owner, name, key = shell
    host.subuid("set", "web1", "--bandwidth", "64K", user=owner)
    assert host.ssh(key, name, "echo out; echo err >&2; exit 7").returncode == 7
    both = host.ssh(key, name, "echo out; echo err >&2; cat", input="in\n")
    assert (both.stdout, both.stderr) == ("out\nin\n", "err\n")
    assert host.ssh(key, name, "exec <&-; echo closed", input="x" * 200000).stdout == "closed\n"
    assert host.ssh(key, name, "exec >&-; cat >kept", input="y" * 20000).returncode == 0
    assert (home_of(name) / "kept").read_text() == "y" * 20000
    uid = pwd.getpwnam(name).pw_uid
    held = subprocess.Popen(["ssh", *host.ssh_options(key), f"{name}@127.0.0.1", "echo in; yes"], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE)
    assert held.stdout.readline() == b"in\n"
    held.kill()
    held.communicate()
    wait_until(lambda: run("pgrep", "-U", str(uid), check=False).returncode != 0, "no process stays")


# ---- who may say it

def test_an_owner_gives_no_more_than_he_has(host, tmp_path):
    owner, name, _ = host.account(tmp_path)
    refused = host.subuid("set", "web1", "--processes", "513", user=owner, check=False)
    assert refused.returncode == 6
    assert f"at most 512 for an account of {owner}; root can raise it: subuid limit {owner} --processes N" in refused.stderr
    assert host.subuid("add", "web2", "--sessions", "33", user=owner, check=False).returncode == 6
    assert host.subuid("set", name, "--sessions", "33", check=False).returncode == 6, "root says it of the owner"
    assert host.subuid("limit", owner, "--sessions", "100", user=owner, check=False).returncode == 5
    host.subuid("limit", owner, "--processes", "1000", "--sessions", "5")
    host.subuid("set", "web1", "--processes", "1000", user=owner)
    assert host.subuid("set", "web1", "--processes", "1001", user=owner, check=False).returncode == 6
    assert host.subuid("set", "web1", "--sessions", "6", user=owner, check=False).returncode == 6
    shown = host.subuid("show", "web1", user=owner).stdout
    assert re.search(r"^processes +1000$", shown, re.M) and re.search(rf"^sessions +5 \(the limit of {owner}\)$", shown, re.M)
    assert "for each account" in host.subuid("limit", user=owner).stdout


def index_records():
    return Path("/var/lib/subuidd/index").read_bytes()


def test_a_limit_holds_at_once_for_every_account(host, shell, tmp_path):
    owner, name, key = shell
    assert ulimits(host, key, name)[0] == "512"
    host.subuid("limit", owner, "--processes", "2000", "--open-files", "2000")
    assert ulimits(host, key, name)[:2] == ["2000", "1024"] or ulimits(host, key, name)[:2] == ["2000", "2000"]
    host.subuid("set", "web1", "--processes", "1500", user=owner)
    host.subuid("limit", owner, "--processes", "100")
    assert ulimits(host, key, name)[0] == "100", "also below what the account says"
    assert effective(host, name)["processes"] == 100
    host.restart_daemon()
    assert ulimits(host, key, name)[0] == "100"
    _, other, its = host.account(tmp_path, "shell", "web2", owner)
    assert ulimits(host, its, other)[0] == "100", "a new one, too"
    host.subuid("limit", owner, "--reset")
    assert ulimits(host, its, other)[0] == "512"
    assert host.subuid("check").returncode == 0


def test_a_list_says_what_holds_for_each(host, tmp_path):
    """The same as show says of it: of an owner with a limit, and of one without beside them."""
    owner, first, _ = host.account(tmp_path)
    host.account(tmp_path, "push", "web2", owner)
    other, third, _ = host.account(tmp_path)
    host.account(tmp_path, "push", "web3", owner)
    host.subuid("set", third, "--open-files", "99")
    host.subuid("limit", owner, *WORDS)
    host.subuid("set", "web2", "--processes", "20", user=owner)

    def listed(*words, user=None):
        rows = {row["name"]: row for row in host.subuid_json("list", *words, user=user)}
        return {name: {bound: value for bound, value in row.items() if bound.startswith("effective") and bound != "effectiveView"}
                for name, row in rows.items()}

    everybodys = listed("--all")
    for name in (first, f"{owner}+web2", f"{owner}+web3", third):
        shown = {bound: value for bound, value in effective(host, name).items() if value is not None}
        assert everybodys[name] == {"effective" + bound[0].upper() + bound[1:]: value for bound, value in shown.items()}, name
    assert everybodys[first]["effectiveProcesses"] == 64 and everybodys[f"{owner}+web2"]["effectiveProcesses"] == 20
    assert everybodys[third] == {"effectiveOpenFiles": 99}
    assert listed(user=owner) == {name: bounds for name, bounds in everybodys.items() if name.startswith(f"{owner}+")}
    host.subuid("limit", owner, "--reset")
    assert listed("--owner", owner)[first] == {} and listed("--owner", owner)[f"{owner}+web2"] == {"effectiveProcesses": 20}


# ---- what they survive

def test_bounds_survive(host, tmp_path):
    owner, name, _ = host.account(tmp_path, "push", "web1", None, *WORDS)
    host.subuid("limit", owner, *WORDS)
    rows = [json.loads(line) for line in host.subuid("export").stdout.splitlines()]
    account = next(row for row in rows if row["kind"] == "account" and row["owner"] == owner)
    limit = next(row for row in rows if row["kind"] == "limit" and row["owner"] == owner)
    assert said(account) == said(limit) == VALUES
    host.subuid("rename", name, "web9")
    assert said(host.subuid_json("show", f"{owner}+web9")["account"]) == VALUES
    host.subuid("remove", f"{owner}+web9")
    host.subuid("restore", f"{owner}+web9")
    assert effective(host, f"{owner}+web9") == VALUES
    heir = host.new_user()
    host.subuid("owner", owner, heir, "--hand-over")
    assert said(host.subuid_json("show", f"{heir}+web9")["account"]) == VALUES
    assert said(host.subuid_json("limit", heir)) == VALUES
    assert host.subuid("check").returncode == 0

    other = host.new_user()
    file = tmp_path / "rows"
    del account["uid"]
    file.write_text("".join(json.dumps({**row, "owner": other}) + "\n" for row in (limit, account)))
    host.subuid("import", file)
    assert said(host.subuid_json("show", f"{other}+web1")["account"]) == said(host.subuid_json("limit", other)) == VALUES
    # one of another host, whose owner gives less here, is taken as it was, and has no more than there is
    file.write_text(json.dumps({**account, "owner": other, "label": "web2", "processes": 100000}) + "\n")
    host.subuid("import", file)
    assert host.subuid_json("show", f"{other}+web2")["account"]["processes"] == 100000
    assert effective(host, f"{other}+web2")["processes"] == 64
    assert host.subuid("check").returncode == 0
    host.restart_daemon(signal.SIGKILL)
    assert said(host.subuid_json("show", f"{other}+web1")["account"]) == VALUES
