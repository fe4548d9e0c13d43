/* SPDX-License-Identifier: Apache-2.0 */
/* Criterion 2.4.1 leaks 48 bytes of its own in the runner when tests of several suites run at a
 * time (none with --jobs 1); its frame is the only one. Everything else is still reported. */
__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void);

const char *__lsan_default_suppressions(void)
{
    return "leak:libcriterion";
}
