/* SPDX-License-Identifier: Apache-2.0 */
/* What libcurl calls during a transfer, on the fetcher thread: the guard's last word, the limits on
 * headers and body, the headers that are kept. None of them may end a transfer itself. */
#include "fetch_internal.h"
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* After the look-up, before connect: the guard's last word. */
static curl_socket_t on_open_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct fetch_transfer *x = ctx;
    struct fetch_engine *e = x->thread->engine;
    (void)purpose;
    /* Through a proxy this is the proxy's address, which the operator chose; the target was checked
     * before the transfer began (fetch_gate_address). */
    bool through_proxy = e->options.use_env_proxy || e->options.proxy != NULL;
    if (!through_proxy && !fetch_guard_allows_socket(e->guard, &address->addr)) {
        x->verdict = VERDICT_GUARDED;
        return CURL_SOCKET_BAD;
    }
    curl_socket_t fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    const unsigned unacked_ms = e->options.unacked_ms;
    if (fd != CURL_SOCKET_BAD && unacked_ms > 0) {
        /* The kernel sends nothing again after it: neither a SYN nor a request. */
        (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacked_ms, sizeof unacked_ms);
    }
    return fd;
}

/* The connection stands, the request goes out next. The host may have gone to another process while
 * it was made. libcurl repeats a request by itself when a kept-alive connection was closed under
 * it; a host with a delay gets the repetition from us. */
static int on_connected(void *ctx, char *primary_ip, char *local_ip, int primary_port,
                        int local_port)
{
    struct fetch_transfer *x = ctx;
    (void)primary_ip;
    (void)local_ip;
    (void)primary_port;
    (void)local_port;
    if (x->connected_ns != 0 && x->unanswered && !x->job->retried) {
        x->verdict = VERDICT_AGAIN;
        return CURL_PREREQFUNC_ABORT;
    }
    if (!fetch_host_may_ask(x->thread, x->host, x->job)) {
        x->verdict = VERDICT_NOT_OURS;
        return CURL_PREREQFUNC_ABORT;
    }
    x->connected_ns = base_mono_ns();
    return CURL_PREREQFUNC_OK;
}

static void note_first_byte(struct fetch_transfer *x)
{
    x->first_byte_ns = x->thread->now_ns;
    x->speed_since_ns = x->thread->now_ns;
    x->speed_bytes = 0;
    if (x->unanswered) {
        x->unanswered = false;
        fetch_host_answered(x->thread, x->host);
    }
}

static const struct {
    const char *name;
    size_t len;
    enum fetch_field field;
} kept_headers[] = {
    {"location", 8, FIELD_LOCATION},
    {"content-type", 12, FIELD_CONTENT_TYPE},
    {"etag", 4, FIELD_ETAG},
    {"last-modified", 13, FIELD_LAST_MODIFIED},
};

/* One of the words of a Cache-Control header (RFC 9111, 5.2), separated by commas. */
static bool has_directive(const char *value, size_t len, const char *word)
{
    size_t word_len = strlen(word);
    for (size_t at = 0; at < len;) {
        size_t start = at;
        while (at < len && value[at] != ',') {
            at++;
        }
        size_t end = at++;
        while (start < end && (value[start] == ' ' || value[start] == '\t')) {
            start++;
        }
        while (end > start && (value[end - 1] == ' ' || value[end - 1] == '\t')) {
            end--;
        }
        if (end - start == word_len && strncasecmp(value + start, word, word_len) == 0) {
            return true;
        }
    }
    return false;
}

