#include "runtime/remote/shared.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"

/* LEAST_FD: above the descriptors that a worker is given, so that handing it on never finds its own number.
 */
enum { ALIGN = 64, LEAST_FD = 10 };

bool shared_create(Shared *s, Error *err)
{
    const char *temporary = getenv("TMPDIR");
    Text path = {0};
    text_printf(&path, "%s/anec-shared.XXXXXX", temporary && *temporary ? temporary : "/tmp");
    int made = mkstemp(path.data), fd = made >= 0 ? fcntl(made, F_DUPFD_CLOEXEC, LEAST_FD) : -1;
    *s = (Shared){.fd = fd};
    bool ok = fd >= 0 || error_set_errno(err, errno, "%s", path.data);
    if (made >= 0) {
        unlink(path.data);
        close(made);
    }
    text_free(&path);
    return ok;
}

static bool remap(Shared *s, size_t size, Error *err)
{
    if (s->data)
        munmap(s->data, s->size);
    void *data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, 0);
    s->data = data == MAP_FAILED ? NULL : data;
    s->size = s->data ? size : 0;
    return s->data || error_set_errno(err, errno, "%zu bytes of shared memory", size);
}

bool shared_grow(Shared *s, size_t size, Error *err)
{
    static const char zeros[1 << 16];
    for (size_t at = s->size; at < size;) {
        size_t n = size - at < sizeof zeros ? size - at : sizeof zeros;
        ssize_t done = pwrite(s->fd, zeros, n, (off_t)at);
        if (done < 0 && errno != EINTR)
            return error_set_errno(err, errno, "%zu bytes of shared memory", size);
        at += done > 0 ? (size_t)done : 0;
    }
    return size <= s->size || remap(s, size, err);
}

bool shared_map(Shared *s, size_t size, Error *err)
{
    struct stat st;
    if (size <= s->size)
        return true;
    if (fstat(s->fd, &st) != 0 || (uintmax_t)st.st_size < size)
        return error_set(err, "the shared memory is shorter than %zu bytes", size);
    return remap(s, size, err);
}

void shared_close(Shared *s)
{
    if (s->data)
        munmap(s->data, s->size);
    if (s->fd >= 0)
        close(s->fd);
    *s = (Shared){.fd = -1};
}

size_t shared_layout(const Port *port, int ports, size_t *offset)
{
    size_t at = 0;
    for (int i = 0; i < ports; i++) {
        offset[i] = at;
        at += (port[i].bytes + ALIGN - 1) / ALIGN * ALIGN;
    }
    return at;
}
