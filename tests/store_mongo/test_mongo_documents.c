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
