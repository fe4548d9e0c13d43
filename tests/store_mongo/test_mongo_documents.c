/* SPDX-License-Identifier: Apache-2.0 */
#include "mongo_rig.h"
#include "store_internal.h"

#include <stdlib.h>
#include <string.h>

static struct mongo_rig rig;

static struct store_document document(const bson_t *bson, const char *key, const char *url)
{
    struct store_document d = {
        .collection = "pages", .bson = bson_get_data(bson), .bson_len = bson->len, .url = url};
    store_document_id("pages", key, strlen(key), d.id);
    return d;
}

static struct store_settled write_all(const struct store_document *documents, size_t count)
{
    struct store_settled out = {0};
    RIG_OK(&rig, rig.store->ops->write_documents(rig.store, documents, count, &out, &rig.error));
    return out;
}

Test(mongo_documents, old_data_with_the_same_unique_url_is_replaced_and_keeps_its_id, .timeout = 60)
{
    rig_start(&rig, NULL);
    rig_command(&rig,
                "{\"createIndexes\":\"pages\",\"indexes\":[{\"key\":{\"url\":1},\"name\":\"u\","
                "\"unique\":true}]}",
                NULL);
    rig_command(&rig,
                "{\"insert\":\"pages\",\"documents\":[{\"_id\":\"old\",\"url\":\"http://a/1\","
                "\"n\":1}]}",
                NULL);
    bson_t *one = BCON_NEW("url", "http://a/1", "n", BCON_INT32(2));
    bson_t *two = BCON_NEW("url", "http://a/2", "n", BCON_INT32(2));
    const struct store_document documents[] = {document(one, "1", "http://a/1"),
                                               document(two, "2", "http://a/2")};
    struct store_settled out = write_all(documents, 2);
    cr_expect_eq(out.documents_new, 1);
    cr_expect_eq(out.documents_replaced, 1);
    cr_expect_eq(out.documents_refused, 0);
    cr_expect_eq(rig_matching(&rig, "pages", "{\"_id\":\"old\",\"n\":2}"), 1);
    cr_expect_eq(rig_matching(&rig, "pages", "{}"), 2);
    bson_destroy(one);
    bson_destroy(two);
    rig_end(&rig);
}

Test(mongo_documents, a_document_that_is_wrong_costs_only_itself, .timeout = 60)
{
    rig_start(&rig, NULL);
    bson_t *good = BCON_NEW("n", BCON_INT32(1));
    bson_t bad = BSON_INITIALIZER;
    bson_append_utf8(&bad, "text", 4, "\xff\xfe", 2);
    uint32_t huge_len = 16u * 1024 * 1024 + 100;
    uint8_t *huge = calloc(1, huge_len);
    struct store_document documents[] = {document(good, "1", NULL), document(&bad, "2", NULL),
                                         document(good, "3", NULL), document(good, "4", NULL)};
    memcpy(huge, &huge_len, 4);
    documents[2].bson = huge;
    documents[2].bson_len = huge_len;
    struct store_settled out = write_all(documents, 4);
    cr_expect_eq(out.documents_new, 2);
    cr_expect_eq(out.documents_refused, 2);
    cr_expect_eq(rig_matching(&rig, "pages", "{}"), 2);
    free(huge);
    bson_destroy(good);
    bson_destroy(&bad);
    rig_end(&rig);
}

Test(mongo_documents, one_of_almost_16_megabytes_is_stored_and_replaced, .timeout = 60)
{
    rig_start(&rig, NULL);
    bson_t big = BSON_INITIALIZER;
    int len = 16 * 1024 * 1024 - 64;
    char *text = malloc((size_t)len);
    memset(text, 'x', (size_t)len);
    bson_append_utf8(&big, "t", 1, text, len - (int)big.len);
    const struct store_document d = document(&big, "1", NULL);
    cr_expect_eq(write_all(&d, 1).documents_new, 1);
    cr_expect_eq(write_all(&d, 1).documents_replaced, 1);
    cr_expect_eq(rig_matching(&rig, "pages", "{}"), 1);
    free(text);
    bson_destroy(&big);
    rig_end(&rig);
}

