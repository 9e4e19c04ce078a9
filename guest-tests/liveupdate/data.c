// SPDX-License-Identifier: GPL-2.0
/*
 * Files over generations of kernels: nothing is lost, nothing is invented.
 *
 * The contents of each generation follow from a seed that the first one draws.
 * Each turn changes about a quarter of the files; the others stay as they are,
 * some of them from the beginning.  A turn is a kernel that has guestmemfs; one
 * that does not may come between two turns.
 */
#include <dirent.h>

#include "../kselftest.h"
#include "liveupdate.h"

#define SLOTS		48
#define FACTS		GM "/facts"
#define TEMPORARY	GM "/temporary"

/* The expected file of slot i, since the generation that changed it. */
struct file {
	bool there;
	char path[sizeof(GM) + 256];
	unsigned int blocks;
	mode_t mode;
	uid_t uid;
	gid_t gid;
	struct timespec mtime;
	uint64_t contents;
};

/* What the next generation needs to know, beside the files. */
struct facts {
	uint64_t seed;
	uint64_t turn;
	uint64_t digest;	/* of all files, as this generation found them */
	uint64_t free_blocks, free_inodes;
};

struct findings {
	unsigned int missing, invented, attributes, contents;
	uint64_t digest;
};

static struct facts *facts;

static void result(bool ok, const char *name)
{
	ksft_test_result(ok, "%s\n", name);
}

/* ----- The model ----- */

static uint64_t draw(unsigned int slot, unsigned int generation,
		     unsigned int what)
{
	return mix(mix(facts->seed, generation), slot * 64 + what);
}

static bool is_changed(unsigned int slot, unsigned int generation)
{
	return !generation || draw(slot, generation, 0) % 4 == 0;
}

static unsigned int changed_in(unsigned int slot, unsigned int generation)
{
	while (!is_changed(slot, generation))
		generation--;
	return generation;
}

/* A name has 8 to 255 bytes; its beginning makes it unique. */
static void name_file(char *path, unsigned int slot, unsigned int generation)
{
	unsigned int length = 8 + draw(slot, generation, 1) % 248, i;
	char *name = path + sprintf(path, GM "/");

	i = sprintf(name, "%02u.%04u.", slot, generation);
	for (; i < length; i++)
		name[i] = "abcdefghijklmnopqrstuvwxyz -_\n\\\351"
			  [draw(slot, generation, 2 + i % 8) >> i % 56 & 31];
	name[i] = '\0';
}

static struct file file_of(unsigned int slot, unsigned int generation)
{
	static const unsigned int blocks[] = { 0, 1, 1, 2, 2, 3, 5, 9 };
	unsigned int since = changed_in(slot, generation);
	struct file file = {
		.there = draw(slot, since, 10) % 6 != 0,
		.blocks = blocks[draw(slot, since, 11) % 8],
		.mode = draw(slot, since, 12) & 0777,
		.uid = draw(slot, since, 13) % 100000,
		.gid = draw(slot, since, 14) % 100000,
		.mtime.tv_sec = draw(slot, since, 15) % 4000000000,
		.mtime.tv_nsec = draw(slot, since, 16) % 1000000000,
		.contents = draw(slot, since, 17),
	};

	name_file(file.path, slot, since);
	return file;
}

/* True for the blocks of the file that are never written. */
static bool is_hole(const struct file *file, unsigned int block)
{
	return mix(file->contents, block) % 4 == 0;
}

static uint64_t word_of(const struct file *file, uint64_t index)
{
	uint64_t word = (file->contents + index) * 0x9e3779b97f4a7c15;

	return word ^ word >> 29;
}

/* ----- Creating files ----- */

static int fill(const struct file *file, uint64_t *words)
{
	const uint64_t per_block = BLOCK / sizeof(*words);
	uint64_t i;

	for (i = 0; i < file->blocks * per_block; i++) {
		if (is_hole(file, i / per_block))
			i += per_block - 1;
		else
			words[i] = word_of(file, i);
	}
	return munmap(words, file->blocks * BLOCK);
}

