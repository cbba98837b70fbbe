/* hub_server FOLDER LOG [BEHAVIOUR]: a hub for tests, on two ports of 127.0.0.1: the hub itself, and the
 * other host that it sends large files from. Serves OWNER/NAME = o/m at commit c0ffee..., whose files are
 * FOLDER's. Prints both ports, then serves until its standard input ends. LOG gets a line for each request: H
 * (hub) or C (the other host), method, path, its Range, and "token" where it came with one.
 *
 * Behaviours: 401, 403, 404, busy (503 twice), truncate (the first answer breaks off), norange, wronghash,
 * evil (names that lead out of the cache), loop (redirects without end), stall (no byte after the first). */
#include <dirent.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/sha1.h"
#include "base/sha256.h"
#include "base/text.h"

enum { LARGE = 1000, REQUEST = 8192 };

static const char commit[] = "c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00";
static const char *folder, *behaviour = "";
static int port[2], answers;
static FILE *request_log;

static bool is(const char *what)
{
    return strcmp(behaviour, what) == 0;
}

static int listen_on(int *at)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof a;
    int s = socket(AF_INET, SOCK_STREAM, 0);
    if (s < 0 || bind(s, (struct sockaddr *)&a, sizeof a) != 0 || listen(s, 16) != 0 ||
        getsockname(s, (struct sockaddr *)&a, &size) != 0)
        exit(2);
    *at = ntohs(a.sin_port);
    return s;
}

static void put(int to, const char *data, size_t size)
{
    while (size) {
        ssize_t n = send(to, data, size, 0);
        if (n <= 0)
            return;
        data += n;
        size -= (size_t)n;
    }
}

static void answer(int to, int status, const char *headers, const char *body, size_t size, bool head)
{
    Text t = {0};
    text_printf(&t, "HTTP/1.1 %d X\r\nConnection: close\r\n%s", status, headers);
    if (!strstr(headers, "Content-Length"))
        text_printf(&t, "Content-Length: %zu\r\n", size);
    text_puts(&t, "\r\n");
    put(to, t.data, t.size);
    if (!head)
        put(to, body, size);
    text_free(&t);
}

static void fail_with(int to, int status)
{
    answer(to, status, "", "no\n", 3, false);
}

/* ---- files ---- */

static char *load(const char *name, size_t *size)
{
    char *path = path_join(folder, name), *data = NULL;
    Error ignored;
    if (strstr(name, "..") || !file_read(path, 0, &data, size, &ignored))
        data = NULL;
    free(path);
    return data;
}

static void etag_of(const char *data, size_t size, char out[65])
{
    if (size >= LARGE) {
        sha256_of(data, size, out);
        return;
    }
    Text t = {0};
    text_printf(&t, "blob %zu", size);
    text_putc(&t, '\0');
    text_add(&t, data, size);
    sha1_of(t.data, t.size, out);
    text_free(&t);
}

static void send_list(int to)
{
    Text t = {0};
    DIR *d = opendir(folder);
    int n = 0;
    text_printf(&t, "{\"id\": \"o/m\", \"sha\": \"%s\", \"siblings\": [", commit);
    for (struct dirent *e; d && (e = readdir(d));)
        if (e->d_name[0] != '.')
            text_printf(&t, "%s{\"rfilename\": \"%s\"}", n++ ? ", " : "", e->d_name);
    if (is("evil"))
        text_puts(&t, ", {\"rfilename\": \"../../../../evil\"}");
    text_puts(&t, "]}");
    if (d)
        closedir(d);
    answer(to, 200, "Content-Type: application/json\r\n", t.data, t.size, false);
    text_free(&t);
}

/* A body from `first` on, with what goes wrong on the way. */
static void send_body(int to, const char *headers, const char *data, size_t size, size_t first, bool head)
{
    Text h = {0};
    size_t rest = size - first;
    bool cut = is("truncate") && answers++ == 0;
    text_printf(&h, "%sContent-Length: %zu\r\n", headers, rest);
    if (first)
        text_printf(&h, "Content-Range: bytes %zu-%zu/%zu\r\n", first, size - 1, size);
    answer(to, first ? 206 : 200, h.data, data + first, cut || is("stall") ? rest / 2 : rest, head);
    text_free(&h);
    if (is("stall") && !head)
        sleep(5);
}

