// SPDX-License-Identifier: GPL-2.0
/*
 * The purpose of srvfs: a server restarts or dies without losing a connection,
 * because an entry keeps its listening socket open.
 *
 * Started as "restart serve INET? GENERATION EACH", the program is the
 * server: it answers each connection with its generation, and after EACH
 * connections it executes itself as the next generation.
 */
#include <netinet/in.h>

#include "srvfs.h"

#define SOCKET_PATH	"/tmp/socket"
#define PORT		7564
#define EACH		20
#define CLIENTS		4
#define CONNECTIONS	50

static int inet_socket(struct sockaddr_in *address)
{
	*address = (struct sockaddr_in) {
		.sin_family = AF_INET,
		.sin_port = htons(PORT),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	return or_errno(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

static int listen_inet(void)
{
	struct sockaddr_in address;
	int fd = inet_socket(&address), on = 1;

	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)) ||
	    listen(fd, 128))
		return -errno;
	return fd;
}

static int connect_inet(void)
{
	struct sockaddr_in address;
	int fd = inet_socket(&address);

	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)))
		return -errno;
	return fd;
}

static int connect_unix(void)
{
	struct sockaddr_un address = {
		.sun_family = AF_UNIX, .sun_path = SOCKET_PATH,
	};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)))
		return -errno;
	return fd;
}

/* The socket of the previous generation; a new one for the first. */
static int find_or_make_listener(bool inet)
{
	int listener = try_open(ENTRY, O_RDWR | O_CLOEXEC);

	if (listener != -ENOENT)
		return listener;
	listener = inet ? listen_inet() : listen_unix(SOCKET_PATH);
	if (listener >= 0 && publish(ENTRY, listener))
		return -EIO;
	return listener;
}

static int serve(bool inet, int generation, int each)
{
	int listener = find_or_make_listener(inet);
	char next[16], number[16];
	int i, connection;

	if (listener < 0)
		return 1;
	for (i = 0; i < each; i++) {
		connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (connection < 0 || write(connection, &generation,
					    sizeof(generation)) < 0)
			return 1;
		close(connection);
	}
	sprintf(next, "%d", generation + 1);
	sprintf(number, "%d", each);
	execl("/proc/self/exe", "restart", "serve", inet ? "1" : "0", next,
	      number, NULL);
	return 1;
}

FIXTURE(restart) {
	pid_t server;
};

FIXTURE_VARIANT(restart) {
	bool inet;
};

FIXTURE_VARIANT_ADD(restart, unix_socket) { .inet = false };
FIXTURE_VARIANT_ADD(restart, inet_socket) { .inet = true };

static pid_t start_server(bool inet, int generation, int each)
{
	pid_t server = fork();

	if (server == 0)
		_exit(serve(inet, generation, each));
	return server;
}

FIXTURE_SETUP(restart)
{
	srv_enter(_metadata);
	if (_metadata->exit_code)
		return;
	self->server = start_server(variant->inet, 0, EACH);
	ASSERT_LT(0, self->server);
	/* The entry must exist and be assigned before the first client connects. */
	ASSERT_TRUE(EVENTUALLY(is_empty(ENTRY) == 0));
}

static void stop_server(pid_t *server)
{
	if (*server > 0) {
		kill(*server, SIGKILL);
		waitpid(*server, NULL, 0);
	}
	*server = 0;
}

FIXTURE_TEARDOWN(restart)
{
	stop_server(&self->server);
	srv_leave();
}

static int connect_client(bool inet)
{
	return inet ? connect_inet() : connect_unix();
}

/* The generation that answers, or -errno if the connection was lost. */
static int answer_on(int fd)
{
	struct pollfd answer = { .fd = fd, .events = POLLIN };
	int generation, err = -ETIMEDOUT;
	ssize_t size = -1;

	if (EVENTUALLY(poll(&answer, 1, 0) == 1)) {
		size = read(fd, &generation, sizeof(generation));
		err = size < 0 ? -errno : -ECONNRESET;
	}
	close(fd);
	return size == sizeof(generation) ? generation : err;
}

/* Returns the exit code: the number of lost connections. */
static int be_a_client(bool inet)
{
	int lost = 0, last = 0, i, fd, answer;

	for (i = 0; i < CONNECTIONS; i++) {
		fd = connect_client(inet);
		answer = fd < 0 ? fd : answer_on(fd);
		if (answer < last) {
			printf("# connection %d: %s\n", i, strerror(-answer));
			lost++;
		} else {
			last = answer;
		}
	}
	return lost;
}

TEST_F_TIMEOUT(restart, loses_no_connection, 60)
{
	pid_t clients[CLIENTS];
	int i, answer;

	for (i = 0; i < CLIENTS; i++) {
		clients[i] = fork();
		if (clients[i] == 0)
			_exit(be_a_client(variant->inet));
	}
	for (i = 0; i < CLIENTS; i++) {
		EXPECT_EQ(0, reap(clients[i]));
	}
	answer = answer_on(connect_client(variant->inet));
	EXPECT_EQ(CLIENTS * CONNECTIONS / EACH, answer);
	/* The server is still the same process. */
	EXPECT_EQ(0, waitpid(self->server, NULL, WNOHANG));
}

TEST_F_TIMEOUT(restart, a_connection_waits_while_no_server_lives, 60)
{
	int waiting, fd;

	ASSERT_EQ(0, answer_on(connect_client(variant->inet)));
	stop_server(&self->server);
	waiting = connect_client(variant->inet);
	ASSERT_LE(0, waiting);

	self->server = start_server(variant->inet, 7, EACH);
	EXPECT_EQ(7, answer_on(waiting));
	fd = connect_client(variant->inet);
	EXPECT_EQ(7, answer_on(fd));
}

static bool is_refused(bool inet)
{
	int fd = connect_client(inet);

	if (fd >= 0)
		close(fd);
	return fd == -ECONNREFUSED;
}

TEST_F_TIMEOUT(restart, connections_are_refused_once_the_entry_is_gone, 60)
{
	stop_server(&self->server);
	ASSERT_EQ(0, unlink(ENTRY));
	EXPECT_TRUE(EVENTUALLY(is_refused(variant->inet)));
}

int main(int argc, char **argv)
{
	if (argc == 5 && !strcmp(argv[1], "serve"))
		return serve(atoi(argv[2]), atoi(argv[3]), atoi(argv[4]));
	return test_harness_run(argc, argv);
}
