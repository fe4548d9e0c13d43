/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WARC 1.1 (ISO 28500:2017): records of a page, each a gzip member of its own where the file's name
 * ends in .gz.
 *
 * A page is three records: request, response, metadata; the last one says that all are there. What
 * we have is the body without its content coding and transfer coding, so the headers that name
 * these carry the prefix X-Archive-Orig- (the custom of Webrecorder's tools) and Content-Length is
 * that of the body in the record. The request holds what every request of the crawl says; cookies
 * and conditions are not in it.
 */
#include "sink_internal.h"

#include <bson/bson.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <time.h>
#include <zlib.h>

enum { GZIP_LEVEL = 6, GZIP_WINDOW = 15 + 16, ID_MAX = 64, DATE_MAX = 40 };

/* ---- parts ---- */

static void new_id(char out[ID_MAX])
{
    uint8_t r[16];
    if (getrandom(r, sizeof r, 0) != (ssize_t)sizeof r) {
        struct base_random random;
        base_random_init(&random, 0);
        for (size_t i = 0; i < sizeof r; i++) {
            r[i] = (uint8_t)base_random_next(&random);
        }
    }
    r[6] = (uint8_t)((r[6] & 0x0f) | 0x40); /* version 4, RFC 4122 */
    r[8] = (uint8_t)((r[8] & 0x3f) | 0x80);
    (void)snprintf(out, ID_MAX,
                   "<urn:uuid:%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-"
                   "%02x%02x%02x%02x%02x%02x>",
                   r[0], r[1], r[2], r[3], r[4], r[5], r[6], r[7], r[8], r[9], r[10], r[11], r[12],
                   r[13], r[14], r[15]);
}

static void to_date(int64_t ms, char out[DATE_MAX])
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm parts;
    char text[DATE_MAX - 8] = "1970-01-01T00:00:00";
    if (gmtime_r(&seconds, &parts) != NULL) {
        (void)strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
    }
    (void)snprintf(out, DATE_MAX, "%s.%03dZ", text, (int)(ms % 1000));
}

bool sink_warc_digest(const char *a, size_t a_len, const char *b, size_t b_len,
                      char out[SINK_DIGEST_MAX])
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    uint8_t sum[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    bool is_good = hash != NULL && EVP_DigestInit_ex(hash, EVP_sha1(), NULL) == 1 &&
                   EVP_DigestUpdate(hash, a, a_len) == 1 && EVP_DigestUpdate(hash, b, b_len) == 1 &&
                   EVP_DigestFinal_ex(hash, sum, &len) == 1 && len == 20;
    EVP_MD_CTX_free(hash);
    memcpy(out, "sha1:", 6);
    size_t at = 5;
    for (unsigned bit = 0; is_good && bit < 160; bit += 5) {
        unsigned pair = (unsigned)sum[bit / 8] << 8 | (bit / 8 + 1 < 20 ? sum[bit / 8 + 1] : 0);
        out[at++] = letters[pair >> (11 - bit % 8) & 31];
    }
    out[at] = '\0';
    return is_good;
}

