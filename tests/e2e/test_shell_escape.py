# SPDX-License-Identifier: ISC
"""A hostile sub-account with a shell: what it can reach of others. Each attempt has its control: the same script as the
same uid without the gate, which gets there. (A control that the kernel refuses to everybody here is named as such.)"""

import json
import os
import pwd
import socket
import subprocess
import textwrap
from pathlib import Path

import pytest

from conftest import run, wait_until

PRELUDE = """
import ctypes, errno, os, signal, socket, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *arguments):
    libc.syscall.restype = ctypes.c_long
    got = libc.syscall(ctypes.c_long(number), *[ctypes.c_void_p(a) if isinstance(a, int) else a for a in arguments])
    if got < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return got
def got(what="got"):
    print("GOT", what)
print("RAN", flush=True)
"""


@pytest.fixture(scope="module")
def shell(host, tmp_path_factory):
    directory = tmp_path_factory.mktemp("shell")
    for path in [directory, *directory.parents]:
        if path == Path("/tmp"):
            break
        os.chmod(path, 0o755)
    return host.account(directory, "shell")


def inside(host, shell, script):
    _, name, key = shell
    return host.ssh(key, name, "python3 -", input=PRELUDE + textwrap.dedent(script))


def outside(shell, script):
    """The same uid, without the gate."""
    _, name, _ = shell
    uid = str(pwd.getpwnam(name).pw_uid)
    return run("setpriv", "--reuid", uid, "--regid", uid, "--clear-groups", "python3", "-", check=False, cwd="/",
               env={"HOME": pwd.getpwnam(name).pw_dir + "/home"}, input=PRELUDE + textwrap.dedent(script))


@pytest.fixture
def others(shell):
    """What belongs to others, or to the account outside of its session: files, a process, an abstract and a named socket."""
    _, name, _ = shell
    uid = pwd.getpwnam(name).pw_uid
    Path("/var/tmp/others").write_text("theirs\n")
    Path("/var/tmp/open").mkdir(exist_ok=True)
    Path("/var/tmp/open").chmod(0o777)
    process = subprocess.Popen(["setpriv", "--reuid", str(uid), "--regid", str(uid), "--clear-groups", "sleep", "9876"])
    wait_until(lambda: Path(f"/proc/{process.pid}/comm").read_text() == "sleep\n", "it sleeps")
    Path("/run/dbus").mkdir(exist_ok=True)
    Path("/var/spool/cron").mkdir(exist_ok=True)
    listeners = []
    for address in ("\0subuid-test-abstract", "/run/test-named", "/run/dbus/system_bus_socket"):
        listeners.append(socket.socket(socket.AF_UNIX))
        if address[0] == "/":
            Path(address).unlink(missing_ok=True)
        listeners[-1].bind(address)
        listeners[-1].listen()
        if address[0] == "/":
            os.chmod(address, 0o777)
    yield process.pid
    process.kill()
    process.wait()
    for listener in listeners:
        listener.close()


