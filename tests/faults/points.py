# SPDX-License-Identifier: ISC
"""Every system call of a change, and of all helpers, made the last one of its process, or made to fail; then the oracle."""

import collections
import contextlib
import errno
import signal
import subprocess
import time

import oracle
from changes import Case
from tracing import TRACE, read_trace, tracing
from world import START_SECONDS, Violation, call, demand, done, wait_until, within

OFTEN = 60
LIVE_SECONDS = 1  # a daemon that lives on mends at once, at its next maintenance or at the next start

# What each call can fail with, beyond what its arguments are to blame for. A kill is tried at every call.
_DISK, _FULL = [errno.EIO], [errno.EIO, errno.ENOSPC]
_FILES, _MEMORY = [errno.EMFILE, errno.ENOMEM, errno.EIO], [errno.ENOMEM]
ERRORS = {
    **dict.fromkeys(("fsync", "fdatasync", "pwrite64", "write", "pwritev", "writev", "ftruncate", "fallocate", "mkdirat",
                     "symlinkat", "linkat", "renameat", "renameat2", "rename", "fsetxattr", "setxattr", "syncfs", "link",
                     "mkdir"), _FULL),
    **dict.fromkeys(("read", "pread64", "fstat", "newfstatat", "statx", "getdents64", "unlinkat", "unlink", "fchown", "fchmod",
                     "fchownat", "fchmodat", "fgetxattr", "lseek", "ioctl", "quotactl", "quotactl_fd", "faccessat2", "access",
                     "readlink", "readlinkat", "utimensat", "msync", "rmdir"), _DISK),
    **dict.fromkeys(("openat", "openat2", "open"), _FILES),
    **dict.fromkeys(("socket", "socketpair", "pipe2", "accept4", "dup", "dup3", "fcntl", "eventfd2", "timerfd_create",
                     "pidfd_open", "epoll_ctl", "memfd_create", "inotify_add_watch"), [errno.EMFILE, errno.ENOMEM]),
    **dict.fromkeys(("mmap", "mremap", "mprotect", "brk", "clone", "clone3", "fork", "vfork", "open_tree", "move_mount",
                     "mount_setattr", "mount", "umount2", "unshare", "setns", "execve"), _MEMORY),
    **dict.fromkeys(("recvmsg", "recvfrom", "sendmsg", "sendto", "connect", "poll", "ppoll", "epoll_wait", "waitid", "wait4"),
                    [errno.EINTR, errno.ENOMEM]),
}
ERRORS["read"] = ERRORS["write"] = [errno.EIO, errno.EINTR]
ERRORS["clone"] = ERRORS["clone3"] = [errno.EAGAIN, errno.ENOMEM]


def act(world, change, case, words):
    """What the caller is told; None: the connection, or the program, ended without a word."""
    if change.what in ("call", "stop"):
        with tracing(TRACE, *words, attach=world):
            reply = asked(world, change, case)
            settle(world, change, case, reply)
    elif change.what == "start":
        reply = started(world, words)
    else:
        argv = change.act(world, case)
        with tracing(TRACE, *words, command=("command", argv)) as tracer:
            with contextlib.suppress(subprocess.TimeoutExpired):
                tracer.wait(60)
            demand(tracer.poll() is not None, " ".join(argv), "does not end")
        reply = tracer.returncode if not read_trace(TRACE)[1] else None
    return reply


def asked(world, change, case):
    try:
        return change.act(world, case)
    except TimeoutError:
        raise Violation("not answered in time") from None
    except OSError:
        return None


def settle(world, change, case, reply):
    """Whatever goes on behind the answer comes under the tracer too, for as long as the daemon lives."""
    end = time.monotonic() + 8
    while reply is not None and time.monotonic() < end and world.daemon.poll() is None:
        if change.settled(world, case):
            return
        time.sleep(0.02)


def started(world, words):
    """The traced start, until it serves and has looked after what was left (maintenance, a second later)."""
    with tracing(TRACE, *words, command=("broker", ["/usr/sbin/subuidd", "--foreground"])) as tracer:
        end = time.monotonic() + START_SECONDS
        while tracer.poll() is None and time.monotonic() < end and not world.answers():
            time.sleep(0.02)
        demand(time.monotonic() < end, "the start does not come to its end")
        until = time.monotonic() + 1.6
        while tracer.poll() is None and time.monotonic() < until:
            time.sleep(0.02)
        tracer.send_signal(signal.SIGTERM)
        tracer.wait(60)
    subprocess.run(["pkill", "-KILL", "-x", "subuidd"], check=False)  # of this pid namespace: the one just started
    wait_until(lambda: subprocess.run(["pgrep", "-x", "subuidd"], stdout=subprocess.DEVNULL, check=False).returncode == 1,
               "the traced daemon has ended")


