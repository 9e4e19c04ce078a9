/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Waits for an event.
 *
 * A wait ends with the event.  The limit only distinguishes a kernel in which the
 * event never comes from a slow one, so it can be generous.
 */
#ifndef GUEST_TESTS_EVENTUALLY_H
#define GUEST_TESTS_EVENTUALLY_H

#include <stdbool.h>
#include <time.h>
#include <unistd.h>

/* Far more than any kernel needs, even under emulation. */
#ifndef PATIENCE_MS
#define PATIENCE_MS	20000
#endif

/*
 * At most this much of the time between two checks counts.  A virtual machine can
 * be paused for longer than the limit, and the event can't happen meanwhile.
 */
#define LONGEST_STEP_MS	1000

static inline long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

struct patience {
	long left;
	long last;		/* now_ms() at the last check */
};

static inline struct patience patience_of(long milliseconds)
{
	return (struct patience) { .left = milliseconds, .last = now_ms() };
}

/* Subtract the time since the last check; returns true if some is left. */
static inline bool has_patience(struct patience *patience)
{
	long now = now_ms(), step = now - patience->last;

	patience->last = now;
	patience->left -= step < LONGEST_STEP_MS ? step : LONGEST_STEP_MS;
	return patience->left > 0;
}

/* Wait until a condition holds; false if it did not hold within the time. */
#define EVENTUALLY_WITHIN(milliseconds, condition) ({			\
	struct patience _patience = patience_of(milliseconds);		\
	bool _ok;							\
	while (!(_ok = (condition)) && has_patience(&_patience))	\
		usleep(1000);						\
	_ok;								\
})

#define EVENTUALLY(condition)	EVENTUALLY_WITHIN(PATIENCE_MS, condition)

/*
 * Wait for work of unknown duration: false if the number that shows its progress
 * did not change for PATIENCE_MS.
 */
#define EVENTUALLY_BY(progress, condition) ({				\
	struct patience _patience = patience_of(PATIENCE_MS);		\
	unsigned long _before = (progress), _now;			\
	bool _ok;							\
	while (!(_ok = (condition)) && has_patience(&_patience)) {	\
		_now = (progress);					\
		if (_now != _before)					\
			_patience = patience_of(PATIENCE_MS);		\
		_before = _now;						\
		usleep(1000);						\
	}								\
	_ok;								\
})

#endif
