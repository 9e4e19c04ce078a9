// SPDX-License-Identifier: MIT
/* The do-nothing PID 1 that the agent's boot is compared with: says that it runs, and stops. */
#include <sys/reboot.h>
#include <unistd.h>

int main(void)
{
	write(1, "kiln-bench: init runs\n", 22);
	reboot(RB_POWER_OFF);
	return 1;
}
