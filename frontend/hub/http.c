#include "frontend/hub/http.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"

enum { TEXT_LIMIT = 32 << 20, TRIES = 5, REDIRECTS = 5, SHOWN_BODY = 200 };

struct Http {
    CURL *curl;
    struct curl_slist *headers;
    const HubSettings *settings;
    const volatile sig_atomic_t *interrupted;
    char reason[CURL_ERROR_SIZE];
    /* of the request that is under way */
    Text body; /* of a text, or of an error */
    size_t limit;
    FILE *file;
    uint64_t offset, done; /* where the file went on, and how far it is */
    bool file_failed;
    int file_errno;
    HttpFile found;
    char location[2048];
    void (*show)(void *context, uint64_t done);
    void *context;
};

/* ---- callbacks ---- */

static long status_of(Http *h)
{
    long status = 0;
    curl_easy_getinfo(h->curl, CURLINFO_RESPONSE_CODE, &status);
    return status;
}

/* A server that does not know ranges sends the whole file: it begins again. */
static bool begin_again(Http *h)
{
    if (!h->offset || status_of(h) != 200)
        return true;
    h->offset = h->done = 0;
    return fflush(h->file) == 0 && ftruncate(fileno(h->file), 0) == 0 && fseek(h->file, 0, SEEK_SET) == 0;
}

static size_t on_body(char *data, size_t one, size_t size, void *context)
{
    Http *h = context;
    long status = status_of(h);
    if (!h->file || (status != 200 && status != 206)) {
        if (h->body.size + size > h->limit)
            return h->file ? size : 0; /* of an error, the beginning will do */
        text_add(&h->body, data, size);
        return size;
    }
    if (!begin_again(h) || fwrite(data, 1, size, h->file) != size) {
        h->file_failed = true;
        h->file_errno = errno;
        return 0;
    }
    h->done += size;
    if (h->show)
        h->show(h->context, h->done);
    return size;
}

/* The value of a header, if this is it, without quotes and a weak mark. */
static bool take_header(const char *line, size_t size, const char *name, char *out, size_t room)
{
    size_t n = strlen(name);
    if (size <= n || strncasecmp(line, name, n) != 0 || line[n] != ':')
        return false;
    const char *p = line + n + 1, *end = line + size;
    while (p < end && (*p == ' ' || *p == '\t'))
        p++;
    while (end > p && strchr(" \t\r\n", end[-1]))
        end--;
    if (end - p > 2 && p[0] == 'W' && p[1] == '/')
        p += 2;
    if (end - p >= 2 && *p == '"' && end[-1] == '"')
        p++, end--;
    if ((size_t)(end - p) >= room)
        return false;
    memcpy(out, p, (size_t)(end - p));
    out[end - p] = '\0';
    return true;
}

static size_t on_header(char *line, size_t one, size_t size, void *context)
{
    Http *h = context;
    char number[32];
    bool linked = take_header(line, size, "x-linked-etag", h->found.etag, sizeof h->found.etag);
    if (!linked && !*h->found.etag)
        take_header(line, size, "etag", h->found.etag, sizeof h->found.etag);
    take_header(line, size, "location", h->location, sizeof h->location);
    if (take_header(line, size, "x-linked-size", number, sizeof number) ||
        (h->found.size < 0 && take_header(line, size, "content-length", number, sizeof number)))
        h->found.size = strtoll(number, NULL, 10);
    return size;
}

static int on_progress(void *context, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    const Http *h = context;
    return h->interrupted && *h->interrupted;
}

/* ---- opening ---- */

static bool set_up(Http *h)
{
    const HubSettings *s = h->settings;
    CURL *c = h->curl;
    bool secure = strncmp(s->endpoint, "https://", 8) == 0;
    const char *protocols = secure ? "https" : "http,https";
    Text agent = {0};
    text_printf(&agent, "anec/%s libcurl", ANEC_VERSION);
    if (s->token) {
        Text header = {0};
        text_printf(&header, "Authorization: Bearer %s", s->token);
        h->headers = curl_slist_append(h->headers, header.data);
        text_free(&header);
    }
    h->headers =
        curl_slist_append(h->headers, "Accept-Encoding: identity"); /* sizes and hashes are of the file */
    bool ok = curl_easy_setopt(c, CURLOPT_USERAGENT, agent.data) == CURLE_OK &&
              curl_easy_setopt(c, CURLOPT_HTTPHEADER, h->headers) == CURLE_OK &&
#if LIBCURL_VERSION_NUM >= 0x075500
              curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, protocols) == CURLE_OK &&
              curl_easy_setopt(c, CURLOPT_REDIR_PROTOCOLS_STR, protocols) == CURLE_OK &&
