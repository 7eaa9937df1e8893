// The connection beside RDMA over which the two sides keep in step.
//
// Frames are a kind, a length and that many bytes. STEP carries what both sides exchange at one point of the plan, END
// the outcome of a case. A side that fails sends END at once, so that the other one need not wait for its time limit.

#include "verify.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum frame_kind { FRAME_STEP = 0x50455453, FRAME_END = 0x20444e45 };
// The peer may use up its own time limit before it says that it has failed.
enum { MAX_FRAME = 1 << 16, GRACE_SECONDS = 20 };

struct frame_header {
    uint32_t kind;
    uint32_t length;
    // Of the step's name: shows that both sides are at the same one.
    uint64_t tag;
};

static void die(const char *what, const char *reason)
{
    fprintf(stderr, "verify: %s: %s\n", what, reason);
    exit(1);
}

static int unix_socket(const char *path, bool listening)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) die(path, "the path is too long for a socket");
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) die(path, strerror(errno));
    if (listening) unlink(path);
    int result = listening ? bind(fd, (struct sockaddr *)&address, sizeof address)
                           : connect(fd, (struct sockaddr *)&address, sizeof address);
    if (result == 0) return fd;
    if (listening) die(path, strerror(errno));
    close(fd);
    return -1;
}

static int tcp_socket(const char *host, int port)
{
    char service[16];
    snprintf(service, sizeof service, "%d", port);
    struct addrinfo hints = {.ai_family = host == NULL ? AF_INET6 : AF_UNSPEC, .ai_socktype = SOCK_STREAM,
                             .ai_flags = host == NULL ? AI_PASSIVE : 0};
    struct addrinfo *found = NULL;
    int error = getaddrinfo(host, service, &hints, &found);
    if (error != 0) die(host == NULL ? "any address" : host, gai_strerror(error));
    int fd = -1;
    for (struct addrinfo *each = found; each != NULL && fd < 0; each = each->ai_next) {
        fd = socket(each->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0) continue;
        int on = 1;
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        int result = host == NULL ? bind(fd, each->ai_addr, each->ai_addrlen)
                                  : connect(fd, each->ai_addr, each->ai_addrlen);
        if (result != 0) {
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(found);
    return fd;
}

// A machine without IPv6 still has IPv4.
static int tcp_listener(int port)
{
    int fd = tcp_socket(NULL, port);
    return fd >= 0 ? fd : tcp_socket("0.0.0.0", port);
}

static int accept_peer(struct session *session)
{
    const struct options *options = &session->options;
    int listener = options->unix_path != NULL ? unix_socket(options->unix_path, true) : tcp_listener(options->port);
    if (listener < 0 || listen(listener, 1) != 0) die("cannot listen for the peer", strerror(errno));
    fprintf(stderr, "verify: listening\n");
    struct pollfd wanted = {.fd = listener, .events = POLLIN};
    if (poll(&wanted, 1, (int)options->plan.timeout_seconds * 1000) != 1) die("no peer", "the time limit has passed");
    int fd = accept(listener, NULL, NULL);
    if (fd < 0) die("cannot accept the peer", strerror(errno));
    close(listener);
    if (options->unix_path != NULL) unlink(options->unix_path);
    return fd;
}

static int connect_peer(struct session *session)
{
    const struct options *options = &session->options;
    double limit = now_seconds() + options->plan.timeout_seconds;
    while (now_seconds() < limit) {
        int fd = options->connect[0] == '/' ? unix_socket(options->connect, false)
                                            : tcp_socket(options->connect, options->port);
        if (fd >= 0) return fd;
        usleep(100000);
    }
    die(options->connect, "cannot connect within the time limit");
    return -1;
}

void wire_open(struct session *session)
{
    session->side = session->options.connect != NULL ? 1 : 0;
    session->socket = session->side == 1 ? connect_peer(session) : accept_peer(session);
}

static bool send_all(struct session *session, const void *bytes, size_t count)
{
    const uint8_t *next = bytes;
    while (count > 0) {
        ssize_t sent = send(session->socket, next, count, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent <= 0) die("cannot send to the peer", strerror(errno));
        next += sent;
        count -= (size_t)sent;
    }
    return true;
}

// Without its peer there is nothing left to verify, so that losing it ends the program.
static void receive_all(struct session *session, const char *what, void *bytes, size_t count)
{
    uint8_t *next = bytes;
    double limit = now_seconds() + session->plan.timeout_seconds + GRACE_SECONDS;
    while (count > 0) {
        int left = (int)((limit - now_seconds()) * 1000);
        struct pollfd wanted = {.fd = session->socket, .events = POLLIN};
        if (left <= 0 || poll(&wanted, 1, left) == 0) {
            fprintf(stderr, "verify: waited %u s for the peer at: %s\n", session->plan.timeout_seconds + GRACE_SECONDS,
                    what);
            if (session->failed) fprintf(stderr, "verify: before that: %s\n", session->failure);
            exit(1);
        }
        ssize_t received = recv(session->socket, next, count, 0);
        if (received < 0 && errno == EINTR) continue;
        if (received <= 0) {
            if (session->failed) fprintf(stderr, "verify: before that: %s\n", session->failure);
            die(what, received == 0 ? "the peer is gone" : strerror(errno));
        }
        next += received;
        count -= (size_t)received;
    }
}

static uint64_t tag_of(const char *what)
{
    uint64_t tag = 0;
    while (*what != 0) tag = key_of(tag, (uint64_t)*what++);
    return tag;
}

static void send_frame(struct session *session, uint32_t kind, const char *what, const void *bytes, size_t count)
{
    struct frame_header header = {.kind = kind, .length = (uint32_t)count, .tag = tag_of(what)};
    send_all(session, &header, sizeof header);
    send_all(session, bytes, count);
}

static struct frame_header receive_frame(struct session *session, const char *what, uint8_t *bytes)
{
    struct frame_header header;
    receive_all(session, what, &header, sizeof header);
    if (header.length > MAX_FRAME || (header.kind != FRAME_STEP && header.kind != FRAME_END)) {
        die(what, "the peer does not speak as this program does");
    }
    receive_all(session, what, bytes, header.length);
    return header;
}

static void note_end(struct session *session, const uint8_t *bytes)
{
    session->peer_ended = true;
    session->peer_failed = bytes[0] == 0;
}

bool exchange(struct session *session, const char *what, const void *mine, void *theirs, size_t size)
{
    static uint8_t bytes[MAX_FRAME];
    say(session, "at: %s", what);
    if (session->peer_ended) return fail(session, "the peer has ended the case before: %s", what);
    send_frame(session, FRAME_STEP, what, mine, size);
    struct frame_header header = receive_frame(session, what, bytes);
    if (header.kind == FRAME_END) {
        note_end(session, bytes);
        return fail(session, "the peer has failed (its reason is there) before: %s", what);
    }
    if (header.tag != tag_of(what) || header.length != size) die(what, "the peer is at another step");
    memcpy(theirs, bytes, size);
    return true;
}

bool meet(struct session *session, const char *what)
{
    uint8_t mine = 0;
    uint8_t theirs = 0;
    return exchange(session, what, &mine, &theirs, 1);
}

bool peer_gave_up(struct session *session)
{
    struct {
        struct frame_header header;
        uint8_t passed;
    } __attribute__((packed)) frame;
    ssize_t count = recv(session->socket, &frame, sizeof frame, MSG_PEEK | MSG_DONTWAIT);
    if (count == 0) return true;
    return count == (ssize_t)sizeof frame && frame.header.kind == FRAME_END && frame.passed == 0;
}

// Both sides learn whether the case passed on both.
bool end_case(struct session *session, bool passed)
{
    static uint8_t bytes[MAX_FRAME];
    uint8_t outcome = passed;
    send_frame(session, FRAME_END, "end", &outcome, 1);
    while (!session->peer_ended) {
        // Steps that the other side still had before it noticed.
        if (receive_frame(session, "end of the case", bytes).kind == FRAME_END) note_end(session, bytes);
    }
    bool both = passed && !session->peer_failed;
    if (passed && !both) fail(session, "the peer found it wrong (its reason is there)");
    session->peer_ended = false;
    session->peer_failed = false;
    return both;
}
