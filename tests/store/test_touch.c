/* SPDX-License-Identifier: Apache-2.0 */
/* Documents by id, and dates that are renewed without the rest: the same for every body. */
#include "store_internal.h"
#include "store_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* {"text": TEXT, "n": null, "fetched_at": date, "after": int32} */
struct page {
    struct store_document document;
    uint8_t *bson;
};

static void append(struct page *page, const void *bytes, size_t len)
{
    memcpy(page->bson + page->document.bson_len, bytes, len);
    page->document.bson_len += (uint32_t)len;
}

static void page_make(struct page *page, const char *key, size_t text_len, int64_t fetched_at)
{
    static const char text[] = "\x02text", none[] = "\x0An",
                      date[] = "\x09"
                               "fetched_at",
                      after[] = "\x10"
                                "after\0\x07\0\0";
    uint32_t string_len = (uint32_t)text_len + 1;
    *page = (struct page){.bson = calloc(1, text_len + 128)};
    cr_assert_not_null(page->bson);
    page->document.bson_len = 4;
    append(page, text, sizeof text);
    append(page, &string_len, 4);
    memset(page->bson + page->document.bson_len, 't', text_len);
    page->document.bson_len += string_len;
    append(page, none, sizeof none);
    append(page, date, sizeof date);
    append(page, &fetched_at, 8);
    append(page, after, sizeof after);
    append(page, "", 1);
    memcpy(page->bson, &page->document.bson_len, 4);
    page->document.bson = page->bson;
    page->document.collection = "pages";
    store_document_id("pages", key, strlen(key), page->document.id);
}

static struct store_settled settle(struct rig *rig, const struct store_settlement *settlement)
{
    struct store_settled settled;
    RIG_OK(rig, store_settle(rig->queue, settlement, &settled, &rig->error));
    return settled;
}

static void put(struct rig *rig, const char *key, size_t text_len, int64_t fetched_at)
{
    struct page page;
    page_make(&page, key, text_len, fetched_at);
    settle(rig, &(struct store_settlement){.documents = &page.document, .document_count = 1});
    free(page.bson);
}

static uint64_t touch(struct rig *rig, const char *collection, const char *key, const char *field,
                      int64_t ms)
{
    struct store_touch one = {.collection = collection, .field = field, .ms_since_1970 = ms};
    store_document_id("pages", key, strlen(key), one.id);
    return settle(rig, &(struct store_settlement){.touches = &one, .touch_count = 1})
        .documents_touched;
}

struct seen {
    size_t rows, stop_at;
    int64_t date;  /* of the last row; 0 = it has none */
    uint64_t rest; /* hash of the document without the date */
};

static const uint8_t *find(const uint8_t *bson, uint32_t len, const void *what, size_t what_len)
{
    return memmem(bson, len, what, what_len);
}

static bool see(void *ctx, const char *collection, const uint8_t *bson, uint32_t len)
{
    struct seen *seen = ctx;
    const uint8_t *at = find(bson, len,
                             "\x09"
                             "fetched_at",
                             12);
    cr_expect_str_eq(collection, "pages");
    cr_expect_not_null(find(bson, len, "\x07_id", 5));
    seen->date = 0;
    if (at != NULL) {
        memcpy(&seen->date, at + 12, 8);
        uint8_t *copy = malloc(len);
        cr_assert_not_null(copy);
        memcpy(copy, bson, len);
        memset(copy + (at + 12 - bson), 0, 8);
        seen->rest = base_hash64(copy, len);
        free(copy);
    }
    return ++seen->rows != seen->stop_at;
}

static struct seen get(struct rig *rig, size_t count, const char *const *keys,
                       const char *const *fields, size_t stop_at)
{
    struct seen seen = {.stop_at = stop_at};
    uint8_t ids[8][STORE_ID_BYTES];
    for (size_t i = 0; i < count; i++) {
        store_document_id("pages", keys[i], strlen(keys[i]), ids[i]);
    }
    RIG_OK(rig, store_documents_get(rig->store, "pages", (const uint8_t(*)[STORE_ID_BYTES])ids,
                                    count, fields, see, &seen, &rig->error));
    return seen;
}

static const char *const dates[] = {"fetched_at", NULL};

BEHAVIOUR(store_touch, a_date_is_renewed_and_the_rest_stays)
{
    static const char *const key[] = {"k"};
    put(rig, "k", 50000, 1111);
    uint64_t before = get(rig, 1, key, NULL, 0).rest;
    cr_expect_eq(touch(rig, "pages", "k", "fetched_at", 0x123456789ABLL), 1);
    struct seen seen = get(rig, 1, key, NULL, 0);
    cr_expect_eq(seen.date, 0x123456789ABLL);
    cr_expect_eq(seen.rest, before);
}