#else
              curl_easy_setopt(c, CURLOPT_REDIR_PROTOCOLS,
                               (long)(CURLPROTO_HTTPS | (secure ? 0 : CURLPROTO_HTTP))) == CURLE_OK &&
#endif
              curl_easy_setopt(c, CURLOPT_MAXREDIRS, (long)REDIRECTS) == CURLE_OK &&
              curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
              curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, s->timeout) == CURLE_OK &&
              curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L) == CURLE_OK &&
              curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, s->timeout) == CURLE_OK &&
              curl_easy_setopt(c, CURLOPT_ERRORBUFFER, h->reason) == CURLE_OK &&
              curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
              curl_easy_setopt(c, CURLOPT_WRITEDATA, h) == CURLE_OK &&
              curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header) == CURLE_OK &&
              curl_easy_setopt(c, CURLOPT_HEADERDATA, h) == CURLE_OK &&
              curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress) == CURLE_OK &&
              curl_easy_setopt(c, CURLOPT_XFERINFODATA, h) == CURLE_OK &&
              curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L) == CURLE_OK;
    text_free(&agent);
    return ok;
}

Http *http_open(const HubSettings *s, const volatile sig_atomic_t *interrupted, Error *err)
{
    Http *h = xcalloc(1, sizeof *h);
    h->settings = s;
    h->interrupted = interrupted;
    h->curl = curl_easy_init();
    if (h->curl && set_up(h))
        return h;
    http_close(h);
    error_set(err, "libcurl cannot be set up");
    return NULL;
}

void http_close(Http *h)
{
    if (!h)
        return;
    curl_easy_cleanup(h->curl);
    curl_slist_free_all(h->headers);
    text_free(&h->body);
    free(h);
}

/* ---- one request ---- */

typedef enum Outcome { DONE, AGAIN, FAILED } Outcome;

static const char *cause_of(long status, bool token)
{
    switch (status) {
    case 401:
        return token ? "; the token is not accepted"
                     : "; it is private, gated or not there: accept its licence on the hub and set HF_TOKEN";
    case 403: return "; the token may not read it: accept its licence on the hub, or use another token";
    case 404: return "; there is no such repository, revision or file";
    default: return "";
    }
}

static Outcome judge(Http *h, CURLcode code, const char *url, Error *err)
{
    long status = status_of(h);
    if (h->interrupted && *h->interrupted) {
        error_set(err, "interrupted; the same command goes on where it was");
        return FAILED;
    }
    if (h->file_failed) {
        error_set_errno(err, h->file_errno, "cannot write what is fetched");
        return FAILED;
    }
    if (code == CURLE_OK && status >= 200 && status < 400)
        return DONE;
    if (code != CURLE_OK && !(code == CURLE_WRITE_ERROR)) {
        error_set(err, "%s: %s", url, *h->reason ? h->reason : curl_easy_strerror(code));
        return code == CURLE_UNSUPPORTED_PROTOCOL || code == CURLE_TOO_MANY_REDIRECTS ||
                       code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_URL_MALFORMAT
                   ? FAILED
                   : AGAIN;
    }
    if (code == CURLE_WRITE_ERROR) {
        error_set(err, "%s: the answer is larger than %zu bytes", url, h->limit);
        return FAILED;
    }
    error_set(err, "%s: HTTP %ld%s", url, status, cause_of(status, h->settings->token != NULL));
    return status == 429 || status >= 500 ? AGAIN : FAILED;
}

