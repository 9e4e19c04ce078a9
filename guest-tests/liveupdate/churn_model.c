// SPDX-License-Identifier: GPL-2.0
#include <dirent.h>
#include <linux/fs.h>

#include "churn_model.h"

#define WORDS_IN_BLOCK	3

const char * const churn_names[CHURN_OPERATIONS] = {
	[CHURN_NONE] = "nothing",
	[CHURN_CREATE] = "create",
	[CHURN_RESIZE] = "truncate",
	[CHURN_WRITE] = "write",
	[CHURN_UNLINK] = "unlink",
	[CHURN_RENAME] = "rename",
	[CHURN_EXCHANGE] = "exchange",
	[CHURN_CHMOD] = "chmod",
};

static struct churn_notes *notes[CHURN_WORKERS];
static pid_t workers[CHURN_WORKERS];

const struct churn_notes *churn_notes(unsigned int worker)
{
	return notes[worker];
}

static const char *notes_path(unsigned int worker)
{
	static char path[64];

	snprintf(path, sizeof(path), GM "/notes%u", worker);
	return path;
}

static void file_path(char path[64], unsigned int worker, unsigned int slot)
{
	snprintf(path, 64, GM "/file%u.%u", worker, slot);
}

int churn_begin(void)
{
	int fd;

	for (unsigned int i = 0; i < CHURN_WORKERS; i++) {
		fd = make_sized(notes_path(i), BLOCK);
		if (fd < 0)
			return fd;
		close(fd);
	}
	return churn_attach();
}

int churn_attach(void)
{
	for (unsigned int i = 0; i < CHURN_WORKERS; i++) {
		notes[i] = map_file(notes_path(i), BLOCK);
		if (!notes[i])
			return -ENOENT;
	}
	return 0;
}

/* ----- The operations ----- */

/* Tags are written to three words of each block: the first, the last and one between. */
static volatile uint32_t *word_of(char *block, unsigned int which)
{
	static const size_t where[WORDS_IN_BLOCK] = {
		0, 1234567 & ~3, BLOCK - sizeof(uint32_t),
	};

	return (volatile uint32_t *)(block + where[which]);
}

static int write_tag(const char *path, unsigned int blocks, uint32_t tag)
{
	char *at = map_file(path, blocks * BLOCK);

	if (!at)
		return -EIO;
	for (unsigned int i = 0; i < blocks * WORDS_IN_BLOCK; i++)
		*word_of(at + i / WORDS_IN_BLOCK * BLOCK,
			 i % WORDS_IN_BLOCK) = tag;
	munmap(at, blocks * BLOCK);
	return 0;
}

/* The file stays open, and so an orphan, until the next file is removed. */
static int remove_file(const char *path)
{
	static int in_use = -1;

	if (in_use >= 0)
		close(in_use);
	in_use = open(path, O_RDWR | O_CLOEXEC);
	return or_errno(unlink(path));
}

static int perform(unsigned int worker, const struct churn_notes *note)
{
	const struct churn_file *after = &note->after[0];
	char path[64], other[64];
	int fd;

	file_path(path, worker, note->slots[0]);
	file_path(other, worker, note->slots[1]);
	switch (note->operation) {
	case CHURN_CREATE:
		fd = or_errno(open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC,
				   after->mode));
		return fd < 0 ? fd : close(fd);
	case CHURN_RESIZE:
		return or_errno(truncate(path, after->blocks * BLOCK));
	case CHURN_WRITE:
		return write_tag(path, after->blocks, after->tags[0]);
	case CHURN_UNLINK:
		return remove_file(path);
	case CHURN_RENAME:
		return or_errno(rename(path, other));
	case CHURN_EXCHANGE:
		return or_errno(renameat2(AT_FDCWD, path, AT_FDCWD, other,
					  RENAME_EXCHANGE));
	case CHURN_CHMOD:
		return or_errno(chmod(path, after->mode));
	}
	return -EINVAL;
}

/*
 * The result of an operation on two files; CHURN_NONE if it is not possible.
 * Growing a file takes longer than anything else, because its memory is zeroed.
 * Half of the processes rarely do it and spend most of their time on names.
 */