# name: (script, the control gets there). {pid}: of a process of the same uid outside.
ATTEMPTS = {
    "a file that the world may read": ("got(open('/var/tmp/others').read())", True),
    "a directory that the world may write": ("open('/var/tmp/open/x', 'w'); os.unlink('/var/tmp/open/x'); got()", True),
    "who else there is": ("assert len(open('/etc/passwd').readlines()) > 5; got()", True),
    "homes by their names": ("os.listdir('/home'); got()", True),
    "the index": ("open('/var/lib/subuidd/index', 'rb'); got()", True),
    "the daemon's socket": ("s = socket.socket(socket.AF_UNIX); s.connect('/run/subuidd/socket'); got()", True),
    "a named socket": ("s = socket.socket(socket.AF_UNIX); s.connect('/run/test-named'); got()", True),
    "an abstract socket": ("s = socket.socket(socket.AF_UNIX); s.connect('\\0subuid-test-abstract'); got()", True),
    "a process, in /proc": ("os.readlink('/proc/{pid}/exe'); got()", True),
    "a process, by a signal": ("os.kill({pid}, 0); got()", True),
    "all processes of the uid": (
        "pids = [p for p in os.listdir('/proc') if p.isdigit()]\n"
        "for p in pids:\n"
        "    try:\n"
        "        if b'9876' in open(f'/proc/{{p}}/cmdline', 'rb').read().split(b'\\0'): got()\n"
        "    except OSError: pass", True),
    "a process, by its memory": ("open('/proc/{pid}/mem', 'rb'); got()", True),
    "a process, by ptrace": ("call(101, 16, {pid}, 0, 0); got()", True),
    "a process, by its descriptors": ("call(438, call(434, {pid}, 0), 0, 0); got()", True),
    "the first process of the session": ("os.kill(1, signal.SIGKILL); open('/proc/1/mem', 'rb'); got()", False),
    "a user namespace": ("call(272, 0x10000000); got()", True),
    "a user namespace by clone": ("p = call(56, 0x10000000 | 17, 0, 0, 0, 0); p or os._exit(0); got()", True),
    "clone3": ("class A(ctypes.Structure): _fields_ = [('f', ctypes.c_uint64 * 11)]\n"
               "a = A(); a.f[0] = 0x10000000; a.f[4] = 17\n"
               "p = call(435, ctypes.byref(a), 88); p or os._exit(0); got()", True),
    "a mount": ("call(272, 0x10020000); libc.mount(b'x', b'/tmp', b'tmpfs', 0, None) == 0 and got()", True),
    "open_tree": ("call(428, -100, b'/', 0x80000); got()", True),
    "fsopen": ("call(430, b'tmpfs', 0); got()", False),
    "chroot": ("call(161, b'/tmp'); got()", False),
    "io_uring": ("call(425, 8, ctypes.create_string_buffer(256)); got()", True),
    "bpf": ("call(321, 0, ctypes.create_string_buffer(128), 128); got()", False),
    "perf": ("b = ctypes.create_string_buffer(128); b[4] = 112; b[0] = 1; call(298, b, 0, -1, -1, 0); got()", False),
    "userfaultfd": ("call(323, 1); got()", True),
    "keyring of the uid": ("call(250, 0, -4, 1); got()", True),
    "add_key": ("call(248, b'user', b'x', b'y', 1, -4); got()", True),
    "SysV shared memory": ("call(29, 4242, 4096, 0o1600); got()", True),
    "SysV messages": ("call(68, 4242, 0o1600); got()", True),
    "SysV semaphores": ("call(64, 4242, 1, 0o1600); got()", True),
    "POSIX messages": ("call(240, b'subuid-test', 0o102, 0o600, 0); call(241, b'subuid-test'); got()", True),
    "POSIX shared memory of another session": ("open('/dev/shm/theirs').read(); got()", True),
    "netlink": ("socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0); got()", True),
    "vsock": ("socket.socket(40, 1); got()", True),
    "alg": ("socket.socket(38, 5); got()", False),
    "TCP to the host": ("socket.create_connection(('127.0.0.1', 22), 5); got()", True),
    "UDP": ("socket.socket(socket.AF_INET, socket.SOCK_DGRAM); got()", True),
    "the system bus": ("s = socket.socket(socket.AF_UNIX); s.connect('/run/dbus/system_bus_socket'); got()", True),
    "the spool of cron": ("os.stat('/var/spool/cron'); got()", True),
    "sysctl": ("os.stat('/sys/kernel'); got()", True),
    "a file of setuid": ("open(os.environ.get('HOME', '/tmp') + '/s', 'w').close(); "
                         "os.chmod(os.environ.get('HOME', '/tmp') + '/s', 0o4755); got()", True),
    "TIOCSTI": ("import fcntl; fcntl.ioctl(0, 0x5412, b'x'); got()", False),
    "personality": ("call(135, 0x0040000); got()", True),
    "handles of files": ("call(303, -100, b'/srv', ctypes.create_string_buffer(b'\\x80\\0\\0\\0' + b'\\0' * 200), "
                         "ctypes.byref(ctypes.c_int()), 0); got()", True),
    "the log": ("s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.connect('/dev/log'); got()", False),
    "block devices": ("os.listdir('/sys/block') and os.stat('/dev/loop-control'); got()", True),
}


@pytest.mark.parametrize("what", ATTEMPTS)
def test_a_shell_gets_nowhere(host, shell, others, what):
    script, works = ATTEMPTS[what]
    script = script.replace("{pid}", str(others)).replace("{{", "{").replace("}}", "}")
    Path("/dev/shm/theirs").write_text("x")
    os.chmod("/dev/shm/theirs", 0o644)
    result = inside(host, shell, script)
    assert "RAN" in result.stdout and "GOT" not in result.stdout, result
    if works:
        control = outside(shell, script)
        assert "GOT" in control.stdout, control


SETUID = ("/usr/bin/su", "/usr/bin/passwd", "/usr/bin/newgrp", "/usr/bin/mount", "/usr/bin/newuidmap")


