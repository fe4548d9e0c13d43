/* SPDX-License-Identifier: Apache-2.0 */
/* robots_table FILE: prints "N of M" decisions that agree with the table, and which do not. */
#include "robots_cases.h"

int main(int argc, char **argv)
{
    struct robots_score score;
    if (argc != 2 || !robots_cases_run(argv[1], stderr, &score)) {
        fprintf(stderr, "usage: robots_table FILE.json\n");
        return 2;
    }
    printf("%u of %u\n", score.passed, score.cases);
    printf("of RFC 9309: %u of %u\n", score.rfc_passed, score.rfc_cases);
    return score.passed == score.cases ? 0 : 1;
}
