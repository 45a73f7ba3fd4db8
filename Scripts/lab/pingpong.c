/* pingpong.c: round trips of one byte over one TCP connection with TCP_NODELAY.
 *   pingpong server ADDRESS PORT             serves connections one after the other until killed
 *   pingpong client ADDRESS PORT ROUNDS      prints "p50 p99" in microseconds, after 200 rounds of warming up
 * A tiny C program, so that the interpreter's own time does not stand beside the network's. */
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static void fail(const char *what) { perror(what); exit(1); }

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void no_delay(int fd)
{
    int one = 1;
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) < 0) fail("TCP_NODELAY");
}

int main(int argc, char **argv)
{
    if (argc < 4) { fputs("usage: pingpong server|client ADDRESS PORT [ROUNDS]\n", stderr); return 2; }
    int server = strcmp(argv[1], "server") == 0;
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV }, *at;
    if (getaddrinfo(argv[2], argv[3], &hints, &at) != 0) { fputs("pingpong: not an address and a port\n", stderr); return 2; }
    int fd = socket(at->ai_family, SOCK_STREAM, 0);
    if (fd < 0) fail("socket");
    char byte = 'x';
    if (server) {
        int one = 1;
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
        if (bind(fd, at->ai_addr, at->ai_addrlen) < 0) fail("bind");
        if (listen(fd, 16) < 0) fail("listen");
        for (;;) {
            int peer = accept(fd, NULL, NULL);
            if (peer < 0) continue;
            no_delay(peer);
            while (read(peer, &byte, 1) == 1 && write(peer, &byte, 1) == 1) { }
            close(peer);
        }
    }
    int rounds = argc > 4 ? atoi(argv[4]) : 5000, warm = 200;
    double *times = malloc(sizeof *times * (rounds > 0 ? rounds : 1));
    if (rounds < 1 || !times) { fputs("pingpong: ROUNDS must be a positive number\n", stderr); return 2; }
    if (connect(fd, at->ai_addr, at->ai_addrlen) < 0) fail("connect");
    no_delay(fd);
    for (int i = -warm; i < rounds; i++) {
        double began = now_us();
        if (write(fd, &byte, 1) != 1 || read(fd, &byte, 1) != 1) fail("round trip");
        if (i >= 0) times[i] = now_us() - began;
    }
    qsort(times, rounds, sizeof *times, by_value);
    printf("%.1f %.1f\n", times[rounds / 2], times[(int)(rounds * 0.99)]);
    return 0;
}
