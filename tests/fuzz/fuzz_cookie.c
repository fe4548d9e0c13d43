/* SPDX-License-Identifier: Apache-2.0 */
/* Cookies: each line is a Set-Cookie field of one host, an empty line ends the answer that sets
 * them. The parser is libcurl's; the jar, its limits and what they look at are ours. After each
 * answer the jar is within its limits, or nothing was counted that could be over them. */
#include "fetch_internal.h"
#include "fuzz.h"
#include <string.h>

#define MAX_COOKIES 64 /* of fetch_cookies.c */
#define MAX_BYTES 16384
#define OF_THE_JAR 64 /* host, path, flags, date: a jar keeps them with each, nobody sent them */

static struct fetch_engine engine = {.options.use_cookies = true};
static struct fetch_thread thread = {.engine = &engine};

static void check_jar(struct fetch_transfer *x)
{
    struct curl_slist *lines = NULL;
    size_t count = 0, bytes = 0;
    fetch_cookies_attach(x);
    FUZZ_CHECK(curl_easy_getinfo(x->easy, CURLINFO_COOKIELIST, &lines) == CURLE_OK);
    for (const struct curl_slist *line = lines; line != NULL; line = line->next) {
        count++;
        bytes += strlen(line->data);
    }
    curl_slist_free_all(lines);
    curl_easy_setopt(x->easy, CURLOPT_SHARE, NULL);
    FUZZ_CHECK(count <= MAX_COOKIES && bytes <= MAX_BYTES + MAX_COOKIES * OF_THE_JAR);
}

static void set_cookie(struct fetch_transfer *x, const char *value)
{
    static const char name[] = "Set-Cookie: ";
    char *line = malloc(sizeof name + strlen(value));
    FUZZ_CHECK(line != NULL);
    memcpy(line, name, sizeof name - 1);
    memcpy(line + sizeof name - 1, value, strlen(value) + 1);
    curl_easy_setopt(x->easy, CURLOPT_COOKIELIST, line);
    fetch_cookies_seen(x, strlen(line));
    free(line);
}

/* A jar may be over its limits by one answer, until that is over. */
static void one_answer(struct fetch_transfer *x, char **rest, const char *end)
{
    x->got_cookies = false;
    fetch_cookies_attach(x);
    while (*rest < end) {
        const char *value = fuzz_line(rest);
        if (*value == '\0') {
            break;
        }
        set_cookie(x, value);
    }
    fetch_cookies_detach(x);
    check_jar(x);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size);
    char *rest = text;
    const char *end = text + strlen(text);
    struct fetch_host host = {0};
    struct fetch_transfer x = {.thread = &thread, .host = &host, .easy = curl_easy_init()};
    FUZZ_CHECK(x.easy != NULL);
    curl_easy_setopt(x.easy, CURLOPT_URL, "http://host.test/");
    while (rest < end) {
        one_answer(&x, &rest, end);
    }
    curl_easy_cleanup(x.easy);
    fetch_cookies_free(&host);
    free(text);
    return 0;
}
