/* SPDX-License-Identifier: Apache-2.0 */
#include "text_fixture.h"

#include <stdio.h>
#include <string.h>

struct module_registry *text_registry;
struct page_result text_result;

void text_setup(void)
{
    sync_init();
    base_log_set_level(BASE_LOG_WARN);
    struct base_error error = {0};
    cr_assert_eq(module_registry_create(&page_host, &text_registry), GLEANER_OK);
    cr_assert_eq(module_load(text_registry, TEXT_MODULE, &error), GLEANER_OK, "%s", error.message);
}

void text_teardown(void)
{
    page_result_fini(&text_result);
    module_registry_destroy(&text_registry);
}

struct gleaner_page text_page(const char *html, size_t len)
{
    return (struct gleaner_page){
        .size = sizeof(struct gleaner_page),
        .url = PAGE_URL,
        .url_len = strlen(PAGE_URL),
        .body = html,
        .body_len = len,
        .content_type = "text/html; charset=utf-8",
        .charset = "UTF-8",
        .type = "page",
        .http_status = 200,
        .fetched_at_ms = 1700000000123,
        .want_links = true,
    };
}

void text_run(const struct gleaner_page *page)
{
    cr_assert_eq(page_host_run(text_registry, page, &text_result), GLEANER_OK);
}

void text_run_html(const char *html)
{
    struct gleaner_page page = text_page(html, strlen(html));
    text_run(&page);
}

void text_run_markdown(const char *html)
{
    struct gleaner_page page = text_page(html, strlen(html));
    page.want_markdown = true;
    text_run(&page);
}

const char *text_field(const char *name)
{
    const struct page_field *field = page_result_field(&text_result, name);
    if (field == NULL || field->kind != PAGE_TEXT) {
        return "(no such text field)";
    }
    return field->text.data != NULL ? field->text.data : "";
}

bool text_field_is_null(const char *name)
{
    const struct page_field *field = page_result_field(&text_result, name);
    return field != NULL && field->kind == PAGE_NULL;
}

static const char *join(const struct page_field *field)
{
    static char joined[65536];
    size_t len = 0;
    joined[0] = '\0';
    for (size_t i = 0; field != NULL && i < field->count && len < sizeof joined; i++) {
        len += (size_t)snprintf(joined + len, sizeof joined - len, "%s%s", i > 0 ? " " : "",
                                page_field_item(field, i));
    }
    return joined;
}

const char *text_list(const char *name)
{
    return join(page_result_field(&text_result, name));
}

const char *text_followed(void)
{
    return join(&text_result.followed);
}
