/* SPDX-License-Identifier: Apache-2.0 */
#include "text_url.h"

#include "url.h"

bool text_url_init(struct text_url *url)
{
    memset(url, 0, sizeof *url);
    return url_parser_create(&url->parser) == GLEANER_OK;
}

void text_url_fini(struct text_url *url)
{
    url_parser_destroy(&url->parser);
    text_buffer_fini(&url->base);
}

bool text_url_set_base(struct text_url *url, struct text_slice href)
{
    text_buffer_clear(&url->base);
    return text_url_resolve(url, href, &url->base) &&
           url_set_base(url->parser, url->base.data, url->base.len) == GLEANER_OK;
}

void text_url_forget_base(struct text_url *url)
{
    url_forget_base(url->parser);
}

bool text_url_resolve(struct text_url *url, struct text_slice href, struct text_buffer *out)
{
    struct base_slice absolute;
    const char *data = href.len > 0 ? href.data : "";
    if (url_resolve(url->parser, data, href.len, &absolute) != GLEANER_OK) {
        return false;
    }
    size_t before = out->len;
    text_buffer_append(out, absolute.data, absolute.len);
    if (out->failed) {
        out->len = before;
    }
    return !out->failed;
}
