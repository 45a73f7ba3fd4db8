// channel.c: what a packet channel between two processes costs, for four kinds of it: channel [WORK]
//   single   SOCK_SEQPACKET, one packet per system call
//   mmsg     SOCK_SEQPACKET, sendmmsg and recvmmsg of up to 16
//   stream   SOCK_STREAM, length before each packet, 16 packets a write, 256 KB a read
//   ring     4 MB of shared memory, an eventfd each way for who sleeps; packets are copied in and copied out,
//            because a receiver must not parse what the sender can still change
// Prints a Markdown table: packets of 65,000 and 1,200 bytes one way, and round trips of 100 bytes over two channels.
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SINGLE, MMSG, STREAM, RING, BATCH = 16, SLOT = 65536, RING_BYTES = 4 << 20, READ_BYTES = 256 << 10 };

struct ring {
    _Alignas(64) _Atomic uint64_t head;   // written by the sender
    _Alignas(64) _Atomic uint64_t tail;   // written by the receiver
    _Alignas(64) _Atomic int sleeps, full; // the receiver waits; the sender waits
    _Alignas(64) unsigned char bytes[RING_BYTES];
};

struct channel { int kind, fd[2], data, room; struct ring *ring; };

static unsigned char out[BATCH][SLOT], in[BATCH][SLOT], text[READ_BYTES + SLOT + 4];
static size_t have;

static void check(int bad, const char *what) { if (bad) { perror(what); _exit(1); } }

static struct channel make(int kind)
{
    struct channel c = { .kind = kind };
    if (kind == RING) {
        c.ring = mmap(NULL, sizeof *c.ring, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        check(c.ring == MAP_FAILED, "mmap");
        check((c.data = eventfd(0, 0)) < 0 || (c.room = eventfd(0, 0)) < 0, "eventfd");
        return c;
    }
    check(socketpair(AF_UNIX, kind == STREAM ? SOCK_STREAM : SOCK_SEQPACKET, 0, c.fd), "socketpair");
    int size = 4 << 20;
    for (int i = 0; i < 2; i++) {
        check(setsockopt(c.fd[i], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size), "large buffers need root");
        check(setsockopt(c.fd[i], SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size), "large buffers need root");
    }
    return c;
}

static void signal_fd(int fd) { uint64_t one = 1; check(write(fd, &one, 8) != 8, "eventfd"); }
static void wait_fd(int fd) { uint64_t n; check(read(fd, &n, 8) != 8, "eventfd"); }

static void ring_copy(struct ring *r, uint64_t at, void *to, const void *from, size_t n)
{
    size_t o = at % RING_BYTES, first = n < RING_BYTES - o ? n : RING_BYTES - o;
    if (from) { memcpy(r->bytes + o, from, first); memcpy(r->bytes, (const char *)from + first, n - first); }
    else { memcpy(to, r->bytes + o, first); memcpy((char *)to + first, r->bytes, n - first); }
}

static void send_ring(struct channel *c, int n, uint32_t size)
{
    struct ring *r = c->ring;
    uint64_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
    for (int i = 0; i < n; i++) {
        while (head + 4 + size - atomic_load(&r->tail) > RING_BYTES) {
            atomic_store(&r->head, head); // what is there must be seen before the receiver is waited for
            if (atomic_exchange(&r->sleeps, 0)) signal_fd(c->data);
            atomic_store(&r->full, 1);
            if (head + 4 + size - atomic_load(&r->tail) <= RING_BYTES && atomic_exchange(&r->full, 0)) break;
            wait_fd(c->room);
        }
        ring_copy(r, head, NULL, &size, 4);
        ring_copy(r, head + 4, NULL, out[i], size);
        head += 4 + size;
    }
    atomic_store(&r->head, head);
    if (atomic_exchange(&r->sleeps, 0)) signal_fd(c->data);
}

static int receive_ring(struct channel *c)
{
    struct ring *r = c->ring;
    uint64_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
    while (atomic_load(&r->head) == tail) {
        atomic_store(&r->sleeps, 1);
        if (atomic_load(&r->head) != tail && atomic_exchange(&r->sleeps, 0)) break;
        wait_fd(c->data);
    }
    uint64_t head = atomic_load(&r->head);
    int n = 0;
    for (; n < BATCH && tail != head; n++) {
        uint32_t size;
        ring_copy(r, tail, &size, NULL, 4);
        ring_copy(r, tail + 4, in[n], NULL, size);
        tail += 4 + size;
    }
    atomic_store(&r->tail, tail);
    if (atomic_exchange(&r->full, 0)) signal_fd(c->room);
    return n;
}

static void send_batch(struct channel *c, int n, uint32_t size)
{
    struct mmsghdr m[BATCH] = { 0 };
    struct iovec v[2 * BATCH];
    switch (c->kind) {
    case SINGLE:
        for (int i = 0; i < n; i++) check(send(c->fd[0], out[i], size, 0) != (ssize_t)size, "send");
        return;
    case MMSG:
        for (int i = 0; i < n; i++) { v[i] = (struct iovec){ out[i], size }; m[i].msg_hdr.msg_iov = &v[i]; m[i].msg_hdr.msg_iovlen = 1; }
        for (int sent = 0, k; sent < n; sent += k) check((k = sendmmsg(c->fd[0], m + sent, n - sent, 0)) < 1, "sendmmsg");
        return;
    case STREAM: {
        size_t left = (size_t)n * (size + 4);
        for (int i = 0; i < n; i++) { v[2 * i] = (struct iovec){ &size, 4 }; v[2 * i + 1] = (struct iovec){ out[i], size }; }
        for (struct iovec *p = v; left;) {
            ssize_t k = writev(c->fd[0], p, (int)(v + 2 * n - p));
            check(k < 1, "writev");
            left -= (size_t)k;
            for (; k && (size_t)k >= p->iov_len; p++) k -= (ssize_t)p->iov_len;
            if (k) { p->iov_base = (char *)p->iov_base + k; p->iov_len -= (size_t)k; }
        }
        return;
    }
    default: send_ring(c, n, size);
    }
}

static int receive_batch(struct channel *c) // at least one packet; how many
{
    struct mmsghdr m[BATCH] = { 0 };
    struct iovec v[BATCH];
    int n;
    switch (c->kind) {
    case SINGLE:
        check(recv(c->fd[1], in[0], SLOT, 0) < 1, "recv");
        return 1;
    case MMSG:
        for (int i = 0; i < BATCH; i++) { v[i] = (struct iovec){ in[i], SLOT }; m[i].msg_hdr.msg_iov = &v[i]; m[i].msg_hdr.msg_iovlen = 1; }
        check((n = recvmmsg(c->fd[1], m, BATCH, MSG_WAITFORONE, NULL)) < 1, "recvmmsg");
        return n;
    case STREAM:
        for (n = 0; !n;) {
            ssize_t k = read(c->fd[1], text + have, READ_BYTES);
            check(k < 1, "read");
            have += (size_t)k;
            size_t at = 0;
            for (uint32_t size; have - at >= 4; at += 4 + size, n++) {
                memcpy(&size, text + at, 4);
                if (have - at < 4 + (size_t)size) break;
            }
            memmove(text, text + at, have -= at);
        }
        return n;
    default: return receive_ring(c);
    }
}

// Who waits for the other must not wait for ever when that has failed.
static void on_child(int signal) { (void)signal; int status = 0; if (waitpid(-1, &status, WNOHANG) > 0 && status != 0) _exit(1); }

static double now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return (double)t.tv_sec + (double)t.tv_nsec / 1e9; }

