/* SPDX-License-Identifier: Apache-2.0 */
/* Sitemaps: XML, feeds, lists, gzip. */
#include "fetch.h"
#include "fuzz.h"
#include <string.h>

static void check_all(const char *const *urls, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        FUZZ_CHECK(strncmp(urls[i], "http://", 7) == 0 || strncmp(urls[i], "https://", 8) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fetch_sitemap *sitemap;
    FUZZ_CHECK(fetch_sitemap_parse((const char *)data, size, "https://h.test/d/s.xml", &sitemap) ==
               GLEANER_OK);
    check_all(sitemap->urls, sitemap->url_count);
    check_all(sitemap->sitemaps, sitemap->sitemap_count);
    fetch_sitemap_free(&sitemap);
    return 0;
}
