/* SPDX-License-Identifier: Apache-2.0 */
/* The documents that are not from the primary, and how they are marked. */
#include "profile_internal.h"
#include <string.h>

/* reference/application.md, Fallback profiles */
bson_t *profile_document_default(const char *key, const char *name, const char *reason)
{
    bson_t *document = bson_new();
    bson_t child;
    BSON_APPEND_UTF8(document, key, name);
    BSON_APPEND_UTF8(document, "displayName", name);
    BSON_APPEND_UTF8(document, "about", "Temporary Profile - Connection Error");
    BSON_APPEND_ARRAY_BEGIN(document, "activeTriggers", &child);
    BSON_APPEND_UTF8(&child, "0", "BAMBI SLEEP");
    bson_append_array_end(document, &child);
    BSON_APPEND_DOCUMENT_BEGIN(document, "settings", &child);
    BSON_APPEND_UTF8(&child, "theme", "dark");
    bson_append_document_end(document, &child);
    BSON_APPEND_INT32(document, "xp", 0);
    BSON_APPEND_INT32(document, "level", 1);
    BSON_APPEND_BOOL(document, "isFallback", true);
    BSON_APPEND_UTF8(document, "fallbackReason", reason);
    return document;
}

static bool is_mark(const char *field)
{
    static const char *const marks[] = {"isStale", "staleAgeMs", "isFallback", "fallbackReason"};
    for (size_t i = 0; i < BASE_ARRAY_LEN(marks); i++) {
        if (strcmp(field, marks[i]) == 0) {
            return true;
        }
    }
    return false;
}

bson_t *profile_document_stale(const bson_t *known, uint64_t age_ms, const char *reason)
{
    bson_t *document = bson_new();
    bson_iter_t iter;
    if (bson_iter_init(&iter, known)) {
        while (bson_iter_next(&iter)) {
            if (!is_mark(bson_iter_key(&iter))) { /* one that was stored by mistake */
                bson_append_iter(document, NULL, -1, &iter);
            }
        }
    }
    BSON_APPEND_BOOL(document, "isStale", true);
    BSON_APPEND_INT64(document, "staleAgeMs", (int64_t)age_ms);
    BSON_APPEND_UTF8(document, "fallbackReason", reason);
    return document;
}
