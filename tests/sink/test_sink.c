/* SPDX-License-Identifier: Apache-2.0 */
/* Appending, tearing, resuming, rotating, filling up. */
#include "sink_rig.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(sink, .init = rig_open, .fini = rig_close, .timeout = 30);

struct way {
    enum sink_format format;
    char name[20];
    char mark[24]; /* once for each record */
};
static struct way ways[] = {
    {SINK_JSONL, "a.jsonl", "{ \"_id\""},
    {SINK_CSV, "a.csv", "http://example.org/"},
    {SINK_WARC, "a.warc.gz", "WARC-Type: response"},
    {SINK_WARC, "a.warc", "WARC-Type: response"},
};

static enum gleaner_status put(const struct way *way, struct sink *sink, int n)
{
    char url[60];
    snprintf(url, sizeof url, "http://example.org/%d", n);
    return way->format == SINK_WARC ? rig_write_page(sink, url, "<p>body") : rig_write(sink, n);
}

static void expect_records(const struct way *way, size_t count)
{
    char *text = rig_read(way->name);
    cr_expect_eq(rig_count(text, way->mark), count, "%s: %zu records, wanted %zu", way->name,
                 rig_count(text, way->mark), count);
    free(text);
}

ParameterizedTestParameters(sink, each_way_keeps_what_was_committed)
{
    return cr_make_param_array(struct way, ways, BASE_ARRAY_LEN(ways));
}
ParameterizedTest(struct way *way, sink, each_way_keeps_what_was_committed)
{
    struct sink *sink = rig_sink(way->format, way->name, NULL, 0);
    for (int i = 0; i < 5; i++) {
        cr_expect_eq(put(way, sink, i), GLEANER_OK);
    }
    sink_close(&sink);
    expect_records(way, 5);
}

ParameterizedTestParameters(sink, a_record_of_this_crawl_is_not_written_again_after_a_resume)
{
    return cr_make_param_array(struct way, ways, BASE_ARRAY_LEN(ways));
}
ParameterizedTest(struct way *way, sink, a_record_of_this_crawl_is_not_written_again_after_a_resume)
{
    char position[40];
    struct sink *sink = rig_sink(way->format, way->name, NULL, 0);
    cr_expect_eq(put(way, sink, 0), GLEANER_OK); /* of an earlier crawl */
    sink_position(sink, position, sizeof position);
    cr_expect_eq(put(way, sink, 1), GLEANER_OK);
    cr_expect_eq(put(way, sink, 1), GLEANER_OK);
    sink_close(&sink);
    expect_records(way, 2);

    struct sink_stats stats;
    sink = rig_sink(way->format, way->name, position, 0);
    cr_expect_eq(put(way, sink, 1), GLEANER_OK);
    cr_expect_eq(put(way, sink, 2), GLEANER_OK);
    cr_expect_eq(put(way, sink, 0), GLEANER_OK); /* the earlier crawl's is not this one's */
    sink_read_stats(sink, &stats);
    cr_expect_eq(stats.known, 1);
    sink_close(&sink);
    expect_records(way, 4);
}

ParameterizedTestParameters(sink, a_file_cut_anywhere_ends_with_its_last_whole_record)
{
    return cr_make_param_array(struct way, ways, BASE_ARRAY_LEN(ways));
}
ParameterizedTest(struct way *way, sink, a_file_cut_anywhere_ends_with_its_last_whole_record)
{
    struct stat stat_of, again;
    struct sink *sink = rig_sink(way->format, way->name, "0:0", 0);
    cr_expect_eq(put(way, sink, 0), GLEANER_OK);
    cr_assert_eq(stat(rig_path(way->name), &stat_of), 0);
    cr_expect_eq(put(way, sink, 1), GLEANER_OK);
    cr_assert_eq(stat(rig_path(way->name), &again), 0);
    sink_close(&sink);
    /* From the last byte back to the end of the first record. */
    off_t step = (again.st_size - stat_of.st_size) / 40 + 1;
    for (off_t len = again.st_size - 1; len >= stat_of.st_size; len -= step) {
        struct stat now;
        cr_assert_eq(truncate(rig_path(way->name), len), 0);
        sink = rig_sink(way->format, way->name, "0:0", 0);
        cr_assert_eq(stat(rig_path(way->name), &now), 0);
        cr_expect_eq(now.st_size, stat_of.st_size, "cut at %ld: %ld left of %ld", (long)len,
                     (long)now.st_size, (long)stat_of.st_size);
        cr_expect_eq(put(way, sink, 0), GLEANER_OK); /* known */
        cr_expect_eq(put(way, sink, 1), GLEANER_OK); /* not known: it was torn */
        sink_close(&sink);
    }
    expect_records(way, 2);
}

