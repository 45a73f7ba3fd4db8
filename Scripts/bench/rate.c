/* rate.c: how many new sockets a second a user gets, for SECONDS.
 *   rate tcp ADDRESS PORT SECONDS     connections: connect, close with a reset (no TIME_WAIT fills the table)
 *   rate udp ADDRESS PORT SECONDS     sockets: connect, one datagram, close
 * Prints the number per second. */
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static void fail(const char *what) { perror(what); exit(1); }

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    if (argc != 5) { fputs("usage: rate tcp|udp ADDRESS PORT SECONDS\n", stderr); return 2; }
    int tcp = strcmp(argv[1], "tcp") == 0;
    struct addrinfo hints = { .ai_socktype = tcp ? SOCK_STREAM : SOCK_DGRAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV }, *at;
    if (getaddrinfo(argv[2], argv[3], &hints, &at) != 0) { fputs("rate: not an address and a port\n", stderr); return 2; }
    double began = now(), end = began + atof(argv[4]);
    long count = 0;
    struct linger reset = { 1, 0 };
    for (; now() < end; count++) {
        int s = socket(at->ai_family, at->ai_socktype, 0);
        if (s < 0) fail("socket");
        if (connect(s, at->ai_addr, at->ai_addrlen) < 0) fail("connect");
        if (tcp && setsockopt(s, SOL_SOCKET, SO_LINGER, &reset, sizeof reset) < 0) fail("SO_LINGER");
        if (!tcp) (void)!send(s, "x", 1, 0);
        close(s);
    }
    printf("%.0f\n", count / (now() - began));
    return 0;
}
