/* SPDX-License-Identifier: Apache-2.0 */
/* Charsets: Content-Type on the first line, then the body. Whatever it is, UTF-8 comes out. */
#include "fetch.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size);
    char *rest = text;
    const char *content_type = fuzz_line(&rest);
    struct base_buffer scratch = {0};
    struct base_slice out;
    const char *charset = NULL;
    FUZZ_CHECK(fetch_decode(rest, size - (size_t)(rest - text), content_type, &scratch, &out,
                            &charset) == GLEANER_OK);
    FUZZ_CHECK(charset != NULL && base_utf8_valid(out.data, out.len));
    base_buffer_fini(&scratch);
    free(text);
    return 0;
}