static uint32_t plan(unsigned int worker, struct churn_file file[2],
		     uint32_t operation, uint64_t number)
{
	uint32_t blocks = number % (CHURN_BLOCKS + 1), i;
	struct churn_file swap = file[0];

	if (operation == CHURN_CREATE ? file[0].there : !file[0].there)
		return CHURN_NONE;
	if (operation == CHURN_EXCHANGE && !file[1].there)
		return CHURN_NONE;
	if (operation == CHURN_WRITE && !file[0].blocks)
		return CHURN_NONE;
	if (operation == CHURN_RESIZE && worker % 2 && blocks > file[0].blocks &&
	    number / 8 % 16)
		return CHURN_NONE;
	switch (operation) {
	case CHURN_CREATE:
		file[0] = (struct churn_file){ .there = 1, .mode = 0600 };
		break;
	case CHURN_RESIZE:
		for (i = blocks; i < CHURN_BLOCKS; i++)
			file[0].tags[i] = 0;
		file[0].blocks = blocks;
		break;
	case CHURN_WRITE:
		for (i = 0; i < file[0].blocks; i++)
			file[0].tags[i] = number >> 32;
		break;
	case CHURN_UNLINK:
		file[0] = (struct churn_file){ };
		break;
	case CHURN_RENAME:
		file[1] = file[0];
		file[0] = (struct churn_file){ };
		break;
	case CHURN_EXCHANGE:
		file[0] = file[1];
		file[1] = swap;
		break;
	case CHURN_CHMOD:
		file[0].mode = number & 0777;
		break;
	}
	return operation;
}

/* The kernel may stop us at any instruction, so the order of the stores matters. */
static void barrier(void)
{
	asm volatile("" : : : "memory");
}

static void settle(struct churn_notes *note, const struct churn_file now[2])
{
	note->files[note->slots[0]] = now[0];
	if (note->slots[1] != note->slots[0])
		note->files[note->slots[1]] = now[1];
	barrier();
	note->operation = CHURN_NONE;
	barrier();
}

/* The operations, repeated by how often each is tried. */
static const uint8_t operations[] = {
	CHURN_CREATE, CHURN_CREATE, CHURN_RESIZE, CHURN_RESIZE, CHURN_RESIZE,
	CHURN_WRITE, CHURN_WRITE, CHURN_WRITE, CHURN_UNLINK, CHURN_RENAME,
	CHURN_RENAME, CHURN_EXCHANGE, CHURN_EXCHANGE, CHURN_CHMOD,
};

static void do_operation(unsigned int worker, uint64_t number)
{
	struct churn_notes *note = notes[worker];
	uint32_t a = number % CHURN_SLOTS, b = number / 16 % CHURN_SLOTS;
	uint32_t operation = operations[number / 256 % sizeof(operations)];
	int err;

	if (a == b)
		return;
	note->slots[0] = a;
	note->slots[1] = b;
	note->before[0] = note->after[0] = note->files[a];
	note->before[1] = note->after[1] = note->files[b];
	operation = plan(worker, note->after, operation, number / 4096);
	if (operation == CHURN_NONE)
		return;
	barrier();
	note->operation = operation;
	barrier();
	err = perform(worker, note);
	barrier();
	note->refused += err == -ENOSPC;
	if (err && err != -ENOSPC) {
		note->err_operation = operation;
		note->err = err;
	}
	settle(note, err ? note->before : note->after);
	note->operations++;
}

static void work(unsigned int worker)
{
	uint64_t seed = random_number(), i;

	for (i = 0; !notes[worker]->err; i++)
		do_operation(worker, mix(seed, i));
	for (;;)
		pause();
}

int churn_start(void)
{
	for (unsigned int i = 0; i < CHURN_WORKERS; i++) {
		notes[i]->operations = 0;
		workers[i] = fork();
		if (workers[i] < 0)
			return -errno;
		if (!workers[i])
			work(i);
	}
	return 0;
}

void churn_kill(void)
{
	for (unsigned int i = 0; i < CHURN_WORKERS; i++) {
		kill(workers[i], SIGKILL);
		waitpid(workers[i], NULL, 0);
	}
}

/* The number of operations of the slowest worker. */
static uint64_t finished(void)
{
	volatile struct churn_notes *note;
	uint64_t fewest = ~0ull;

	for (unsigned int i = 0; i < CHURN_WORKERS; i++) {
		note = notes[i];
		if (note->operations < fewest)
			fewest = note->operations;
	}
	return fewest;
}

bool churn_has_done(uint64_t operations)
{
	return EVENTUALLY_BY(finished(), finished() >= operations);
}

/* ----- Looking at it in the next kernel ----- */

static void read_tags(const char *path, struct churn_file *file,
		      const uint32_t *either, const uint32_t *or, bool *torn)
{
	char *at = map_file(path, file->blocks * BLOCK);

	for (unsigned int i = 0; at && i < file->blocks; i++) {
		for (unsigned int k = 0; k < WORDS_IN_BLOCK; k++) {
			uint32_t tag = *word_of(at + i * BLOCK, k);

			if (tag == either[i] || tag == or[i]) {
				file->tags[i] = k ? file->tags[i] : tag;
			} else {
				file->tags[i] = tag;
				*torn = true;
			}
		}
	}
	if (at)
		munmap(at, file->blocks * BLOCK);
	else
		*torn = true;
}

