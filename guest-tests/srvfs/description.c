// SPDX-License-Identifier: GPL-2.0
/*
 * An open of an assigned entry returns the published open file description
 * itself, for every kind of file, and even if the publisher has exited.
 */
#include <dirent.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "srvfs.h"

static int open_regular(void)
{
	return regular_file("/tmp/file", "content");
}

static int open_pipe(void)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	return ends[0];
}

static int open_unix_socket(void)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
		return -errno;
	return ends[0];
}

static int listen_inet(void)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) ||
	    listen(fd, 16))
		return -errno;
	return fd;
}

static int open_memfd(void)
{
	return or_errno(memfd_create("srvfs", MFD_CLOEXEC));
}

static int open_device(void)
{
	return try_open("/dev/zero", O_RDWR | O_CLOEXEC);
}

static int open_directory(void)
{
	return try_open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int open_epoll(void)
{
	return or_errno(epoll_create1(EPOLL_CLOEXEC));
}

static int open_eventfd(void)
{
	return or_errno(eventfd(0, EFD_CLOEXEC));
}

static int open_terminal(void)
{
	return try_open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
}

static int open_procfile(void)
{
	return try_open("/proc/self/status", O_RDONLY | O_CLOEXEC);
}

FIXTURE(kind) {
	int fd;
};

FIXTURE_VARIANT(kind) {
	int (*open)(void);
};

FIXTURE_VARIANT_ADD(kind, regular_file) { .open = open_regular };
FIXTURE_VARIANT_ADD(kind, pipe) { .open = open_pipe };
FIXTURE_VARIANT_ADD(kind, unix_socket) { .open = open_unix_socket };
FIXTURE_VARIANT_ADD(kind, inet_socket) { .open = listen_inet };
FIXTURE_VARIANT_ADD(kind, memfd) { .open = open_memfd };
FIXTURE_VARIANT_ADD(kind, device) { .open = open_device };
FIXTURE_VARIANT_ADD(kind, directory) { .open = open_directory };
FIXTURE_VARIANT_ADD(kind, epoll) { .open = open_epoll };
FIXTURE_VARIANT_ADD(kind, eventfd) { .open = open_eventfd };
FIXTURE_VARIANT_ADD(kind, terminal) { .open = open_terminal };
FIXTURE_VARIANT_ADD(kind, procfile) { .open = open_procfile };

FIXTURE_SETUP(kind)
{
	srv_enter(_metadata);
	if (_metadata->exit_code)
		return;
	self->fd = variant->open();
	if (self->fd < 0 && variant->open == open_terminal)
		SKIP(return, "no pseudo terminals: %s", strerror(-self->fd));
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, publish(ENTRY, self->fd));
}

FIXTURE_TEARDOWN(kind)
{
	srv_leave();
}

TEST_F(kind, same_description)
{
	int opened = try_open(ENTRY, O_RDONLY);

	ASSERT_LE(0, opened);
	EXPECT_NE(self->fd, opened);
	EXPECT_EQ(1, same_description(self->fd, opened));
}

TEST_F(kind, status_flags_are_shared)
{
	int opened = try_open(ENTRY, O_RDONLY);
	int flags = fcntl(self->fd, F_GETFL);

	ASSERT_LE(0, opened);
	EXPECT_EQ(flags, fcntl(opened, F_GETFL));
	ASSERT_EQ(0, fcntl(opened, F_SETFL, flags | O_NONBLOCK));
	EXPECT_EQ(flags | O_NONBLOCK, fcntl(self->fd, F_GETFL));
}

TEST_F(kind, stays_open_after_the_publisher_closed_it)
{
	struct stat published, received;
	int opened;

	ASSERT_EQ(0, fstat(self->fd, &published));
	ASSERT_EQ(0, close(self->fd));
	opened = try_open(ENTRY, O_RDONLY);
	ASSERT_LE(0, opened);
	ASSERT_EQ(0, fstat(opened, &received));
	EXPECT_EQ(published.st_dev, received.st_dev);
	EXPECT_EQ(published.st_ino, received.st_ino);
	EXPECT_FALSE(on_srvfs(opened));
}

SRV_FIXTURE(description)

TEST_F(description, offset_is_shared)
{
	int fd = regular_file("/tmp/file", "0123456789");
	char c = 0;
	int opened;

	ASSERT_EQ(0, publish(ENTRY, fd));
	ASSERT_EQ(3, lseek(fd, 3, SEEK_SET));
	opened = try_open(ENTRY, O_RDONLY);
	ASSERT_LE(0, opened);
	EXPECT_EQ(1, read(opened, &c, 1));
	EXPECT_EQ('3', c);
	EXPECT_EQ(4, lseek(fd, 0, SEEK_CUR));
}

