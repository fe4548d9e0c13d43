/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch_internal.h"
#include <criterion/criterion.h>
#include <string.h>

static void expect(const char *line, bool noindex, bool nofollow)
{
    struct fetch_result result = {0};
    fetch_read_robots_tag(line, strlen(line), "gleaner", &result);
    cr_expect_eq(result.noindex, noindex, "noindex of '%s'", line);
    cr_expect_eq(result.nofollow, nofollow, "nofollow of '%s'", line);
}

Test(robots_tag, words_between_commas_are_directives)
{
    expect("", false, false);
    expect("all", false, false);
    expect("noindex", true, false);
    expect("NoIndex,NOFOLLOW", true, true);
    expect(" , noarchive ,\tnofollow , ", false, true);
    expect("none", true, true);
    expect("noindexing, nofollows, nonesuch", false, false);
}

Test(robots_tag, a_name_limits_what_follows_to_its_agent)
{
    expect("gleaner: noindex", true, false);
    expect("Gleaner :nofollow", false, true);
    expect("googlebot: noindex, nofollow", false, false);
    expect("googlebot: noindex, gleaner: nofollow", false, true);
    expect("gleaner: noindex, otherbot: nofollow", true, false);
    expect("noindex, otherbot: nofollow", true, false);
    expect("gleaner-images: none", false, false);
    expect("*: none", true, true);
}

Test(robots_tag, a_directive_with_a_value_is_no_agent_and_says_nothing_else)
{
    expect("max-image-preview:none", false, false);
    expect("max-snippet: -1, max-image-preview: none, nofollow", false, true);
    expect("unavailable_after: Fri, 25 Jun 2010 15:00:00 GMT, noindex", true, false);
    expect("unavailable_after: 25 Jun 2010 15:00:00 PST, noindex", true, false);
}
