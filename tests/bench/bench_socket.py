#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""How long others wait on the socket while many hold it: p50 and p99 of one user's calls, without and with 2,000 slow
connections of eight users and 10,000 connections that are refused. Run in a throwaway root: tests/throwaway
/usr/bin/python3 tests/bench/bench_socket.py"""

import json
import os
import socket
import subprocess
import sys
import time

SOCKET = "/run/subuidd/socket"
REQUEST = json.dumps({"method": "io.subuidd.Accounts.Status"}).encode() + b"\0"
CALLS, USERS, EACH, REFUSED = 500, 8, 250, 10000

SLOW = """
import os, socket, sys, time
uid, each, path = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
os.setgroups([]); os.setresgid(uid, uid, uid); os.setresuid(uid, uid, uid)
peers = []
def knock():
    peer = socket.socket(socket.AF_UNIX); peer.connect(path); peer.send(b"{"); return peer
for i in range(each):
    try:
        peers.append(knock())
    except OSError:
        pass
print("ready", flush=True)
while True:  # a byte now and then, and a new one for each that was ended
    for i, peer in enumerate(peers):
        try:
            peer.send(b" ")
        except OSError:
            try:
                peers[i] = knock()
            except OSError:
                pass
        time.sleep(0.002)
"""

REFUSE = """
import os, socket, sys
uid, count, path = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
os.setgroups([]); os.setresgid(uid, uid, uid); os.setresuid(uid, uid, uid)
refused = 0
for i in range(count):
    peer = socket.socket(socket.AF_UNIX)
    try:
        peer.connect(path); refused += b"LimitReached" in peer.recv(400)
    except OSError:
        pass
    peer.close()
print(refused, flush=True)
"""


def call():
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(60)
        peer.connect(SOCKET)
        peer.sendall(REQUEST)
        answer = b""
        while not answer.endswith(b"\0"):
            chunk = peer.recv(65536)
            if not chunk:
                raise ConnectionError("ended without an answer")
            answer += chunk
    if b'"error"' in answer:
        raise PermissionError(answer)


def calls(uid):
    """Seconds of each call, made as this uid in a child."""
    script = f"import sys; sys.path.insert(0, {os.path.dirname(__file__)!r}); import bench_socket as b, os, time, json\n" \
             f"os.setgroups([]); os.setresgid({uid},{uid},{uid}); os.setresuid({uid},{uid},{uid})\n" \
             f"times=[]; failed=0\n" \
             f"for i in range({CALLS}):\n" \
             f" t=time.monotonic()\n" \
             f" try: b.call()\n" \
             f" except (OSError, ConnectionError): failed+=1\n" \
             f" times.append(time.monotonic()-t)\n" \
             f"print(json.dumps([times, failed]))"
    return json.loads(subprocess.run(["/usr/bin/python3", "-c", script], capture_output=True, text=True, check=True).stdout)


def told(name, result):
    times, failed = result
    times = sorted(times)
    print(f"{name:40} p50 {times[len(times) // 2] * 1000:7.1f} ms  p99 {times[len(times) * 99 // 100] * 1000:7.1f} ms  "
          f"longest {times[-1] * 1000:7.1f} ms  failed {failed}", flush=True)


def main():
    if os.environ.get("SUBUIDD_THROWAWAY") != "1":
        sys.exit("run it by tests/throwaway: it sets the host up")
    for command in (["make", "-s", "install"], ["subuid", "setup"]):
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    for n in range(USERS + 2):
        subprocess.run(["useradd", "-m", "-u", str(5000 + n), f"peer{n}"], check=True)
    daemon = subprocess.Popen(["/usr/sbin/subuidd", "--foreground"], stderr=subprocess.DEVNULL)
    while not os.path.exists(SOCKET):
        time.sleep(0.01)
    told("alone", calls(5008))
    slow = [subprocess.Popen(["/usr/bin/python3", "-c", SLOW, str(5000 + n), str(EACH), SOCKET],
                             stdout=subprocess.PIPE, text=True) for n in range(USERS)]
    for one in slow:
        one.stdout.readline()
    told(f"{USERS * EACH} slow ones of {USERS} users", calls(5008))
    refused = subprocess.Popen(["/usr/bin/python3", "-c", REFUSE, "5000", str(REFUSED), SOCKET], stdout=subprocess.PIPE,
                               text=True)
    told(f"and {REFUSED} that are refused", calls(5009))
    print("refused meanwhile:", refused.communicate()[0].strip())
    for one in slow:
        one.kill()
    daemon.terminate()


if __name__ == "__main__":
    main()