BEHAVIOUR(store_touch, what_is_not_there_or_no_date_is_left_alone)
{
    static const char *const key[] = {"k"};
    put(rig, "k", 10, 1111);
    cr_expect_eq(touch(rig, "pages", "other", "fetched_at", 5), 0);
    cr_expect_eq(touch(rig, "images", "k", "fetched_at", 5), 0);
    cr_expect_eq(touch(rig, "pages", "k", "text", 5), 0);
    cr_expect_eq(touch(rig, "pages", "k", "n", 5), 0);
    cr_expect_eq(touch(rig, "pages", "k", "fetched", 5), 0);
    cr_expect_eq(get(rig, 1, key, dates, 0).date, 1111);
    cr_expect_eq(get(rig, 1, key, NULL, 0).rows, 1);
}

BEHAVIOUR(store_touch, touches_travel_with_documents_and_outcomes)
{
    static const char *const url[] = {"http://a/1"}, *const keys[] = {"old"};
    struct store_jobs jobs = {0};
    struct page page;
    put(rig, "old", 10, 1);
    rig_put_urls(rig, 1, url);
    cr_assert_eq(rig_claim(rig, 1, 60000, &jobs), 1);
    struct store_outcome outcome = rig_outcome(&jobs.jobs[0], STORE_DONE);
    struct store_touch one = {.collection = "pages", .field = "fetched_at", .ms_since_1970 = 2};
    store_document_id("pages", "old", 3, one.id);
    page_make(&page, "new", 10, 7);
    struct store_settled settled =
        settle(rig, &(struct store_settlement){.documents = &page.document,
                                               .document_count = 1,
                                               .touches = &one,
                                               .touch_count = 1,
                                               .outcomes = &outcome,
                                               .outcome_count = 1});
    cr_expect_eq(settled.documents_new, 1);
    cr_expect_eq(settled.documents_touched, 1);
    cr_expect_eq(rig_counts(rig).done, 1);
    cr_expect_eq(get(rig, 1, keys, dates, 0).date, 2);
    store_jobs_fini(&jobs);
    free(page.bson);
}

BEHAVIOUR(store_get, documents_are_found_by_their_ids)
{
    static const char *const keys[] = {"a", "missing", "c"};
    put(rig, "a", 30000, 1);
    put(rig, "b", 30000, 2);
    put(rig, "c", 30000, 3);
    cr_expect_eq(get(rig, 3, keys, NULL, 0).rows, 2);
    cr_expect_eq(get(rig, 3, keys, dates, 0).rows, 2);
    cr_expect_eq(get(rig, 3, keys, NULL, 1).rows, 1, "the row said that it is enough");
    cr_expect_eq(get(rig, 0, keys, NULL, 0).rows, 0);
}

BEHAVIOUR(store_get, any_document_tells_whether_there_is_one)
{
    struct seen seen = {0};
    RIG_OK(rig, store_documents_get(rig->store, "pages", NULL, 1, dates, see, &seen, &rig->error));
    cr_expect_eq(seen.rows, 0);
    put(rig, "a", 10, 1);
    put(rig, "b", 10, 1);
    RIG_OK(rig, store_documents_get(rig->store, "pages", NULL, 1, dates, see, &seen, &rig->error));
    cr_expect_eq(seen.rows, 1);
}

Test(store_touch_tiered, a_remote_that_is_away_lets_a_date_go_and_tells_who_asks_for_documents,
     .timeout = 60)
{
    struct rig rig;
    struct seen seen = {0};
    static const char *const key[] = {"k"};
    uint8_t id[1][STORE_ID_BYTES];
    cr_assert(rig_open(&rig, RIG_TIERED));
    put(&rig, "k", 10, 1111);
    store_document_id("pages", "k", 1, id[0]);
    failing_store_set_up(rig.failing, false);
    cr_expect_eq(touch(&rig, "pages", "k", "fetched_at", 5), 0);
    cr_expect_eq(store_documents_get(rig.store, "pages", (const uint8_t(*)[STORE_ID_BYTES])id, 1,
                                     NULL, see, &seen, &rig.error),
                 GLEANER_E_DOWN);
    failing_store_set_up(rig.failing, true);
    failing_store_set(rig.failing, FAILING_BEFORE, GLEANER_E_NETWORK);
    cr_expect_eq(touch(&rig, "pages", "k", "fetched_at", 5), 0);
    failing_store_set(rig.failing, FAILING_NOT, GLEANER_OK);
    cr_expect_eq(get(&rig, 1, key, dates, 0).date, 1111);
    rig_close(&rig);
}

Test(store_touch_tiered, a_document_that_waits_in_the_spool_is_as_good_as_absent, .timeout = 60)
{
    struct rig rig;
    static const char *const key[] = {"k"};
    cr_assert(rig_open(&rig, RIG_TIERED));
    put(&rig, "k", 10, 1111);
    cr_expect_eq(get(&rig, 1, key, NULL, 0).rows, 1);
    failing_store_set(rig.failing, FAILING_BEFORE, GLEANER_E_NETWORK);
    put(&rig, "k", 10, 2222);
    cr_expect_eq(get(&rig, 1, key, NULL, 0).rows, 0);
    failing_store_set(rig.failing, FAILING_NOT, GLEANER_OK);
    rig_close(&rig);
}
