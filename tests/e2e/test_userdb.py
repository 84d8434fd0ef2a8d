# SPDX-License-Identifier: ISC
"""What systemd is told of accounts: by systemd's own client, over the real socket. tests/boot has what comes of it."""

import json
import os
import pwd
import grp
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from conftest import exchange, run, wait_until

SERVICE = "io.subuidd.UserDatabase"
USERDB = f"/run/systemd/userdb/{SERVICE}"
METHODS = "io.systemd.UserDatabase."
SETTINGS = Path("/etc/subuidd.conf.d/90-userdb.conf")
USER = "subuidd-userdb"


class Service:
    def __init__(self):
        self.process = subprocess.Popen(["/usr/libexec/subuidd/userdb"], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd="/")
        wait_until(lambda: self.process.poll() is None and answers(), "the user database answers")

    def end(self):
        self.process.kill()
        self.process.wait()
        self.process.stderr.close()


def answers():
    try:
        return ask("GetUserRecord", {"userName": "nobody+there"})["error"] == METHODS + "NoRecordFound"
    except OSError:
        return False


@pytest.fixture
def service(host):
    service = Service()
    yield service
    service.end()
    Path(USERDB).unlink(missing_ok=True)


def settings(host, text):
    SETTINGS.parent.mkdir(mode=0o755, exist_ok=True)
    SETTINGS.write_text(text)
    host.restart_daemon()


def connected(uid=None):
    peer = socket.socket(socket.AF_UNIX)
    peer.settimeout(60)
    if uid is None:
        peer.connect(USERDB)
        return peer
    os.seteuid(uid)
    try:
        peer.connect(USERDB)
    finally:
        os.seteuid(0)
    return peer


def ask(method, parameters, more=False, peer=None):
    """The replies with more, else the one reply."""
    message = {"method": METHODS + method, "parameters": {"service": SERVICE, **parameters}, "more": more}
    own = peer or connected()
    try:
        return exchange(own, message)
    finally:
        if peer is None:
            own.close()


def userdbctl(*words, only=True, check=True):
    """With NSS left out it is this service, or nobody, that answers."""
    return run("userdbctl", *(["--with-nss=no"] if only else []), "--json=short", *words, check=check)


def record_of(name, **options):
    return json.loads(userdbctl("user", name, **options).stdout)


def test_userdbctl_shows_an_account_with_its_bounds(host, tmp_path, service):
    settings(host, "[sessions]\naccount_memory_mib = 320\ncpu_weight = 70\nper_account = 20\n")
    try:
        owner, name, _ = host.account(tmp_path, "push", "web1", None, "--comment", "Web server, zürich")
        entry = pwd.getpwnam(name)
        expected = {
            "userName": name, "uid": entry.pw_uid, "gid": entry.pw_uid, "realName": "Web server, zürich",
            "homeDirectory": f"/srv/subuid/{owner}/web1", "shell": "/usr/libexec/subuidd/login", "disposition": "regular",
            "service": SERVICE, "memoryMax": 320 << 20, "cpuWeight": 70, "ioWeight": 50, "tasksMax": 512 + 4 * 20,
        }
        for asked in (name, str(entry.pw_uid)):
            for only in (True, False):  # it is found before NSS is asked
                record = record_of(asked, only=only)
                record.pop("status", None)
                assert record == expected
        # what systemd makes of it, in its own words
        text = run("userdbctl", "--with-nss=no", "user", name).stdout
        for words in (f"User name: {name}", "Memory Max: 320.0M", "CPU Weight: 70", "Tasks Max: 592", f"Service: {SERVICE}",
                      "Login OK: yes", "Disposition: regular"):
            assert words in text, text
    finally:
        SETTINGS.unlink()
        host.restart_daemon()


def test_a_lock_an_expiry_and_no_bound(host, tmp_path, service):
    settings(host, "[sessions]\naccount_memory_mib = 0\n")
    try:
        _, name, _ = host.account(tmp_path)
        assert "memoryMax" not in record_of(name)
        assert "locked" not in record_of(name)
        host.subuid("lock", name)
        host.subuid("set", name, "--expires", "2040-01-02")
        record = record_of(name)
        assert record["locked"] is True
        assert record["notAfterUSec"] == 2208988800 * 1000000 + 86400 * 1000000
        assert "Login OK: no" in run("userdbctl", "--with-nss=no", "user", name).stdout
    finally:
        SETTINGS.unlink()
        host.restart_daemon()


