/* SPDX-License-Identifier: Apache-2.0 */
/* Plans as advice; the table is what an operator reads. */
#include "monitor_internal.h"
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <string.h>

struct advice_case {
    struct mongo_plan plan;
    char says[200];
};

ParameterizedTestParameters(advice, a_plan_says_what_would_help)
{
    static struct advice_case cases[] = {
        {{.is_scan = true, .fields = "status, due", .wanted = "{status: 1, due: 1}"},
         "collection app.jobs is scanned for {status, due}: create an index {status: 1, due: 1}"},
        {{.is_scan = true, .is_sort = true, .fields = "a", .wanted = "{a: 1, b: -1}"},
         "is scanned for {a} and sorted in memory: create an index {a: 1, b: -1}"},
        {{.is_scan = true, .is_sort = true, .is_empty = true, .wanted = "{b: 1}"},
         "is read whole and sorted in memory: create an index {b: 1}"},
        {{.is_scan = true, .is_empty = true}, "is read whole: add a filter or a limit"},
        {{.is_scan = true, .has_branches = true, .wanted = "{a: 1}"},
         "for $or create an index for each of its branches"},
        {{.is_scan = true, .is_computed = true}, "$where, $expr and the like use no index"},
        {{.is_sort = true, .index = "a_1", .wanted = "{a: 1, b: 1}"},
         "index a_1 of app.jobs does not give the order, so it sorts in memory: create an index "
         "{a: 1, b: 1}"},
        {{.index = "a_1"}, "it uses the index a_1: the time goes into"},
        {{.index = "a_1", .skip = 5000}, "go on from the last key seen"},
        {{.is_scan = true, .is_empty = true, .skip = 5000}, "; it skips thousands of documents"},
    };
    return cr_make_param_array(struct advice_case, cases, BASE_ARRAY_LEN(cases));
}

ParameterizedTest(struct advice_case *c, advice, a_plan_says_what_would_help)
{
    char text[ADVICE_TEXT];
    advice_of_plan(&c->plan, "app.jobs", text, sizeof(text));
    cr_expect_not_null(strstr(text, c->says), "wanted: %s\n     got: %s", c->says, text);
}

Test(advice, what_cannot_be_explained_is_known_by_its_name)
{
    cr_expect_not_null(strstr(advice_of_command("getMore"), "next batch"));
    cr_expect_not_null(strstr(advice_of_command("insert"), "journal"));
    cr_expect_str_eq(advice_of_command("renameCollection"), "");
}
