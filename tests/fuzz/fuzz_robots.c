/* SPDX-License-Identifier: Apache-2.0 */
/* robots.txt: the agent on the first line, the target on the second, then the file. */
#include "fetch.h"
#include "fuzz.h"
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size);
    char *rest = text;
    const char *agent = fuzz_line(&rest);
    const char *target = fuzz_line(&rest);
    struct fetch_robots *robots;
    struct fetch_robots_answer answer, again;
    FUZZ_CHECK(fetch_robots_parse(rest, size - (size_t)(rest - text), &robots) == GLEANER_OK);
    fetch_robots_match(robots, agent, target, &answer);
    fetch_robots_match(robots, agent, target, &again);
    FUZZ_CHECK(answer.allowed == again.allowed && answer.line == again.line);
    FUZZ_CHECK(answer.allowed || answer.line > 0); /* only a rule forbids */
    fetch_robots_match(robots, "*", "/robots.txt", &answer);
    for (size_t i = 0; fetch_robots_sitemap(robots, i) != NULL; i++) {
        FUZZ_CHECK(strlen(fetch_robots_sitemap(robots, i)) <= size);
    }
    fetch_robots_free(&robots);
    free(text);
    return 0;
}