ParameterizedTestParameters(sink, a_full_disk_leaves_the_file_as_it_was_and_the_batch_staged)
{
    return cr_make_param_array(struct way, ways, BASE_ARRAY_LEN(ways));
}
ParameterizedTest(struct way *way, sink, a_full_disk_leaves_the_file_as_it_was_and_the_batch_staged)
{
    struct stat before, after;
    struct rlimit none, limit;
    signal(SIGXFSZ, SIG_IGN);
    struct sink *sink = rig_sink(way->format, way->name, NULL, 0);
    cr_expect_eq(put(way, sink, 0), GLEANER_OK);
    cr_assert_eq(stat(rig_path(way->name), &before), 0);
    getrlimit(RLIMIT_FSIZE, &none);
    limit = none;
    limit.rlim_cur = (rlim_t)before.st_size + 20; /* a part of the next record fits */
    setrlimit(RLIMIT_FSIZE, &limit);
    cr_expect_eq(put(way, sink, 1), GLEANER_E_FULL);
    cr_assert_eq(stat(rig_path(way->name), &after), 0);
    cr_expect_eq(after.st_size, before.st_size);
    setrlimit(RLIMIT_FSIZE, &none);
    cr_expect_eq(put(way, sink, 1), GLEANER_OK);
    sink_close(&sink);
    expect_records(way, 2);
}

ParameterizedTestParameters(sink, segments_end_at_their_size_and_are_resumed_across)
{
    return cr_make_param_array(struct way, ways, BASE_ARRAY_LEN(ways));
}
ParameterizedTest(struct way *way, sink, segments_end_at_their_size_and_are_resumed_across)
{
    struct sink_stats stats;
    struct stat info;
    char second[40];
    struct sink *sink = rig_sink(way->format, way->name, NULL, 1200);
    for (int i = 0; i < 40; i++) {
        cr_expect_eq(put(way, sink, i), GLEANER_OK);
    }
    sink_close(&sink);
    snprintf(second, sizeof second, "a-00001%s", strchr(way->name, '.'));
    cr_assert_eq(stat(rig_path(second), &info), 0);
    char *text = rig_read(second);
    cr_expect_gt(rig_count(text, way->mark), 0);
    cr_expect(way->format != SINK_CSV || strncmp(text, "_id,url,text\r\n", 14) == 0);
    cr_expect(way->format != SINK_WARC || rig_count(text, "WARC-Type: warcinfo") == 1);
    free(text);

    sink = rig_sink(way->format, way->name, "0:0", 1200);
    for (int i = 0; i < 40; i++) {
        cr_expect_eq(put(way, sink, i), GLEANER_OK);
    }
    sink_read_stats(sink, &stats);
    cr_expect_eq(stats.known, 40);
    cr_expect_eq(stats.records, 0);
    sink_close(&sink);
}

ParameterizedTestParameters(sink, a_file_of_something_else_is_left_alone)
{
    return cr_make_param_array(struct way, ways, BASE_ARRAY_LEN(ways));
}
ParameterizedTest(struct way *way, sink, a_file_of_something_else_is_left_alone)
{
    struct sink *sink = NULL;
    struct base_error error = {0};
    rig_append(way->name, "precious", 8);
    const struct sink_options options = {.format = way->format, .path = rig_path(way->name)};
    cr_expect_eq(sink_open(&options, &sink, &error), GLEANER_E_INVALID);
    char *text = rig_read(way->name);
    cr_expect_str_eq(text, "precious");
    free(text);
}

Test(sink, half_a_first_record_of_this_crawl_is_cut)
{
    rig_append("a.jsonl", "{ \"_id\" : {", 10);
    struct sink *sink = rig_sink(SINK_JSONL, "a.jsonl", "0:0", 0);
    cr_expect_eq(rig_write(sink, 1), GLEANER_OK);
    sink_close(&sink);
    expect_records(&ways[0], 1);
}

Test(sink, a_second_writer_is_refused)
{
    struct sink *first = rig_sink(SINK_JSONL, "a.jsonl", NULL, 0), *second = NULL;
    struct base_error error = {0};
    const struct sink_options options = {.format = SINK_JSONL, .path = rig_path("a.jsonl")};
    cr_expect_eq(sink_open(&options, &second, &error), GLEANER_E_BUSY);
    sink_close(&first);
}

/* ---- what was there ---- */

static enum gleaner_status open_over(const struct way *way, enum sink_existing existing,
                                     struct sink **out)
{
    struct base_error error = {0};
    const struct sink_options options = {.format = way->format,
                                         .existing = existing,
                                         .path = rig_path(way->name),
                                         .max_bytes = 1200};
    return sink_open(&options, out, &error);
}