static void read_header(struct fetch_transfer *x, const char *line, size_t len)
{
    const char *colon = memchr(line, ':', len);
    if (colon == NULL) {
        return;
    }
    size_t name_len = (size_t)(colon - line);
    const char *value = colon + 1, *end = line + len;
    while (value < end && (*value == ' ' || *value == '\t')) {
        value++;
    }
    while (end > value && (end[-1] == '\r' || end[-1] == '\n' || end[-1] == ' ')) {
        end--;
    }
    size_t value_len = (size_t)(end - value);
    for (size_t i = 0; i < BASE_ARRAY_LEN(kept_headers); i++) {
        if (name_len == kept_headers[i].len &&
            strncasecmp(line, kept_headers[i].name, name_len) == 0) {
            fetch_box_set(x->box, kept_headers[i].field, value, value_len);
            return;
        }
    }
    if (name_len == 12 && strncasecmp(line, "x-robots-tag", 12) == 0) {
        fetch_read_robots_tag(value, value_len, x->thread->engine->options.robots_agent,
                              base_wall_ms(), &x->box->result);
    } else if (name_len == 13 && strncasecmp(line, "cache-control", 13) == 0) {
        x->box->result.no_store |= has_directive(value, value_len, "no-store");
    } else if (name_len == 14 && strncasecmp(line, "content-length", 14) == 0) {
        x->announced = strtoull(value, NULL, 10);
    } else if (name_len == 16 && strncasecmp(line, "content-encoding", 16) == 0) {
        x->coded = true;
    } else if (name_len == 10 && strncasecmp(line, "set-cookie", 10) == 0) {
        fetch_cookies_seen(x, value_len);
    } else if (name_len == 11 && strncasecmp(line, "retry-after", 11) == 0) {
        x->retry_after_ms = fetch_parse_retry_after(value, value_len, base_wall_ms());
    }
}

/* Everything that came before belongs to an interim answer (1xx). */
static void begin_headers(struct fetch_transfer *x)
{
    fetch_box_clear_answer(x->box);
    x->announced = 0;
    x->coded = false;
    x->retry_after_ms = 0;
    x->box->result.no_store = false;
    x->box->result.noindex = x->box->result.nofollow = false;
}

static size_t on_header(char *data, size_t size, size_t count, void *ctx)
{
    struct fetch_transfer *x = ctx;
    size_t len = size * count;
    if (x->first_byte_ns == 0) {
        note_first_byte(x);
    }
    x->header_bytes += (uint32_t)len;
    x->header_lines++;
    if (x->header_bytes > x->thread->engine->options.max_header_bytes) {
        x->verdict = VERDICT_HEADER_BYTES;
        return 0;
    }
    if (x->header_lines > FETCH_MAX_HEADER_LINES) {
        x->verdict = VERDICT_HEADER_LINES;
        return 0;
    }
    if (len > 5 && memcmp(data, "HTTP/", 5) == 0) {
        begin_headers(x);
    } else {
        read_header(x, data, len);
    }
    if (x->thread->engine->options.keep_headers) {
        base_buffer_append(&x->box->headers, data, len);
    }
    return len;
}

/* Room for the whole body at once where its length is known, as far as it stays in memory. */
static void expect_body(struct fetch_transfer *x)
{
    if (x->announced > 0 && !x->coded && x->announced <= x->body_limit) {
        fetch_body_expect(x->box, x->announced, x->keep_bytes);
    }
}

static bool keep_body(struct fetch_transfer *x, const char *data, size_t len)
{
    x->body_error = fetch_body_append(x->box, data, len, x->keep_bytes);
    if (x->body_error != 0) {
        x->verdict = x->body_error == ENOMEM ? VERDICT_NOMEM : VERDICT_STORAGE;
    }
    return x->body_error == 0;
}

static size_t on_body(char *data, size_t size, size_t count, void *ctx)
{
    struct fetch_transfer *x = ctx;
    size_t len = size * count;
    uint64_t have = fetch_body_len(x->box);
    if (have == 0) {
        expect_body(x);
    }
    if (len > x->body_limit - have || (x->announced > x->body_limit && !x->coded)) {
        bool enough = x->job->is_robots || x->job->max_bytes == x->body_limit;
        x->verdict = enough ? VERDICT_ENOUGH : VERDICT_BODY;
        if (enough && len > x->body_limit - have) {
            (void)keep_body(x, data, (size_t)(x->body_limit - have));
            return 0;
        }
        if (!enough) {
            return 0;
        }
        x->verdict = VERDICT_NONE; /* read on up to the limit */
    }
    return keep_body(x, data, len) ? len : 0;
}

void fetch_callbacks_set(struct fetch_transfer *x)
{
    CURL *easy = x->easy;
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, x);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, fetch_thread_close_socket);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, x->thread); /* sockets outlive transfers */
    curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_connected);
    curl_easy_setopt(easy, CURLOPT_PREREQDATA, x);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, x);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, x);
}