static void begin(Http *h, const char *url, bool head, bool follow)
{
    text_clear(&h->body);
    h->reason[0] = h->location[0] = '\0';
    h->found = (HttpFile){.size = -1};
    h->file_failed = false;
    curl_easy_setopt(h->curl, CURLOPT_URL, url);
    curl_easy_setopt(h->curl, CURLOPT_NOBODY, head ? 1L : 0L);
    if (!head)
        curl_easy_setopt(h->curl, CURLOPT_HTTPGET, 1L);
    curl_easy_setopt(h->curl, CURLOPT_FOLLOWLOCATION, follow ? 1L : 0L);
    curl_easy_setopt(h->curl, CURLOPT_RANGE, NULL);
}

/* Longer with every try. */
static void pause_before(const Http *h, int attempt)
{
    clock_sleep((double)(h->settings->pause << attempt) * 1e-3);
}

static bool request(Http *h, const char *url, bool head, bool follow, Error *err)
{
    for (int i = 0; i < TRIES; i++) {
        if (i)
            pause_before(h, i - 1);
        begin(h, url, head, follow);
        Outcome o = judge(h, curl_easy_perform(h->curl), url, err);
        if (o != AGAIN)
            return o == DONE;
    }
    return error_prefix(err, "given up after %d tries", TRIES);
}

bool http_get_text(Http *h, const char *url, Text *out, Error *err)
{
    h->file = NULL;
    h->limit = TEXT_LIMIT;
    if (!request(h, url, false, true, err))
        return false;
    text_add(out, text_cstr(&h->body), h->body.size);
    return true;
}

/* A Location without a host stays on the hub's. */
static bool is_relative(const char *location)
{
    return location[0] == '/' && location[1] != '/';
}

bool http_head(Http *h, const char *url, HttpFile *out, Error *err)
{
    char *at = xstrdup(url);
    bool ok = false;
    h->file = NULL;
    h->limit = TEXT_LIMIT;
    for (int i = 0; i <= REDIRECTS; i++) {
        ok = request(h, at, true, false, err);
        if (!ok || status_of(h) < 300 || !is_relative(h->location))
            break;
        Text next = {0};
        text_printf(&next, "%s%s", h->settings->endpoint, h->location);
        free(at);
        at = next.data;
        ok = error_set(err, "%s: redirected again and again", url);
    }
    free(at);
    *out = h->found;
    return ok;
}

/* ---- files ---- */

static Outcome fetch_once(Http *h, const char *url, Error *err)
{
    char range[32];
    if (fseek(h->file, 0, SEEK_END) != 0) {
        error_set_errno(err, errno, "cannot go on with a file");
        return FAILED;
    }
    long at = ftell(h->file);
    h->offset = h->done = at > 0 ? (uint64_t)at : 0;
    begin(h, url, false, true);
    snprintf(range, sizeof range, "%llu-", (unsigned long long)h->offset);
    if (h->offset)
        curl_easy_setopt(h->curl, CURLOPT_RANGE, range);
    CURLcode code = curl_easy_perform(h->curl);
    if (status_of(h) == 416 && h->offset) { /* more than there is: begin again */
        if (ftruncate(fileno(h->file), 0) == 0)
            return AGAIN;
    }
    Outcome o = judge(h, code, url, err);
    if (fflush(h->file) != 0 && o == DONE) {
        error_set_errno(err, errno, "cannot write what is fetched");
        return FAILED;
    }
    return o;
}

bool http_fetch(Http *h, const char *url, const char *path, void (*show)(void *, uint64_t), void *context,
                Error *err)
{
    h->file = fopen(path, "ab");
    if (!h->file)
        return error_set_errno(err, errno, "cannot write %s", path);
    h->limit = SHOWN_BODY;
    h->show = show;
    h->context = context;
    Outcome o = AGAIN;
    error_set(err, "%s: no answer", url);
    for (int i = 0; i < TRIES && o == AGAIN; i++) {
        if (i)
            pause_before(h, i - 1);
        uint64_t before = h->done;
        o = fetch_once(h, url, err);
        if (o == AGAIN && h->done > before && i)
            i--; /* it gets on, however slowly */
    }
    if (fclose(h->file) != 0 && o == DONE) {
        o = FAILED;
        error_set_errno(err, errno, "cannot write %s", path);
    }
    h->file = NULL;
    h->show = NULL;
    return o == DONE;
}

void http_escape(Text *out, const char *part)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~/";
    for (; *part; part++)
        if (strchr(plain, *part))
            text_putc(out, *part);
        else
            text_printf(out, "%%%02X", (unsigned char)*part);
}
