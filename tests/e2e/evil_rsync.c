/* SPDX-License-Identifier: ISC */
/*
 * An rsync that its peer has taken over: stands where rsync stands and tries to get
 * out. Prints "NAME ALLOWED" or "NAME DENIED (why)" for each try, to standard output.
 * INSIDE: the working directory. OUTSIDE: a directory that the same uid owns. VICTIM: a process of its.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/uio.h>
#include <sys/mount.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* More than the gate leaves (confine/limits.c). */
#define PROCESSES 600
#define DESCRIPTORS 1100

static const char *outside = OUTSIDE;
extern char **environ;

static void say(const char *name, int ok)
{
	if (ok)
		printf("%s ALLOWED\n", name);
	else
		printf("%s DENIED (%s)\n", name, strerror(errno));
	fflush(stdout);
}

#define TRY(name, call) say(name, (call) >= 0)

static char *at(const char *name)
{
	static char path[512];

	snprintf(path, sizeof(path), "%s/%s", outside, name);
	return path;
}

static void files(void)
{
	char self[64];
	int fd;

	TRY("write-inside", open("inside", O_WRONLY | O_CREAT, 0600));
	TRY("read-etc-passwd", open("/etc/passwd", O_RDONLY));
	TRY("read-outside", open(at("canary"), O_RDONLY));
	TRY("write-outside", open(at("canary"), O_WRONLY));
	TRY("truncate-outside", truncate(at("shrink"), 1));
	TRY("create-outside", open(at("made"), O_WRONLY | O_CREAT, 0600));
	TRY("mkdir-outside", mkdir(at("dir"), 0700));
	TRY("symlink-outside", symlink("x", at("sym")));
	TRY("list-outside", open(outside, O_RDONLY | O_DIRECTORY));
	symlink(at("canary"), "way-out");
	TRY("read-through-link", open("way-out", O_RDONLY));
	fd = open(at("canary"), O_PATH);
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	TRY("read-through-proc-fd", open(self, O_RDONLY));
	TRY("read-through-proc-cwd", open("/proc/self/cwd/../outside/canary", O_RDONLY));
	TRY("hardlink-in", link(at("canary"), "linked"));
	TRY("rename-in", rename(at("moved"), "moved"));
	close(open("own", O_WRONLY | O_CREAT, 0600));
	TRY("rename-out", rename("own", at("own")));
	TRY("unlink-outside", unlink(at("gone")));
	TRY("read-dev-zero", open("/dev/zero", O_RDONLY));
	TRY("read-proc-environ", open("/proc/self/environ", O_RDONLY));
	fd = open("/run/files", O_WRONLY | O_NONBLOCK);
	say("write-log", fd >= 0 && write(fd, "evil\n", 5) == 5);
	TRY("write-tmp", open("/tmp/evil-rsync", O_WRONLY | O_CREAT, 0600));
}

static void modes(void)
{
	int fd = open("file", O_RDWR | O_CREAT, 0600);

	TRY("chmod-setuid", chmod("file", 04755));
	TRY("chmod-setgid", chmod("file", 02755));
	TRY("fchmod-setuid", fchmod(fd, 06755));
	TRY("fchmodat-setuid", syscall(SYS_fchmodat, AT_FDCWD, "file", 04755));
	TRY("fchmodat2-setuid", syscall(452, AT_FDCWD, "file", 04755, 0));
	TRY("open-setuid", syscall(SYS_open, "suid1", O_WRONLY | O_CREAT, 04755));
	TRY("openat-setuid", syscall(SYS_openat, AT_FDCWD, "suid2", O_WRONLY | O_CREAT, 04755));
	TRY("creat-setuid", syscall(SYS_creat, "suid3", 04755));
	TRY("mknod-setuid", mknod("suid4", S_IFREG | 04755, 0));
	TRY("mknod-fifo", mknod("fifo", S_IFIFO | 0600, 0));
	TRY("mknod-socket", mknod("socket", S_IFSOCK | 0600, 0));
	TRY("mknod-char", mknod("null", S_IFCHR | 0600, 0x103));
}

/* Out of the project that a quota counts; to set what is there already asks for the same right. */
static int set_project(void)
{
	int fd = open("project", O_RDWR | O_CREAT, 0600);
	struct fsxattr attributes = { 0 };

	(void)ioctl(fd, FS_IOC_FSGETXATTR, &attributes);
	return ioctl(fd, FS_IOC_FSSETXATTR, &attributes);
}