static double used(int who)
{
    struct rusage u;
    getrusage(who, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void one_way(int kind, uint32_t size, long packets) // prints Mbit/s and CPU microseconds per packet of both processes
{
    struct channel c = make(kind);
    double began = now(), before = used(RUSAGE_SELF) + used(RUSAGE_CHILDREN);
    pid_t child = fork();
    check(child < 0, "fork");
    if (child == 0) {
        for (long got = 0; got < packets;) got += receive_batch(&c);
        _exit(0);
    }
    for (long sent = 0; sent < packets; sent += BATCH) send_batch(&c, BATCH, size);
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR) { }
    double took = now() - began, cpu = used(RUSAGE_SELF) + used(RUSAGE_CHILDREN) - before;
    printf(" %.0f (%.2f) |", (double)packets * size * 8 / took / 1e6, cpu * 1e6 / (double)packets);
    fflush(stdout);
}

static int by_value(const void *a, const void *b) { double d = *(const double *)a - *(const double *)b; return (d > 0) - (d < 0); }

static void round_trips(int kind, int count) // prints the median in microseconds
{
    struct channel there = make(kind), back = make(kind);
    double *took = calloc((size_t)count, sizeof *took);
    pid_t child = fork();
    check(child < 0, "fork");
    for (int i = 0; i < count; i++) {
        double began = now();
        if (child == 0) { receive_batch(&there); send_batch(&back, 1, 100); continue; }
        send_batch(&there, 1, 100);
        receive_batch(&back);
        took[i] = (now() - began) * 1e6;
    }
    if (child == 0) _exit(0);
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR) { }
    qsort(took, (size_t)count, sizeof *took, by_value);
    printf(" %.1f |\n", took[count / 2]);
    fflush(stdout);
    free(took);
}

int main(int argc, char **argv)
{
    static const char *const names[] = { "SEQPACKET, one by one", "SEQPACKET, 16 a call", "stream", "shared memory, eventfd" };
    long work = argc > 1 ? atol(argv[1]) : 10;
    if (work < 1) { fprintf(stderr, "usage: channel [WORK], WORK >= 1 (10: some ten seconds)\n"); return 2; }
    memset(out, 7, sizeof out);
    signal(SIGCHLD, on_child);
    printf("| channel | 65,000 bytes: Mbit/s (CPU us a packet) | 1,200 bytes | round trip of 100 bytes, us |\n| --- | --- | --- | --- |\n");
    for (int kind = SINGLE; kind <= RING; kind++) {
        printf("| %s |", names[kind]);
        fflush(stdout);
        have = 0;
        one_way(kind, 65000, work * 16000);
        one_way(kind, 1200, work * 160000);
        round_trips(kind, (int)work * 4000);
    }
    return 0;
}
