/* SPDX-License-Identifier: Apache-2.0 */
/* srcset: each step takes something, each address is a part of the input. */
#include "fuzz.h"
#include "page_srcset.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    struct text_slice rest = {.data = text, .len = size};
    struct text_slice url;
    while (page_srcset_next(&rest, &url)) {
        FUZZ_CHECK(url.len > 0 && url.data >= text && url.data + url.len <= text + size);
        FUZZ_CHECK(rest.len < size && rest.data + rest.len == text + size);
    }
    return 0;
}
