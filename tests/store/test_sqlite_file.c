/* SPDX-License-Identifier: Apache-2.0 */
/* What may be wrong with the directory or the file, each with its own words; and that nothing is
 * overwritten. */
#include "store_rig.h"
#include "store_sqlite_internal.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum gleaner_status try_open(const char *directory, struct base_error *error)
{
    struct store *store = NULL;
    const struct store_sqlite_options options = {.directory = directory, .durable = true};
    enum gleaner_status status = store_sqlite_open(&options, &store, error);
    cr_expect_eq(store != NULL, status == GLEANER_OK);
    store_close(&store);
    return status;
}

static void expect_words(const struct base_error *error, const char *words)
{
    cr_expect_not_null(strstr(error->message, words), "\"%s\" lacks \"%s\"", error->message, words);
}

static uint64_t file_hash(const char *directory, const char *name)
{
    static char bytes[8 << 20];
    char path[128];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "rb");
    cr_assert_not_null(file);
    size_t len = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    return base_hash64(bytes, len);
}

static void copy_file(const char *from, const char *to, const char *name, off_t cut_to)
{
    char command[400];
    snprintf(command, sizeof command, "cp %s/%s %s/%s", from, name, to, name);
    cr_assert_eq(system(command), 0);
    if (cut_to >= 0) {
        snprintf(command, sizeof command, "%s/%s", to, name);
        cr_assert_eq(truncate(command, cut_to), 0);
    }
}

static off_t file_size(const char *directory, const char *name)
{
    struct stat info;
    char path[128];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return stat(path, &info) == 0 ? info.st_size : -1;
}

/* Documents for about `count` x 60 KB, then optionally folded into the main file. */
static void fill(struct rig *rig, int count, bool fold)
{
    static uint8_t bson[60000] = {0x60, 0xea, 0, 0, 0x05, 't', 0, 0x53, 0xea};
    static int n;
    for (int i = 0; i < count; i++) {
        struct store_settled settled;
        struct store_document document = {
            .collection = "pages", .bson = bson, .bson_len = sizeof bson};
        char key[16];
        store_document_id("pages", key, (size_t)snprintf(key, sizeof key, "%d", n++), document.id);
        const struct store_settlement settlement = {.documents = &document, .document_count = 1};
        RIG_OK(rig, store_settle(rig->queue, &settlement, &settled, &rig->error));
    }
    if (fold) {
        struct store_sqlite *s = (struct store_sqlite *)rig->store;
        cr_assert_eq(sqlite3_exec(s->db, "PRAGMA wal_checkpoint(TRUNCATE)", NULL, NULL, NULL), 0);
    }
}

Test(store_file, a_directory_is_made_with_its_parents)
{
    char directory[64], deep[96];
    struct base_error error;
    rig_make_directory(directory);
    snprintf(deep, sizeof deep, "%s/a/b/c", directory);
    cr_expect_eq(try_open(deep, &error), GLEANER_OK);
    cr_expect_eq(try_open(deep, &error), GLEANER_OK);
    rig_remove_directory(directory);
}

Test(store_file, an_unwritable_directory_is_named)
{
    struct base_error error;
    cr_expect_eq(try_open("/proc/gleaner-data", &error), GLEANER_E_IO);
    expect_words(&error, "/proc/gleaner-data");
}

Test(store_file, a_file_in_place_of_the_directory_is_told)
{
    char directory[64], file[96];
    struct base_error error;
    rig_make_directory(directory);
    snprintf(file, sizeof file, "%s/file", directory);
    close(open(file, O_CREAT | O_WRONLY, 0600));
    cr_expect_eq(try_open(file, &error), GLEANER_E_IO);
    expect_words(&error, "is a file");
    rig_remove_directory(directory);
}

