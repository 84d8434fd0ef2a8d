#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Logins, and what a session holds, beside a plain account, pam_namespace(8) and a forced command of bubblewrap.

    make bench-sessions [BENCH_SESSIONS='--rounds 40 --sessions 1000']

Five accounts on one sshd: a plain one with bash; one to whom pam_namespace gives a /tmp of its own; one whose key is
forced through bwrap(1), with namespaces, a read-only system and a /tmp; a sub-account whose key has the role shell; and
one whose key has the role push, which may only ask whether it is let in. They take turns, so that a machine whose speed
drifts favours none. Printed: median milliseconds of `ssh HOST true` and of a terminal until its prompt, the median of
the differences to the plain account taken round by round, and what one of many sessions that stay open holds: memory
of its processes on the server (PSS), and what the whole machine has less of, the kernel's part included.
"""

import argparse
import os
import pwd
import selectors
import shutil
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PER_ACCOUNT = 20  # sessions of one sub-account: what they may have of processes is counted for each uid
HELD = "sleep 86399"
BWRAP = ("bwrap --ro-bind / / --tmpfs /tmp --tmpfs /home --bind {home} {home} --dev /dev --proc /proc --unshare-user "
         "--unshare-pid --unshare-ipc --unshare-cgroup --unshare-uts --die-with-parent")


def sh(*argv, **options):
    return subprocess.run([str(word) for word in argv], check=True, stdout=subprocess.DEVNULL, **options)


def say(*words):
    print(*words, file=sys.stderr, flush=True)


class Peer:
    def __init__(self, title, names, key, terminal=True):
        self.title, self.names, self.key, self.terminal = title, names, key, terminal

    def ssh(self, number=0):
        return [*(f"ssh -F none -i {self.key} -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR "
                  "-o BatchMode=yes -o IdentitiesOnly=yes").split(), f"{self.names[number % len(self.names)]}@127.0.0.1"]

    def true(self):
        sh(*self.ssh(), "true", stdin=subprocess.DEVNULL)

    def prompt(self):
        """A terminal, until it shows a prompt."""
        client = subprocess.Popen([self.ssh()[0], "-tt", *self.ssh()[1:]], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT)
        seen = b""
        while b"$ " not in seen:
            more = os.read(client.stdout.fileno(), 4096)
            if not more:
                raise RuntimeError(f"{self.title}: no prompt: {seen.decode(errors='replace')}")
            seen += more
        shown = time.perf_counter()
        client.kill()
        client.communicate()
        return shown


def key_make(name):
    key = Path("/root/bench-keys") / name
    key.parent.mkdir(exist_ok=True)
    sh("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)
    return key, Path(f"{key}.pub").read_text().strip()


def plain_make(title, name, command=""):
    key, public = key_make(name)
    sh("useradd", "-m", "-s", "/bin/bash", name)
    home = Path(f"/home/{name}")
    (home / ".hushlogin").touch()
    (home / ".ssh").mkdir(mode=0o700)
    forced = f'command="{command.format(home=home)}" ' if command else ""
    (home / ".ssh/authorized_keys").write_text(forced + public + "\n")
    for path in (home / ".ssh", home / ".ssh/authorized_keys"):
        os.chown(path, pwd.getpwnam(name).pw_uid, pwd.getpwnam(name).pw_gid)
    return Peer(title, [name], key)


def sub_accounts_make(title, label, count, *options):
    key, public = key_make(label)
    for number in range(count):
        subprocess.run(["runuser", "-u", "bench", "--", "subuid", "add", f"{label}{number}", "--key", "-", *options],
                       input=public.encode(), check=True, stdout=subprocess.DEVNULL)
    return Peer(title, [f"bench+{label}{number}" for number in range(count)], key, "shell" in options)


def prepare(sessions):
    if shutil.which("bwrap") is None:
        sys.exit("bench-sessions: missing: bubblewrap; install it: apt-get install bubblewrap")
    sh("make", "-s", "-C", ROOT, "install")
    sh("subuid", "setup")
    os.makedirs("/etc/subuidd.conf.d", exist_ok=True)
    Path("/etc/subuidd.conf.d/bench.conf").write_text(
        f"[sessions]\nper_key = {PER_ACCOUNT + 4}\nper_account = {PER_ACCOUNT + 4}\n[limits]\naccounts = {sessions}\n")
    sh("subuidd")
    sh("ssh-keygen", "-A")
    os.makedirs("/run/sshd", exist_ok=True)
    config = Path("/etc/ssh/sshd_config.d/bench.conf")
    config.write_text("MaxStartups 2000\nPerSourcePenalties no\n")
    if subprocess.run(["/usr/sbin/sshd", "-t"], stderr=subprocess.DEVNULL).returncode != 0:
        config.write_text("MaxStartups 2000\n")
    os.makedirs("/var/polyinstantiated", exist_ok=True)
    os.chmod("/var/polyinstantiated", 0)
    Path("/etc/security/namespace.conf").write_text("/tmp /var/polyinstantiated/ user ~namespaced\n")
    with open("/etc/pam.d/sshd", "a") as stack:
        stack.write("session [success=ignore default=1] pam_succeed_if.so quiet user = namespaced\n"
                    "session required pam_namespace.so\n")
    sh("/usr/sbin/sshd")
    sh("useradd", "-m", "bench")
    run_or_shell = f'{BWRAP} bash -c \\"${{{{SSH_ORIGINAL_COMMAND:-exec bash -i}}}}\\"'
    return [plain_make("plain account", "plain"),
            plain_make("pam_namespace: a /tmp", "namespaced"),
            plain_make("bwrap, forced", "bubble", run_or_shell),
            sub_accounts_make("sub-account, shell", "shell", -(-sessions // PER_ACCOUNT), "--role", "shell", "--tty"),
            sub_accounts_make("sub-account, push", "push", 1, "--role", "push")]


def logins(peers, rounds):
    for kind in ("true", "prompt"):
        taking = [peer for peer in peers if kind == "true" or peer.terminal]
        spent = {peer: [] for peer in taking}
        for number in range(rounds + 3):
            for peer in taking:
                begin = time.perf_counter()
                shown = getattr(peer, kind)() or time.perf_counter()
                if number >= 3:
                    spent[peer].append((shown - begin) * 1e3)
        print(f"\n{'login to ' + kind:26} {'ms':>8} {'more than plain, ms':>20} {'ratio':>7}")
        for peer in taking:
            beside = list(zip(spent[peer], spent[taking[0]]))
            print(f"{peer.title:26} {statistics.median(spent[peer]):8.1f} {statistics.median(a - b for a, b in beside):20.1f} "
                  f"{statistics.median(a / b for a, b in beside):7.3f}")


def available():
    line, = (line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemAvailable"))
    return int(line.split()[1])


def served_memory(before):
    """KiB of all processes that came since then, but for the clients."""
    total, count = 0, 0
    for process in Path("/proc").iterdir():
        if not process.name.isdigit() or int(process.name) in before:
            continue
        try:
            name = (process / "comm").read_text().strip()
            pss = next(line for line in (process / "smaps_rollup").read_text().splitlines() if line.startswith("Pss:"))
        except (OSError, StopIteration):
            continue
        if name != "ssh":
            total, count = total + int(pss.split()[1]), count + 1
    return total, count


def started(clients):
    """Each client has said its line."""
    waiting = selectors.DefaultSelector()
    for client in clients:
        waiting.register(client.stdout, selectors.EVENT_READ, client)
    while waiting.get_map():
        for key, _ in waiting.select(60) or sys.exit("a session has not begun within a minute"):
            if os.read(key.fd, 64) == b"":
                sys.exit(f"a session has ended: {key.data.wait()}")
            waiting.unregister(key.fileobj)


def held(peer, sessions):
    processes = {int(name) for name in os.listdir("/proc") if name.isdigit()}
    clients = []
    for number in range(sessions):
        clients.append(subprocess.Popen([*peer.ssh(number // PER_ACCOUNT), f"echo here; {HELD}"], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE))
        if number % 8 == 7:
            started(clients[-8:])
    started(clients[sessions - sessions % 8:])
    total, count = served_memory(processes)
    clients_memory = sum(int(line.split()[1]) for client in clients
                         for line in Path(f"/proc/{client.pid}/smaps_rollup").read_text().splitlines() if line.startswith("Pss:"))
    left = available()
    for client in clients:
        client.send_signal(signal.SIGTERM)
    for client in clients:
        client.wait()
        client.stdout.close()
    while subprocess.run(["pgrep", "-fx", HELD], stdout=subprocess.DEVNULL).returncode == 0:
        subprocess.run(["pkill", "-fx", HELD])  # an account whose shell outlives its connection
        time.sleep(0.05)
    used = available() - left - clients_memory
    print(f"{peer.title:26} {count / sessions:9.1f} {total / sessions:11.0f} {used / sessions:14.0f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--sessions", type=int, default=1000, help="that stay open at once")
    options = parser.parse_args()
    if os.environ.get("SUBUIDD_THROWAWAY") != "1":
        sys.exit("run this by `make bench-sessions`: it changes the host it runs on")
    peers = prepare(options.sessions)
    print(f"load before: {os.getloadavg()[0]:.1f}")
    logins(peers, options.rounds)
    print(f"\n{f'of {options.sessions} sessions, each':26} {'processes':>9} {'memory, KiB':>11} {'of the machine':>14}")
    for peer in peers:
        if peer.terminal:
            held(peer, options.sessions)
    print(f"load after: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
