# SPDX-License-Identifier: ISC
"""The daemon as a service: starting, stopping, settings, index, socket."""

import json
import os
import pwd
import re
import shutil
import signal
import socket
import stat
import subprocess
from pathlib import Path

import pytest

from conftest import ROOT, SOCKET, call, run, wait_until

API = "io.subuidd.Accounts."
SUBUIDD = "/usr/sbin/subuidd"
LOG = Path("/run/subuidd.log")


def test_its_capabilities_are_those_of_security_md(host):
    status = Path(f"/proc/{host.daemon.pid}/status").read_text()
    held = int(re.search(r"^CapPrm:\t([0-9a-f]+)$", status, re.M).group(1), 16)
    section = (ROOT / "SECURITY.md").read_text().split("## Capabilities of the broker")[1].split("\n## ")[0]
    documented = set(re.findall(r"CAP_[A-Z_]+", "\n".join(line.split("|")[1] for line in section.splitlines()
                                                          if line.startswith("| `CAP_"))))
    last = int(Path("/proc/sys/kernel/cap_last_cap").read_text())
    decoded = run("capsh", f"--decode={held:x}").stdout.strip().split("=")[1].upper().split(",")
    assert set(decoded) == documented and last >= 40
    for name in ("CapEff", "CapBnd"):
        assert int(re.search(rf"^{name}:\t([0-9a-f]+)$", status, re.M).group(1), 16) == held
    assert re.search(r"^NoNewPrivs:\t1$", status, re.M)
    assert re.search(r"^Groups:\t *$", status, re.M)


def test_files_have_their_owners_and_modes(host):
    expected = {
        "/var/lib/subuidd": (0o755, 0), "/var/lib/subuidd/state.db": (0o600, 0), "/var/lib/subuidd/index": (0o644, 0),
        "/var/lib/subuidd/keys": (0o640, 0), SOCKET: (0o666, 0), "/srv/subuid": (0o711, 0), "/srv/subuid/.removed": (0o700, 0),
    }
    for path, (mode, uid) in expected.items():
        if path.endswith(".removed") and not os.path.exists(path):
            continue
        status = os.stat(path)
        assert (stat.S_IMODE(status.st_mode), status.st_uid) == (mode, uid), path
    import grp
    assert os.stat("/var/lib/subuidd/keys").st_gid == grp.getgrnam("subuidd-keys").gr_gid


def test_a_second_daemon_is_refused_and_says_why(host):
    second = run(SUBUIDD, "--foreground", check=False, timeout=60)
    assert second.returncode != 0 and "another subuidd is running" in second.stderr
    assert "error" not in call(API + "Status")


def test_it_goes_into_the_background_and_answers_when_the_command_returns(host):
    host.stop_daemon()
    try:
        run(SUBUIDD, timeout=60)
        assert "error" not in call(API + "Status")
        pid = int(run("pgrep", "-x", "-o", "subuidd").stdout)
        assert os.getsid(pid) == os.getsid(pid) != os.getsid(0)
        os.kill(pid, signal.SIGTERM)
        wait_until(lambda: run("pgrep", "-x", "subuidd", check=False).returncode == 1, "it stops")
        assert not os.path.exists(SOCKET) or _refuses()
    finally:
        host.start_daemon()


def _refuses():
    with socket.socket(socket.AF_UNIX) as peer:
        return peer.connect_ex(SOCKET) != 0


@pytest.mark.parametrize("text,word", [
    ("[ids]\naccounts = 5-1\n", "accounts"), ("[ids]\naccounts = 0-100\n", "accounts"), ("[nonsense]\nsense = 1\n", "sense"),
    ("[limits]\naccounts = many\n", "accounts"), ("[names]\nseparator = ab\n", "separator"), ("[homes]\ncolour = red\n", "colour"),
    ("[homes]\ndirectory = relative\n", "directory"),
])
def test_bad_settings_are_named_and_the_present_ones_kept(host, text, word):
    drop_in = Path("/etc/subuidd.conf.d/bad.conf")
    drop_in.parent.mkdir(exist_ok=True)
    drop_in.write_text(text)
    try:
        checked = run(SUBUIDD, "--check-config", check=False)
        assert checked.returncode != 0 and word in checked.stderr and "bad.conf" in checked.stderr, checked
        before = LOG.stat().st_size
        host.daemon.send_signal(signal.SIGHUP)
        wait_until(lambda: word in LOG.read_text()[before:], "the log names it")
        assert "error" not in call(API + "Status")
    finally:
        drop_in.unlink()
    assert run(SUBUIDD, "--check-config").returncode == 0