static int openat2_setuid(void)
{
	struct {
		unsigned long long flags, mode, resolve;
	} how = { O_WRONLY | O_CREAT, 04755, 0 };

	unlink("suid5");

	return (int)syscall(SYS_openat2, AT_FDCWD, "suid5", &how, sizeof(how));
}

static int connect_unix(int abstract)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	if (fd < 0)
		return -1;
	snprintf(to.sun_path + abstract, sizeof(to.sun_path) - 1, "%s", at("socket"));
	return connect(fd, (struct sockaddr *)&to,
		       (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)abstract +
				   strlen(to.sun_path + abstract)));
}

/* In a child: what it answers, or that it was killed. */
static int in_child(int (*act)(void))
{
	int status;
	pid_t pid = fork();

	if (pid < 0)
		return -1;
	if (pid == 0)
		_exit(act() >= 0 ? 0 : errno & 0x7f);
	waitpid(pid, &status, 0);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	errno = WIFSIGNALED(status) ? EFAULT : WEXITSTATUS(status);
	return -1;
}

/* The directory that carries the lock: the first descriptor that was free when it was opened; -1: none. */
static int inherited = -1;

/* Before anything is opened here. */
static int inherited_directory(void)
{
	struct stat st;

	for (int fd = 3; fd < 10; fd++)
		if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
			return fd;
	return -1;
}

/* A file of the same uid that this run has not made: "kept" in DIR, "canary" outside. */
static void metadata(const char *path, const char *where)
{
	char name[64];
#define META(what, call)                                                                                               \
	do {                                                                                                           \
		snprintf(name, sizeof(name), "%s-%s", what, where);                                                    \
		TRY(name, call);                                                                                       \
	} while (0)
	META("chmod", chmod(path, 0604));
	META("chown", chown(path, getuid(), getgid()));
	META("utime", utimensat(AT_FDCWD, path, NULL, 0));
	META("setxattr", setxattr(path, "user.evil", "x", 1, 0));
	META("removexattr", removexattr(path, "user.mark"));
}

static void inside(void)
{
	struct statfs fs;
	struct stat st;
	char link_text[64];

	metadata("kept", "inside");
	metadata(at("canary"), "own-outside");
	TRY("flush-inside", fsync(open("kept", O_RDONLY)));
	TRY("flush-disk", syncfs(open("kept", O_RDONLY)));
	TRY("mkdir-inside", mkdir("made", 0700));
	TRY("symlink-inside", symlink("x", "link"));
	TRY("link-inside", link("kept", "second"));
	TRY("rename-inside", rename("second", "third"));
	TRY("unlink-inside", unlink("third"));
	TRY("stat-outside", stat("/etc/passwd", &st));
	TRY("stat-own-outside", stat(at("canary"), &st));
	TRY("statfs-outside", statfs("/var", &fs));
	TRY("readlink-outside", readlink("/proc/self/exe", link_text, sizeof(link_text)));
	TRY("stat-proc", stat("/proc/1/status", &st));
	TRY("opath-outside", open(outside, O_PATH));
	TRY("stat-above-descriptor", fstatat(inherited, "../outside/canary", &st, 0));
	TRY("chdir-outside", chdir(outside));
	if (chdir(INSIDE) != 0)
		printf("lost\n");
}

/* Each with the powers that a user namespace of its own would give. */
static void empower(void)
{
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
		errno = 0;
}

static int mount_tmpfs(void)
{
	empower();
	return mount("x", INSIDE, "tmpfs", 0, NULL);
}

static int bind_outside(void)
{
	empower();
	return mount(outside, INSIDE, NULL, MS_BIND | MS_REC, NULL);
}

static int leave_root(void)
{
	empower();
	return chroot(".");
}

static int clone_tree(void)
{
	empower();
	return (int)syscall(SYS_open_tree, AT_FDCWD, ".", 1 /* OPEN_TREE_CLONE */ | 0x8000 /* AT_RECURSIVE */);
}

static int open_filesystem(void)
{
	empower();
	return (int)syscall(SYS_fsopen, "tmpfs", 0);
}

static int open_handle(void)
{
	struct {
		struct file_handle handle;
		unsigned char bytes[MAX_HANDLE_SZ];
	} h = { .handle = { .handle_bytes = MAX_HANDLE_SZ } };
	int id;

	return name_to_handle_at(AT_FDCWD, ".", &h.handle, &id, 0);
}