ParameterizedTestParameters(sink, replacing_takes_every_segment_of_what_was_there)
{
    return cr_make_param_array(struct way, ways, BASE_ARRAY_LEN(ways));
}
ParameterizedTest(struct way *way, sink, replacing_takes_every_segment_of_what_was_there)
{
    char second[40];
    struct sink *sink = rig_sink(way->format, way->name, NULL, 1200);
    for (int i = 0; i < 40; i++) {
        cr_expect_eq(put(way, sink, i), GLEANER_OK);
    }
    sink_close(&sink);
    snprintf(second, sizeof second, "a-00001%s", strchr(way->name, '.'));
    cr_assert_eq(access(rig_path(second), F_OK), 0);
    cr_assert_eq(open_over(way, SINK_REPLACE, &sink), GLEANER_OK);
    cr_expect_neq(access(rig_path(second), F_OK), 0);
    cr_expect_eq(put(way, sink, 7), GLEANER_OK); /* it is not known any more */
    sink_close(&sink);
    expect_records(way, 1);
}

ParameterizedTestParameters(sink, refusing_leaves_what_is_there_and_takes_an_empty_file)
{
    return cr_make_param_array(struct way, ways, BASE_ARRAY_LEN(ways));
}
ParameterizedTest(struct way *way, sink, refusing_leaves_what_is_there_and_takes_an_empty_file)
{
    struct sink *sink = NULL;
    rig_append(way->name, "", 0);
    cr_assert_eq(open_over(way, SINK_REFUSE, &sink), GLEANER_OK);
    cr_expect_eq(put(way, sink, 1), GLEANER_OK);
    sink_close(&sink);
    cr_expect_eq(open_over(way, SINK_REFUSE, &sink), GLEANER_E_EXISTS);
    expect_records(way, 1);
    sink = rig_sink(way->format, way->name, "0:0", 0); /* a resumed crawl's is its own */
    cr_expect_eq(put(way, sink, 2), GLEANER_OK);
    sink_close(&sink);
    expect_records(way, 2);
}

Test(sink, a_warc_record_whose_bytes_changed_is_torn)
{
    struct stat first;
    struct sink *sink = rig_sink(SINK_WARC, "a.warc", "0:0", 0);
    cr_expect_eq(rig_write_page(sink, "http://example.org/1", "<p>body"), GLEANER_OK);
    cr_assert_eq(stat(rig_path("a.warc"), &first), 0);
    cr_expect_eq(rig_write_page(sink, "http://example.org/2", "<p>another body"), GLEANER_OK);
    sink_close(&sink);
    /* Zeros where a power cut kept the length and not the bytes: in the block of the response. */
    char *text = rig_read("a.warc");
    long at = strstr(text, "<p>another body") - text;
    FILE *file = fopen(rig_path("a.warc"), "r+b");
    cr_assert(file != NULL && fseek(file, at, SEEK_SET) == 0 && fwrite("\0\0\0", 1, 3, file) == 3);
    fclose(file);
    free(text);
    struct stat now;
    sink = rig_sink(SINK_WARC, "a.warc", "0:0", 0);
    cr_assert_eq(stat(rig_path("a.warc"), &now), 0);
    cr_expect_eq(now.st_size, first.st_size);
    sink_close(&sink);
}

Test(sink, a_device_is_no_file)
{
    struct sink *sink = NULL;
    struct base_error error = {0};
    const struct sink_options options = {.format = SINK_JSONL, .path = "/dev/null"};
    cr_expect_eq(sink_open(&options, &sink, &error), GLEANER_E_CONFIG);
}

/* ---- standard output ---- */

static struct sink *open_stream(int *read_end)
{
    int ends[2];
    struct sink *sink = NULL;
    struct base_error error = {0};
    const struct sink_options options = {.format = SINK_JSONL, .path = "-", .is_durable = true};
    signal(SIGPIPE, SIG_IGN);
    cr_assert(pipe(ends) == 0 && dup2(ends[1], STDOUT_FILENO) == STDOUT_FILENO);
    cr_assert_eq(sink_open(&options, &sink, &error), GLEANER_OK, "%s", error.message);
    close(ends[1]);
    close(STDOUT_FILENO);
    *read_end = ends[0];
    return sink;
}

Test(sink, a_stream_takes_each_record_once)
{
    char text[4096] = "";
    int in;
    struct sink *sink = open_stream(&in);
    for (int i = 0; i < 4; i++) {
        cr_expect_eq(rig_write(sink, i % 2), GLEANER_OK);
    }
    sink_close(&sink);
    ssize_t len = read(in, text, sizeof text - 1);
    cr_assert_gt(len, 0);
    cr_expect_eq(rig_count(text, "\n"), 2);
    cr_expect_eq(rig_count(text, "{ \"_id\""), 2);
}

Test(sink, a_stream_that_nobody_reads_is_closed)
{
    int in;
    struct sink *sink = open_stream(&in);
    close(in);
    cr_expect_eq(rig_write(sink, 1), GLEANER_E_CLOSED);
    cr_expect_eq(rig_write(sink, 2), GLEANER_E_CLOSED); /* and stays so */
    sink_close(&sink);
}
