/* SPDX-License-Identifier: Apache-2.0 */
/* The index of an embedded store follows what is stored. */
#include "search.h"

#include <bson/bson.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char directory[64];
static struct store *store;
static struct store_queue *queue;
static struct base_error error;
static struct base_buffer found; /* "url " of each hit, best first */
static struct search_options options;

static void open_store(void)
{
    (void)snprintf(directory, sizeof directory, "/tmp/gleaner_search.XXXXXX");
    cr_assert_not_null(mkdtemp(directory));
    const struct store_sqlite_options how = {.directory = directory};
    cr_assert_eq(store_sqlite_open(&how, &store, &error), GLEANER_OK, "%s", error.message);
    cr_assert_eq(store_queue_open(store, "q", &queue, &error), GLEANER_OK);
    options = (struct search_options){.collection = "pages", .limit = 10};
}

static void close_store(void)
{
    char command[100];
    store_queue_close(&queue);
    store_close(&store);
    base_buffer_fini(&found);
    (void)snprintf(command, sizeof command, "rm -r %s", directory);
    cr_expect_eq(system(command), 0);
}

TestSuite(search_embedded, .init = open_store, .fini = close_store, .timeout = 30);

static void put_into(const char *collection, const char *url, const char *title, const char *text)
{
    bson_t *bson =
        BCON_NEW("url", BCON_UTF8(url), "title", BCON_UTF8(title), "text", BCON_UTF8(text),
                 "metadata", "{", "keywords", "[", BCON_UTF8("keyword"), "]", "}");
    struct store_document document = {
        .collection = collection, .bson = bson_get_data(bson), .bson_len = bson->len, .url = url};
    store_document_id(collection, url, strlen(url), document.id);
    const struct store_settlement settlement = {.documents = &document, .document_count = 1};
    struct store_settled settled;
    cr_assert_eq(store_settle(queue, &settlement, &settled, &error), GLEANER_OK, "%s",
                 error.message);
    bson_destroy(bson);
}

static void put(const char *url, const char *title, const char *text)
{
    put_into("pages", url, title, text);
}

static bool note(void *ctx, const struct search_hit *hit)
{
    (void)ctx;
    cr_expect_eq(strlen(hit->id), 24);
    base_buffer_printf(&found, "%s ", hit->url);
    return true;
}

static const char *look_for(const char *query)
{
    base_buffer_reset(&found, 0);
    options.query = query;
    enum gleaner_status status = search_embedded(store, directory, &options, note, NULL, &error);
    cr_assert_eq(status, GLEANER_OK, "%s", error.message);
    return found.len > 0 ? found.data : "";
}

Test(search_embedded, finds_words_phrases_and_leaves_out_what_is_excluded)
{
    put("u1", "First", "the quick brown fox");
    put("u2", "Second", "the quick red fox jumps; brown bear");
    cr_expect_str_eq(look_for("quick red"), "u2 ");
    cr_expect_str_eq(look_for("\"brown fox\""), "u1 ");
    cr_expect_str_eq(look_for("QUICK -red"), "u1 ");
    cr_expect_str_eq(look_for("keyword first"), "u1 ", "keywords and title are searched");
    cr_expect_str_eq(look_for("wolf"), "");
}

Test(search_embedded, a_title_counts_more_than_a_text)
{
    put("u1", "Other", "needle needle and hay");
    put("u2", "Needle", "hay and hay and hay and hay");
    cr_expect_str_eq(look_for("needle"), "u2 u1 ");
    options.limit = 1;
    cr_expect_str_eq(look_for("needle"), "u2 ");
}

Test(search_embedded, follows_what_is_added_and_replaced)
{
    put("u1", "T", "old words");
    cr_expect_str_eq(look_for("old"), "u1 ");
    put("u1", "T", "new words");
    put("u2", "T", "more words");
    cr_expect_str_eq(look_for("old"), "");
    cr_expect_str_eq(look_for("new"), "u1 ");
    cr_expect_str_eq(look_for("more"), "u2 ");
}

Test(search_embedded, collections_do_not_see_each_other)
{
    put("u1", "T", "words");
    put_into("others", "u2", "T", "words");
    cr_expect_str_eq(look_for("words"), "u1 ");
    options.collection = "others";
    cr_expect_str_eq(look_for("words"), "u2 ");
    options.collection = "pages";
    cr_expect_str_eq(look_for("words"), "u1 ");
}

Test(search_embedded, an_index_that_was_lost_is_made_again)
{
    char path[128];
    put("u1", "T", "words");
    cr_expect_str_eq(look_for("words"), "u1 ");
    (void)snprintf(path, sizeof path, "%s/" SEARCH_INDEX_FILE, directory);
    cr_assert_eq(unlink(path), 0);
    cr_expect_str_eq(look_for("words"), "u1 ");
}

Test(search_embedded, accents_and_case_do_not_matter)
{
    put("u1", "T",
        "Caf\xc3\xa9 \xc3\x9c"
        "ber");
    cr_expect_str_eq(look_for("cafe uber"), "u1 ");
}