static void mounts(void)
{
	int here = open(".", O_RDONLY), attributes;

	TRY("mount-tmpfs", in_child(mount_tmpfs));
	TRY("mount-outside", in_child(bind_outside));
	TRY("chroot", in_child(leave_root));
	TRY("clone-tree", in_child(clone_tree));
	TRY("fsopen", in_child(open_filesystem));
	TRY("name-to-handle", open_handle());
	TRY("pidfd", syscall(SYS_pidfd_open, atoi(VICTIM), 0));
	TRY("shm", syscall(SYS_shmget, 0, 4096, 0600));
	TRY("watch-by-signal", fcntl(here, F_NOTIFY, DN_CREATE));
	TRY("get-attributes", ioctl(here, 0x80086601 /* FS_IOC_GETFLAGS */, &attributes));
	TRY("perf", syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0) < 0 && errno == EFAULT ? 0 : -1);
}

static void sockets(void)
{
	int pair[2];

	TRY("inet-tcp", socket(AF_INET, SOCK_STREAM, 0));
	TRY("inet-udp", socket(AF_INET, SOCK_DGRAM, 0));
	TRY("inet6", socket(AF_INET6, SOCK_STREAM, 0));
	TRY("netlink", socket(AF_NETLINK, SOCK_RAW, 0));
	TRY("unix-pathname", connect_unix(0));
	TRY("unix-abstract", connect_unix(1));
	TRY("socketpair-unix", socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
}

static int user_namespace(void)
{
	return unshare(CLONE_NEWUSER);
}

static int clone_namespace(void)
{
	long pid = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);

	if (pid == 0)
		_exit(0);
	return (int)pid;
}

static int trace_me(void)
{
	return (int)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}

static int exec_shell(void)
{
	return execl("/bin/sh", "sh", "-c", "exit 0", (char *)NULL);
}

static int exec_by_loader(void)
{
	execl("/lib64/ld-linux-x86-64.so.2", "ld.so", "/bin/true", (char *)NULL);
	return -1;
}

static int exec_own(void)
{
	static const unsigned char code[] = { 0x31, 0xff, 0xb8, 0x3c, 0, 0, 0, 0x0f, 0x05 }; /* exit(0) */
	struct {
		Elf64_Ehdr header;
		Elf64_Phdr program;
		unsigned char code[sizeof(code)];
	} image = { 0 };
	int fd = open("program", O_WRONLY | O_CREAT, 0700);

	memcpy(image.header.e_ident, "\177ELF\2\1\1", 7);
	image.header.e_type = ET_EXEC;
	image.header.e_machine = EM_X86_64;
	image.header.e_version = 1;
	image.header.e_entry = 0x400000 + offsetof(typeof(image), code);
	image.header.e_phoff = offsetof(typeof(image), program);
	image.header.e_phentsize = sizeof(Elf64_Phdr);
	image.header.e_phnum = 1;
	image.header.e_ehsize = sizeof(Elf64_Ehdr);
	image.program = (Elf64_Phdr){ .p_type = PT_LOAD,
				      .p_flags = 5,
				      .p_vaddr = 0x400000,
				      .p_filesz = sizeof(image),
				      .p_memsz = sizeof(image),
				      .p_align = 4096 };
	memcpy(image.code, code, sizeof(code));
	if (write(fd, &image, sizeof(image)) != sizeof(image) || close(fd) != 0)
		return -1;
	return execl("program", "program", (char *)NULL);
}

static int int80(void)
{
#ifdef __x86_64__
	int result = 20; /* getpid by the entry of i386 */

	__asm__ volatile("int $0x80" : "+a"(result) : : "memory", "r8", "r9", "r10", "r11");
	return result;
#else
	return -1;
#endif
}

static int x32(void)
{
	return (int)syscall(0x40000000 + SYS_getpid);
}

static void processes(void)
{
	struct rlimit limit = { 512, 512 };
	char byte;
	struct iovec here = { &byte, 1 }, there = { &byte, 1 };

	TRY("user-namespace", in_child(user_namespace));
	TRY("clone-newuser", in_child(clone_namespace));
	TRY("clone3", syscall(SYS_clone3, NULL, 0) < 0 && errno == EINVAL ? 0 : -1);
	TRY("ptrace", in_child(trace_me));
	TRY("process-vm-readv", process_vm_readv(getpid(), &here, 1, &there, 1, 0));
	TRY("signal-outside", kill((pid_t)atoi(VICTIM), 0));
	TRY("exec-shell", in_child(exec_shell));
	TRY("exec-shell-by-loader", in_child(exec_by_loader));
	TRY("exec-own-program", in_child(exec_own));
	TRY("memfd", syscall(SYS_memfd_create, "x", 0));
	TRY("int80", in_child(int80));
	TRY("x32", in_child(x32));
	TRY("prlimit-set", setrlimit(RLIMIT_NOFILE, &limit));
}

