// SPDX-License-Identifier: GPL-2.0
/*
 * Users of MMU notifiers, here virtual machines, and regions exclude one another
 * in a process.
 */
#include <linux/kvm.h>

#include "msharefs.h"

FIXTURE(notifiers) {
	int kvm;
	int fd;
};

FIXTURE_SETUP(notifiers)
{
	mshare_enter(_metadata);
	self->kvm = try_open("/dev/kvm", O_RDWR);
	if (self->kvm < 0)
		SKIP(return, "no /dev/kvm");
	self->fd = make_region(REGION, 1);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, map_anon(self->fd, 0, PAGE));
}

FIXTURE_TEARDOWN(notifiers)
{
	close(self->kvm);
	close(self->fd);
	mshare_leave();
}

static int create_vm(int kvm)
{
	return or_errno(ioctl(kvm, KVM_CREATE_VM, 0));
}

TEST_F(notifiers, a_process_with_a_region_makes_no_virtual_machine)
{
	char *addr = attach(self->fd);

	ASSERT_NE(NULL, addr);
	EXPECT_EQ(-EBUSY, create_vm(self->kvm));
	EXPECT_EQ(0, poke(addr, 1));
	/* Without a container, it works. */
	EXPECT_EQ(0, detach(addr));
	EXPECT_LE(0, create_vm(self->kvm));
}

TEST_F(notifiers, a_process_with_a_virtual_machine_attaches_no_region)
{
	EXPECT_LE(0, create_vm(self->kvm));
	EXPECT_EQ(NULL, attach(self->fd));
	EXPECT_EQ(EBUSY, errno);
	EXPECT_EQ(0, fdinfo(self->fd, "mshare-attached"));
}

TEST_F(notifiers, a_child_that_inherits_a_region_makes_no_virtual_machine)
{
	char *addr = attach(self->fd);

	ASSERT_NE(NULL, addr);
	EXPECT_EQ(EBUSY, CHILD(-create_vm(self->kvm)));
}

TEST_F(notifiers, a_child_does_not_inherit_the_virtual_machine)
{
	ASSERT_LE(0, create_vm(self->kvm));
	EXPECT_EQ(0, CHILD(attach(self->fd) ? 0 : errno));
}

TEST_F(notifiers, other_processes_are_not_concerned)
{
	struct peer peer = peer_start();

	ASSERT_LT(0, peer_attach(&peer, self->fd, RW, NULL));
	EXPECT_LE(0, create_vm(self->kvm));
	EXPECT_EQ(0, peer_stop(&peer));
}

LEAVES_NOTHING
TEST_HARNESS_MAIN