TEST_F(description, two_opens_share_one_description)
{
	int fd = regular_file("/tmp/file", "content");
	int first, second;

	ASSERT_EQ(0, publish(ENTRY, fd));
	first = try_open(ENTRY, O_RDONLY);
	second = try_open(ENTRY, O_WRONLY);
	ASSERT_LE(0, first);
	ASSERT_LE(0, second);
	EXPECT_NE(first, second);
	EXPECT_EQ(1, same_description(first, second));
}

TEST_F(description, two_entries_may_hold_one_description)
{
	int fd = regular_file("/tmp/file", "content");

	ASSERT_EQ(0, publish(SRV "/one", fd));
	ASSERT_EQ(0, publish(SRV "/two", fd));
	ASSERT_EQ(0, unlink(SRV "/one"));
	EXPECT_EQ(1, holds(SRV "/two", fd));
}

TEST_F(description, closing_a_received_descriptor_leaves_the_others_open)
{
	int fd = regular_file("/tmp/file", "content");
	int opened;

	ASSERT_EQ(0, publish(ENTRY, fd));
	opened = try_open(ENTRY, O_RDONLY);
	ASSERT_LE(0, opened);
	ASSERT_EQ(0, close(opened));
	EXPECT_EQ(7, lseek(fd, 0, SEEK_CUR));
	EXPECT_EQ(1, holds(ENTRY, fd));
}

TEST_F(description, survives_the_exit_of_its_publisher)
{
	char text[8] = "";
	pid_t child = fork();
	int opened;

	if (child == 0)
		_exit(-publish(ENTRY, regular_file("/tmp/file", "content")));
	ASSERT_EQ(0, reap(child));

	opened = try_open(ENTRY, O_RDONLY);
	ASSERT_LE(0, opened);
	EXPECT_EQ(7, pread(opened, text, 7, 0));
	EXPECT_STREQ("content", text);
}

TEST_F(description, is_the_same_in_another_process)
{
	int fd = regular_file("/tmp/file", "0123456789");
	pid_t child;

	ASSERT_EQ(0, publish(ENTRY, fd));
	child = fork();
	if (child == 0) {
		close(fd);
		fd = try_open(ENTRY, O_RDONLY);
		_exit(lseek(fd, 4, SEEK_SET) == 4 ? 0 : 1);
	}
	ASSERT_EQ(0, reap(child));
	EXPECT_EQ(4, lseek(fd, 0, SEEK_CUR));
}

TEST_F(description, data_flows_through_a_published_pipe)
{
	char text[6] = "";
	int ends[2];
	int writer;

	ASSERT_EQ(0, pipe2(ends, O_CLOEXEC));
	ASSERT_EQ(0, publish(ENTRY, ends[1]));
	ASSERT_EQ(0, close(ends[1]));
	writer = try_open(ENTRY, O_WRONLY);
	ASSERT_LE(0, writer);
	EXPECT_EQ(5, write(writer, "hello", 5));
	EXPECT_EQ(5, read(ends[0], text, 5));
	EXPECT_STREQ("hello", text);
}

static int connect_to(int listener)
{
	struct sockaddr_storage address;
	socklen_t size = sizeof(address);
	int fd;

	if (getsockname(listener, (struct sockaddr *)&address, &size))
		return -errno;
	fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, size))
		return -errno;
	return fd;
}

TEST_F(description, unix_connections_are_accepted_through_the_entry)
{
	int listener = listen_unix("/tmp/socket");
	int opened;

	ASSERT_EQ(0, publish(ENTRY, listener));
	opened = try_open(ENTRY, O_RDWR);
	ASSERT_LE(0, opened);
	ASSERT_LE(0, connect_to(listener));
	EXPECT_LE(0, accept(opened, NULL, NULL));
}

TEST_F(description, inet_connections_are_accepted_through_the_entry)
{
	int listener = listen_inet();
	int opened;

	ASSERT_EQ(0, publish(ENTRY, listener));
	opened = try_open(ENTRY, O_RDWR);
	ASSERT_LE(0, opened);
	ASSERT_LE(0, connect_to(listener));
	EXPECT_LE(0, accept(opened, NULL, NULL));
}