/* The current state of a file.  A write that is half done counts as done. */
static struct churn_file read_file(const char *path,
				   const struct churn_file *before,
				   const struct churn_file *after, bool writing,
				   bool *torn)
{
	struct churn_file file = { };
	struct stat st;

	if (stat(path, &st))
		return file;
	file.there = 1;
	file.mode = st.st_mode & 07777;
	file.blocks = st.st_size / BLOCK;
	if (st.st_size % BLOCK || file.blocks > CHURN_BLOCKS) {
		*torn = true;
		return file;
	}
	if (file.blocks)
		read_tags(path, &file, before->tags, after->tags, torn);
	if (writing && !*torn)
		memcpy(file.tags, after->tags, sizeof(file.tags));
	return file;
}

static bool same(const struct churn_file *a, const struct churn_file *b)
{
	return !memcmp(a, b, sizeof(*a));
}

static void tell(const char *path, const char *what,
		 const struct churn_file *file)
{
	printf("# %s %s", path, what);
	if (file->there)
		printf(" %u blocks, mode %o, tags", file->blocks, file->mode);
	else
		printf(" missing");
	for (unsigned int i = 0; file->there && i < file->blocks; i++)
		printf(" %x", file->tags[i]);
	printf("\n");
}

static bool verify_settled(unsigned int worker, unsigned int slot)
{
	const struct churn_file *file = &notes[worker]->files[slot];
	struct churn_file found;
	bool torn = false;
	char path[64];

	file_path(path, worker, slot);
	found = read_file(path, file, file, false, &torn);
	if (!torn && same(&found, file))
		return true;
	tell(path, "must be", file);
	tell(path, "is", &found);
	return false;
}

/* True if both files are as before the operation, or both as after it. */
static bool verify_under_way(unsigned int worker)
{
	struct churn_notes *note = notes[worker];
	bool writing = note->operation == CHURN_WRITE, torn = false;
	struct churn_file found[2];
	char path[2][64];

	for (unsigned int i = 0; i < 2; i++) {
		file_path(path[i], worker, note->slots[i]);
		/* An exchange can leave the contents of either file under each name. */
		found[i] = read_file(path[i], &note->before[i], &note->after[i],
				     writing, &torn);
	}
	if (!torn && ((same(&found[0], &note->before[0]) &&
		       same(&found[1], &note->before[1])) ||
		      (same(&found[0], &note->after[0]) &&
		       same(&found[1], &note->after[1])))) {
		settle(note, found);
		return true;
	}
	printf("# half done: %s\n", churn_names[note->operation]);
	for (unsigned int i = 0; i < 2; i++) {
		tell(path[i], "was", &note->before[i]);
		tell(path[i], "was to be", &note->after[i]);
		tell(path[i], "is", &found[i]);
	}
	return false;
}

static bool is_known(const char *name)
{
	char path[300], known[64];

	snprintf(path, sizeof(path), GM "/%s", name);
	for (unsigned int i = 0; i < CHURN_WORKERS; i++) {
		if (!strcmp(path, notes_path(i)))
			return true;
		for (unsigned int k = 0; k < CHURN_SLOTS; k++) {
			file_path(known, i, k);
			if (!strcmp(path, known))
				return true;
		}
	}
	return false;
}

static unsigned int invented_files(void)
{
	unsigned int invented = 0;
	struct dirent *entry;
	DIR *dir = opendir(GM);

	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.' || is_known(entry->d_name))
			continue;
		printf("# %s must not be there\n", entry->d_name);
		invented++;
	}
	closedir(dir);
	return invented;
}

static unsigned int verify_worker(unsigned int worker)
{
	struct churn_notes *note = notes[worker];
	bool under_way = note->operation != CHURN_NONE;
	unsigned int wrong = 0;

	for (unsigned int slot = 0; slot < CHURN_SLOTS; slot++) {
		if (under_way && (slot == note->slots[0] ||
				  slot == note->slots[1]))
			continue;
		wrong += !verify_settled(worker, slot);
	}
	if (under_way)
		wrong += !verify_under_way(worker);
	if (note->err) {
		printf("# %s: %s\n", churn_names[note->err_operation],
		       strerror(-note->err));
		wrong++;
	}
	return wrong;
}

unsigned int churn_verify(void)
{
	unsigned int wrong = invented_files();

	for (unsigned int i = 0; i < CHURN_WORKERS; i++)
		wrong += verify_worker(i);
	return wrong;
}

bool churn_space_adds_up(void)
{
	uint64_t used = CHURN_WORKERS;
	struct statfs fs;

	for (unsigned int i = 0; i < CHURN_WORKERS; i++) {
		for (unsigned int k = 0; k < CHURN_SLOTS; k++)
			used += notes[i]->files[k].blocks;
	}
	if (!statfs(GM, &fs) && fs.f_blocks - fs.f_bfree == used)
		return true;
	printf("# %lu blocks in use, %lu known of\n",
	       (unsigned long)(fs.f_blocks - fs.f_bfree), used);
	return false;
}
