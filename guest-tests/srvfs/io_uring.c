// SPDX-License-Identifier: GPL-2.0
/*
 * An open of an entry through io_uring returns the same as open(2), as descriptors
 * and as fixed files, and never changes the flags of the boxed file.
 */
#include <linux/io_uring.h>
#include <sys/mman.h>

#include "srvfs.h"

#define ENTRIES	4
#define SLOTS	4

struct ring {
	int fd;
	unsigned int enter_flags;
	unsigned int *sq_tail, *sq_mask, *sq_array;
	unsigned int *cq_head, *cq_tail, *cq_mask;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
};

static int ring_open(struct ring *ring, unsigned int flags)
{
	struct io_uring_params params = {
		.flags = flags, .sq_thread_idle = 10000,
	};
	size_t size;
	char *rings;

	ring->fd = or_errno(syscall(SYS_io_uring_setup, ENTRIES, &params));
	if (ring->fd < 0)
		return ring->fd;
	if (!(params.features & IORING_FEAT_SINGLE_MMAP))
		return -ENOSYS;
	size = params.sq_off.array + params.sq_entries * sizeof(unsigned int);
	if (size < params.cq_off.cqes + params.cq_entries * sizeof(*ring->cqes))
		size = params.cq_off.cqes +
		       params.cq_entries * sizeof(*ring->cqes);
	rings = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd,
		     IORING_OFF_SQ_RING);
	ring->sqes = mmap(NULL, params.sq_entries * sizeof(*ring->sqes),
			  PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd,
			  IORING_OFF_SQES);
	if (rings == MAP_FAILED || ring->sqes == MAP_FAILED)
		return -errno;
	ring->sq_tail = (void *)(rings + params.sq_off.tail);
	ring->sq_mask = (void *)(rings + params.sq_off.ring_mask);
	ring->sq_array = (void *)(rings + params.sq_off.array);
	ring->cq_head = (void *)(rings + params.cq_off.head);
	ring->cq_tail = (void *)(rings + params.cq_off.tail);
	ring->cq_mask = (void *)(rings + params.cq_off.ring_mask);
	ring->cqes = (void *)(rings + params.cq_off.cqes);
	ring->enter_flags = IORING_ENTER_GETEVENTS;
	if (flags & IORING_SETUP_SQPOLL)
		ring->enter_flags |= IORING_ENTER_SQ_WAKEUP;
	return 0;
}

/* Submit one request, wait for it, and return its result. */
static int ring_do(struct ring *ring, const struct io_uring_sqe *request)
{
	unsigned int tail = *ring->sq_tail, head = *ring->cq_head;
	unsigned int slot = tail & *ring->sq_mask;
	int result;

	ring->sqes[slot] = *request;
	ring->sq_array[slot] = slot;
	__atomic_store_n(ring->sq_tail, tail + 1, __ATOMIC_RELEASE);
	while (__atomic_load_n(ring->cq_tail, __ATOMIC_ACQUIRE) == head) {
		if (syscall(SYS_io_uring_enter, ring->fd, 1, 1,
			    ring->enter_flags, NULL, 0) < 0 && errno != EINTR)
			return -errno;
	}
	result = ring->cqes[head & *ring->cq_mask].res;
	__atomic_store_n(ring->cq_head, head + 1, __ATOMIC_RELEASE);
	return result;
}

static struct io_uring_sqe openat_request(const char *path, int flags)
{
	return (struct io_uring_sqe) {
		.opcode = IORING_OP_OPENAT,
		.fd = AT_FDCWD,
		.addr = (uintptr_t)path,
		.open_flags = flags,
		.len = 0644,
	};
}

static struct io_uring_sqe openat2_request(const char *path,
					   const struct open_how *how)
{
	return (struct io_uring_sqe) {
		.opcode = IORING_OP_OPENAT2,
		.fd = AT_FDCWD,
		.addr = (uintptr_t)path,
		.addr2 = (uintptr_t)how,
		.len = sizeof(*how),
	};
}

static int ring_openat(struct ring *ring, const char *path, int flags)
{
	struct io_uring_sqe request = openat_request(path, flags);

	return ring_do(ring, &request);
}

static int ring_open_fixed(struct ring *ring, const char *path, int slot)
{
	struct io_uring_sqe request = openat_request(path, O_RDWR);

	request.file_index = slot + 1;
	return ring_do(ring, &request);
}

/* Turn a fixed file into a descriptor, to see what it is. */
static int ring_install(struct ring *ring, int slot)
{
	struct io_uring_sqe request = {
		.opcode = IORING_OP_FIXED_FD_INSTALL,
		.flags = IOSQE_FIXED_FILE,
		.fd = slot,
	};

	return ring_do(ring, &request);
}

static int register_slots(struct ring *ring)
{
	int slots[SLOTS] = { -1, -1, -1, -1 };

	return or_errno(syscall(SYS_io_uring_register, ring->fd,
				IORING_REGISTER_FILES, slots, SLOTS));
}

static int unregister_slots(struct ring *ring)
{
	return or_errno(syscall(SYS_io_uring_register, ring->fd,
				IORING_UNREGISTER_FILES, NULL, 0));
}

