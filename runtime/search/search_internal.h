/* SPDX-License-Identifier: Apache-2.0 */
/* search_query.c reads the question, search_sync.c keeps the embedded index up to date,
 * search_embedded.c asks it, search_server.c asks MongoDB. */
#ifndef SEARCH_INTERNAL_H
#define SEARCH_INTERNAL_H

#include "search.h"

#include <sqlite3.h>

enum search_dialect { SEARCH_FTS5, SEARCH_MONGODB };
/** The question in the words of an engine, in *out. Nothing of it is syntax but quotes and a
 *  leading '-'. */
GLEANER_MUST_CHECK enum gleaner_status search_query(const char *question,
                                                    enum search_dialect dialect,
                                                    struct base_buffer *out,
                                                    struct base_error *error);

enum gleaner_status search_db_error(sqlite3 *db, struct base_error *error);
/** Bring the index to what the collection holds now. */
GLEANER_MUST_CHECK enum gleaner_status
search_sync(sqlite3 *index, struct store *store, const char *collection, struct base_error *error);

/* What is searched: the fields of pages and of the application's documents. */
#define SEARCH_BODY_FIELDS 4
extern const char *const search_body_fields[SEARCH_BODY_FIELDS];
#define SEARCH_META_FIELDS 4
extern const char *const search_meta_fields[SEARCH_META_FIELDS];

#endif
