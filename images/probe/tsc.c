// SPDX-License-Identifier: MIT
// How fast this machine's time stamp counter counts, in kHz: what a guest without hardware virtualisation will see.
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <x86intrin.h>

struct moment {
	uint64_t ticks, ns;
};

/* Both clocks at one moment, as near as the best of some tries comes. */
static struct moment look(void)
{
	struct moment best = { 0 };
	uint64_t shortest = UINT64_MAX;

	for (int i = 0; i < 100; i++) {
		struct timespec now;
		uint64_t before = __rdtsc(), after;

		clock_gettime(CLOCK_MONOTONIC_RAW, &now);
		after = __rdtsc();
		if (after - before < shortest) {
			shortest = after - before;
			best.ticks = before + shortest / 2;
			best.ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
		}
	}
	return best;
}

int main(void)
{
	struct timespec pause = { .tv_nsec = 50000000 };
	struct moment start = look(), end;

	nanosleep(&pause, NULL);
	end = look();
	printf("%llu\n", (unsigned long long)((end.ticks - start.ticks) * 1000000 / (end.ns - start.ns)));
	return 0;
}