TEST_F(description, a_published_directory_resolves_names)
{
	int directory;

	ASSERT_EQ(0, mkdir("/tmp/dir", 0755));
	ASSERT_EQ(0, close(regular_file("/tmp/dir/inside", "x")));
	directory = try_open("/tmp/dir", O_RDONLY | O_DIRECTORY);
	ASSERT_EQ(0, publish(ENTRY, directory));
	directory = try_open(ENTRY, O_RDONLY);
	ASSERT_LE(0, directory);
	EXPECT_EQ(0, faccessat(directory, "inside", F_OK, 0));
}

TEST_F(description, an_entry_holding_a_directory_is_no_path_component)
{
	int directory = open_directory();

	ASSERT_EQ(0, publish(ENTRY, directory));
	EXPECT_EQ(-ENOTDIR, try_open(ENTRY "/srv", O_RDONLY | O_PATH));
	EXPECT_EQ(-1, chdir(ENTRY));
	EXPECT_EQ(ENOTDIR, errno);
}

TEST_F(description, a_published_epoll_reports_events_to_its_opener)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u32 = 7 };
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	int source = eventfd(1, EFD_CLOEXEC);
	int opened;

	ASSERT_EQ(0, epoll_ctl(epoll, EPOLL_CTL_ADD, source, &event));
	ASSERT_EQ(0, publish(ENTRY, epoll));
	opened = try_open(ENTRY, O_RDONLY);
	ASSERT_LE(0, opened);
	memset(&event, 0, sizeof(event));
	EXPECT_EQ(1, epoll_wait(opened, &event, 1, 0));
	EXPECT_EQ(7U, event.data.u32);
}

TEST_F(description, a_published_memfd_is_shared_memory)
{
	int fd = open_memfd();
	char *mine, *theirs;
	int opened;

	ASSERT_EQ(0, ftruncate(fd, 4096));
	ASSERT_EQ(0, publish(ENTRY, fd));
	opened = try_open(ENTRY, O_RDWR);
	ASSERT_LE(0, opened);
	mine = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	theirs = mmap(NULL, 4096, PROT_READ, MAP_SHARED, opened, 0);
	ASSERT_NE(MAP_FAILED, mine);
	ASSERT_NE(MAP_FAILED, theirs);
	strcpy(mine, "shared");
	EXPECT_STREQ("shared", theirs);
}

TEST_F(description, stat_is_the_entry)
{
	int fd = regular_file("/tmp/file", "content");
	struct stat boxed, entry;

	ASSERT_EQ(0, fchmod(fd, 0751));
	ASSERT_EQ(0, fstat(fd, &boxed));
	ASSERT_EQ(0, publish(ENTRY, fd));
	ASSERT_EQ(0, stat(ENTRY, &entry));
	EXPECT_NE(boxed.st_dev, entry.st_dev);
	EXPECT_EQ((mode_t)(S_IFREG | 0644), entry.st_mode);
	EXPECT_EQ(0, entry.st_size);
}

TEST_F(description, fstat_of_an_opened_entry_is_the_boxed_file)
{
	int fd = regular_file("/tmp/file", "content");
	struct stat boxed, opened;

	ASSERT_EQ(0, fstat(fd, &boxed));
	ASSERT_EQ(0, publish(ENTRY, fd));
	fd = try_open(ENTRY, O_RDONLY);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, fstat(fd, &opened));
	EXPECT_EQ(boxed.st_dev, opened.st_dev);
	EXPECT_EQ(boxed.st_ino, opened.st_ino);
	EXPECT_EQ(7, opened.st_size);
}

TEST_F(description, replace_and_clear)
{
	int one = regular_file("/tmp/one", "1");
	int two = regular_file("/tmp/two", "2");
	int control = new_entry(ENTRY);

	ASSERT_LE(0, control);
	EXPECT_EQ(1, is_empty(ENTRY));
	ASSERT_EQ(0, write_number(control, one));
	EXPECT_EQ(1, holds(ENTRY, one));
	ASSERT_EQ(0, write_number(control, two));
	EXPECT_EQ(0, holds(ENTRY, one));
	EXPECT_EQ(1, holds(ENTRY, two));
	ASSERT_EQ(0, write_number(control, -1));
	EXPECT_EQ(1, is_empty(ENTRY));
	ASSERT_EQ(0, write_number(control, one));
	EXPECT_EQ(1, holds(ENTRY, one));
}

TEST_F(description, clearing_an_empty_entry_is_no_error)
{
	int control = new_entry(ENTRY);

	ASSERT_LE(0, control);
	EXPECT_EQ(2, write(control, "-1", 2));
	EXPECT_EQ(1, is_empty(ENTRY));
}