static void kernel(void)
{
	char params[256] = { 0 };

	TRY("io_uring", syscall(SYS_io_uring_setup, 1, params));
	TRY("keyctl", syscall(SYS_keyctl, 0, -3, 1));
	TRY("personality", syscall(SYS_personality, 0xffffffff));
	TRY("userfaultfd", syscall(SYS_userfaultfd, 1));
	TRY("inotify", syscall(SYS_inotify_init1, 0));
	TRY("bpf", syscall(SYS_bpf, 0, NULL, 0) < 0 && errno != EPERM ? 0 : -1);
	TRY("tiocsti", ioctl(0, TIOCSTI, "x") < 0 && (errno == ENOTTY || errno == EIO) ? 0 : -1);
	TRY("openat2-setuid", openat2_setuid());
	TRY("set-project", set_project());
}

/* One of many that live at once; they end with the pipe that they wait at. */
static int fork_many(void)
{
	int pipes[2], failed = 0;
	char byte;

	if (pipe(pipes) != 0)
		return -1;
	for (int i = 0; i < PROCESSES && failed == 0; i++) {
		pid_t pid = fork();

		if (pid < 0)
			failed = errno;
		if (pid == 0) {
			close(pipes[1]);
			_exit(read(pipes[0], &byte, 1) == 0 ? 0 : 1);
		}
	}
	close(pipes[1]);
	close(pipes[0]);
	while (wait(NULL) > 0)
		continue;
	errno = failed;
	return failed == 0 ? 0 : -1;
}

/* Twice what the host has; never written to. */
static size_t too_much(void)
{
	struct sysinfo host;

	return sysinfo(&host) != 0 ? 0 : 2 * (size_t)host.totalram * host.mem_unit;
}

static int map_memory(size_t size, int kind)
{
	return mmap(NULL, size, PROT_READ | PROT_WRITE, kind | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) == MAP_FAILED ?
		       -1 :
		       0;
}

static int take_memory(void)
{
	return map_memory(too_much(), MAP_PRIVATE);
}

/* The kernel counts these three kinds as no data of the process. */
static int take_shared_memory(void)
{
	return map_memory(too_much(), MAP_SHARED);
}

static int take_stack(void)
{
	return map_memory(too_much(), MAP_PRIVATE | MAP_GROWSDOWN);
}

static int take_and_close(void)
{
	const size_t part = (size_t)64 << 20;
	size_t left = too_much();

	while (left > part) {
		void *memory =
			mmap(NULL, part, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

		if (memory == MAP_FAILED || mprotect(memory, part, PROT_READ) != 0)
			return -1;
		left -= part;
	}
	return 0;
}

static int open_many(void)
{
	int r = 0;

	for (int i = 0; r >= 0 && i < DESCRIPTORS; i++)
		r = dup(0);
	return r;
}

/* With the limits lifted first, where that is possible: what is tried is whether the gate's can be. */
static int use_up(int (*take)(void), int resource)
{
	struct rlimit limit;

	if (getrlimit((__rlimit_resource_t)resource, &limit) != 0)
		return -1;
	limit.rlim_cur = limit.rlim_max;
	setrlimit((__rlimit_resource_t)resource, &limit);
	return take();
}

static int many_processes(void)
{
	return use_up(fork_many, RLIMIT_NPROC);
}

static int much_memory(void)
{
	return use_up(take_memory, RLIMIT_DATA);
}

static int much_shared_memory(void)
{
	return use_up(take_shared_memory, RLIMIT_AS);
}

static int much_stack(void)
{
	return use_up(take_stack, RLIMIT_STACK);
}

static int much_closed_memory(void)
{
	return use_up(take_and_close, RLIMIT_AS);
}

static int many_descriptors(void)
{
	return use_up(open_many, RLIMIT_NOFILE);
}

static void exhaustion(void)
{
	TRY("many-processes", in_child(many_processes));
	TRY("much-memory", in_child(much_memory));
	TRY("much-shared-memory", in_child(much_shared_memory));
	TRY("much-stack", in_child(much_stack));
	TRY("much-closed-memory", in_child(much_closed_memory));
	TRY("many-descriptors", in_child(many_descriptors));
}

static void inheritance(void)
{
	for (int fd = 0; fd < 256; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			printf("fd %d\n", fd);
	for (char **e = environ; *e != NULL; e++)
		printf("env %s\n", *e);
}

int main(void)
{
	inherited = inherited_directory();
	inheritance();
	files();
	modes();
	sockets();
	exhaustion(); /* before prlimit-set */
	processes();
	kernel();
	inside();
	mounts();
	return 0;
}