Test(store_file, a_second_opener_is_told_the_pid_of_the_first)
{
    char directory[64], pid[32];
    struct base_error error;
    rig_make_directory(directory);
    struct store *store = rig_open_sqlite(directory, &error);
    cr_expect_eq(try_open(directory, &error), GLEANER_E_BUSY);
    snprintf(pid, sizeof pid, "pid %ld", (long)getpid());
    expect_words(&error, pid);
    store_close(&store);
    cr_expect_eq(try_open(directory, &error), GLEANER_OK, "an old lock file is harmless");
    rig_remove_directory(directory);
}

Test(store_file, a_cut_off_file_is_refused_and_left_as_it_is)
{
    struct rig rig;
    char copy[64];
    cr_assert(rig_open(&rig, RIG_EMBEDDED));
    fill(&rig, 10, true);
    rig_make_directory(copy);
    off_t size = file_size(rig.directory, "gleaner.db");
    const off_t cuts[] = {size / 2, size - 8192, size - 1, 8192, 100, 50};
    for (size_t i = 0; i < BASE_ARRAY_LEN(cuts); i++) {
        copy_file(rig.directory, copy, "gleaner.db", cuts[i]);
        uint64_t before = file_hash(copy, "gleaner.db");
        cr_expect_eq(try_open(copy, &rig.error), GLEANER_E_CORRUPT, "cut to %lld",
                     (long long)cuts[i]);
        expect_words(&rig.error, "gleaner.db");
        expect_words(&rig.error, ".recover");
        cr_expect_eq(file_hash(copy, "gleaner.db"), before);
    }
    rig_close(&rig);
    rig_remove_directory(copy);
}

Test(store_file, a_cut_off_file_beside_its_log_is_refused_and_left_as_it_is)
{
    struct rig rig;
    char copy[64];
    cr_assert(rig_open(&rig, RIG_EMBEDDED));
    fill(&rig, 10, true);
    fill(&rig, 2, false);
    rig_make_directory(copy);
    copy_file(rig.directory, copy, "gleaner.db-wal", -1);
    copy_file(rig.directory, copy, "gleaner.db",
              file_size(rig.directory, "gleaner.db") / 2 / 8192 * 8192);
    uint64_t before = file_hash(copy, "gleaner.db");
    cr_expect_eq(try_open(copy, &rig.error), GLEANER_E_CORRUPT);
    expect_words(&rig.error, "cut off");
    cr_expect_eq(file_hash(copy, "gleaner.db"), before);
    rig_close(&rig);
    rig_remove_directory(copy);
}

Test(store_file, a_file_that_a_crash_left_with_its_log_is_whole)
{
    struct rig rig, again = {0};
    char copy[64];
    uint64_t count = 0;
    cr_assert(rig_open(&rig, RIG_EMBEDDED));
    fill(&rig, 3, true);
    fill(&rig, 4, false);
    rig_make_directory(copy);
    copy_file(rig.directory, copy, "gleaner.db-wal", -1);
    copy_file(rig.directory, copy, "gleaner.db", -1);
    again.store = rig_open_sqlite(copy, &again.error);
    RIG_OK(&again, store_document_count(again.store, "pages", &count, &again.error));
    cr_expect_eq(count, 7);
    store_close(&again.store);
    rig_close(&rig);
    rig_remove_directory(copy);
}

Test(store_file, a_crash_in_mid_checkpoint_leaves_a_short_file_that_is_whole_with_its_log)
{
    struct rig rig, again = {0};
    char copy[64];
    uint64_t count = 0;
    cr_assert(rig_open(&rig, RIG_EMBEDDED));
    rig_make_directory(copy);
    fill(&rig, 5, false);
    copy_file(rig.directory, copy, "gleaner.db-wal", -1); /* everything is still in the log */
    struct store_sqlite *s = (struct store_sqlite *)rig.store;
    cr_assert_eq(sqlite3_exec(s->db, "PRAGMA wal_checkpoint(PASSIVE)", NULL, NULL, NULL), 0);
    copy_file(rig.directory, copy, "gleaner.db", 3 * 8192); /* new header, last pages not there */
    again.store = rig_open_sqlite(copy, &again.error);
    RIG_OK(&again, store_document_count(again.store, "pages", &count, &again.error));
    cr_expect_eq(count, 5);
    store_close(&again.store);
    rig_close(&rig);
    rig_remove_directory(copy);
}

