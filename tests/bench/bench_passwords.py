# SPDX-License-Identifier: ISC
"""What a password costs: the verifier beside unix_chkpwd and crypt(3) alone, whether it tells by its time who exists, and
how long others wait while one address floods it. Run in a throwaway root: make bench-passwords"""

import ctypes
import os
import pwd
import re
import socket
import statistics
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

QUESTION, MAGIC, SOCKET = struct.Struct("I256s128s64s"), 0x70773031, "/run/subuidd/passwords"
PASSWORD = re.compile(r"^  ([a-z2-9]{4}(?:-[a-z2-9]{5}){4})$", re.M)
WRONG, EACH, FLOOD, LOGINS, ROUNDS = "aaaa-bbbbb-ccccc-ddddd-eeeee", 100, 50, 40, 5
LIBCRYPT = ctypes.CDLL("libcrypt.so.1")
LIBCRYPT.crypt.restype = ctypes.c_char_p


def run(*argv, check=True, **options):
    return subprocess.run([str(word) for word in argv], check=check, capture_output=True, text=True, **options)


def ask(name, password, address="192.0.2.1"):
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as peer:
        peer.settimeout(60)
        peer.connect(SOCKET)
        peer.send(QUESTION.pack(MAGIC, name.encode(), password.encode(), address.encode()))
        return struct.unpack("I", peer.recv(64))[0]


def timed(call, *words):
    begin = time.perf_counter()
    call(*words)
    return (time.perf_counter() - begin) * 1000