TEST_F(description, publishing_the_same_file_again_changes_nothing)
{
	int fd = regular_file("/tmp/file", "content");
	int control = new_entry(ENTRY);

	ASSERT_LE(0, control);
	ASSERT_EQ(0, write_number(control, fd));
	ASSERT_EQ(0, write_number(control, fd));
	EXPECT_EQ(1, holds(ENTRY, fd));
}

TEST_F(description, what_was_opened_stays_what_it_was_after_a_replacement)
{
	int one = regular_file("/tmp/one", "1");
	int two = regular_file("/tmp/two", "2");
	int control = new_entry(ENTRY);
	int opened;

	ASSERT_EQ(0, write_number(control, one));
	opened = try_open(ENTRY, O_RDONLY);
	ASSERT_EQ(0, write_number(control, two));
	EXPECT_EQ(1, same_description(one, opened));
}

TEST_F(description, what_was_opened_survives_the_unlink_of_its_entry)
{
	char text[8] = "";
	int fd = regular_file("/tmp/file", "content");
	int opened;

	ASSERT_EQ(0, publish(ENTRY, fd));
	ASSERT_EQ(0, close(fd));
	opened = try_open(ENTRY, O_RDONLY);
	ASSERT_LE(0, opened);
	ASSERT_EQ(0, unlink(ENTRY));
	EXPECT_EQ(-ENOENT, try_open(ENTRY, O_RDONLY));
	EXPECT_EQ(7, pread(opened, text, 7, 0));
}

TEST_F(description, a_description_received_from_an_entry_can_be_published)
{
	int fd = regular_file("/tmp/file", "content");
	int opened;

	ASSERT_EQ(0, publish(ENTRY, fd));
	opened = try_open(ENTRY, O_RDONLY);
	ASSERT_LE(0, opened);
	ASSERT_EQ(0, publish(SRV "/again", opened));
	EXPECT_EQ(1, holds(SRV "/again", fd));
}

/* A session leader without a terminal opens an entry that holds one. */
static int open_terminal_as_session_leader(int terminal)
{
	if (setsid() < 0 || publish(ENTRY, terminal) ||
	    try_open(ENTRY, O_RDWR) < 0)
		return -EIO;
	return try_open("/dev/tty", O_RDWR) < 0 ? 0 : -EEXIST;
}

TEST_F(description, opening_a_terminal_does_not_make_it_the_controlling_one)
{
	int pair = open_terminal();
	int terminal, unlocked = 0;

	if (pair < 0)
		SKIP(return, "no pseudo terminals: %s", strerror(-pair));
	ASSERT_EQ(0, ioctl(pair, TIOCSPTLCK, &unlocked));
	terminal = ioctl(pair, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	ASSERT_LE(0, terminal);
	EXPECT_EQ(0, IN_CHILD(open_terminal_as_session_leader(terminal)));
}

/* The masks of all pending events of an inotify descriptor, or'ed. */
static unsigned int pending_events(int inotify)
{
	char buffer[4096] __attribute__((aligned(8)));
	unsigned int seen = 0;
	ssize_t size, at;

	while ((size = read(inotify, buffer, sizeof(buffer))) > 0) {
		for (at = 0; at < size;) {
			struct inotify_event *event = (void *)(buffer + at);

			seen |= event->mask;
			at += sizeof(*event) + event->len;
		}
	}
	return seen;
}

TEST_F(description, opening_notifies_watchers_of_the_entry)
{
	int inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	int fd = regular_file("/tmp/file", "content");

	ASSERT_EQ(0, publish(ENTRY, fd));
	ASSERT_LE(0, inotify_add_watch(inotify, ENTRY, IN_ALL_EVENTS));
	ASSERT_LE(0, try_open(ENTRY, O_RDONLY));
	EXPECT_TRUE(!!(pending_events(inotify) & IN_OPEN));
}

TEST_F(description, opening_does_not_notify_watchers_of_the_boxed_file)
{
	int inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	int fd = regular_file("/tmp/file", "content");

	ASSERT_EQ(0, publish(ENTRY, fd));
	ASSERT_LE(0, inotify_add_watch(inotify, "/tmp/file", IN_ALL_EVENTS));
	ASSERT_EQ(0, close(try_open(ENTRY, O_RDWR)));
	EXPECT_EQ(0U, pending_events(inotify));
}

TEST_HARNESS_MAIN
