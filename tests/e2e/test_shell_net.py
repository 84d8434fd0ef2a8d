# SPDX-License-Identifier: ISC
"""The option --net of shells: TCP to listed ports, by Landlock, or where that knows no ports by the session's first process
(backup/connector.c). The same is asked of both; `make check-vm-escape` asks the kernels of Debian 12 and 13."""

import pwd
import socket
import subprocess
from pathlib import Path

from conftest import run, wait_until
from test_session_ends import running
from test_shell import home_of, key_add, shell, two_ports  # noqa: F401: fixtures


CONNECT = """
import socket, sys
s = socket.socket(); s.settimeout(60)
s.connect(("127.0.0.1", int(sys.argv[1]))); print("connected")
"""

# from a thread, over IPv6, as programs with event loops do, and while another thread changes the address
CONNECT_OTHERWISE = """
import ctypes, select, socket, struct, sys, threading
granted, other = map(int, sys.argv[1:])
def in_thread():
    socket.create_connection(("127.0.0.1", granted), 60); print("thread")
thread = threading.Thread(target=in_thread); thread.start(); thread.join()
s = socket.socket(socket.AF_INET6); s.connect(("::ffff:127.0.0.1", granted)); print("six")
s = socket.socket(); s.setblocking(False); s.connect_ex(("127.0.0.1", granted)); select.select([], [s], [], 60)
print("later" if s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0 else "never")
address = ctypes.create_string_buffer(struct.pack("=H", socket.AF_INET) + struct.pack("!HI8x", other, 0x7f000001))
connect = ctypes.CDLL(None).connect
def change():
    ports = [struct.pack("!H", port) for port in (granted, other)]
    while True:
        for port in ports:
            ctypes.memmove(ctypes.byref(address, 2), port, 2)
threading.Thread(target=change, daemon=True).start()
reached = set()
for n in range(2000):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    if connect(s.fileno(), address, 16) == 0:
        reached.add(s.getpeername()[1])
    s.close()
print("reached", *reached, flush=True)
"""

FAST_OPEN = """
import socket, sys
s = socket.socket()
s.sendto(b"x", 0x20000000, ("127.0.0.1", int(sys.argv[1]))); print("connected")
"""


def test_net_is_tcp_to_its_ports_alone(host, shell, tmp_path, two_ports):  # noqa: F811
    owner, name, key = shell
    granted, other = two_ports
    net = key_add(host, tmp_path, owner, "net", "--role", "shell", "--net", f"1,{granted}")

    def tried(key, script, port):
        return host.ssh(key, name, f"python3 - {port}", input=script)

    assert tried(net, CONNECT, granted).stdout == "connected\n"
    assert "Permission denied" in tried(net, CONNECT, other).stderr
    assert tried(key, CONNECT, granted).returncode != 0
    said = host.ssh(net, name, f"python3 - {granted} {other}", input=CONNECT_OTHERWISE)
    assert said.stdout.splitlines() == ["thread", "six", "later", f"reached {granted}"], said
    # the ways around connect(2), which work on this host for anybody else
    assert run("python3", "-c", FAST_OPEN, str(other), user=owner).stdout == "connected\n"
    for port in two_ports:
        assert "not permitted" in tried(net, FAST_OPEN, port).stderr
    for family, kind, protocol in ((2, 1, 262), (2, 2, 0), (16, 3, 0), (1, 1, 0), (10, 2, 0), (17, 3, 0), (40, 1, 0)):
        made = host.ssh(net, name, "python3 -", input=f"import socket; socket.socket({family}, {kind}, {protocol})")
        assert "OSError" in made.stderr, (family, kind, protocol)
    assert "not permitted" in host.ssh(net, name, "python3 -", input="import socket; socket.socket().listen()").stderr


PLACE = """
import os, signal, socket, sys
os.kill(1, signal.SIGKILL)
def tried(what):
    try:
        return what() or "done"
    except OSError as error:
        return error.strerror
print(tried(lambda: open("/proc/1/mem", "r+b")), tried(lambda: os.listdir("/proc/1/fd")), sep=", ")
for line in open("/proc/1/status"):
    if line.startswith(("Seccomp:", "CapEff:", "NoNewPrivs:")):
        print(line.split()[1].strip("0") or "none")
s = socket.socket(); s.connect(("127.0.0.1", int(sys.argv[1]))); print("connected")
"""

