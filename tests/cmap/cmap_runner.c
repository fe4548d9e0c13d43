/* SPDX-License-Identifier: Apache-2.0 */
/* cmap_runner [DIR | --folder DIR]: replay the CMAP tests in DIR on the handle table; a line per
 * test and "N of M" at the end. $GLEANER_CMAP_DIR wins over a plain DIR. Integration tests run on a
 * mongod of their own ($MONGOD). Exit: 0 all pass, 1 some fail, 2 a file is not readable, 77 there
 * are no files, or integration tests and no mongod. */
#include "cmap_runner.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct score {
    unsigned passed, tests, skipped, unreadable;
};

static int is_json(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);
    return length > 5 && strcmp(entry->d_name + length - 5, ".json") == 0;
}

static bson_t *load(const char *path, bson_error_t *error)
{
    bson_t *doc = NULL;
    bson_json_reader_t *reader = bson_json_reader_new_from_file(path, error);
    if (reader == NULL) {
        return NULL;
    }
    doc = bson_new();
    if (bson_json_reader_read(reader, doc, error) != 1) {
        bson_destroy(doc);
        doc = NULL;
    }
    bson_json_reader_destroy(reader);
    return doc;
}

/* Who can run tests of that style now; NULL when it takes a server and there is none. */
static const struct cmap_connector *connector_for(const char *style)
{
    if (strcmp(style, cmap_mock.style) == 0) {
        return &cmap_mock;
    }
    return strcmp(style, cmap_mongod.style) == 0 && cmap_mongod_start() ? &cmap_mongod : NULL;
}

static void run_file(const char *folder, const char *name, struct score *score)
{
    char path[4096], why[512];
    bson_error_t error;
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    bson_t *test = load(path, &error);
    const char *style = test == NULL ? NULL : cmap_utf8(test, "style");
    const char *description = test == NULL ? NULL : cmap_utf8(test, "description");
    const struct cmap_connector *connector = style == NULL ? NULL : connector_for(style);
    if (style == NULL || description == NULL) {
        printf("BAD   %s: %s\n", name, test == NULL ? error.message : "no style or description");
        score->unreadable++;
    } else if (connector == NULL) {
        printf("SKIP  %s: %s: needs a mongod (set MONGOD)\n", name, description);
        score->tests++;
        score->skipped++;
    } else {
        bool passed = cmap_run_case(test, connector, why, sizeof(why));
        printf("%s  %s: %s (%s)%s%s\n", passed ? "ok  " : "FAIL", name, description,
               connector->name, passed ? "" : ": ", why);
        score->tests++;
        score->passed += passed;
    }
    fflush(stdout);
    bson_destroy(test);
}

static int verdict(const struct score *score)
{
    if (score->skipped > 0) {
        printf("NOT RUN: %u integration tests, for want of a mongod\n", score->skipped);
    }
    printf("%u of %u\n", score->passed, score->tests);
    if (score->unreadable > 0) {
        return 2;
    }
    if (score->passed + score->skipped < score->tests || score->tests == 0) {
        return 1;
    }
    return score->skipped > 0 ? 77 : 0;
}

int main(int argc, char **argv)
{
    const char *folder = getenv("GLEANER_CMAP_DIR");
    if (argc > 2 && strcmp(argv[1], "--folder") == 0) {
        folder = argv[2];
    } else if (folder == NULL && argc > 1) {
        folder = argv[1];
    }
    struct dirent **entries = NULL;
    int count = folder == NULL ? 0 : scandir(folder, &entries, is_json, alphasort);
    if (count <= 0) {
        printf("not run: no CMAP files in %s\n",
               folder == NULL ? "(give a folder, or GLEANER_CMAP_DIR)" : folder);
        return 77;
    }
    struct score score = {0};
    for (int i = 0; i < count; i++) {
        run_file(folder, entries[i]->d_name, &score);
        free(entries[i]);
    }
    free(entries);
    cmap_mongod_end();
    return verdict(&score);
}
