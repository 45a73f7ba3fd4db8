/* hold: many open TCP connections that do nothing, to see what a tunnel costs as the number of its flows grows.
 *   hold server ADDR PORT       echoes single bytes, one process for all connections
 *   hold client ADDR PORT N     opens N connections, one byte there and back on each, prints "held N", keeps them until killed
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static struct sockaddr_in address(const char *a, const char *p) {
    struct sockaddr_in s;
    memset(&s, 0, sizeof s);
    s.sin_family = AF_INET;
    s.sin_port = htons(atoi(p));
    if (inet_pton(AF_INET, a, &s.sin_addr) != 1) { fprintf(stderr, "bad address\n"); exit(2); }
    return s;
}

static int server(struct sockaddr_in s) {
    int l = socket(AF_INET, SOCK_STREAM, 0), one = 1, e = epoll_create1(0);
    struct epoll_event ev = { .events = EPOLLIN, .data.fd = l }, got[256];
    setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(l, (void *)&s, sizeof s) || listen(l, 4096)) { perror("bind/listen"); return 1; }
    epoll_ctl(e, EPOLL_CTL_ADD, l, &ev);
    for (;;) {
        int n = epoll_wait(e, got, 256, -1);
        for (int i = 0; i < n; i++) {
            int fd = got[i].data.fd;
            char b;
            if (fd == l) {
                if ((fd = accept(l, 0, 0)) < 0) continue;
                ev.data.fd = fd;
                epoll_ctl(e, EPOLL_CTL_ADD, fd, &ev);
            } else if (read(fd, &b, 1) != 1 || write(fd, &b, 1) != 1) close(fd);
        }
    }
}

static int client(struct sockaddr_in s, int n) {
    for (int i = 0; i < n; i++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        char b = 'x';
        if (fd < 0 || connect(fd, (void *)&s, sizeof s) || write(fd, &b, 1) != 1 || read(fd, &b, 1) != 1) {
            fprintf(stderr, "connection %d: ", i);
            perror("");
            return 1;
        }
    }
    printf("held %d\n", n);
    fflush(stdout);
    for (;;) pause();
}

int main(int c, char **v) {
    struct rlimit r;
    signal(SIGPIPE, SIG_IGN);
    getrlimit(RLIMIT_NOFILE, &r);
    r.rlim_cur = r.rlim_max;
    setrlimit(RLIMIT_NOFILE, &r);
    if (c == 4 && !strcmp(v[1], "server")) return server(address(v[2], v[3]));
    if (c == 5 && !strcmp(v[1], "client")) return client(address(v[2], v[3]), atoi(v[4]));
    fprintf(stderr, "usage: hold server ADDR PORT | hold client ADDR PORT N\n");
    return 2;
}