FIXTURE(io_uring_openat) {
	struct ring ring;
	int fd;
};

FIXTURE_SETUP(io_uring_openat)
{
	int err;

	srv_enter(_metadata);
	if (_metadata->exit_code)
		return;
	err = ring_open(&self->ring, 0);
	if (err == -ENOSYS || err == -EPERM)
		SKIP(return, "no io_uring: %s", strerror(-err));
	ASSERT_EQ(0, err);
	self->fd = regular_file("/tmp/file", "content");
	ASSERT_EQ(0, publish(ENTRY, self->fd));
}

FIXTURE_TEARDOWN(io_uring_openat)
{
	close(self->ring.fd);
	srv_leave();
}

TEST_F(io_uring_openat, returns_the_boxed_file)
{
	int opened = ring_openat(&self->ring, ENTRY, O_RDONLY);

	ASSERT_LE(0, opened);
	EXPECT_EQ(1, same_description(self->fd, opened));
}

TEST_F(io_uring_openat, returns_the_boxed_file_from_a_worker)
{
	struct io_uring_sqe request = openat_request(ENTRY, O_RDONLY);
	int opened;

	request.flags = IOSQE_ASYNC;
	opened = ring_do(&self->ring, &request);
	ASSERT_LE(0, opened);
	EXPECT_EQ(1, same_description(self->fd, opened));
}

TEST_F(io_uring_openat, returns_the_boxed_file_from_a_polling_thread)
{
	struct ring polled = { };
	int err = ring_open(&polled, IORING_SETUP_SQPOLL);
	int opened;

	if (err)
		SKIP(return, "no polling ring: %s", strerror(-err));
	opened = ring_openat(&polled, ENTRY, O_RDONLY);
	ASSERT_LE(0, opened);
	EXPECT_EQ(1, same_description(self->fd, opened));
	close(polled.fd);
}

TEST_F(io_uring_openat, returns_the_boxed_file_by_openat2)
{
	struct open_how how = { .flags = O_RDWR };
	struct io_uring_sqe request = openat2_request(ENTRY, &how);
	int opened = ring_do(&self->ring, &request);

	ASSERT_LE(0, opened);
	EXPECT_EQ(1, same_description(self->fd, opened));
}

TEST_F(io_uring_openat, refuses_to_resolve_without_magic_links)
{
	struct open_how how = { .resolve = RESOLVE_NO_MAGICLINKS };
	struct io_uring_sqe request = openat2_request(ENTRY, &how);

	EXPECT_EQ(-ELOOP, ring_do(&self->ring, &request));
}

TEST_F(io_uring_openat, returns_a_control_descriptor_of_an_empty_entry)
{
	int control;

	ASSERT_EQ(0, close(new_entry(SRV "/empty")));
	control = ring_openat(&self->ring, SRV "/empty", O_RDWR);
	ASSERT_LE(0, control);
	EXPECT_TRUE(is_control(control));
	EXPECT_EQ(0, write_number(control, self->fd));
}

TEST_F(io_uring_openat, creates_an_entry)
{
	int control = ring_openat(&self->ring, SRV "/new",
				  O_RDWR | O_CREAT | O_EXCL);

	ASSERT_LE(0, control);
	EXPECT_TRUE(is_control(control));
}

TEST_F(io_uring_openat, does_not_clear_nonblock)
{
	int flags = O_RDWR | O_NONBLOCK;
	int opened;

	ASSERT_EQ(0, fcntl(self->fd, F_SETFL, flags));
	opened = ring_openat(&self->ring, ENTRY, O_RDONLY);
	ASSERT_LE(0, opened);
	ASSERT_EQ(1, same_description(self->fd, opened));
	EXPECT_EQ(O_NONBLOCK, fcntl(self->fd, F_GETFL) & O_NONBLOCK);
}

TEST_F(io_uring_openat, does_not_clear_nonblock_by_openat2)
{
	struct open_how how = { .flags = O_RDWR };
	struct io_uring_sqe request = openat2_request(ENTRY, &how);

	ASSERT_EQ(0, fcntl(self->fd, F_SETFL, O_RDWR | O_NONBLOCK));
	ASSERT_LE(0, ring_do(&self->ring, &request));
	EXPECT_EQ(O_NONBLOCK, fcntl(self->fd, F_GETFL) & O_NONBLOCK);
}

TEST_F(io_uring_openat, does_not_clear_nonblock_of_a_fixed_file)
{
	ASSERT_EQ(0, fcntl(self->fd, F_SETFL, O_RDWR | O_NONBLOCK));
	ASSERT_EQ(0, register_slots(&self->ring));
	ASSERT_EQ(0, ring_open_fixed(&self->ring, ENTRY, 1));
	EXPECT_EQ(O_NONBLOCK, fcntl(self->fd, F_GETFL) & O_NONBLOCK);
}

TEST_F(io_uring_openat, does_not_set_nonblock)
{
	ASSERT_LE(0, ring_openat(&self->ring, ENTRY, O_RDONLY | O_NONBLOCK));
	EXPECT_EQ(0, fcntl(self->fd, F_GETFL) & O_NONBLOCK);
}