# As on Debian 12's kernel: the gate is told that Landlock knows no ports.
OLD_KERNEL = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdarg.h>
#include <sys/syscall.h>

long syscall(long number, ...)
{
	static long (*next)(long, ...);
	long a[6];
	va_list list;

	va_start(list, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(list, long);
	va_end(list);
	if (number == SYS_landlock_create_ruleset && a[0] == 0)
		return 2;
	if (!next)
		next = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
	return next(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
"""


def test_an_older_kernel_gives_the_same(host, shell, tmp_path, two_ports):  # noqa: F811
    """The gate itself, between a report that nobody reads and a shell."""
    _, name, _ = shell
    granted, other = two_ports
    old = Path("/usr/local/lib/old-kernel.so")
    run("gcc", "-shared", "-fPIC", "-O1", "-w", "-x", "c", "-o", old, "-", "-ldl", input=OLD_KERNEL)
    uid = str(pwd.getpwnam(name).pw_uid)
    tool = ("sh", "-c", 'exec 3</dev/null; exec "$@"', "sh", "setpriv", "--reuid", uid, "--regid", uid, "--clear-groups", "env",
            f"LD_PRELOAD={old}", "/usr/libexec/subuidd/tool", "-report", "-shell=bash", f"-net=1,{granted}", "-key=1", "-takes=shell",
            "--", "shell", str(home_of(name)))

    def tried(script, *ports):
        return run(*tool, env={"SSH_ORIGINAL_COMMAND": f"python3 - {' '.join(map(str, ports))}", "USER": name}, input=script, check=False)

    assert tried(CONNECT, granted).stdout == "connected\n"
    assert "Permission denied" in tried(CONNECT, other).stderr
    said = tried(CONNECT_OTHERWISE, granted, other)
    assert said.stdout.splitlines() == ["thread", "six", "later", f"reached {granted}"], said
    assert tried(PLACE, granted).stdout.splitlines() == ["Permission denied, Permission denied", "none", "1", "2", "connected"]
    assert "not permitted" in tried(FAST_OPEN, granted).stderr


def test_nobody_takes_the_place_of_the_one_that_connects(host, shell, tmp_path, two_ports):  # noqa: F811
    """The first process of the session, where the kernel's Landlock knows no ports; elsewhere it is as little to be had."""
    owner, name, _ = shell
    key = key_add(host, tmp_path, owner, "place", "--role", "shell", "--net", str(two_ports[0]))
    said = host.ssh(key, name, f"python3 - {two_ports[0]}", input=PLACE)
    assert said.stdout.splitlines() == ["Permission denied, Permission denied", "none", "1", "2", "connected"], said
    assert "Permission denied" in host.ssh(key, name, f"python3 - {two_ports[1]}", input=CONNECT).stderr


def test_a_session_with_ports_ends_whole(host, shell, tmp_path, two_ports):  # noqa: F811
    """Also one with connections that are under way, which are processes of their own on an older kernel."""
    owner, name, _ = shell
    full = socket.create_server(("127.0.0.1", 0), backlog=0)
    held = [socket.socket() for _ in range(2)]
    for one in held:
        one.setblocking(False)
        one.connect_ex(full.getsockname())
    port = full.getsockname()[1]
    key = key_add(host, tmp_path, owner, "ends", "--role", "shell", "--net", str(port))
    script = f"import threading, socket\nfor n in range(3):\n threading.Thread(target=lambda: socket.socket().connect(('127.0.0.1', {port}))).start()\nprint('in', flush=True)"
    client = subprocess.Popen(["ssh", *host.ssh_options(key), f"{name}@127.0.0.1", f'python3 -c "{script}"'], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, text=True)
    try:
        assert client.stdout.readline() == "in\n"
        assert running(name)
        client.kill()
        wait_until(lambda: not running(name), "nothing is left")
    finally:
        client.kill()
        client.communicate()
        for one in (*held, full):
            one.close()
