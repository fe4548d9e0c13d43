/* SPDX-License-Identifier: Apache-2.0 */
/* The example of workers/README.md: at most 60 lines, compiles against include/ alone, works. */
#include "text_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

TestSuite(text_example, .init = text_setup, .fini = text_teardown, .timeout = 60);

/* Copy the first ```c block of the README into `path`; returns its lines. */
static unsigned extract_example(const char *path)
{
    FILE *readme = fopen(WORKERS_README, "r");
    FILE *source = fopen(path, "w");
    cr_assert(readme != NULL && source != NULL);
    char line[512];
    bool inside = false;
    unsigned lines = 0;
    while (fgets(line, sizeof line, readme) != NULL) {
        if (inside && strcmp(line, "```\n") == 0) {
            break;
        }
        if (inside) {
            fputs(line, source);
            lines++;
        }
        inside = inside || strcmp(line, "```c\n") == 0;
    }
    fclose(readme);
    fclose(source);
    return lines;
}

Test(text_example, the_module_of_the_readme_compiles_against_include_alone_and_works)
{
    char folder[] = "/tmp/gleaner-example-XXXXXX";
    cr_assert_not_null(mkdtemp(folder));
    char source[64];
    char object[64];
    snprintf(source, sizeof source, "%s/words.c", folder);
    snprintf(object, sizeof object, "%s/words.so", folder);
    unsigned lines = extract_example(source);
    cr_expect(lines > 10 && lines <= 60, "%u lines", lines);
    char command[512];
    snprintf(command, sizeof command,
             "%s -std=c17 -Wall -Wextra -Werror -shared -fPIC -I%s -o %s %s", C_COMPILER,
             INCLUDE_FOLDER, object, source);
    cr_assert_eq(system(command), 0, "%s", command);

    struct base_error error = {0};
    cr_assert_eq(module_load(text_registry, object, &error), GLEANER_OK, "%s", error.message);
    struct gleaner_page page = text_page("<p>one two three</p>", 20);
    page.type = "words";
    text_run(&page);
    cr_expect_eq(text_result.verdict, GLEANER_PAGE_DONE);
    cr_assert_eq(text_result.documents, 1);
    cr_expect_eq(page_result_field(&text_result, "words")->number, 3);
    snprintf(command, sizeof command, "rm -r %s", folder);
    cr_expect_eq(system(command), 0);
}