def test_sighup_takes_new_settings(host):
    drop_in = Path("/etc/subuidd.conf.d/limit.conf")
    drop_in.parent.mkdir(exist_ok=True)
    drop_in.write_text("[limits]\naccounts = 3\n")
    owner = host.new_user()
    limit = lambda: call(API + "LimitGet", {"owner": owner})["parameters"]["limit"]["accounts"]  # noqa: E731
    assert limit() == 16
    try:
        host.daemon.send_signal(signal.SIGHUP)
        wait_until(lambda: limit() == 3, "the new limit holds")
    finally:
        drop_in.unlink()
        host.daemon.send_signal(signal.SIGHUP)
    wait_until(lambda: limit() == 16, "the old limit holds again")


def test_an_admin_group_acts_for_every_owner(host):
    drop_in = Path("/etc/subuidd.conf.d/admin.conf")
    drop_in.parent.mkdir(exist_ok=True)
    owner, panel = host.new_user(), host.new_user()
    run("groupadd", "-f", "hosting")
    run("usermod", "-aG", "hosting", panel)
    refused = host.subuid("add", "web1", "--owner", owner, user=panel, check=False)
    assert refused.returncode == 5
    drop_in.write_text("[access]\nadmin_group = hosting\n")
    try:
        host.daemon.send_signal(signal.SIGHUP)
        wait_until(lambda: host.subuid("add", "web1", "--owner", owner, user=panel, check=False).returncode == 0,
                   "the group acts")
        assert pwd.getpwnam(f"{owner}+web1")
        host.subuid("limit", owner, "--accounts", "5", user=panel)
        # What is root's alone stays so.
        assert "error" in json.loads(run("/usr/bin/python3", "-c", __import__("conftest").CALL_AS, json.dumps(
            {"method": API + "Release", "parameters": {"first": 2100000000}}), user=panel).stdout)
    finally:
        drop_in.unlink()
        host.daemon.send_signal(signal.SIGHUP)


DAMAGE = """
set -e
mount --bind {copy} /var/lib/subuidd
mount -t tmpfs -o mode=0755 tmpfs /run/subuidd
cd /var/lib/subuidd
for name in index keys; do
    cp -p $name $name.before
    rm $name
    size=$(stat -c %s $name.before)
    {damage}
    test ! -e $name || {{ chown --reference=$name.before $name; chmod --reference=$name.before $name; }}
    rm $name.before
done
{unavailable}
/usr/sbin/subuidd
getent passwd {name} | cut -d: -f3
subuid check >/dev/null
pkill -TERM -o -x subuidd
"""


@pytest.mark.parametrize("damage", ["gone", "empty", "cut", "noise", "other boot"])
def test_a_damaged_index_is_built_anew_from_the_store(host, tmp_path, damage):
    """In a mount namespace with a copy of the state: whoever has mapped the real index keeps it."""
    owner = host.new_user()
    host.subuid("add", "web1", user=owner)
    uid = pwd.getpwnam(f"{owner}+web1").pw_uid
    host.stop_daemon()
    try:
        run("cp", "-a", "/var/lib/subuidd", tmp_path / "state")
        how = {
            "gone": ":", "empty": ": >$name", "cut": "head -c $((size / 2)) $name.before >$name",
            "noise": "head -c $size /dev/urandom >$name",
            "other boot": "cp -p $name.before $name; echo 00112233-4455-6677-8899-aabbccddeeff >/run/other-boot; "
                          "mount --bind /run/other-boot /proc/sys/kernel/random/boot_id",
        }[damage]
        unavailable = "" if damage == "other boot" else f"! getent passwd {owner}+web1"
        script = DAMAGE.format(copy=tmp_path / "state", damage=how, unavailable=unavailable, name=f"{owner}+web1")
        result = run("unshare", "--mount", "--propagation", "private", "bash", "-c", script)
        assert result.stdout.split() == [str(uid)], result
    finally:
        host.start_daemon()