def test_the_default_is_a_part_of_the_hosts_memory(host, tmp_path, service):
    _, name, _ = host.account(tmp_path)
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert record_of(name)["memoryMax"] == min(4096, (pages >> 20) // 2 // 16 * 16) << 20
    assert record_of(name)["memoryMax"] < pages


def shown(entry):
    """A passwd entry as systemd's record has it."""
    return (entry.pw_name, entry.pw_uid, entry.pw_gid, entry.pw_gecos or entry.pw_name, entry.pw_dir, entry.pw_shell)


def told(record):
    return (record["userName"], record["uid"], record["gid"], record.get("realName", record["userName"]), record["homeDirectory"],
            record["shell"])


def test_nss_and_the_records_agree(host, tmp_path, service):
    """Every account, and ids of every range, by name and by number, as user, group and member."""
    settings(host, "[names]\nenumerate = yes\n")
    try:
        owner, name, _ = host.account(tmp_path)
        host.subuid("add", "other", "--comment", "another", user=owner)
        host.subuid("add", "fwd", user=owner)
        key = host.new_key(tmp_path, "fwd")
        host.subuid("key", "add", "fwd", "-", "--role", "forward", "--forward", "127.0.0.1:80", user=owner,
                    input=Path(f"{key}.pub").read_text())
        host.subuid("lock", "other", user=owner)
        ranges = [host.subuid_json("range", "add", "1", user=owner), host.subuid_json("add", "pod", "--range", "1", user=owner)]
        assert ranges
        everyone = [entry for entry in pwd.getpwall() if "+" in entry.pw_name]
        assert len(everyone) >= 4 and len(set(everyone)) == len(everyone)  # each of them once
        held = [row["first"] for row in host.subuid_json("range", "list", user=owner)]
        everyone += [pwd.getpwuid(first + step) for first in held for step in (0, 1000, 65535)]
        groups = {entry.gr_gid: entry.gr_name for entry in grp.getgrall()}
        for entry in everyone:
            for question in ({"userName": entry.pw_name}, {"uid": entry.pw_uid}):
                reply = ask("GetUserRecord", question)["parameters"]
                assert told(reply["record"]) == shown(entry) and reply["incomplete"] is False
            for question in ({"groupName": entry.pw_name}, {"gid": entry.pw_uid}):
                record = ask("GetGroupRecord", question)["parameters"]["record"]
                group = grp.getgrgid(entry.pw_uid)
                assert (record["groupName"], record["gid"]) == (group.gr_name, group.gr_gid) and group.gr_mem == []
            members = {reply["parameters"]["groupName"] for reply in ask("GetMemberships", {"userName": entry.pw_name}, more=True)}
            assert members == {groups[gid] for gid in os.getgrouplist(entry.pw_name, entry.pw_gid) if gid != entry.pw_gid}
        # and what NSS does not know, is none here: neighbours, removed accounts, what would be one
        host.subuid("remove", "other", user=owner)
        for stranger in ("root", owner, f"{owner}+other", f"{owner}+", f"{owner}+_1073741823", "subuids"):
            assert ask("GetUserRecord", {"userName": stranger})["error"] == METHODS + "NoRecordFound"
            assert ask("GetMemberships", {"userName": stranger}, more=True)[0]["error"] == METHODS + "NoRecordFound"
        for number in (0, 1000, held[0] - 1, max(held) + 65536, max(e.pw_uid for e in everyone) + 1):
            unknown = ask("GetUserRecord", {"uid": number})["error"] == METHODS + "NoRecordFound"
            try:
                assert unknown != (pwd.getpwuid(number).pw_name.find("+") > 0)
            except KeyError:
                assert unknown
    finally:
        SETTINGS.unlink()
        host.restart_daemon()


def test_nobody_is_listed_twice(host, tmp_path, service):
    """nss-systemd asks this service, too: who is in NSS already would come a second time."""
    settings(host, "[names]\nenumerate = yes\n")
    switch = Path("/etc/nsswitch.conf")
    before = switch.read_text()
    switch.write_text("\n".join(f"{line} systemd" if line.startswith(("passwd:", "group:")) and "systemd" not in line else line
                                for line in before.splitlines()) + "\n")
    try:
        _, name, _ = host.account(tmp_path)
        for table in ("passwd", "group"):
            listed = run("getent", table).stdout.splitlines()
            assert [line.split(":")[0] for line in listed].count(name) == 1
        listed = [json.loads(line)["userName"] for line in run("userdbctl", "--json=short", "user").stdout.splitlines()]
        assert listed.count(name) == 1
        assert run("id", "-Gn", name).stdout.split().count("subuids") == 1
        assert userdbctl("user", check=False).stdout.find(name) < 0
        # the control: that module asks us where nobody else knows
        without = "\n".join(line.replace("subuid ", "") if line.startswith("passwd:") else line
                            for line in switch.read_text().splitlines()) + "\n"
        switch.write_text(without)
        assert run("getent", "passwd", name).stdout.split(":")[0] == name
        service.process.kill()
        service.process.wait()
        assert run("getent", "passwd", name, check=False).returncode == 2
    finally:
        switch.write_text(before)
        SETTINGS.unlink()
        host.restart_daemon()


def test_the_daemon_is_not_needed_and_the_index_is_followed(host, tmp_path, service):
    _, name, _ = host.account(tmp_path)
    first = record_of(name)
    host.stop_daemon()
    try:
        assert record_of(name) == first
        os.rename("/var/lib/subuidd/index", "/var/lib/subuidd/index.away")
        try:
            wait_until(lambda: "error" not in ask("GetUserRecord", {"userName": name}), "what is mapped goes on")
        finally:
            os.rename("/var/lib/subuidd/index.away", "/var/lib/subuidd/index")
    finally:
        host.start_daemon()
    for n in range(40):  # the index grows into another file meanwhile
        host.subuid("add", f"more{n}", user=name.split("+")[0], check=False)
    wait_until(lambda: record_of(name) == first, "the new one is read")


def test_it_has_no_rights_and_sees_nothing_but_the_index(host, service):
    status = dict(line.split(":\t", 1) for line in Path(f"/proc/{service.process.pid}/status").read_text().splitlines() if ":\t" in line)
    entry = pwd.getpwnam(USER)
    assert status["Uid"].split() == [str(entry.pw_uid)] * 4 and status["Gid"].split() == [str(entry.pw_gid)] * 4
    assert status["Groups"].split() == [] and int(status["CapEff"], 16) == 0 and int(status["CapBnd"], 16) == 0
    assert status["NoNewPrivs"].strip() == "1" and status["Seccomp"].strip() == "2"
    assert os.stat("/usr/libexec/subuidd/userdb").st_mode & 0o044 == 0
    # nothing of the host's is open but the index, and that for a moment
    links = {os.readlink(f"/proc/{service.process.pid}/fd/{fd}") for fd in os.listdir(f"/proc/{service.process.pid}/fd")}
    assert {link for link in links if link.startswith("/") and link != "/dev/null"} == set()


def test_only_root_starts_it(host):
    _, uid = host.new_user(), pwd.getpwnam("nobody").pw_uid
    assert run("/usr/libexec/subuidd/userdb", user=uid, check=False).returncode == 1


def test_a_socket_that_nobody_serves_refuses_at_once(host, tmp_path, service):
    """systemd's client would wait 45 seconds for one that listens and does not answer."""
    _, name, _ = host.account(tmp_path)
    service.process.kill()
    service.process.wait()
    assert Path(USERDB).is_socket()
    began = time.monotonic()
    assert record_of(name, only=False)["userName"] == name  # of NSS
    assert time.monotonic() - began < 30
    with pytest.raises(ConnectionRefusedError):
        connected()
    # the control: stopped, it holds everybody up
    service.__init__()
    os.kill(service.process.pid, signal.SIGSTOP)
    with pytest.raises(subprocess.TimeoutExpired):
        run("userdbctl", "--with-nss=no", "user", "nobody+there", check=False, timeout=3)
    os.kill(service.process.pid, signal.SIGCONT)
    assert userdbctl("user", "nobody+there", check=False).returncode != 0


def quick():
    began = time.monotonic()
    assert ask("GetUserRecord", {"userName": "nobody+there"})["error"] == METHODS + "NoRecordFound"
    return time.monotonic() - began


def test_connections_that_say_nothing_hold_nobody_up(host, service):
    uid = pwd.getpwnam(host.new_user()).pw_uid
    idle = [connected(uid) for _ in range(600)]
    half = [connected(uid) for _ in range(50)]
    try:
        for peer in half:
            peer.send(b'{"method":')
        assert max(quick() for _ in range(20)) < 4.5, "those that say nothing are given up after five seconds"

        def all_ended():
            for peer in idle + half:
                peer.setblocking(False)
                try:
                    if peer.recv(1) != b"":
                        return False
                except BlockingIOError:
                    return False
                except ConnectionResetError:
                    pass
            return True

        wait_until(all_ended, "they are given up")
    finally:
        for peer in idle + half:
            peer.close()


def test_one_that_sends_and_never_reads_is_given_up(host, service):
    peer = connected()
    message = json.dumps({"method": METHODS + "GetUserRecord", "parameters": {"service": SERVICE, "uid": 0}}).encode() + b"\0"
    peer.settimeout(0.2)
    with pytest.raises(OSError):
        for _ in range(1000000):
            peer.sendall(message * 100)
    assert quick() < 2  # nobody waits until it reads
    peer.close()


@pytest.mark.parametrize("bytes_", [b"\0", b"[]\0", b'{"method":1}\0', b"{" * 70000, b"\xff\xfe\0", b"{}\0" * 10], ids=range(6))
def test_what_is_no_call_ends_its_connection_alone(host, service, bytes_):
    beside = connected()
    peer = connected()
    try:
        peer.sendall(bytes_)
    except OSError:
        pass
    peer.settimeout(10)
    try:
        while peer.recv(65536):
            if bytes_.startswith(b"{}") or b"method" in bytes_:
                break  # answered: a parameter is wrong
    except OSError:
        pass
    assert ask("GetUserRecord", {"uid": 0}, peer=beside)["error"] == METHODS + "NoRecordFound"
    assert service.process.poll() is None
    for each in (beside, peer):
        each.close()


QUESTION_MAX = 4096  # bytes, without the NUL


def question(size):
    """Of so many bytes, for a user who is nobody."""
    form = json.dumps({"method": METHODS + "GetUserRecord", "parameters": {"service": SERVICE, "userName": "nobody+%s"}})
    return (form % ("x" * (size - len(form) + 2))).encode() + b"\0"


@pytest.mark.parametrize("size", [QUESTION_MAX + 1, 2 * QUESTION_MAX, 65535])
def test_a_question_over_the_bound_ends_its_connection_unanswered(host, service, size):
    """Everybody's lookup waits while one is decoded: one user with large ones on many connections held up the whole host."""
    beside = connected()
    with connected() as peer:
        peer.sendall(question(QUESTION_MAX))  # the control: what is larger than any of systemd's is answered up to the bound
        assert json.loads(peer.recv(65536)[:-1])["error"] == METHODS + "NoRecordFound"
        sent = question(size)
        assert len(sent) == size + 1
        heard = b""
        try:
            peer.sendall(sent + question(300))
            heard = peer.recv(65536)
        except (ConnectionResetError, BrokenPipeError):  # it has ended before it was heard to the end
            pass
        assert heard == b""
    assert ask("GetUserRecord", {"uid": 0}, peer=beside)["error"] == METHODS + "NoRecordFound"
    beside.close()
    assert service.process.poll() is None


def test_several_calls_on_one_connection_are_answered_in_order(host, tmp_path, service):
    _, name, _ = host.account(tmp_path)
    uid = pwd.getpwnam(name).pw_uid
    with connected() as peer:
        calls = [{"method": METHODS + "GetUserRecord", "parameters": {"service": SERVICE, "uid": uid if n % 2 else 0}} for n in range(50)]
        peer.sendall(b"".join(json.dumps(each).encode() + b"\0" for each in calls))
        buffer = b""
        while buffer.count(b"\0") < 50:
            buffer += peer.recv(65536)
        replies = [json.loads(each) for each in buffer.split(b"\0")[:50]]
        assert ["error" in reply for reply in replies] == [n % 2 == 0 for n in range(50)]
