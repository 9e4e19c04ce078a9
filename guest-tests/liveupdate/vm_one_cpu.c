// SPDX-License-Identifier: GPL-2.0
/*
 * A virtual machine with one processor continues to run when kexec replaces the
 * kernel under it.
 */
#include "live_vm.h"

int main(void)
{
	return live_vm(1);
}
