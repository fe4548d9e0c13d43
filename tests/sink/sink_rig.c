/* SPDX-License-Identifier: Apache-2.0 */
#include "sink_rig.h"

#include <bson/bson.h>
#include <criterion/criterion.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

char rig_directory[200];

void rig_open(void)
{
    snprintf(rig_directory, sizeof rig_directory, "/tmp/gleaner-sink-XXXXXX");
    cr_assert_not_null(mkdtemp(rig_directory));
}

static int remove_one(const char *path, const struct stat *stat, int kind, struct FTW *ftw)
{
    (void)stat;
    (void)kind;
    (void)ftw;
    return remove(path);
}

void rig_close(void)
{
    nftw(rig_directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

const char *rig_path(const char *name)
{
    static char path[400];
    snprintf(path, sizeof path, "%s/%s", rig_directory, name);
    return path;
}

struct sink *rig_sink(enum sink_format format, const char *name, const char *resume,
                      uint64_t max_bytes)
{
    struct sink *sink = NULL;
    struct base_error error = {0};
    const struct sink_options options = {.format = format,
                                         .path = rig_path(name),
                                         .max_bytes = max_bytes,
                                         .is_durable = true,
                                         .resume = resume,
                                         .request_headers = "User-Agent: test\r\n"};
    cr_assert_eq(sink_open(&options, &sink, &error), GLEANER_OK, "%s", error.message);
    return sink;
}

enum gleaner_status rig_write(struct sink *sink, int n)
{
    struct sink_stage *stage = NULL;
    struct base_error error = {0};
    char url[60];
    uint8_t id[12] = {(uint8_t)n, (uint8_t)(n >> 8), 0xab};
    snprintf(url, sizeof url, "http://example.org/%d", n);
    bson_t *document = BCON_NEW("url", BCON_UTF8(url), "text", "a \"quoted\",\r\ntext");
    cr_assert_eq(sink_stage_create(sink, &stage), GLEANER_OK);
    cr_assert_eq(sink_stage_document(stage, id, bson_get_data(document), document->len),
                 GLEANER_OK);
    enum gleaner_status status = sink_commit(sink, stage, &error);
    cr_expect((status == GLEANER_OK) == (sink_stage_bytes(stage) == 0));
    sink_stage_destroy(&stage);
    bson_destroy(document);
    return status;
}

enum gleaner_status rig_write_page(struct sink *sink, const char *url, const char *body)
{
    struct sink_stage *stage = NULL;
    struct base_error error = {0};
    const struct sink_page page = {.url = url,
                                   .headers = "HTTP/2 200\r\ncontent-type: text/html\r\n"
                                              "content-encoding: br\r\ncontent-length: 7\r\n\r\n",
                                   .body = body,
                                   .body_len = strlen(body),
                                   .fetched_at_ms = 1700000000123,
                                   .fetch_ms = 12,
                                   .depth = 3};
    cr_assert_eq(sink_stage_create(sink, &stage), GLEANER_OK);
    cr_assert_eq(sink_stage_page(stage, &page), GLEANER_OK);
    enum gleaner_status status = sink_commit(sink, stage, &error);
    sink_stage_destroy(&stage);
    return status;
}

char *rig_read(const char *name)
{
    enum { ROOM = 1 << 22 };
    char *text = calloc(1, ROOM);
    gzFile file = gzopen(rig_path(name), "rb"); /* plain files, too */
    cr_assert(file != NULL && text != NULL);
    int len = gzread(file, text, ROOM - 1);
    cr_assert(len >= 0, "%s is no whole file", name);
    gzclose(file);
    return text;
}

size_t rig_count(const char *text, const char *what)
{
    size_t count = 0;
    for (const char *at = text; (at = strstr(at, what)) != NULL; at += strlen(what)) {
        count++;
    }
    return count;
}

void rig_append(const char *name, const char *bytes, size_t len)
{
    int fd = open(rig_path(name), O_WRONLY | O_APPEND | O_CREAT, 0600);
    cr_assert(fd >= 0 && write(fd, bytes, len) == (ssize_t)len);
    close(fd);
}
