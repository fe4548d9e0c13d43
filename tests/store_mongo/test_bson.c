/* SPDX-License-Identifier: Apache-2.0 */
#include "store_mongo_internal.h"

#include <criterion/criterion.h>
#include <string.h>

static bson_t *every_type(void)
{
    bson_t *b = BCON_NEW("d", BCON_DOUBLE(1.5), "s", "text \xc3\xa4", "o", "{", "a", "[",
                         BCON_INT32(1), "{", "x", BCON_NULL, "}", "]", "}", "t", BCON_BOOL(true));
    bson_decimal128_t decimal;
    bson_oid_t oid;
    memset(&oid, 7, sizeof oid);
    bson_decimal128_from_string("1.5", &decimal);
    BSON_APPEND_BINARY(b, "bin", BSON_SUBTYPE_BINARY, (const uint8_t *)"\0\1\2", 3);
    BSON_APPEND_OID(b, "oid", &oid);
    BSON_APPEND_DATE_TIME(b, "date", 5);
    BSON_APPEND_REGEX(b, "re", "a.*", "i");
    BSON_APPEND_CODE(b, "code", "f()");
    BSON_APPEND_SYMBOL(b, "sym", "s");
    BSON_APPEND_TIMESTAMP(b, "ts", 1, 2);
    BSON_APPEND_INT64(b, "i64", 3);
    BSON_APPEND_DECIMAL128(b, "dec", &decimal);
    BSON_APPEND_MINKEY(b, "min");
    BSON_APPEND_MAXKEY(b, "max");
    BSON_APPEND_UNDEFINED(b, "u");
    return b;
}

Test(bson_check, a_document_with_every_type_is_good)
{
    bson_t *b = every_type();
    cr_expect(store_bson_check(bson_get_data(b), b->len));
    bson_destroy(b);
}

Test(bson_check, every_truncation_and_flipped_byte_is_survived)
{
    bson_t *b = every_type();
    uint8_t copy[1024];
    cr_assert_lt(b->len, sizeof copy);
    for (uint32_t len = 0; len < b->len; len++) {
        cr_expect_not(len >= 4 && store_bson_check(bson_get_data(b), len), "cut at %u", len);
    }
    for (uint32_t at = 0; at < b->len; at++) {
        for (int bit = 0; bit < 8; bit++) {
            memcpy(copy, bson_get_data(b), b->len);
            copy[at] = (uint8_t)(copy[at] ^ 1 << bit);
            bson_t again;
            /* what we call good the driver's own checker must call good too */
            if (store_bson_check(copy, b->len)) {
                cr_expect(bson_init_static(&again, copy, b->len) &&
                              bson_validate(
                                  &again, BSON_VALIDATE_UTF8 | BSON_VALIDATE_UTF8_ALLOW_NULL, NULL),
                          "byte %u bit %d", at, bit);
            }
        }
    }
    bson_destroy(b);
}

Test(bson_check, a_nesting_deeper_than_the_server_takes_is_refused)
{
    bson_t *b = bson_new();
    for (int depth = 0; depth < 250; depth++) {
        bson_t *outer = bson_new();
        cr_expect_eq(store_bson_check(bson_get_data(b), b->len), depth < 180);
        BSON_APPEND_DOCUMENT(outer, "x", b);
        bson_destroy(b);
        b = outer;
    }
    bson_destroy(b);
}