def told(name, times):
    times = sorted(times)
    at = [times[len(times) * p // 100] for p in (5, 25, 50, 75, 95)]
    print(f"{name:44} ms p5 {at[0]:6.1f}  p25 {at[1]:6.1f}  p50 {at[2]:6.1f}  p75 {at[3]:6.1f}  p95 {at[4]:6.1f}", flush=True)
    return at[2]


def settings(text):
    path = Path("/etc/subuidd.conf.d/40-passwords.conf")
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"[passwords]\nenabled = yes\n{text}")


def account(owner, label):
    run("subuid", "add", label, "--owner", owner)
    name = f"{owner}+{label}"
    return name, PASSWORD.search(run("subuid", "passwd", "add", name, "--role", "sftp").stdout).group(1)


def begin():
    settings("tries = 1000\n")
    for command in (["make", "-s", "install"], ["subuid", "setup"]):
        run(*command)
    for user in ("alice", "bob"):
        run("useradd", "-m", user)
    run("chpasswd", input="bob:correct horse\n")
    daemon = subprocess.Popen(["/usr/sbin/subuidd", "--foreground"], stderr=subprocess.DEVNULL)
    while not os.path.exists(SOCKET):
        time.sleep(0.01)
    return daemon


def beside_peers(name, password):
    """In turn, so that a busy machine is busy for all of them."""
    shadow = next(line.split(":")[1] for line in Path("/etc/shadow").read_text().splitlines() if line.startswith("bob:"))
    assert shadow.startswith("$y$j9T$"), f"libcrypt's default is another one here: {shadow[:8]}"
    chkpwd = next(path for path in ("/sbin/unix_chkpwd", "/usr/sbin/unix_chkpwd") if os.path.exists(path))

    def unix_chkpwd():
        assert subprocess.run([chkpwd, "bob", "nullok"], input=b"correct horse\0").returncode == 0

    def crypt():
        assert LIBCRYPT.crypt(b"correct horse", shadow.encode()) == shadow.encode()

    def verifier():
        assert ask(name, password) == 2

    calls = {"crypt(3) alone": crypt, "unix_chkpwd": unix_chkpwd, "the verifier": verifier}
    times = {what: [] for what in calls}
    for _ in range(EACH):
        for what, one in calls.items():
            times[what].append(timed(one))
    print("\nA right password, yescrypt of cost 5:")
    medians = {what: told(what, spent) for what, spent in times.items()}
    print(f"the verifier / unix_chkpwd {medians['the verifier'] / medians['unix_chkpwd']:.2f}, "
          f"/ crypt(3) alone {medians['the verifier'] / medians['crypt(3) alone']:.2f}")


def who_exists(name, password):
    locked, theirs = account("alice", "locked")
    run("subuid", "add", "without", "--owner", "alice")
    run("subuid", "lock", locked)
    nearly = password[:-1] + ("a" if password[-1] != "a" else "b")
    kinds = {"wrong": (name, nearly), "begins like no password of it": (name, WRONG), "an account without": ("alice+without", WRONG),
             "no such account": ("alice+none", WRONG), "no such name": ("nobody-here", WRONG), "not one of ours": (name, "hunter2"),
             "locked, the right one": (locked, theirs)}
    times = {what: [] for what in kinds}
    for i in range(EACH):
        for what, (who, typed) in kinds.items():
            times[what].append(timed(ask, who, typed, f"198.51.{i}.{len(times[what]) % 250}"))
    print(f"\nRefused ({EACH} of each, in turn):")
    medians = [told(what, spent) for what, spent in times.items()]
    print(f"the slowest / the fastest median {max(medians) / min(medians):.3f}")


def login(name, password):
    environment = {**os.environ, "SSH_ASKPASS": "/tmp/askpass", "SSH_ASKPASS_REQUIRE": "force", "SUBUID_TYPED": password, "DISPLAY": "x"}
    run("sftp", "-F", "none", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-o",
        "NumberOfPasswordPrompts=1", "-o", "PubkeyAuthentication=no", f"{name}@127.0.0.1", env=environment, input="ls /\n")


def flooded(title, questions):
    """What `others` do, alone and while FLOOD connections ask, by turns: medians."""
    end, on, asked, waits, late = threading.Event(), threading.Event(), [0] * FLOOD, [False] * FLOOD, [0] * FLOOD

    def flood(i):
        while not end.is_set():
            waits[i] = on.wait(0.1)
            if waits[i]:
                try:
                    ask(*questions(i, asked[i]))
                except TimeoutError:  # their own doing
                    late[i] += 1
                asked[i] += 1
                end.wait(0.05)  # no client asks faster through sshd

    threads = [threading.Thread(target=flood, args=(i,)) for i in range(FLOOD)]
    for thread in threads:
        thread.start()
    alone, meanwhile, flooding = {what: [] for what in others}, {what: [] for what in others}, 0.0
    for _ in range(ROUNDS):
        for what, (call, count) in others.items():
            alone[what] += [timed(*call) for _ in range(count // ROUNDS)]
        since, before = time.perf_counter(), sum(asked)
        on.set()
        while sum(asked) < before + FLOOD:
            time.sleep(0.01)
        for what, (call, count) in others.items():
            meanwhile[what] += [timed(*call) for _ in range(count // ROUNDS)]
        flooding += time.perf_counter() - since
        on.clear()
        while any(waits):  # what was asked is answered
            time.sleep(0.05)
    end.set()
    for thread in threads:
        thread.join()
    print(f"\n{title}: {sum(asked) / flooding:.0f} answers a second, {sum(late)} not within a minute")
    for what in others:
        told(f"{what}, alone", alone[what])
        told(f"{what}, meanwhile", meanwhile[what])
        print(f"ratio of the medians {statistics.median(meanwhile[what]) / statistics.median(alone[what]):.2f}")


others = {}


def main():
    if os.environ.get("SUBUIDD_THROWAWAY") != "1":
        sys.exit("run it by tests/throwaway: it sets the host up")
    daemon = begin()
    name, password = account("alice", "web1")
    flooder, its_own = account("alice", "web2")
    Path("/tmp/askpass").write_text('#!/bin/sh\nprintf "%s\\n" "$SUBUID_TYPED"\n')
    os.chmod("/tmp/askpass", 0o755)
    os.makedirs("/run/sshd", exist_ok=True)
    sshd = subprocess.Popen(["/usr/sbin/sshd", "-D", "-E", "/dev/null"], stderr=subprocess.DEVNULL)
    assert pwd.getpwnam(name).pw_uid
    others.update({"a right one of others": ((ask, name, password), EACH), "a login of others by sftp": ((login, name, password), LOGINS)})
    while subprocess.run(["ssh-keyscan", "127.0.0.1"], capture_output=True).stdout == b"":
        time.sleep(0.1)
    beside_peers(name, password)
    who_exists(name, password)
    flooded(f"{FLOOD} connections from one address, wrong passwords of many names (tries = 1000)",
            lambda i, n: (f"nobody+{i}", WRONG, "203.0.113.1"))
    flooded(f"{FLOOD} connections from one address, right passwords of one account", lambda i, n: (flooder, its_own, "203.0.113.2"))
    flooded(f"{FLOOD} connections from many addresses, wrong passwords of one account",
            lambda i, n: (name, WRONG, f"203.{i}.{n % 250}.{n // 250 % 250}"))
    daemon.terminate()
    sshd.terminate()


if __name__ == "__main__":
    main()
