/* SPDX-License-Identifier: Apache-2.0 */
/* Documents and small named values: the same for every body. */
#include "store_internal.h"
#include "store_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct store_settled put(struct rig *rig, const struct store_document *documents,
                                size_t count)
{
    struct store_settled settled;
    const struct store_settlement settlement = {.documents = documents, .document_count = count};
    RIG_OK(rig, store_settle(rig->queue, &settlement, &settled, &rig->error));
    return settled;
}

BEHAVIOUR(store_documents, the_same_id_replaces)
{
    struct rig_document first, second;
    uint64_t count = 0;
    rig_document(&first, "pages", "k", 1);
    rig_document(&second, "pages", "k", 2);
    cr_expect_eq(put(rig, &first.document, 1).documents_new, 1);
    cr_expect_eq(put(rig, &second.document, 1).documents_replaced, 1);
    cr_expect_eq(rig_stored(rig, "pages", "k"), 2);
    RIG_OK(rig, store_document_count(rig->store, "pages", &count, &rig->error));
    cr_expect_eq(count, 1);
}

BEHAVIOUR(store_documents, the_last_of_two_versions_in_one_settlement_stays)
{
    struct rig_document first, second;
    rig_document(&first, "pages", "k", 1);
    rig_document(&second, "pages", "k", 2);
    struct store_document both[] = {first.document, second.document};
    put(rig, both, 2);
    cr_expect_eq(rig_stored(rig, "pages", "k"), 2);
}

BEHAVIOUR(store_documents, collections_are_apart)
{
    struct rig_document here, there;
    uint64_t count = 0;
    rig_document(&here, "pages", "k", 1);
    rig_document(&there, "images", "k", 2);
    struct store_document both[] = {here.document, there.document};
    cr_expect_eq(put(rig, both, 2).documents_new, 2);
    cr_expect_eq(rig_stored(rig, "pages", "k"), 1);
    cr_expect_eq(rig_stored(rig, "images", "k"), 2);
    RIG_OK(rig, store_document_count(rig->store, "images", &count, &rig->error));
    cr_expect_eq(count, 1);
}

BEHAVIOUR(store_documents, a_document_that_is_too_large_is_refused_and_the_others_are_kept)
{
    struct rig_document good;
    uint32_t len = STORE_BSON_MAX_BYTES + 64;
    uint8_t *large = calloc(1, len);
    cr_assert_not_null(large);
    uint32_t inner = len - 13;
    memcpy(large, &len, 4);
    memcpy(large + 4, "\x05t", 3);
    memcpy(large + 7, &inner, 4);
    rig_document(&good, "pages", "good", 5);
    struct store_document both[] = {good.document, good.document};
    both[0].bson = large;
    both[0].bson_len = len;
    memset(both[0].id, 7, STORE_ID_BYTES);
    struct store_settled settled = put(rig, both, 2);
    cr_expect_eq(settled.documents_refused, 1);
    cr_expect_eq(settled.documents_new, 1);
    cr_expect_eq(rig_stored(rig, "pages", "good"), 5);
    free(large);
}

struct order {
    uint8_t last[STORE_ID_BYTES];
    size_t rows, stop_at;
};

static bool in_order(void *ctx, const char *collection, const uint8_t *bson, uint32_t len)
{
    struct order *order = ctx;
    cr_expect_str_eq(collection, "pages");
    cr_expect_eq(len, 12 + 17);
    cr_expect_gt(memcmp(bson + 9, order->last, STORE_ID_BYTES), 0);
    memcpy(order->last, bson + 9, STORE_ID_BYTES);
    return ++order->rows != order->stop_at;
}

BEHAVIOUR(store_documents, a_walk_gives_each_document_once_in_order_of_id)
{
    struct rig_document documents[20];
    struct order order = {.rows = 0}, part = {.stop_at = 3};
    for (int i = 0; i < 20; i++) {
        char key[8];
        snprintf(key, sizeof key, "%d", i);
        rig_document(&documents[i], "pages", key, i);
        put(rig, &documents[i].document, 1);
    }
    RIG_OK(rig, store_documents(rig->store, "pages", in_order, &order, &rig->error));
    cr_expect_eq(order.rows, 20);
    RIG_OK(rig, store_documents(rig->store, "pages", in_order, &part, &rig->error));
    cr_expect_eq(part.rows, 3);
}

BEHAVIOUR(store_documents, an_unknown_collection_is_empty)
{
    uint64_t count = 9;
    struct order order = {.rows = 0};
    RIG_OK(rig, store_document_count(rig->store, "nothing", &count, &rig->error));
    cr_expect_eq(count, 0);
    RIG_OK(rig, store_documents(rig->store, "nothing", in_order, &order, &rig->error));
    cr_expect_eq(order.rows, 0);
}

BEHAVIOUR(store_meta, a_value_is_put_replaced_and_read)
{
    struct base_buffer value = {0};
    cr_expect_eq(store_meta_get(rig->store, "crawl/1", &value, &rig->error), GLEANER_E_NOT_FOUND);
    RIG_OK(rig, store_meta_put(rig->store, "crawl/1", "one", &rig->error));
    RIG_OK(rig, store_meta_put(rig->store, "crawl/1", "{\"two\": 2}", &rig->error));
    RIG_OK(rig, store_meta_get(rig->store, "crawl/1", &value, &rig->error));
    cr_expect_str_eq(value.data, "{\"two\": 2}");
    base_buffer_fini(&value);
}
