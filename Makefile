# SPDX-License-Identifier: MIT
# Everything behind these is in bin/ and package.json; `bin/kiln --help` shows the rest.
.PHONY: test check check-all soak ci-demo setup clean

test: setup		# the series in patches/, from patches to verdicts
	@bin/kiln test

check: setup		# the harness itself, in about 20 minutes: types, lint, unit tests, whole kernels
	@npm run --silent check

check-all: setup	# all parts of the check, up to an hour each: PART=debug runs one, FORCE=1 also what has passed on this commit
	@npm run --silent check:all -- $(PART) $(if $(FORCE),--force)

soak: setup		# what only shows in the long run: 2,000 forks, the canaries 200 times, 500 interrupted kernels, 10,000 damages; hours
	@npm run --silent soak

ci-demo: setup		# kiln ci on five patches that break things, in known ways; exit code 4
	@bin/kiln ci harness/fixtures/ci_demo/series --tests harness/fixtures/ci_demo --no-debug

setup:			# installs the npm and Debian packages that are missing
	@bin/setup

clean:			# removes kernels, images and runs; `bin/kiln clean` also removes the source and ccache
	@bin/kiln clean --builds
	rm -rf runs