Test(store_file, a_file_that_is_no_database_is_refused)
{
    char directory[64], path[96];
    struct base_error error;
    rig_make_directory(directory);
    snprintf(path, sizeof path, "%s/gleaner.db", directory);
    FILE *file = fopen(path, "w");
    fputs("precious notes, not a database, long enough to look like a header of one, really; "
          "and some more of it\n",
          file);
    fclose(file);
    uint64_t before = file_hash(directory, "gleaner.db");
    cr_expect_eq(try_open(directory, &error), GLEANER_E_CORRUPT);
    expect_words(&error, "no SQLite database");
    cr_expect_eq(file_hash(directory, "gleaner.db"), before);
    rig_remove_directory(directory);
}

static void make_database(const char *directory, const char *sql)
{
    char path[96];
    sqlite3 *db;
    snprintf(path, sizeof path, "%s/gleaner.db", directory);
    cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

Test(store_file, a_database_of_another_program_is_left_alone)
{
    char directory[64];
    struct base_error error;
    rig_make_directory(directory);
    make_database(directory, "CREATE TABLE recipes(name); INSERT INTO recipes VALUES('soup')");
    uint64_t before = file_hash(directory, "gleaner.db");
    cr_expect_eq(try_open(directory, &error), GLEANER_E_CONFIG);
    expect_words(&error, "another program");
    cr_expect_eq(file_hash(directory, "gleaner.db"), before);
    rig_remove_directory(directory);
}

Test(store_file, a_file_of_a_newer_version_is_refused_with_both_versions)
{
    char directory[64];
    struct base_error error;
    rig_make_directory(directory);
    cr_assert_eq(try_open(directory, &error), GLEANER_OK);
    make_database(directory, "PRAGMA user_version = 4711");
    cr_expect_eq(try_open(directory, &error), GLEANER_E_UNSUPPORTED);
    expect_words(&error, "4711");
    rig_remove_directory(directory);
}

Test(store_file, a_reader_sees_a_running_store_and_may_not_write)
{
    struct rig rig, reader = {0};
    uint64_t count = 0;
    cr_assert(rig_open(&rig, RIG_EMBEDDED));
    fill(&rig, 2, false);
    rig_put_urls(&rig, 1, (const char *[]){"http://a/1"});
    const struct store_sqlite_options options = {.directory = rig.directory, .read_only = true};
    RIG_OK(&reader, store_sqlite_open(&options, &reader.store, &reader.error));
    RIG_OK(&reader, store_document_count(reader.store, "pages", &count, &reader.error));
    cr_expect_eq(count, 2);
    RIG_OK(&reader, store_queue_open(reader.store, "crawl/test", &reader.queue, &reader.error));
    cr_expect_eq(rig_counts(&reader).ready, 1);
    rig_put_urls(&rig, 1, (const char *[]){"http://a/2"});
    cr_expect_eq(rig_counts(&reader).ready, 2);
    cr_expect_eq(store_meta_put(reader.store, "a", "b", &reader.error), GLEANER_E_REFUSED);
    store_queue_close(&reader.queue);
    store_close(&reader.store);
    rig_close(&rig);
}

Test(store_file, a_reader_of_an_empty_directory_is_told_so)
{
    char directory[64];
    struct base_error error;
    struct store *store = NULL;
    rig_make_directory(directory);
    const struct store_sqlite_options options = {.directory = directory, .read_only = true};
    cr_expect_eq(store_sqlite_open(&options, &store, &error), GLEANER_E_NOT_FOUND);
    rig_remove_directory(directory);
}