/* One gzip member of three pieces. */
static bool compress_member(const struct base_slice pieces[3], struct base_buffer *out)
{
    z_stream z = {0};
    size_t len = pieces[0].len + pieces[1].len + pieces[2].len;
    if (deflateInit2(&z, GZIP_LEVEL, Z_DEFLATED, GZIP_WINDOW, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
        return false;
    }
    size_t bound = deflateBound(&z, (uLong)len) + 64;
    bool is_good = len < UINT32_MAX && base_buffer_reserve(out, bound);
    z.next_out = is_good ? (Bytef *)out->data + out->len : NULL;
    z.avail_out = (uInt)bound;
    int code = Z_OK;
    for (size_t i = 0; is_good && i < 3; i++) {
        z.next_in = (Bytef *)(uintptr_t)pieces[i].data;
        z.avail_in = (uInt)pieces[i].len;
        code = deflate(&z, i == 2 ? Z_FINISH : Z_NO_FLUSH);
        is_good = code == (i == 2 ? Z_STREAM_END : Z_OK) ||
                  (code == Z_BUF_ERROR && pieces[i].len == 0 && i < 2);
    }
    out->len += is_good ? (size_t)z.total_out : 0;
    if (is_good) {
        out->data[out->len] = '\0';
    }
    (void)deflateEnd(&z);
    return is_good;
}

/* A record: its own header, then a block of two pieces, then two empty lines. */
struct record {
    const char *type, *content_type;
    const char *id;
    int64_t at_ms;
    const char *url;        /* or NULL */
    const char *extra;      /* more header lines, or "" */
    struct base_slice head; /* of the block: HTTP headers, or all of it */
    struct base_slice body; /* the payload behind it */
    bool has_payload;       /* it is one, with a digest of its own */
};

static bool append_pieces(const struct base_slice pieces[3], struct base_buffer *out)
{
    for (size_t i = 0; i < 3; i++) {
        base_buffer_append(out, pieces[i].data, pieces[i].len);
    }
    return !out->failed;
}

static bool write_record(const struct record *r, enum sink_packing packing, struct base_buffer *out)
{
    char date[DATE_MAX], block[SINK_DIGEST_MAX], payload[SINK_DIGEST_MAX];
    struct base_buffer head = {0}, tail = {0};
    to_date(r->at_ms, date);
    bool is_good = sink_warc_digest(r->head.data, r->head.len, r->body.data, r->body.len, block) &&
                   (!r->has_payload || sink_warc_digest(r->body.data, r->body.len, "", 0, payload));
    base_buffer_printf(&head,
                       "WARC/1.1\r\nWARC-Type: %s\r\nWARC-Record-ID: %s\r\nWARC-Date: %s\r\n",
                       r->type, r->id, date);
    if (r->url != NULL) {
        base_buffer_printf(&head, "WARC-Target-URI: %s\r\n", r->url);
    }
    base_buffer_printf(&head, "WARC-Block-Digest: %s\r\n", block);
    if (r->has_payload) {
        base_buffer_printf(&head, "WARC-Payload-Digest: %s\r\n", payload);
    }
    base_buffer_printf(&head, "%sContent-Type: %s\r\nContent-Length: %zu\r\n\r\n", r->extra,
                       r->content_type, r->head.len + r->body.len);
    base_buffer_append(&head, r->head.data, r->head.len);
    base_buffer_append_str(&tail, "\r\n\r\n");
    const struct base_slice pieces[3] = {
        {head.data, head.len}, {r->body.data, r->body.len}, {tail.data, tail.len}};
    is_good = is_good && !head.failed && !tail.failed &&
              (packing == SINK_GZIP ? compress_member(pieces, out) : append_pieces(pieces, out));
    base_buffer_fini(&head);
    base_buffer_fini(&tail);
    return is_good;
}

bool sink_warc_info(const char *name, enum sink_packing packing, struct base_buffer *out)
{
    char id[ID_MAX];
    struct base_buffer extra = {0}, block = {0};
    const char *slash = strrchr(name, '/');
    new_id(id);
    base_buffer_printf(&extra, "WARC-Filename: %s\r\n", slash != NULL ? slash + 1 : name);
    base_buffer_append_str(&block,
                           "software: gleaner/" GLEANER_VERSION "\r\n"
                           "format: WARC File Format 1.1\r\n"
                           "conformsTo: http://iipc.github.io/warc-specifications/"
                           "specifications/warc-format/warc-1.1/\r\n"
                           "description: bodies without content and transfer coding, whose headers "
                           "are kept as X-Archive-Orig-*; requests without cookies\r\n");
    const struct record info = {.type = "warcinfo",
                                .content_type = "application/warc-fields",
                                .id = id,
                                .at_ms = base_wall_ms(),
                                .extra = extra.data,
                                .head = {block.data, block.len}};
    bool is_good = !extra.failed && !block.failed && write_record(&info, packing, out);
    base_buffer_fini(&extra);
    base_buffer_fini(&block);
    return is_good;
}

/* ---- a page ---- */

/* "http://host:port/path?query" into its host and what a request line says. */
static void split_url(const char *url, struct base_slice *host, const char **target)
{
    const char *start = strstr(url, "://");
    start = start != NULL ? start + 3 : url;
    const char *end = start + strcspn(start, "/?#");
    const char *at = memchr(start, '@', (size_t)(end - start));
    start = at != NULL ? at + 1 : start;
    *host = (struct base_slice){start, (size_t)(end - start)};
    *target = *end == '/' ? end : "/";
}

static bool write_request(const struct sink_page *page, const char *headers, const char *id,
                          const char *other_id, enum sink_packing packing, struct base_buffer *out)
{
    struct base_slice host;
    const char *target;
    struct base_buffer block = {0};
    char extra[ID_MAX + 32];
    split_url(page->url, &host, &target);
    base_buffer_printf(&block, "GET %s HTTP/1.1\r\nHost: ", target);
    base_buffer_append(&block, host.data, host.len);
    base_buffer_printf(&block, "\r\n%s\r\n", headers);
    (void)snprintf(extra, sizeof extra, "WARC-Concurrent-To: %s\r\n", other_id);
    const struct record record = {.type = "request",
                                  .content_type = "application/http; msgtype=request",
                                  .id = id,
                                  .at_ms = page->fetched_at_ms,
                                  .url = page->url,
                                  .extra = extra,
                                  .head = {block.data, block.len}};
    bool is_good = !block.failed && write_record(&record, packing, out);
    base_buffer_fini(&block);
    return is_good;
}

static bool is_named(const char *line, size_t len, const char *name)
{
    size_t name_len = strlen(name);
    return len > name_len && line[name_len] == ':' && strncasecmp(line, name, name_len) == 0;
}

/* The status line in the form of HTTP/1.1, which is how readers know it: HTTP/2 has no reason. */
static void write_status_line(const char *line, size_t len, struct base_buffer *out)
{
    const char *space = memchr(line, ' ', len);
    size_t rest = space != NULL ? len - (size_t)(space - line) : 0;
    bool is_old = len > 7 && memcmp(line, "HTTP/1.", 7) == 0;
    if (is_old || space == NULL) {
        base_buffer_append(out, line, len);
    } else {
        base_buffer_append_str(out, "HTTP/1.1");
        base_buffer_append(out, space, rest);
    }
    base_buffer_append_str(out, "\r\n");
}

/* *announced = the Content-Length that was received, -1 = none. */
static void write_headers(const struct sink_page *page, struct base_buffer *out,
                          long long *announced)
{
    bool is_first = true;
    *announced = -1;
    for (const char *line = page->headers; *line != '\0';) {
        size_t full = strcspn(line, "\n"), len = full;
        while (len > 0 && line[len - 1] == '\r') {
            len--;
        }
        if (is_first) {
            write_status_line(line, len, out);
        } else if (is_named(line, len, "Content-Length")) {
            *announced = strtoll(line + 15, NULL, 10);
        } else if (len > 0) {
            bool is_coding =
                is_named(line, len, "Content-Encoding") || is_named(line, len, "Transfer-Encoding");
            base_buffer_append_str(out, is_coding ? "X-Archive-Orig-" : "");
            base_buffer_append(out, line, len);
            base_buffer_append_str(out, "\r\n");
        }
        is_first = false;
        line += full + (line[full] == '\n');
    }
    base_buffer_printf(out, "Content-Length: %zu\r\n\r\n", page->body_len);
}

static bool write_response(const struct sink_page *page, const char *id, enum sink_packing packing,
                           struct base_buffer *out)
{
    struct base_buffer headers = {0};
    long long announced;
    write_headers(page, &headers, &announced);
    /* The body of a redirect is not read. */
    bool is_cut = page->body_len == 0 && announced > 0;
    const struct record record = {.type = "response",
                                  .content_type = "application/http; msgtype=response",
                                  .id = id,
                                  .at_ms = page->fetched_at_ms,
                                  .url = page->url,
                                  .extra = is_cut ? "WARC-Truncated: unspecified\r\n" : "",
                                  .head = {headers.data, headers.len},
                                  .body = {page->body != NULL ? page->body : "", page->body_len},
                                  .has_payload = true};
    bool is_good = !headers.failed && write_record(&record, packing, out);
    base_buffer_fini(&headers);
    return is_good;
}

static bool write_metadata(const struct sink_page *page, const char *other_id,
                           enum sink_packing packing, struct base_buffer *out)
{
    char id[ID_MAX], extra[ID_MAX + 32], block[160], hops[64];
    uint32_t depth = page->depth < sizeof hops - 1 ? page->depth : (uint32_t)sizeof hops - 1;
    memset(hops, 'L', sizeof hops);
    new_id(id);
    (void)snprintf(extra, sizeof extra, "WARC-Refers-To: %s\r\n", other_id);
    int len = snprintf(block, sizeof block, "hopsFromSeed: %.*s\r\nfetchTimeMs: %llu\r\n",
                       (int)depth, hops, (unsigned long long)page->fetch_ms);
    const struct record record = {.type = "metadata",
                                  .content_type = "application/warc-fields",
                                  .id = id,
                                  .at_ms = page->fetched_at_ms,
                                  .url = page->url,
                                  .extra = extra,
                                  .head = {block, (size_t)len}};
    return write_record(&record, packing, out);
}

bool sink_warc_page(const struct sink_page *page, const char *request_headers,
                    enum sink_packing packing, struct base_buffer *out)
{
    char request_id[ID_MAX], response_id[ID_MAX];
    new_id(request_id);
    new_id(response_id);
    return write_request(page, request_headers, request_id, response_id, packing, out) &&
           write_response(page, response_id, packing, out) &&
           write_metadata(page, response_id, packing, out);
}

/* ---- a stored document ---- */

static bool find_text(const bson_t *document, const char *name, struct base_slice *out)
{
    bson_iter_t at;
    uint32_t len = 0;
    if (!bson_iter_init_find(&at, document, name) || !BSON_ITER_HOLDS_UTF8(&at)) {
        return false;
    }
    out->data = bson_iter_utf8(&at, &len);
    out->len = len;
    return true;
}

static int64_t find_date(const bson_t *document)
{
    bson_iter_t at;
    bool has_date =
        bson_iter_init_find(&at, document, "fetched_at") && BSON_ITER_HOLDS_DATE_TIME(&at);
    int64_t ms = has_date ? bson_iter_date_time(&at) : 0;
    return ms > 0 ? ms : base_wall_ms();
}

bool sink_warc_conversion(const uint8_t *bson, uint32_t len, struct base_buffer *out,
                          bool *has_text)
{
    bson_t document;
    struct base_slice url = {0}, text = {0};
    char id[ID_MAX];
    bool has = bson_init_static(&document, bson, len) && find_text(&document, "url", &url) &&
               find_text(&document, "text", &text);
    if (has_text != NULL) {
        *has_text = has;
    }
    if (!has) {
        return true;
    }
    new_id(id);
    const struct record record = {.type = "conversion",
                                  .content_type = "text/plain",
                                  .id = id,
                                  .at_ms = find_date(&document),
                                  .url = url.data,
                                  .extra = "",
                                  .head = text};
    return write_record(&record, SINK_GZIP, out);
}