static void send_file(int to, bool other, const char *name, const char *range, bool head)
{
    size_t size, first = *range && !is("norange") ? strtoul(range, NULL, 10) : 0;
    char *data = load(name, &size), etag[65];
    Text h = {0};
    if (!data) {
        fail_with(to, 404);
        return;
    }
    etag_of(data, size, etag);
    if (is("wronghash") && size >= LARGE)
        data[size / 2] ^= 1;
    if (first > size)
        answer(to, 416, "", "", 0, head);
    else if (size >= LARGE && !other) {
        text_printf(&h,
                    "X-Repo-Commit: %s\r\nX-Linked-Etag: \"%s\"\r\nX-Linked-Size: %zu\r\n"
                    "Location: http://localhost:%d/%s\r\n",
                    commit, etag, size, port[1], name);
        answer(to, 302, h.data, "", 0, head);
    } else {
        text_printf(&h, "X-Repo-Commit: %s\r\nETag: \"%s\"\r\n", commit, etag);
        send_body(to, h.data, data, size, first, head);
    }
    text_free(&h);
    free(data);
}

/* ---- requests ---- */

static const char *header(char *request, const char *name)
{
    size_t n = strlen(name);
    for (char *line = request; (line = strstr(line, "\r\n")); line++)
        if (strncasecmp(line + 2, name, n) == 0)
            return line + 2 + n;
    return NULL;
}

static void route(int to, bool other, const char *path, const char *range, bool head)
{
    static const char api[] = "/api/models/o/m/revision/";
    char resolve[128];
    int n = snprintf(resolve, sizeof resolve, "/o/m/resolve/%s/", commit);
    if (is("401") || is("403") || is("404"))
        fail_with(to, atoi(behaviour));
    else if (is("busy") && answers++ < 2)
        fail_with(to, 503);
    else if (is("loop") && strncmp(path, api, strlen(api)) != 0)
        answer(to, 302, "Location: /o/m/again\r\n", "", 0, head);
    else if (other)
        send_file(to, true, path + 1, range, head);
    else if (strncmp(path, api, strlen(api)) == 0)
        send_list(to);
    else if (strncmp(path, resolve, (size_t)n) == 0)
        send_file(to, false, path + n, range, head);
    else
        fail_with(to, 404);
}

static void serve(int listener, bool other)
{
    char request[REQUEST], method[16], path[1024];
    int to = accept(listener, NULL, NULL);
    size_t size = 0;
    request[0] = '\0';
    while (to >= 0 && size < sizeof request - 1 && !strstr(request, "\r\n\r\n")) {
        ssize_t n = recv(to, request + size, sizeof request - 1 - size, 0);
        if (n <= 0)
            break;
        size += (size_t)n;
        request[size] = '\0';
    }
    if (sscanf(request, "%15s %1023s", method, path) == 2) {
        const char *range = header(request, "Range: bytes=");
        fprintf(request_log, "%c %s %s %.*s%s\n", other ? 'C' : 'H', method, path,
                range ? (int)strcspn(range, "\r") : 1, range ? range : "-",
                header(request, "Authorization:") ? " token" : "");
        fflush(request_log);
        route(to, other, path, range ? range : "", strcmp(method, "HEAD") == 0);
    }
    if (to >= 0)
        close(to);
}

int main(int argc, char **argv)
{
    if (argc < 3 || !(request_log = fopen(argv[2], "w")))
        return 2;
    folder = argv[1];
    behaviour = argc > 3 ? argv[3] : "";
    signal(SIGPIPE, SIG_IGN); /* a client may hang up; MSG_NOSIGNAL is not everywhere */
    struct pollfd p[3] = {{listen_on(&port[0]), POLLIN, 0}, {listen_on(&port[1]), POLLIN, 0}, {0, POLLIN, 0}};
    printf("%d %d\n", port[0], port[1]);
    fflush(stdout);
    while (poll(p, 3, 60000) > 0) {
        if (p[2].revents)
            return 0;
        for (int i = 0; i < 2; i++)
            if (p[i].revents)
                serve(p[i].fd, i == 1);
    }
    return 0;
}
