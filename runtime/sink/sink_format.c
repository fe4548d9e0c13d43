/* SPDX-License-Identifier: Apache-2.0 */
/* JSON Lines, and what a document looks like with its id. */
#include "sink_internal.h"

#include <bson/bson.h>

bool sink_json(const uint8_t id[12], const uint8_t *bson, uint32_t len, struct base_buffer *out)
{
    bson_t document;
    if (!bson_init_static(&document, bson, len)) {
        return false;
    }
    size_t text_len = 0;
    char *text = bson_as_relaxed_extended_json(&document, &text_len);
    bool is_good = text != NULL && text_len >= 2;
    const char *rest = text;
    if (is_good && id != NULL) {
        char hex[25];
        bson_oid_t oid;
        bson_oid_init_from_data(&oid, id);
        bson_oid_to_string(&oid, hex);
        bool is_empty = bson_empty(&document);
        base_buffer_printf(out, "{ \"_id\" : { \"$oid\" : \"%s\" }%s", hex, is_empty ? " }" : ",");
        rest = text + (is_empty ? text_len : 1);
    }
    is_good = is_good && base_buffer_append(out, rest, (size_t)(text + text_len - rest)) &&
              base_buffer_append_char(out, '\n');
    bson_free(text);
    return is_good;
}