def test_setuid_programs_give_nothing(host, shell):
    """A copy of id(1) with the bit, that the control runs as root."""
    _, name, key = shell
    run("install", "-o", "root", "-m", "4755", "/usr/bin/id", "/usr/local/bin/rootid")
    try:
        uid = str(pwd.getpwnam(name).pw_uid)
        assert "euid=0" in run("setpriv", "--reuid", uid, "--regid", uid, "--clear-groups", "/usr/local/bin/rootid").stdout
        said = host.ssh(key, name, "/usr/local/bin/rootid; grep NoNewPrivs /proc/self/status; " +
                        "; ".join(f"test -e {p} && echo root:x | timeout 5 {p} 2>&1 </dev/null | head -1" for p in SETUID))
    finally:
        os.unlink("/usr/local/bin/rootid")
    assert "euid=0" not in said.stdout and "NoNewPrivs:\t1" in said.stdout, said


def test_every_process_of_it_is_confined_the_same_way(host, shell):
    _, name, key = shell
    said = host.ssh(key, name, "for p in /proc/[0-9]*; do grep -H -e ^NoNewPrivs -e ^Seccomp: -e ^CapEff -e ^CapBnd $p/status; done;"
                    " for n in user pid ipc net mnt cgroup; do readlink /proc/self/ns/$n; done").stdout
    assert "Seccomp:\t2" in said and "Seccomp:\t0" not in said and "NoNewPrivs:\t0" not in said
    assert all(line.endswith("0000000000000000") for line in said.splitlines() if "CapEff" in line), said
    for space in ("user", "pid", "ipc", "net", "mnt", "cgroup"):
        assert os.readlink(f"/proc/self/ns/{space}") not in said, space


def test_two_sessions_do_not_see_each_other(host, shell):
    _, name, key = shell
    first = subprocess.Popen(["ssh", *host.ssh_options(key), f"{name}@127.0.0.1", "echo mine >/tmp/x; echo in; sleep 4321"],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert first.stdout.readline() == "in\n"
    said = host.ssh(key, name, "ls /tmp; ps ax; kill -9 -1; kill -9 -- -1").stdout
    assert "4321" not in said and "x\n" not in said.replace("ax\n", "")
    assert first.poll() is None
    first.kill()
    first.wait(60)


def test_files_of_the_account_decide_nothing_outside_of_the_session(host, shell):
    """~/.ssh/rc and ~/.ssh/environment are not looked at; .bashrc runs, but inside."""
    _, name, key = shell
    home = Path("/srv/subuid") / name.replace("+", "/") / "home"
    host.ssh(key, name, "mkdir -p .ssh; echo 'touch /var/tmp/open/rc; echo RC' | tee .ssh/rc .bashrc .profile >/dev/null;"
             " chmod +x .ssh/rc; echo 'LD_PRELOAD=/x' >.ssh/environment; printf 'x\\n' >.hushlogin", check=True)
    Path("/var/tmp/open").mkdir(exist_ok=True)
    os.chmod("/var/tmp/open", 0o777)
    result = host.ssh(key, name, "echo $LD_PRELOAD; env", options=["-o", "SetEnv=LD_PRELOAD=/y BASH_ENV=/z"])
    assert "/x" not in result.stdout and "/y" not in result.stdout and "BASH_ENV" not in result.stdout
    host.ssh(key, name, options=["-T"], input="true\n")
    assert list(Path("/var/tmp/open").iterdir()) == [] and (home / ".ssh/rc").exists()


def test_a_fork_bomb_and_a_full_tmp_are_bounded(host, tmp_path):
    """By an account with a uid of its own: the kernel counts the processes of a uid in all tests that run meanwhile."""
    owner, key = host.new_user(), host.new_key(tmp_path, "bomb")
    row = {"kind": "account", "owner": owner, "label": "bomb", "uid": 2147300001}
    host.subuid("import", "-", input=json.dumps(row) + "\n")
    host.subuid("key", "add", "bomb", "-", "--role", "shell", user=owner, input=Path(f"{key}.pub").read_text())
    name = f"{owner}+bomb"
    said = host.ssh(key, name, "dd if=/dev/zero of=/tmp/big bs=1M count=200 2>&1; ulimit -u; ulimit -d").stdout
    assert "No space left" in said or "no space" in said.lower(), said
    assert "512" in said and "1048576" in said
    bomb = subprocess.Popen(["ssh", *host.ssh_options(key), f"{name}@127.0.0.1", "for i in $(seq 600); do sleep 5432 & done 2>&1; sleep 1"],
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    bomb.communicate(timeout=120)
    wait_until(lambda: not run("pgrep", "-fx", "sleep 5432", check=False).stdout, "all of it ends")