TEST_F(io_uring_openat, honours_cloexec)
{
	int kept = ring_openat(&self->ring, ENTRY, O_RDONLY);
	int closed = ring_openat(&self->ring, ENTRY, O_RDONLY | O_CLOEXEC);

	EXPECT_EQ(0, fcntl(kept, F_GETFD));
	EXPECT_EQ(FD_CLOEXEC, fcntl(closed, F_GETFD));
}

TEST_F(io_uring_openat, puts_the_boxed_file_into_a_slot)
{
	int installed;

	ASSERT_EQ(0, register_slots(&self->ring));
	ASSERT_EQ(0, ring_open_fixed(&self->ring, ENTRY, 2));
	installed = ring_install(&self->ring, 2);
	if (installed == -EINVAL)
		SKIP(return, "no IORING_OP_FIXED_FD_INSTALL");
	ASSERT_LE(0, installed);
	EXPECT_EQ(1, same_description(self->fd, installed));
}

TEST_F(io_uring_openat, reads_the_boxed_file_from_its_slot)
{
	char text[8] = "";
	struct io_uring_sqe request = {
		.opcode = IORING_OP_READ,
		.flags = IOSQE_FIXED_FILE,
		.fd = 0,
		.addr = (uintptr_t)text,
		.len = 7,
	};

	ASSERT_EQ(0, register_slots(&self->ring));
	ASSERT_EQ(0, ring_open_fixed(&self->ring, ENTRY, 0));
	EXPECT_EQ(7, ring_do(&self->ring, &request));
	EXPECT_STREQ("content", text);
}

TEST_F(io_uring_openat, puts_the_boxed_file_into_a_slot_it_chooses)
{
	struct io_uring_sqe request = openat_request(ENTRY, O_RDWR);
	int slot, installed;

	request.file_index = IORING_FILE_INDEX_ALLOC;
	ASSERT_EQ(0, register_slots(&self->ring));
	slot = ring_do(&self->ring, &request);
	ASSERT_LE(0, slot);
	installed = ring_install(&self->ring, slot);
	if (installed == -EINVAL)
		SKIP(return, "no IORING_OP_FIXED_FD_INSTALL");
	EXPECT_EQ(1, same_description(self->fd, installed));
}

TEST_F(io_uring_openat, a_slot_keeps_the_boxed_file_until_it_is_emptied)
{
	int witness = publish_witness(SRV "/witness");

	ASSERT_EQ(0, register_slots(&self->ring));
	ASSERT_EQ(0, ring_open_fixed(&self->ring, SRV "/witness", 3));
	ASSERT_EQ(0, unlink(SRV "/witness"));
	EXPECT_FALSE(hangs_up_within(witness, 200));
	ASSERT_EQ(0, unregister_slots(&self->ring));
	EXPECT_TRUE(was_dropped(witness));
}

TEST_F(io_uring_openat, error_paths_do_not_leak)
{
	struct open_how no_magic = { .resolve = RESOLVE_NO_MAGICLINKS };
	struct io_uring_sqe request = openat2_request(SRV "/witness", &no_magic);
	int witness = publish_witness(SRV "/witness");
	struct ring *ring = &self->ring;

	ASSERT_LE(0, witness);
	EXPECT_GT(0, ring_open_fixed(ring, SRV "/witness", 0));
	ASSERT_EQ(0, register_slots(ring));
	EXPECT_GT(0, ring_open_fixed(ring, SRV "/witness", SLOTS));
	EXPECT_EQ(-ENOTDIR, ring_openat(ring, SRV "/witness", O_DIRECTORY));
	EXPECT_EQ(-EEXIST, ring_openat(ring, SRV "/witness",
				       O_RDWR | O_CREAT | O_EXCL));
	EXPECT_EQ(-ELOOP, ring_do(ring, &request));
	EXPECT_TRUE(is_held(witness));
	ASSERT_EQ(0, unlink(SRV "/witness"));
	EXPECT_TRUE(was_dropped(witness));
	EXPECT_TRUE(EVENTUALLY(umount(SRV) == 0));
}

TEST_F(io_uring_openat, a_number_can_be_written_through_the_ring)
{
	char text[16];
	int control = new_entry(SRV "/other");
	struct io_uring_sqe request = {
		.opcode = IORING_OP_WRITE,
		.fd = control,
		.addr = (uintptr_t)text,
		.len = sprintf(text, "%d", self->fd),
	};

	EXPECT_EQ((int)strlen(text), ring_do(&self->ring, &request));
	EXPECT_EQ(1, holds(SRV "/other", self->fd));
}

TEST_F(io_uring_openat, reading_a_control_descriptor_is_invalid)
{
	char c;
	struct io_uring_sqe request = {
		.opcode = IORING_OP_READ,
		.fd = new_entry(SRV "/other"),
		.addr = (uintptr_t)&c,
		.len = 1,
	};

	EXPECT_EQ(-EINVAL, ring_do(&self->ring, &request));
}

TEST_HARNESS_MAIN
