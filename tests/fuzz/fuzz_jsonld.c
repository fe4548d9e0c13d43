/* SPDX-License-Identifier: Apache-2.0 */
/* JSON-LD: two scripts of one page. */
#include "fuzz.h"
#include "page_jsonld.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct page_ld ld = {0};
    page_ld_read(&ld, (const char *)data, size);
    page_ld_read(&ld, (const char *)data + size / 2, size - size / 2);
    FUZZ_CHECK(ld.count <= PAGE_LD_OBJECTS);
    size_t bytes = 0;
    for (int property = 0; property < PAGE_LD_COUNT; property++) {
        for (unsigned i = 0; i < ld.count; i++) {
            struct text_slice value = page_ld_value(&ld, i, (enum page_ld_property)property);
            for (size_t at = 0; at < value.len; at++) {
                bytes += (size_t)(value.data[at] != '\0');
            }
        }
        (void)page_ld_first(&ld, (enum page_ld_property)property);
    }
    FUZZ_CHECK(bytes <= 64 * (size + 64)); /* nothing grows by itself */
    page_ld_clear(&ld);
    page_ld_fini(&ld);
    return 0;
}
