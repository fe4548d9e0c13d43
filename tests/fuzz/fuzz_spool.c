/* SPDX-License-Identifier: Apache-2.0 */
/* Documents on their way through the spool: any bytes as BSON. What is taken for sane is what a
 * reader can walk, comes back from the spool as it went in, and fits into a server's batch; what is
 * not sane leaves the documents beside it alone. */
#include "fuzz.h"
#include "store_internal.h"
#include "store_mongo_internal.h"
#include "sync.h"
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct store *spool;
static char folder[] = "/tmp/gleaner-fuzz.XXXXXX";

static void remove_folder(void)
{
    char path[80];
    store_close(&spool);
    (void)snprintf(path, sizeof path, "%s/lock", folder);
    (void)unlink(path);
    (void)rmdir(folder);
}

static void open_spool(void)
{
    struct base_error error = {0};
    if (spool != NULL) {
        return;
    }
    sync_init();
    base_log_set_level(BASE_LOG_ERROR);
    FUZZ_CHECK(mkdtemp(folder) != NULL);
    const struct store_sqlite_options options = {.directory = folder, .in_memory = true};
    FUZZ_CHECK(store_sqlite_open(&options, &spool, &error) == GLEANER_OK);
    FUZZ_CHECK(atexit(remove_folder) == 0);
}

struct expected {
    const uint8_t *bson;
    uint32_t len;
    bool is_seen;
};

/* The elements behind the `_id` that the spool put in front. */
static bool look(void *ctx, const struct store_spool_entry *entry)
{
    struct expected *expected = ctx;
    if (strcmp(entry->collection, "fuzz") == 0) {
        uint32_t tail = expected->len - 4;
        FUZZ_CHECK(!entry->is_damaged && entry->bytes == expected->len);
        FUZZ_CHECK(entry->bson_len > tail &&
                   memcmp(entry->bson + entry->bson_len - tail, expected->bson + 4, tail) == 0);
        expected->is_seen = true;
    }
    return true;
}

static void walk(const uint8_t *data, size_t size)
{
    bson_t document;
    FUZZ_CHECK(bson_init_static(&document, data, size));
    bson_iter_t at;
    FUZZ_CHECK(bson_iter_init(&at, &document));
    while (bson_iter_next(&at)) {
        (void)bson_iter_type(&at);
    }
    char *json = bson_as_relaxed_extended_json(&document, NULL);
    bson_free(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct base_error error = {0};
    struct store_settled settled = {0};
    struct store_document document = {
        .collection = "fuzz", .bson = data, .bson_len = (uint32_t)size, .url = "http://h.test/"};
    open_spool();
    if (size <= UINT32_MAX && store_bson_check(data, (uint32_t)size)) {
        FUZZ_CHECK(store_document_is_sane(&document));
        walk(data, size);
    }
    bool is_sane = store_document_is_sane(&document);
    FUZZ_CHECK(store_spool_write(spool, &document, 1, &settled, &error) == GLEANER_OK);
    FUZZ_CHECK(settled.documents_refused == (is_sane ? 0 : 1));
    if (is_sane) { /* one id: it replaced the one before */
        struct expected expected = {.bson = data, .len = (uint32_t)size};
        FUZZ_CHECK(store_spool_list(spool, 0, look, &expected, &error) == GLEANER_OK);
        FUZZ_CHECK(expected.is_seen);
    }
    return 0;
}
