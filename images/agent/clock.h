// SPDX-License-Identifier: MIT
#ifndef CLOCK_H
#define CLOCK_H

#include <stdint.h>
#include <time.h>

#define NEVER UINT64_MAX

/* In milliseconds. A test can set CLOCK_REALTIME, but not this clock. */
static inline uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Milliseconds since boot, including the time that the guest was suspended. */
static inline uint64_t uptime_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static inline uint64_t earlier(uint64_t one, uint64_t other)
{
	return one < other ? one : other;
}

static inline uint64_t later(uint64_t one, uint64_t other)
{
	return one > other ? one : other;
}

#endif