Test(mongo_documents, thousands_in_one_call_of_two_collections_all_arrive, .timeout = 60)
{
    enum { COUNT = 2500 };
    rig_start(&rig, NULL);
    static struct store_document documents[COUNT];
    static char keys[COUNT][8];
    bson_t *one = BCON_NEW("n", BCON_INT32(1));
    for (int i = 0; i < COUNT; i++) {
        snprintf(keys[i], sizeof keys[i], "%d", i);
        documents[i] = document(one, keys[i], NULL);
        documents[i].collection = i % 3 == 0 ? "files" : "pages";
    }
    cr_expect_eq(write_all(documents, COUNT).documents_new, COUNT);
    uint64_t n = 0, all = 0;
    RIG_OK(&rig, store_document_count(rig.store, "files", &n, &rig.error));
    RIG_OK(&rig, store_document_count(rig.store, NULL, &all, &rig.error));
    cr_expect_eq(n, 834);
    cr_expect_eq(all, COUNT);
    cr_expect_eq(write_all(documents, COUNT).documents_replaced, COUNT);
    bson_destroy(one);
    rig_end(&rig);
}

/* ---- what waited in the spool, and is refused now ---- */

struct entries {
    int waiting, refused, damaged;
    char urls[200];
};

static bool count_entry(void *ctx, const struct store_spool_entry *entry)
{
    struct entries *entries = ctx;
    cr_expect_not_null(entry->bson, "people can still read it");
    entries->waiting += !entry->is_refused && !entry->is_damaged;
    entries->damaged += entry->is_damaged;
    entries->refused += entry->is_refused;
    if (entry->is_refused) {
        size_t len = strlen(entries->urls);
        snprintf(entries->urls + len, sizeof entries->urls - len, "%s ", entry->url);
    }
    return true;
}

static bool is_up(void *ctx)
{
    (void)ctx;
    return true;
}

static void spool_numbers(struct store *local, int32_t count)
{
    struct store_settled out = {0};
    for (int32_t n = 1; n <= count; n++) {
        char key[16], url[32];
        snprintf(key, sizeof key, "%d", n);
        snprintf(url, sizeof url, "http://a/%d", n);
        bson_t *bson = BCON_NEW("n", BCON_INT32(n));
        const struct store_document d = document(bson, key, url);
        RIG_OK(&rig, store_spool_write(local, &d, 1, &out, &rig.error));
        bson_destroy(bson);
    }
    cr_assert_eq(out.documents_spooled, (uint64_t)count);
}

Test(mongo_documents, what_is_refused_on_its_way_out_of_the_spool_is_kept_aside, .timeout = 60)
{
    char directory[] = "/tmp/gleaner-refused-XXXXXX";
    struct store *local = NULL, *tiered = NULL;
    struct entries entries = {0};
    cr_assert_not_null(mkdtemp(directory));
    rig_start(&rig, NULL);
    rig_command(&rig, "{\"create\":\"pages\",\"validator\":{\"n\":{\"$nin\":[3,5]}}}", NULL);
    const struct store_sqlite_options files = {.directory = directory};
    RIG_OK(&rig, store_sqlite_open(&files, &local, &rig.error));
    spool_numbers(local, 6);
    const struct store_tiered_options options = {
        .local = local, .remote = rig.store, .remote_is_up = is_up};
    RIG_OK(&rig, store_tiered_open(&options, &tiered, &rig.error));
    RIG_OK(&rig, store_tiered_drain(tiered, base_mono_ns() + 30 * BASE_NS_PER_S));
    cr_expect_eq(rig_matching(&rig, "pages", "{}"), 4);
    struct store_spool_stats spool;
    store_tiered_spool(tiered, &spool);
    cr_expect_eq(spool.documents, 0);
    cr_expect_eq(spool.replayed, 4, "what was refused is not delivered");
    RIG_OK(&rig, store_spool_list(local, 0, count_entry, &entries, &rig.error));
    cr_expect_eq(entries.refused, 2);
    cr_expect_eq(entries.waiting + entries.damaged, 0);
    cr_expect_str_eq(entries.urls, "http://a/3 http://a/5 ");
    store_close(&tiered);
    store_close(&local);
    rig_end(&rig);
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", directory);
    cr_expect_eq(system(command), 0);
}
