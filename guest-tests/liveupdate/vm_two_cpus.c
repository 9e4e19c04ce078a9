// SPDX-License-Identifier: GPL-2.0
/*
 * A virtual machine with two processors lives on when the kernel under it is
 * replaced.
 */
#include "live_vm.h"

int main(void)
{
	return live_vm(2);
}
