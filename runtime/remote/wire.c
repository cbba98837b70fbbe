#include "runtime/remote/wire.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#if defined(MSG_NOSIGNAL)
enum { SEND_FLAGS = MSG_NOSIGNAL }; /* a peer that is gone is an error, not a signal */
#else
enum { SEND_FLAGS = 0 }; /* SO_NOSIGPIPE is set where the socket is made */
#endif

enum { HEADER = 12 };

/* ---- waiting ---- */

static bool wait_for(const Wire *w, short events, Error *err)
{
    struct pollfd p = {w->fd, events, 0};
    int n, ms = w->seconds > 0 ? (int)(w->seconds < 2e6 ? w->seconds * 1e3 + 1 : 2e9) : -1;
    do
        n = poll(&p, 1, ms);
    while (n < 0 && errno == EINTR);
    if (n > 0)
        return true;
    return n ? error_set_errno(err, errno, "waiting for the other process")
             : error_set(err, "the other process gave no answer within %g s", w->seconds);
}

static bool send_all(Wire *w, const char *data, size_t size, Error *err)
{
    while (size) {
        if (!wait_for(w, POLLOUT, err))
            return false;
        ssize_t n = send(w->fd, data, size, SEND_FLAGS);
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (n < 0)
            return error_set_errno(err, errno, "the other process takes nothing more");
        data += n;
        size -= (size_t)n;
    }
    return true;
}

/* So many bytes, or fewer where the stream ends; -1 with err set. */
static ssize_t read_some(Wire *w, char *to, size_t size, Error *err)
{
    size_t got = 0;
    while (got < size) {
        if (!wait_for(w, POLLIN, err))
            return -1;
        ssize_t n = read(w->fd, to + got, size - got);
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (n < 0 && errno != ECONNRESET) { /* reset: it ended with something unread */
            error_set_errno(err, errno, "the other process cannot be read");
            return -1;
        }
        if (n <= 0)
            break;
        got += (size_t)n;
    }
    return (ssize_t)got;
}

/* ---- messages ---- */

bool wire_send(Wire *w, WireKind kind, const Text *body, Error *err)
{
    char header[HEADER];
    uint32_t k = kind;
    uint64_t length = body->size;
    memcpy(header, &k, 4);
    memcpy(header + 4, &length, 8);
    return send_all(w, header, HEADER, err) && send_all(w, body->data, body->size, err);
}

bool wire_header(Wire *w, uint32_t *kind, uint64_t *length, Error *err)
{
    char header[HEADER];
    ssize_t n = read_some(w, header, HEADER, err);
    *kind = 0;
    *length = 0;
    if (n <= 0)
        return n == 0;
    if (n < HEADER)
        return error_set(err, "the other process ended in the middle of a message");
    memcpy(kind, header, 4);
    memcpy(length, header + 4, 8);
    return *kind != 0 || error_set(err, "the other process sent what is no message");
}

bool wire_read(Wire *w, void *to, size_t size, Error *err)
{
    ssize_t n = read_some(w, to, size, err);
    if (n < 0)
        return false;
    return (size_t)n == size || error_set(err, "the other process ended in the middle of a message");
}

bool wire_body(Wire *w, uint64_t length, size_t limit, Text *out, Error *err)
{
    char chunk[4096];
    out->size = 0;
    if (length > limit)
        return error_set(err, "the other process sent a message of %llu bytes", (unsigned long long)length);
    for (uint64_t left = length; left;) {
        size_t n = left < sizeof chunk ? (size_t)left : sizeof chunk;
        if (!wire_read(w, chunk, n, err))
            return false;
        text_add(out, chunk, n);
        left -= n;
    }
    return true;
}

/* ---- bodies ---- */

void wire_put_number(Text *body, uint64_t v)
{
    text_add(body, (const char *)&v, sizeof v);
}

void wire_put_text(Text *body, const void *data, size_t size)
{
    wire_put_number(body, size);
    text_add(body, data, size);
}

bool wire_take_number(Body *b, uint64_t *v)
{
    if (b->left < sizeof *v)
        return false;
    memcpy(v, b->at, sizeof *v);
    b->at += sizeof *v;
    b->left -= sizeof *v;
    return true;
}

bool wire_take_text(Body *b, const char **text, size_t *size)
{
    uint64_t n;
    if (!wire_take_number(b, &n) || n > b->left)
        return false;
    *text = b->at;
    *size = (size_t)n;
    b->at += n;
    b->left -= (size_t)n;
    return true;
}
