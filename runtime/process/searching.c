/* SPDX-License-Identifier: Apache-2.0 */
/* gleaner search QUERY: words in the stored documents, best first. */
#include "process_internal.h"
#include "search.h"
#include <stdio.h>
#include <string.h>

struct showing {
    bool is_json;
    uint64_t hits;
};

static void print_json(const struct search_hit *hit)
{
    struct base_buffer line = {0};
    const struct {
        const char *name, *text;
    } fields[] = {
        {"id", hit->id}, {"url", hit->url}, {"title", hit->title}, {"excerpt", hit->excerpt}};
    base_buffer_printf(&line, "{\"score\":%.6g", hit->score);
    for (size_t i = 0; i < BASE_ARRAY_LEN(fields); i++) {
        base_buffer_printf(&line, ",\"%s\":", fields[i].name);
        base_buffer_append_json(&line, fields[i].text, strlen(fields[i].text));
    }
    base_buffer_append_str(&line, "}\n");
    (void)fwrite(line.data, 1, line.len, stdout);
    base_buffer_fini(&line);
}

static void print_line(const char *before, const char *text)
{
    (void)fputs(before, stdout);
    for (const char *p = text; *p != '\0'; p++) { /* what a site wrote drives no terminal */
        (void)fputc((unsigned char)*p < ' ' || *p == 127 ? ' ' : *p, stdout);
    }
    (void)fputc('\n', stdout);
}

static bool show(void *ctx, const struct search_hit *hit)
{
    struct showing *showing = ctx;
    showing->hits++;
    if (showing->is_json) {
        print_json(hit);
    } else {
        print_line("", hit->title[0] != '\0' ? hit->title : hit->id);
        print_line("    ", hit->url);
        print_line("    ", hit->excerpt);
    }
    return !ferror(stdout) && !signals_stop_wanted();
}

static enum gleaner_status search(struct work *work, const struct settings *s,
                                  struct showing *showing, struct base_error *error)
{
    const struct search_options options = {.query =
                                               s->operands.count == 1 ? s->operands.items[0] : NULL,
                                           .collection = s->collection,
                                           .limit = (uint32_t)s->search_limit};
    if (options.query == NULL) {
        return base_error_set(error, GLEANER_E_CONFIG,
                              "one operand is wanted: gleaner search 'WORDS'");
    }
    if (!settings_wants_server(s)) {
        const struct store_sqlite_options store = {.directory = s->data, .read_only = true};
        enum gleaner_status status = store_sqlite_open(&store, &work->local, error);
        return status == GLEANER_OK
                   ? search_embedded(work->local, s->data, &options, show, showing, error)
                   : status;
    }
    uint32_t timeout_ms = (uint32_t)s->operation_ms;
    enum gleaner_status status = work_open_stores(work, s, WORK_SERVICE, error);
    if (status == GLEANER_OK) {
        status = work_wait_server(work, error);
    }
    if (status == GLEANER_OK && s->make_index) {
        status = search_server_index(work->db, s->database, s->collection, timeout_ms, error);
    }
    return status == GLEANER_OK
               ? search_server(work->db, s->database, &options, timeout_ms, show, showing, error)
               : status;
}

int command_search(struct settings *settings, int argc, char *const argv[])
{
    (void)argc;
    (void)argv;
    struct work work = {.settings = settings};
    struct base_error error = {0};
    struct showing showing = {.is_json = settings->json};
    enum gleaner_status status = search(&work, settings, &showing, &error);
    if (status != GLEANER_OK) {
        print_error(&error);
    }
    work_close(&work);
    if (status != GLEANER_OK) {
        return (int)work_exit_code(status);
    }
    return end_output(stdout, showing.hits == 0 ? EXIT_OTHER : EXIT_COMPLETE);
}