/* Give an open, empty file its contents and attributes. */
static int write_file(int fd, const struct file *file)
{
	struct timespec times[2] = { file->mtime, file->mtime };
	void *at;

	if (ftruncate(fd, file->blocks * BLOCK))
		return -errno;
	if (file->blocks) {
		at = mmap(NULL, file->blocks * BLOCK, PROT_READ | PROT_WRITE,
			  MAP_SHARED, fd, 0);
		if (at == MAP_FAILED || fill(file, at))
			return -errno;
	}
	if (fchown(fd, file->uid, file->gid) || fchmod(fd, file->mode) ||
	    futimens(fd, times))
		return -errno;
	return 0;
}

static int make(const char *path, const struct file *file)
{
	int fd = make_sized(path, 0), err;

	if (fd < 0)
		return fd;
	err = write_file(fd, file);
	close(fd);
	return err;
}

/* Rename the old file, then replace its contents and attributes. */
static int rewrite(const struct file *old, const struct file *new)
{
	int fd, err;

	if (rename(old->path, new->path))
		return -errno;
	fd = open(new->path, O_RDWR | O_TRUNC | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = write_file(fd, new);
	close(fd);
	return err;
}

/* Rename the new file over the old one, then to its own name. */
static int replace(const struct file *old, const struct file *new)
{
	int err = make(TEMPORARY, new);

	if (!err && (rename(TEMPORARY, old->path) ||
		     rename(old->path, new->path)))
		err = -errno;
	return err;
}

static int change(unsigned int slot, unsigned int generation)
{
	struct file new = file_of(slot, generation), old = { };
	uint64_t how = draw(slot, generation, 18) % 3;

	if (generation)
		old = file_of(slot, generation - 1);
	if (old.there && new.there && how)
		return how == 1 ? rewrite(&old, &new) : replace(&old, &new);
	if (old.there && unlink(old.path))
		return -errno;
	return new.there ? make(new.path, &new) : 0;
}

static int change_some(unsigned int generation)
{
	unsigned int slot;
	int err = 0;

	for (slot = 0; !err && slot < SLOTS; slot++) {
		if (is_changed(slot, generation))
			err = change(slot, generation);
		if (err)
			ksft_print_msg("slot %u: %s\n", slot, strerror(-err));
	}
	return err;
}

/* ----- Checking files ----- */

static bool contents_are_right(const struct file *file, const uint64_t *words,
			       uint64_t *digest)
{
	const uint64_t per_block = BLOCK / sizeof(*words);
	bool right = true;
	uint64_t i;

	for (i = 0; i < file->blocks * per_block; i++) {
		uint64_t expected = is_hole(file, i / per_block) ?
				    0 : word_of(file, i);

		right = right && words[i] == expected;
		*digest = (*digest ^ words[i]) * 0x100000001b3;
	}
	return right;
}

static bool attributes_are_right(const struct file *file, const struct stat *st)
{
	return st->st_mode == (S_IFREG | file->mode) &&
	       st->st_uid == file->uid && st->st_gid == file->gid &&
	       st->st_nlink == 1 &&
	       st->st_size == (off_t)(file->blocks * BLOCK) &&
	       st->st_mtim.tv_sec == file->mtime.tv_sec &&
	       st->st_mtim.tv_nsec == file->mtime.tv_nsec;
}

static void compare_file(const struct file *file, struct findings *found)
{
	struct stat st;
	uint64_t *words;

	if (stat(file->path, &st)) {
		found->missing++;
		return;
	}
	found->digest = mix(found->digest, st.st_ino);
	found->digest = mix(found->digest, st.st_mode);
	found->digest = mix(found->digest, st.st_ctim.tv_nsec);
	if (!attributes_are_right(file, &st)) {
		found->attributes++;
		return;
	}
	if (!file->blocks)
		return;
	words = map_file(file->path, file->blocks * BLOCK);
	if (!words || !contents_are_right(file, words, &found->digest))
		found->contents++;
	if (words)
		munmap(words, file->blocks * BLOCK);
}

static unsigned int files_listed(void)
{
	unsigned int listed = 0;
	DIR *dir = opendir(GM);

	while (readdir(dir))
		listed++;
	closedir(dir);
	return listed;
}

/* Compare all files with the expected ones of a generation. */
static struct findings compare_files(unsigned int generation)
{
	unsigned int slot, expected = 3; /* ".", ".." and the facts */
	struct findings found = { };

	for (slot = 0; slot < SLOTS; slot++) {
		struct file file = file_of(slot, generation);

		if (!file.there)
			continue;
		expected++;
		compare_file(&file, &found);
	}
	found.invented = files_listed() - (expected - found.missing);
	return found;
}

static bool space_adds_up(void)
{
	struct statfs fs;

	return !statfs(GM, &fs) && fs.f_bfree == facts->free_blocks &&
	       fs.f_ffree == facts->free_inodes;
}

static bool kernels_are_counted(unsigned int turn)
{
	char record[8192];
	int log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	bool counted = false;
	ssize_t size;

	while ((size = read(log, record, sizeof(record) - 1)) > 0) {
		char *at;

		record[size] = '\0';
		at = strstr(record, "in use by kernel number ");
		if (at)
			counted = strtoul(at + 24, NULL, 10) == turn + 1;
	}
	close(log);
	return counted;
}

/* ----- The generations ----- */

static void check_previous_turn(unsigned int turn)
{
	struct findings found = compare_files(turn - 1);

	result(!found.missing, "no file is missing");
	result(!found.invented, "no file is there that nobody made");
	result(!found.attributes, "all files have their attributes");
	result(!found.contents, "all files have their contents");
	result(found.digest == facts->digest, "the digest is the same");
	result(space_adds_up(), "free blocks and inodes are as many as before");
	ksft_print_msg("missing %u, invented %d, attributes %u, contents %u\n",
		       found.missing, (int)found.invented, found.attributes,
		       found.contents);
}

static void prepare_next(unsigned int turn)
{
	int err = change_some(turn);
	struct findings found = compare_files(turn);
	struct statfs fs;

	result(!err, "some files are changed");
	result(!found.missing && !found.invented && !found.attributes &&
	       !found.contents, "the files are as they should be");
	facts->digest = found.digest;
	statfs(GM, &fs);
	facts->free_blocks = fs.f_bfree;
	facts->free_inodes = fs.f_ffree;
	facts->turn = turn;
}

/* False on a kernel without guestmemfs, which must leave the files as they are. */
static bool kernel_knows_guestmemfs(void)
{
	char names[4096] = "";
	int fd = open("/proc/filesystems", O_RDONLY | O_CLOEXEC);
	ssize_t size = read(fd, names, sizeof(names) - 1);

	close(fd);
	return size > 0 && strstr(names, "\tguestmemfs\n");
}

static void pass_by(unsigned int generation)
{
	ksft_print_header();
	ksft_set_plan(1);
	result(true, "this kernel knows nothing of guestmemfs");
	if (generation + 1 == kiln_generations())
		ksft_finished();
	ksft_print_cnts();
	kexec_to(generation + 1);
}

int main(void)
{
	unsigned int generation = kiln_generation(), turn = 0;
	bool last = generation + 1 >= kiln_generations();
	int err = mount_gm();

	if (err == -ENODEV && generation && !kernel_knows_guestmemfs())
		pass_by(generation);
	ksft_print_header();
	if (err == -ENODEV && !generation)
		ksft_exit_skip("no guestmemfs\n");
	ksft_set_plan(2 + (generation ? 7 : 0) + 2);
	ksft_test_result(!err, "guestmemfs is mounted\n");
	if (!generation)
		close(make_sized(FACTS, BLOCK));
	facts = map_file(FACTS, BLOCK);
	ksft_test_result(facts, "the facts are there\n");
	if (err || !facts)
		ksft_exit_fail();
	if (generation) {
		/* Counts only kernels that have guestmemfs. */
		turn = facts->turn + 1;
		result(kernels_are_counted(turn), "the kernels are counted");
		check_previous_turn(turn);
	} else {
		facts->seed = random_number();
	}
	ksft_print_msg("seed %#lx, turn %u\n", facts->seed, turn);
	prepare_next(turn);
	if (last || ksft_get_fail_cnt())
		ksft_finished();
	ksft_print_cnts();
	kexec_to(generation + 1);
}