def test_a_store_that_is_damaged_stops_the_start_with_what_to_do(host):
    host.stop_daemon()
    store = Path("/var/lib/subuidd/state.db")
    shutil.copy2(store, "/run/state.db.saved")
    try:
        with open(store, "r+b") as file:
            file.write(os.urandom(4096))
        result = run(SUBUIDD, "--foreground", check=False, timeout=60)
        assert result.returncode != 0
        assert "state.db" in result.stderr, result.stderr
    finally:
        shutil.copy2("/run/state.db.saved", store)
        host.start_daemon()
    assert host.subuid("check", "--all").returncode == 0


def test_socket_activation_and_readiness(host):
    """As under systemd: the socket is handed over as descriptor 3, and readiness is told to NOTIFY_SOCKET."""
    host.stop_daemon()
    listener = socket.socket(socket.AF_UNIX)
    if os.path.exists(SOCKET):
        os.unlink(SOCKET)
    listener.bind(SOCKET)
    os.chmod(SOCKET, 0o666)
    listener.listen(64)
    notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notify.bind("/run/notify")
    notify.settimeout(60)
    script = 'exec 3<&%d; export LISTEN_FDS=1 LISTEN_PID=$$; exec %s --foreground' % (listener.fileno(), SUBUIDD)
    daemon = subprocess.Popen(["bash", "-c", script], pass_fds=[listener.fileno()], cwd="/",
                              env={"PATH": "/usr/bin:/bin", "NOTIFY_SOCKET": "/run/notify"})
    try:
        told = ""
        while "READY=1" not in told:
            told += notify.recv(4096).decode() + "\n"
        assert "error" not in call(API + "Status")
        daemon.send_signal(signal.SIGHUP)
        while "RELOADING=1" not in told:
            told += notify.recv(4096).decode() + "\n"
        daemon.terminate()
        while "STOPPING=1" not in told:
            told += notify.recv(4096).decode() + "\n"
        assert daemon.wait(60) == 0
        assert os.path.exists(SOCKET), "the socket is systemd's: it stays"
    finally:
        daemon.kill()
        daemon.wait()
        listener.close()
        notify.close()
        os.unlink("/run/notify")
        if os.path.exists(SOCKET):
            os.unlink(SOCKET)
        host.start_daemon()


def test_introspection(host):
    info = call("org.varlink.service.GetInfo")["parameters"]
    assert info["interfaces"] == ["org.varlink.service", "io.subuidd.Accounts"]
    described = call("org.varlink.service.GetInterfaceDescription", {"interface": "io.subuidd.Accounts"})
    assert described["parameters"]["description"] == Path("/usr/share/subuidd/io.subuidd.Accounts.varlink").read_text()
    unknown = call("org.varlink.service.GetInterfaceDescription", {"interface": "io.subuidd.Nothing"})
    assert unknown["error"] == "org.varlink.service.InterfaceNotFound"


def test_listing_streams_hundreds(host):
    owner = host.new_user()
    host.subuid("limit", owner, "--accounts", "200")
    for n in range(150):
        call(API + "Add", {"owner": owner, "label": f"n{n:03}"})
    replies = call(API + "List", {"owner": owner}, more=True)
    labels = [reply["parameters"]["account"]["label"] for reply in replies if reply["parameters"].get("account")]
    assert labels == [f"n{n:03}" for n in range(150)]
    assert len(host.subuid_json("list", user=owner)) == 150


def test_a_peer_is_told_when_no_worker_can_be_had(host):
    """As on a kernel without Landlock: every worker ends before it is ready. Nobody hangs."""
    worker = Path("/usr/libexec/subuidd/worker")
    saved = worker.read_bytes()
    host.stop_daemon()
    worker.unlink()
    worker.write_text("#!/bin/sh\nexit 1\n")
    worker.chmod(0o755)
    broken = subprocess.Popen([SUBUIDD, "--foreground"], stderr=subprocess.PIPE, cwd="/")
    try:
        wait_until(lambda: os.path.exists(SOCKET), "the socket is there")
        reply = wait_until(lambda: _status_or_none(), "an answer")
        assert reply["error"] == API + "Failed" and "worker" in reply["parameters"]["why"]
        result = host.subuid("list", check=False)
        assert result.returncode in (1, 7) and "worker" in result.stderr
    finally:
        broken.terminate()
        broken.wait(60)
        worker.unlink()
        worker.write_bytes(saved)
        worker.chmod(0o755)
        host.start_daemon()


def _status_or_none():
    try:
        return call(API + "Status", timeout=60)
    except OSError:
        return None
