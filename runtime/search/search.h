/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file search.h
 * The door of runtime/search: words in stored documents. The same question means the same on both
 * stores: all words must be there, `-word` must not, "two words" stand together; letters in either
 * case, accents ignored, no stemming. Best first, at most `limit`.
 *
 * Embedded: an FTS5 index in a file of its own beside the store's; each search first brings it up
 * to date, so a running process pays nothing for it. MongoDB: a text index, made on request only,
 * since every later write pays for it.
 */
#ifndef SEARCH_H
#define SEARCH_H

#include "base.h"
#include "gleaner/db.h"
#include "store.h"

#define SEARCH_MAX_QUERY_BYTES 1000
#define SEARCH_MAX_TERMS 32
#define SEARCH_MAX_LIMIT 1000
#define SEARCH_INDEX_FILE "gleaner.search.db"
#define SEARCH_INDEX_NAME "gleaner_text"

struct search_options {
    const char *query;
    const char *collection;
    uint32_t limit; /* 1..SEARCH_MAX_LIMIT */
};
struct search_hit {
    double score;            /* larger is better; comparable within one search only */
    const char *title, *url; /* url: or the file's path; "" when there is none */
    const char *id;          /* of the document, in hex or as the server writes it */
    const char *excerpt;     /* around a word, "" when there is none */
};
typedef bool (*search_row)(void *ctx, const struct search_hit *hit);

/**
 * Search an embedded store (one opened read-only beside a running process will do). `directory` is
 * the store's: the index is there.
 *
 * Thread:  [any]; one search at a time writes the index, others wait up to 10 s for it.
 * Errors:  GLEANER_E_INVALID no word in the query, or too many; GLEANER_E_IO, GLEANER_E_FULL the
 *          index cannot be written; GLEANER_E_UNSUPPORTED this SQLite has no FTS5; those of
 *          store_documents().
 */
GLEANER_MUST_CHECK enum gleaner_status search_embedded(struct store *store, const char *directory,
                                                       const struct search_options *options,
                                                       search_row row, void *ctx,
                                                       struct base_error *error);
/**
 * Search a collection of a server by its text index. database NULL = the URI's.
 * Errors:  GLEANER_E_NOT_FOUND it has no text index; GLEANER_E_INVALID as above; the server's.
 */
GLEANER_MUST_CHECK enum gleaner_status search_server(struct gleaner_db *db, const char *database,
                                                     const struct search_options *options,
                                                     uint32_t timeout_ms, search_row row, void *ctx,
                                                     struct base_error *error);
/** Make that index if it is missing. */
GLEANER_MUST_CHECK enum gleaner_status
search_server_index(struct gleaner_db *db, const char *database, const char *collection,
                    uint32_t timeout_ms, struct base_error *error);

#endif