class Points:
    """All points of one change, in one host."""

    def __init__(self, world, change, kept):
        self.world, self.change = world, change
        self.owner = world.owner()
        self.kept = kept
        self.number = 0

    def case(self):
        self.number += 1
        return Case(self.owner, f"p{self.number}", self.world.keys)

    def enumerate(self):
        """[(role, syscall, k)] of one undisturbed change, which is judged like the others."""
        self.run_one(())
        return self.calls

    def run_one(self, words):
        """Returns whether the point was reached."""
        world, change, case = self.world, self.change, self.case()
        world.ensure_daemon()
        change.prepare(world, case)
        if world.daemon:
            before = world.facts()
            world.note_ids(before)
        else:
            before = None
        reply = act(world, change, case, words)
        self.calls, hit = read_trace(TRACE)
        acknowledged = reply is not None and change.acknowledged(reply)
        if reply is not None:
            change.remedy(world, reply)
        demand(words or acknowledged or change.what in ("start", "offline"), "undisturbed, and answered with", reply)
        self.judge(case, before, acknowledged)
        return hit

    def judge(self, case, before, acknowledged):
        world, change = self.world, self.change
        self.judge_live()
        world.ensure_daemon()
        facts = oracle.everything(world)
        if before is not None:
            oracle.judge(before, facts, change.parts(case), acknowledged)
        change.after(world, case, acknowledged)
        oracle.next_change(world, self.kept, f"next{self.number}")
        self.clean(case)

    def judge_live(self):
        """Where the daemon lives on: the next change works at once; what is not mended soon is by the next start."""
        world = self.world
        try:
            if world.daemon is not None and world.daemon.poll() is None:
                oracle.next_change(world, self.kept, f"live{self.number}")
                oracle.everything(world, LIVE_SECONDS)
        except (Violation, OSError):
            if world.daemon.poll() is None and within(1, lambda: world.daemon.poll() is not None) is False:
                self.to_the_start += 1
                world.kill_daemon()

    to_the_start = 0

    def clean(self, case):
        """The owner has nothing any more, nor has one who took over; tombstones stay, for the ids."""
        owners = (case.owner, self.world.owners.get(case.owner))
        for key, value in self.world.facts().items():
            if key[0] == "account" and key[1] in owners:
                self.world.remove(key[1], key[2], purge=True)
            elif key[0] == "range" and value[0] in owners and value[1] is None:
                demand(done(call("RangeRemove", {"owner": value[0], "first": key[1]})), "a range cannot be removed")
        demand(done(call("LimitSet", {"owner": case.owner, "accounts": 1000, "keys": 16, "ranges": 4000})), "limit")


# What changes nothing that another process could see: the process dies with it, made or not. Unknown means an effect.
PRIVATE = set("""mmap munmap mprotect mremap brk madvise read pread64 readv lseek fstat newfstatat statx stat lstat getdents64
    access faccessat faccessat2 readlink readlinkat fgetxattr getxattr flistxattr fstatfs statfs close close_range dup dup2 dup3
    getpid gettid getppid getuid geteuid getgid getegid getresuid getresgid getgroups getpeername getsockname getsockopt
    setsockopt setuid setgid setgroups setresuid setresgid setfsuid setfsgid capget capset prctl arch_prctl set_tid_address
    set_robust_list rseq rt_sigaction rt_sigprocmask rt_sigreturn sigaltstack clock_gettime gettimeofday clock_nanosleep
    nanosleep time getrandom umask chdir fchdir uname sysinfo getrlimit prlimit64 setrlimit sched_getaffinity sched_yield futex
    poll ppoll epoll_wait epoll_pwait epoll_ctl epoll_create1 timerfd_create timerfd_settime eventfd2 signalfd4 pipe2 socket
    socketpair landlock_create_ruleset landlock_add_rule landlock_restrict_self seccomp alarm waitid wait4 pidfd_open
    recvmsg recvfrom inotify_init1 inotify_add_watch membarrier restart_syscall getpgrp getpgid setsid personality
    set_mempolicy get_mempolicy""".split())
O_CREAT, O_TRUNC, LOCKS = 0o100, 0o1000, (6, 7, 37, 38)


def has_effect(one):
    if one.syscall == "openat":
        return bool(one.arguments[1] & (O_CREAT | O_TRUNC))
    if one.syscall == "fcntl":
        return one.arguments[0] in LOCKS
    return one.syscall not in PRIVATE


def kill_points(calls, every):
    """At each effect, and at the call behind it (the index is written by stores into its map, in between). A kill at any
    other call leaves what the one at the next effect leaves; `every`: these, too."""
    found, behind = [], {}
    for one in calls:
        if every or has_effect(one) or behind.get(one.pid):
            found.append(one)
        behind[one.pid] = has_effect(one)
    return found


def thinned(calls):
    """Of what is made over and over (whoever gives out a range asks for thousands of ids) the first, the last, and some between."""
    most = collections.Counter((one.role, one.syscall) for one in calls)
    return [one for one in calls if one.k <= OFTEN or one.k > most[one.role, one.syscall] - OFTEN // 4 or
            one.k % (1 + most[one.role, one.syscall] // OFTEN) == 0]


def points_of(calls, kinds, every=False):
    """[(role, syscall, k, what)] for `kill` and `error`; every one once, in the order of the trace."""
    found = []
    if "kill" in kinds:
        found += [(one.role, one.syscall, one.k, "kill") for one in kill_points(calls, every)]
    if "error" in kinds:
        found += [(one.role, one.syscall, one.k, str(error)) for one in (calls if every else thinned(calls))
                  for error in ERRORS.get(one.syscall, ())]
    return list(collections.OrderedDict.fromkeys(found))


def name_of(point):
    role, syscall, k, what = point
    return f"{role}:{syscall}:{k}:{what if what == 'kill' else errno.errorcode[int(what)]}"
